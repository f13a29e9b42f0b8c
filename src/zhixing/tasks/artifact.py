"""What the finished runs of all tasks have in common on disk: what of them is read and written, and when it is not believed.

model.safetensors   the best weights
task.json           what the task is, SHA-256 of the weights, golden inputs with their outputs
training.npy        hashes of what was trained on, by which a test set is checked for it
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
import safetensors.torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import nn

from zhixing.config import Settings
from zhixing.errors import ArtifactError, InputError
from zhixing.files import read_json, sha256, write_bytes
from zhixing.pretrained.weights import save as save_tensors
from zhixing.tokenizer.tokenizer import Tokenizer

TASK, WEIGHTS, TRAINING = "task.json", "model.safetensors", "training.npy"

S = TypeVar("S", bound=Settings)
Hashes = NDArray[np.uint64]


def objective_of(run: Path) -> str | None:
    """The kind of objective of a run, finished or not; None for anything else."""
    try:
        return str(read_json(Path(run) / "config.json")["objective"]["kind"])
    except (InputError, KeyError, TypeError):
        return None


def read_task(run: Path, kind: type[S]) -> S:
    """What `task.json` holds. Raises `ArtifactError` where the run is unfinished, damaged or of another version."""
    if not (run / TASK).is_file():
        raise ArtifactError(run, "has not finished training; the command that began it continues it")
    try:
        return kind.model_validate(read_json(run / TASK))
    except (ValidationError, InputError):
        raise ArtifactError(run / TASK, "is damaged, or made by another version of Zhixing") from None


def load_tokenizer(run: Path, fingerprint: str, name: str = "tokenizer.json") -> Tokenizer:
    """A tokenizer of a finished run. Raises `ArtifactError` for another than the one that its model was trained with."""
    tokenizer = Tokenizer.load(run / name)
    if tokenizer.fingerprint != fingerprint:
        raise ArtifactError(run / name, "is not the tokenizer that the model was trained with")
    return tokenizer


def load_weights(model: nn.Module, run: Path, fingerprint: str) -> None:
    """Give a model, made on the device `meta`, the weights of a finished run. Raises `ArtifactError` where damaged or unfit."""
    if not (run / WEIGHTS).is_file() or sha256(run / WEIGHTS) != fingerprint:
        raise ArtifactError(run, f"is damaged: the bytes of {WEIGHTS} do not match their SHA-256")
    try:
        model.load_state_dict(safetensors.torch.load_file(run / WEIGHTS), assign=True)
    except (SafetensorError, RuntimeError) as error:
        raise ArtifactError(run / WEIGHTS, f"does not fit the model of its config.json ({str(error).splitlines()[0]:.80})") from None


def save_weights(run: Path, model: nn.Module) -> str:
    """Write the weights of a model, which lies on the CPU; returns their SHA-256."""
    save_tensors(run / WEIGHTS, {name: value.detach().contiguous() for name, value in model.state_dict().items()})
    return sha256(run / WEIGHTS)


def hashes(texts: Iterable[str]) -> Hashes:
    """64-bit hashes of texts [N]."""
    digests = b"".join(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype=np.uint64)


def write_training(run: Path, hashed: Hashes) -> None:
    """Keep the hashes of what a run was trained on."""
    buffer = io.BytesIO()
    np.save(buffer, np.unique(hashed), allow_pickle=False)
    write_bytes(run / TRAINING, buffer.getvalue())


def in_training(run: Path, hashed: Hashes) -> NDArray[np.bool_]:
    """Which of these a run was trained on [N]."""
    try:
        known = np.load(run / TRAINING, allow_pickle=False)
    except (OSError, ValueError):
        raise ArtifactError(run, f"is damaged: {TRAINING} cannot be read") from None
    return np.isin(hashed, known)
