"""Checkpoints of a run: each a folder that is there whole or not at all, its hashes checked before a byte of it is believed.

    runs/lm/checkpoints/step-0000500/
        model.safetensors       weights as trained
        average.safetensors     their mean over steps, where there is one: what is validated, generated from and exported
        optimizer.safetensors   moments
        progress.json           step, skipped updates, validation result
        manifest.json           sizes and SHA-256 of the above

No pickle: nothing in a checkpoint is ever executed. There is no file that points to the newest or best one: both are found by looking.
"""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from zhixing import device as devices
from zhixing import pretrained
from zhixing.config import resolve
from zhixing.console import warn
from zhixing.corpus import fetch
from zhixing.errors import ArtifactError, UserError
from zhixing.files import new_folder, open_folder, read_json, sha256, write_json
from zhixing.models import build, without_weights
from zhixing.models.shapes import DecoderModel, Model
from zhixing.objectives import ObjectiveSettings
from zhixing.pretrained.weights import save as save_tensors
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.train.loop import State
from zhixing.train.recipe import Recipe

MODEL, AVERAGE, OPTIMIZER, PROGRESS = "model.safetensors", "average.safetensors", "optimizer.safetensors", "progress.json"


def save(run: Path, state: State, cost: float | None, keep_last: int, history: dict[str, Any] | None = None) -> Path:
    """Write the checkpoint of a training at rest, then remove those that are neither among the newest `keep_last` nor the best.

    cost: what its validation has given, as a number of which less is better; None where there was none at this step.
    `history` is the caller's own record (counters of early stopping and the like), given back by `restore`.
    """
    place = run / "checkpoints" / f"step-{state.step:07d}"
    finite = cost if cost is not None and math.isfinite(cost) else None
    with new_folder(place, "checkpoint", extra={"step": state.step}) as folder:
        save_tensors(folder / MODEL, _weights(state.model))
        if state.mean is not None:
            save_tensors(folder / AVERAGE, {name: value.contiguous() for name, value in state.mean.items()})
        save_tensors(folder / OPTIMIZER, {name: value.contiguous() for name, value in state.optimizer.tensors().items()})
        write_json(folder / PROGRESS, {"step": state.step, "skipped": state.skipped, "cost": finite, "history": history or {}})
    _prune(run, keep_last)
    return place


def restore(run: Path, state: State) -> dict[str, Any]:
    """Bring `state` to the newest checkpoint whose hashes are right; damaged ones are named and passed over.

    Returns the `history` that was saved with it, empty when the run has no checkpoint yet (the state is then left as it is).
    Raises `ArtifactError` when there are checkpoints, but none is whole.
    """
    damaged = []
    for place in reversed(checkpoints(run)):
        try:
            open_folder(place, "checkpoint")
            progress = read_json(place / PROGRESS)
            _load_weights(state.model, place / MODEL)
            if state.mean is not None:
                state.mean = {k: v.to(p.device) for (k, v), p in zip(_read(place / AVERAGE).items(), state.model.parameters(), strict=True)}
                state.mean = {name: state.mean[name] for name, _ in state.model.named_parameters()}
            state.optimizer.load(_read(place / OPTIMIZER))
        except UserError as error:
            damaged.append(place)
            warn(f"{error}; trying the checkpoint before it")
            continue
        state.step, state.skipped = int(progress["step"]), int(progress["skipped"])
        for broken in damaged:  # kept for inspection, out of the way of the steps that are now done again
            broken.rename(broken.with_name(f"damaged-{broken.name}"))
        return dict(progress["history"])
    if damaged:
        raise ArtifactError(run, "none of its checkpoints is whole; start again in another folder")
    return {}


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(p for p in (run / "checkpoints").glob("step-*") if p.is_dir())


def load_best(run: Path, model: nn.Module) -> Path:
    """Fill a model with the weights of a run's best checkpoint by validation, their average where there is one; returns its folder.

    Damaged checkpoints are named and passed over. Raises `ArtifactError` when there is none, or none that is whole.
    """
    order = sorted(checkpoints(run), key=_cost)
    for place in order:
        try:
            _, weights = _verified(place)
        except ArtifactError as error:
            warn(f"{error}; using the next best checkpoint")
            continue
        _load_weights(model, weights)
        return place
    raise ArtifactError(run, "none of its checkpoints is whole" if order else "has no checkpoint yet")


def clear_partial(run: Path) -> None:
    """Remove what a killed process left half-written or half-removed. Only for the process that holds the run."""
    for place in (run / "checkpoints").glob(".*"):
        shutil.rmtree(place, ignore_errors=True)
    for stray in run.glob(".*.partial-*"):
        stray.unlink(missing_ok=True)


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to be used, with what belongs to it."""

    model: Model
    tokenizer: Tokenizer
    context: int
    """Tokens that the model was trained to see at once."""
    name: str
    fingerprint: str
    """SHA-256 of the weights file."""
    path: Path
    data: Path | None
    """The data folder it was trained on, where that is known."""
    device: torch.device
    objective: ObjectiveSettings | None = None
    """What it was trained to do, where that is known."""
    young: bool = False
    """Whether it is a run that began with new weights here, minutes or hours ago: what it has learnt since need not be kept as it is."""
    new_head: bool = False
    """Whether it came without a head, so that the model's is new and says nothing before it is trained."""

    @property
    def decoder(self) -> DecoderModel:
        """The model, where it can write text. Raises `ArtifactError` where it cannot."""
        return self.decoder_for("this")

    def decoder_for(self, verb: str) -> DecoderModel:
        """Likewise, for a verb that needs a decoder, which the error then names."""
        if not isinstance(self.model, DecoderModel):
            raise ArtifactError(self.path, f"is an {self.model.shape}; {verb} needs a decoder")
        return self.model


def open_model(path: Path, device: str = "auto", checkpoint: Literal["best", "last"] = "best") -> Loaded:
    """Open a run folder (its best checkpoint by validation, or its last), a Hugging Face folder, or a model by its name for use.

    Raises `ArtifactError` when it is absent, foreign, newer than this program or damaged.
    """
    path, target = Path(path), devices.pick(device)
    if not path.exists():
        path = fetch.locate(path)
    if pretrained.is_folder(path):
        return _open_huggingface(path, target)
    open_folder(path, "run", verify=["config.json", "tokenizer.json"])
    recipe = read_recipe(path)
    tokenizer = Tokenizer.load(path / "tokenizer.json")
    with without_weights():
        model = build(recipe.model, tokenizer.vocabulary, recipe.shape)
    order = checkpoints(path)
    if not order:
        raise ArtifactError(path, "has no checkpoint yet; let pretrain run longer, or continue it with the same command")
    if checkpoint == "best":
        order.sort(key=lambda place: -_cost(place))
    for place in reversed(order):
        try:
            manifest, weights = _verified(place)
        except ArtifactError as error:
            warn(f"{error}; using the next best checkpoint")
            continue
        _load_weights(model, weights)
        data = Path(read_json(path / "lineage.json").get("data", {}).get("path", ""))
        return Loaded(
            model.to(target).eval(),
            tokenizer,
            recipe.objective.context,
            path.name,
            manifest["files"][weights.name]["sha256"],
            path,
            data,
            target,
            recipe.objective,
            young=_young(path),
        )
    raise ArtifactError(path, "none of its checkpoints is whole")


def _young(run: Path) -> bool:
    """Whether a run, and any run that it began with, began with new weights."""
    begun = read_json(run / "lineage.json").get("base") or {}
    bases = [Path(one["path"]) for role, one in begun.items() if role != "vectors"]
    return all((base / "lineage.json").is_file() and _young(base) for base in bases)


_TASKS = {"seq2seq": "translator", "classify": "classifier", "answer": "reader of questions"}
"""Runs that are made for a task."""


def read_recipe(run: Path) -> Recipe:
    """The settings of a run. Raises `ArtifactError` when they are not a run's."""
    tree = read_json(run / "config.json")
    if not isinstance(tree, dict):
        raise ArtifactError(run / "config.json", "holds no settings")
    kind = tree["objective"].get("kind") if isinstance(tree.get("objective"), dict) else None
    if kind in _TASKS:
        raise ArtifactError(run, f"is a {_TASKS[kind]}, and a model of zhixing pretrain, or a Hugging Face folder, is needed here")
    return resolve(Recipe, tree)


def _open_huggingface(path: Path, device: torch.device) -> Loaded:
    found = pretrained.load(path)
    files = sorted(path.glob("*.safetensors")) or sorted(path.glob("pytorch_model*.bin"))
    fingerprint = sha256(files[0])
    return Loaded(
        found.model.to(device).eval(), found.tokenizer, found.context, path.name, fingerprint, path, None, device, new_head=found.new_head
    )


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters (tied ones once) and persistent buffers."""
    names = dict(model.named_parameters())
    saved = model.state_dict()
    buffers = {name: b for name, b in model.named_buffers() if name in saved}
    return {name: value.detach().contiguous() for name, value in {**names, **buffers}.items()}


def _load_weights(model: nn.Module, path: Path) -> None:
    """Copy the weights of a file into a model, or make them those of a model on the device `meta`."""
    tensors, wanted = _read(path), _weights(model)
    wrong = [n for n in wanted if n not in tensors or tensors[n].shape != wanted[n].shape] + [n for n in tensors if n not in wanted]
    if wrong:
        raise ArtifactError(path, f"does not fit the model of its config.json (first difference: {wrong[0]})")
    if any(value.is_meta for value in wanted.values()):
        model.load_state_dict(tensors, strict=False, assign=True)  # a matrix that two names share is in the file once
        return
    with torch.no_grad():
        for name, value in wanted.items():
            value.copy_(tensors[name])


def _verified(place: Path) -> tuple[dict[str, Any], Path]:
    """The manifest of a checkpoint and the file of its weights, or of their average, whose hash is right; the moments are not read."""
    weights = AVERAGE if AVERAGE in open_folder(place, "checkpoint", verify=False)["files"] else MODEL
    return open_folder(place, "checkpoint", verify=[weights, PROGRESS]), place / weights


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise ArtifactError(path, f"cannot be read ({type(error).__name__}); the checkpoint is damaged") from None


def _cost(place: Path) -> float:
    with contextlib.suppress(UserError, KeyError, TypeError):
        cost = read_json(place / PROGRESS)["cost"]
        if cost is not None:
            return float(cost)
    return float("inf")


def _prune(run: Path, keep_last: int) -> None:
    kept = checkpoints(run)
    keep = {*kept[-keep_last:], min(kept, key=_cost)}
    for place in _all_but(kept, keep):
        aside = place.with_name(f".removed-{place.name}")
        place.rename(aside)  # at no instant is a half-removed folder to be seen under a checkpoint's name
        shutil.rmtree(aside, ignore_errors=True)


def _all_but(items: list[Path], keep: set[Path]) -> Iterator[Path]:
    return (item for item in items if item not in keep)
