"""How often labels are right: accuracy, precision, recall, F1, MCC; one label a text, or any number of them.

Statistics of an example with C classes, K = 2 + 3C: [1, all right, gold one-hot C, predicted one-hot C, in both C]. Their sums are the
margins and the diagonal of the confusion matrix, which is all that these scores need (no C x C numbers an example).

    precision   in both / predicted         micro      of the sums over classes
    recall      in both / gold              macro      mean over classes
    F1          2 in both / (gold + predicted)  weighted   mean over classes, weighted by gold
    MCC         correlation of gold and predicted one-hot vectors (Gorodkin 2004)

As in scikit-learn, 0/0 is 0 in the means; of one class such a number does not exist (scikit-learn's `zero_division=nan`). A class that
stands neither in the gold labels nor in the predictions is left out of the means: what has not been asked is no mistake; so a rare class
that a resample happens to miss does not pull the interval down.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from zhixing.metrics import Metric, Rows, of_mean, ratio

ONE, RIGHT, FIRST = range(3)
Quantity = Literal["precision", "recall", "f1"]
Average = Literal["micro", "macro", "weighted"]
Integers = NDArray[np.int64]
L = TypeVar("L", bound=Hashable)


def number(gold: Sequence[L], predicted: Sequence[L], labels: Sequence[L] | None = None) -> tuple[list[L], Integers, Integers]:
    """The labels (given, or all that occur, sorted), and both lists as their numbers [N]. Raises `KeyError` for one that is not given."""
    known = list(labels) if labels is not None else sorted({*gold, *predicted}, key=lambda label: (str(type(label)), label))
    place = {label: index for index, label in enumerate(known)}
    gold_ids, predicted_ids = (np.array([place[label] for label in some], dtype=np.int64) for some in (gold, predicted))
    return known, gold_ids, predicted_ids


def rows(gold: Integers, predicted: Integers, classes: int) -> Rows:
    """Statistics [N, 2 + 3 classes] of texts with one label each, as numbers below `classes`, [N] each."""
    _same(len(gold), len(predicted))
    everyone = np.arange(len(gold))
    made = np.zeros((len(gold), 2 + 3 * classes))
    made[:, ONE], made[:, RIGHT] = 1, gold == predicted
    made[everyone, FIRST + gold] = 1
    made[everyone, FIRST + classes + predicted] = 1
    made[everyone, FIRST + 2 * classes + gold] = gold == predicted
    return made


def multilabel_rows(gold: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> Rows:
    """Statistics [N, 2 + 3C] of texts with any number of labels each, [N, C] true where a text has the label."""
    _same(*gold.shape, *predicted.shape)
    right = (gold == predicted).all(1, keepdims=True)
    return np.concatenate([np.ones_like(right), right, gold, predicted, gold & predicted], axis=1).astype(np.float64)


def _same(*shape: int) -> None:
    half = len(shape) // 2
    if shape[:half] != shape[half:]:
        raise ValueError(f"gold and predicted labels must be of the same texts and classes, not {shape[:half]} and {shape[half:]}")


def confusion(gold: Integers, predicted: Integers, classes: int) -> Integers:
    """Texts of class i (row) that were taken for class j (column), [classes, classes]."""
    return np.bincount(gold * classes + predicted, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def _parts(totals: Rows) -> tuple[Rows, Rows, Rows]:
    """Gold, predicted, in both: [..., C] each."""
    gold, predicted, both = np.split(totals[..., FIRST:], 3, axis=-1)
    return gold, predicted, both


def _quantity(quantity: Quantity, gold: Rows, predicted: Rows, both: Rows, otherwise: float) -> Rows:
    match quantity:
        case "precision":
            return ratio(both, predicted, otherwise)
        case "recall":
            return ratio(both, gold, otherwise)
    return ratio(2 * both, gold + predicted, otherwise)


@dataclass(frozen=True)
class Accuracy:
    """Share of texts whose label, or whose whole set of labels, is right."""

    name: str = "accuracy"
    lower_is_better: bool = False

    @property
    def signature(self) -> str:
        """Name and version."""
        return f"{self.name}|v1"

    def score(self, totals: Rows) -> Rows:
        """[..., K] -> [...]."""
        return ratio(totals[..., RIGHT], totals[..., ONE])

    def hits(self, rows: Rows) -> Rows:
        """[N, K] -> [N]."""
        return rows[:, RIGHT]


@dataclass(frozen=True)
class Averaged:
    """Precision, recall or F1 over all classes."""

    quantity: Quantity
    average: Average
    lower_is_better: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)

    @property
    def name(self) -> str:
        """`f1_macro`, say."""
        return f"{self.quantity}_{self.average}"

    @property
    def signature(self) -> str:
        """Name, version, what 0/0 is."""
        return f"{self.name}|v1|0/0:0"

    def score(self, totals: Rows) -> Rows:
        """[..., K] -> [...]."""
        gold, predicted, both = _parts(totals)
        if self.average == "micro":
            return _quantity(self.quantity, gold.sum(-1), predicted.sum(-1), both.sum(-1), 0)
        weights = gold if self.average == "weighted" else (gold + predicted > 0).astype(np.float64)
        return ratio((weights * _quantity(self.quantity, gold, predicted, both, 0)).sum(-1), weights.sum(-1), 0)

    def examples(self, rows: Rows) -> float:
        """At most all; fewer for a mean over classes of which some are rare."""
        gold, predicted, both = _parts(rows.sum(0))
        there = gold + predicted - both
        return min(float(len(rows)), of_mean(there) if self.average == "macro" else float(there.sum()))


@dataclass(frozen=True)
class OfClass:
    """Precision, recall or F1 of one class; NaN where there is nothing to divide by."""

    quantity: Quantity
    label: str
    place: int
    """The class's number."""
    lower_is_better: bool = False

    @property
    def name(self) -> str:
        """`f1[spam]`, say."""
        return f"{self.quantity}[{self.label}]"

    @property
    def signature(self) -> str:
        """Name, version, what 0/0 is."""
        return f"{self.name}|v2|0/0:nan"

    def score(self, totals: Rows) -> Rows:
        """[..., K] -> [...]."""
        gold, predicted, both = _parts(totals)
        return _quantity(self.quantity, gold[..., self.place], predicted[..., self.place], both[..., self.place], np.nan)

    def outcomes(self, rows: Rows) -> Rows:
        """[N, K] -> 1 or 0 for each text predicted to be of the class (precision), of the class (recall), either (F1)."""
        gold, predicted, both = (part[:, self.place] for part in _parts(rows))
        match self.quantity:
            case "precision":
                return np.asarray(both[predicted == 1])
            case "recall":
                return np.asarray(both[gold == 1])
        return np.asarray(both[gold + predicted > 0])

    def of_share(self, share: float) -> float:
        """F1 is 2 J / (1 + J) of Jaccard's index J, the share in both of those in either."""
        return 2 * share / (1 + share) if self.quantity == "f1" else share


@dataclass(frozen=True)
class RecallOfClass(OfClass):
    """Recall of one class, which is a rate: of its texts, each is found or not."""

    def hits(self, rows: Rows) -> Rows:
        """[N, K] -> one outcome for each text of the class."""
        return self.outcomes(rows)


@dataclass(frozen=True)
class Matthews:
    """Matthews' correlation coefficient for any number of classes, one label a text: 1 perfect, 0 chance (Gorodkin 2004)."""

    name: str = "mcc"
    signature: str = "mcc|v1|0/0:0"
    lower_is_better: bool = False
    bounds: tuple[float, float] = (-1.0, 1.0)

    def score(self, totals: Rows) -> Rows:
        """[..., K] -> [...]."""
        gold, predicted, both = _parts(totals)
        size = totals[..., ONE]
        together = both.sum(-1) * size - (gold * predicted).sum(-1)
        alone = (size**2 - (gold**2).sum(-1)) * (size**2 - (predicted**2).sum(-1))
        return ratio(together, np.sqrt(alone), 0)

    def examples(self, rows: Rows) -> float:
        """Fewer than all where some classes are rare."""
        gold, predicted, both = _parts(rows.sum(0))
        return min(float(len(rows)), of_mean(gold + predicted - both))


QUANTITIES: tuple[Quantity, ...] = ("precision", "recall", "f1")
CLASSIFICATION: tuple[Metric, ...] = (
    Accuracy(),
    *(Averaged(quantity, "macro") for quantity in QUANTITIES),
    Averaged("f1", "micro"),
    Averaged("f1", "weighted"),
    Matthews(),
)
"""The metrics of one label a text."""

MULTILABEL: tuple[Metric, ...] = (
    Accuracy("subset_accuracy"),
    *(Averaged(quantity, average) for average in ("micro", "macro") for quantity in QUANTITIES),
    Averaged("f1", "weighted"),
)
"""The metrics of any number of labels a text."""


def of_classes(labels: Sequence[object]) -> tuple[Metric, ...]:
    """Precision, recall and F1 of each class."""
    return tuple(
        (RecallOfClass if quantity == "recall" else OfClass)(quantity, str(label), place)
        for place, label in enumerate(labels)
        for quantity in QUANTITIES
    )
