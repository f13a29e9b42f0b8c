"""How near numbers come: mean squared and absolute error, Pearson's and Spearman's correlation.

Statistics of an example, K = 8: [1, error^2, |error|, x, y, x^2, y^2, x y], where x is the prediction and y the gold number, both less the
mean of the gold numbers, so that the sums lose no digits. All but Spearman's correlation are functions of the sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhixing.metrics import AnyMetric, Rows, ratio

ONE, SQUARED, ABSOLUTE, X, Y, XX, YY, XY = range(8)


def rows(gold: NDArray[np.float64], predicted: NDArray[np.float64]) -> Rows:
    """Statistics [N, 8] of gold and predicted numbers [N]. Raises `ValueError` for numbers that are not finite."""
    if gold.shape != predicted.shape:
        raise ValueError(f"gold and predicted numbers must be of the same examples, not {len(gold)} and {len(predicted)}")
    if not (np.isfinite(gold).all() and np.isfinite(predicted).all()):
        raise ValueError("gold and predicted numbers must be finite")
    error = predicted - gold
    x, y = predicted - gold.mean(), gold - gold.mean()
    return np.stack([np.ones(len(gold)), error**2, np.abs(error), x, y, x * x, y * y, x * y], axis=1).astype(np.float64)


@dataclass(frozen=True)
class Error:
    """Mean squared (`mse`) or absolute (`mae`) error."""

    name: str = "mse"
    lower_is_better: bool = True

    @property
    def signature(self) -> str:
        """Name and version."""
        return f"{self.name}|v1"

    def score(self, totals: Rows) -> Rows:
        """[..., 8] -> [...]."""
        return ratio(totals[..., SQUARED if self.name == "mse" else ABSOLUTE], totals[..., ONE])

    def each(self, rows: Rows) -> Rows:
        """[N, 8] -> [N]."""
        return rows[:, SQUARED if self.name == "mse" else ABSOLUTE]


@dataclass(frozen=True)
class Pearson:
    """Linear correlation, -1 to 1; does not exist where either side never changes."""

    name: str = "pearson"
    signature: str = "pearson|v1"
    lower_is_better: bool = False
    bounds: tuple[float, float] = (-1.0, 1.0)

    def score(self, totals: Rows) -> Rows:
        """[..., 8] -> [...]."""
        return _correlation(*(totals[..., i] for i in (ONE, X, Y, XX, YY, XY)))

    def examples(self, rows: Rows) -> float:
        """All."""
        return float(len(rows))


def _correlation(one: Rows, x: Rows, y: Rows, xx: Rows, yy: Rows, xy: Rows) -> Rows:
    """From sums. What is left of a variance after rounding is none."""
    vary_x, vary_y = (np.where(square * one - s**2 > 1e-12 * square * one, square * one - s**2, 0) for square, s in ((xx, x), (yy, y)))
    return np.clip(ratio(xy * one - x * y, np.sqrt(vary_x * vary_y)), -1, 1)


@dataclass(frozen=True)
class Spearman:
    """Correlation of the ranks, equal values sharing their mean rank (Spearman 1904)."""

    name: str = "spearman"
    signature: str = "spearman|v1|ties:mean"
    lower_is_better: bool = False
    bounds: tuple[float, float] = (-1.0, 1.0)

    def score_sets(self, rows: Rows, counts: Rows) -> Rows:
        """Rows [N, 8], counts [R, N] -> [R]."""
        weights = counts.astype(np.float64)
        size = weights.sum(1)
        middle = (size[:, None] + 1) / 2
        x, y = (_ranks(rows[:, column], weights) - middle for column in (X, Y))
        sums = [(weights * part).sum(1) for part in (x, y, x * x, y * y, x * y)]
        return _correlation(size, *sums)

    def examples(self, rows: Rows) -> float:
        """All."""
        return float(len(rows))


def _ranks(values: Rows, weights: Rows) -> Rows:
    """The rank [R, N] of each of the values [N] in sets that hold it `weights` [R, N] times."""
    order = np.argsort(values, kind="stable")
    group = np.cumsum(np.diff(values[order], prepend=values[order[0]]) != 0)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    held = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.empty_like(weights)
    ranks[:, order] = (np.cumsum(held, axis=1) - held + (held + 1) / 2)[:, group]
    return ranks


REGRESSION: tuple[AnyMetric, ...] = (Error("mse"), Error("mae"), Pearson(), Spearman())
"""The metrics of numbers."""
