"""What a translation must contain: the terms of a glossary, and spans that are the same in any language.

1. Spans of the source are found by kind (`KEPT`), the kinds in their order; a piece of text belongs to one span.
2. A term of the glossary that stands in the source asks for its translation, once; spans inside it are left to the term.
3. What is asked for is spelt in tokens of the target's tokenizer (`Speller`), for `decode.constrained`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zhixing.corpus.encoding import broken
from zhixing.corpus.pairs.reading import text_lines
from zhixing.corpus.remnants import ADDRESS
from zhixing.decode.constrained import Phrase
from zhixing.errors import InputError, SettingError
from zhixing.tokenizer.tokenizer import Tokenizer

KEPT: Mapping[str, re.Pattern[str]] = {
    "code": re.compile(r"`[^`\n]+`"),
    "url": ADDRESS,
    "email": re.compile(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", re.ASCII),
    "placeholder": re.compile(
        r"\$?\{\{?[^{}\n]*\}\}?"  # {name} {} {0:.2f} ${name} {{name}}
        r"|%(?:\(\w+\)|\d+\$)?[-+#0]*\d*(?:\.\d+)?[sdifgeuxXcr](?![A-Za-z])"  # %s %(name)s %1$d %.2f
        r"|</?[A-Za-z][^<>\n]*>"  # <b> </a> <br/>
        r"|&(?:[A-Za-z]+|\#\d+|\#x[0-9A-Fa-f]+);"  # &nbsp;
    ),
    "number": re.compile(r"(?<![A-Za-z0-9_])\d+(?:[.,:]\d+)*(?![A-Za-z0-9_])"),
}
"""Kinds of spans that can be kept exactly as they are. A number with a letter beside it (MP3, 5th) is none."""


@dataclass(frozen=True)
class Required:
    """A text that a translation must contain; apart: not as a part of a longer word or number (see `decode.constrained.Phrase`)."""

    text: str
    apart: bool


@dataclass(frozen=True)
class Terms:
    """A glossary, and kinds of spans to keep."""

    glossary: Mapping[str, str]
    """Translations of terms. A term without capitals is found whatever its case in the text; others as they are written."""
    keep: tuple[str, ...] = ()
    """Names of `KEPT`."""

    def __post_init__(self) -> None:
        for kind in self.keep:
            if kind not in KEPT:
                raise SettingError("keep", f"is all, or some of {', '.join(KEPT)}, not {kind!r}")

    def of(self, source: str) -> list[Required]:
        """What the translation of a source must contain, in the order of the source."""
        found: list[tuple[int, int, Required]] = []
        free = bytearray(b"\x01" * len(source))
        folded = _folded(source)
        for term in sorted((term for term in self.glossary if _folded(term) in folded), key=len, reverse=True):
            flags = re.IGNORECASE if term == term.lower() else re.NOFLAG
            seen = False
            for match in re.finditer(_bounded(term), source, flags):
                if all(free[match.start() : match.end()]):
                    free[match.start() : match.end()] = bytes(len(match[0]))
                    if not seen:
                        found.append((*match.span(), Required(self.glossary[term], False)))
                    seen = True
        for kind, pattern in KEPT.items():
            if kind not in self.keep:
                continue
            for match in pattern.finditer(source):
                if all(free[match.start() : match.end()]):
                    free[match.start() : match.end()] = bytes(len(match[0]))
                    found.append((*match.span(), Required(match[0], True)))
        return [required for *_, required in sorted(found, key=lambda one: one[:2])]


def _folded(text: str) -> str:
    """A text in which case is no more told apart than by `re.IGNORECASE`, to which the Turkish letters are an i."""
    return text.translate({0x130: "i", 0x131: "i"}).casefold()


def _bounded(term: str) -> str:
    """A pattern of the term as a word: not inside a longer one where it begins or ends with a Latin letter or a digit."""
    before = r"(?<![A-Za-z0-9])" if term[0].isascii() and term[0].isalnum() else ""
    after = r"(?![A-Za-z0-9])" if term[-1].isascii() and term[-1].isalnum() else ""
    return before + re.escape(term) + after


def read_glossary(path: Path, clean: Callable[[str], str] = str) -> dict[str, str]:
    """A glossary of lines `term<TAB>translation`; clean: what is done to texts before they are translated.

    Raises `InputError` naming the line for one that is no such pair, and for a term with two translations.
    """
    if not path.is_file():
        raise InputError(path, "is a folder; name a file of terms" if path.is_dir() else "no such file")
    found: dict[str, tuple[str, int]] = {}
    for number, line, _ in text_lines(str(path)):
        where = f"{path}:{number}"
        if line is None or broken(line):
            raise InputError(where, "is too long" if line is None else "has bytes that are not in the file's encoding")
        if not line.strip():
            continue
        sides = [clean(side).strip() for side in line.split("\t")]
        if len(sides) != 2 or not all(sides):
            raise InputError(where, "is not a term, a tab and its translation")
        term, translation = sides
        if term in found and found[term][0] != translation:
            raise InputError(where, f"gives {term!r} another translation than line {found[term][1]}; leave one of them out")
        found.setdefault(term, (translation, number))
    if not found:
        raise InputError(path, "holds no terms")
    return {term: translation for term, (translation, _) in found.items()}


class Speller:
    """Required texts as tokens of the target."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.spelled = tokenizer.token_bytes()
        # Bytes that stand for themselves only where they make up a character: a stray one would spoil a phrase of bytes beside it.
        level = tokenizer.kind == "bpe"
        self.stray = [] if level else [number for number, text in enumerate(self.spelled) if len(text) == 1 and text[0] >= 0x80]

    def phrase(self, required: Required) -> Phrase | None:
        """A phrase that the search can write; None for a text that the vocabulary does not cover."""
        text = required.text.encode("utf-8")
        ways: dict[tuple[int, ...], None] = {}
        for before in ("", " "):
            way = tuple(self.tokenizer.encode(before + required.text))
            if b"".join(self.spelled[token] for token in way).lstrip(b" ") == text and self.tokenizer.unknown not in way:
                ways[way] = None
        return Phrase(text, tuple(ways), required.apart) if ways else None


def contains(text: str, required: Sequence[Required]) -> bool:
    """Whether a translation contains all that is required, each in a place of its own."""
    free = bytearray(b"\x01" * len(text))
    for one in sorted(required, key=lambda one: -len(one.text)):
        for match in re.finditer(_bounded(one.text) if one.apart else re.escape(one.text), text):
            if all(free[match.start() : match.end()]):
                free[match.start() : match.end()] = bytes(len(match[0]))
                break
        else:
            return False
    return True
