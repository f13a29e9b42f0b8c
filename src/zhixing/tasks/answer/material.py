"""The questions of a run: read, checked, and dealt out so that no text is on both sides."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zhixing.corpus.questions import Fault, Question, Questions, QuestionSettings, read, split
from zhixing.corpus.stats import language
from zhixing.errors import InputError
from zhixing.tasks.answer.windows import Frame, Windows, exact, target, windows
from zhixing.tokenizer.tokenizer import Tokenizer

SHOWN = 40
"""Faults and examples that a report names."""


@dataclass
class Material:
    """Questions for training and for validation."""

    train: list[Question]
    valid: list[Question]
    found: list[Questions]
    """What was read: of one set of files, or of two."""

    @property
    def faults(self) -> list[Fault]:
        """What is wrong with questions, mended or not."""
        return [fault for one in self.found for fault in one.faults]

    @property
    def unanswerable(self) -> bool:
        """Whether there is something to learn about questions without an answer."""
        return any(not question.answers for question in self.train)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all questions, in order: a run is continued with the data that it was begun with."""
        digest = hashlib.sha256()
        for part in (self.train, self.valid):
            for q in part:
                digest.update(json.dumps([q.id, q.question, q.context, q.texts, q.span], ensure_ascii=False).encode())
            digest.update(b"|")
        return digest.hexdigest()


def gather(data: Sequence[str], valid: Sequence[str] | None, settings: QuestionSettings) -> Material:
    """Read training questions, and validation questions, or a part of those held out for it.

    Raises `InputError` for files that cannot be read, and for data of which nothing can be learnt.
    """
    found = read(data, settings.bad, spans=True)
    if not any(question.answers for question in found.questions):
        raise InputError(found.questions[0].source, f"none of its {len(found.questions)} questions has an answer to learn from")
    if valid is None:
        train, held = split(found.questions, settings.valid, settings.seed)
        if not any(question.answers for question in train):
            raise InputError(train[0].source, "has too few texts with answers to hold some out for validation; give --valid")
        return Material(train, held, [found])
    other = read(valid, 1.0)
    return Material(found.questions, other.questions, [found, other])


def cut(questions: Sequence[Question], tokenizer: Tokenizer, frame: Frame) -> tuple[list[Question], Windows, list[tuple[Question, str]]]:
    """Questions with their windows, and those that have none, with the reason."""
    made, problems = windows([(q.question, q.context) for q in questions], tokenizer, frame)
    if not problems:
        return list(questions), made, []
    kept = [number for number in range(len(questions)) if number not in problems]
    place = {number: i for i, number in enumerate(kept)}
    made.owner = [place[number] for number in made.owner]
    return [questions[n] for n in kept], made, [(questions[n], why) for n, why in problems.items()]


def answer_tokens(questions: Sequence[Question], tokenizer: Tokenizer) -> list[int]:
    """Tokens of each answer that is to be found."""
    answers = [q.context[q.span[0] : q.span[1]] for q in questions if q.span is not None]
    return [len(ids) for ids in tokenizer.encode_batch(answers)]


def examine(material: Material, parts: dict[str, tuple[list[Question], Windows]], aside: Sequence[tuple[Question, str]]) -> dict[str, Any]:
    """The data report: sizes, faults with the ids of questions, lengths, what windows and tokens do to answers, overlap.

    parts: questions with their windows, by the name of the part; aside: questions that have no windows, with the reason.
    """
    faults = material.faults
    kinds: dict[str, dict[str, Any]] = {f.kind: {"reason": f.reason, "mended": f.mended, "questions": 0, "ids": []} for f in faults}
    for fault in faults:
        kinds[fault.kind]["questions"] += 1
        if len(kinds[fault.kind]["ids"]) < SHOWN:
            kinds[fault.kind]["ids"].append(fault.id)
    report: dict[str, Any] = {"parts": {}, "faults": kinds, "fault_examples": [fault.row() for fault in faults[:SHOWN]], "languages": {}}
    for name, (questions, made) in parts.items():
        report["parts"][name] = _part(questions, made)
        tongues = [language(question.context) for question in questions]
        report["languages"][name] = {tongue: tongues.count(tongue) for tongue in ("en", "zh", "other") if tongue in tongues}
    train = {q.context for q in material.train}
    shared = [q for q in material.valid if q.context in train]
    report["overlap"] = {"questions": len(shared), "ids": [q.id for q in shared[:SHOWN]]}
    report["set_aside"] = sum(not f.mended for f in faults) + len(aside)
    report["too_long"] = [{"id": q.id, "reason": why} for q, why in aside[:SHOWN]]
    report["warnings"] = list(_warnings(report, material))
    return report


def _part(questions: Sequence[Question], made: Windows) -> dict[str, Any]:
    owner = np.array(made.owner, dtype=np.int64)
    whole, inexact = np.zeros(len(questions), dtype=bool), np.zeros(len(questions), dtype=bool)
    holding = 0
    for spans, number in zip(made.spans, made.owner, strict=True):
        answer = questions[number].span
        tokens = target(spans, answer)
        if answer is not None and tokens[1]:
            holding += 1
            whole[number] = True
            inexact[number] = not exact(spans, tokens, answer)
    placed = np.array([q.span is not None for q in questions], dtype=bool)
    return {
        "questions": len(questions),
        "texts": len({q.context for q in questions}),
        "articles": len({q.title for q in questions if q.title}),
        "unanswerable": sum(not q.answers for q in questions),
        "windows": len(made.ids),
        "windows_with_answer": holding,
        "several_windows": int((np.bincount(owner, minlength=len(questions)) > 1).sum()) if len(owner) else 0,
        "cut_answers": int((placed & ~whole).sum()),
        "inexact_answers": int(inexact.sum()),
        "characters": _quantiles([len(q.context) for q in questions]),
        "question_characters": _quantiles([len(q.question) for q in questions]),
        "answer_characters": _quantiles([q.span[1] - q.span[0] for q in questions if q.span is not None]),
        "tokens": _quantiles(made.lengths.tolist()),
    }


def _quantiles(values: Sequence[int]) -> dict[str, float]:
    if not values:
        return {}
    found = np.quantile(np.array(values), [0, 0.25, 0.5, 0.75, 0.95, 1], method="nearest").tolist()
    return dict(zip(("least", "25 %", "median", "75 %", "95 %", "most"), found, strict=True))


def _warnings(report: dict[str, Any], material: Material) -> list[str]:
    """What should be looked at first."""
    said = []
    total = sum(one.total for one in material.found)
    if report["set_aside"]:
        lost = material.faults
        first = next((f"{f.id}: {f.reason}" for f in lost if not f.mended), None) or "{id}: {reason}".format(**report["too_long"][0])
        said.append(f"{report['set_aside']} of {total} questions are set aside; the first is {first}")
    if mended := [f for f in material.faults if f.mended]:
        said.append(f"{len(mended)} answers have faults that were mended or passed over; the first is {mended[0].id}: {mended[0].reason}")
    for name, part in report["parts"].items():
        where = {"train": "training", "valid": "validation"}[name]
        if part["cut_answers"]:
            said.append(f"{part['cut_answers']} {where} questions have an answer that no window holds whole; see objective.overlap")
        if part["inexact_answers"] > 0.02 * part["questions"]:
            share = part["inexact_answers"] / part["questions"]
            said.append(f"of {share:.1%} of the {where} questions the tokens cannot cut the answer out exactly")
    if report["overlap"]["questions"]:
        said.append(f"{report['overlap']['questions']} validation questions are on texts that are trained on, too: scores will flatter")
    train, valid = report["parts"]["train"], report["parts"]["valid"]
    if valid["unanswerable"] and not train["unanswerable"]:
        said.append("there are validation questions without an answer and no training questions of that kind: each will be given an answer")
    return said
