"""Long texts as sentences, and back: what is translated piece by piece keeps its lines, its empty lines and the spaces at their ends.

    text = lead, (piece, gap), (piece, gap), ...      joined, they are the text again

A piece is a sentence, or what fits into the model's window of one that is too long. Gaps are white space; between sentences of a language
that is written without spaces there is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# A sentence ends behind its mark and closing quotes: in Chinese at once, elsewhere where a space and no small letter follow.
_END = re.compile("[。！？；…]+[”’」』》）\"')]*|[.!?]+[\"'”’)\\]]*(?=\\s+[^a-z\\s])")
_CLAUSE = re.compile("[，、：；,;:]+[”’\"')]*\\s*|[.!?]+[\"'”’)\\]]*\\s+")
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|vs|etc|e\.g|i\.e|cf|Fig|Jr|Sr|Inc|Ltd|Co)|\b[A-Z])\.$")


@dataclass(frozen=True)
class Piece:
    """Something to translate, and the white space behind it."""

    text: str
    gap: str = ""


@dataclass(frozen=True)
class Pieces:
    """A text, cut."""

    lead: str
    """White space before the first piece."""
    pieces: tuple[Piece, ...]
    forced: int = 0
    """Cuts that had to be made inside a clause."""

    def joined(self, translations: list[str], *, spaced: bool) -> str:
        """The translations with the layout of the text; spaced: whether sentences of the language stand apart."""
        return self.lead + "".join(text + gap for text, gap in zip(translations, self.gaps(spaced=spaced), strict=True))

    @property
    def joined_source(self) -> str:
        """The text that was cut."""
        return self.lead + "".join(piece.text + piece.gap for piece in self.pieces)

    def gaps(self, *, spaced: bool) -> list[str]:
        """What stands behind each translation."""
        found = []
        for number, piece in enumerate(self.pieces):
            gap = piece.gap
            if "\n" not in gap and number + 1 < len(self.pieces):
                gap = (gap or " ") if spaced else ""
            found.append(gap)
        return found


def cut(text: str, fits: Callable[[str], bool]) -> Pieces:
    """Cut a text into what `fits`: lines as they are where they fit, else sentences put together as far as they fit, else parts of them."""
    lead = text[: len(text) - len(text.lstrip())]
    pieces: list[Piece] = []
    forced = 0
    rest = text[len(lead) :]
    for match in re.finditer(r"([^\n]*?)([^\S\n]*(?:\n\s*|$))", rest):
        line, gap = match[1], match[2]
        if not line:
            if gap and pieces:
                pieces[-1] = Piece(pieces[-1].text, pieces[-1].gap + gap)
            continue
        if fits(line):
            pieces.append(Piece(line, gap))
            continue
        parts = []
        for sentence in _together(sentences(line), fits):
            for part, inside in _parts(sentence, fits):
                forced += inside
                parts.append(part)
        for part in parts:
            text = part.strip()
            if text:
                pieces.append(Piece(text, part[len(part.rstrip()) :]))
        pieces[-1] = Piece(pieces[-1].text, pieces[-1].gap.rstrip() + gap)
    return Pieces(lead, tuple(pieces), forced)


def sentences(line: str) -> list[str]:
    """The sentences of a line, each with the space behind it."""
    found, start = [], 0
    for match in _END.finditer(line):
        if _ABBREVIATION.search(line[start : match.end()]):
            continue
        end = match.end()
        while end < len(line) and line[end].isspace():
            end += 1
        found.append(line[start:end])
        start = end
    return [*found, line[start:]] if start < len(line) else found


def _together(parts: list[str], fits: Callable[[str], bool]) -> list[str]:
    """Neighbours joined as long as they fit: a model sees more of what belongs together."""
    found: list[str] = []
    for part in parts:
        if found and fits((found[-1] + part).strip()):
            found[-1] += part
        else:
            found.append(part)
    return found


def _parts(sentence: str, fits: Callable[[str], bool]) -> list[tuple[str, bool]]:
    """A sentence in parts that fit, and whether each was cut off inside a clause."""
    if fits(sentence.strip()):
        return [(sentence, False)]
    clauses, start = [], 0
    for match in _CLAUSE.finditer(sentence):
        clauses.append(sentence[start : match.end()])
        start = match.end()
    clauses = [clause for clause in [*clauses, sentence[start:]] if clause]
    found: list[tuple[str, bool]] = []
    for clause in _together(clauses, fits):
        while not fits(clause.strip()):
            size, too_many = 1, len(clause)
            while too_many - size > 1:
                middle = (size + too_many) // 2
                size, too_many = (middle, too_many) if fits(clause[:middle].strip()) else (size, middle)
            space = clause.rfind(" ", 1, size)
            size = space + 1 if space > 0 else size
            found.append((clause[:size], True))
            clause = clause[size:]
        if clause:
            found.append((clause, False))
    return found
