"""The recipe of a translation run: one tree of settings, each branch owned by the part that it configures."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from zhixing.config import Settings
from zhixing.corpus.pairs.pair import PairSettings
from zhixing.decode.beam import BeamSettings
from zhixing.models import Architecture, MarianSettings
from zhixing.objectives.seq2seq import Seq2SeqSettings
from zhixing.train.loop import TrainSettings
from zhixing.train.optim import OptimSettings
from zhixing.train.schedule import ScheduleSettings


class VocabularySettings(Settings):
    """Tokenizers of the two sides."""

    kind: Literal["bpe", "unigram"] = "bpe"
    """bpe (byte-level) or unigram; both lose nothing of any text."""
    joint: bool = False
    """One vocabulary for both sides, and one embedding. Languages of different scripts share little: apart, each gets what it needs."""
    size: int | None = Field(default=None, ge=300, le=1 << 18)
    """Tokens of a vocabulary; by default 24 times the root of the number of pairs, at least 1,024 and at most 32,000."""


class TranslateRecipe(Settings):
    """Everything that decides what a translation run computes; saved as `config.json`."""

    pairs: PairSettings = PairSettings()
    vocabulary: VocabularySettings = VocabularySettings()
    model: Architecture = Field(default_factory=MarianSettings)
    objective: Seq2SeqSettings = Seq2SeqSettings()
    train: TrainSettings = TrainSettings()
    optim: OptimSettings = OptimSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    decode: BeamSettings = BeamSettings()

    @model_validator(mode="before")
    @classmethod
    def _marian_unless_said(cls, tree: Any) -> Any:
        if isinstance(tree, dict) and isinstance(tree.get("model"), dict):
            return {**tree, "model": {"kind": "marian", **tree["model"]}}
        return tree

    @model_validator(mode="after")
    def _parts_agree(self) -> TranslateRecipe:
        if self.train.accumulate > self.train.batch:
            raise ValueError(f"train.accumulate = {self.train.accumulate} cuts a batch of only train.batch = {self.train.batch} rows")
        if self.schedule.warmup >= self.train.steps:
            raise ValueError(f"schedule.warmup = {self.schedule.warmup} leaves nothing of train.steps = {self.train.steps}")
        return self
