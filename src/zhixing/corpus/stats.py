"""Counts of a corpus, gathered as documents go by."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

from zhixing.corpus.document import Document, Dropped

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_WORD = re.compile("[^\\W\\d_\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+(?:['\u2019-][^\\W\\d_]+)*")


def han_characters(text: str) -> int:
    """Number of Chinese characters."""
    return 0 if text.isascii() else len(_HAN.findall(text))


def words(text: str) -> int:
    """Number of words in alphabetic scripts, and of characters in Chinese, as word processors count."""
    return len(_WORD.findall(text)) + han_characters(text)


def language(text: str) -> str:
    """`zh`, `en` or `other` by script: enough for statistics."""
    han, letters = han_characters(text), sum(map(len, _WORD.findall(text)))
    if 2 * han >= letters and han:
        return "zh"
    latin = sum("a" <= c <= "z" for c in text.lower())
    return "en" if letters and latin > 0.9 * letters else "other"


class Statistics:
    """Running counts."""

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
        self.parts[part].update(numbers)
        self.languages[language(text)].update(numbers)
        self.sources[document.source].update(numbers)
        self.lengths[len(text).bit_length()] += 1
        self.read += 1

    def dropped(self, dropped: Dropped) -> None:
        """Count what was left out."""
        self.reasons[f"{dropped.stage}: {dropped.reason}"] += 1
        self.read += 1

    def summary(self) -> dict[str, Any]:
        """All counts as they go into `statistics.json`."""
        kept = sum(part["documents"] for part in self.parts.values())
        return {
            "documents": {"read": self.read, "kept": kept, "dropped": self.read - kept},
            "duplicates": sum(n for reason, n in self.reasons.items() if reason.startswith("dedup")),
            "dropped": dict(self.reasons.most_common()),
            "parts": {name: dict(counts) for name, counts in sorted(self.parts.items())},
            "languages": {name: dict(counts) for name, counts in sorted(self.languages.items(), key=lambda item: -item[1]["bytes"])},
            "sources": {name: dict(c) for name, c in sorted(self.sources.items(), key=lambda item: -item[1]["bytes"])[:100]},
            "lengths": {f"{1 << (bits - 1) if bits else 0}": n for bits, n in sorted(self.lengths.items())},
        }
