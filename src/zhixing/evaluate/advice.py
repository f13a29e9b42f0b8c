"""Which of several systems to take: the cheapest that is not significantly worse than the best.

1. All are measured on the same texts; the best is the one with the best value of one metric.
2. Each other is tested against it in pairs: McNemar's test for a rate, else the paired bootstrap. The p-values are corrected for their
   number (Holm 1979), so that the chance of any false alarm stays at 5 %.
3. Of those that are not significantly worse, the one that answers fastest is advised, and each other is tested against that one.

No significant difference does not say that there is none: of few texts, only large ones are seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zhixing.evaluate import significance
from zhixing.evaluate.significance import Difference
from zhixing.metrics import AnyMetric, Rate, Rows

LEVEL = 0.05
"""Chance of a false alarm."""


@dataclass(frozen=True)
class Contender:
    """A system that is measured."""

    name: str
    rows: Rows
    """Statistics of the texts [N, K], the same texts for all."""
    cost: float
    """Seconds a text."""


@dataclass(frozen=True)
class Advice:
    """Which system to take, and why."""

    best: str
    taken: str
    p: float
    """Corrected p-value of the difference between the two; 1 where they are one."""
    against: dict[str, tuple[Difference, float]]
    """Each system's score less that of the one that is taken, and the corrected p-value."""


def advise(metric: AnyMetric, contenders: Sequence[Contender]) -> Advice:
    """Choose among systems. Raises `ValueError` for none."""
    sign = -1 if metric.lower_is_better else 1
    scores = {one.name: sign * significance.value(metric, one.rows) for one in contenders}
    by_cost = sorted(contenders, key=lambda one: one.cost)
    best = max(by_cost, key=lambda one: scores[one.name])  # of equals, the fastest
    tested = compared(metric, best, contenders)
    taken = next(one for one in by_cost if one is best or tested[one.name][1] >= LEVEL)
    p = 1.0 if taken is best else tested[taken.name][1]
    return Advice(best.name, taken.name, p, compared(metric, taken, contenders))


def compared(metric: AnyMetric, one: Contender, contenders: Sequence[Contender]) -> dict[str, tuple[Difference, float]]:
    """How all others differ from one, and Holm's p-values."""
    others = [other for other in contenders if other is not one]
    test: significance.Test = "mcnemar" if isinstance(metric, Rate) else "bootstrap"
    found = [significance.paired(metric, one.rows, other.rows, test=test) for other in others]
    corrected = holm([difference.p for difference in found])
    return {other.name: pair for other, pair in zip(others, zip(found, corrected, strict=True), strict=True)}


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in their order (Holm 1979): the k-th smallest of m times m - k + 1, never falling."""
    order, corrected, highest = sorted(range(len(values)), key=lambda i: values[i]), [0.0] * len(values), 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - place) * values[i]))
        corrected[i] = highest
    return corrected
