"""Rows of tables, of JSON and of Parquet, as they stand in their file, one at a time.

1. A file's suffix, else its first bytes, say what it holds; it may be packed (.gz, .zst, .bz2, .xz).
2. A row is a list of cells, or, where each row names its cells, a mapping; it knows its file and line.
3. What cannot be read as a row becomes a `Dropped` with line and reason. A file in which lines of UTF-8 stand among lines of another
   encoding is refused: read as either, some of its texts would be garbage.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

from zhixing.corpus.document import Dropped
from zhixing.corpus.encoding import SAMPLE, broken, decode, detect, lines
from zhixing.corpus.objects import is_lines
from zhixing.corpus.sources import STDIN, Source, kind, packing_of, recognised
from zhixing.corpus.streams import Peeked, Unpacked, opened
from zhixing.corpus.tables import parsed
from zhixing.errors import InputError
from zhixing.files import reason

Form = Literal["csv", "tsv", "jsonl", "json", "parquet", "lines", "fasttext"]
MARK = "__label__"
"""Begins a label in fastText's format."""
EXPANSION = 200
"""How many times its packed size a packed file may grow to."""
LONGEST = 10_000_000
"""Characters of the longest line."""


@dataclass(frozen=True)
class Record:
    """A row as it stands in its file."""

    source: str
    line: int | None
    """1-based; of a JSON array or of Parquet the number of the value or row."""
    cells: list[Any] | dict[str, Any]

    @property
    def where(self) -> str:
        """`file:line`."""
        return self.source if self.line is None else f"{self.source}:{self.line}"

    @property
    def shown(self) -> str:
        """Its beginning, for people."""
        values = self.cells.values() if isinstance(self.cells, dict) else self.cells
        return "\t".join(map(str, values))[:200]


def records(source: Source, encoding: str | None = None, *, columns: bool = True) -> tuple[Form, Iterator[Record | Dropped]]:
    """What a file holds, and its rows. `columns`: lines of a text file hold several cells, text and label say; else each is a text.

    Raises `InputError`, now or later, when the file cannot be read, is no text, or mixes encodings.
    """
    form = _form(source, encoding, columns)
    return form, _guarded(source, _rows(source, form, encoding))


def _form(source: Source, encoding: str | None, columns: bool) -> Form:
    """What a file holds."""
    held, _, _ = kind(source.path.name)
    if held in ("csv", "tsv", "jsonl", "json", "parquet"):
        return cast(Form, held)
    if str(source.path) == STDIN:
        return "tsv" if columns else "lines"
    with _opened(source) as content:
        if (found := recognised(content.start)) == "parquet":
            return "parquet"
        if found is not None or held not in (None, "text"):
            raise InputError(
                source.name, f"holds {found or held}; labelled texts are read from csv, tsv, jsonl, json, parquet and text files"
            )
        start = next(decode(cast(Any, io.BytesIO(content.start)), source.name, encoding), "")
    first = next((line for line in start.split("\n") if line.strip()), "")
    if not columns:
        return "lines"
    if first.startswith(MARK):
        return "fasttext"
    if first.lstrip().startswith("{"):
        return "jsonl"
    if "\t" in first:
        return "tsv"
    if not first:
        raise InputError(source.name, "is empty")
    raise InputError(
        f"{source.name}:1", f"has neither a tab nor {MARK}, so that there are no columns to be told apart; give a csv, tsv or jsonl file"
    )


@contextmanager
def _opened(source: Source) -> Iterator[Peeked]:
    """A file without its packing."""
    try:
        with opened(source.path, len) as raw:
            buffered = Peeked(io.BufferedReader(raw, 1 << 18))
            unpacked = Unpacked(buffered, kind(source.path.name)[1] or packing_of(buffered.start), EXPANSION)
            yield Peeked(unpacked, 1 << 16)
            if unpacked.damage:
                raise InputError(source.name, unpacked.damage)
    except OSError as error:
        raise InputError(source.name, f"cannot be read ({reason(error)})") from None


def _guarded(source: Source, rows: Iterator[Record | Dropped]) -> Iterator[Record | Dropped]:
    try:
        yield from rows
    except OSError as error:
        raise InputError(source.name, f"cannot be read ({reason(error)})") from None


def _rows(source: Source, form: Form, encoding: str | None) -> Iterator[Record | Dropped]:
    if form == "parquet":
        yield from _parquet(source)
        return
    if encoding is None and str(source.path) != STDIN:
        refuse_mixed(source)
    with _opened(source) as content:
        pieces = decode(cast(Any, content), source.name, encoding)
        if form == "json":
            text = "".join(pieces)
            if not is_lines(text) or "\n" not in text.strip():
                yield from _values(source.name, text)
                return
            form, pieces = "jsonl", iter([text])
        aside: list[Dropped] = []
        entries = _sound(source.name, lines(pieces, LONGEST), aside)
        for row in _parsed(source.name, form, entries):
            yield from aside
            aside.clear()
            yield row
        yield from aside


def _sound(source: str, numbered: Iterator[tuple[int, str | None, str]], aside: list[Dropped]) -> Iterator[tuple[int, str]]:
    """Lines, with those set aside that are too long or not in the file's encoding."""
    for number, line, start in numbered:
        if line is None:
            aside.append(Dropped(source, number, "read", f"is longer than {LONGEST} characters", start))
        elif broken(line):
            aside.append(Dropped(source, number, "read", "holds bytes that are not in the file's encoding", start))
        elif "\0" in line:
            aside.append(Dropped(source, number, "read", "holds NUL characters, as no text does", start))
        else:
            yield number, line


def _parsed(source: str, form: Form, entries: Iterator[tuple[int, str]]) -> Iterator[Record | Dropped]:
    match form:
        case "lines":
            for number, line in entries:
                yield Record(source, number, [line.rstrip("\n")])
        case "fasttext":
            for number, line in entries:
                if words := line.split():
                    labels = [word for word in words if word.startswith(MARK)]
                    text = re.sub(rf"(^|\s)({'|'.join(map(re.escape, labels))})(?=\s|$)", r"\1", line).strip() if labels else line.strip()
                    found = [label.removeprefix(MARK) for label in labels]
                    yield Record(source, number, {"text": text, "label": found[0] if len(found) == 1 else found})
        case "jsonl":
            yield from _json_lines(source, entries)
        case "csv" | "tsv":
            for number, row in parsed(form, iter(entries), LONGEST):
                if isinstance(row, str):
                    what = "a quote is opened and never closed" if "end of data" in row else row
                    yield Dropped(source, number, "read", f"is not a readable row ({what})")
                elif row:
                    yield Record(source, number, list(row))


def _json_lines(source: str, entries: Iterator[tuple[int, str]]) -> Iterator[Record | Dropped]:
    for number, line in entries:
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Dropped(source, number, "read", f"is not valid JSON ({str(error).split(':')[0]:.60})", line[:200])
            continue
        yield _record(source, number, value)


def _values(source: str, text: str) -> Iterator[Record | Dropped]:
    """Rows of a JSON file that is one array of objects, also under one name (`{"data": [...]}`)."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{source}:{error.lineno}", f"is not valid JSON ({error.msg})") from None
    except (ValueError, RecursionError):
        raise InputError(source, "is nested too deeply to be read") from None
    if isinstance(value, dict):
        lists = [inner for inner in value.values() if isinstance(inner, list)]
        value = lists[0] if len(lists) == 1 else [value]
    if not isinstance(value, list):
        raise InputError(source, f"holds no list of objects but {_type(value)}")
    for number, one in enumerate(value, start=1):
        yield _record(source, number, one)


def _record(source: str, number: int, value: Any) -> Record | Dropped:
    if isinstance(value, dict):
        return Record(source, number, value)
    return Dropped(source, number, "read", f"is not a JSON object but {_type(value)}", str(value)[:200])


def _type(value: Any) -> str:
    names = {str: "a text", bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _parquet(source: Source) -> Iterator[Record | Dropped]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if str(source.path) == STDIN:
        raise InputError(STDIN, "Parquet is read from files alone")
    try:
        with pq.ParquetFile(source.path) as table:
            number = 0
            for batch in table.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield Record(source.name, number, row)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(source.name, f"is not a readable Parquet file ({error!s:.80})") from None


def refuse_mixed(source: Source) -> None:
    """Raise `InputError` when some lines of a file are UTF-8 and others, beyond a stray byte, of another encoding."""
    with _opened(source) as content:
        start = content.read(SAMPLE)
        if start.isascii() and len(start) == SAMPLE:
            return  # whatever follows is found out where it stands
        encoding = detect(start)
        if encoding is None or encoding.startswith(("utf-16", "utf-32")):
            return
        unicode, other = [], []
        for number, line in _byte_lines(start, content):
            if line.isascii():
                continue
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError:
                other.append(number)
            else:
                # Two letters may be valid UTF-8 by chance; of several in a row hardly any are.
                unicode += [number] if sum(c > "\x7f" for c in text) >= 3 else []
            if len(unicode) + len(other) > 10_000:
                break
    total = len(unicode) + len(other)
    if min(len(unicode), len(other)) > 0.002 * total:
        odd = max(unicode, other, key=lambda numbers: numbers[0])  # what begins later is what does not fit what came before
        name = "UTF-8" if odd is unicode else "another encoding than UTF-8"
        raise InputError(
            f"{source.name}:{odd[0]}",
            f"mixes encodings: this line is in {name}, as are {len(odd)} of {total} lines looked at; "
            "convert the file to UTF-8 first, or name its encoding with data.encoding",
        )


def _byte_lines(start: bytes, rest: Peeked) -> Iterator[tuple[int, bytes]]:
    number, held = 0, start
    while held:
        *whole, tail = held.split(b"\n")
        for line in whole:
            number += 1
            yield number, line
        piece = rest.read(SAMPLE)
        if not piece:
            yield number + 1, tail
            return
        held = tail + piece
