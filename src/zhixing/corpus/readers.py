"""Read files, folders, globs and standard input into documents, in constant memory.

1. `expand` turns what the user named into a list of files, before anything is read.
2. A file's suffixes say how it is packed (.gz, .zst, .bz2, .xz) and what it holds: text, JSON lines, a table, Parquet.
3. A record that cannot be read becomes a `Dropped` with file, line and reason, and the rest is read. A file named by hand that holds
   nothing readable at all is an `InputError`; in a folder it is one more `Dropped`.
"""

from __future__ import annotations

import bz2
import csv
import glob
import gzip
import io
import json
import lzma
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from pydantic import Field

from zhixing.config import Settings
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.encoding import SAMPLE, detect, lines
from zhixing.errors import InputError
from zhixing.files import reason

TEXT, JSONL, TABLE, PARQUET = (".txt", ".text", ".md"), (".jsonl", ".ndjson"), (".csv", ".tsv"), (".parquet",)
PACKED = (".gz", ".zst", ".bz2", ".xz")
FIELDS = ("text", "content", "body", "document", "sentence")
"""Names under which the text is looked for when no `read.text_field` is given."""
SECTION = 8192
"""Characters of a section that a long text file is cut into."""

Item = Document | Dropped


class ReadSettings(Settings):
    """How files become documents."""

    text_field: str | None = None
    """Field or column that holds the text: a name, or a 0-based number in tables; found by its usual names when not given."""
    document: Literal["auto", "file", "line", "paragraph"] = "auto"
    """What a document is in a text file. auto: the file, or sections of about 8,000 characters of a longer one, cut at blank lines."""
    max_line: int = Field(default=10_000_000, ge=1000)
    """Characters of the longest line that is read; longer ones are set aside."""
    encoding: str | None = None
    """Encoding of text files; found out when not given."""


@dataclass(frozen=True)
class Source:
    """A file to read; `named` when the user named it, not merely a folder that it lies in. Path `-` is standard input."""

    path: Path
    named: bool

    @property
    def suffix(self) -> str:
        """The suffix that says what it holds, below the one that says how it is packed."""
        suffixes = [s.lower() for s in self.path.suffixes]
        if suffixes and suffixes[-1] in PACKED:
            suffixes.pop()
        return suffixes[-1] if suffixes else ""


def expand(names: Sequence[str | Path]) -> list[Source]:
    """The files that are meant, in a stable order. Raises `InputError` for a name that means none."""
    found: list[Source] = []
    for name in map(str, names):
        path = Path(name)
        try:
            if name == "-" or path.is_file() or (path.exists() and not path.is_dir()):
                found.append(Source(path, named=True))
            elif path.is_dir():
                inside = sorted(p for p in path.rglob("*") if p.is_file() and not any(part.startswith(".") for part in p.relative_to(path).parts))
                if not inside:
                    raise InputError(path, "is a folder with nothing to read in it")
                found += (Source(p, named=False) for p in inside)
            elif matched := sorted(glob.glob(name, recursive=True)):
                found += (Source(Path(m), named=False) for m in matched if Path(m).is_file())
            else:
                raise InputError(name, "no such file or folder")
        except OSError as error:
            raise InputError(name, f"cannot be read ({reason(error)})") from None
    if not found:
        raise InputError(", ".join(map(str, names)) or "TEXT", "names nothing to read")
    return found


def read(sources: Sequence[Source], settings: ReadSettings) -> Iterator[Item]:
    """All documents of all sources, in order. Raises `InputError` when a file named by hand, or all of them, cannot be read."""
    documents = 0
    for source in sources:
        here = 0
        last: Dropped | None = None
        try:
            for item in _read_one(source, settings):
                if isinstance(item, Document):
                    here += 1
                else:
                    last = item
                yield item
        except InputError as error:
            if source.named:
                raise
            last = Dropped(str(source.path), None, "read", str(error).removeprefix(f"{source.path}: "))
            yield last
        documents += here
        if not here and source.named:
            where = f"{last.source}:{last.line}" if last and last.line else str(source.path)
            raise InputError(where, f"nothing readable in this file: {last.reason}" if last else "is empty")
    if not documents:
        raise InputError(sources[0].path.parent, f"no readable text in any of the {len(sources)} files; {', '.join(TEXT + JSONL + TABLE + PARQUET)} are read")


def _read_one(source: Source, settings: ReadSettings) -> Iterator[Item]:
    path, kind = source.path, source.suffix
    if kind in PARQUET:
        yield from _parquet(path, settings)
        return
    if not source.named and kind not in TEXT + JSONL + TABLE:
        yield Dropped(str(path), None, "read", f"file type {kind or 'without suffix'} is not read")
        return
    parse = _json_lines if kind in JSONL else _table if kind in TABLE else _text
    try:
        with _opened(path) as file:
            buffered = io.BufferedReader(cast(io.RawIOBase, file), SAMPLE) if not isinstance(file, io.BufferedReader) else file
            sample = buffered.peek(SAMPLE)[:SAMPLE]
            encoding = settings.encoding or detect(sample)
            if encoding is None:
                raise InputError(path, "is binary, not text")
            yield from parse(str(path), kind, lines(buffered, encoding, settings.max_line), settings)
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        yield Dropped(str(path), None, "read", f"its compressed data is damaged ({error!s:.60}); what came before is read")
    except LookupError:
        raise InputError(path, f"read.encoding = {settings.encoding} is not known") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({reason(error)})") from None
    except UnicodeError:
        raise InputError(path, f"is not text in {encoding}") from None


def _opened(path: Path) -> BinaryIO:
    if str(path) == "-":
        return sys.stdin.buffer
    match path.suffix.lower():
        case ".gz":
            return cast(BinaryIO, gzip.open(path, "rb"))
        case ".bz2":
            return cast(BinaryIO, bz2.open(path, "rb"))
        case ".xz":
            return cast(BinaryIO, lzma.open(path, "rb"))
        case ".zst":
            import zstandard

            return cast(BinaryIO, _Zstandard(zstandard.open(path, "rb")))
    return open(path, "rb", buffering=SAMPLE)


class _Zstandard(io.RawIOBase):
    """A zstandard stream as Python's other compressed files behave: damage is an `EOFError`."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        import zstandard

        try:
            data = self._stream.read(len(buffer))
        except zstandard.ZstdError as error:
            raise EOFError(str(error)) from None
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


Lines = Iterator[tuple[int, str | None, str]]


def _checked(source: str, numbered: Lines, settings: ReadSettings) -> Iterator[tuple[int, str] | Dropped]:
    """Lines, with those that are too long or not in the file's encoding set aside."""
    for number, line, start in numbered:
        if line is None:
            yield Dropped(source, number, "read", f"line longer than read.max_line = {settings.max_line} characters", start)
        elif any("\udc80" <= c <= "\udcff" for c in line) if not line.isascii() else False:
            yield Dropped(source, number, "read", "bytes that are not in the file's encoding", line[:200].encode("utf-8", "replace").decode())
        else:
            yield number, line


def _text(source: str, kind: str, numbered: Lines, settings: ReadSettings) -> Iterator[Item]:
    held: list[str] = []
    first, size = 1, 0
    for entry in _checked(source, numbered, settings):
        if isinstance(entry, Dropped):
            yield entry
            continue
        number, line = entry
        if settings.document == "line":
            if line.strip():
                yield Document(line, source, number)
            continue
        if not held:
            first = number
        blank = not line.strip()
        if settings.document == "paragraph" and blank:
            if held:
                yield Document("".join(held), source, first)
            held, size = [], 0
            continue
        held.append(line)
        size += len(line)
        if settings.document == "auto" and size > 2 * SECTION:
            cut = _section(held)
            yield Document("".join(held[:cut]), source, first)
            first += cut
            held = held[cut:]
            size = sum(map(len, held))
    if held and "".join(held).strip():
        yield Document("".join(held), source, first)


def _section(held: list[str]) -> int:
    """How many lines make a section: to the first blank line after 8,000 characters, else all."""
    size = 0
    for number, line in enumerate(held, start=1):
        size += len(line)
        if size >= SECTION and not line.strip():
            return number
    return len(held)


def _json_lines(source: str, kind: str, numbered: Lines, settings: ReadSettings) -> Iterator[Item]:
    field = settings.text_field
    seen: set[str] = set()
    good = 0
    for entry in _checked(source, numbered, settings):
        if isinstance(entry, Dropped):
            yield entry
            continue
        number, line = entry
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Dropped(source, number, "read", f"not valid JSON ({str(error).split(':')[0]:.60})", line[:200])
            continue
        if not isinstance(record, dict):
            yield Dropped(source, number, "read", f"not a JSON object but {type(record).__name__}", line[:200])
            continue
        if field is None:
            field = next((name for name in FIELDS if name in record), None)
        seen |= set(list(record)[:20]) if len(seen) < 20 else set()
        value = record.get(field) if field is not None else None
        if not isinstance(value, str):
            what = "has no text field" if field is None or field not in record else f"its {field!r} is {type(value).__name__}, not text"
            yield Dropped(source, number, "read", what, line[:200])
            continue
        good += 1
        yield Document(value, source, number)
    if not good and seen:
        wanted = f"no text in field {field!r}" if field else f"no field named {', '.join(FIELDS)}"
        raise InputError(source, f"{wanted}; its fields are {', '.join(sorted(seen)[:12])}: set read.text_field to one of them")


def _table(source: str, kind: str, numbered: Lines, settings: ReadSettings) -> Iterator[Item]:
    dropped: list[Dropped] = []

    def plain() -> Iterator[str]:
        for entry in _checked(source, numbered, settings):
            if isinstance(entry, Dropped):
                dropped.append(entry)
            else:
                yield entry[1]

    csv.field_size_limit(settings.max_line)
    rows = csv.reader(plain(), delimiter="\t", quoting=csv.QUOTE_NONE) if kind == ".tsv" else csv.reader(plain())
    column: int | None = None
    begins = 1
    while True:
        try:
            row = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            yield Dropped(source, begins, "read", f"not a readable row ({error!s:.60})")
            begins = rows.line_num + 1
            continue
        yield from dropped
        dropped.clear()
        number, begins = begins, rows.line_num + 1
        if not row:
            continue
        if column is None:
            column, header = _column(source, row, settings.text_field)
            if header:
                continue
        if column >= len(row):
            yield Dropped(source, number, "read", f"has only {len(row)} columns", "\t".join(row)[:200])
        elif not row[column].strip():
            yield Dropped(source, number, "read", "its text is empty", "\t".join(row)[:200])
        else:
            yield Document(row[column], source, number)
    yield from dropped


def _column(source: str, row: list[str], wanted: str | None) -> tuple[int, bool]:
    """Which column holds the text, and whether this first row is a header."""
    names = [cell.strip().lower() for cell in row]
    if wanted is None:
        place = next((names.index(name) for name in FIELDS if name in names), None)
        return (0, False) if place is None else (place, True)
    if wanted.strip().lower() in names:
        return names.index(wanted.strip().lower()), True
    if wanted.isdigit() and int(wanted) < len(row):
        return int(wanted), any(name in FIELDS for name in names)
    raise InputError(f"{source}:1", f"no column {wanted!r}; its columns are {', '.join(cell[:30] for cell in row[:12])}")


def _parquet(path: Path, settings: ReadSettings) -> Iterator[Item]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            field = settings.text_field or next((name for name in FIELDS if name in names), None)
            if field not in names:
                raise InputError(path, f"no column {field or FIELDS[0]!r}; its columns are {', '.join(names[:12])}: set read.text_field to one of them")
            row = 0
            for batch in file.iter_batches(batch_size=256, columns=[field]):
                for value in batch.column(0).to_pylist():
                    row += 1
                    if isinstance(value, str):
                        yield Document(value, str(path), row)
                    else:
                        yield Dropped(str(path), row, "read", f"its {field!r} is {type(value).__name__}, not text", str(value)[:200])
    except pa.ArrowException as error:
        raise InputError(path, f"is not a readable Parquet file ({error!s:.80})") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({reason(error)})") from None


