"""From the scores of resamples, or the numbers of examples, to the ends of an interval. By what the metric is:

    rate, or made of one  Wilson's interval (1927), honest also where all are right
    mean of numbers       Student's, on a scale on which their skewness is gone (Hall 1992)
    between two numbers   deviation of the resampled scores, laid out on the logit scale, with Student's quantiles; at a bound Wilson's
    any other             expanded percentiles of the resampled scores (Hesterberg 2015)

Resamples of few examples scatter too little, and percentiles of a skewed or bounded score lie to the wrong side (near its bound, resamples
crowd towards it): of 50 examples, 95 % intervals by percentiles alone held the true ROC-AUC in 86 % of the cases, log loss in 89 %.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from zhixing.metrics import Rows

ENOUGH = 300
"""Resamples from which on their quantiles are used; of fewer, their standard deviation."""


_AT_BOUND = 1e-9
"""Nearer to a bound is at it, but for rounding."""


def wilson(hits: Rows, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of the rate of N outcomes, 0 or 1 each; of none, all that a rate can be."""
    return _wilson(float(hits.mean()), len(hits), level) if len(hits) else (0.0, 1.0)


def _wilson(rate: float, count: float, level: float) -> tuple[float, float]:
    if count <= 0:
        return 0.0, 1.0
    z = float(-special.ndtri((1 - level) / 2))
    middle = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(rate * (1 - rate) / count + (z / (2 * count)) ** 2) / (1 + z * z / count)
    return max(0.0, middle - half) if rate > 0 else 0.0, min(1.0, middle + half) if rate < 1 else 1.0


def hall(values: Rows, level: float = 0.95) -> tuple[float, float]:
    """Interval of the mean of N numbers, from the inverse of Hall's cubic transformation of Student's statistic (Hall 1992).

    With skewness g: t -> t + g t^2 / (3 sqrt N) + g^2 t^3 / (27 N) + g / (6 sqrt N), which is nearly symmetric.
    """
    count = len(values)
    mean, deviation = float(values.mean()), float(values.std(ddof=1)) if count > 1 else 0.0
    if not deviation > 0:
        return mean, mean
    error = deviation / math.sqrt(count)
    skew = float((((values - mean) / values.std()) ** 3).mean()) / math.sqrt(count)
    student = _student(count, level)

    def back(t: float) -> float:
        if abs(skew) < 1e-6:
            return t
        return 3 / skew * (float(np.cbrt(1 + skew * (t - skew / 6))) - 1)

    low, high = mean - error * back(student), mean - error * back(-student)
    return (max(0.0, low) if float(values.min()) >= 0 else low), high


def between(value: float, scored: Rows, bounds: tuple[float, float], count: float, level: float = 0.95) -> tuple[float, float]:
    """Interval of a score that lies within bounds and rests on so many examples, from scores of resamples; never beyond the bounds.

    At a bound all resamples are alike, which does not mean that all texts would be: the other end is that of a rate, by Wilson. Of a score
    that does not exist (NaN) it is all that the score can be.
    """
    defined, (least, most) = scored[np.isfinite(scored)], bounds
    if not math.isfinite(value) or not len(defined):
        return bounds
    share = min(1.0, max(0.0, (value - least) / (most - least)))
    if min(share, 1 - share) < _AT_BOUND:
        low, high = _wilson(round(share), count, level)
    else:
        deviation = float(defined.std()) * spread(count) / (most - least)
        half = _student(count, level) * deviation / (share * (1 - share))
        low, high = special.expit(special.logit(share) + np.array([-half, half])).tolist()
    return least + (most - least) * low, least + (most - least) * high


def percentiles(scored: Rows, count: int, level: float = 0.95) -> tuple[float, float]:
    """The expanded percentile interval of scores of resamples of N examples; those that do not exist in a resample are left out."""
    defined = scored[np.isfinite(scored)]
    if not len(defined):
        return math.nan, math.nan
    half = spread(count) * _student(count, level)
    if len(defined) < ENOUGH:
        middle, deviation = float(defined.mean()), float(defined.std())
        return middle - half * deviation, middle + half * deviation
    tail = float(special.ndtr(-half))
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def spread(count: float) -> float:
    """By how much the deviation of resamples of N examples is too small."""
    return math.sqrt(count / max(1, count - 1))


def _student(count: float, level: float) -> float:
    return float(-special.stdtrit(max(1, count - 1), (1 - level) / 2))
