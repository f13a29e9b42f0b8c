"""How much probabilities can be trusted: calibration, log loss, Brier score, and how well they order texts: ROC-AUC, PR-AUC.

Statistics of a text with C classes and B bins, K = 3 + 3B + 2C:

    [1, - ln p(gold), Brier, then for its bin: [1, confidence, right] (B bins, the others 0), gold one-hot C, probabilities C]

1. Log loss, Brier score and the calibration error are functions of the sums.
2. The areas under curves depend on how the texts lie among each other: they score sets of rows. With more than two classes, the area is the
   mean over classes of class against rest, of those classes of which there are texts within the set and outside.
3. `reliability` is what a reliability plot shows; `temperature` is the number by which logits are divided to be better calibrated.

The calibration error of few texts is biased upwards, as is every mean of absolute values, and so is its interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhixing.metrics import AnyMetric, Rows, of_mean, ratio
from zhixing.metrics.classification import Integers

BINS = 15
"""Bins of equal width of the calibration error (Guo et al. 2017)."""
ONE, NATS, BRIER, FIRST = range(4)
_SMALLEST = float(np.finfo(np.float64).eps)
Probabilities = NDArray[np.float64]


def rows(gold: Integers, probabilities: Probabilities, bins: int = BINS) -> Rows:
    """Statistics of texts: the numbers of their classes [N], and the probabilities of all classes [N, C].

    The predicted class is the most probable one. Raises `ValueError` when the probabilities of a text are not numbers from 0 to 1 that add
    up to 1.
    """
    count, classes = probabilities.shape
    if len(gold) != count:
        raise ValueError(f"gold labels and probabilities must be of the same texts, not {len(gold)} and {count}")
    if not (np.isfinite(probabilities).all() and (probabilities >= 0).all() and np.allclose(probabilities.sum(1), 1, atol=1e-3)):
        raise ValueError("the probabilities of a text must be numbers from 0 to 1 that add up to 1")
    everyone = np.arange(count)
    hot = np.zeros((count, classes))
    hot[everyone, gold] = 1
    confidence = probabilities.max(1)
    binned = np.zeros((count, bins, 3))
    binned[everyone, bin_of(confidence, bins)] = np.stack([np.ones(count), confidence, probabilities.argmax(1) == gold], axis=1)
    nats = -np.log(np.maximum(probabilities[everyone, gold], _SMALLEST))
    brier = ((probabilities - hot) ** 2).sum(1)
    return np.concatenate([np.stack([np.ones(count), nats, brier], axis=1), binned.reshape(count, -1), hot, probabilities], axis=1)


def bin_of(confidence: Probabilities, bins: int) -> Integers:
    """The bin of equal width, open below and closed above, of each confidence [N]."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


@dataclass(frozen=True)
class LogLoss:
    """Mean of - ln p(gold), in nats; a probability of 0 counts as 2.2e-16."""

    name: str = "log_loss"
    signature: str = "log_loss|v1|unit:nats"
    lower_is_better: bool = True

    def score(self, totals: Rows) -> Rows:
        """[..., K] -> [...]."""
        return ratio(totals[..., NATS], totals[..., ONE])

    def each(self, rows: Rows) -> Rows:
        """[N, K] -> [N]."""
        return rows[:, NATS]


@dataclass(frozen=True)
class Brier:
    """Mean squared distance of the probabilities from the gold one-hot vector, summed over classes: 0 to 2 (Brier 1950)."""

    name: str = "brier"
    signature: str = "brier|v1|sum:classes"
    lower_is_better: bool = True

    def score(self, totals: Rows) -> Rows:
        """[..., K] -> [...]."""
        return ratio(totals[..., BRIER], totals[..., ONE])

    def each(self, rows: Rows) -> Rows:
        """[N, K] -> [N]."""
        return rows[:, BRIER]


@dataclass(frozen=True)
class CalibrationError:
    """Expected calibration error: mean distance of confidence and accuracy over bins of confidence (Naeini et al. 2015)."""

    bins: int = BINS
    name: str = "ece"
    lower_is_better: bool = True

    @property
    def signature(self) -> str:
        """With the bins."""
        return f"ece|v1|bins:{self.bins}|width:equal"

    def score(self, totals: Rows) -> Rows:
        """[..., K] -> [...]."""
        binned = totals[..., FIRST : FIRST + 3 * self.bins]
        return ratio(np.abs(binned[..., 1::3] - binned[..., 2::3]).sum(-1), totals[..., ONE])


@dataclass(frozen=True)
class Area:
    """Area under the curve of hits over false alarms (`roc`), or of precision over recall (`pr`, as average precision)."""

    curve: str = "roc"
    bins: int = BINS
    """Of the rows, which it does not use."""
    lower_is_better: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)

    @property
    def name(self) -> str:
        """`roc_auc` or `pr_auc`."""
        return f"{self.curve}_auc"

    @property
    def signature(self) -> str:
        """How several classes become one number."""
        return f"{self.name}|v1|{'' if self.curve == 'roc' else 'average-precision|'}classes:mean-one-vs-rest|2-classes:second"

    def score_sets(self, rows: Rows, counts: Rows) -> Rows:
        """Rows [N, K], counts [R, N] -> [R]."""
        hot, probabilities = np.split(rows[:, FIRST + 3 * self.bins :], 2, axis=1)
        asked = [1] if hot.shape[1] == 2 else range(hot.shape[1])
        areas = np.stack([_area(self.curve, hot[:, c], probabilities[:, c], counts) for c in asked])
        defined = np.isfinite(areas)
        return ratio(np.where(defined, areas, 0).sum(0), defined.sum(0).astype(np.float64))

    def examples(self, rows: Rows) -> float:
        """Those on the rarer side, of a class or of the others."""
        hot, _ = np.split(rows[:, FIRST + 3 * self.bins :].sum(0), 2)
        return of_mean(np.minimum(hot, len(rows) - hot)[1 if len(hot) == 2 else 0 :])


def _area(curve: str, positive: Rows, likeness: Rows, counts: Rows) -> Rows:
    """Area [R] for one class: texts [N] that are of it and how likely they seem. NaN where there are none within or none outside."""
    order = np.argsort(-likeness, kind="stable")
    starts = np.flatnonzero(np.diff(likeness[order], prepend=np.inf))  # of runs of the same value, which no threshold parts
    weights = counts.take(order, axis=1)
    within = weights * positive[order]
    if len(starts) < len(order):
        weights, within = (np.add.reduceat(part, starts, axis=1) for part in (weights, within))
    hits = np.cumsum(within, axis=1)
    positives = hits[:, -1].copy()
    negatives = weights.sum(1) - positives
    if curve == "roc":  # pairs in the right order, equal ones half
        ordered = np.einsum("rn,rn->r", weights - within, hits) - np.einsum("rn,rn->r", weights - within, within) / 2
        return ratio(ordered, positives * negatives)
    seen = np.cumsum(weights, axis=1)
    np.divide(hits, seen, out=hits, where=seen > 0)
    return np.where(negatives > 0, ratio(np.einsum("rn,rn->r", within, hits), positives), np.nan)


PROBABILITIES: tuple[AnyMetric, ...] = (LogLoss(), Brier(), CalibrationError(), Area("roc"), Area("pr"))
"""The metrics of probabilities."""


@dataclass(frozen=True)
class Bin:
    """Texts whose predicted class has a probability above `low` and up to `high`."""

    low: float
    high: float
    texts: int
    confidence: float
    """Mean probability of the predicted class; NaN in an empty bin."""
    accuracy: float
    """Share of them that are right; NaN in an empty bin."""


def reliability(rows: Rows, bins: int = BINS) -> list[Bin]:
    """The reliability curve of texts, from their statistics (Murphy & Winkler 1977)."""
    totals = rows[:, FIRST : FIRST + 3 * bins].sum(0).reshape(bins, 3)
    confidence, accuracy = ratio(totals[:, 1], totals[:, 0]), ratio(totals[:, 2], totals[:, 0])
    return [Bin(i / bins, (i + 1) / bins, int(totals[i, 0]), float(confidence[i]), float(accuracy[i])) for i in range(bins)]


def temperature(gold: Integers, logits: NDArray[np.float64]) -> float:
    """The T > 0 for which softmax(logits / T) has the least log loss on held-back texts, [N] and [N, C] (Guo et al. 2017).

    The order of classes, and so the accuracy, stays as it is. Between 1/100 and 100.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    centred = np.asarray(logits, dtype=np.float64)
    centred = centred - centred.max(1, keepdims=True)
    wanted = centred[np.arange(len(gold)), gold]

    def loss(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        return float((logsumexp(scale * centred, axis=1) - scale * wanted).mean())

    edge = float(np.log(100))  # the loss is convex in 1/T: it has one minimum
    return float(np.exp(minimize_scalar(loss, bounds=(-edge, edge), method="bounded", options={"xatol": 1e-6}).x))
