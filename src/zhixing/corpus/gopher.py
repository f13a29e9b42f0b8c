"""The rules of MassiveText for web pages (Rae et al. 2021, Gopher, arXiv 2112.11446, section A.1.1 and table A1), and what they become for
Chinese, which has no spaces: characters stand for words, and the limits that count words are scaled by 1.7 characters a word.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zhixing.config import Settings
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.han import CHARACTERS_A_WORD, UNIT
from zhixing.corpus.stats import han_characters

_LETTER = re.compile(r"[^\W\d_]")
_BULLETS = ("•", "-", "*", "‣", "●", "·", "◦", "▪", "■", "◆")
_ENGLISH = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
_CHINESE = frozenset("的一是不了在人有我他这来上为和到说们就也")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

TOP = ((2, 0.20), (3, 0.18), (4, 0.16))
"""Share of characters in the most frequent run of so many words above which a document is repetitive (table A1)."""
REPEATED = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
"""Share of characters in runs of so many words that occurred before above which a document is repetitive (table A1)."""


class GopherSettings(Settings):
    """Which documents look like no prose. The defaults are the paper's."""

    on: bool = False
    """Whether the rules are applied; they are made for web pages, and leave out poems, tables and short notes."""
    min_words: int = Field(default=50, ge=0)
    """Words that a document has at least."""
    max_words: int = Field(default=100_000, ge=1)
    """Words that a document has at most."""
    min_word_length: float = Field(default=3.0, ge=0)
    """Characters of a word on the average, at least; not for Chinese."""
    max_word_length: float = Field(default=10.0, gt=0)
    """Characters of a word on the average, at most; not for Chinese."""
    max_symbols: float = Field(default=0.1, ge=0)
    """Hash signs or ellipses, each, for every word."""
    max_bullets: float = Field(default=0.9, ge=0, le=1)
    """Share of lines that begin with a bullet."""
    max_ellipses: float = Field(default=0.3, ge=0, le=1)
    """Share of lines that end in an ellipsis."""
    min_letters: float = Field(default=0.8, ge=0, le=1)
    """Share of words with a letter; of Chinese text, share of characters other than spaces that are letters or Han."""
    min_stop_words: int = Field(default=2, ge=0)
    """Different ones of the eight most common English words, or of the twenty most common Chinese characters, that occur."""
    repetition: bool = True
    """Whether the rules on repeated lines, paragraphs and runs of words apply."""


class Gopher:
    """The stage that applies the rules."""

    def __init__(self, settings: GopherSettings) -> None:
        self.settings = settings

    def __call__(self, batch: list[Document]) -> tuple[list[Document], list[Dropped]]:
        """Documents that pass, and the others with the first rule that they break."""
        kept, dropped = [], []
        for document in batch:
            if reason := self.reason(document.text):
                dropped.append(Dropped.of(document, "gopher", reason))
            else:
                kept.append(document)
        return kept, dropped

    def reason(self, text: str) -> str | None:
        """The first rule that a text breaks; None if it breaks none."""
        han = han_characters(text)
        chinese = 2 * han >= sum(not c.isspace() for c in text) if han else False
        words = UNIT.findall(text) if chinese else text.split()
        return self._quality(text, words, chinese) or (_repetition(text, words, chinese) if self.settings.repetition else None)

    def _quality(self, text: str, words: list[str], chinese: bool) -> str | None:
        s = self.settings
        count = len(words) / (CHARACTERS_A_WORD if chinese else 1)
        if count < s.min_words:
            return "too few words"
        if count > s.max_words:
            return "too many words"
        if not chinese and not s.min_word_length <= sum(map(len, words)) / len(words) <= s.max_word_length:
            return "words too short or too long on the average"
        if max(text.count("#"), text.count("...") + text.count("…")) > s.max_symbols * count:
            return "too many hash signs or ellipses"
        lines = [line for line in text.split("\n") if line.strip()]
        if sum(line.lstrip().startswith(_BULLETS) for line in lines) > s.max_bullets * len(lines):
            return "too many lines begin with a bullet"
        if sum(line.rstrip().endswith(("...", "…")) for line in lines) > s.max_ellipses * len(lines):
            return "too many lines end in an ellipsis"
        if chinese:
            letters, of = sum(map(len, words)), len("".join(text.split()))
        else:
            letters, of = sum(_LETTER.search(word) is not None for word in words), len(words)
        if letters < s.min_letters * of:
            return "too few words with letters"
        common = _CHINESE if chinese else _ENGLISH
        if len(common.intersection(words if chinese else map(str.lower, words))) < s.min_stop_words:
            return "too few of the most common words"
        return None


def _repetition(text: str, words: list[str], chinese: bool) -> str | None:
    """The rules of table A1; runs of Chinese characters are longer by the characters of a word."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    paragraphs = [part.strip() for part in re.split(r"\n{2,}", text) if part.strip()]
    for name, parts in (("lines", lines), ("paragraphs", paragraphs)):
        repeated = [part for part, number in Counter(parts).items() for _ in range(number - 1)]
        if len(repeated) > 0.3 * len(parts):
            return f"too many repeated {name}"
        if sum(map(len, repeated)) > 0.2 * len(text):
            return f"too much text in repeated {name}"
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    numbers: dict[str, int] = {}
    ids = np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), np.uint64, len(words)) + np.uint64(1)
    total = int(lengths.sum())
    runs = ids.copy()
    size = 1
    for number, share in (*TOP, *REPEATED):
        wanted = round(number * CHARACTERS_A_WORD) if chinese else number
        while size < wanted:
            runs = runs[:-1] * _MULTIPLIER + ids[size:]
            size += 1
        if len(runs) < 2:
            return None
        if number <= TOP[-1][0]:
            if _most_frequent(runs, lengths, wanted) > share * total:
                return f"one run of {number} words too frequent"
        elif _in_repeated(runs, lengths, wanted) > share * total:
            return f"too much text in repeated runs of {number} words"
    return None


def _most_frequent(runs: NDArray[np.uint64], lengths: NDArray[np.int64], size: int) -> int:
    """Characters in all occurrences of the most frequent run; none if each occurs once."""
    order = np.argsort(runs, kind="stable")
    ordered = runs[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    counts = np.diff(np.append(starts, len(runs)))
    top = int(counts.argmax())
    if counts[top] < 2:
        return 0
    first = int(order[starts[top]])
    return int(counts[top]) * int(lengths[first : first + size].sum())


def _in_repeated(runs: NDArray[np.uint64], lengths: NDArray[np.int64], size: int) -> int:
    """Characters in runs that occurred before, each counted once."""
    order = np.argsort(runs, kind="stable")
    again = order[1:][runs[order[1:]] == runs[order[:-1]]]
    if not len(again):
        return 0
    edges = np.zeros(len(lengths) + 1, np.int64)
    np.add.at(edges, again, 1)
    np.add.at(edges, again + size, -1)
    return int(lengths[edges.cumsum()[:-1] > 0].sum())
