"""Whether the numbers of a source text got through its translation.

Numbers are compared by value, whatever they are written with: digits with or without marks for thousands, full-width digits, words for
thousands and millions after digits in English and Chinese. `1.2 million`, `1,200,000` and `120万` are one number. Numbers in words alone
(`two`, `两`) are not looked for: they often are no numbers ("one of", "一下").

Statistics of a sentence, K = 2: numbers in the source, and how many of them stand in the translation, each number there serving once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from zhixing.metrics import Rows, ratio

_SCALES = {
    "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "mn": 6, "bn": 9, "trn": 12,
    "十": 1, "百": 2, "千": 3, "万": 4, "萬": 4, "亿": 8, "億": 8, "兆": 12,
}  # fmt: skip
_NUMBER = re.compile(
    r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?:[ -]?(thousand|million|billion|trillion|mn|bn|trn)\b|([十百千万萬亿億兆]+))?",
    re.IGNORECASE,
)
_WIDE = {ord("０") + digit: ord("0") + digit for digit in range(10)} | {ord("．"): ord("."), ord("，"): ord(",")}


def values(text: str) -> list[Decimal]:
    """The numbers of a text by value, in order."""
    wide = re.sub("[０-９．，]+", lambda run: run[0].translate(_WIDE) if re.search("[０-９]", run[0]) else run[0], text)
    found = []
    for digits, word, signs in _NUMBER.findall(wide):
        power = _SCALES[word.lower()] if word else sum(_SCALES[sign] for sign in signs)
        found.append((Decimal(digits.replace(",", "")) * 10**power).normalize())
    return found


def rows(sources: Sequence[str], translations: Sequence[str]) -> Rows:
    """Statistics [N, 2] of N sentences."""
    made = np.zeros((len(sources), 2))
    for row, source, translation in zip(made, sources, translations, strict=True):
        wanted, there = Counter(values(source)), Counter(values(translation))
        row[:] = wanted.total(), (wanted & there).total()
    return made


@dataclass(frozen=True)
class NumberMatch:
    """Share of the numbers in the sources that stand in the translations with the same value."""

    name: str = "number_match"
    signature: str = "number_match|v1|digits|scales:en,zh"
    lower_is_better: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)

    def score(self, totals: Rows) -> Rows:
        """[..., 2] -> [...]; NaN where the sources hold no number."""
        return ratio(totals[..., 1], totals[..., 0])

    def examples(self, rows: Rows) -> float:
        """Sentences with a number."""
        return float((rows[:, 0] > 0).sum())
