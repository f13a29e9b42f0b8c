"""Metrics. Each is per-example statistics (a row of numbers an example) plus a score of their rows.

That split is the whole design: an interval is the spread of the score over resampled rows, a paired test compares two systems on the same
resampled rows, and no metric needs code of its own for either.

1. A family (`classification`, `probabilities`, `answer`, `translation`, ...) turns predictions and references into rows [N, K], and names
   the metrics that read them.
2. Most metrics are a function of the sum of the rows: `Metric.score`. The few that are not, because they rank the examples among each other
   (ROC-AUC, Spearman), score whole sets of rows, each row standing in a set so many times: `SetMetric.score_sets`.
3. Where each example is simply right or wrong, the metric says so (`hits`), and gets the intervals and tests made for rates; where it
   follows from such a share of some of them (`outcomes`), is the mean of a number of each example (`each`), or lies between two numbers
   (`bounds`), it gets the interval made for that.
4. Metrics with rows of their own (BLEU, TER) are put side by side into one matrix and resampled together (`side_by_side`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
"""Statistics of N examples, [N, K]."""


class Named(Protocol):
    """What every metric has."""

    @property
    def name(self) -> str:
        """The name it is printed under."""
        ...

    @property
    def signature(self) -> str:
        """What exactly is measured: name, version, tokenizer, settings, parted by `|`."""
        ...

    @property
    def lower_is_better(self) -> bool:
        """Which way is up."""
        ...


class Metric(Named, Protocol):
    """A number that the sum of the rows determines."""

    def score(self, totals: Rows) -> Rows:
        """Scores [...] of summed statistics [..., K]; NaN where the number does not exist."""
        ...


@runtime_checkable
class SetMetric(Named, Protocol):
    """A number that needs the rows themselves."""

    def score_sets(self, rows: Rows, counts: Rows) -> Rows:
        """Scores [R] of R sets in which row n of [N, K] stands counts[r, n] times; NaN where the number does not exist."""
        ...


@runtime_checkable
class Rate(Metric, Protocol):
    """The share of examples that are right, of all or of those of one kind."""

    def hits(self, rows: Rows) -> Rows:
        """1 for each example that is right, 0 for the others, of those that count (which the gold side alone decides)."""
        ...


@runtime_checkable
class OfShare(Metric, Protocol):
    """A number that follows from the share of examples that are right, of those that count; the outputs may decide which these are."""

    def outcomes(self, rows: Rows) -> Rows:
        """1 for each example that is right, 0 for the others, of those that count."""
        ...

    def of_share(self, share: float) -> float:
        """The metric, which rises with the share."""
        ...


@runtime_checkable
class Mean(Metric, Protocol):
    """The mean of a number of each example."""

    def each(self, rows: Rows) -> Rows:
        """[N, K] -> [N]."""
        ...


@runtime_checkable
class Bounded(Named, Protocol):
    """A score that lies between two numbers."""

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the most that it can be."""
        ...

    def examples(self, rows: Rows) -> float:
        """How many examples it rests on, of [N, K]: fewer than N where it is a mean over classes and some are rare."""
        ...


AnyMetric = Metric | SetMetric


@dataclass(frozen=True)
class Columns:
    """A metric that reads some columns of wider rows, from `start` to before `stop`."""

    metric: Metric
    start: int
    stop: int

    @property
    def name(self) -> str:
        """The metric's."""
        return self.metric.name

    @property
    def signature(self) -> str:
        """The metric's."""
        return self.metric.signature

    @property
    def lower_is_better(self) -> bool:
        """The metric's."""
        return self.metric.lower_is_better

    def score(self, totals: Rows) -> Rows:
        """[..., K] -> [...]."""
        return self.metric.score(totals[..., self.start : self.stop])


def side_by_side(measured: Sequence[tuple[Metric, Rows]]) -> tuple[tuple[Columns, ...], Rows]:
    """Metrics, each with rows [N, K_i] of the same N examples, as metrics of one matrix [N, sum of K_i]."""
    edges = np.cumsum([0, *(rows.shape[1] for _, rows in measured)]).tolist()
    metrics = tuple(Columns(metric, start, stop) for (metric, _), start, stop in zip(measured, edges, edges[1:], strict=False))
    return metrics, np.concatenate([rows for _, rows in measured], axis=1)


def of_mean(counts: Rows) -> float:
    """Examples that a mean over classes rests on, of which there are so many examples [C]: as many as would scatter as much, C^2 / sum 1/n.

    Classes without any have no part in the mean.
    """
    there = counts[counts > 0]
    return float(len(there) ** 2 / (1 / there).sum()) if len(there) else 0.0


def ratio(numerator: Rows, denominator: Rows, otherwise: float = np.nan) -> Rows:
    """Element by element; `otherwise` where the denominator is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator == 0, otherwise, numerator / np.where(denominator == 0, 1, denominator))
