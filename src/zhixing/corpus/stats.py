"""Counts of a corpus, gathered as documents go by.

1. Of every document: its size, part, language and source; of everything left out: why, and the first examples.
2. Of a sample of bounded size, spread evenly over the text: words, runs of words, sentences, and the growth of the vocabulary
   (`frequencies`), for each language apart.

The counts depend on the documents and their order alone, and take memory for each source and for the sample, not for each document.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

from pydantic import Field

from zhixing.config import Settings
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.frequencies import Frequencies, quantiles
from zhixing.corpus.han import HAN
from zhixing.corpus.words import WordSettings, sentences

_HAN = re.compile(f"[{HAN}]+")
_WORD = re.compile(f"[^\\W\\d_{HAN}]+(?:['\u2019-][^\\W\\d_{HAN}]+)*")
_ASCII_WORD = re.compile("[A-Za-z]+(?:['-][A-Za-z]+)*")
_LATIN = re.compile("[A-Za-z]+")


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


class StatisticsSettings(Settings):
    """What is counted beside sizes."""

    sample: int = Field(default=5_000_000, ge=0)
    """Characters of text whose words and sentences are counted, spread evenly over all of it; 0: none. A million take half a second, or
    of Chinese two."""
    words: WordSettings = WordSettings()


SAMPLED = 100_000
"""Characters that are taken of a longer document at most, where not all the text is counted."""
EXAMPLES = 3
REASONS = 500
"""Different reasons after which new ones of reading, which quote what was read, are counted together."""
_ORDER = ("read", "extract", "clean", "filter", "language", "gopher", "c4", "perplexity", "evaluation")  # others come after these
_LAST = "dedup"


class Statistics:
    """Running counts."""

    def __init__(self, settings: StatisticsSettings | None = None, characters: int = 0) -> None:
        """characters: of all documents that will be counted, or a little more; the sample is spread over them."""
        self.settings = settings or StatisticsSettings()
        self.characters = characters
        self.read = 0
        self.parts: dict[str, Counter[str]] = defaultdict(Counter)
        self.languages: dict[str, Counter[str]] = defaultdict(Counter)
        self.sources: dict[str, Counter[str]] = defaultdict(Counter)
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, list[dict[str, str]]] = defaultdict(list)
        self.lengths: Counter[int] = Counter()
        self.text: dict[str, Frequencies] = defaultdict(Frequencies)
        self.seen = 0
        self.sampled: Counter[str] = Counter()

    def kept(self, document: Document, part: str) -> None:
        """Count a document that goes into a part."""
        text = document.text
        kind = language(text)
        numbers = {"documents": 1, "characters": len(text), "words": words(text), "bytes": len(text.encode("utf-8"))}
        for counts in (self.parts[part], self.languages[kind], self.sources[document.source]):
            for name, number in numbers.items():
                counts[name] += number
        self.lengths[_rounded(len(text))] += 1
        self.read += 1
        self._sample(text, kind)

    def _sample(self, text: str, kind: str) -> None:
        taken, wanted = self.sampled["characters"], self.settings.sample
        if taken < wanted and taken * self.characters <= wanted * self.seen:
            piece = text[: wanted - taken] if self.characters <= wanted else text[: min(wanted - taken, SAMPLED)]
            self.sampled.update(documents=1, characters=len(piece))
            for sentence in sentences(piece, self.settings.words):
                self.text[kind].add(sentence)
        self.seen += len(text)

    def dropped(self, dropped: Dropped) -> None:
        """Count what was left out."""
        reason = f"{dropped.stage}: {dropped.reason}"
        if dropped.stage == "read" and reason not in self.reasons and len(self.reasons) >= REASONS:
            reason = f"{dropped.stage}: other reasons"
        self.reasons[reason] += 1
        if len(self.examples[reason]) < EXAMPLES:
            self.examples[reason].append({"where": dropped.where, "text": dropped.text})
        self.read += 1

    def summary(self) -> dict[str, Any]:
        """All counts as they go into `statistics.json`."""
        kept = sum(part["documents"] for part in self.parts.values())
        octaves: Counter[int] = Counter()
        for length, number in self.lengths.items():
            octaves[1 << (length.bit_length() - 1) if length else 0] += number
        copies = {how: sum(n for reason, n in self.reasons.items() if reason.startswith(f"dedup: {how} ")) for how in ("exact", "near")}
        return {
            "documents": {"read": self.read, "kept": kept, "dropped": self.read - kept},
            "duplicates": sum(copies.values()),
            "copies": copies,
            "dropped": dict(self.reasons.most_common()),
            "stages": self._stages(),
            "parts": {name: dict(counts) for name, counts in sorted(self.parts.items())},
            "languages": {name: dict(counts) for name, counts in sorted(self.languages.items(), key=lambda item: -item[1]["bytes"])},
            "sources": {name: dict(c) for name, c in sorted(self.sources.items(), key=lambda item: -item[1]["bytes"])[:100]},
            "lengths": {str(length): n for length, n in sorted(octaves.items())},
            "length_quantiles": quantiles(self.lengths),
            "sample": {
                "documents": self.sampled["documents"],
                "characters": self.sampled["characters"],
                "share": self.sampled["characters"] / max(1, self.seen),
            },
            "text": {kind: found.summary() for kind, found in sorted(self.text.items(), key=lambda item: -item[1].words)},
        }

    def _stages(self) -> list[dict[str, Any]]:
        """What each stage left out, with reasons and examples, the stages in their order."""
        found: dict[str, list[dict[str, Any]]] = {stage: [] for stage in _ORDER}
        for reason, number in self.reasons.most_common():
            stage, _, why = reason.partition(": ")
            found.setdefault(stage, []).append({"reason": why, "documents": number, "examples": self.examples[reason]})
        last = found.pop(_LAST, [])
        return [
            {"stage": stage, "dropped": sum(entry["documents"] for entry in reasons), "reasons": reasons}
            for stage, reasons in [*found.items(), (_LAST, last)]
            if reasons
        ]


def _rounded(length: int) -> int:
    """The length with its five leading bits kept: few different values, whatever the corpus."""
    spare = max(0, length.bit_length() - 5)
    return length >> spare << spare
