"""What a document is in a plain text file: the file, a section of it, a paragraph, or a line."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Literal

from zhixing.corpus.document import Document, Dropped

Grouping = Literal["auto", "file", "line", "paragraph"]

SECTION = 8192
"""Characters that a section has on average; a file of up to twice as many stays whole."""

_SENTENCE_END = re.compile("[。！？!?.…][”’」』\"')）]*\\s*")
_SPACE = re.compile(r"\s+")


def grouped(source: str, entries: Iterator[tuple[int, str] | Dropped], grouping: Grouping) -> Iterator[Document | Dropped]:
    """Documents of a text file from its numbered lines; lines that were set aside are passed on.

    Memory is bounded by the longest document: `auto` and `line` bound it whatever the file.
    """
    held: list[tuple[int, str]] = []
    size = 0
    for entry in entries:
        if isinstance(entry, Dropped):
            yield entry
            continue
        number, line = entry
        blank = line.isspace()
        match grouping:
            case "line":
                if not blank:
                    yield Document(line, source, number)
            case "paragraph":
                if not blank:
                    held.append(entry)
                elif held:
                    yield _joined(source, held)
                    held = []
            case "file":
                held.append(entry)
            case "auto":
                held += ((number, piece) for piece in _pieces(line))
                size += len(line)
                while size > 2 * SECTION:
                    cut = _cut(held)
                    yield _joined(source, held[:cut])
                    held = held[cut:]
                    size = sum(len(text) for _, text in held)
    if any(not text.isspace() for _, text in held):
        yield _joined(source, held)


def _joined(source: str, held: list[tuple[int, str]]) -> Document:
    return Document("".join(text for _, text in held), source, held[0][0])


def _cut(held: list[tuple[int, str]]) -> int:
    """How many lines make a section: to a blank line between 4,096 and 12,288 characters, else to a line end there, else to the next one.

    Of several the one before which stands the line with the smallest hash: so a copy that begins elsewhere soon is cut at the same places,
    and its sections are known again (content-defined chunks, Muthitacharoen et al. 2001).
    """
    size, last = 0, ""
    best: tuple[bool, int, int] | None = None
    for count, (_, line) in enumerate(held, start=1):
        size += len(line)
        blank = line.isspace()
        last = last if blank else line
        if size > 3 * SECTION // 2:
            return best[2] if best else count
        if size >= SECTION // 2:
            found = (not blank, zlib.crc32(last.encode("utf-8", "surrogatepass")), count)
            best = min(best or found, found)
    return best[2] if best else len(held)


def _pieces(line: str) -> Iterator[str]:
    """A line, cut after sentences (else between words, else anywhere) where it is longer than two sections."""
    start = 0
    while len(line) - start > 2 * SECTION:
        ends = [m.end() for m in _SENTENCE_END.finditer(line, start, start + SECTION)] or [
            m.end() for m in _SPACE.finditer(line, start, start + SECTION)
        ]
        stop = ends[-1] if ends else start + SECTION
        yield line[start:stop]
        start = stop
    yield line[start:]
