"""Intervals and paired tests for any metric, by resampling examples with replacement (Efron & Tibshirani 1993; Koehn 2004).

1. A resample of N examples is a vector of counts from Multinomial(N, 1/N); many of them at once are a matrix W [R, N].
2. The summed statistics of all resamples are W @ rows, and the metric scores these R sums: no example is ever copied.
3. Two systems are compared on the same W, so that what makes a text hard for both cancels out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zhixing.metrics import Metric, Rows

RESAMPLES = 2000
SEED = 12345
FEW = 20
"""Examples below which an interval by resampling is too narrow to be trusted."""


@dataclass(frozen=True)
class Estimate:
    """A score with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Score of B minus score of A, its 95 % interval, and the probability of so large a difference if there were none."""

    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float


def resampled(rows: Rows, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[Rows]:
    """Summed statistics of resamples, [r, K] at a time; the same for the same number of examples and seed."""
    generator = np.random.default_rng(seed)
    count = len(rows)
    portion = max(1, min(resamples, 20_000_000 // count))
    for start in range(0, resamples, portion):
        size = min(portion, resamples - start)
        yield generator.multinomial(count, np.full(count, 1 / count), size=size) @ rows


def interval(metric: Metric, rows: Rows, resamples: int = RESAMPLES, seed: int = SEED, level: float = 0.95) -> Estimate:
    """The metric over all rows [N, K], with the percentile interval of its resamples."""
    scores = np.concatenate([metric.score(totals) for totals in resampled(rows, resamples, seed)])
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(metric.score(rows.sum(0))), float(low), float(high))


def paired(metric: Metric, a: Rows, b: Rows, resamples: int = RESAMPLES, seed: int = SEED, level: float = 0.95) -> Difference:
    """Compare two systems on the same N examples, rows [N, K] each.

    p is two-sided: how often the resampled difference strays from the observed one by as much as that is away from zero. Raises
    `ValueError` when the examples are not the same number.
    """
    if len(a) != len(b):
        raise ValueError(f"paired rows must be of the same examples, not {len(a)} and {len(b)}")
    both = np.concatenate([a, b], axis=1)
    width = a.shape[1]
    differences = np.concatenate(
        [metric.score(totals[:, width:]) - metric.score(totals[:, :width]) for totals in resampled(both, resamples, seed)]
    )
    score_a, score_b = float(metric.score(a.sum(0))), float(metric.score(b.sum(0)))
    observed = score_b - score_a
    strayed = int((np.abs(differences - observed) >= abs(observed)).sum())
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return Difference(score_a, score_b, observed, float(low), float(high), (strayed + 1) / (resamples + 1))
