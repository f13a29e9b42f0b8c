"""What a classifier has to beat: the commonest label, and a linear model of n-grams, by scikit-learn.

majority   the commonest label; of any number of labels those that most texts have; of numbers the mean
linear     that of `tasks.classify.ngrams`, its strength of regularisation chosen on the validation texts
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhixing.corpus.labelled import Example, mostly_chinese
from zhixing.evaluate import significance
from zhixing.evaluate.labels import gold, labelled
from zhixing.metrics import AnyMetric
from zhixing.tasks.classify.ngrams import ENOUGH, STRENGTHS, Counter, machine, need_scikit_learn, texts_of
from zhixing.tasks.classify.objective import Targets


@dataclass(frozen=True)
class Fitted:
    """What a cheap model says of the texts it is tested on, and what it costs."""

    said: NDArray[Any]
    """In the form of `evaluate.labels.gold`."""
    parameters: int
    bytes: int
    """Of its numbers, four bytes each, and the n-grams themselves."""
    fitting: float
    """Seconds."""
    predicting: float
    """Seconds for all texts that it is tested on."""


def majority(train: Sequence[Example], test: Sequence[Example], targets: Targets) -> Fitted:
    """The same answer for every text."""
    began = time.perf_counter()
    wanted = gold(train, targets)
    match targets.kind:
        case "single":
            answer: Any = np.bincount(wanted, minlength=targets.classes).argmax()
        case "multi":
            answer = wanted.mean(0) >= 0.5
        case _:
            answer = wanted.mean()
    fitting = time.perf_counter() - began
    began = time.perf_counter()
    said = np.array([answer for _ in test])
    return Fitted(said, targets.classes, 4 * targets.classes, fitting, time.perf_counter() - began)


def linear(
    train: Sequence[Example], valid: Sequence[Example], test: Sequence[Example], targets: Targets, metric: AnyMetric, seed: int
) -> Fitted:
    """Fit to training texts, choose by the metric on validation texts, and say what the others are.

    Raises `MissingPackage` without scikit-learn.
    """
    need_scikit_learn("the rung linear")
    began = time.perf_counter()
    counter = Counter(mostly_chinese(train), 2 if len(train) >= ENOUGH else 1)
    rows, looked = counter.fit(texts_of(train)), counter(texts_of(valid))
    wanted, known = gold(train, targets), gold(valid, targets)
    models = [machine(targets.kind, strength, seed, rows, wanted) for strength in STRENGTHS]
    found = [labelled(known, _as_gold(one.predict(looked), targets), targets)[1] for one in models]
    sign = -1 if metric.lower_is_better else 1
    model = models[max(range(len(models)), key=lambda i: sign * significance.value(metric, found[i]))]
    fitting = time.perf_counter() - began
    began = time.perf_counter()
    said = _as_gold(model.predict(counter(texts_of(test))), targets)
    predicting = time.perf_counter() - began
    parameters = sum(
        np.size(getattr(part, name, ())) for part in getattr(model, "estimators_", [model]) for name in ("coef_", "intercept_")
    )
    names = sum(len(str(name).encode("utf-8", "surrogatepass")) for part in counter.names for name in part)
    return Fitted(said, int(parameters), int(4 * parameters + names), fitting, predicting)


def _as_gold(said: Any, targets: Targets) -> NDArray[Any]:
    return np.asarray(said, dtype={"single": np.int64, "multi": bool, "number": np.float64}[targets.kind])
