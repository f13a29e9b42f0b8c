"""How right the outputs of a classifier are: statistics of each text, the metrics that read them, and their values with intervals.

single   accuracy, precision, recall, F1, MCC; log loss, Brier, calibration error, ROC-AUC, PR-AUC
multi    the share of texts whose whole set is right, precision, recall, F1
number   squared and absolute error, Pearson's and Spearman's correlation
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhixing.corpus.labelled import Example
from zhixing.corpus.labelled.examples import Kind
from zhixing.evaluate import significance
from zhixing.metrics import AnyMetric, Rows, classification, probabilities, regression
from zhixing.predict import THRESHOLD
from zhixing.tasks.classify.objective import Targets

Outputs = NDArray[np.float64]
"""Probabilities of classes [N, C], or numbers [N, 1]."""
Measured = tuple[tuple[AnyMetric, ...], Rows]
"""Metrics, and the statistics [N, K] that they read."""


def usual_metric(kind: Kind) -> str:
    """What decides where nothing else is asked for."""
    return {"single": "accuracy", "multi": "f1_micro", "number": "mse"}[kind]


def gold(examples: Sequence[Example], targets: Targets) -> NDArray[Any]:
    """What the texts are: numbers of classes [N], truth of each class [N, C], or numbers [N]."""
    if targets.kind == "number":
        return np.array([float(str(e.label)) for e in examples])
    found = targets.tensor(examples).numpy()
    return np.asarray(found, dtype=bool if targets.kind == "multi" else np.int64)


def predicted(outputs: Outputs, targets: Targets) -> NDArray[Any]:
    """What the outputs say, in the form of `gold`."""
    match targets.kind:
        case "single":
            return np.asarray(outputs.argmax(1), dtype=np.int64)
        case "multi":
            return np.asarray(outputs >= THRESHOLD)
    return outputs[:, 0]


def measured(wanted: NDArray[Any], outputs: Outputs, targets: Targets) -> list[Measured]:
    """Families of metrics with their statistics."""
    families = [labelled(wanted, predicted(outputs, targets), targets)]
    return [*families, (probabilities.PROBABILITIES, probabilities.rows(wanted, outputs))] if targets.kind == "single" else families


def labelled(wanted: NDArray[Any], said: NDArray[Any], targets: Targets) -> Measured:
    """The metrics that need no probabilities."""
    match targets.kind:
        case "single":
            return classification.CLASSIFICATION, classification.rows(wanted, said, targets.classes)
        case "multi":
            return classification.MULTILABEL, classification.multilabel_rows(wanted, said)
    return regression.REGRESSION, regression.rows(wanted, said)


def watched(kind: Kind) -> list[str]:
    """The metrics that are looked at during training; those that rank texts are left out for their cost."""
    families: dict[Kind, tuple[AnyMetric, ...]] = {
        "single": (*classification.CLASSIFICATION, *probabilities.PROBABILITIES),
        "multi": classification.MULTILABEL,
        "number": regression.REGRESSION,
    }
    return [metric.name for metric in families[kind] if metric.name not in ("roc_auc", "pr_auc")]


def figures(wanted: NDArray[Any], outputs: Outputs, targets: Targets) -> dict[str, float]:
    """Values of the metrics that are watched, without intervals; those that do not exist on these texts are left out."""
    names = watched(targets.kind)
    found = {
        metric.name: significance.value(metric, rows)
        for metrics, rows in measured(wanted, outputs, targets)
        for metric in metrics
        if metric.name in names
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def estimates(families: Sequence[Measured], about: str) -> dict[str, dict[str, Any]]:
    """Values with intervals and signatures."""
    return {name: entry for metrics, rows in families for name, entry in significance.estimates(metrics, rows, about).items()}


def lower_is_better(metric: str) -> bool:
    """Which way is up."""
    known = (*classification.CLASSIFICATION, *classification.MULTILABEL, *probabilities.PROBABILITIES, *regression.REGRESSION)
    return next((one.lower_is_better for one in known if one.name == metric), True)
