"""Read web crawls: WARC (pages as they were fetched), WET (their text) and WAT (what is known about them), packed with gzip or not.

FastWARC reads the records. What it trips over (a damaged or truncated record) is set aside, and reading goes on with the next record that
can be found: by the magic bytes with which records, or the gzip members that they are packed in, begin.

Records that are about the fetching alone (warcinfo, request, metadata of a WARC) are passed over, as no text is lost with them.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.encoding import Readable, page
from zhixing.errors import InputError

if TYPE_CHECKING:
    from fastwarc import WarcRecord

KEPT = 1 << 24
"""Bytes of the record at hand that are kept to look for the next one in, should it be damaged."""

_HTML = ("text/html", "application/xhtml+xml")
_LEAST = 7
"""Bytes that a match of `_START` has at most."""
_CHUNK = re.compile(rb"(?:\r\n)?([0-9a-fA-F]{1,8})[^\r\n]{0,200}\r\n")
_START = {True: re.compile(rb"\x1f\x8b\x08[\x00\x04\x08]"), False: re.compile(rb"WARC/[01]\.")}


class _Tape:
    """A stream that can be read again from a place behind the last record's start."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._kept = bytearray()
        self._first = 0  # place of the first byte that is kept
        self._at = 0

    def read(self, size: int = 1 << 16) -> bytes:
        behind = self._at - self._first
        while len(self._kept) < behind + size and (piece := self._file.read(1 << 16)):
            self._kept += piece
        data = bytes(self._kept[behind : behind + size])
        self._at += len(data)
        if len(self._kept) > 2 * KEPT:
            self.forget(min(self._at, self._first + len(self._kept) - KEPT))
        return data

    def tell(self) -> int:
        return self._at

    def rewind(self) -> None:
        """Back to the start, from which nothing may have been forgotten."""
        self._at = 0

    def forget(self, place: int) -> None:
        """What lies before a place is not going to be looked at again."""
        if place > self._first:
            del self._kept[: place - self._first]
            self._first = place

    def find(self, start: re.Pattern[bytes], place: int) -> int | None:
        """Go to the next match at a place or behind it, and say where that is; None at the end of the stream."""
        self._at = max(place, self._first)
        while len(piece := self.read()) >= _LEAST:
            begin = self._at - len(piece)
            if match := start.search(piece):
                self._at = begin + match.start()
                return self._at
            self._at -= _LEAST - 1  # a match may stand across the edge
            self.forget(self._at)
        return None


def records(file: Readable, source: str, longest: int) -> Iterator[Document | Dropped]:
    """Documents of a WARC or WET file, by its records; responses in HTML keep their markup.

    Records of other content are set aside in the stage "crawl", those that are damaged, or longer than `longest` bytes, in "read".
    """
    from fastwarc import ArchiveIterator

    tape = _Tape(file)
    packed = (start := tape.read(2)) == b"\x1f\x8b"
    tape.rewind()
    place, number = 0, 0
    pending: Dropped | None = None  # damage somewhere behind a good record
    while start:
        before, problem = -1, ""
        try:
            for record in ArchiveIterator(cast(BinaryIO, tape), parse_http=False):
                if pending:
                    yield pending
                    pending = None
                number += 1
                place = record.stream_pos
                tape.forget(place)
                url = record.headers.get("WARC-Target-URI") or ""
                where = f"byte {place}" if place > before else f"record {number}"  # all packed as one: the place says nothing
                before = place
                item = _item(record, source, f"{where}, {url}" if url else where, longest)
                if isinstance(item, str):
                    problem, before = item, -1
                    break
                if item is not None:
                    yield item
        except (OSError, ValueError, EOFError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            problem = " ".join(str(error).split()).rstrip(".")[:60]
        if problem:
            what = f"a damaged record ({problem}); the rest is read where the next one can be found"
            pending = Dropped(source, None, "read", what, record=f"byte {place}")
        if pending and before < 0:
            yield pending
            pending = None
        found = tape.find(_START[packed], place + 1) if problem else None
        if found is None:
            if pending:
                yield pending
            return
        place = found


def _item(record: WarcRecord, source: str, place: str, longest: int) -> Document | Dropped | str | None:
    """What a record comes to: None when it is about the fetching alone, a string when it is damaged."""
    kind = str(record.record_type)
    content = (record.headers.get("Content-Type") or "").lower()

    def aside(why: str, stage: str = "crawl") -> Dropped:
        return Dropped(source, None, stage, why, record=place)

    if kind == "metadata" and "json" in content:
        return aside("metadata about a page (WAT), not its text")
    if kind == "revisit":
        return aside("a page that was fetched before (revisit)")
    if kind not in ("response", "resource", "conversion"):
        return None
    declared, coded = None, ""
    if kind == "response":
        if not content.startswith("application/http"):
            return aside(f"a response that is not HTTP but {content.partition(';')[0]:.40}")
        record.parse_http()
        said = record.http_headers  # None, whatever its type says, where they are damaged
        if not said or said.status_code is None:
            return "without HTTP status"
        if not 200 <= said.status_code < 300:
            return aside("a response of another status than 2xx")
        content, declared = (said.get("Content-Type") or "").lower(), record.http_charset
        coded = f"{said.get('Transfer-Encoding') or ''} {said.get('Content-Encoding') or ''}".lower()
    elif match := re.search(r"charset=([\w-]+)", content):
        declared = match[1]
    content = content.partition(";")[0].strip()
    if content not in (*_HTML, "text/plain"):
        return aside(f"content of type {content:.40}" if content else "content of no declared type")
    announced = record.content_length
    body = record.reader.read(longest + 1)
    if len(body) < min(announced, longest):
        return "cut short"
    if coded.strip():
        body = _decoded(body, coded, longest)
    if len(body) > longest:
        return aside(f"longer than read.max_record = {longest} bytes", "read")
    if not body.strip():
        return aside("an empty page")
    try:
        return Document(page(body, source, None, declared), source, record=place, form="html" if content in _HTML else "text")
    except InputError as error:
        return aside(str(error).removeprefix(f"{source}: "), "read")


def _decoded(body: bytes, coded: str, longest: int) -> bytes:
    """A body without its HTTP codings, and of no more than `longest` + 1 bytes. Many crawlers leave the headers when they undo the codings:
    what is not coded in the way that is said stays as it is."""
    if "chunked" in coded:
        pieces, at = [], 0
        while (match := _CHUNK.match(body, at)) and (size := int(match[1], 16)):
            pieces.append(body[match.end() : match.end() + size])
            at = match.end() + size
        body = b"".join(pieces) if pieces else body
    try:
        if "gzip" in coded or "deflate" in coded:
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, longest + 1)
        if re.search(r"\bbr\b", coded):
            from fastwarc import stream_io

            return stream_io.BrotliReader(io.BytesIO(body)).read(longest + 1)
    except (zlib.error, OSError, ValueError):
        pass
    return body
