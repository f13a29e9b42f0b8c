"""Hugging Face checkpoints in and out.

1. A folder holds `config.json`, weights in safetensors (one file, or shards with an index) and `tokenizer.json`.
2. `load` turns the config into our settings, builds the model and fills it; what is missing, left over or of the wrong shape is named.
3. `save` writes such a folder, which transformers and the engines that read its format open as it is.

One file a family: it knows the names of settings and weights, and how fused matrices are cut. No pickle is ever read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zhixing.errors import ArtifactError, InputError, MissingPackage, ZhixingError
from zhixing.files import MANIFEST, open_folder, read_json, write_json
from zhixing.models import build
from zhixing.models.llama import LlamaSettings
from zhixing.models.shapes import DecoderModel
from zhixing.pretrained import llama, weights
from zhixing.tokenizer.tokenizer import Tokenizer

PARTS = ("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer*.json", "special_tokens_map.json")
"""What is fetched of a repository on the hub."""


@dataclass(frozen=True)
class Pretrained:
    """A model that was trained elsewhere, or exported here, with what belongs to it."""

    architecture: LlamaSettings
    model: DecoderModel
    tokenizer: Tokenizer
    context: int
    """Tokens that the model was trained to see at once."""


def is_folder(path: Path) -> bool:
    """Whether this is a Hugging Face folder: it has a `config.json` that names a type of model, as no folder of ours does."""
    try:
        config = read_json(path / "config.json")
    except InputError:
        return False
    return isinstance(config, dict) and "model_type" in config


def load(source: Path | str) -> Pretrained:
    """Open a Hugging Face folder, or a repository on the hub by its id (`owner/name`), in fp32 on the CPU.

    Raises `ArtifactError` when the folder is absent, damaged, of a family that is not known here, or computes something else.
    """
    folder = _folder(source)
    if not (folder / "config.json").is_file():
        raise ArtifactError(folder, "is not a Hugging Face folder (it has no config.json)")
    if (folder / MANIFEST).is_file():  # it was exported here, so that its bytes can be checked
        open_folder(folder, "export")
    config = read_json(folder / "config.json")
    architecture, vocabulary, context = llama.settings(config, folder / "config.json")
    with torch.device("meta"):
        model = build(architecture, vocabulary)
    with weights.opened(folder) as tensors:
        model.load_state_dict(llama.read(tensors, architecture, vocabulary, folder), assign=True)
    tokenizer = Tokenizer.adopt(folder)
    if tokenizer.vocabulary > vocabulary:
        raise ArtifactError(folder, f"its tokenizer has {tokenizer.vocabulary} ids, and the model knows only {vocabulary}")
    assert isinstance(model, DecoderModel)
    return Pretrained(architecture, model.float().eval(), tokenizer, context)


def save(folder: Path, model: DecoderModel, architecture: LlamaSettings, tokenizer: Tokenizer, context: int) -> None:
    """Write config, weights, generation config and tokenizer into an existing folder, in fp32."""
    marks = {"bos_token_id": tokenizer.end, "eos_token_id": tokenizer.end, "pad_token_id": tokenizer.pad}
    write_json(folder / "config.json", llama.config(architecture, model.head.matrix.shape[0], context) | marks)
    write_json(folder / "generation_config.json", marks | {"do_sample": True, "temperature": 0.8})
    weights.write(folder, llama.write(model, architecture))
    tokenizer.save(folder / "tokenizer.json")
    names = {"bos_token": tokenizer.end, "eos_token": tokenizer.end, "pad_token": tokenizer.pad, "unk_token": tokenizer.unknown}
    settings: dict[str, Any] = {name: _special(tokenizer, token) for name, token in names.items() if token is not None}
    settings |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": context, "clean_up_tokenization_spaces": False}
    write_json(folder / "tokenizer_config.json", settings)


def _special(tokenizer: Tokenizer, token: int) -> str:
    return tokenizer.pieces([token])[0]


def _folder(source: Path | str) -> Path:
    folder = Path(source)
    if folder.exists() or not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        if not folder.is_dir():
            raise ArtifactError(source, "no such folder")
        return folder
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise MissingPackage("huggingface_hub", "hub", f"{source} is no folder here; fetching it from the Hugging Face hub") from None
    fetch: Callable[..., str] = snapshot_download
    try:
        return Path(fetch(str(source), allow_patterns=list(PARTS)))
    except Exception as error:  # the client's own errors have no common base
        said = str(error).strip().splitlines()
        raise ZhixingError(
            f"{source}: no such folder, and it could not be fetched from the Hugging Face hub ({said[0] if said else type(error).__name__})"
        ) from error
