"""Two classifiers on the same labelled texts: is one really better? Each may also be a file of predictions of any other program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhixing.corpus.labelled import Example, Label
from zhixing.corpus.labelled.examples import Kind, name
from zhixing.errors import InputError, SettingError
from zhixing.evaluate import significance
from zhixing.evaluate.classification import examples_for
from zhixing.evaluate.labels import Outputs, gold, labelled, measured, predicted
from zhixing.evaluate.outputs import read_lines, warn_of_strange
from zhixing.evaluate.significance import Test
from zhixing.metrics import Rate
from zhixing.tasks.classify.artifact import Opened, is_classifier, open_classifier
from zhixing.tasks.classify.material import Columns
from zhixing.tasks.classify.objective import Targets


@dataclass(frozen=True)
class System:
    """What one system says of the texts."""

    labels: list[Label]
    outputs: Outputs | None
    """Probabilities, where it gives them."""
    targets: Targets | None


def compare_classifiers(
    a: Path, b: Path, data: Sequence[str], where: Columns, test: Any, device: str
) -> tuple[Kind, int, dict[str, dict[str, Any]]]:
    """The kind of labels, the number of texts, and for each metric what the difference of B and A is worth."""
    opened = {path: open_classifier(path, device) for path in dict.fromkeys((a, b)) if is_classifier(path)}
    first = next(iter(opened.values()))
    if test == "mcnemar" and first.task.kind == "number":
        raise SettingError("test", "= mcnemar is for rates, and numbers have none; bootstrap and permutation are possible")
    if len({one.task.kind for one in opened.values()}) > 1 or len({one.task.pairs for one in opened.values()}) > 1:
        raise InputError(b, f"is a classifier of another kind than {a}")
    examples, _ = examples_for(first, data, where)
    systems = [_said(opened[path], examples) if path in opened else _read(path, examples, first.task.kind, data) for path in (a, b)]
    kind: Kind = first.task.kind
    about = f"a:{_sign(a, opened)}|b:{_sign(b, opened)}|texts:{len(examples)}"
    same = systems[0].targets is not None and systems[0].targets == systems[1].targets and test != "mcnemar"
    if same and systems[0].outputs is not None and systems[1].outputs is not None and systems[0].targets is not None:
        targets = systems[0].targets
        wanted = gold(examples, targets)
        families = [measured(wanted, outputs, targets) for outputs in (systems[0].outputs, systems[1].outputs)]
    else:
        targets = _union(kind, examples, systems)
        wanted = gold(examples, targets)
        families = [[labelled(wanted, _numbered(system.labels, targets, examples), targets)] for system in systems]
    found: dict[str, dict[str, Any]] = {}
    for (metrics, rows), (_, others) in zip(*families, strict=True):
        asked = [metric for metric in metrics if test != "mcnemar" or isinstance(metric, Rate)]
        kind_of_test: Test = test
        if asked:
            found |= significance.differences(asked, rows, others, about, kind_of_test)
    return kind, len(examples), found


def _sign(path: Path, opened: dict[Path, Opened]) -> str:
    return opened[path].fingerprint[:8] if path in opened else path.name


def _said(opened: Opened, examples: Sequence[Example]) -> System:
    """What a classifier says."""
    pairs = [e.pair or "" for e in examples] if opened.task.pairs else None
    outputs, targets = opened.outputs([e.text for e in examples], pairs), opened.task.targets
    said = predicted(outputs, targets)
    labels: list[Label]
    match targets.kind:
        case "single":
            labels = [targets.names[i] for i in said]
        case "multi":
            labels = [tuple(n for n, has in zip(targets.names, row, strict=True) if has) for row in said]
        case _:
            labels = [float(v) for v in said]
    return System(labels, outputs, targets)


def _read(path: Path, examples: Sequence[Example], kind: Kind, data: Sequence[str]) -> System:
    """Predictions in a file: on each line a label (for several labels a JSON list), or an object with `label`, `labels` or `value`."""
    if path.is_dir():
        raise InputError(path, "is no classification run, and no file of predictions")
    lines = read_lines(str(path))
    if len(lines) != len(examples):
        raise InputError(path, f"holds {len(lines)} predictions for {len(examples)} texts; there must be one for each, in their order")
    labels = [_label(f"{path}:{number}", line.strip(), kind) for number, line in enumerate(lines, start=1)]
    if kind != "number":
        known = {name for example in examples for name in example.names}
        warn_of_strange(path, (n for label in labels for n in Example("", label, "").names), known, ", ".join(data))
    return System(labels, None, None)


def _label(where: str, line: str, kind: Kind) -> Label:
    value: Any = line
    if line[:1] in ("{", "["):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(where, "is not valid JSON") from None
    if isinstance(value, dict):
        value = next((value[key] for key in ("labels", "label", "value") if value.get(key) is not None), None)
    match kind:
        case "number":
            try:
                number = float(value)
            except (TypeError, ValueError):
                number = float("nan")
            if not np.isfinite(number):
                raise InputError(where, f"{line!r:.40} is no number")
            return number
        case "multi":
            if value is None or isinstance(value, dict):
                raise InputError(where, f"{line!r:.40} is no list of labels")
            return tuple(sorted(map(name, value if isinstance(value, list) else [value] if value else [])))
    if value is None or isinstance(value, list | dict) or value == "":
        raise InputError(where, f"{line!r:.40} is no label")
    return name(value)


def _union(kind: Kind, examples: Sequence[Example], systems: Sequence[System]) -> Targets:
    """Targets that know every label that is given or predicted."""
    said = [Example("", label, "") for system in systems for label in system.labels]
    return Targets.of([*examples, *said], kind)


def _numbered(labels: Sequence[Label], targets: Targets, examples: Sequence[Example]) -> Any:
    return gold([Example("", label, e.source, e.line) for label, e in zip(labels, examples, strict=True)], targets)
