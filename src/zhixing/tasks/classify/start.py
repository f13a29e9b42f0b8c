"""What a classifier begins with: the body and tokenizer of a model that has read much already, or new ones.

--base minilm          a pre-trained encoder of the catalogue
--base runs/lm         a run of one's own, encoder or decoder, or a classifier to train further
--base FOLDER          a Hugging Face folder
no base                a new body of `model.kind`, and a tokenizer trained on the training texts: of characters where these are Chinese
--vectors runs/vec     likewise, its embedding beginning with word vectors that `embed` wrote; of tokens, with the tokenizer of those
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zhixing.checkpoint import open_model
from zhixing.console import say
from zhixing.corpus.labelled import Example, mostly_chinese
from zhixing.embeddings.initial import rows
from zhixing.embeddings.vectors import Vectors
from zhixing.errors import ArtifactError, InputError, SettingError
from zhixing.files import read_json
from zhixing.models import SHAPES, build
from zhixing.models.shapes import DecoderModel, EncoderModel, Shape
from zhixing.start import FREE, settings_of
from zhixing.tasks.classify.artifact import is_classifier, open_classifier
from zhixing.tasks.classify.objective import classifier
from zhixing.tasks.classify.recipe import ClassifyRecipe
from zhixing.tasks.lora import adapt
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.tokenizer.train import train as train_tokenizer
from zhixing.train.loop import State
from zhixing.train.optim import Optimizer
from zhixing.train.vectors import fitting, plant


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
    young: bool = False
    """Whether the base is a run that began with new weights; see `checkpoint.Loaded`."""
    vectors: Vectors | None = None
    """What a new body's embedding begins with."""


def from_base(base: Path, chosen: Mapping[str, Any]) -> Start:
    """Begin with a model that is there. Raises `SettingError` for settings that it has already, `ArtifactError` for no such model."""
    refuse_settings(chosen)
    if is_classifier(base):
        opened = open_classifier(base, "cpu")
        model = build(opened.recipe.model, opened.tokenizer.vocabulary, opened.task.shape)
        assert isinstance(model, DecoderModel | EncoderModel)
        body = model.decoder if isinstance(model, DecoderModel) else model.encoder
        body.load_state_dict(opened.model.body.state_dict())
        return Start(opened.tokenizer, opened.task.shape, settings_of(model), model, opened.fingerprint)
    loaded = open_model(base, "cpu")
    if not isinstance(loaded.model, DecoderModel | EncoderModel):
        raise ArtifactError(base, "is an encoder-decoder; texts are classified by an encoder or a decoder, and answers found by an encoder")
    return Start(loaded.tokenizer, loaded.model.shape, settings_of(loaded.model), loaded.model, loaded.fingerprint, loaded.young)


def refuse_settings(chosen: Mapping[str, Any]) -> None:
    """Raise `SettingError` for settings that a base has already."""
    if taken := [name for name in chosen if name.startswith(("model.", "tokenizer.")) and name not in FREE]:
        raise SettingError(taken[0], "cannot be set together with --base, which has its own model and tokenizer")


def from_scratch(examples: Sequence[Example], recipe: ClassifyRecipe, chosen: Mapping[str, Any]) -> Start:
    """Begin with a new body: an encoder where the architecture has one. The tokenizer is trained on the training texts.

    Of Chinese its tokens are characters: words that few texts hold are learnt from what they are written with.
    """
    usual = {"kind": "char"} if "tokenizer.kind" not in chosen and mostly_chinese(examples) else {}
    settings = recipe.tokenizer.model_copy(update=usual)
    total = sum(len(text.encode("utf-8")) for text in _texts(examples))
    tokens = train_tokenizer(_texts(examples), settings, total)
    return Start(tokens, shape_of(recipe), {f"tokenizer.{name}": value for name, value in usual.items()})


def from_vectors(folder: Path, examples: Sequence[Example], recipe: ClassifyRecipe, chosen: Mapping[str, Any]) -> Start:
    """Begin with a new body whose embedding begins with word vectors.

    Tokens are words where the vectors are of words and nothing else is chosen; vectors of tokens bring their tokenizer with them.
    Raises `SettingError` for another width, `ArtifactError` for no vectors, or of tokens whose tokenizer is gone.
    """
    width, vectors = fitting(folder, chosen), Vectors.open(folder)
    if vectors.ids is not None:
        if taken := [name for name in chosen if name.startswith("tokenizer.")]:
            raise SettingError(taken[0], f"cannot be set: the vectors of {folder} are of tokens, and bring their tokenizer with them")
        start = Start(tokenizer_of(folder, vectors), shape_of(recipe), width)
    else:
        wanted = {"tokenizer.kind": "word", **chosen}
        kind = {"kind": wanted["tokenizer.kind"]}
        start = from_scratch(examples, recipe.model_copy(update={"tokenizer": recipe.tokenizer.model_copy(update=kind)}), wanted)
        start.settings.update(width, **{"tokenizer.kind": wanted["tokenizer.kind"]})
    known = rows(vectors, start.tokenizer) >= 0
    seen = np.zeros(len(known), dtype=np.int64)
    for text in _texts(examples):
        np.add.at(seen, start.tokenizer.encode(text), 1)
    of_text = seen[known].sum() / max(1, seen.sum())
    say(f"vectors: {known.mean():.1%} of the tokens start from one, and they make up {of_text:.1%} of the text")
    return replace(start, vectors=vectors)


def tokenizer_of(folder: Path, vectors: Vectors) -> Tokenizer:
    """The tokenizer of vectors of tokens, from the data folder that they were trained on."""
    try:
        data = Path(read_json(folder / "lineage.json")["texts"][0])
        tokenizer = Tokenizer.load(data / "tokenizer.json")
    except (InputError, ArtifactError, LookupError, TypeError):
        tokenizer = None
    if tokenizer is None or tokenizer.fingerprint != vectors.about.get("tokenizer"):
        raise ArtifactError(folder, "holds vectors of tokens whose tokenizer is no longer where it was; embed words instead (unit=word)")
    return tokenizer


def shape_of(recipe: ClassifyRecipe) -> Shape:
    """The shape of a new body. Raises `SettingError` for an architecture that can be none."""
    shapes = SHAPES[recipe.model.kind]
    shape: Shape = "encoder" if "encoder" in shapes else "decoder"
    if shape not in shapes:
        raise SettingError("model.kind", f"= {recipe.model.kind} is no encoder")
    return shape


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
    elif start.vectors is not None:
        plant(model, start.vectors, start.tokenizer)
    made = classifier(model, classes, recipe.objective).to(device)
    adapt(made.body, recipe.lora)
    return State.new(made, Optimizer(made, recipe.optim), averages=recipe.train.averages)
