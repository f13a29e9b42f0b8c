"""A reader of questions on texts, measured: exact match and F1 with intervals, and where it errs. And two of them compared.

1. Questions are read with their faults counted; those that no window can hold count as unanswered, and are said.
2. The scripts' rules count: SQuAD 1.1's for English, 2.0's where there are unanswerable questions, CMRC's for Chinese (`metrics.answer`).
3. Scores are broken down by the length of texts and answers, and by whether there is an answer; the threshold of no answer that would have
   been best on these questions is told beside the one that is used, as SQuAD 2.0's script does.
4. Each question stands in `examples.jsonl` with its gold answers and the best answers of the model, the worst first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhixing.config import Result
from zhixing.console import progress, warn
from zhixing.corpus.questions import Question, Questions, read
from zhixing.corpus.stats import language
from zhixing.errors import InputError
from zhixing.evaluate import outputs, significance
from zhixing.evaluate.classification import Score
from zhixing.evaluate.significance import FEW, Test
from zhixing.metrics import Rate, Rows, answer
from zhixing.tasks.answer.artifact import WINDOW, Reader, is_reader, trained_on
from zhixing.tasks.answer.spans import Found, threshold

LENGTHS = (250, 500, 1000, 2000)
"""Characters up to which texts count as of one length."""
ANSWERS = (5, 10, 20, 40)
"""Likewise of answers."""
BEST = 5
"""Answers of the model that `examples.jsonl` shows."""


class AnswerResult(Result):
    """What `evaluate` returns for a reader; also `report.json` of its folder."""

    model: str
    fingerprint: str
    data: list[str]
    script: str
    """Whose rules count: squad1.1, squad2.0, cmrc2018."""
    questions: int
    texts: int
    """Different texts that they are asked of."""
    set_aside: int
    """Questions that could not be read."""
    mended: int
    """Answers whose places were wrong or missing."""
    too_long: int
    """Questions that are longer than what the model sees; they count as unanswered."""
    in_training: int
    """Questions that the model was trained on: scores on them say little."""
    texts_in_training: int
    """Questions on texts that the model was trained on."""
    metrics: dict[str, Score]
    unseen: dict[str, Score] | None
    """The metrics without the questions on texts that the model was trained on, where there are such."""
    by_answer: dict[str, dict[str, float]]
    """Of questions with and without an answer: how many, the scores, and for how many the model gave an answer."""
    by_length: list[dict[str, Any]]
    by_answer_length: list[dict[str, Any]]
    threshold: float | None
    best_threshold: float | None
    """The one that would have given the best F1 on these questions, which is what the script of SQuAD 2.0 calls best_f1_thresh."""
    best_f1: float | None
    """That F1; it flatters, for the threshold was chosen by it."""

    def lines(self) -> Iterator[str]:
        """One line a metric."""
        yield f"{self.model} on {', '.join(self.data)}: {self.questions} questions on {self.texts} texts"
        if seen := self.texts_in_training:
            yield f"warning: {seen} of them ({seen / self.questions:.1%}) are on texts of the training data"
        for name, m in self.metrics.items():
            yield f"{name:<20} {m.value:.4f}  [{m.low:.4f}, {m.high:.4f}]  {m.signature}"


@dataclass(frozen=True)
class Judged:
    """Questions with what was said of them."""

    questions: list[Question]
    found: list[Found]
    said: list[str]
    """The answer of each; empty: none."""
    script: answer.Script
    rows: Rows


def script_of(questions: Sequence[Question], *, declines: bool = False) -> answer.Script:
    """Whose rules count for these questions. declines: whether the model may say that there is no answer."""
    tongues = [language(text) for q in questions for text in q.texts] or [language(q.context) for q in questions]
    if tongues.count("zh") > len(tongues) / 2:
        return "cmrc2018"
    return "squad2.0" if declines or any(not q.answers for q in questions) else "squad1.1"


def metrics_of(script: answer.Script, rows: Rows) -> tuple[Any, ...]:
    """Exact match and F1, and, where some questions have no answer, those of each kind."""
    usual = answer.metrics("squad1.1" if script == "squad1.1" else script)[:2]
    there = rows[:, answer.ANSWERABLE]
    if 0 < there.sum() < len(rows):
        apart = ("has_answer_exact", "has_answer_f1", "no_answer_accuracy")
        return (*usual, *(answer.AnswerF1(n, script) if n.endswith("f1") else answer.AnswerRate(n, script) for n in apart))
    return usual


def texts_of(found: Sequence[Found], questions: Sequence[Question], limit: float | None) -> list[str]:
    """The answer to each question, empty where there is none."""
    chosen = (one.answer(limit) for one in found)
    return [q.context[span.start : span.end] if span is not None else "" for q, span in zip(questions, chosen, strict=True)]


def best_threshold(found: Sequence[Found], questions: Sequence[Question], script: answer.Script) -> tuple[float, float]:
    """The threshold with the best F1 on these questions, and that F1."""
    gold = [q.texts for q in questions]
    said = answer.rows(texts_of(found, questions, None), gold, script)[:, answer.F1]
    silent = answer.rows([""] * len(questions), gold, script)[:, answer.F1]
    margins = [min(one.margin, 1e6) for one in found]
    limit = threshold(margins, said.tolist(), silent.tolist())
    return limit, float(np.where(np.array(margins) <= limit, said, silent).mean())


def judge(reader: Reader, questions: list[Question]) -> tuple[Judged, dict[int, str]]:
    """What a reader says of questions, in fp32, and those that it cannot take, with the reason."""
    found: list[Found] = []
    problems: dict[int, str] = {}
    with progress("answering", total=len(questions), unit="questions") as bar:
        for start in range(0, len(questions), WINDOW):
            part = questions[start : start + WINDOW]
            said, wrong = reader.find([(q.question, q.context) for q in part])
            found += said
            problems |= {start + number: why for number, why in wrong.items()}
            bar.advance(len(part))
    script = script_of(questions)
    texts = texts_of(found, questions, reader.task.threshold)
    rows = answer.rows(texts, [q.texts for q in questions], script)
    return Judged(questions, found, texts, script, rows), problems


def evaluate_reader(reader: Reader, data: Sequence[str], name: str) -> tuple[AnswerResult, list[dict[str, Any]]]:
    """All figures of a reader on questions, and a row of `examples.jsonl` for each, worst first. `name`: the model's, for the result."""
    read_in = _read(data)
    questions = read_in.questions
    judged, problems = judge(reader, questions)
    if problems:
        number, why = next(iter(problems.items()))
        warn(f"{len(problems)} questions cannot be taken, and count as unanswered; the first is {questions[number].id}: {why}")
    seen, on_seen = trained_on(reader.path, questions)
    settings = reader.recipe.objective
    about = (
        f"model:{reader.fingerprint[:8]}|window:{settings.window}|overlap:{settings.overlap}|longest:{settings.longest}|"
        f"threshold:{'none' if reader.task.threshold is None else format(reader.task.threshold, '.4g')}|questions:{len(questions)}"
    )
    metrics = metrics_of(judged.script, judged.rows)
    unseen = None
    if on_seen.any():
        warn(f"{on_seen.sum()} of {len(questions)} questions are on texts of the training data: scores on them say little")
        if not on_seen.all():
            rest = judged.rows[~on_seen]
            left = f"{about}|without-training:{len(rest)}"
            unseen = _scores(significance.estimates(metrics_of(judged.script, rest), rest, left))
    limit, f1 = best_threshold(judged.found, questions, judged.script) if reader.declines else (None, None)
    result = AnswerResult(
        model=name,
        fingerprint=reader.fingerprint,
        data=list(data),
        script=judged.script,
        questions=len(questions),
        texts=len({q.context for q in questions}),
        set_aside=len(read_in.set_aside),
        mended=sum(fault.mended for fault in read_in.faults),
        too_long=len(problems),
        in_training=int(seen.sum()),
        texts_in_training=int(on_seen.sum()),
        metrics=_scores(significance.estimates(metrics, judged.rows, about)),
        unseen=unseen,
        by_answer=_by_answer(judged),
        by_length=_broken_down(judged, LENGTHS, lambda q: len(q.context)),
        by_answer_length=_broken_down(judged, ANSWERS, lambda q: min(map(len, q.texts), default=0)),
        threshold=reader.task.threshold,
        best_threshold=limit,
        best_f1=f1,
    )
    order = np.argsort(judged.rows[:, answer.F1], kind="stable").tolist()
    return result, [_example(judged, number, reader.declines) for number in order]


def _read(data: Sequence[str]) -> Questions:
    found = read(data, 1.0)
    if found.set_aside:
        first = found.set_aside[0]
        warn(f"{len(found.set_aside)} of {found.total} questions are set aside; the first is {first.where}, {first.id}: {first.reason}")
    if len(found.questions) < FEW:
        warn(f"only {len(found.questions)} questions: intervals by resampling so few are too narrow")
    return found


def _scores(found: dict[str, dict[str, Any]]) -> dict[str, Score]:
    return {name: Score(**entry) for name, entry in found.items()}


def _by_answer(judged: Judged) -> dict[str, dict[str, float]]:
    there = judged.rows[:, answer.ANSWERABLE] == 1
    said = np.array([bool(text) for text in judged.said])
    return {
        name: {
            "questions": int(chosen.sum()),
            "exact_match": float(judged.rows[chosen, answer.EXACT].mean()),
            "answer_f1": float(judged.rows[chosen, answer.F1].mean()),
            "answered": int(said[chosen].sum()),
        }
        for name, chosen in (("answerable", there), ("unanswerable", ~there))
        if chosen.any()
    }


def _broken_down(judged: Judged, edges: Sequence[int], size_of: Callable[[Question], int]) -> list[dict[str, Any]]:
    """Scores of questions with an answer, by a length in characters."""
    sizes = np.array([size_of(q) for q in judged.questions])
    there: NDArray[np.bool_] = judged.rows[:, answer.ANSWERABLE] == 1
    found = []
    for low, high in zip((0, *edges), (*edges, None), strict=True):
        chosen = there & (sizes > low) & (sizes <= (high if high is not None else sizes.max(initial=0)))
        if chosen.any():
            rows = judged.rows[chosen]
            scores = {"exact_match": float(rows[:, answer.EXACT].mean()), "answer_f1": float(rows[:, answer.F1].mean())}
            found.append({"characters": [low + 1, high], "questions": len(rows), **scores})
    return found


def _example(judged: Judged, number: int, declines: bool) -> dict[str, Any]:
    question, found, row = judged.questions[number], judged.found[number], judged.rows[number]
    shares, none = found.probabilities(none=declines)
    return {
        "id": question.id,
        "question": question.question,
        "answers": list(dict.fromkeys(question.texts)),
        "answer": judged.said[number] or None,
        "exact_match": float(row[answer.EXACT]),
        "answer_f1": round(float(row[answer.F1]), 4),
        **({"no_answer": round(none, 4)} if declines else {}),
        "best": [
            {"answer": question.context[s.start : s.end], "start": s.start, "end": s.end, "score": round(share, 4)}
            for s, share in list(zip(found.best, shares, strict=True))[:BEST]
        ],
        "context": question.context[:1000],
    }


def compare_readers(a: Path, b: Path, data: Sequence[str], test: Test, device: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The number of questions, and for each metric what the difference of B and A is worth; each a run or a file of answers."""
    questions = _read(data).questions
    opened = {path: Reader.open(path, device) for path in dict.fromkeys((a, b)) if is_reader(path)}
    said: dict[Path, list[str | None]] = {}
    for path in dict.fromkeys((a, b)):
        said[path] = list(judge(opened[path], questions)[0].said) if path in opened else _answers(path, questions)
    script = script_of(questions)
    rows = [answer.rows(said[path], [q.texts for q in questions], script) for path in (a, b)]
    about = "|".join(f"{n}:{opened[p].fingerprint[:8] if p in opened else p.name}" for n, p in (("a", a), ("b", b)))
    metrics = metrics_of(script, rows[0])
    asked = [metric for metric in metrics if test != "mcnemar" or isinstance(metric, Rate)]
    return len(questions), significance.differences(asked, rows[0], rows[1], f"{about}|questions:{len(questions)}", test)


def _answers(path: Path, questions: Sequence[Question]) -> list[str | None]:
    """Answers in a file: JSON of SQuAD's predictions, or JSON lines as `predict` writes them."""
    if path.is_dir():
        raise InputError(path, "is no question-answering run, and no file of answers")
    found = outputs.read_answers(str(path))
    if not any(q.id in found for q in questions):
        raise InputError(path, "answers none of the questions")
    if missing := [q.id for q in questions if q.id not in found]:
        warn(f"{path}: {len(missing)} of {len(questions)} questions have no answer there ({missing[0]}, ...), and count as wrong")
    return [found.get(q.id) for q in questions]
