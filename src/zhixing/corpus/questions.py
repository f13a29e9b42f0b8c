"""Questions on texts, with their answers, in the forms that `question_files` reads: what is sound, mended or set aside, and held out.

1. A file is walked to its questions. What is malformed inside it becomes a `Fault` with the id of the question, or its place.
2. An answer that does not stand at its offset is looked for: nearest to there, or, without an offset, at its first place. That is counted
   as a fault that was mended. One that stands nowhere in its context keeps its text, which scores are measured against, but no place.
3. What cannot be mended is set aside: questions or contexts without text, ids that were there before, and, for training, questions none
   of whose answers stands in the context.

Offsets count the characters (code points) of the context, which is never changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from zhixing.config import Settings
from zhixing.corpus import fetch
from zhixing.corpus.document import Dropped
from zhixing.corpus.question_files import Raw, raw_questions
from zhixing.corpus.split import draw
from zhixing.errors import InputError

MENDED = {
    "moved": "an answer does not stand at its offset; the nearest place where it does is taken",
    "searched": "an answer has no offset; the first place where it stands is taken",
    "absent": "an answer does not stand in its context",
    "silent": "has no answers and does not say is_impossible; it is taken as unanswerable",
}
"""Faults that a question survives."""
FATAL = {
    "form": "is not in the form of a question",
    "question": "the question has no text",
    "context": "the context has no text",
    "surrogate": "holds half of a surrogate pair, which no encoding can write",
    "id": "has an id that was there before",
    "answer": "an answer has no text",
    "contradiction": "is said to be unanswerable and has answers",
    "nowhere": "none of its answers stands in its context",
}
"""Faults for which a question is set aside."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class QuestionSettings(Settings):
    """How questions are read and held out."""

    bad: float = Field(default=0.1, ge=0, le=1)
    """Share of questions that may be set aside for their faults; with more, nothing is done."""
    valid: float = Field(default=0.1, gt=0, lt=1)
    """Share of the questions that is held out for validation where no validation data is given, whole articles or contexts at a time."""
    seed: int = Field(default=0, ge=0)
    """Another seed, another validation part."""


@dataclass(frozen=True)
class Answer:
    """A gold answer."""

    text: str
    start: int | None
    """The character of the context at which it begins; None: it does not stand there."""

    @property
    def end(self) -> int | None:
        """The character behind its last one."""
        return None if self.start is None else self.start + len(self.text)


@dataclass(frozen=True)
class Question:
    """A question on a text."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] = ()
    """None: the context does not answer it."""
    title: str = ""
    source: str = ""

    @property
    def texts(self) -> list[str]:
        """The texts of its answers."""
        return [answer.text for answer in self.answers]

    @property
    def span(self) -> tuple[int, int] | None:
        """Start and end of the answer that most annotators gave, the first of those; None where there is none in the context."""
        places = [(answer.start, answer.start + len(answer.text)) for answer in self.answers if answer.start is not None]
        return Counter(places).most_common(1)[0][0] if places else None

    @property
    def key(self) -> str:
        """128-bit hash of question and context."""
        return _hash(f"{self.question}\0{self.context}")


@dataclass(frozen=True)
class Fault:
    """Something wrong with a question."""

    kind: str
    """A key of `MENDED` or `FATAL`."""
    where: str
    """File, or file and line."""
    id: str
    """Of the question; where it has none, its place in the file."""
    text: str = ""

    @property
    def mended(self) -> bool:
        """Whether the question could be kept."""
        return self.kind in MENDED

    @property
    def reason(self) -> str:
        """What is wrong."""
        return MENDED.get(self.kind) or FATAL[self.kind]

    def row(self) -> dict[str, Any]:
        """What `faults.jsonl` says of it."""
        return {
            "source": self.where,
            "id": self.id,
            "kind": self.kind,
            "mended": self.mended,
            "reason": self.reason,
            "text": self.text[:200],
        }


@dataclass
class Questions:
    """What was read."""

    questions: list[Question] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    total: int = 0
    """Questions in the files, with those that were set aside."""

    @property
    def set_aside(self) -> list[Fault]:
        """Faults of what could not be kept."""
        return [fault for fault in self.faults if not fault.mended]

    @property
    def unanswerable(self) -> int:
        """Questions without an answer."""
        return sum(not question.answers for question in self.questions)


def read(names: Sequence[str | Path], bad: float = 0.1, *, spans: bool = False) -> Questions:
    """All questions of files, URLs and hub data sets, faults counted.

    bad: the share of questions that may be set aside. spans: whether a question is to have a place in its context, or to be unanswerable,
    as training wants it; else questions whose answers stand nowhere are kept, since scores count them.

    Raises `InputError` for a file that is no such file, or holds no question that is of use, or too many that are not.
    """
    found, known = Questions(), set[str]()
    for name in fetch.resolve(names):
        before = len(found.questions)
        for raw in raw_questions(Path(name)):
            found.total += not isinstance(raw, Dropped)
            _take(raw, found, known, spans)
        if len(found.questions) == before:
            first = next((f for f in found.set_aside if f.where.startswith(str(name))), None)
            raise InputError(first.where if first else name, f"{first.id}: {first.reason}" if first else "holds no question")
    lost = len(found.set_aside)
    if lost > bad * max(1, found.total):
        first = found.set_aside[0]
        what = (
            f"{lost} of {found.total} questions are of no use, more than data.bad = {bad:g} allows; the first is {first.id}: {first.reason}"
        )
        raise InputError(first.where, what)
    return found


def _take(raw: Raw | Dropped, found: Questions, known: set[str], spans: bool) -> None:
    """Keep a question, or set it aside."""
    if isinstance(raw, Dropped):
        found.total += 1
        place = raw.reason.split(" ")[0] if raw.line is None else f"line {raw.line}"
        found.faults.append(Fault("form", raw.where, place, raw.text or raw.reason))
        return
    made, faults = made_of(raw)
    if made is not None and made.id in known:
        faults, made = [Fault("id", raw.where, made.id, made.question)], None
    if made is not None and spans and made.answers and made.span is None:
        faults, made = [*faults, Fault("nowhere", raw.where, made.id, made.answers[0].text)], None
    found.faults += faults
    if made is not None:
        known.add(made.id)
        found.questions.append(made)


def made_of(raw: Raw) -> tuple[Question | None, list[Fault]]:
    """A question, or None, and what is wrong with it."""
    name = str(raw.id) if isinstance(raw.id, str | int) and not isinstance(raw.id, bool) and str(raw.id).strip() else raw.place

    def fatal(kind_of: str, text: object = "") -> tuple[None, list[Fault]]:
        return None, [Fault(kind_of, raw.where, name, text if isinstance(text, str) else json.dumps(text, default=str)[:200])]

    if name == raw.place and not raw.line:
        return fatal("form", "it has no id")
    for kind_of, text in (("question", raw.question), ("context", raw.context)):
        if not isinstance(text, str) or not text.strip():
            return fatal(kind_of, text)
        if _halved(text):
            return fatal("surrogate")
    given = _given(raw.answers)
    if given is None:
        return fatal("form", raw.answers)
    if any(not isinstance(text, str) or not text.strip() or _halved(text) for text, _ in given):
        return fatal("answer", raw.question)
    if raw.impossible is True and given:
        return fatal("contradiction", raw.question)
    faults = [] if given or raw.impossible is not None or raw.line else [Fault("silent", raw.where, name, raw.question)]
    answers = []
    for text, start in given:
        answer, fault = placed(raw.context, text, start)
        answers.append(answer)
        if fault:
            faults.append(Fault(fault, raw.where, name, text))
    title = raw.title if isinstance(raw.title, str) else ""
    return Question(name, raw.question, raw.context, tuple(answers), title, raw.where), faults


def _given(answers: Any) -> list[tuple[Any, Any]] | None:
    """Texts and offsets of answers, in whichever form; None where it is none."""
    if answers is None:
        return []
    if isinstance(answers, dict):
        texts, starts = answers.get("text"), answers.get("answer_start")
        if not isinstance(texts, list) or (starts is not None and (not isinstance(starts, list) or len(starts) != len(texts))):
            return None
        return list(zip(texts, starts or [None] * len(texts), strict=True))
    if not isinstance(answers, list | tuple):
        return None
    found: list[tuple[Any, Any]] = []
    for answer in answers:
        if isinstance(answer, str):
            found.append((answer, None))
        elif isinstance(answer, dict):
            found.append((answer.get("text"), answer.get("answer_start")))
        else:
            return None
    return found


def placed(context: str, text: str, start: Any) -> tuple[Answer, str | None]:
    """An answer with its place, and the fault that was mended: at its offset, else nearest to it, else at the first place.

    Spaces at its ends are no part of an answer.
    """
    lead = len(text) - len(text.lstrip())
    text = text.strip()
    at = start + lead if isinstance(start, int) and not isinstance(start, bool) and start >= 0 else None
    if at is not None and context.startswith(text, at) and at <= len(context):
        return Answer(text, at), None
    places = list(_places(context, text))
    if not places:
        return Answer(text, None), "absent"
    return (Answer(text, places[0]), "searched") if at is None else (Answer(text, min(places, key=lambda p: (abs(p - at), p))), "moved")


def _places(context: str, text: str) -> Iterator[int]:
    place = context.find(text)
    while place >= 0:
        yield place
        place = context.find(text, place + 1)


def _halved(text: str) -> bool:
    return not text.isascii() and _SURROGATE.search(text) is not None


def split(questions: Sequence[Question], share: float, seed: int) -> tuple[list[Question], list[Question]]:
    """Questions for training and for validation: whole articles, or, where fewer than 20 of them have names, whole contexts.

    Which go where depends on the seed and on titles or contexts alone. No context is on both sides. Raises `InputError` where there is
    only one context.
    """
    titles = {question.title for question in questions}
    by_title = len(titles) >= 20 and "" not in titles
    groups: dict[str, list[int]] = {}
    for number, question in enumerate(questions):
        groups.setdefault(question.title if by_title else question.context, []).append(number)
    if by_title:  # a context that stands in two articles binds them
        groups = _bound(questions, groups)
    if len(groups) < 2:
        raise InputError(questions[0].source, "has questions on a single text, so that none can be held out for validation; give --valid")
    held: set[int] = set()
    for _, name in sorted((draw(name, seed), name) for name in groups):
        if held and len(held) + len(groups[name]) / 2 > share * len(questions):
            break
        if len(held) + len(groups[name]) < len(questions):
            held.update(groups[name])
    return [q for i, q in enumerate(questions) if i not in held], [q for i, q in enumerate(questions) if i in held]


def _bound(questions: Sequence[Question], groups: dict[str, list[int]]) -> dict[str, list[int]]:
    """Groups, joined where they share a context."""
    root, first = {name: name for name in groups}, dict[str, str]()

    def top(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    for name, members in groups.items():
        for i in members:
            root[top(name)] = top(first.setdefault(questions[i].context, name))
    joined: dict[str, list[int]] = {}
    for name, members in groups.items():
        joined.setdefault(top(name), []).extend(members)
    return joined


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8"), digest_size=16).hexdigest()
