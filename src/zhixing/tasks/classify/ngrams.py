"""Linear models of n-grams, by scikit-learn: a classifier of its own for the ladder, and a second voice beside a network.

TF-IDF of words and pairs of words and of 2 to 5 characters within words, of Chinese of 1 to 3 characters; then a linear support vector
machine, or of numbers ridge regression                                             (Joachims 1998; Wang & Manning 2012)

A voice: to the network's logits [C] are added `weight` times the machine's margins [C]. The weight, and the machine's strength of
regularisation with it, are those of the least log loss on the validation texts      (stacked generalisation, Wolpert 1992)
Then the machine is fitted once more, to the validation texts, too, where they were set apart from the data: it needs them no longer.

A network of few texts and n-grams err on different texts: where names or set phrases decide, both together are better than either.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from zhixing.config import Settings
from zhixing.corpus.labelled import Example, mostly_chinese
from zhixing.corpus.labelled.examples import Kind
from zhixing.errors import ArtifactError, MissingPackage
from zhixing.files import read_json, sha256, write_bytes, write_json

STRENGTHS = (0.05, 0.2, 0.5, 1.0)
"""What the machine's C is chosen from."""
ENOUGH = 1000
"""Texts from which on n-grams that stand in one alone are left out."""
NAMES, NUMBERS = "ngrams.json", "ngrams.safetensors"

Floats = NDArray[np.floating[Any]]


def need_scikit_learn(what: str) -> None:
    """Raise `MissingPackage` where there is none; what: that needs it."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise MissingPackage("scikit-learn", "classify", what) from None


def texts_of(examples: Sequence[Example]) -> list[str]:
    """What is counted of texts, or of pairs of them."""
    return joined([e.text for e in examples], None if all(e.pair is None for e in examples) else [e.pair or "" for e in examples])


def joined(texts: Sequence[str], pairs: Sequence[str] | None) -> list[str]:
    """Each pair as one text."""
    return list(texts) if pairs is None else [f"{text}\n{pair}" for text, pair in zip(texts, pairs, strict=True)]


class Counter:
    """Texts to rows of TF-IDF [N, F], sparse."""

    def __init__(self, chinese: bool, least: int = 1, names: Sequence[Sequence[str]] | None = None) -> None:
        """least: texts that n-grams of characters must stand in; names: the n-grams, where they are known already."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        usual: dict[str, Any] = {"sublinear_tf": True, "dtype": np.float32}
        if chinese:
            kinds: list[dict[str, Any]] = [{"analyzer": "char", "ngram_range": (1, 3), "min_df": least}]
        else:
            kinds = [
                {"ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]+"},
                {"analyzer": "char_wb", "ngram_range": (2, 5), "min_df": least},
            ]
        known: Sequence[Sequence[str] | None] = names or [None] * len(kinds)
        self.chinese = chinese
        self.parts = [TfidfVectorizer(**usual, **kind, vocabulary=n) for kind, n in zip(kinds, known, strict=True)]

    def fit(self, texts: Sequence[str]) -> Any:
        """Learn the n-grams of texts; returns their rows."""
        from scipy.sparse import hstack

        return hstack([part.fit_transform(texts) for part in self.parts], format="csr")

    def __call__(self, texts: Sequence[str]) -> Any:
        """The rows of texts."""
        from scipy.sparse import hstack

        return hstack([part.transform(texts) for part in self.parts], format="csr")

    @property
    def names(self) -> list[list[str]]:
        """The n-grams of each part, in the order of the columns."""
        return [part.get_feature_names_out().tolist() for part in self.parts]


def machine(kind: Kind, strength: float, seed: int, rows: Any, gold: NDArray[Any]) -> Any:
    """A linear model of scikit-learn, fitted to rows [N, F] and classes [N], labels [N, C] or numbers [N]."""
    from sklearn.linear_model import Ridge
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import LinearSVC

    if kind == "number":
        return Ridge(alpha=1 / strength, random_state=seed).fit(rows, gold)
    made = LinearSVC(C=strength, random_state=seed, max_iter=10_000)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
        return (OneVsRestClassifier(made) if kind == "multi" else made).fit(rows, gold)


class Beside(Settings):
    """What `task.json` says of the n-grams of a run."""

    weight: float
    """What the margins are multiplied with before they are added to the logits."""
    names: str
    """SHA-256 of ngrams.json."""
    numbers: str
    """SHA-256 of ngrams.safetensors."""


@dataclass(frozen=True)
class NGrams:
    """A fitted machine as a second voice."""

    counter: Counter
    matrix: Floats
    """[C, F]"""
    constant: Floats
    """[C]"""
    weight: float
    strength: float | None = None
    """The machine's C; None of one that is read from a folder."""

    def margins(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Floats:
        """How far each class is from being refused [N, C]."""
        found: Floats = self.counter(joined(texts, pairs)) @ self.matrix.T + self.constant
        return found

    @property
    def parameters(self) -> int:
        """Numbers of the machine."""
        return int(self.matrix.size + self.constant.size)

    def save(self, run: Path) -> Beside:
        """Write it into a run folder."""
        write_json(run / NAMES, {"chinese": self.counter.chinese, "names": self.counter.names})
        tables = {f"idf.{place}": np.asarray(part.idf_, np.float32) for place, part in enumerate(self.counter.parts)}
        tables |= {"matrix": np.ascontiguousarray(self.matrix, np.float32), "constant": np.asarray(self.constant, np.float32)}
        write_bytes(run / NUMBERS, safetensors.numpy.save(tables))
        return Beside(weight=self.weight, names=sha256(run / NAMES), numbers=sha256(run / NUMBERS))

    @classmethod
    def load(cls, run: Path, known: Beside) -> NGrams:
        """Read it again. Raises `ArtifactError` where a file is absent or damaged, `MissingPackage` without scikit-learn."""
        need_scikit_learn(f"the n-grams of {run}")
        for name, wanted in ((NAMES, known.names), (NUMBERS, known.numbers)):
            if not (run / name).is_file() or sha256(run / name) != wanted:
                raise ArtifactError(run, f"is damaged: the bytes of {name} do not match their SHA-256")
        told, tables = read_json(run / NAMES), safetensors.numpy.load_file(run / NUMBERS)
        counter = Counter(told["chinese"], names=told["names"])
        for place, part in enumerate(counter.parts):
            part.idf_ = tables[f"idf.{place}"]
        return cls(counter, tables["matrix"], tables["constant"], known.weight)


def fit(
    train: Sequence[Example], gold: NDArray[Any], valid: Sequence[Example], wanted: NDArray[Any], logits: Floats, kind: Kind, seed: int
) -> NGrams:
    """Fit a machine to training texts, and its weight beside a network to validation texts.

    gold, wanted: classes [N] or, of any number of labels, whether they are there [N, C]; logits: the network's, of the validation
    texts [V, C].
    """
    counter = Counter(mostly_chinese(train), 2 if len(train) >= ENOUGH else 1)
    rows, looked = counter.fit(texts_of(train)), counter(texts_of(valid))
    best: tuple[float, NGrams] | None = None
    for strength in STRENGTHS:
        matrix, constant = _plain(machine(kind, strength, seed, rows, gold), logits.shape[1], rows.shape[1])
        weight, loss = stacked(logits, looked @ matrix.T + constant, wanted)
        if best is None or loss < best[0]:
            best = loss, NGrams(counter, matrix, constant, weight, strength)
    assert best is not None
    return best[1]


def refitted(found: NGrams, examples: Sequence[Example], gold: NDArray[Any], kind: Kind, seed: int) -> NGrams:
    """A machine of the same strength and weight, fitted to other texts."""
    assert found.strength is not None
    counter = Counter(found.counter.chinese, 2 if len(examples) >= ENOUGH else 1)
    rows = counter.fit(texts_of(examples))
    matrix, constant = _plain(machine(kind, found.strength, seed, rows, gold), len(found.constant), rows.shape[1])
    return replace(found, counter=counter, matrix=matrix, constant=constant)


def _plain(fitted: Any, classes: int, features: int) -> tuple[Floats, Floats]:
    """Matrix [C, F] and constant [C] of a fitted machine; of two classes scikit-learn has the second's alone."""
    if not hasattr(fitted, "estimators_"):
        matrix, constant = fitted.coef_, fitted.intercept_
        return (np.concatenate([-matrix, matrix]), np.concatenate([-constant, constant])) if len(matrix) == 1 else (matrix, constant)
    matrix, constant = np.zeros((classes, features), np.float32), np.ones(classes, np.float32)
    for place, one in enumerate(fitted.estimators_):
        if hasattr(one, "coef_"):  # else every training text has the label
            matrix[place], constant[place] = one.coef_[0], one.intercept_[0]
    return matrix, constant


def stacked(logits: Floats, margins: Floats, wanted: NDArray[Any]) -> tuple[float, float]:
    """The w >= 0 for which (logits + w margins) / T, with the T that suits it best, have the least log loss; and that loss.

    logits, margins: [N, C]; wanted: classes [N] (softmax), or whether labels are there [N, C] (sigmoid). The loss is convex in 1/T and w/T.
    """
    from scipy.optimize import minimize
    from scipy.special import expit, softmax

    single, count = wanted.ndim == 1, len(wanted)
    hot = np.eye(logits.shape[1])[wanted] if single else wanted.astype(np.float64)
    voices = np.stack([logits, margins]).astype(np.float64)

    def loss(shares: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        mixed = np.tensordot(shares, voices, axes=1)
        said = softmax(mixed, axis=1) if single else expit(mixed)
        if single:
            value = -np.log(np.maximum(said[np.arange(count), wanted], 1e-300)).sum()
        else:
            value = np.logaddexp(0, np.where(hot > 0, -mixed, mixed)).sum()
        return float(value) / count, np.tensordot(voices, said - hot, axes=2) / count

    def held(shares: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """With a Gaussian prior of deviation 10, so that shares stay finite where a voice is always right."""
        value, slope = loss(shares)
        return value + float(shares @ shares) / (200 * count), slope + shares / (100 * count)

    found = minimize(held, np.array([1.0, 1.0]), jac=True, method="L-BFGS-B", bounds=[(0.1, None), (0.0, None)]).x
    return round(float(found[1] / found[0]), 4), loss(found)[0]
