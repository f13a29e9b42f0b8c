"""The recipe of a pre-training run: one tree of settings, each branch owned by the part that it configures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from zhixing import objectives
from zhixing.config import Settings
from zhixing.models import SHAPES, USUAL, Architecture, LlamaSettings, Shape, kinds, longest
from zhixing.objectives import CausalSettings, ObjectiveSettings
from zhixing.train.loop import TrainSettings, check_steps
from zhixing.train.optim import OptimSettings
from zhixing.train.schedule import ScheduleSettings


class Recipe(Settings):
    """Everything that decides what a pre-training run computes; saved as `config.json`."""

    model: Architecture = Field(default_factory=LlamaSettings)
    objective: ObjectiveSettings = Field(default_factory=CausalSettings)
    train: TrainSettings = TrainSettings()
    optim: OptimSettings = OptimSettings()
    schedule: ScheduleSettings = ScheduleSettings()

    @property
    def shape(self) -> Shape:
        """The shape of the model."""
        return self.objective.shape

    @model_validator(mode="after")
    def _parts_agree(self) -> Recipe:
        if self.shape not in SHAPES[self.model.kind]:
            raise ValueError(
                f"model.kind = {self.model.kind} cannot be a model of shape {self.shape}, which objective.kind = {self.objective.kind} "
                f"trains; these can: {', '.join(kinds(self.shape))}"
            )
        if self.objective.context > (most := longest(self.model) or self.objective.context):
            raise ValueError(
                f"objective.context = {self.objective.context} is more than the model has positions for, model.positions = {most}"
            )
        check_steps(self.train, self.schedule)
        return self


def usual_kind(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture for the objective among the settings in `chosen`, where they name none."""
    shape = objectives.SHAPES.get(str(chosen.get("objective.kind", "causal")))
    return {} if shape is None else {"model.kind": USUAL[shape]}
