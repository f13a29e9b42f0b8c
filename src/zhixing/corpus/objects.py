"""Read JSON into documents: lines of objects, and files of one array or of objects written over several lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.encoding import BROKEN
from zhixing.corpus.tables import ADVICE, FIELDS
from zhixing.errors import InputError

DEPTH = 500
"""Levels of values in values that are read: what is deeper is no text, but made to exhaust the memory."""
_MARK = "\uffff"
"""Stands for broken bytes on the way through ijson; no text holds it."""


class _Field:
    """Where the text stands in objects of one file: in the field that was asked for, or the first usual one that an object has."""

    def __init__(self, wanted: str | int | None) -> None:
        self.name = None if wanted is None else str(wanted)
        self.seen: dict[str, None] = {}
        self.good = 0

    def document(self, value: Any, shown: str, source: str, line: int | None, record: str | None = None) -> Document | Dropped:
        """The document that a value makes."""
        if isinstance(value, dict):
            if self.name is None:
                self.name = next((name for name in FIELDS if name in value), None)
            if len(self.seen) < 12:
                self.seen.update(dict.fromkeys(list(value)[:12]))
            text = value.get(self.name) if self.name is not None else None
            if isinstance(text, str):
                self.good += 1
                return Document(text, source, line, record)
            what = f"its field {self.name} is {type(text).__name__}, not text" if self.name in value else "has no text field"
        else:
            what = f"not a JSON object but {type(value).__name__}"
        return Dropped(source, line, "read", what, shown[:200], record)

    def check(self, source: str) -> None:
        """Raise `InputError` when there were objects, and in none of them text."""
        if not self.good and self.seen:
            without = f"no text in its field {self.name}" if self.name else f"no field named {', '.join(FIELDS)}"
            raise InputError(
                source,
                f"{without}; its fields are {', '.join(self.seen)}: {ADVICE}",
            )


def json_lines(source: str, entries: Iterator[tuple[int, str] | Dropped], wanted: str | int | None) -> Iterator[Document | Dropped]:
    """Documents of a file of JSON lines. Raises `InputError` when its objects have no text."""
    field = _Field(wanted)
    for entry in entries:
        if isinstance(entry, Dropped):
            yield entry
            continue
        number, line = entry
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Dropped(source, number, "read", f"not valid JSON ({str(error).split(':')[0]:.60})", line[:200])
            continue
        yield field.document(value, line, source, number)
    field.check(source)


def is_lines(start: str) -> bool:
    """Whether a JSON file that begins in this way has an object on each line: its first line is one, or is longer than what is seen."""
    first, end, _ = start.lstrip().partition("\n")
    if not first.startswith("{"):
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return not end
    return True


def json_values(source: str, pieces: Iterator[str], wanted: str | int | None, longest: int) -> Iterator[Document | Dropped]:
    """Documents of a JSON file: one array of objects or texts, or objects one after the other, read in a stream.

    One value at a time is in memory, of `longest` bytes at most. Behind something that is no JSON nothing can be read. Raises `InputError`
    when there are objects and in none of them text.
    """
    import ijson

    file, field, number = _Utf8(pieces), _Field(wanted), 0
    try:
        for value in _values(_Bounded(file, longest)):
            file.given = 0
            number += 1
            record = f"value {number}"
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)[:200]
            item = Document(value, source, None, record) if isinstance(value, str) else field.document(value, shown, source, None, record)
            if isinstance(item, Document) and _MARK in item.text:
                item = Dropped(source, None, "read", "bytes that are not in the file's encoding", shown[:200], record)
            yield item
    except _TooLong:
        yield Dropped(source, None, "read", f"a value of more than read.max_record = {longest} bytes; what came before is read")
    except _TooDeep:
        what = f"values nested more than {DEPTH} levels deep; what came before is read"
        yield Dropped(source, None, "read", what, record=f"value {number + 1}")
    except (ijson.JSONError, ValueError, RecursionError) as error:
        what = f"not valid JSON ({' '.join(str(error).split())[:40]}); what came before is read"
        yield Dropped(source, None, "read", what, record=f"value {number + 1}")
    field.check(source)


def strings(source: str, pieces: Iterator[str]) -> Iterator[str]:
    """All texts in a JSON file, or in one of JSON lines, wherever they stand. Raises `InputError` when it is not JSON."""
    import ijson

    depth = 0
    try:
        for event, value in ijson.basic_parse(_Utf8(pieces), multiple_values=True):
            depth += (event in ("start_map", "start_array")) - (event in ("end_map", "end_array"))
            if depth > DEPTH:
                raise InputError(source, f"has values nested more than {DEPTH} levels deep")
            if event == "string":
                yield value
    except (ijson.JSONError, ValueError) as error:
        raise InputError(source, f"is not valid JSON ({' '.join(str(error).split())[:40]})") from None


class _TooLong(Exception):
    pass


class _TooDeep(Exception):
    pass


def _values(file: _Bounded) -> Iterator[Any]:
    """The values of arrays, and what stands outside of arrays. Not by `ijson.items`: it names every event by its whole path, so that
    100,000 brackets would take 25 GB."""
    import ijson

    depth, level, builder = 0, 0, ijson.ObjectBuilder()
    for event, value in ijson.basic_parse(file, multiple_values=True):
        if depth == 0:
            level = int(event == "start_array")
        depth -= event in ("end_map", "end_array")
        if depth >= level:
            builder.event(event, value)
        depth += event in ("start_map", "start_array")
        if depth > DEPTH:
            raise _TooDeep
        if depth == level and event not in ("map_key", "start_map", "start_array"):
            yield builder.value
            builder = ijson.ObjectBuilder()


class _Utf8:
    """Text, again as bytes, as ijson wants them."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces, self._rest, self.given = pieces, b"", 0

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, None)) is not None:
            self._rest += self._bytes(piece)
        data, self._rest = self._rest[:size], self._rest[size:]
        self.given += len(data)
        return data

    @staticmethod
    def _bytes(piece: str) -> bytes:
        return piece.replace(BROKEN, _MARK).encode("utf-8", "replace")


class _Bounded:
    """A stream that stops when too much was taken from it since the last value."""

    def __init__(self, file: _Utf8, longest: int) -> None:
        self._file, self._longest = file, longest

    def read(self, size: int) -> bytes:
        if self._file.given > self._longest:
            raise _TooLong
        return self._file.read(size)
