"""Intervals and paired tests for any metric, from the statistics of examples.

1. The metric scores the summed statistics of resamples (`resampling`), whose spread is its interval; a metric that needs the rows
   themselves (`SetMetric`) gets the rows and their counts.
2. Two systems are compared on the same resamples (paired bootstrap), or by swapping their outputs (approximate randomisation).
3. Resamples of few examples scatter too little. Intervals (`bounds`) and p-values are widened as from the normal to Student's distribution,
   and by sqrt(N / (N - 1)) (Hesterberg 2015).
4. What a metric says of itself (a rate, a mean, a score between two numbers) chooses its interval; a rate gets McNemar's test (1947) on
   request.

`estimates` and `differences` do all this for several metrics at once, and give what verbs print.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy import special

from zhixing.console import warn
from zhixing.evaluate import bounds
from zhixing.evaluate.resampling import RESAMPLES, SEED, Pairs, blocks, resampled, resampled_pairs, swapped_pairs
from zhixing.metrics import AnyMetric, Bounded, Columns, Mean, OfShare, Rate, Rows, SetMetric

FEW = 20
"""Examples below which an interval by resampling is too narrow to be trusted."""
_SET_COUNTS, _LEAST = 5_000_000, 150
# A `SetMetric` looks at every row of every resample. Of very many rows it gets fewer resamples; where these are too few for quantiles,
# their standard deviation is used.

Test = Literal["bootstrap", "permutation", "mcnemar"]
McNemar = Literal["exact", "mid-p", "chi-square"]


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


def _for_sets(rows: Rows, resamples: int) -> int:
    return min(resamples, max(_LEAST, _SET_COUNTS // len(rows)))


def value(metric: AnyMetric, rows: Rows) -> float:
    """The metric over all rows [N, K]; NaN where it does not exist."""
    if isinstance(metric, SetMetric):
        return float(metric.score_sets(rows, np.ones((1, len(rows))))[0])
    return float(metric.score(rows.sum(0)))


def interval(metric: AnyMetric, rows: Rows, resamples: int = RESAMPLES, seed: int = SEED, level: float = 0.95) -> Estimate:
    """The metric over all rows [N, K], with its interval."""
    [estimate] = intervals([metric], rows, resamples, seed, level)
    return estimate


def intervals(
    metrics: Sequence[AnyMetric], rows: Rows, resamples: int = RESAMPLES, seed: int = SEED, level: float = 0.95
) -> list[Estimate]:
    """`interval` of several metrics on the same resamples."""
    drawn: list[list[Rows]] = [[] for _ in metrics]
    summed = [(m, drawn[i]) for i, m in enumerate(metrics) if not isinstance(m, Rate | OfShare | Mean | SetMetric)]
    sets = [(m, drawn[i]) for i, m in enumerate(metrics) if isinstance(m, SetMetric)]
    for kinds, counts in resampled(blocks(rows, seed), resamples, seed) if summed else ():
        totals = counts @ kinds
        for metric, found in summed:
            found.append(metric.score(totals))
    for kinds, counts in resampled(rows, _for_sets(rows, resamples), seed) if sets else ():
        for ranked, found in sets:
            found.append(ranked.score_sets(kinds, counts))
    estimated = []
    for one, scored in zip(metrics, drawn, strict=True):
        observed = value(one, rows)
        inner, own = (one.metric, rows[:, one.start : one.stop]) if isinstance(one, Columns) else (one, rows)
        match inner:
            case Rate():
                low, high = bounds.wilson(inner.hits(own), level)
            case OfShare():
                low, high = map(inner.of_share, bounds.wilson(inner.outcomes(own), level))
            case Mean():
                low, high = bounds.hall(inner.each(own), level)
            case Bounded():
                low, high = bounds.between(observed, np.concatenate(scored), inner.bounds, inner.examples(own), level)
            case _:
                low, high = bounds.percentiles(np.concatenate(scored), len(rows), level)
        estimated.append(Estimate(observed, low, high))
    return estimated


def paired(
    metric: AnyMetric, a: Rows, b: Rows, resamples: int = RESAMPLES, seed: int = SEED, level: float = 0.95, test: Test = "bootstrap"
) -> Difference:
    """Compare two systems on the same N examples, rows [N, K] each.

    The interval of the difference is by bootstrap. p is two-sided: with `bootstrap`, how often the resampled difference strays from the
    observed one by as much as that is away from zero; with `permutation`, how often a random swap of outputs makes so large a difference;
    with `mcnemar` (rates only), the exact test. Raises `ValueError` when the examples are not the same number.
    """
    [found] = paired_all([metric], a, b, resamples, seed, level, test)
    return found


def paired_all(
    metrics: Sequence[AnyMetric],
    a: Rows,
    b: Rows,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    level: float = 0.95,
    test: Test = "bootstrap",
) -> list[Difference]:
    """`paired` for several metrics on the same resamples."""
    if a.shape != b.shape:
        raise ValueError(f"paired rows must be of the same examples, not {len(a)} and {len(b)}")
    strayed = _drawn(metrics, a, b, resamples, seed, resampled_pairs)
    swapped = _drawn(metrics, a, b, resamples, seed, swapped_pairs) if test == "permutation" else None
    count = len(a)
    found = []
    for i, metric in enumerate(metrics):
        score_a, score_b = value(metric, a), value(metric, b)
        observed, drawn = score_b - score_a, strayed[i]
        match test:
            case "bootstrap":
                p = _widened(_share(drawn - observed, observed), count)
            case "permutation":
                assert swapped is not None
                p = _share(swapped[i], observed)
            case "mcnemar":
                if not isinstance(metric, Rate):
                    raise ValueError(f"McNemar's test is for rates, which {metric.name} is none of")
                p = mcnemar(metric.hits(a), metric.hits(b))
        low, high = bounds.percentiles(drawn, count, level)
        found.append(Difference(score_a, score_b, observed, low, high, p))
    return found


def _share(drawn: Rows, observed: float) -> float:
    """How many of the drawn differences, and the observed one itself, are at least as large as that one."""
    defined = drawn[np.isfinite(drawn)]
    slack = 1e-12 * max(1.0, abs(observed))  # equal but for rounding is equal
    if len(defined) < bounds.ENOUGH and abs(observed) > slack:
        return float(2 * special.ndtr(-abs(observed) / max(slack, float(np.sqrt((defined**2).mean())))))
    return float((np.abs(defined) >= abs(observed) - slack).sum() + 1) / (len(defined) + 1)


def _widened(p: float, count: int) -> float:
    """A p-value by resampling N examples, as Student's distribution would have it."""
    return float(2 * special.stdtr(max(1, count - 1), special.ndtri(p / 2) / bounds.spread(count)))


def _drawn(
    metrics: Sequence[AnyMetric], a: Rows, b: Rows, resamples: int, seed: int, draw: Callable[[Rows, int, int], Pairs]
) -> list[Rows]:
    """Differences [R] of each metric between pairs of sets."""
    both = np.concatenate([a, b], axis=1)
    summed = [metric for metric in metrics if not isinstance(metric, SetMetric)]
    differences: dict[str, list[Rows]] = {metric.name: [] for metric in metrics}
    for rows_a, counts_a, rows_b, counts_b in draw(blocks(both, seed), resamples, seed) if summed else ():
        totals_a, totals_b = counts_a @ rows_a, counts_b @ rows_b
        for metric in summed:
            differences[metric.name].append(metric.score(totals_b) - metric.score(totals_a))
    sets = [metric for metric in metrics if isinstance(metric, SetMetric)]
    for rows_a, counts_a, rows_b, counts_b in draw(both, _for_sets(both, resamples), seed) if sets else ():
        for ranked in sets:
            differences[ranked.name].append(ranked.score_sets(rows_b, counts_b) - ranked.score_sets(rows_a, counts_a))
    return [np.concatenate(differences[metric.name]) for metric in metrics]


def mcnemar(a: Rows, b: Rows, form: McNemar = "exact") -> float:
    """Two-sided p-value that two systems are right equally often, from their outcomes on the same N examples, 0 or 1 each.

    Only the examples count where exactly one is right. `exact` is the binomial test, `mid-p` counts the observed outcome half (Fagerland et
    al. 2013), `chi-square` is the approximation with Edwards' correction.
    """
    if len(a) != len(b):
        raise ValueError(f"outcomes must be of the same examples, not {len(a)} and {len(b)}")
    only_a, only_b = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    apart = only_a + only_b
    if apart == 0:
        return 1.0
    if form == "chi-square":
        return float(special.chdtrc(1, max(0, abs(only_a - only_b) - 1) ** 2 / apart))
    fewer = min(only_a, only_b)
    up_to, below = float(special.bdtr(fewer, apart, 0.5)), float(special.bdtr(fewer - 1, apart, 0.5)) if fewer else 0.0
    if form == "exact":
        return min(1.0, 2 * up_to)
    return 1.0 if only_a == only_b else up_to + below


def estimates(
    metrics: Sequence[AnyMetric], rows: Rows, about: str = "", resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, dict[str, Any]]:
    """What a verb prints as `metrics`: {name: {value, low, high, signature}}.

    `about` says what the metrics' own signatures cannot know: the size of the test set, how predictions were made. A metric that does not
    exist on these rows (ROC-AUC where all texts are of one class) is left out with a warning.
    """
    found, missing = {}, list[str]()
    for metric, estimate in zip(metrics, intervals(metrics, rows, resamples, seed), strict=True):
        if math.isfinite(estimate.value):
            found[metric.name] = {**asdict(estimate), "signature": _signed(metric, about, f"interval:{_method(metric)}")}
        else:
            missing.append(metric.name)
    _missing(missing)
    return found


def _method(metric: AnyMetric) -> str:
    match metric.metric if isinstance(metric, Columns) else metric:
        case Rate() | OfShare():
            return "wilson95"
        case Mean():
            return "hall95"
        case Bounded():
            return "bootstrap-logit95"
    return "bootstrap95"


def differences(
    metrics: Sequence[AnyMetric],
    a: Rows,
    b: Rows,
    about: str = "",
    test: Test = "bootstrap",
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, dict[str, Any]]:
    """What a verb prints as `metrics` of a comparison: {name: {a, b, difference, low, high, p, signature}}."""
    named = {"bootstrap": "paired-bootstrap", "permutation": "approximate-randomisation", "mcnemar": "mcnemar-exact"}[test]
    found, missing = {}, list[str]()
    drawn = "" if test == "mcnemar" else f"|resamples:{resamples}"
    for metric, difference in zip(metrics, paired_all(metrics, a, b, resamples, seed, test=test), strict=True):
        if math.isfinite(difference.difference):
            found[metric.name] = {**asdict(difference), "signature": _signed(metric, about, f"test:{named}{drawn}")}
        else:
            missing.append(metric.name)
    _missing(missing)
    return found


def _signed(metric: AnyMetric, about: str, method: str) -> str:
    return "|".join(part for part in (metric.signature, about, method) if part)


def _missing(names: Sequence[str]) -> None:
    if names:
        shown = f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
        one = len(names) == 1
        warn(f"{shown} {'does' if one else 'do'} not exist on these examples (nothing to divide by) and {'is' if one else 'are'} left out")
