"""The recipe of a question-answering run: one tree of settings, each branch owned by the part that it configures."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from zhixing.config import Settings
from zhixing.corpus.questions import QuestionSettings
from zhixing.models import Architecture, ModernBertSettings
from zhixing.tasks.answer.objective import AnswerSettings
from zhixing.tokenizer.settings import TokenizerSettings
from zhixing.train.loop import TrainSettings
from zhixing.train.optim import OptimSettings
from zhixing.train.schedule import ScheduleSettings


class AnswerRecipe(Settings):
    """Everything that decides what a question-answering run computes; saved as `config.json`."""

    data: QuestionSettings = QuestionSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    model: Architecture = Field(default_factory=ModernBertSettings)
    objective: AnswerSettings = AnswerSettings()
    train: TrainSettings = TrainSettings()
    optim: OptimSettings = OptimSettings()
    schedule: ScheduleSettings = ScheduleSettings()

    @model_validator(mode="before")
    @classmethod
    def _modernbert_unless_said(cls, tree: Any) -> Any:
        if isinstance(tree, dict) and isinstance(tree.get("model"), dict):
            return {**tree, "model": {"kind": "modernbert", **tree["model"]}}
        return tree

    @model_validator(mode="after")
    def _parts_agree(self) -> AnswerRecipe:
        if self.train.accumulate > self.train.batch:
            raise ValueError(f"train.accumulate = {self.train.accumulate} cuts a batch of only train.batch = {self.train.batch} rows")
        if self.schedule.warmup >= self.train.steps:
            raise ValueError(f"schedule.warmup = {self.schedule.warmup} leaves nothing of train.steps = {self.train.steps}")
        return self
