"""Counts of a corpus, gathered as documents go by."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

from zhixing.corpus.document import Document, Dropped

_HAN_RANGES = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HAN = re.compile(f"[{_HAN_RANGES}]+")
_WORD = re.compile(f"[^\\W\\d_{_HAN_RANGES}]+(?:['\u2019-][^\\W\\d_{_HAN_RANGES}]+)*")
_ASCII_WORD = re.compile("[A-Za-z]+(?:['-][A-Za-z]+)*")
_LATIN = re.compile("[A-Za-z]+")

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def _length(pattern: re.Pattern[str], text: str) -> int:
    """Characters of all matches."""
    return sum(map(len, pattern.findall(text)))


def han_characters(text: str) -> int:
    """Number of Chinese characters."""
    return 0 if text.isascii() else _length(_HAN, text)


def words(text: str) -> int:
    """Number of words in alphabetic scripts, and of characters in Chinese, as word processors count."""
    if text.isascii():
        return len(_ASCII_WORD.findall(text))
    return len(_WORD.findall(text)) + han_characters(text)


def language(text: str) -> str:
    """`zh`, `en` or `other` by script: enough for statistics."""
    if text.isascii():
        return "en" if _LATIN.search(text) else "other"
    han, letters = han_characters(text), _length(_WORD, text)
    if han and 2 * han >= letters:
        return "zh"
    return "en" if letters and _length(_LATIN, text) > 0.9 * letters else "other"


class Statistics:
    """Running counts. They take memory for each source and each reason, not for each document."""

    def __init__(self) -> None:
        self.read = 0
        self.parts: dict[str, Counter[str]] = defaultdict(Counter)
        self.languages: dict[str, Counter[str]] = defaultdict(Counter)
        self.sources: dict[str, Counter[str]] = defaultdict(Counter)
        self.reasons: Counter[str] = Counter()
        self.lengths: Counter[int] = Counter()

    def kept(self, document: Document, part: str) -> None:
        """Count a document that goes into a part."""
        text = document.text
        numbers = {"documents": 1, "characters": len(text), "words": words(text), "bytes": len(text.encode("utf-8"))}
        for counts in (self.parts[part], self.languages[language(text)], self.sources[document.source]):
            for name, number in numbers.items():
                counts[name] += number
        self.lengths[_rounded(len(text))] += 1
        self.read += 1

    def dropped(self, dropped: Dropped) -> None:
        """Count what was left out."""
        self.reasons[f"{dropped.stage}: {dropped.reason}"] += 1
        self.read += 1

    def summary(self) -> dict[str, Any]:
        """All counts as they go into `statistics.json`."""
        kept = sum(part["documents"] for part in self.parts.values())
        octaves: Counter[int] = Counter()
        for length, number in self.lengths.items():
            octaves[1 << (length.bit_length() - 1) if length else 0] += number
        return {
            "documents": {"read": self.read, "kept": kept, "dropped": self.read - kept},
            "duplicates": sum(n for reason, n in self.reasons.items() if reason.startswith("dedup")),
            "dropped": dict(self.reasons.most_common()),
            "parts": {name: dict(counts) for name, counts in sorted(self.parts.items())},
            "languages": {name: dict(counts) for name, counts in sorted(self.languages.items(), key=lambda item: -item[1]["bytes"])},
            "sources": {name: dict(c) for name, c in sorted(self.sources.items(), key=lambda item: -item[1]["bytes"])[:100]},
            "lengths": {str(length): n for length, n in sorted(octaves.items())},
            "length_quantiles": {f"{q:.0%}": self._quantile(q, kept) for q in QUANTILES},
        }

    def _quantile(self, share: float, kept: int) -> int:
        """Characters that this share of documents does not exceed, from below by up to 6 %."""
        seen = 0
        for length, number in sorted(self.lengths.items()):
            seen += number
            if seen >= share * kept:
                return length
        return 0


def _rounded(length: int) -> int:
    """The length with its five leading bits kept: few different values, whatever the corpus."""
    spare = max(0, length.bit_length() - 5)
    return length >> spare << spare
