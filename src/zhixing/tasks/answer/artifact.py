"""A finished reader on disk, and in use: questions and texts in, answers out.

    runs/qa/
        model.safetensors   the best weights
        tokenizer.json
        config.json         settings
        task.json           threshold of no answer, SHA-256 of weights and tokenizer, golden questions with their answers
        training.npy        hashes of the texts and questions trained on, by which a test set is checked for them

    read = Reader.open("runs/qa")
    read([("Who wrote it?", "It was written by Lu Xun.")])[0].answer

Whoever opens it gets the golden answers again, or an error. What is said of a question does not depend on what else is asked in the same
call, but for the last digits of a sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zhixing import device as devices
from zhixing.config import Settings, resolve
from zhixing.corpus.questions import Question
from zhixing.errors import ArtifactError
from zhixing.files import open_folder, read_json, write_json
from zhixing.models import build, without_weights
from zhixing.models.shapes import EncoderModel
from zhixing.tasks.answer.objective import SpanReader, outputs, reader
from zhixing.tasks.answer.recipe import AnswerRecipe
from zhixing.tasks.answer.spans import Found, decode, sentence_around
from zhixing.tasks.answer.windows import windows
from zhixing.tasks.artifact import (
    TASK,
    hashes,
    in_training,
    load_tokenizer,
    load_weights,
    objective_of,
    read_task,
    save_weights,
    write_training,
)
from zhixing.tokenizer.tokenizer import Tokenizer

TOLERANCE = 2e-2
"""By how much golden scores, sums of two log-probabilities, may differ from machine to machine."""
WINDOW = 256
"""Questions that are sorted by length together."""

Asked = tuple[str, str]
"""A question, and the text that is to answer it."""


class Golden(Settings):
    """A question and what the model said."""

    question: str
    context: str
    start: int | None
    end: int | None
    score: float


class Task(Settings):
    """What `task.json` holds."""

    task: str
    threshold: float | None
    """By how much no answer must be better than the best answer to be given; None: each question has an answer."""
    weights: str
    """SHA-256 of the weights file."""
    tokenizer: str
    """Fingerprint of the tokenizer."""
    golden: tuple[Golden, ...]


@dataclass(frozen=True)
class Possible:
    """One of the best answers."""

    answer: str
    start: int
    end: int
    score: float
    document: str | None = None
    """Where documents were searched."""

    def row(self) -> dict[str, Any]:
        """What of it is written to a file."""
        named = {} if self.document is None else {"document": self.document}
        return {"answer": self.answer, "score": round(self.score, 6), "start": self.start, "end": self.end, **named}


@dataclass(frozen=True)
class Answered:
    """What the model says of a question."""

    answer: str | None = None
    """None: the text does not answer it, or nothing can be said."""
    score: float = 0.0
    """The probability of what is said, among the best answers and none."""
    start: int | None = None
    """The character of the text at which the answer begins."""
    end: int | None = None
    """The character behind its last one."""
    sentence: str | None = None
    """The sentence around it."""
    no_answer: float | None = None
    """The probability that there is no answer, where the model knows such questions."""
    document: str | None = None
    """Where it was found, where documents were searched; start and end are then places in that document."""
    best: tuple[Possible, ...] = ()
    """The best answers, this one first, unless there is none."""
    problem: str | None = None
    """Why nothing is said: the question is empty, say."""

    def row(self, count: int = 0) -> dict[str, Any]:
        """What of it is written to a file, with so many of the best answers."""
        if self.problem is not None:
            return {"answer": None, "problem": self.problem}
        row: dict[str, Any] = {"answer": self.answer, "score": round(self.score, 6), "start": self.start, "end": self.end}
        row |= {"sentence": self.sentence}
        if self.document is not None:
            row["document"] = self.document
        if self.no_answer is not None:
            row["no_answer"] = round(self.no_answer, 6)
        if count:
            row["best"] = [possible.row() for possible in self.best[:count]]
        return row


class Reader:
    """A question-answering model that takes questions and texts and gives answers."""

    def __init__(self, model: SpanReader, tokenizer: Tokenizer, recipe: AnswerRecipe, task: Task, device: torch.device, path: Path) -> None:
        self.model, self.tokenizer, self.recipe, self.task = model.to(device).eval(), tokenizer, recipe, task
        self.device, self.path, self.precision = device, path, "fp32"

    @classmethod
    def open(cls, path: Path | str, device: str = "auto", precision: str = "fp32") -> Reader:
        """Open a finished run, its hashes and golden answers checked. precision: fp32, or bf16 or auto for speed.

        Raises `ArtifactError` when it is absent, unfinished, damaged, or does not say what it said when it was made.
        """
        path, target = Path(path), devices.pick(device)
        open_folder(path, "run", verify=["config.json", "tokenizer.json"])
        if not is_reader(path):
            raise ArtifactError(path, "is no question-answering run; train one with zhixing finetune answer")
        task = read_task(path, Task)
        recipe = resolve(AnswerRecipe, read_json(path / "config.json"))
        tokenizer = load_tokenizer(path, task.tokenizer)
        with without_weights():
            body = build(recipe.model, tokenizer.vocabulary, "encoder")
        assert isinstance(body, EncoderModel)
        model = reader(body, recipe.objective)
        load_weights(model, path, task.weights)
        made = cls(model, tokenizer, recipe, task, target, path)
        made._check()
        made.precision = precision
        return made

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the weights."""
        return self.task.weights

    @property
    def declines(self) -> bool:
        """Whether it may say that there is no answer."""
        return self.task.threshold is not None

    def __call__(self, asked: Sequence[Asked]) -> list[Answered]:
        """What the model says of each question. Texts are taken as they are: places in them are places in what was given."""
        found, problems = self.find(asked)
        return [
            Answered(problem=problems[number]) if number in problems else self.said(one, text)
            for number, (one, (_, text)) in enumerate(zip(found, asked, strict=True))
        ]

    def stream(self, asked: Iterable[Asked], window: int = WINDOW) -> Iterator[Answered]:
        """What the model says of any number of questions, in their order, in constant memory."""
        source = iter(asked)
        while part := list(islice(source, window)):
            yield from self(part)

    def find(self, asked: Sequence[Asked]) -> tuple[list[Found], dict[int, str]]:
        """The best spans of each question, and what is wrong with those of which nothing can be said, by their numbers."""
        empty: dict[int, str] = {}
        for number, one in enumerate(asked):
            if problem := next(
                (f"the {what} {why}" for what, text in zip(("question", "text"), one, strict=True) if (why := _bad(text))), None
            ):
                empty[number] = problem
        taken = [("?", "") if number in empty else one for number, one in enumerate(asked)]
        made, problems = windows(taken, self.tokenizer, self.recipe.objective.frame)
        said = outputs(self.model, made, self.device, devices.dtype(self.precision, self.device))
        return decode(said, made.spans, made.owner, len(asked), self.recipe.objective.longest), {**problems, **empty}

    def said(self, found: Found, text: str) -> Answered:
        """What is said of a question, from the best spans in its text."""
        shares, none = found.probabilities(none=self.declines)
        best = tuple(
            Possible(text[span.start : span.end], span.start, span.end, share) for span, share in zip(found.best, shares, strict=True)
        )
        chosen, no_answer = found.answer(self.task.threshold), none if self.declines else None
        if chosen is None:
            return Answered(score=none if self.declines else 1.0, no_answer=no_answer, best=best)
        first = best[0]
        return Answered(
            first.answer, first.score, first.start, first.end, sentence_around(text, first.start, first.end), no_answer, best=best
        )

    def _check(self) -> None:
        """Raise `ArtifactError` unless the golden questions get their answers again."""
        found, _ = self.find([(g.question, g.context) for g in self.task.golden])
        for golden, now in zip(self.task.golden, found, strict=True):
            again = {(span.start, span.end): span.score for span in now.best if span.score >= now.best[0].score - TOLERANCE}
            score = again.get((golden.start, golden.end)) if golden.start is not None and golden.end is not None else None
            if (score is None and (golden.start is not None or now.best)) or abs((score or 0.0) - golden.score) > TOLERANCE:
                what = (
                    f"does not say of {golden.question[:40]!r} what it said when it was made; weights, tokenizer or a library have changed"
                )
                raise ArtifactError(self.path, what)


def _bad(text: object) -> str | None:
    """What is wrong with a question or a text."""
    if not isinstance(text, str):
        return "is no text"
    if not text.strip():
        return "is empty"
    return None


def is_reader(path: Path) -> bool:
    """Whether a run folder is one of question answering, finished or not."""
    return objective_of(path) == "answer"


def write(
    run: Path, model: SpanReader, tokenizer: Tokenizer, recipe: AnswerRecipe, train: Sequence[Question], golden: Sequence[Question],
    *, threshold: float | None,
) -> Task:  # fmt: skip
    """Write weights, hashes of what was trained on and `task.json` of a trained model, which lies on the CPU, into its run folder."""
    weights = save_weights(run, model)
    write_training(run, np.concatenate([hashes(q.context for q in train), hashes(q.key for q in train)]))
    task = Task(task="answer", threshold=threshold, weights=weights, tokenizer=tokenizer.fingerprint, golden=())
    found, _ = Reader(model, tokenizer, recipe, task, torch.device("cpu"), run).find([(q.question, q.context) for q in golden])
    said = []
    for question, one in zip(golden, found, strict=True):
        first = one.best[0] if one.best else None
        start, end, score = (first.start, first.end, first.score) if first else (None, None, 0.0)
        said.append(Golden(question=question.question, context=question.context, start=start, end=end, score=score))
    task = task.model_copy(update={"golden": tuple(said)})
    write_json(run / TASK, task.model_dump())
    return task


def trained_on(run: Path, questions: Sequence[Question]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which questions were trained on, and which are on a text that was trained on [N] each."""
    return in_training(run, hashes(q.key for q in questions)), in_training(run, hashes(q.context for q in questions))
