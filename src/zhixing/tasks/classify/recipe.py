"""The recipe of a classification run: one tree of settings, each branch owned by the part that it configures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from zhixing.config import Settings, resolve
from zhixing.corpus.clean import CleanSettings
from zhixing.corpus.labelled import LabelledSettings
from zhixing.models import Architecture
from zhixing.models.cnn import CNNSettings
from zhixing.tasks.classify.objective import ClassifySettings
from zhixing.tasks.lora import LoraSettings
from zhixing.tokenizer.settings import TokenizerSettings
from zhixing.train.loop import TrainSettings, check_steps
from zhixing.train.optim import OptimSettings
from zhixing.train.schedule import ScheduleSettings
from zhixing.train.size import fitting_heads


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

    @model_validator(mode="after")
    def _parts_agree(self) -> ClassifyRecipe:
        check_steps(self.train, self.schedule)
        augment = self.objective.augment
        if (augment.replace > 0) != (augment.synonyms is not None):
            raise ValueError(
                "objective.augment.replace and objective.augment.synonyms go together: how many words, and what may replace them"
            )
        if len({augment.reworded > 0, augment.there is not None, augment.back is not None}) > 1:
            raise ValueError(
                "objective.augment.reworded, .there and .back go together: how many texts, and the two translators that reword them"
            )
        return self


def drafted(chosen: Mapping[str, Any]) -> ClassifyRecipe:
    """The recipe as far as the user has set it, heads that go with it included. Raises `SettingError` for mistakes in it."""
    kind = str(chosen.get("model.kind", CNNSettings().kind))
    return resolve(ClassifyRecipe, chosen, {"schedule.warmup": 0, **fitting_heads(kind, chosen)})
