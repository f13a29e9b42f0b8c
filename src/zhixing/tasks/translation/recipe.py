"""The recipe of a translation run: one tree of settings, each branch owned by the part that it configures."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from zhixing.config import Settings
from zhixing.corpus.pairs.pair import PairSettings
from zhixing.decode.beam import BeamSettings
from zhixing.models import Architecture, MarianSettings
from zhixing.objectives.seq2seq import Seq2SeqSettings
from zhixing.train.loop import TrainSettings, check_steps
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
    alpha: float = Field(default=0.0, ge=0)
    """unigram: in training, segmentations are drawn with their probabilities to this power (Kudo 2018, arXiv 1804.10959: 0.2 to 0.5); the
    smaller, the more they vary. 0: always the likeliest."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """bpe: in training, each merge is left out with this probability (Provilkov et al. 2020, arXiv 1910.13267: 0.1)."""


class BackSettings(Settings):
    """Back-translation of monolingual text (Sennrich et al. 2016, arXiv 1511.06709)."""

    share: float = Field(default=0.4, gt=0, lt=0.9)
    """Share of the minutes for it: six tenths of that to train the reverse model, the rest to translate."""
    steps: int | None = Field(default=None, ge=1)
    """Updates of the reverse model, where no minutes are given; default: as many as train.steps."""
    ratio: float = Field(default=1.0, gt=0)
    """Synthetic pairs for each pair of the data, at most."""
    search: Literal["beam", "sampling"] = "beam"
    """How sources are made: by beam search, which suits few pairs, or drawn from the model, which suits many (Edunov et al. 2018, arXiv
    1808.09381)."""
    beams: int = Field(default=1, ge=1)
    """Hypotheses of the beam search; 1 is greedy: quickest, so that more sentences are translated in the minutes."""
    tag: bool = True
    """Whether synthetic sources are marked as such (Caswell et al. 2019, arXiv 1906.06442)."""


class DistilSettings(Settings):
    """Distillation: a model learns from what another one writes (Kim & Rush 2016, arXiv 1606.07947)."""

    share: float = Field(default=0.3, gt=0, lt=0.9)
    """Share of the minutes in which the teacher translates, at most; pairs that it does not get to keep their targets."""
    beams: int = Field(default=4, ge=1)
    """Hypotheses of the teacher's search."""
    originals: bool = False
    """Whether pairs are trained on as they are, too."""


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
    back: BackSettings = BackSettings()
    distil: DistilSettings = DistilSettings()

    @model_validator(mode="after")
    def _parts_agree(self) -> TranslateRecipe:
        check_steps(self.train, self.schedule)
        if self.back.share + self.distil.share >= 1:
            raise ValueError(f"back.share = {self.back.share} and distil.share = {self.distil.share} leave no time to train")
        return self
