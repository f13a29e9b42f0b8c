"""Questions as they stand in their files: the JSON of SQuAD 1.1 and 2.0, CMRC 2018 and DRCD, and JSON lines.

    {"data": [{"title": ..., "paragraphs": [{"context": ..., "qas": [{"id": ..., "question": ..., "is_impossible": false,
        "answers": [{"text": ..., "answer_start": 13}]}]}]}]}                                  SQuAD, DRCD, CMRC as most have it
    [{"context_id": ..., "context_text": ..., "qas": [{"query_id": ..., "query_text": ..., "answers": ["..."]}]}]   CMRC, as published
    {"id": ..., "question": ..., "context": ..., "answers": {"text": ["..."], "answer_start": [13]}}                one a line

JSON lines are streamed; JSON is read whole. What stands where a question should, and is none, is passed on as `Dropped` with its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zhixing.corpus.document import Dropped
from zhixing.corpus.labelled.records import records
from zhixing.corpus.sources import STDIN, Source, kind
from zhixing.errors import InputError
from zhixing.files import reason


@dataclass(frozen=True)
class Raw:
    """A question as it stands in its file."""

    where: str
    place: str
    id: Any
    question: Any
    context: Any
    answers: Any
    impossible: Any = None
    title: Any = ""
    line: bool = False
    """Whether it stands on a line of its own, where no answers are no fault."""


def raw_questions(path: Path) -> Iterator[Raw | Dropped]:
    """The questions of a file, one at a time; what stands where a question should is `Dropped`. JSON lines are streamed, JSON read whole.

    Raises `InputError` for a file that cannot be read, or is none of the known forms.
    """
    form, packing, _ = kind(path.name)
    if str(path) != STDIN and not path.is_file():
        raise InputError(path, "no such file" if not path.exists() else "is a folder; questions are read from JSON files")
    if str(path) == STDIN or form not in ("json", None):
        if str(path) != STDIN and form != "jsonl":
            raise InputError(path, f"is a {form} file; questions are read from JSON in the form of SQuAD or CMRC, and from JSON lines")
        yield from _lines(path)
        return
    if packing:
        raise InputError(path, "is packed; unpack it first (JSON lines are read packed, too)")
    tree = _tree(path)
    records_ = tree.get("data") if isinstance(tree, dict) else tree
    if not isinstance(records_, list):
        raise InputError(path, 'is not in the form of SQuAD or CMRC: a JSON object with a list "data" is wanted, or a list of contexts')
    for number, record in enumerate(records_):
        yield from _record(str(path), f"data[{number}]", record)


def _tree(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}", f"is not valid JSON ({error.msg})") from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"is not UTF-8 text (byte {error.start + 1})") from None
    except RecursionError:
        raise InputError(path, "is nested too deeply to be read") from None
    except ValueError as error:  # a number of thousands of digits
        raise InputError(path, f"is not valid JSON ({str(error)[:60]})") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({reason(error)})") from None


def _lines(path: Path) -> Iterator[Raw | Dropped]:
    """One question a line."""
    rows = records(Source(path, named=True))[1] if str(path) != STDIN else _standard_input()
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Dropped):
            yield row
            continue
        cells = row.cells
        if not isinstance(cells, dict):
            yield Dropped(row.source, row.line, "read", "not a JSON object with question and context", row.shown)
            continue
        name = cells.get("id", str(row.line or number))
        yield Raw(row.where, f"line {row.line or number}", name, cells.get("question"), cells.get("context"), cells.get("answers", ()),
                  cells.get("is_impossible"), cells.get("title", ""), line=True)  # fmt: skip


def _standard_input() -> Iterator[Any]:
    import sys

    from zhixing.corpus.labelled.records import Record

    for number, line in enumerate(sys.stdin, start=1):
        if not line.strip():
            continue
        try:
            yield Record(STDIN, number, json.loads(line))
        except (ValueError, RecursionError):
            yield Dropped(STDIN, number, "read", "not valid JSON", line[:200])


def _record(path: str, place: str, record: Any) -> Iterator[Raw | Dropped]:
    """The questions of an article of SQuAD's, of a context of CMRC's, or a single one."""
    if not isinstance(record, dict):
        yield Dropped(path, None, "read", f"{place} is no JSON object")
        return
    title = record.get("title", "")
    if "paragraphs" in record:
        paragraphs = record["paragraphs"]
        if not isinstance(paragraphs, list):
            yield Dropped(path, None, "read", f'{place} has no list "paragraphs"')
            return
        for number, paragraph in enumerate(paragraphs):
            yield from _paragraph(path, f"{place}.paragraphs[{number}]", paragraph, title)
    elif "qas" in record:
        yield from _paragraph(path, place, record, title)
    elif "question" in record:
        yield Raw(path, place, record.get("id", place), record["question"], record.get("context"), record.get("answers", ()),
                  record.get("is_impossible"), title, line=True)  # fmt: skip
    else:
        yield Dropped(path, None, "read", f'{place} has neither "paragraphs" nor "qas"')


def _paragraph(path: str, place: str, paragraph: Any, title: Any) -> Iterator[Raw | Dropped]:
    if not isinstance(paragraph, dict) or not isinstance(paragraph.get("qas"), list):
        yield Dropped(path, None, "read", f'{place} has no list "qas"')
        return
    context = paragraph.get("context", paragraph.get("context_text"))
    for number, one in enumerate(paragraph["qas"]):
        here = f"{place}.qas[{number}]"
        if not isinstance(one, dict):
            yield Dropped(path, None, "read", f"{here} is no JSON object")
            continue
        name, question = one.get("id", one.get("query_id")), one.get("question", one.get("query_text"))
        yield Raw(path, here, name, question, context, one.get("answers", ()), one.get("is_impossible"), title)
