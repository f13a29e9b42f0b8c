"""What a classifier has to beat: the commonest label, and a linear model of n-grams, by scikit-learn.

majority   the commonest label; of any number of labels those that most texts have; of numbers the mean
linear     TF-IDF of words and pairs of words and of 2 to 5 characters within words, of Chinese of 1 to 3 characters; then a linear
           support vector machine (of numbers: ridge regression), its strength of regularisation chosen on the validation texts
                                                                                    (Joachims 1998; Wang & Manning 2012)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhixing.corpus.labelled import Example, mostly_chinese
from zhixing.errors import MissingPackage
from zhixing.evaluate import significance
from zhixing.evaluate.labels import gold, labelled
from zhixing.metrics import AnyMetric
from zhixing.tasks.classify.objective import Targets

STRENGTHS = (0.05, 0.2, 1.0)
"""What the linear model's C is chosen from."""
ENOUGH = 1000
"""Texts from which on n-grams that stand in one alone are left out."""


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
    need_scikit_learn()
    began = time.perf_counter()
    features = _features(mostly_chinese(train), 2 if len(train) >= ENOUGH else 1)
    rows, looked = features.fit_transform(_texts(train)), features.transform(_texts(valid))
    wanted, known = gold(train, targets), gold(valid, targets)
    models = [_model(targets.kind, strength, seed).fit(rows, wanted) for strength in STRENGTHS]
    found = [labelled(known, _as_gold(one.predict(looked), targets), targets)[1] for one in models]
    sign = -1 if metric.lower_is_better else 1
    model = models[max(range(len(models)), key=lambda i: sign * significance.value(metric, found[i]))]
    fitting = time.perf_counter() - began
    began = time.perf_counter()
    said = _as_gold(model.predict(features.transform(_texts(test))), targets)
    predicting = time.perf_counter() - began
    parameters = sum(
        np.size(getattr(part, name, ())) for part in getattr(model, "estimators_", [model]) for name in ("coef_", "intercept_")
    )
    names = sum(len(str(name).encode("utf-8", "surrogatepass")) for name in features.get_feature_names_out())
    return Fitted(said, int(parameters), int(4 * parameters + names), fitting, predicting)


def _texts(examples: Sequence[Example]) -> list[str]:
    return [example.text if example.pair is None else f"{example.text}\n{example.pair}" for example in examples]


def need_scikit_learn() -> None:
    """Raise `MissingPackage` where there is none."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise MissingPackage("scikit-learn", "classify", "the rung linear") from None


def _features(chinese: bool, least: int) -> Any:
    """Texts to rows; `least`: texts that n-grams of characters must stand in."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    if chinese:
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=least, sublinear_tf=True, dtype=np.float32)
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]+", sublinear_tf=True, dtype=np.float32)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=least, sublinear_tf=True, dtype=np.float32)
    return FeatureUnion([("words", words), ("characters", characters)])


def _model(kind: str, strength: float, seed: int) -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import LinearSVC

    if kind == "number":
        return Ridge(alpha=1 / strength, random_state=seed)
    machine = LinearSVC(C=strength, random_state=seed, max_iter=10_000)
    return OneVsRestClassifier(machine) if kind == "multi" else machine


def _as_gold(said: Any, targets: Targets) -> NDArray[Any]:
    return np.asarray(said, dtype={"single": np.int64, "multi": bool, "number": np.float64}[targets.kind])
