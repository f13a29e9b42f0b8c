"""The learning-rate schedule: a factor in [0, 1] as a pure function of the step, so that a resumed run cannot lose its place.

    warm-up      factor rises linearly over `warmup` steps                                  (Goyal et al. 2017)
    constant     1
    linear       1 -> final
    cosine       final + (1 - final) (1 + cos(pi t)) / 2                                    (Loshchilov & Hutter 2017)
    exponential  final^t
    inverse-sqrt sqrt(warmup / step), but not below final                                   (Vaswani et al. 2017)
    wsd          1, then linear to final over the last `cooldown` share of the steps        (Zhai et al. 2022; Hu et al. 2024)

with t in [0, 1] the share of the steps after the warm-up that are done.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from zhixing.config import Settings


class ScheduleSettings(Settings):
    """How the learning rate moves over a run."""

    kind: Literal["wsd", "constant", "linear", "cosine", "exponential", "inverse-sqrt"] = "wsd"
    """wsd (warm-up, stable, decay), constant, linear, cosine, exponential or inverse-sqrt."""
    warmup: int = Field(default=40, ge=0)
    """Steps over which the rate rises from near zero."""
    cooldown: float = Field(default=0.6, ge=0, le=1)
    """wsd: share of the steps over which the rate falls at the end."""
    final: float = Field(default=0.0, ge=0, le=1)
    """Factor that is reached at the last step; with inverse-sqrt, the least."""

    @model_validator(mode="after")
    def _exponential_needs_a_floor(self) -> ScheduleSettings:
        if self.kind == "exponential" and self.final == 0:
            raise ValueError("an exponential schedule never reaches final = 0; set schedule.final, for example 0.01")
        return self


def factor(step: int, steps: int, settings: ScheduleSettings) -> float:
    """Factor of the learning rate for update number `step` (0-based) out of `steps`."""
    if step < settings.warmup:
        return (step + 1) / (settings.warmup + 1)
    share = min(1.0, (step - settings.warmup) / max(1, steps - settings.warmup))
    final = settings.final
    match settings.kind:
        case "constant":
            return 1.0
        case "linear":
            return 1 + (final - 1) * share
        case "cosine":
            return final + (1 - final) * (1 + math.cos(math.pi * share)) / 2
        case "exponential":
            return float(final**share)
        case "inverse-sqrt":  # the peak is at the first step after the warm-up, whatever that is
            return max(final, math.sqrt((settings.warmup + 1) / (step + 1)))
        case "wsd":
            left = (steps - step) / max(1e-9, settings.cooldown * steps)
            return final + (1 - final) * min(1.0, left)
