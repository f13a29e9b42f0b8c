"""Other wordings of a text, drawn anew each time it is trained on: words left out, neighbours exchanged, words replaced by their like
(Wei & Zou 2019, arXiv 1901.11196), or what has become of it in another language and back (Yu et al. 2018, arXiv 1804.09541).

Chinese is cut into words for it. What a text becomes depends on the seed, the epoch and the text alone.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from zhixing.config import Settings
from zhixing.errors import InputError
from zhixing.files import read_text

_PIECES = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[^\s\u3400-\u4dbf\u4e00-\u9fff]+|\s+")
_BETWEEN = re.compile(r"[\t,，、]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")

Synonyms = Mapping[str, Sequence[str]]


class AugmentSettings(Settings):
    """How texts are varied in training."""

    drop: float = Field(default=0.0, ge=0, lt=1)
    """Share of words that are left out; one always stays."""
    swap: float = Field(default=0.0, ge=0, lt=1)
    """Share of words that change places with the next one."""
    replace: float = Field(default=0.0, ge=0, lt=1)
    """Share of words that are replaced, of those that have synonyms."""
    synonyms: Path | None = None
    """A file of synonyms: on each line words that may stand for one another, parted by tabs, or after the first tab by commas."""
    reworded: float = Field(default=0.0, ge=0, lt=1)
    """Share of the texts that stand in another wording: translated once into another language and back, before training."""
    there: Path | None = None
    """A translator, run or export, of the language of the texts into another."""
    back: Path | None = None
    """A translator of that language into that of the texts."""

    @property
    def on(self) -> bool:
        """Whether anything is varied."""
        return self.drop > 0 or self.swap > 0 or (self.replace > 0 and self.synonyms is not None) or self.reworded > 0


def read_synonyms(path: Path | None) -> Synonyms:
    """What may stand for each word. Raises `InputError` when the file cannot be read."""
    found: dict[str, list[str]] = {}
    if path is None:
        return found
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        first, _, others = line.partition("\t")
        words = [word.strip() for word in (first, *_BETWEEN.split(others)) if word.strip()]
        if len(words) == 1:
            raise InputError(f"{path}:{number}", "has only one word; words that may stand for one another are parted by tabs or commas")
        for word in words:
            found.setdefault(word.casefold(), []).extend(other for other in words if other != word)
    return found


def words(text: str) -> list[str]:
    """A text in words and what stands between them; joined they are the text."""
    import rjieba

    found: list[str] = []
    for piece in _PIECES.findall(text):
        found += rjieba.cut(piece) if _HAN.match(piece) else [piece]
    return found


def vary(text: str, settings: AugmentSettings, synonyms: Synonyms, seed: str, wording: str | None = None) -> str:
    """A text in another wording; `wording`: what it has become in another language and back."""
    draw = random.Random(seed)
    if wording is not None and draw.random() < settings.reworded:
        text = wording
    pieces = words(text)
    places = [i for i, piece in enumerate(pieces) if not piece.isspace()]
    for place in places:
        if settings.replace and draw.random() < settings.replace and (like := synonyms.get(pieces[place].casefold())):
            pieces[place] = draw.choice(like)
    for place, after in itertools.pairwise(places):
        if settings.swap and draw.random() < settings.swap:
            pieces[place], pieces[after] = pieces[after], pieces[place]
    if settings.drop and places:
        out = [place for place in places if draw.random() < settings.drop]
        if len(out) == len(places):
            out.remove(draw.choice(out))
        for place in out:
            pieces[place] = ""
    return re.sub(r"\s+", " ", "".join(pieces)).strip()
