"""Evaluate a classifier on labelled texts it has not seen: metrics with intervals, and where and how surely it errs.

1. The texts are read and cleaned as for training; a label that the model does not know is an error with file and line.
2. Texts that stand in the training data are counted, and the metrics are given without them too.
3. Accuracy (of numbers: the mean absolute error) is broken down by length and by language; a few predictions are explained word by word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhixing.config import Result
from zhixing.console import say, warn
from zhixing.corpus.document import Dropped
from zhixing.corpus.labelled import Example
from zhixing.corpus.stats import language
from zhixing.errors import InputError
from zhixing.evaluate.labels import Outputs, estimates, gold, measured, predicted
from zhixing.evaluate.occlusion import occlude
from zhixing.evaluate.significance import FEW
from zhixing.metrics import classification, probabilities
from zhixing.tasks.classify import artifact, material
from zhixing.tasks.classify.artifact import Opened
from zhixing.tasks.classify.material import Columns
from zhixing.tasks.classify.objective import Inputs

EXPLAINED = 5
"""Errors, and right predictions, that are explained word by word."""
LENGTHS = (16, 32, 64, 128, 256, 512)
"""Tokens up to which texts are put together."""


class Score(Result):
    """A score with its 95 % interval and what exactly was measured."""

    value: float
    low: float
    high: float
    signature: str


class ClassificationResult(Result):
    """What `evaluate` returns for a classifier; also `report.json` of its folder."""

    model: str
    fingerprint: str
    data: list[str]
    kind: str
    texts: int
    set_aside: int
    """Rows that could not be used."""
    in_training: int
    """Texts that the model was trained on: scores on them say little."""
    truncated: int
    """Texts longer than the tokens that are seen."""
    metrics: dict[str, Score]
    unseen: dict[str, Score] | None
    """The metrics without the texts that the model was trained on, where there are such."""
    classes: dict[str, dict[str, Score]]
    """Precision, recall and F1 of each class."""
    support: dict[str, int]
    """Texts of each class."""
    confusion: list[list[int]]
    """Texts of the class of the row that were taken for the class of the column, in the order of `support`."""
    calibration: list[dict[str, float | None]]
    by_length: dict[str, dict[str, float]]
    by_language: dict[str, dict[str, float]]
    explained: list[dict[str, Any]]
    """Predictions with the weight of each word."""

    def lines(self) -> Iterator[str]:
        """One line a metric."""
        yield f"{self.model} on {', '.join(self.data)}: {self.texts} texts"
        if self.in_training:
            yield f"warning: {self.in_training} of them ({self.in_training / self.texts:.1%}) stand in the training data"
        for name, m in self.metrics.items():
            yield f"{name:<20} {m.value:.4f}  [{m.low:.4f}, {m.high:.4f}]  {m.signature}"


@dataclass(frozen=True)
class Judged:
    """Texts with what they are and what was said of them."""

    examples: list[Example]
    dropped: list[Dropped]
    wanted: NDArray[Any]
    outputs: Outputs
    tokens: NDArray[np.int64]
    """Tokens of each text, uncut."""
    seen: NDArray[np.bool_]
    """Whether the model was trained on it."""


def examples_for(opened: Opened, data: Sequence[str], where: Columns) -> tuple[list[Example], list[Dropped]]:
    """Labelled texts as the model wants them. Raises `InputError` for an unknown label, or single texts where pairs are wanted."""
    settings = opened.recipe.data.model_copy(update={"kind": opened.task.kind, "duplicates": "keep", "conflicts": "keep"})
    found = material.load(data, settings, opened.cleaning, where)
    for text in found.said:
        say(text)
    material.refuse_unknown(found.examples, opened.task.labels, opened.task.kind, f"{opened.path}")
    if found.paired != opened.task.pairs:
        wanted = (
            "pairs of texts are wanted; say which column holds the second with --pair-column"
            if opened.task.pairs
            else "single texts are wanted, not pairs"
        )
        raise InputError(found.examples[0].where, wanted)
    return found.examples, found.dropped


def judge(opened: Opened, examples: list[Example], dropped: list[Dropped]) -> Judged:
    """What the model says of labelled texts, in fp32."""
    pairs = [e.pair or "" for e in examples] if opened.task.pairs else None
    texts = [e.text for e in examples]
    outputs = opened.outputs(texts, pairs)
    full = Inputs(opened.tokenizer, texts, pairs, opened.task.window).full
    return Judged(examples, dropped, gold(examples, opened.task.targets), outputs, full, artifact.trained_on(opened.path, examples))


def evaluate_classifier(
    opened: Opened, data: Sequence[str], where: Columns, name: str
) -> tuple[ClassificationResult, list[dict[str, Any]]]:
    """All figures of a classifier on labelled texts, and a row of `examples.jsonl` for each. `name`: the model's, for the result."""
    judged = judge(opened, *examples_for(opened, data, where))
    targets, task, count = opened.task.targets, opened.task, len(judged.examples)
    if count < FEW:
        warn(f"only {count} texts: intervals by resampling so few are too narrow")
    about = f"model:{opened.fingerprint[:8]}|window:{task.window}|temperature:{task.temperature:g}|texts:{count}"
    families = measured(judged.wanted, judged.outputs, targets)
    unseen = None
    if judged.seen.any():
        warn(f"{judged.seen.sum()} of {count} texts stand in the training data: scores on them say little")
        if not judged.seen.all():
            rest = ~judged.seen
            left = estimates(measured(judged.wanted[rest], judged.outputs[rest], targets), f"{about}|without-training:{rest.sum()}")
            unseen = _scores(left)
    said = predicted(judged.outputs, targets)
    result = ClassificationResult(
        model=name,
        fingerprint=task.weights,
        data=list(data),
        kind=task.kind,
        texts=count,
        set_aside=len(judged.dropped),
        in_training=int(judged.seen.sum()),
        truncated=int((judged.tokens > task.window).sum()),
        metrics=_scores(estimates(families, about)),
        unseen=unseen,
        classes=_classes(families[0][1], task.labels, about) if task.kind != "number" else {},
        support=_support(judged, task.labels, task.kind),
        confusion=classification.confusion(judged.wanted, said, targets.classes).tolist() if task.kind == "single" else [],
        calibration=_calibration(judged) if task.kind == "single" else [],
        by_length=_broken_down(judged, said, task.kind, [_length(t) for t in judged.tokens.tolist()], _ALL_LENGTHS),
        by_language=_broken_down(judged, said, task.kind, tongues := [language(e.text) for e in judged.examples], sorted(set(tongues))),
        explained=_explained(opened, judged, said),
    )
    return result, [_row(opened, judged, said, i) for i in range(count)]


def _scores(found: dict[str, dict[str, Any]]) -> dict[str, Score]:
    return {name: Score(**entry) for name, entry in found.items()}


def _classes(rows: NDArray[np.float64], labels: Sequence[str], about: str) -> dict[str, dict[str, Score]]:
    found = estimates([(classification.of_classes(labels), rows)], about)
    return {
        label: {
            quantity: Score(**found[f"{quantity}[{label}]"]) for quantity in classification.QUANTITIES if f"{quantity}[{label}]" in found
        }
        for label in labels
    }


def _support(judged: Judged, labels: Sequence[str], kind: str) -> dict[str, int]:
    match kind:
        case "single":
            return dict(zip(labels, np.bincount(judged.wanted, minlength=len(labels)).tolist(), strict=True))
        case "multi":
            return dict(zip(labels, judged.wanted.sum(0).tolist(), strict=True))
    return {}


def _calibration(judged: Judged) -> list[dict[str, float | None]]:
    bins = probabilities.reliability(probabilities.rows(judged.wanted, judged.outputs))
    return [{key: (None if isinstance(v, float) and np.isnan(v) else v) for key, v in asdict(one).items()} for one in bins]


def _length(tokens: int) -> str:
    below = next((edge for edge in LENGTHS if tokens <= edge), None)
    return f"up to {below} tokens" if below else f"over {LENGTHS[-1]} tokens"


_ALL_LENGTHS = [_length(tokens) for tokens in (*LENGTHS, LENGTHS[-1] + 1)]


def _right(judged: Judged, said: NDArray[Any], kind: str) -> NDArray[np.float64]:
    """1 or 0 for each text, or of numbers the absolute error."""
    if kind == "number":
        return np.asarray(np.abs(said - judged.wanted), dtype=np.float64)
    same = said == judged.wanted
    return np.asarray(same.all(1) if kind == "multi" else same, dtype=np.float64)


def _broken_down(judged: Judged, said: NDArray[Any], kind: str, groups: list[str], order: Sequence[str]) -> dict[str, dict[str, float]]:
    """How right the texts of each group are. groups: of each text; order: of the groups, of which some may be empty."""
    right, of = _right(judged, said, kind), np.array(groups)
    key = "mae" if kind == "number" else "accuracy"
    return {name: {"texts": int((of == name).sum()), key: float(right[of == name].mean())} for name in order if name in groups}


def _shown(opened: Opened, judged: Judged, said: NDArray[Any], i: int) -> dict[str, Any]:
    """What there is to say of a text."""
    example, labels = judged.examples[i], opened.task.labels
    row: dict[str, Any] = {"where": example.where, "text": example.text[:500]}
    if example.pair is not None:
        row["pair"] = example.pair[:500]
    match opened.task.kind:
        case "single":
            row |= {
                "label": labels[judged.wanted[i]],
                "predicted": labels[said[i]],
                "probability": round(float(judged.outputs[i].max()), 4),
            }
        case "multi":
            row |= {
                "label": [name for name, has in zip(labels, judged.wanted[i], strict=True) if has],
                "predicted": [name for name, has in zip(labels, said[i], strict=True) if has],
            }
        case _:
            row |= {"label": float(judged.wanted[i]), "predicted": round(float(said[i]), 4)}
    return row


def _row(opened: Opened, judged: Judged, said: NDArray[Any], i: int) -> dict[str, Any]:
    row = _shown(opened, judged, said, i) | {"tokens": int(judged.tokens[i]), "in_training": bool(judged.seen[i])}
    if opened.task.kind != "number":
        row["right"] = bool(np.all(said[i] == judged.wanted[i]))
    return row


def _explained(opened: Opened, judged: Judged, said: NDArray[Any]) -> list[dict[str, Any]]:
    """The most confident errors, and some right predictions."""
    right = _right(judged, said, opened.task.kind)
    if opened.task.kind == "number":
        picked = np.argsort(-right, kind="stable")[:EXPLAINED].tolist()
    else:
        sure = judged.outputs.max(1)
        wrong, good = np.flatnonzero(right == 0), np.flatnonzero(right == 1)
        picked = [
            *wrong[np.argsort(-sure[wrong], kind="stable")][:EXPLAINED].tolist(),
            *good[np.argsort(-sure[good], kind="stable")][:EXPLAINED].tolist(),
        ]
    found = []
    for i in picked:
        example = judged.examples[i]
        parts = occlude(opened, example.text, example.pair)
        found.append({**_shown(opened, judged, said, i), "parts": [[part.text, round(part.weight, 4)] for part in parts]})
    return found
