"""How well an encoder says what stood at hidden tokens.

Statistics of a document: [nats, right, hidden], nats being - sum ln p(token) over its hidden tokens, right those that were the most
probable one at their place. Only comparable where tokenizer, ratio and way of hiding are the same, which the signature states.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zhixing.metrics import Rows

NATS, RIGHT, HIDDEN = range(3)


@dataclass(frozen=True)
class MaskedLoss:
    """Mean - ln p of a hidden token, in nats."""

    name: str = "masked_loss"
    lower_is_better: bool = True

    def score(self, totals: Rows) -> Rows:
        """[..., 3] -> [...]; nan where nothing is hidden."""
        return _ratio(totals[..., NATS], totals[..., HIDDEN])


@dataclass(frozen=True)
class MaskedAccuracy:
    """Share of the hidden tokens that are the most probable one at their place."""

    name: str = "masked_accuracy"
    lower_is_better: bool = False

    def score(self, totals: Rows) -> Rows:
        """[..., 3] -> [...]; nan where nothing is hidden."""
        return _ratio(totals[..., RIGHT], totals[..., HIDDEN])


def _ratio(part: Rows, whole: Rows) -> Rows:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


MASKED = (MaskedLoss(), MaskedAccuracy())
"""The metrics of an encoder on a text."""
