"""What is wrong with a pair, told from its own two texts.

    blank           a side has no letter or digit
    swapped         each side is in the script of the other's language
    script          a side is not in the script of its language
    copy            both sides are the same text, in which there are words to translate
    ratio           one side is far longer, for its partner, than is usual in this corpus
    long            a side is longer than `max_characters`

Lengths are in characters, each weighed by how much it says: a Chinese character about as much as three Latin letters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from statistics import median

from zhixing.corpus.codes import short
from zhixing.corpus.pairs.pair import Pair, PairSettings
from zhixing.corpus.stats import han_characters

KINDS = {
    "blank": "a side is blank",
    "swapped": "source and target are swapped",
    "script": "a side is not in the script of its language",
    "copy": "both sides are the same text",
    "ratio": "one side is far longer than its partner",
    "long": "a side is longer than pairs.max_characters",
}
"""Faults of single pairs, in the order in which they are looked for: a pair counts under the first."""

HAN_WEIGHT = 3.0
SLACK = 12.0
"""Added to both lengths before their ratio is taken: short texts vary more."""

_WORDS = re.compile(r"[^\W\d_]{2,}")
_OTHERS = re.compile(r"[\W\d_]+")
"""Everything but letters."""
_SPACE = re.compile(r"\s+")

_SCRIPTS = {
    "zh": "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]",
    "ja": "[\u3040-\u30ff\u4e00-\u9fff]",
    "ko": "[\uac00-\ud7af\u1100-\u11ff]",
    **dict.fromkeys(("ru", "uk", "be", "bg", "sr", "mk"), "[\u0400-\u04ff]"),
    "el": "[\u0370-\u03ff]",
    **dict.fromkeys(("ar", "fa", "ur"), "[\u0600-\u06ff]"),
    "he": "[\u0590-\u05ff]",
    "th": "[\u0e00-\u0e7f]",
    "hi": "[\u0900-\u097f]",
}
LATIN = "[A-Za-z\u00c0-\u024f\u1e00-\u1eff]"


@lru_cache
def script(language: str) -> re.Pattern[str]:
    """The letters that a language is written in; Latin for a language that is not known."""
    return re.compile(_SCRIPTS.get(short(language), LATIN))


def weight(text: str) -> float:
    """The length of a text in Latin letters or what says as much."""
    text = text.strip()
    return len(text) + (HAN_WEIGHT - 1) * han_characters(text)


def log_ratio(pair: Pair) -> float:
    """How much longer the target is than the source, as a logarithm."""
    return math.log((weight(pair.target) + SLACK) / (weight(pair.source) + SLACK))


def usual_ratio(pairs: Iterable[Pair]) -> float:
    """The median of `log_ratio`."""
    found = [log_ratio(pair) for pair in pairs if pair.source.strip() and pair.target.strip()]
    return median(found) if found else 0.0


def fault(pair: Pair, languages: tuple[str, str], settings: PairSettings, usual: float) -> str | None:
    """The first fault of a pair that `settings` do not allow, as a key of `KINDS`; None if it has none."""
    source, target = pair.source.strip(), pair.target.strip()
    letters = [_letters(side) for side in (source, target)]
    if not all(found or any(c.isalnum() for c in side) for found, side in zip(letters, (source, target), strict=True)):
        return "blank"
    same = _SPACE.sub(" ", source) == _SPACE.sub(" ", target)
    first, second = (script(language) for language in languages)
    if settings.scripts and not same and first.pattern != second.pattern:
        own = _share(first, letters[0]), _share(second, letters[1])
        other = _share(second, letters[0]), _share(first, letters[1])
        if all(there > 0.5 > here for there, here in zip(other, own, strict=True)):
            return "swapped"
        if strange(source, first) or strange(target, second):
            return "script"
    if same and not settings.copies and len(_WORDS.findall(source)) >= 2:
        return "copy"
    if abs(log_ratio(pair) - usual) > math.log(settings.max_ratio):
        return "ratio"
    if max(len(source), len(target)) > settings.max_characters:
        return "long"
    return None


def strange(text: str, own: re.Pattern[str]) -> bool:
    """Whether a text is not in its script: names, code and formulas stay in Latin letters, a sentence of four words does not."""
    letters, latin = _letters(text), script("en")
    if own.pattern == LATIN:
        return len(letters) >= 2 and _share(own, letters) < 0.1
    if len(own.findall(letters)) >= 2:  # code in Latin letters may stand around a few words
        return False
    return len(_WORDS.findall(text)) >= 4 if _share(latin, letters) > 0.5 else len(letters) >= 2


def _letters(text: str) -> str:
    return _OTHERS.sub("", text)


def _share(pattern: re.Pattern[str], letters: str) -> float:
    """The share of letters that a pattern of one letter matches."""
    return len(pattern.findall(letters)) / max(1, len(letters))
