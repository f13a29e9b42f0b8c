"""A sentence pair, and the settings by which pairs are read and judged."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import Field

from zhixing.config import Settings
from zhixing.corpus.clean import CleanSettings

LANGUAGE = re.compile("[a-z]{2,3}(?:[-_][A-Za-z]{2,8})*")

_CODES = """aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es et eu fa
    ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr
    ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl
    ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk
    ur uz ve vi vo wa wo xh yi yo za zh zu"""
TWO_LETTERS = frozenset(_CODES.split())
"""Languages by the codes of ISO 639-1."""


def known(language: str) -> bool:
    """Whether a code may be that of a language; those of three letters are too many to be listed."""
    found = LANGUAGE.fullmatch(language)
    short = re.split("[-_]", language)[0]
    return found is not None and (len(short) == 3 or short in TWO_LETTERS)


@dataclass(frozen=True)
class Pair:
    """A text and its translation, with where they came from."""

    source: str
    target: str
    file: str
    line: int
    """1-based line, row or unit in the file."""
    domain: str | None = None
    """What kind of text it is, where a column says so."""
    languages: tuple[str, str] | None = None
    """Those of this pair, where columns say so."""
    made: bool = False
    """Whether its source is a model's translation of its target."""

    @property
    def where(self) -> str:
        """`file:line` for messages."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class TagColumns:
    """Columns that say more of a pair than its texts: names or 0-based numbers."""

    domain: str | None = None
    source_language: str | None = None
    target_language: str | None = None

    def __bool__(self) -> bool:
        return any(self.named())

    def named(self) -> tuple[str | None, str | None, str | None]:
        """The columns in order."""
        return self.domain, self.source_language, self.target_language


class PairSettings(Settings):
    """How pairs are cleaned, and which are left out. Lengths are in characters: Chinese has no spaces to count words by."""

    clean: CleanSettings = CleanSettings()
    max_characters: int = Field(default=2000, ge=1)
    """Pairs with a longer side are left out."""
    max_ratio: float = Field(default=4.0, gt=1)
    """How many times longer, for its partner, than is usual in this corpus a side may be; the usual ratio is the corpus's own median."""
    copies: bool = False
    """Whether pairs whose two sides are the same text stay."""
    duplicates: bool = False
    """Whether pairs stay that occurred before."""
    scripts: bool = True
    """Whether pairs are left out whose side is not in the script of its language, or whose sides are swapped."""
    alignment: bool = False
    """Whether pairs are left out that do not seem to translate each other; they are reported in any case."""
    overlap: bool = True
    """Whether pairs are left out that are copies or near copies of held-out ones."""
    similarity: float = Field(default=0.7, gt=0, le=1)
    """Share of character n-grams in common (Jaccard), on one side, from which on a pair is a near copy of a held-out one."""
    max_faulty: float = Field(default=0.3, gt=0, le=1)
    """Share of pairs, repeated and held-out ones aside, that may be faulty before the run stops and shows examples; judged from 100 pairs
    on."""
