"""Read tables into documents: CSV, TSV and Parquet."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, Literal

from zhixing.corpus.document import Document, Dropped
from zhixing.errors import InputError

FIELDS = ("text", "content", "body", "document", "sentence")
"""Names under which the text is looked for when no `read.text_field` is given."""

ADVICE = "call one text, or, in prepare and stats, set read.text_field to one of them"
"""What to do where none of them stands there."""

_NUMBER = re.compile(r"\s*[-+]?[\d.,]*\s*")

Entries = Iterator[tuple[int, str] | Dropped]


def rows(
    source: str, form: Literal["csv", "tsv"], entries: Entries, wanted: str | int | None, longest: int
) -> Iterator[Document | Dropped]:
    """Documents of a CSV or TSV table with or without a header, from its numbered lines.

    TSV has no quotes: a tab ends a cell, a line end a row. Raises `InputError` when the text's column cannot be told.
    """
    aside: list[Dropped] = []
    column, width = None, 0
    doubtful: list[str] | None = None  # a first row that may be the header of a column of numbers
    held: list[Document | Dropped] = []  # what it gives otherwise: a file that is refused has given nothing
    for number, row in parsed(form, _without(aside, entries), longest):
        yield from aside
        aside.clear()
        if isinstance(row, str):
            yield Dropped(source, number, "read", f"not a readable row ({row})")
            continue
        if not row:
            continue
        if column is None:
            column, header = _column(f"{source}:{number}", row, wanted)
            if header:
                width = len(row)
                continue
            if wanted is None and len(row) > 1:
                doubtful = row
                held.append(_document(source, number, row, column, width))
                continue
        elif doubtful:
            if row[0].strip() and _NUMBER.fullmatch(row[0]):
                raise InputError(f"{source}:{number}", _no_text(doubtful))
            doubtful = None
            yield from held
            held.clear()
        yield _document(source, number, row, column, width)
    yield from held
    yield from aside


def _document(source: str, number: int, row: list[str], column: int, width: int) -> Document | Dropped:
    """What a row gives; width: cells of the header, 0 without one."""
    shown = "\t".join(row)[:200]
    if column >= len(row):
        return Dropped(source, number, "read", f"has only {len(row)} columns", shown)
    if width and len(row) > width and any(cell.strip() for cell in row[width:]):  # an unquoted separator: which cell is whole, nobody knows
        return Dropped(source, number, "read", f"has {len(row)} columns, and the header {width}", shown)
    if not row[column].strip():
        return Dropped(source, number, "read", "its text is empty", shown)
    return Document(row[column], source, number)


def _without(aside: list[Dropped], entries: Entries) -> Iterator[tuple[int, str]]:
    for entry in entries:
        if isinstance(entry, Dropped):
            aside.append(entry)
        else:
            yield entry


def parsed(form: Literal["csv", "tsv"], numbered: Iterator[tuple[int, str]], longest: int) -> Iterator[tuple[int, list[str] | str]]:
    """Rows as (line, cells), or (line, what is wrong with it). After a stray quote reading goes on with the next line."""
    first = next(numbered, None)
    if first is None:
        return
    again = deque([first])
    used: list[tuple[int, str]] = []

    def feed() -> Iterator[str]:
        while (entry := again.popleft() if again else next(numbered, None)) is not None:
            used.append(entry)
            yield entry[1]

    csv.field_size_limit(longest)
    delimiter = "\t" if form == "tsv" else max(",;\t", key=first[1].count)

    def begin() -> Iterator[list[str]]:
        return csv.reader(feed(), delimiter=delimiter, quoting=csv.QUOTE_NONE if form == "tsv" else csv.QUOTE_MINIMAL, strict=True)

    table = begin()
    while True:
        used.clear()
        try:
            row = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield used[0][0], f"{error!s:.60}"
            again.extendleft(reversed(used[1:]))
            table = begin()
            continue
        yield used[0][0], row


def _column(where: str, row: list[str], wanted: str | int | None) -> tuple[int, bool]:
    """Which column holds the text, and whether this first row is a header."""
    names = [cell.strip().lower() for cell in row]
    if wanted is not None:
        name = str(wanted).strip().lower()
        if name in names:
            return names.index(name), True
        if name.isdecimal() and int(name) < len(row):
            return int(name), any(field in names for field in FIELDS)
        raise InputError(where, f"no column {wanted}; {_columns(row)}")
    for field in FIELDS:
        if field in names:
            return names.index(field), True
    if len(row) > 1 and _NUMBER.fullmatch(row[0]):
        raise InputError(where, _no_text(row))
    return 0, False


def _no_text(row: list[str]) -> str:
    return f"the first column holds no text; {_columns(row)}: {ADVICE}, or to its number, counted from 0"


def _columns(row: list[str]) -> str:
    return f"its columns are {', '.join(cell.strip()[:30] for cell in row[:12])}"


def parquet(file: BinaryIO, source: str, wanted: str | int | None) -> Iterator[Document | Dropped]:
    """Documents of a Parquet file, row by row. Raises `InputError` when it is not readable or the text's column cannot be told."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            names = table.schema_arrow.names
            field = next((name for name in FIELDS if name in names), None) if wanted is None else str(wanted)
            if isinstance(wanted, int) and str(wanted) not in names and wanted < len(names):
                field = names[wanted]
            if field not in names:
                raise InputError(
                    source,
                    f"no column {field or ', '.join(FIELDS)}; its columns are {', '.join(names[:12])}: {ADVICE}",
                )
            values = chain.from_iterable(batch.column(0).to_pylist() for batch in table.iter_batches(batch_size=256, columns=[field]))
            for number, value in enumerate(values, start=1):
                if isinstance(value, str):
                    yield Document(value, source, number)
                else:
                    yield Dropped(source, number, "read", f"its field {field} is {type(value).__name__}, not text", str(value)[:200])
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(source, f"is not a readable Parquet file ({error!s:.80})") from None
