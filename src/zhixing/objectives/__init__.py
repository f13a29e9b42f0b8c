"""What a model is trained to do. An objective makes its own batches and turns them into a loss; the trainer knows no more of it.

causal    predict the next token                                                     decoder
infill    likewise, in texts some of whose middles stand at their ends               decoder
masked    say what stood where tokens are hidden                                     encoder
denoise   write what was hidden (T5), or the whole text that was spoilt (BART)       encoder-decoder
seq2seq   write the other side of a pair                                             encoder-decoder

`ObjectiveSettings` is the registry: adding a kind is a file and a word in this union.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zhixing.errors import SettingError
from zhixing.models.shapes import Shape
from zhixing.objectives.causal import Causal, CausalSettings
from zhixing.objectives.denoise import Denoise, DenoiseSettings
from zhixing.objectives.infill import Infill, InfillSettings
from zhixing.objectives.masked import Masked, MaskedSettings
from zhixing.objectives.objective import Batch, Objective, Row, cut, move, rows
from zhixing.objectives.seq2seq import Seq2Seq, Seq2SeqSettings
from zhixing.store import Store
from zhixing.tokenizer.tokenizer import Tokenizer

__all__ = [
    "SHAPES",
    "Batch",
    "CausalSettings",
    "DenoiseSettings",
    "InfillSettings",
    "MaskedSettings",
    "Objective",
    "ObjectiveSettings",
    "Row",
    "Seq2Seq",
    "Seq2SeqSettings",
    "TextObjective",
    "cut",
    "make",
    "move",
    "refuse_pairs",
    "rows",
    "with_marks",
]

ObjectiveSettings = Annotated[
    CausalSettings | InfillSettings | MaskedSettings | DenoiseSettings | Seq2SeqSettings, Field(discriminator="kind")
]

SHAPES: dict[str, Shape] = {
    one.kind: one.shape for one in (CausalSettings(), InfillSettings(), MaskedSettings(), DenoiseSettings(), Seq2SeqSettings())
}
"""The shape of model that each kind trains."""

TextObjective = Causal | Infill | Masked | Denoise
"""Objectives that learn from running text."""


def make(settings: ObjectiveSettings, store: Store, seed: int, tokenizer: Tokenizer) -> TextObjective:
    """The objective over a token store; `seed` decides the order of samples and all that is drawn.

    Raises `SettingError` for an objective that learns from pairs, `InputError` for a text shorter than a window, `ArtifactError` for a
    tokenizer without a mark that is needed.
    """
    match settings:
        case CausalSettings():
            return Causal.over(store, settings, seed)
        case InfillSettings():
            return Infill(store, settings, seed, tokenizer)
        case MaskedSettings():
            return Masked(store, settings, seed, tokenizer)
        case DenoiseSettings():
            return Denoise(store, settings, seed, tokenizer)
        case Seq2SeqSettings():
            refuse_pairs(settings)
            raise AssertionError("unreachable")


def with_marks(settings: ObjectiveSettings, tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer with all marks that an objective puts among the ids; those that it lacks are added at the end of its vocabulary."""
    missing = [names[0] for names in settings.marks() if tokenizer.mark(names) is None]
    return tokenizer.with_marks(missing) if missing else tokenizer


def refuse_pairs(settings: ObjectiveSettings) -> None:
    """Raise `SettingError` for an objective that does not learn from running text."""
    if isinstance(settings, Seq2SeqSettings):
        raise SettingError("objective.kind", "= seq2seq learns from pairs of texts, and this is running text; see finetune translate")
