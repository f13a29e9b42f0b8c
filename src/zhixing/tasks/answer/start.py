"""What a reader begins with: the encoder and tokenizer of a model that has read much already, or new ones.

--base minilm          a pre-trained encoder of the catalogue
--base runs/lm         an encoder of one's own, a classifier's, or a reader to train further, with its head
--base FOLDER          a Hugging Face folder
no base                a new encoder of `model.kind`, and a tokenizer trained on the training questions and their texts
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zhixing.corpus.questions import Question
from zhixing.errors import ArtifactError, SettingError
from zhixing.models import SHAPES, build, kinds
from zhixing.models.shapes import EncoderModel
from zhixing.tasks.answer.artifact import Reader, is_reader
from zhixing.tasks.answer.objective import SpanReader, reader
from zhixing.tasks.answer.recipe import AnswerRecipe
from zhixing.tasks.classify import start as encoders
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.tokenizer.train import train as train_tokenizer
from zhixing.train.loop import State
from zhixing.train.optim import Optimizer


@dataclass(frozen=True)
class Start:
    """An encoder, or the absence of one, and its tokenizer."""

    tokenizer: Tokenizer
    settings: dict[str, Any]
    """Of the model, by dotted names."""
    encoder: torch.nn.Module | None = None
    head: torch.nn.Module | None = None
    """Of a reader that is trained further."""
    identity: str | None = None
    """SHA-256 by which the base is known again."""
    young: bool = False
    """See `checkpoint.Loaded.young`."""


def from_base(base: Path, chosen: Mapping[str, Any]) -> Start:
    """Begin with a model that is there. Raises `SettingError` for settings that it has already, `ArtifactError` for no such encoder."""
    if is_reader(base):
        encoders.refuse_settings(chosen)
        opened = Reader.open(base, "cpu")
        settings = {f"model.{name}": value for name, value in opened.recipe.model.model_dump().items() if value is not None}
        return Start(opened.tokenizer, settings, opened.model.encoder, opened.model.head, opened.fingerprint)
    start = encoders.from_base(base, chosen)
    if not isinstance(start.base, EncoderModel):
        raise ArtifactError(base, "is a decoder, which has not read what stands behind a token; answers are found by encoders")
    return Start(start.tokenizer, start.settings, start.base.encoder, None, start.identity, start.young)


def from_scratch(questions: Sequence[Question], recipe: AnswerRecipe) -> Start:
    """Begin with a new encoder. The tokenizer is trained on the training questions and their texts."""
    if "encoder" not in SHAPES[recipe.model.kind]:
        raise SettingError("model.kind", f"= {recipe.model.kind} is no encoder; these are: {', '.join(kinds('encoder'))}")
    total = sum(len(text.encode("utf-8")) for text in _texts(questions))
    return Start(train_tokenizer(_texts(questions), recipe.tokenizer, total), {})


def _texts(questions: Sequence[Question]) -> Iterator[str]:
    seen = set[str]()
    for question in questions:
        yield question.question
        if question.context not in seen:
            seen.add(question.context)
            yield question.context


def build_reader(recipe: AnswerRecipe, vocabulary: int) -> SpanReader:
    """A new reader of a recipe."""
    model = build(recipe.model, vocabulary, "encoder")
    assert isinstance(model, EncoderModel)
    return reader(model, recipe.objective)


def begin(start: Start, recipe: AnswerRecipe, device: torch.device) -> State:
    """A training before its first step: drawn from the recipe's seed, or with the weights of the base."""
    torch.manual_seed(recipe.train.seed)
    with torch.device(device):
        made = build_reader(recipe, start.tokenizer.vocabulary)
    if start.encoder is not None:
        made.encoder.load_state_dict(start.encoder.state_dict())
    if start.head is not None:
        made.head.load_state_dict(start.head.state_dict())
    return State.new(made.to(device), Optimizer(made, recipe.optim), averages=recipe.train.averages)
