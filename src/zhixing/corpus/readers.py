"""Read files, folders, globs, archives and standard input into documents, in constant memory.

1. `expand` turns what the user named into a list of files, before anything is read.
2. A file's suffixes, else its first bytes, say how it is packed (.gz, .zst, .bz2, .xz) and what it holds: text, JSON, a table, Parquet,
   HTML, a web crawl, a wiki's dump, SGML, or an archive whose members are read in the same way.
3. A record or member that cannot be read becomes a `Dropped` with file, line or record, and reason, and the rest is read. A file named by
   hand that holds nothing readable at all is an `InputError`; in a folder it is one more `Dropped`. That the disk fails is neither's fault.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from zhixing.corpus import tables
from zhixing.corpus.archives import Member, tar_members, zip_members
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.encoding import Readable, broken, decode, lines, page
from zhixing.corpus.objects import is_lines, json_lines, json_values
from zhixing.corpus.sections import grouped
from zhixing.corpus.sources import FORMATS, PACKED, STDIN, Format, ReadSettings, Source, expand, kind, office, packing_of, recognised
from zhixing.corpus.streams import Budget, Peeked, Unpacked, Watched, opened, whole
from zhixing.errors import InputError, ZhixingError
from zhixing.files import reason

__all__ = ["FORMATS", "PACKED", "STDIN", "Format", "Item", "ReadSettings", "Source", "Watch", "expand", "read", "read_source"]

Item = Document | Dropped

Watch = Callable[[Source, bytes], object]
"""Sees the bytes of files as they are read: for progress, and to know what standard input said."""

DEPTH = 1
"""Archives in archives are read so many levels deep."""


def read(sources: Sequence[Source], settings: ReadSettings, watch: Watch | None = None) -> Iterator[Item]:
    """All documents of all sources, in order. Raises `InputError` when a file named by hand, or all of them, cannot be read."""
    documents = 0
    first: Dropped | None = None
    for source in sources:
        here, mine = 0, None
        try:
            for item in read_source(source, settings, watch or (lambda source, data: None)):
                if isinstance(item, Document) or item.stage != "read":  # what is no text by its nature is no damage
                    here += 1
                else:
                    mine = mine or item
                yield item
        except InputError as error:
            if source.named:
                raise
            mine = set_aside(source.name, error, begun=here > 0)
            yield mine
        documents += here
        first = first or mine
        if not here and source.named:
            where = f"{mine.source}:{mine.line}" if mine and mine.line else mine.source if mine else source.name
            raise InputError(where, f"nothing readable in this file: {mine.reason}" if mine else "is empty")
    if not documents:
        why = f"; {first.source}: {first.reason}" if first else ", all are empty"
        raise InputError(sources[0].path.parent, f"no readable text in any of its {len(sources)} files{why}; {', '.join(FORMATS)} are read")


def refuse_unreadable(sources: Sequence[Source], settings: ReadSettings) -> None:
    """Read each file that was named by hand up to its first document. Raises what `read` raises where there is none."""
    for source in sources:
        if source.named and str(source.path) != STDIN and source.path.is_file():  # a pipe can be read only once
            next((item for item in read([source], settings) if isinstance(item, Document) or item.stage != "read"), None)


def read_source(source: Source, settings: ReadSettings, watch: Watch) -> Iterator[Item]:
    """What is in one source. Raises `InputError` when it cannot be read, or not to its end, `ZhixingError` when the disk fails."""
    try:
        with opened(source.path, partial(watch, source)) as raw:
            yield from _contents(_Stream(raw, source.name, source.path.name, source.named), settings)
    except OSError as error:
        if isinstance(error, PermissionError) or error.errno is None:  # the latter is how Arrow complains of damage
            raise InputError(source.name, f"cannot be read ({reason(error)})") from None
        raise ZhixingError(f"{source.name}: cannot be read ({reason(error)}); run the command again when it can be") from None


def set_aside(source: str, error: InputError, *, begun: bool = False) -> Dropped:
    """What stands for a source that cannot be read, with the line where that was found, or, when it was begun, for the rest of it."""
    said = str(error).removeprefix(f"{source}:").strip()
    line, _, why = said.partition(": ")
    number, why = (int(line), why) if line.isdecimal() else (None, said)
    return Dropped(source, number, "read", why + "; what came before is read" * begun)


@dataclass(frozen=True)
class _Stream:
    """A file, or a member of an archive, with what is known about it."""

    file: Watched | Readable
    source: str
    """As it is shown: `folder/a.zip/inner/name.txt`."""
    name: str
    """Its last part, whose suffixes count."""
    named: bool
    depth: int = 0
    """In how many archives it lies."""
    budget: Budget | None = None
    """What may come out of the archive that it lies in."""


def _contents(stream: _Stream, settings: ReadSettings) -> Iterator[Item]:
    """What a stream holds, by its suffixes, else by the format that is set, else by its first bytes."""
    form, packing, suffix = kind(stream.name)
    if settings.format != "auto" and (form not in ("zip", "tar") or stream.depth):
        form = settings.format
    if form in ("parquet", "zip") and not packing:
        yield from _with_random_access(stream, form, settings)
        return
    if form == "parquet":
        raise InputError(stream.source, "Parquet is read from plain files alone; unpack it, or save it to a file, first")
    file: Readable = io.BufferedReader(stream.file, 1 << 18) if isinstance(stream.file, Watched) else stream.file
    if form is None and not packing:
        file = start = Peeked(file)
        packing = packing_of(start.start)
    packed_warc = form == "warc" and packing == ".gz"  # its records are packed one by one, and found again after damage
    unpacked = Unpacked(file, "" if packed_warc else packing, settings.max_expansion, stream.budget)
    content = Peeked(unpacked)
    if settings.format == "auto" and (program := office(suffix, content.start)):
        yield Dropped(stream.source, None, "read", f"files of type {program} are not read; save it as text, HTML or CSV")
        return
    form = form or recognised(content.start)
    if form is None and stream.named and suffix != ".xml":
        form = "text"
    if form in ("parquet", "zip"):
        yield from _with_random_access(stream, form, settings, content)
    elif form is not None:
        yield from _parsed(form, content, stream, settings)
    elif content.start or unpacked.damage:
        what = "XML that is no MediaWiki dump" if suffix == ".xml" else f"files of type {suffix or 'unknown'}"
        yield Dropped(stream.source, None, "read", f"{what} are not read" if suffix != ".xml" else f"is {what}")
        return
    if unpacked.damage:
        yield Dropped(stream.source, None, "read", f"{unpacked.damage}; what came before is read")


def _with_random_access(stream: _Stream, form: Format, settings: ReadSettings, content: Readable | None = None) -> Iterator[Item]:
    """Parquet and zip have their directory at the end: a file is read where it lies, anything else has to fit into memory."""
    file = stream.file
    if isinstance(file, Watched) and file.seekable():
        file.seek(0)
        yield from _archive("zip", file, stream, settings) if form == "zip" else _parquet(file, stream, settings)
        return
    if stream.depth == 0 and form == "parquet":
        raise InputError(stream.source, "Parquet is read from plain files alone; unpack it, or save it to a file, first")
    data = whole(content or file, settings.max_record)
    if data is None:
        what = f"a {form} file that does not lie on disk, and is longer than read.max_record = {settings.max_record} bytes"
        yield Dropped(stream.source, None, "read", what)
    elif form == "zip":
        yield from _archive("zip", Watched(io.BytesIO(data)), stream, settings)
    else:
        yield from _parquet(io.BytesIO(data), stream, settings)


def _parquet(file: io.IOBase, stream: _Stream, settings: ReadSettings) -> Iterator[Item]:
    return tables.parquet(io.BufferedReader(cast(io.RawIOBase, file), 1 << 18), stream.source, settings.text_field)


def _parsed(form: Format, content: Peeked, stream: _Stream, settings: ReadSettings) -> Iterator[Item]:
    """The documents of a stream that needs no more unpacking."""
    source, longest = stream.source, settings.max_record
    match form:
        case "tar":
            yield from _archive("tar", content, stream, settings)
            return
        case "warc":
            from zhixing.corpus.crawl import records

            yield from records(content, source, longest)
            return
        case "wiki":
            from zhixing.corpus.wiki import articles

            yield from articles(content, source, longest)
            return
        case "html":
            data = whole(content, longest)
            if data is None:
                yield Dropped(source, None, "read", f"longer than read.max_record = {longest} bytes")
            elif data.strip():
                yield Document(page(data, source, settings.encoding), source, form="html")
            return
    pieces = decode(content, source, settings.encoding)
    if form == "json":
        first = next(pieces, "")
        pieces = _again(first, pieces)
        if not is_lines(first):
            yield from json_values(source, pieces, settings.text_field, longest)
            return
    entries = _checked(source, lines(pieces, settings.max_line), settings.max_line)
    match form:
        case "jsonl" | "json":
            yield from json_lines(source, entries, settings.text_field)
        case "csv" | "tsv":
            yield from tables.rows(source, form, entries, settings.text_field, settings.max_line)
        case "sgml":
            from zhixing.corpus.sgml import articles as sgml_articles

            yield from sgml_articles(source, entries, longest)
        case _:
            yield from grouped(source, entries, settings.document)


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _archive(form: Format, file: Watched | Readable, stream: _Stream, settings: ReadSettings) -> Iterator[Item]:
    """What the members of an archive hold; one that cannot be read does no harm to the others."""
    if stream.depth > DEPTH:
        yield Dropped(stream.source, None, "read", "an archive in an archive in an archive is not opened")
        return
    if form == "zip":
        random_access = cast(Watched, file)
        size = random_access.seek(0, io.SEEK_END)
        budget = Budget(settings.max_expansion, lambda: size, stream.budget)
        members: Iterator[Member] = zip_members(cast(BinaryIO, io.BufferedReader(random_access, 1 << 16)), stream.source)
    else:
        tape = Watched(file, keep=True)
        budget = Budget(settings.max_expansion, lambda: tape.taken, stream.budget)
        members = tar_members(io.BufferedReader(tape, 1 << 16), stream.source)
    for member in members:
        source = f"{stream.source}/{member.name}".encode("utf-8", "replace").decode()
        if member.file is None:
            yield Dropped(source, None, "read", member.problem)
            continue
        unpacked = Unpacked(member.file, "", budget)
        try:
            yield from _contents(_Stream(unpacked, source, Path(member.name).name, False, stream.depth + 1, budget), settings)
        except InputError as error:
            yield set_aside(source, error)
        if unpacked.damage:
            yield Dropped(source, None, "read", f"{unpacked.damage}; what came before is read")
        if budget.exhausted:
            break


def _checked(source: str, numbered: Iterator[tuple[int, str | None, str]], longest: int) -> Iterator[tuple[int, str] | Dropped]:
    """Lines, with those that are too long or not in the file's encoding set aside."""
    for number, line, start in numbered:
        if line is None:
            yield Dropped(source, number, "read", f"line longer than read.max_line = {longest} characters", start)
        elif broken(line):
            yield Dropped(source, number, "read", "bytes that are not in the file's encoding", start)
        else:
            yield number, line
