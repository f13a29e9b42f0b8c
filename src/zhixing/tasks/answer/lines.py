"""Questions of a file of any size, answered into a file of JSON lines: one line for each question, in their order.

Lines are written to a file beside the one that is wanted, which takes its name when all are there; the same request goes on behind the last
whole line of what a killed one has left (`resume`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zhixing.corpus.document import Dropped
from zhixing.corpus.labelled.records import records
from zhixing.corpus.question_files import Raw, raw_questions
from zhixing.corpus.sources import STDIN, Source, kind
from zhixing.errors import InputError
from zhixing.tasks.answer.artifact import WINDOW, Answered, Reader
from zhixing.tasks.answer.documents import Shelf, ask
from zhixing.tasks.streaming import streamed


@dataclass(frozen=True)
class Written:
    """What has become of a file of questions."""

    lines: int
    before: int
    """Of them, those that an earlier call had written."""
    problems: int
    """Questions, of those done now, of which nothing could be said."""
    unanswered: int
    """Questions, of those done now, that are said to have no answer."""
    kept: list[str] | None
    """The lines, where no file takes them."""


def answered(reader: Reader, shelf: Shelf | None, asked: Sequence[tuple[Any, Any]], passages: int) -> list[Answered]:
    """What is said of questions with their texts, or, of a shelf, of questions alone."""
    if shelf is None:
        return reader([(question, text) for question, text in asked])
    return ask(reader, shelf, [question for question, _ in asked], passages)


def answer_file(
    reader: Reader, source: Path, out: Path | None, shelf: Shelf | None, documents: Sequence[str] | None, passages: int, best: int
) -> Written:
    """Answer the questions of a file. documents: the names that the shelf was read from.

    Raises `InputError` for a file that cannot be read, `SettingError` when `out` exists, `Interrupted` after Ctrl-C.
    """
    request = {
        "model": reader.fingerprint, "threshold": reader.task.threshold,
        "documents": None if shelf is None else [list(documents or ()), len(shelf.passages), sum(len(p.text) for p in shelf.passages)],
        "passages": passages, "best": best, "precision": reader.precision,
    }  # fmt: skip
    rows = _rows(source, shelf is not None)
    problems = unanswered = 0
    with streamed(source, rows, out, request, "answering", "questions", WINDOW) as (written, windows):
        for window in windows:
            good = [row for row in window if isinstance(row, Raw)]
            said = iter(answered(reader, shelf, [(row.question, row.context) for row in good], passages))
            lines = []
            for row in window:
                one = Answered(problem=row.reason) if isinstance(row, Dropped) else next(said)
                problems += one.problem is not None
                unanswered += one.problem is None and one.answer is None
                named = {} if isinstance(row, Dropped) else {"id": _id(row), "question": row.question}
                lines.append(json.dumps({**named, **one.row(best)}, ensure_ascii=False, default=str))
            written.add(lines)
        if not written.lines:
            raise InputError(source, "holds no question")
    return Written(written.lines, written.before, problems, unanswered, written.kept)


def _id(row: Raw) -> str:
    return str(row.id) if isinstance(row.id, str | int) else row.place


def _rows(source: Path, alone: bool) -> Iterator[Raw | Dropped]:
    """The questions of a file; `alone`: without texts, so that a file of text may hold one a line."""
    if not alone or str(source) == STDIN or kind(source.name)[0] in ("json", "jsonl"):
        yield from raw_questions(source)
        return
    form, rows = records(Source(source, named=True), columns=False)
    if form != "lines":
        raise InputError(source, f"is a {form} file; questions are read from text files, one a line, JSON lines, and JSON")
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Dropped):
            yield row
        else:
            yield Raw(row.where, f"line {number}", str(number), row.cells[0], None, (), line=True)  # type: ignore[index]
