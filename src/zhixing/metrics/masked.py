"""How well an encoder says what stood at hidden tokens.

Statistics of a document: [nats, right, hidden], nats being - sum ln p(token) over its hidden tokens, right those that were the most
probable one at their place. Only comparable where tokenizer, ratio and way of hiding are the same, which the signature states.
"""

from __future__ import annotations

from dataclasses import dataclass

from zhixing.metrics import Rows, ratio

NATS, RIGHT, HIDDEN = range(3)


@dataclass(frozen=True)
class MaskedLoss:
    """Mean - ln p of a hidden token, in nats."""

    name: str = "masked_loss"
    signature: str = "masked_loss|v1"
    lower_is_better: bool = True

    def score(self, totals: Rows) -> Rows:
        """[..., 3] -> [...]; nan where nothing is hidden."""
        return ratio(totals[..., NATS], totals[..., HIDDEN])


@dataclass(frozen=True)
class MaskedAccuracy:
    """Share of the hidden tokens that are the most probable one at their place."""

    name: str = "masked_accuracy"
    signature: str = "masked_accuracy|v1"
    lower_is_better: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)

    def score(self, totals: Rows) -> Rows:
        """[..., 3] -> [...]; nan where nothing is hidden."""
        return ratio(totals[..., RIGHT], totals[..., HIDDEN])

    def examples(self, rows: Rows) -> float:
        """Documents in which something is hidden."""
        return float((rows[:, HIDDEN] > 0).sum())


MASKED = (MaskedLoss(), MaskedAccuracy())
"""The metrics of an encoder on a text."""
