"""What a classifier begins with: the body and tokenizer of a model that has read much already, or new ones.

--base minilm          a pre-trained encoder of the catalogue
--base runs/lm         a run of one's own, encoder or decoder, or a classifier to train further
--base FOLDER          a Hugging Face folder
no base                a new body of `model.kind`, and a tokenizer trained on the training texts
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zhixing.checkpoint import open_model
from zhixing.corpus.labelled import Example
from zhixing.errors import ArtifactError, SettingError
from zhixing.models import SHAPES, build
from zhixing.models.shapes import DecoderModel, EncoderModel, Shape
from zhixing.tasks.artifact import is_classifier, open_classifier
from zhixing.tasks.classify import classifier
from zhixing.tasks.recipe import ClassifyRecipe
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.tokenizer.train import train as train_tokenizer
from zhixing.train.loop import State
from zhixing.train.optim import Optimizer

FREE = ("model.dropout",)
"""Settings of a model that may be set for one that is there already."""


@dataclass(frozen=True)
class Start:
    """A body, or the absence of one, and its tokenizer."""

    tokenizer: Tokenizer
    shape: Shape
    settings: dict[str, Any]
    """Of the model and the window, by dotted names."""
    base: DecoderModel | EncoderModel | None = None
    identity: str | None = None
    """SHA-256 by which the base is known again."""


def from_base(base: Path, chosen: Mapping[str, Any]) -> Start:
    """Begin with a model that is there. Raises `SettingError` for settings that it has already, `ArtifactError` for no such model."""
    refuse_settings(chosen)
    if is_classifier(base):
        opened = open_classifier(base, "cpu")
        model = build(opened.recipe.model, opened.tokenizer.vocabulary, opened.task.shape)
        assert isinstance(model, DecoderModel | EncoderModel)
        body = model.decoder if isinstance(model, DecoderModel) else model.encoder
        body.load_state_dict(opened.model.body.state_dict())
        return Start(opened.tokenizer, opened.task.shape, _shape_of(model), model, opened.fingerprint)
    loaded = open_model(base, "cpu")
    if not isinstance(loaded.model, DecoderModel | EncoderModel):
        raise ArtifactError(base, "is an encoder-decoder, which cannot be made a classifier; encoders and decoders can")
    return Start(loaded.tokenizer, loaded.model.shape, _shape_of(loaded.model), loaded.model, loaded.fingerprint)


def refuse_settings(chosen: Mapping[str, Any]) -> None:
    """Raise `SettingError` for settings that a base has already."""
    if taken := [name for name in chosen if name.startswith(("model.", "tokenizer.")) and name not in FREE]:
        raise SettingError(taken[0], "cannot be set together with --base, which has its own model and tokenizer")


def _shape_of(model: DecoderModel | EncoderModel) -> dict[str, Any]:
    return {f"model.{name}": value for name, value in model.settings.model_dump().items() if value is not None}


def from_scratch(examples: Sequence[Example], recipe: ClassifyRecipe) -> Start:
    """Begin with a new body: an encoder where the architecture has one. The tokenizer is trained on the training texts."""
    shapes = SHAPES[recipe.model.kind]
    shape: Shape = "encoder" if "encoder" in shapes else "decoder"
    if shape not in shapes:
        raise SettingError("model.kind", f"= {recipe.model.kind} is no encoder")
    total = sum(len(text.encode("utf-8")) for text in _texts(examples))
    return Start(train_tokenizer(_texts(examples), recipe.tokenizer, total), shape, {})


def _texts(examples: Sequence[Example]) -> Iterator[str]:
    for example in examples:
        yield example.text
        if example.pair:
            yield example.pair


def begin(start: Start, recipe: ClassifyRecipe, classes: int, device: torch.device) -> State:
    """A training before its first step: a new head, drawn from the recipe's seed, on the base's body or a new one."""
    torch.manual_seed(recipe.train.seed)
    with torch.device(device):
        model = build(recipe.model, start.tokenizer.vocabulary, start.shape)
    assert isinstance(model, DecoderModel | EncoderModel)
    if start.base is not None:
        model.load_state_dict(start.base.state_dict())
    made = classifier(model, classes, recipe.objective).to(device)
    return State.new(made, Optimizer(made, recipe.optim), recipe.train.ema)
