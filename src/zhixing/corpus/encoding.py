"""Bytes to text lines in constant memory, whatever the encoding.

1. A byte-order mark decides.
2. NUL bytes in a pattern mean UTF-16 without a mark; other NULs mean that this is no text.
3. Valid UTF-8 is UTF-8: other encodings are hardly ever valid UTF-8 by chance. A broken byte here and there does not change that.
4. GB18030, Big5, and the encodings of Japanese and Korean are told apart by which of them gives more frequent characters of its language.
5. Text with few accents is Western (Windows-1252, which contains latin-1); Cyrillic and Greek are known by their frequent letters; for the
   rest charset-normalizer is asked.

As long as all bytes are ASCII nothing has to be decided: the first other byte, wherever it stands, starts the search.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Container, Iterator
from typing import Protocol

from zhixing.errors import InputError

SAMPLE = 1 << 18
"""Bytes that are looked at, and read at a time."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# The most frequent characters of Simplified and of Traditional Chinese prose, and marks, make a quarter to a third of it.
_FREQUENT = set(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年過這個們來為國說時會對於著與後，。、"
)
_HIRAGANA = set(map(chr, range(0x3041, 0x3097)))  # not in Chinese, which has them in its encodings
_SYLLABLES = set("이다는의을에고하가한지로은사기어도대를자인그리서나으시")
_CYRILLIC, _GREEK = set("оеаинтсрвлкмдпу"), set("αοιετσνηυρπκμλς")

_EASTERN = (
    *((name, _FREQUENT, 0.27) for name in ("big5hkscs", "cp950", "gb18030")),
    *((name, _HIRAGANA, 0.45) for name in ("euc_jp", "cp932")),
    ("cp949", _SYLLABLES, 0.35),
)
"""Encodings, what is frequent in the languages that are written in them, and the share of that in ordinary text."""
_ALPHABETS = (
    *((name, _CYRILLIC, 0.75) for name in ("cp1251", "koi8-r", "cp866", "iso8859-5")),
    *((name, _GREEK, 0.65) for name in ("cp1253", "iso8859-7")),
)

BROKEN = "\udcff"
"""Stands for bytes that are not in the encoding; no text can hold it."""
codecs.register_error("zhixing.broken", lambda error: (BROKEN, getattr(error, "end", 0)))


class Readable(Protocol):
    """A file of bytes."""

    def read(self, size: int, /) -> bytes:
        """So many bytes; fewer only at the end."""
        ...


def detect(sample: bytes) -> str | None:
    """Name of the encoding of text that begins with these bytes (the last character may be cut); None when it is no text."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    if b"\0" in sample:
        return _wide(sample)
    if _is_utf8(sample):
        return "utf-8"
    if _controls(sample) > 0.02:  # no text, or a few words of UTF-16 without a single NUL
        return next((name for name in ("utf-16-le", "utf-16-be") if _share(sample, name, _Ideographs()) > 0.8), None)
    likeness, name = max((_share(sample, name, frequent) / usual, name) for name, frequent, usual in _EASTERN)
    if likeness > 0.08:
        return name
    if _common_characters(sample):
        return "gb18030"
    return _western_or_else(sample)


def _wide(sample: bytes) -> str | None:
    """UTF-16 without a mark has NULs at every other place where it is Western, and reads as Chinese where it is Chinese."""
    for name, high in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[0::2])):
        if high.count(0) > 0.3 * len(high) and sample.count(0) < 1.1 * high.count(0):
            return name
        if _share(sample, name, _FREQUENT) > 0.02 or _share(sample, name, _Ideographs()) > 0.8:
            return name
    # A few stray NULs in what is otherwise text are for the cleaner to remove.
    return "utf-8" if sample.count(0) < 0.01 * len(sample) and _is_utf8(sample) else None


def _decode(sample: bytes, name: str) -> str:
    return codecs.getincrementaldecoder(name)("zhixing.broken").decode(sample)


def _is_utf8(sample: bytes) -> bool:
    text = _decode(sample, "utf-8")
    broken = text.count(BROKEN)
    return not broken or 10 * broken < len(re.findall("[^\x00-\x7f\udcff]", text))


def _controls(sample: bytes) -> float:
    """Share of control characters other than those of text."""
    return sum(sample.count(bytes([b])) for b in range(32) if b not in (9, 10, 12, 13, 27)) / len(sample)


class _Ideographs:
    """Chinese characters and their marks, as a set."""

    def __contains__(self, character: object) -> bool:
        return isinstance(character, str) and ("\u3000" <= character <= "\u303f" or "\u4e00" <= character <= "\u9fff")


def _share(sample: bytes, name: str, frequent: Container[str]) -> float:
    """Share of frequent characters in what is not ASCII, less ten times that of bytes that are not in that encoding."""
    beyond = re.findall("[^\x00-\x7f]", _decode(sample, name))
    return (sum(c in frequent for c in beyond) - 10 * beyond.count(BROKEN)) / max(1, len(beyond))


def _common_characters(sample: bytes) -> bool:
    """Whether a few words, none of which needs to be frequent, are Chinese: pairs of bytes, nearly all GB2312's 3,755 common characters."""
    pairs = re.findall(rb"[\x81-\xfe][\x40-\xfe]", sample)
    common = sum(0xB0 <= pair[0] <= 0xD7 and pair[1] > 0xA0 for pair in pairs)
    marks = sum(0xA1 <= pair[0] <= 0xA3 and pair[1] > 0xA0 for pair in pairs)
    lonely = len(re.findall(rb"[\x80-\xff]", sample)) - sum(1 + (pair[1] > 0x7F) for pair in pairs)
    return 2 <= len(pairs) <= 40 and not lonely and common + marks >= 0.9 * len(pairs) and common > marks


def _western_or_else(sample: bytes) -> str:
    accents = len(re.findall(rb"[\x80-\xff]", sample))
    letters = accents + len(re.findall(rb"[A-Za-z]", sample))
    # Western letters with accents stand one by one between others; alphabets of their own come in runs.
    alone = len(re.findall(rb"(?<![\x80-\xff])[\x8a\x8c\x8e\x9a\x9c\x9e\x9f\xc0-\xff](?![\x80-\xff])", sample))
    western = "cp1252" if not re.search(rb"[\x81\x8d\x8f\x90\x9d]", sample) else "latin-1"
    if accents < 0.12 * letters or (accents < 0.4 * letters and alone > 0.9 * accents):
        return western
    likeness, name = max((_share(sample, name, frequent) / usual, name) for name, frequent, usual in _ALPHABETS)
    if likeness > 0.6 and alone < 0.5 * accents:
        return name
    from charset_normalizer import from_bytes

    found = from_bytes(sample[: 1 << 15]).best()
    return western if found is None or found.encoding in ("ascii", "utf_8") else found.encoding


def decode(file: Readable, source: str, encoding: str | None = None, *, newlines: bool = True) -> Iterator[str]:
    r"""The text of a file in pieces. newlines: every line end becomes `\n`; else they stay as they are.

    Raises `InputError` when it is no text, or `encoding` is not known.
    """
    decoder: codecs.IncrementalDecoder | None = None
    if encoding is not None:
        decoder = _decoder(encoding, source)
    ends = io.IncrementalNewlineDecoder(None, translate=newlines)  # also joins a \r\n that two pieces share
    while block := file.read(SAMPLE):
        if decoder is None and block.isascii() and b"\0" not in block:
            yield ends.decode(block.decode("ascii"))
            continue
        if decoder is None:
            start = next((i for i, byte in enumerate(block) if byte > 127), 0) if b"\0" not in block else 0
            block += file.read(start)
            # The byte-order mark is at the very start, where nothing ASCII can stand before it.
            encoding = detect(block[start:] if start > SAMPLE // 2 else block)
            if encoding is None:
                raise InputError(source, "is binary, not text")
            decoder = _decoder(encoding, source)
        try:
            yield ends.decode(decoder.decode(block))
        except UnicodeError as error:  # no mark at the start of UTF-16, say; single broken bytes are no errors
            raise InputError(source, f"is not in the encoding {encoding} ({error!s:.60})") from None
    yield ends.decode(decoder.decode(b"", final=True) if decoder is not None else "", final=True)


def _decoder(name: str, source: str) -> codecs.IncrementalDecoder:
    try:
        decoder = codecs.getincrementaldecoder(name)("zhixing.broken")
        decoder.decode(b"")
    except (LookupError, TypeError, AssertionError, UnicodeError):
        raise InputError(source, f"read.encoding = {name} is not known; utf-8, gb18030, big5 and latin-1 are usual") from None
    return decoder


def lines(pieces: Iterator[str], longest: int) -> Iterator[tuple[int, str | None, str]]:
    """Lines as (1-based number, line with its end, its beginning); None stands for a line of more than `longest` characters."""
    number, rest, held, start = 0, [""], 0, ""
    for piece in pieces:
        *whole, tail = piece.split("\n")
        for part in whole:
            number += 1
            line = "".join([*rest, part]) if held else part
            if start or len(line) > longest:
                yield number, None, start or line[:200]
            else:
                yield number, line + "\n", line[:200]
            rest, held, start = [], 0, ""
        if start:
            continue  # the rest of a line that is too long is let go
        rest.append(tail)
        held += len(tail)
        if held > longest:
            rest, held, start = [], 0, "".join(rest)[:200]
    if start or held:
        number += 1
        yield number, None if start else "".join(rest), start or "".join(rest)[:200]


def broken(line: str) -> bool:
    """Whether bytes of the line were not in the file's encoding."""
    return not line.isascii() and BROKEN in line


_DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)|<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]+)", re.I)

# What browsers take these names to mean: supersets of what they say.
_MEANT = {
    **dict.fromkeys(("gb2312", "gbk", "gb_2312-80", "x-gbk", "hz-gb-2312"), "gb18030"),
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii", "iso8859-1"), "cp1252"),
    **dict.fromkeys(("shift_jis", "shift-jis", "x-sjis", "sjis"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987"), "cp949"),
    "big5": "big5hkscs",
}


def page(data: bytes, source: str, encoding: str | None = None, declared: str | None = None) -> str:
    """The text of a whole page (HTML, say). Raises `InputError` when it is no text.

    A declaration (`declared`, from the HTTP header, else one in the page itself) is believed where everything is valid in it; UTF-8 that is
    valid is UTF-8 all the same, and a one-byte encoding, in which everything is valid, does not outdo Chinese that is found. Bytes that are
    not in the encoding become U+FFFD.
    """
    if encoding is not None:
        _decoder(encoding, source)
        return data.decode(encoding, "replace")
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data.decode(name, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        found = detect(data[:SAMPLE])
    match = _DECLARED.search(data[:4096])
    for said in (declared, match and (match[1] or match[2]).decode("ascii", "replace")):
        name = _MEANT.get((said or "").strip().lower(), said or "")
        if _holds(data, name) and not (found in _CHINESE and name not in _CHINESE) and _as_chinese(data, name, found):
            return data.decode(name)
    if found is None:
        raise InputError(source, "is binary, not text")
    return data.decode(found, "replace")


_CHINESE = ("gb18030", "big5hkscs", "cp950")


def _holds(data: bytes, name: str) -> bool:
    """Whether an encoding of text is known by this name, and everything is valid in it."""
    try:
        codecs.getincrementaldecoder(name)("strict").decode(b"")
        data.decode(name)
    except (LookupError, TypeError, AssertionError, ValueError):
        return False
    return True


def _as_chinese(data: bytes, name: str, found: str | None) -> bool:
    """Whether a Chinese encoding that is declared reads about as well as one that was found."""
    if name not in _CHINESE or found not in _CHINESE or name == found:
        return True
    return 2 * _share(data[:SAMPLE], name, _FREQUENT) > _share(data[:SAMPLE], found, _FREQUENT)
