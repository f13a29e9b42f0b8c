"""The recipe of a classification run: one tree of settings, each branch owned by the part that it configures."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from zhixing.config import Settings
from zhixing.corpus.clean import CleanSettings
from zhixing.corpus.labelled import LabelledSettings
from zhixing.models import Architecture
from zhixing.models.cnn import CNNSettings
from zhixing.tasks.classify import ClassifySettings
from zhixing.tasks.lora import LoraSettings
from zhixing.tokenizer.settings import TokenizerSettings
from zhixing.train.loop import TrainSettings
from zhixing.train.optim import OptimSettings
from zhixing.train.schedule import ScheduleSettings


class ClassifyRecipe(Settings):
    """Everything that decides what a classification run computes; saved as `config.json`."""

    data: LabelledSettings = LabelledSettings()
    clean: CleanSettings = CleanSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    model: Architecture = Field(default_factory=CNNSettings)
    objective: ClassifySettings = ClassifySettings()
    lora: LoraSettings = LoraSettings()
    train: TrainSettings = TrainSettings()
    optim: OptimSettings = OptimSettings()
    schedule: ScheduleSettings = ScheduleSettings()

    @model_validator(mode="before")
    @classmethod
    def _cnn_unless_said(cls, tree: Any) -> Any:
        if isinstance(tree, dict) and isinstance(tree.get("model"), dict):
            return {**tree, "model": {"kind": "cnn", **tree["model"]}}
        return tree

    @model_validator(mode="after")
    def _parts_agree(self) -> ClassifyRecipe:
        if self.train.accumulate > self.train.batch:
            raise ValueError(f"train.accumulate = {self.train.accumulate} cuts a batch of only train.batch = {self.train.batch} rows")
        if self.schedule.warmup >= self.train.steps:
            raise ValueError(f"schedule.warmup = {self.schedule.warmup} leaves nothing of train.steps = {self.train.steps}")
        augment = self.objective.augment
        if (augment.replace > 0) != (augment.synonyms is not None):
            raise ValueError(
                "objective.augment.replace and objective.augment.synonyms go together: how many words, and what may replace them"
            )
        return self
