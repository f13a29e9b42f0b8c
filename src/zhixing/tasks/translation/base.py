"""What a translator begins with, besides new weights: models that have read, or translated, much already.

    --base FOLDER            a pre-trained Marian, M2M100 or NLLB folder: weights, tokenizers, marks, settings of search
    --base RUN               a translator that was trained here, for other texts (domain adaptation); or an encoder-decoder that was trained
                             to write what was hidden in running text
    --base-encoder RUN       the encoder takes the weights of a run's encoder (masked words, denoising), or of its decoder, as far as names
    --base-decoder RUN       and shapes agree; the decoder likewise. The vocabulary of that side is the run's.

A model's rows for ids that its base does not know (tags) begin as the mean of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zhixing import pretrained
from zhixing.checkpoint import open_model
from zhixing.corpus import fetch
from zhixing.errors import ArtifactError, SettingError
from zhixing.models import SHAPES, MarianSettings, kinds
from zhixing.models.shapes import EncoderDecoderModel
from zhixing.start import FREE, Bases, settings_of, warm
from zhixing.tasks.translation.artifact import Translator, is_translator
from zhixing.tasks.translation.marks import Marks
from zhixing.tokenizer.tokenizer import Tokenizer

Fill = Callable[[EncoderDecoderModel], None]
CONTEXT = 128
"""Tokens of a side, at most, where the model itself would allow more: what is longer is cut into sentences."""
_OF_A_SIDE = ("encoder_layers", "heads", "hidden", "decoder_layers", "decoder_heads", "decoder_hidden")
"""Settings of a Transformer that its roles may have each for itself."""


@dataclass(frozen=True)
class Base:
    """What there is before training."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Of model, vocabulary and search, by dotted names."""
    source: Tokenizer | None = None
    target: Tokenizer | None = None
    marks: Marks | None = None
    """None: nothing but begin and end."""
    translates: bool = False
    """Whether it has learnt to translate already."""
    fill: Fill | None = None
    """Puts its weights into a new model."""


def opened(bases: Bases, chosen: Mapping[str, Any], languages: tuple[str, str]) -> Base:
    """What a run begins with.

    Raises `SettingError` for bases and settings that exclude each other, `ArtifactError` for a model that is none, or fits none.
    """
    if bases.whole is None and bases.encoder is None and bases.decoder is None:
        return Base()
    if bases.whole is not None and (bases.encoder is not None or bases.decoder is not None):
        raise SettingError("base", "is a whole model; give it, or --base-encoder and --base-decoder")
    option = "--base" if bases.whole is not None else "--base-encoder and --base-decoder"
    taken = [name for name in chosen if name.startswith("model.") and name not in FREE]
    taken += [name for name in chosen if name in ("vocabulary.kind", "vocabulary.joint", "vocabulary.size") and bases.whole is not None]
    taken += [name for name in chosen if name == "vocabulary.joint"]
    if taken:
        raise SettingError(taken[0], f"cannot be set together with {option}: the model that is there has its own shape and vocabulary")
    return _roles(bases) if bases.whole is None else _whole(bases.whole, languages)


def _whole(path: Path, languages: tuple[str, str]) -> Base:
    """Begin with all weights of an encoder-decoder."""
    if is_translator(path):
        known = Translator.open(path, "cpu")
        settings = {**settings_of(known.model), "vocabulary.joint": known.recipe.vocabulary.joint, "objective.context": known.task.context}
        settings |= {f"decode.{name}": value for name, value in known.recipe.decode.model_dump().items() if value is not None}
        marks = known.marks.model_copy(update={"languages": languages})
        return Base(settings, known.source, known.target, marks, True, lambda model: _copied(model, known.model))
    if pretrained.is_folder(path) or (not path.exists() and fetch.is_name(str(path))):
        return _elsewhere(path, languages)
    loaded = open_model(path, "cpu")
    model = loaded.model
    if not isinstance(model, EncoderDecoderModel):
        raise ArtifactError(
            path, f"is a model of shape {model.shape}; --base takes an encoder-decoder, --base-encoder or --base-decoder this"
        )
    words = loaded.tokenizer
    settings = {**settings_of(model), "vocabulary.joint": True}
    marks = Marks.plain(languages, words, words)
    return Base(settings, words, words, marks, False, lambda new: _copied(new, model))


def _elsewhere(path: Path, languages: tuple[str, str]) -> Base:
    """Begin with a translation model that was trained elsewhere."""
    found = pretrained.load(path)
    model = found.model
    if not isinstance(model, EncoderDecoderModel) or found.source_tokenizer is None:
        raise ArtifactError(path, f"is a model of shape {model.shape}; an encoder-decoder (Marian, M2M100, NLLB) is needed to translate")
    joint = model.encoder.embedding is model.decoder.embedding
    rows = int(model.encoder.embedding.weight.shape[0]), int(model.decoder.embedding.weight.shape[0])  # type: ignore[union-attr, index]
    begin = found.tokenizer.end if found.begin is None else found.begin
    decoding = {f"decode.{name}": value for name, value in found.decoding.items() if name != "first"}
    settings = {**settings_of(model), "vocabulary.joint": joint, "objective.context": min(found.context, CONTEXT), **decoding}
    marks = Marks(languages=languages, rows=rows, start=begin, behind=found.behind)
    source = found.tokenizer if found.source_tokenizer.fingerprint == found.tokenizer.fingerprint else found.source_tokenizer
    return Base(settings, source, found.tokenizer, marks, True, lambda new: _copied(new, model))


def _roles(bases: Bases) -> Base:
    """Begin with an encoder, a decoder or both, each of a run."""
    paths = {role: path for role in ("encoder", "decoder") if (path := getattr(bases, role)) is not None}
    loaded = {role: open_model(path, "cpu") for role, path in paths.items()}
    for role, one in loaded.items():
        kind = one.model.settings.kind  # type: ignore[attr-defined]
        if "encoder-decoder" not in SHAPES[kind]:
            known = ", ".join(kinds("encoder-decoder"))
            raise ArtifactError(paths[role], f"is of kind {kind}, which cannot be an encoder-decoder; these can: {known}")
    settings = settings_of(next(iter(loaded.values())).model)
    if len(loaded) == 2:
        _agree(paths, settings, own := settings_of(loaded["decoder"].model))
        if isinstance(shape := loaded["decoder"].model.settings, MarianSettings):
            settings |= {"model.decoder_layers": own["model.decoder_layers"], "model.decoder_hidden": shape.inner[1]}
            settings["model.decoder_heads"] = shape.decoder_heads or shape.heads
    settings.pop("model.dropout", None)

    def fill(model: EncoderDecoderModel) -> None:
        for role, path in paths.items():
            part, taken = warm(model, role, loaded[role].model, path)
            if not [name for name in taken if not name.startswith("embedding")]:
                raise ArtifactError(path, f"has nothing whose name and shape agree with the {role}'s of this model")
            _rows(getattr(model, role).embedding.weight, part.embedding.weight)

    words = {role: one.tokenizer for role, one in loaded.items()}
    return Base({**settings, "vocabulary.joint": False}, words.get("encoder"), words.get("decoder"), None, False, fill)


def _agree(paths: Mapping[str, Path], encoder: Mapping[str, Any], decoder: Mapping[str, Any]) -> None:
    """Raise `ArtifactError` where two bases cannot be parts of one model."""
    own = {f"model.{name}" for name in _OF_A_SIDE} | set(FREE)
    for name in sorted(({*encoder} | {*decoder}) - own):
        if encoder.get(name) != decoder.get(name):
            what = f"{name} = {decoder.get(name)} does not fit {paths['encoder']}, where it is {encoder.get(name)}"
            raise ArtifactError(paths["decoder"], f"cannot stand beside that encoder: its {what}")


def _copied(new: EncoderDecoderModel, old: EncoderDecoderModel) -> None:
    """Put all weights of a model into one of the same shape that may know more ids."""
    theirs = dict(old.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name, mine in new.named_parameters():
            if mine.shape == theirs[name].shape:
                mine.copy_(theirs[name])
            else:
                _rows(mine, theirs[name])


@torch.no_grad()
def _rows(mine: Tensor, theirs: Tensor) -> None:
    """Copy the rows that are there; others begin as the mean of these."""
    if mine.shape[1:] != theirs.shape[1:]:
        return
    count = min(len(mine), len(theirs))
    mine[:count] = theirs[:count].to(mine.device)
    if len(mine) > count:
        mine[count:] = theirs.to(mine.device).mean(dim=0)
