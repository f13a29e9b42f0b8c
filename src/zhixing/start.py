"""What a pre-training run begins with: new weights, those of another model, or one role of it.

    --base             all weights of a model of the same shape: further training, also on other text (domain adaptation)
    --base-encoder     the encoder of an encoder-decoder takes the weights of an encoder's or a decoder's role, as far as names and shapes
    --base-decoder     agree; likewise its decoder. What is taken, and what is new, is said.
    --vectors          a new model, whose embedding begins with word vectors that `embed` wrote

Marks that the objective needs and the other model's vocabulary lacks get new rows, the mean of the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zhixing import objectives
from zhixing.checkpoint import Loaded, checkpoints, open_model
from zhixing.console import say
from zhixing.corpus import fetch
from zhixing.errors import ArtifactError, SettingError
from zhixing.files import MANIFEST, sha256
from zhixing.models import SHAPES, Model, build, kinds
from zhixing.models.shapes import EncoderDecoderModel
from zhixing.models.vocabulary import grow
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.train.plan import Base
from zhixing.train.recipe import Recipe
from zhixing.train.vectors import beginning, fitting

OPTIONS = {"whole": "--base", "encoder": "--base-encoder", "decoder": "--base-decoder", "vectors": "--vectors"}
"""What names a model in each role."""
FREE = ("model.dropout",)
"""Settings of a model that may be set for one that is there already."""


@dataclass(frozen=True)
class Bases:
    """Models to begin with, as the user names them: run folders, Hugging Face folders, or names."""

    whole: Path | None = None
    encoder: Path | None = None
    decoder: Path | None = None
    vectors: Path | None = None

    def lineage(self) -> dict[str, Any] | None:
        """Where they are, and the hash by which each is known again."""
        return {role: {"path": _place(path), "manifest": _identity(role, path)} for role, path in self._given().items()} or None

    def refuse_other(self, record: Mapping[str, Any] | None, out: Path) -> None:
        """Raise `ArtifactError` unless a run was begun with models in the same roles, and with the same ones; vectors may be left out.

        record: of its lineage. Once a checkpoint holds what became of a model, it may have changed where it lies, or be gone.
        """
        begun, given = record or {}, self._given()
        used = (out / "result.json").is_file() or bool(checkpoints(out))
        for role, option in OPTIONS.items():
            if role in begun and role not in given and role != "vectors":
                raise ArtifactError(out, f"was begun with {option} {begun[role]['path']}; give the same, or choose another --out")
            if role in given and role not in begun:
                raise ArtifactError(out, f"was begun without {option}; give the same, or choose another --out")
        for role in given:
            if not (used and _place(given[role]) == begun[role]["path"]) and _identity(role, given[role]) != begun[role]["manifest"]:
                what = f"{OPTIONS[role]} {begun[role]['path']} as it was then"
                raise ArtifactError(out, f"was begun with {what}; give that, or choose another --out")

    def _given(self) -> dict[str, Path]:
        return {role: path for role in OPTIONS if (path := getattr(self, role)) is not None}


@dataclass(frozen=True)
class Start:
    """The beginning of a run."""

    tokenizer: Tokenizer
    settings: dict[str, Any]
    """Those of the user, by dotted names, with the shape of the model that is there already."""
    base: Base | None
    """Makes the model; None: a new one, from the recipe alone."""
    learnt: bool = False
    """Whether all of its weights are those of a model that has learnt already."""


def start(bases: Bases, data: Path, chosen: Mapping[str, Any]) -> Start:
    """What a run on `data` begins with.

    Raises `SettingError` for bases and settings that exclude each other, `ArtifactError` for a base that does not fit the data or the
    objective.
    """
    tokenizer = Tokenizer.load(data / "tokenizer.json")
    kind = str(chosen.get("objective.kind", "causal"))
    shape = objectives.SHAPES.get(kind)
    if bases.vectors is not None:
        if bases.whole is not None or bases.encoder is not None or bases.decoder is not None:
            raise SettingError("vectors", "begin the embedding of a new model; leave them out, or the other model")
        return Start(tokenizer, {**chosen, **fitting(bases.vectors, chosen)}, beginning(bases.vectors, tokenizer))
    if bases.whole is None and bases.encoder is None and bases.decoder is None:
        return Start(tokenizer, dict(chosen), None)
    if bases.whole is not None and (bases.encoder is not None or bases.decoder is not None):
        raise SettingError("base", "is a whole model; give it, or --base-encoder and --base-decoder")
    if bases.whole is None:
        return _roles(bases, data, tokenizer, chosen, kind)
    if shaped := [name for name in chosen if name.startswith("model.") and name not in FREE]:
        raise SettingError(shaped[0], "cannot be set together with --base, which has its own model")
    path, loaded = bases.whole, open_model(bases.whole, "cpu")
    if shape is not None and loaded.model.shape != shape:
        fits = " or ".join(k for k, s in objectives.SHAPES.items() if s == loaded.model.shape and k != "seq2seq")
        raise SettingError("objective.kind", f"= {kind} trains a model of shape {shape}, and {path} is one of shape {loaded.model.shape}; "
                           f"set objective.kind={fits}")  # fmt: skip
    _refuse_other_words(loaded, path, data, tokenizer)
    if loaded.new_head:
        say(f"{path} came without a head for hidden tokens; the head is a new one, and the first loss will be high")

    def make(recipe: Recipe, vocabulary: int) -> Model:
        model = open_model(path, "cpu").model
        old = model.head.matrix.shape[0]
        if vocabulary > old:
            grow(model, vocabulary, [[]] * (vocabulary - old))
        made = build(recipe.model, max(old, vocabulary), recipe.shape)  # with the dropout of this run
        made.load_state_dict(model.state_dict())
        return made

    return Start(loaded.tokenizer, {"objective.context": loaded.context, **settings_of(loaded.model), **chosen}, make, learnt=True)


def _roles(bases: Bases, data: Path, tokenizer: Tokenizer, chosen: Mapping[str, Any], objective: str) -> Start:
    if objectives.SHAPES.get(objective) != "encoder-decoder":
        raise SettingError(
            "objective.kind", f"= {objective} does not train an encoder-decoder, and --base-encoder and --base-decoder make one"
        )
    sources = {role: path for role in ("encoder", "decoder") if (path := getattr(bases, role)) is not None}
    loaded = {role: open_model(path, "cpu") for role, path in sources.items()}
    for role, one in loaded.items():
        _refuse_other_words(one, sources[role], data, tokenizer)
    first = next(iter(loaded.values())).model
    given: dict[str, Any] = {}
    if "encoder-decoder" in SHAPES[first.settings.kind]:  # type: ignore[attr-defined]
        given = settings_of(first)
    elif "model.kind" not in chosen:
        path, known = next(iter(sources.values())), ", ".join(kinds("encoder-decoder"))
        kind = first.settings.kind  # type: ignore[attr-defined]
        raise ArtifactError(
            path, f"is of kind {kind}, which cannot be an encoder-decoder; these can, and one can be warmed by its own: {known}"
        )

    def make(recipe: Recipe, vocabulary: int) -> Model:
        model = build(recipe.model, vocabulary, recipe.shape)
        assert isinstance(model, EncoderDecoderModel)
        for role, path in sources.items():
            source = open_model(path, "cpu").model
            old = source.head.matrix.shape[0]
            if vocabulary > old:
                grow(source, vocabulary, [[]] * (vocabulary - old))
            _, taken = warm(model, role, source, path)
            if not taken:
                raise ArtifactError(path, f"has nothing whose name and shape agree with the {role}'s of this model ({recipe.model.kind})")
        return model

    return Start(tokenizer, {**given, **chosen}, make)


def take(role: nn.Module, source: nn.Module) -> tuple[list[str], list[str]]:
    """Copy the parameters whose names and shapes agree; returns the names of those, and of the others of `role`."""
    theirs = dict(source.named_parameters())
    taken, new = list[str](), list[str]()
    with torch.no_grad():
        for name, mine in role.named_parameters():
            if name in theirs and theirs[name].shape == mine.shape:
                mine.copy_(theirs[name])
                taken.append(name)
            else:
                new.append(name)
    return taken, new


def _refuse_other_words(loaded: Loaded, path: Path, data: Path, tokenizer: Tokenizer) -> None:
    """Raise `ArtifactError` unless the data was cut by the tokenizer of the model."""
    if tokenizer.segmentation != loaded.tokenizer.segmentation:
        raise ArtifactError(data, f"was not prepared with the tokenizer of {path}; prepare it with --tokenizer {path}")


def settings_of(model: Model) -> dict[str, Any]:
    """The settings of a model that is there, by dotted names."""
    return {f"model.{name}": value for name, value in model.settings.model_dump().items() if value is not None}


def warm(model: EncoderDecoderModel, role: str, source: Model, path: Path) -> tuple[Any, list[str]]:
    """Give one role of a new model what agrees with it of another model, by the same role or, where that has none, by its other.

    Says what is taken and what is new; returns the other model's role, and the names of what was taken.
    """
    theirs = getattr(source, role) if hasattr(source, role) else getattr(source, "decoder" if role == "encoder" else "encoder")
    taken, new = take(getattr(model, role), theirs)
    rest = f"; new: {', '.join(new[:4])}{', ...' * (len(new) > 4)}" if new else ""
    say(f"{role}: {len(taken)} of {len(taken) + len(new)} parameters from {path}{rest}")
    return theirs, taken


def _place(base: Path) -> str:
    """Where a model lies, from wherever one looks; the name of one that is fetched."""
    return str(base.resolve()) if base.exists() else str(base)


def _identity(role: str, base: Path) -> str | None:
    """The hash of what a folder says of itself and of its weights, of a run those of its checkpoints; None where it holds neither."""
    if role == "vectors":  # whose manifest says all
        return sha256(base / MANIFEST) if (base / MANIFEST).is_file() else None
    folder = base if base.exists() else fetch.locate(base)
    about = [folder / name for name in (MANIFEST, "config.json") if (folder / name).is_file()][:1]
    weights = [*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]
    hashes = [sha256(path) for path in (*about, *sorted(weights), *(place / MANIFEST for place in checkpoints(folder)))]
    return hashlib.sha256("".join(hashes).encode()).hexdigest() if hashes else None
