"""Which encoding a file is in, from its first bytes; then text lines in constant memory.

1. A byte-order mark decides.
2. NUL bytes in a pattern mean UTF-16 or UTF-32 without a mark; other NULs mean that this is no text.
3. Valid UTF-8 is UTF-8: other encodings are hardly ever valid UTF-8 by chance.
4. GB18030 and Big5 are told apart by which of them decodes to more frequent characters; latin-1 (as Windows-1252) is what remains.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

SAMPLE = 1 << 18
"""Bytes that are looked at."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# The fifty most frequent characters of Simplified and of Traditional Chinese prose cover a quarter to a third of it.
_FREQUENT = set("的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年過這個們來為國說時會對於著與後")


def detect(sample: bytes) -> str | None:
    """Name of the encoding of a file that begins with these bytes; None when it is no text."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    if not sample:
        return "utf-8"
    if b"\0" in sample:
        return _wide(sample)
    if _decodes(sample, "utf-8"):
        return "utf-8"
    if _binary(sample):
        return None
    chinese = [(name, _chineseness(sample, name)) for name in ("gb18030", "big5hkscs")]
    name, share = max(chinese, key=lambda pair: pair[1])
    if share > 0.02:
        return name
    return _by_statistics(sample)


def _wide(sample: bytes) -> str | None:
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if half and odd > 0.3 * half and even < 0.05 * half:
        return "utf-16-le"
    if half and even > 0.3 * half and odd < 0.05 * half:
        return "utf-16-be"
    # A few stray NULs in what is otherwise text are for the cleaner to remove.
    if sample.count(0) < 0.01 * len(sample) and _decodes(sample, "utf-8"):
        return "utf-8"
    return None


def _decodes(sample: bytes, name: str) -> bool:
    try:
        codecs.getincrementaldecoder(name)().decode(sample, final=len(sample) < SAMPLE)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True


def _binary(sample: bytes) -> bool:
    controls = sum(sample.count(bytes([b])) for b in range(32) if b not in (9, 10, 12, 13, 27))
    return controls > 0.02 * len(sample)


def _chineseness(sample: bytes, name: str) -> float:
    """Share of frequent Chinese characters in what is not ASCII, 0 where the bytes cannot be that encoding."""
    try:
        text = codecs.getincrementaldecoder(name)().decode(sample, final=False)
    except UnicodeDecodeError:
        return 0.0
    beyond = [c for c in text if c > "\x7f"]
    return sum(c in _FREQUENT for c in beyond) / len(beyond) if beyond else 0.0


def _by_statistics(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    found = from_bytes(sample[:32768]).best()
    name = found.encoding if found is not None else ""
    return name if name and name != "ascii" and _decodes(sample, name) else "cp1252" if _decodes(sample, "cp1252") else "latin-1"


def lines(file: BinaryIO, encoding: str, longest: int) -> Iterator[tuple[int, str | None, str]]:
    r"""Lines split on `\n` only, as (1-based number, text or None, beginning); None stands for a line of more than `longest` characters.

    Bytes that are not in the encoding come out as lone surrogates (U+DC80 to U+DCFF), as Python escapes them.
    """
    reader = io.TextIOWrapper(file, encoding=encoding, errors="surrogateescape", newline="\n")
    number = 0
    while line := reader.readline(longest + 1):
        number += 1
        if len(line) > longest and not line.endswith("\n"):
            start = line[:200]
            while (rest := reader.readline(1 << 20)) and not rest.endswith("\n"):
                pass
            yield number, None, start
        else:
            yield number, line, line[:200]
