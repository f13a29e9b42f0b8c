"""Read files, folders, globs and standard input into documents, in constant memory.

1. `expand` turns what the user named into a list of files, before anything is read.
2. A file's suffixes say how it is packed (.gz, .zst, .bz2, .xz) and what it holds: text, JSON lines, a table, Parquet.
3. A record that cannot be read becomes a `Dropped` with file, line and reason, and the rest is read. A file named by hand that holds
   nothing readable at all is an `InputError`; in a folder it is one more `Dropped`.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import io
import json
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from pydantic import Field

from zhixing.config import Settings
from zhixing.console import say
from zhixing.corpus import tables
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.encoding import broken, decode, lines
from zhixing.corpus.sections import Grouping, grouped
from zhixing.errors import InputError
from zhixing.files import MANIFEST, read_json, reason

Format = Literal["text", "jsonl", "csv", "tsv", "parquet"]

FORMATS: dict[str, Format] = {
    **dict.fromkeys((".txt", ".text", ".md"), "text"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
"""What is read in a folder, by suffix."""
PACKED = (".gz", ".zst", ".bz2", ".xz")
STDIN = "-"

Item = Document | Dropped


class ReadSettings(Settings):
    """How files become documents."""

    format: Literal["auto", "text", "jsonl", "csv", "tsv", "parquet"] = "auto"
    """What files hold, where their suffixes do not say it; standard input is text unless this says otherwise."""
    text_field: str | int | None = None
    """Field or column that holds the text: a name, or a 0-based number in tables; found by its usual names when not given."""
    document: Grouping = "auto"
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
    def name(self) -> str:
        """The path as it is shown and written down: bytes of a file name that are no text become U+FFFD."""
        return os.fsencode(self.path).decode("utf-8", "replace")

    def format(self, settings: ReadSettings) -> Format | None:
        """What it holds, by the settings or by the suffix below the one that says how it is packed; None: not read in a folder."""
        if settings.format != "auto":
            return settings.format
        suffixes = [s.lower() for s in self.path.suffixes]
        if suffixes and suffixes[-1] in PACKED:
            suffixes.pop()
        last = suffixes[-1] if suffixes else ""
        return FORMATS.get(last) or (("jsonl" if last == ".json" else "text") if self.named else None)


Watch = Callable[[Source, bytes], object]
"""Sees the bytes of files as they are read: for progress, and to know what standard input said."""


def expand(names: Sequence[str | Path]) -> list[Source]:
    """The files that are meant, in a stable order. Raises `InputError` for a name that means none."""
    found: list[Source] = []
    for name in map(str, names):
        path = Path(name)
        try:
            if not name:
                raise InputError("''", "is an empty name; the folder that you are in is written .")
            if name == STDIN and Source(path, named=True) in found:
                raise InputError(STDIN, "standard input can be read only once")
            if path.is_dir():
                inside = list(_walk(path))
                if not inside:
                    raise InputError(path, "is a folder with nothing to read in it")
                found += (Source(p, named=False) for p in inside)
            elif name == STDIN or path.exists():
                found.append(Source(path, named=True))
            elif matched := [p for p in map(Path, sorted(glob.glob(name, recursive=True))) if p.is_file()]:  # noqa: PTH207 (absolute too)
                found += (Source(p, named=False) for p in matched)
            else:
                raise InputError(name, "no such file or folder")
        except (OSError, ValueError) as error:
            raise InputError(f"{name:.100}", f"cannot be read ({reason(error) if isinstance(error, OSError) else error})") from None
    if not found:
        raise InputError("TEXT", "names nothing to read")
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """Files in a folder and below, sorted; nothing hidden, and of folders that Zhixing wrote only the documents."""
    kind = _artifact(folder)
    if kind is not None:
        yield from sorted((folder / "documents").glob("*.jsonl.zst")) if kind == "data" else sorted(folder.glob("documents.jsonl"))
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from () if _artifact(path) else _walk(path)
        elif path.is_file():
            yield path


def _artifact(folder: Path) -> str | None:
    """The kind of a folder that a verb wrote; None for a folder of the user's."""
    try:
        manifest = read_json(folder / MANIFEST)
        return str(manifest["kind"]) if "zhixing" in manifest else None
    except (InputError, KeyError, TypeError):
        return None


def read(sources: Sequence[Source], settings: ReadSettings, watch: Watch | None = None) -> Iterator[Item]:
    """All documents of all sources, in order. Raises `InputError` when a file named by hand, or all of them, cannot be read."""
    documents = 0
    first: Dropped | None = None
    for source in sources:
        here, mine = 0, None
        try:
            for item in read_source(source, settings, watch or (lambda source, data: None)):
                if isinstance(item, Document):
                    here += 1
                else:
                    mine = mine or item
                yield item
        except InputError as error:
            if source.named or here:
                raise
            mine = Dropped(source.name, None, "read", str(error).removeprefix(f"{source.name}: "))
            yield mine
        documents += here
        first = first or mine
        if not here and source.named:
            where = f"{mine.source}:{mine.line}" if mine and mine.line else source.name
            raise InputError(where, f"nothing readable in this file: {mine.reason}" if mine else "is empty")
    if not documents:
        why = f"; {first.source}: {first.reason}" if first else ", all are empty"
        raise InputError(sources[0].path.parent, f"no readable text in any of its {len(sources)} files{why}; {', '.join(FORMATS)} are read")


def read_source(source: Source, settings: ReadSettings, watch: Watch) -> Iterator[Item]:
    """What is in one source. Raises `InputError` when it cannot be read, or not to its end."""
    name, form = source.name, source.format(settings)
    if form is None:
        yield Dropped(name, None, "read", f"files of type {source.path.suffix or 'unknown'} are not read")
        return
    if form == "parquet" and (str(source.path) == STDIN or source.path.suffix.lower() in PACKED):
        raise InputError(name, "Parquet is read from plain files alone; unpack it, or save it to a file, first")
    try:
        with _opened(source.path, partial(watch, source)) as file:
            if form == "parquet":
                yield from tables.parquet(file, name, settings.text_field)
                return
            unpacked = _Unpacked(file)
            entries = _checked(name, lines(decode(unpacked, name, settings.encoding), settings.max_line), settings.max_line)
            match form:
                case "jsonl":
                    yield from _json_lines(name, entries, settings.text_field)
                case "csv" | "tsv":
                    yield from tables.rows(name, form, entries, settings.text_field, settings.max_line)
                case "text":
                    yield from grouped(name, entries, settings.document)
            if unpacked.damage:
                yield Dropped(name, None, "read", f"its compressed data is damaged ({unpacked.damage:.60}); what came before is read")
    except OSError as error:
        raise InputError(name, f"cannot be read ({reason(error)})") from None


class _Unpacked:
    """A file that ends where its compressed data is damaged."""

    damage = ""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        pieces: list[bytes] = []
        while size and not self.damage:
            try:
                piece = self._file.read(min(size, 1 << 14))  # a larger one would lose more of what is good
            except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
                self.damage = str(error)
            except OSError as error:
                if error.errno is not None:
                    raise
                self.damage = str(error)  # bz2 and Arrow complain in this way
            else:
                if not piece:
                    break
                pieces.append(piece)
                size -= len(piece)
        return b"".join(pieces)


def _opened(path: Path, watch: Callable[[bytes], object]) -> BinaryIO:
    if str(path) == STDIN:
        if sys.stdin is None:
            raise InputError(STDIN, "there is no standard input")
        if sys.stdin.isatty():
            say("reading from the terminal; Ctrl-D ends the text")
        return io.BufferedReader(_Watched(sys.stdin.buffer, watch, keep=True))
    file = io.BufferedReader(_Watched(open(path, "rb", buffering=0), watch), 1 << 18)  # noqa: SIM115 (closed by whoever asked)
    match path.suffix.lower():
        case ".gz":
            return cast(BinaryIO, gzip.GzipFile(fileobj=file))
        case ".bz2":
            return cast(BinaryIO, bz2.BZ2File(file))
        case ".xz":
            return cast(BinaryIO, lzma.LZMAFile(file))
        case ".zst":
            import pyarrow as pa

            # Unlike zstandard's own reader, Arrow's notices a file that ends in the middle, and reads on after the end of a frame.
            return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd"))
    return file


class _Watched(io.RawIOBase):
    """A file whose bytes somebody else sees too. `keep`: not closed, because it is not ours."""

    def __init__(self, inner: Any, watch: Callable[[bytes], object], *, keep: bool = False) -> None:
        self._inner, self._watch, self._keep = inner, watch, keep

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return not self._keep and bool(self._inner.seekable())

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer)) or b""
        buffer[: len(data)] = data
        self._watch(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._inner.seek(offset, whence))

    def tell(self) -> int:
        return int(self._inner.tell())

    def close(self) -> None:
        if not self._keep:
            self._inner.close()
        super().close()


def _checked(source: str, numbered: Iterator[tuple[int, str | None, str]], longest: int) -> Iterator[tuple[int, str] | Dropped]:
    """Lines, with those that are too long or not in the file's encoding set aside."""
    for number, line, start in numbered:
        if line is None:
            yield Dropped(source, number, "read", f"line longer than read.max_line = {longest} characters", start)
        elif broken(line):
            yield Dropped(source, number, "read", "bytes that are not in the file's encoding", start)
        else:
            yield number, line


def _json_lines(source: str, entries: Iterator[tuple[int, str] | Dropped], wanted: str | int | None) -> Iterator[Item]:
    field = None if wanted is None else str(wanted)
    seen: dict[str, None] = {}
    good = 0
    for entry in entries:
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
            field = next((name for name in tables.FIELDS if name in record), None)
        if len(seen) < 12:
            seen.update(dict.fromkeys(list(record)[:12]))
        value = record.get(field) if field is not None else None
        if isinstance(value, str):
            good += 1
            yield Document(value, source, number)
        else:
            what = f"its field {field} is {type(value).__name__}, not text" if field in record else "has no text field"
            yield Dropped(source, number, "read", what, line[:200])
    if not good and seen:
        without = f"no text in its field {field}" if field else f"no field named {', '.join(tables.FIELDS)}"
        raise InputError(source, f"{without}; its fields are {', '.join(seen)}: set read.text_field to one of them")
