"""The verb `score`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from zhixing.config import Result, several
from zhixing.console import warn
from zhixing.errors import SettingError
from zhixing.files import refuse_sealed, together, write_json, write_json_lines
from zhixing.verbs.compare import Comparison
from zhixing.verbs.evaluate import MetricResult

if TYPE_CHECKING:
    from zhixing.evaluate.judge import Judged

TASKS = ("translate", "classify", "multilabel", "regress", "answer")
TESTS = ("bootstrap", "permutation", "mcnemar")
Test = Literal["bootstrap", "permutation", "mcnemar"]


class ScoreResult(Result):
    """What `score` returns for one system; also `report.json` of its folder."""

    task: str
    hyp: str
    ref: list[str]
    source: str | None
    language: str | None
    examples: int
    blank_hypotheses: int
    metrics: dict[str, MetricResult]

    def lines(self) -> Iterator[str]:
        """One line a metric."""
        yield _title(self.hyp, self.ref, self.examples, self.language)
        for name, m in self.metrics.items():
            yield f"{name:<20} {m.value:.4f}  [{m.low:.4f}, {m.high:.4f}]  {m.signature}"


class ScoreComparison(Result):
    """What `score` returns for two systems; also `report.json` of its folder."""

    task: str
    a: str
    b: str
    ref: list[str]
    source: str | None
    language: str | None
    examples: int
    blank_hypotheses: list[int]
    metrics: dict[str, Comparison]
    verdict: str

    def lines(self) -> Iterator[str]:
        """One line a metric, and the verdict."""
        yield _title(f"A = {self.a}, B = {self.b}", self.ref, self.examples, self.language)
        for name, m in self.metrics.items():
            yield f"{name:<20} A {m.a:.4f}  B {m.b:.4f}  B - A {m.difference:+.4f} [{m.low:+.4f}, {m.high:+.4f}]  p = {m.p:.4f}"
        yield self.verdict


def _title(systems: str, references: list[str], examples: int, language: str | None) -> str:
    return f"{systems} against {', '.join(references)}: {examples} examples" + (f", language {language}" if language else "")


def score(
    *,
    hyp: Annotated[list[str] | str, "Output of a system; given twice, two systems are compared. `-` is standard input."],
    ref: Annotated[list[str] | str, "What it should be; for translations there may be several."],
    source: Annotated[str | None, "Of translations: the source sentences, for number_match and the report."] = None,
    task: Annotated[
        str,
        "translate (sentences one a line), classify (labels), multilabel, regress (numbers), answer (SQuAD); predict's .jsonl does, too.",
    ] = "translate",
    lang: Annotated[str | None, "Of translations and answers: language of the references, as zh or en; default: by their script."] = None,
    metric: Annotated[list[str] | str | None, "Only these metrics, as bleu, chrf++, meteor_jieba, f1_weighted, per_class."] = None,
    test: Annotated[
        Test, "Test of two systems: bootstrap, permutation, or mcnemar (accuracy, exact_match, recall of a class)."
    ] = "bootstrap",
    wordnet: Annotated[Path | None, "Of translations: folder of WordNet's database, for synonyms in METEOR of English."] = None,
    out: Annotated[Path | None, "Folder for report.json, examples.jsonl and report.html."] = None,
) -> ScoreResult | ScoreComparison:
    """Measure the output of any system, or compare two, from plain files: translations, labels, numbers, answers.

    Every metric has its interval and its signature. Raises `InputError` for files that do not belong together, with the line.
    """
    from zhixing.evaluate import judge, significance
    from zhixing.evaluate.report import write_score_report

    hyp, ref, names = several(hyp), several(ref), several(metric)
    _check(hyp, ref, source, task, lang, test, wordnet)
    if out is not None:
        refuse_sealed(out := Path(out))
    match task:
        case "translate":
            judged = judge.translate(hyp, ref, source, lang, names, wordnet)
        case "classify":
            judged = judge.classify(hyp, ref[0])
        case "multilabel":
            judged = judge.multilabel(hyp, ref[0])
        case "regress":
            judged = judge.regress(hyp, ref[0])
        case _:
            judged = judge.answers(hyp, ref[0], lang)
    families = judge.select(judged, names)
    count = len(judged.examples)
    if count < significance.FEW:
        warn(f"only {count} {judged.unit}: intervals by resampling so few are too narrow")
    about = f"{judged.unit}:{count}"
    blank = judged.notes.get("blank_hypotheses", [0] * len(hyp))
    result: ScoreResult | ScoreComparison
    if len(hyp) == 1:
        estimates = {n: e for metrics, rows in families for n, e in significance.estimates(metrics, rows[0], about).items()}
        result = ScoreResult(
            task=task,
            hyp=hyp[0],
            ref=ref,
            source=source,
            language=judged.language,
            examples=count,
            blank_hypotheses=blank[0],
            metrics={name: MetricResult(**found) for name, found in estimates.items()},
        )
    else:
        if test == "mcnemar":
            families = judge.rates(families, asked=names is not None)
        differences = {
            n: d for metrics, rows in families for n, d in significance.differences(metrics, rows[0], rows[1], about, test).items()
        }
        lower = {m.name for metrics, _ in families for m in metrics if m.lower_is_better}
        compared = {name: Comparison(**found) for name, found in differences.items()}
        result = ScoreComparison(
            task=task,
            a=hyp[0],
            b=hyp[1],
            ref=ref,
            source=source,
            language=judged.language,
            examples=count,
            blank_hypotheses=blank,
            metrics=compared,
            verdict=_verdict(compared, lower, count),
        )
    if out is not None:
        with together(out) as place:
            _write(place, result, judged)
            write_score_report(place, out.resolve().name)
    return result


def _check(hyp: list[str], ref: list[str], source: str | None, task: str, lang: str | None, test: str, wordnet: Path | None) -> None:
    """Raise `SettingError` for what cannot be asked for."""
    if task not in TASKS:
        raise SettingError("task", f"should be one of {', '.join(TASKS)}, not {task!r}")
    if test not in TESTS:
        raise SettingError("test", f"should be one of {', '.join(TESTS)}, not {test!r}")
    if not 1 <= len(hyp) <= 2:
        raise SettingError("hyp", f"should be given once, or twice to compare two systems, not {len(hyp)} times")
    if not ref:
        raise SettingError("ref", "there is nothing to measure against")
    if len(ref) > 1 and task != "translate":
        raise SettingError("ref", f"task {task} has one file of references, not {len(ref)}")
    if (source is not None or wordnet is not None) and task != "translate":
        raise SettingError("source" if source is not None else "wordnet", f"is for task translate, not {task}")
    if lang is not None and task not in ("translate", "answer"):
        raise SettingError("lang", f"is for the tasks translate and answer, not {task}")
    everything = [*hyp, *ref, *([source] if source is not None else [])]
    if everything.count("-") > 1:
        raise SettingError("hyp", "standard input (-) can be read only once")
    for one in hyp:
        if one in ref:
            warn(f"{one} is both what is measured and what it is measured against")


def _verdict(metrics: dict[str, Comparison], lower: set[str], count: int) -> str:
    from zhixing.evaluate.significance import FEW

    better: dict[str, list[str]] = {"A": [], "B": []}
    for name, m in metrics.items():
        if m.p < 0.05 and m.difference != 0 and name != "length_ratio":
            better["B" if (m.difference > 0) != (name in lower) else "A"].append(name)
    few = f" (only {count} examples: take it with caution)" if count < FEW else ""
    said = [f"{system} is better by {', '.join(names)}" for system, names in better.items() if names]
    return ("; ".join(said) if said else "no significant difference: take the cheaper one") + few


def _write(place: Path, result: ScoreResult | ScoreComparison, judged: Judged) -> None:
    notes = {name: value for name, value in judged.notes.items() if name != "blank_hypotheses"}
    write_json(place / "report.json", {**result.model_dump(), **notes, "worst": judged.worst[:100]})
    write_json_lines(place / "examples.jsonl", judged.examples)
