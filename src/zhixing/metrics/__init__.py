"""Metrics. Each is per-example statistics (a row of numbers an example) plus a score of their sum.

That split is the whole design: an interval is the spread of the score over resampled rows, a paired test compares two systems on the same
resampled rows, and no metric needs code of its own for either.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
"""Statistics of N examples, [N, K]."""


class Metric(Protocol):
    """One number about a system's output."""

    @property
    def name(self) -> str:
        """The name it is printed under."""
        ...

    @property
    def lower_is_better(self) -> bool:
        """Which way is up."""
        ...

    def score(self, totals: Rows) -> Rows:
        """Scores [...] of summed statistics [..., K]."""
        ...
