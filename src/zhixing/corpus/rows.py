"""Documents on their way between processes and disks: Arrow tables with one row a document or record.

A row with a `reason` is something that was left out; without one, a document that goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import cast

import pyarrow as pa

from zhixing.corpus.document import Document, Dropped, Form

ERROR = "error"
"""Stage of a row that stands for a `ZhixingError` of the reader, which is no mistake in the text: whoever collects the rows raises it."""

SCHEMA = pa.schema(
    [
        ("file", pa.int32()),  # which of the sources
        ("text", pa.string()),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("record", pa.string()),
        ("form", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
    ]
)

_SURROGATES = re.compile("[\ud800-\udfff]")


def table(entries: Iterable[tuple[int, Document | Dropped]]) -> pa.Table:
    """Rows of (number of the source, document or what was left out)."""
    columns: list[list[object]] = [[] for _ in SCHEMA]
    for file, item in entries:
        form, stage, reason = (item.form, None, None) if isinstance(item, Document) else (None, item.stage, item.reason)
        for column, value in zip(columns, (file, item.text, item.source, item.line, item.record, form, stage, reason), strict=True):
            column.append(value)
    try:
        return _arrays(columns)
    except UnicodeEncodeError:  # halves of surrogate pairs, which no file can hold
        return _arrays([[_SURROGATES.sub("", v) if isinstance(v, str) else v for v in column] for column in columns])


def _arrays(columns: list[list[object]]) -> pa.Table:
    return pa.Table.from_arrays([pa.array(c, field.type) for c, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def items(rows: pa.Table) -> list[Document | Dropped]:
    """What the rows stand for; each knows its row by `number`."""
    names = ("text", "source", "line", "record", "form", "stage", "reason")
    found: list[Document | Dropped] = []
    for number, values in enumerate(zip(*(rows[name].to_pylist() for name in names), strict=True)):
        text, source, line, record, form, stage, reason = values
        if reason is None:
            found.append(Document(text, source, line, record, cast(Form, form), number))
        else:
            found.append(Dropped(source, line, stage, reason, text, record, number))
    return found
