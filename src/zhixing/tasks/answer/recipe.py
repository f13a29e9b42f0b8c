"""The recipe of a question-answering run: one tree of settings, each branch owned by the part that it configures."""

from __future__ import annotations

from pydantic import Field, model_validator

from zhixing.config import Settings
from zhixing.corpus.questions import QuestionSettings
from zhixing.models import Architecture, ModernBertSettings
from zhixing.tasks.answer.objective import AnswerSettings
from zhixing.tokenizer.settings import TokenizerSettings
from zhixing.train.loop import TrainSettings, check_steps
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

    @model_validator(mode="after")
    def _parts_agree(self) -> AnswerRecipe:
        check_steps(self.train, self.schedule)
        return self
