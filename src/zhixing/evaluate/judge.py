"""Outputs of one or two systems against what they should be, for each task: files to metrics, rows and examples.

1. A judge reads all files, checks that they belong together, and gives `Judged`: metrics with the rows of each system.
2. `select` takes the metrics that were asked for.
3. Examples are what a person wants to see of each sentence, text or question: what was given, what was wanted, how it scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zhixing.console import warn
from zhixing.corpus.pairs.pair import known
from zhixing.errors import InputError, SettingError
from zhixing.evaluate import outputs
from zhixing.metrics import AnyMetric, Metric, Rate, Rows, answer, classification, probabilities, regression


@dataclass(frozen=True)
class Judged:
    """Metrics and the rows of one or two systems."""

    unit: str
    """What an example is: `sentences`, `texts`, `questions`."""
    families: list[tuple[tuple[AnyMetric, ...], list[Rows]]]
    """Metrics, with rows [N, K] for each system."""
    examples: list[dict[str, Any]]
    """For each of the N: source, reference, hypotheses (one a system), and the scores of each."""
    worst: list[int]
    """Numbers of the examples of the first system, the worst first."""
    language: str | None = None
    on_request: frozenset[str] = frozenset()
    """Metrics that are given only when asked for."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What else is worth knowing: blank lines, the confusion matrix, the reliability curve."""


def translate(
    hyps: Sequence[str], refs: Sequence[str], source: str | None, language: str | None, names: Sequence[str] | None, wordnet: Path | None
) -> Judged:
    """Sentences one a line; several files of references."""
    from zhixing.metrics import english, translation

    said, references = [outputs.read_lines(path) for path in hyps], [outputs.read_lines(path) for path in refs]
    sources = outputs.read_lines(source) if source is not None else None
    for path, lines in zip(hyps, said, strict=True):
        for other, others in [*zip(refs, references, strict=True), *([(source, sources)] if source and sources else [])]:
            outputs.same_length(path, lines, other, others)
    for number, sentences in enumerate(zip(*references, strict=True), start=1):
        if not any(s.strip() for s in sentences):
            raise InputError(f"{refs[0]}:{number}", "is blank: the sentence has no reference" + (" in any file" if len(refs) > 1 else ""))
    found = translation.language_of([s for reference in references for s in reference])
    if language is None and found == "other" and (names is None or "meteor" in names):
        warn("METEOR does not know the language, and compares whole words alone; say which one it is with --lang, as --lang en")
    language = _language(language, found)
    for path, lines in zip(refs, references, strict=True):
        if all("\t" in line for line in lines) and not any("\t" in line for one in said for line in one):
            raise InputError(f"{path}:1", "holds a tab, as all its lines do: a table, where sentences are needed, one a line")
    for path, lines in zip(hyps, said, strict=True):
        own = translation.language_of(lines)
        if own != found and any(line.strip() for line in lines):
            warn(f"{path} looks like {own}, and the references like {found}: are these the translations?")
    blank = [sum(not line.strip() for line in lines) for lines in said]
    for path, lines, count in zip(hyps, said, blank, strict=True):
        if count:
            first = next(i for i, line in enumerate(lines, start=1) if not line.strip())
            warn(f"{path}: {count} of {len(lines)} lines are blank (the first: {first}); they count as translations without a word")
    synsets = english.wordnet(wordnet) if wordnet is not None else None
    measured = [translation.measure(lines, references, language, sources=sources, names=names, synsets=synsets) for lines in said]
    metrics, rows = measured[0][0], [rows for _, rows in measured]
    scores = [{m.name: np.round(m.score(r), 4).tolist() for m in metrics if m.name != "length_ratio"} for r in rows]
    examples = [
        {
            "line": i + 1,
            **({"source": sources[i]} if sources is not None else {}),
            "references": [reference[i] for reference in references],
            "hypotheses": [lines[i] for lines in said],
            "scores": [{name: _finite(values[i]) for name, values in one.items()} for one in scores],
        }
        for i in range(len(said[0]))
    ]
    return Judged(
        "sentences", [(metrics, rows)], examples, translation.worst_first(metrics, rows[0]), language, notes={"blank_hypotheses": blank}
    )


def _language(asked: str | None, found: str) -> str:
    from zhixing.metrics.translation import tokenizer

    if asked is None:
        return found
    if not asked.strip():
        raise SettingError("lang", "is empty; write a code such as zh or en")
    if asked != "other" and not known(asked.lower()):
        raise SettingError("lang", f"= {asked} is the code of no language; write one such as zh or en, or other")
    wanted = tokenizer(asked)
    if found != "other" and wanted == "13a":
        warn(f"the references look like {found}, and --lang is {asked}: they are cut into words with tokenizer 13a, which needs spaces")
    return asked


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def classify(hyps: Sequence[str], ref: str) -> Judged:
    """Labels one a line, or JSON lines with probabilities."""
    gold, said = outputs.read_labels(ref), [outputs.read_labels(path) for path in hyps]
    for path, one in zip(hyps, said, strict=True):
        outputs.same_length(path, one.labels, ref, gold.labels)
    given = [set(one.probabilities[0]) if one.probabilities else set() for one in said]
    labels = sorted({*gold.labels, *(label for one in said for label in one.labels), *set().union(*given)})
    for path, one in zip(hyps, said, strict=True):
        outputs.warn_of_strange(path, one.labels, set(gold.labels), ref)
    numbers = [classification.number(gold.labels, one.labels, labels) for one in said]
    _, gold_ids, _ = numbers[0]
    rows = [classification.rows(gold_ids, predicted, len(labels)) for _, _, predicted in numbers]
    more = _rest(classification.CLASSIFICATION, labels)
    families: list[tuple[tuple[AnyMetric, ...], list[Rows]]] = [((*classification.CLASSIFICATION, *more), rows)]
    notes: dict[str, Any] = {
        "labels": labels,
        "confusion": [classification.confusion(gold_ids, predicted, len(labels)).tolist() for _, _, predicted in numbers],
    }
    if all(one.probabilities for one in said):
        tables = [np.array([[p.get(label, 0.0) for label in labels] for p in one.probabilities or []]) for one in said]
        for path, table, (_, _, predicted) in zip(hyps, tables, numbers, strict=True):
            best = table.max(1)
            wrong = np.flatnonzero(table[np.arange(len(table)), predicted] < best - 1e-9)
            if len(wrong):
                raise InputError(f"{path}:{wrong[0] + 1}", "its label is not the most probable one")
        tables = [table / table.sum(1, keepdims=True) for table in tables]
        chances = [probabilities.rows(gold_ids, table) for table in tables]
        families.append((probabilities.PROBABILITIES, chances))
        notes["reliability"] = [[vars(b) for b in probabilities.reliability(one) if b.texts] for one in chances]
    confidence = [[max(p.values()) for p in one.probabilities] if one.probabilities else None for one in said]
    examples = []
    for i, wanted in enumerate(gold.labels):
        scores = [
            {"accuracy": float(one.labels[i] == wanted), **({"confidence": c[i]} if c else {})}
            for one, c in zip(said, confidence, strict=True)
        ]
        examples.append({"line": i + 1, "references": [wanted], "hypotheses": [one.labels[i] for one in said], "scores": scores})
    sure = confidence[0]
    wrong_first = [i for i, label in enumerate(said[0].labels) if label != gold.labels[i]]
    wrong_first.sort(key=lambda i: -sure[i] if sure else 0)
    return Judged("texts", families, examples, wrong_first, None, frozenset(metric.name for metric in more), notes)


def _rest(usual: Sequence[Metric], labels: Sequence[str]) -> list[Metric]:
    """Metrics that are given when asked for: the other means, and those of each class."""
    named = {metric.name for metric in usual}
    averaged = [classification.Averaged(q, a) for a in ("micro", "macro", "weighted") for q in classification.QUANTITIES]
    return [*(metric for metric in averaged if metric.name not in named), *classification.of_classes(labels)]


def multilabel(hyps: Sequence[str], ref: str) -> Judged:
    """Labels parted by tabs, the labels of one text a line, or JSON lines."""
    gold, said = outputs.read_label_sets(ref), [outputs.read_label_sets(path) for path in hyps]
    for path, one in zip(hyps, said, strict=True):
        outputs.same_length(path, ["\t".join(sorted(s)) for s in one], ref, ["\t".join(sorted(s)) for s in gold])
        outputs.warn_of_strange(path, (label for some in one for label in sorted(some)), set().union(*gold), ref)
    labels = sorted(set().union(*gold, *(s for one in said for s in one)))
    if not labels:
        raise InputError(ref, "holds no label")
    hot, *guesses = (np.array([[label in some for label in labels] for some in sets]) for sets in (gold, *said))
    rows = [classification.multilabel_rows(hot, guess) for guess in guesses]
    examples = [
        {"line": i + 1, "references": [", ".join(sorted(gold[i]))], "hypotheses": [", ".join(sorted(one[i])) for one in said],
         "scores": [{"subset_accuracy": float(one[i] == gold[i])} for one in said]}
        for i in range(len(gold))
    ]  # fmt: skip
    wrong = [i for i, some in enumerate(said[0]) if some != gold[i]]
    more = _rest(classification.MULTILABEL, labels)
    everything: tuple[AnyMetric, ...] = (*classification.MULTILABEL, *more)
    return Judged("texts", [(everything, rows)], examples, wrong, None, frozenset(metric.name for metric in more), {"labels": labels})


def regress(hyps: Sequence[str], ref: str) -> Judged:
    """Numbers one a line, or JSON lines."""
    gold, said = outputs.read_numbers(ref), [outputs.read_numbers(path) for path in hyps]
    for path, one in zip(hyps, said, strict=True):
        outputs.same_length(path, list(map(str, one)), ref, list(map(str, gold)))
    rows = [regression.rows(np.array(gold), np.array(one)) for one in said]
    examples = []
    for i, wanted in enumerate(gold):
        scores = [{"mae": abs(one[i] - wanted)} for one in said]
        examples.append({"line": i + 1, "references": [wanted], "hypotheses": [one[i] for one in said], "scores": scores})
    worst = np.argsort(-rows[0][:, regression.ABSOLUTE], kind="stable").tolist()
    return Judged("texts", [(regression.REGRESSION, rows)], examples, worst, None)


def answers(hyps: Sequence[str], ref: str, language: str | None) -> Judged:
    """Answers to the questions of a file in the form of SQuAD; Chinese ones by the rules of CMRC 2018."""
    from zhixing.metrics import translation

    questions, said = outputs.read_questions(ref), [outputs.read_answers(path) for path in hyps]
    names = list(questions.answers)
    for path, one in zip(hyps, said, strict=True):
        missing, strange = [n for n in names if n not in one], [n for n in one if n not in questions.answers]
        if len(missing) == len(names):
            raise InputError(path, f"answers no question of {ref}")
        if missing:
            warn(f"{path}: {len(missing)} of {len(names)} questions have no answer there ({missing[0]}, ...), and count as wrong")
        if strange:
            warn(f"{path}: {len(strange)} answers are to questions that {ref} does not have ({strange[0]}, ...), and do not count")
    gold = list(questions.answers.values())
    language = _language(language, translation.language_of([a for some in gold for a in some]))
    chinese = translation.tokenizer(language) == "zh"
    script: answer.Script = "cmrc2018" if chinese else "squad2.0" if questions.unanswerable else "squad1.1"
    rows = [answer.rows([one.get(n) for n in names], gold, script) for one in said]
    examples = [
        {"id": n, "source": questions.texts[n], "references": gold[i], "hypotheses": [one.get(n) for one in said],
         "scores": [{"exact_match": float(r[i, answer.EXACT]), "answer_f1": round(float(r[i, answer.F1]), 4)} for r in rows]}
        for i, n in enumerate(names)
    ]  # fmt: skip
    worst = np.argsort(rows[0][:, answer.F1], kind="stable").tolist()
    return Judged("questions", [(answer.metrics(script), rows)], examples, worst, language, notes={"script": script})


def select(judged: Judged, names: Sequence[str] | None) -> list[tuple[list[AnyMetric], list[Rows]]]:
    """The metrics asked for (`per_class`: those of each class), else the usual ones. Raises `SettingError` for one that there is not."""
    there = [metric.name for metrics, _ in judged.families for metric in metrics]
    if names is not None:
        several = any("[" in name for name in there)
        for name in names:
            if name not in there and not (several and name == "per_class"):
                shown = ", ".join([*(n for n in there if "[" not in n), *(["per_class"] if several else [])])
                raise SettingError("metric", f"there is no {name} here; there are {shown}")
    found = []
    for metrics, rows in judged.families:
        if names is None:
            wanted = [metric for metric in metrics if metric.name not in judged.on_request]
        else:
            wanted = [metric for metric in metrics if metric.name in names or ("per_class" in names and "[" in metric.name)]
        found.append((wanted, rows))
    return found


def rates(families: list[tuple[list[AnyMetric], list[Rows]]], asked: bool) -> list[tuple[list[AnyMetric], list[Rows]]]:
    """Those metrics that McNemar's test is for. Raises `SettingError` when others were asked for, or there are none."""
    kept = [([metric for metric in metrics if isinstance(metric, Rate)], rows) for metrics, rows in families]
    others = [metric.name for metrics, _ in families for metric in metrics if not isinstance(metric, Rate)]
    if not any(metrics for metrics, _ in kept) or (asked and others):
        raise SettingError("test", f"mcnemar is for accuracy, subset_accuracy, exact_match and the recall of a class, not for {others[0]}")
    return [(list(metrics), rows) for metrics, rows in kept]
