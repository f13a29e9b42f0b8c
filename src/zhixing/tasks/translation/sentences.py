"""Long texts as sentences, and back: what is translated piece by piece keeps its lines, empty lines, indentation and list markers.

    text = lead, (piece, gap), (piece, gap), ...      joined, they are the text again

A piece is a line, a sentence of a line that is too long, or what fits into the model's window of a sentence that is too long. Gaps are
white space, and the list markers of the lines they lead to. Between sentences of a language that is written without spaces there is
none, unless two Latin words would touch.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# A sentence ends behind its mark and closing quotes: in Chinese at once, elsewhere where a space and no small letter follow.
_END = re.compile("[。！？；…]+[”’」』》）\"')]*|[.!?]+[\"'”’)\\]]*(?=\\s+[^a-z\\s])")
_CLAUSE = re.compile("[，、：；,;:]+[”’\"')]*\\s*|[.!?]+[\"'”’)\\]]*\\s+")
_LATIN_END = re.compile(r"[A-Za-z0-9][.,;:!?)\"']*$")
# What a line of a list, a heading or a quotation begins with; it is no business of the model's.
_MARKER = re.compile(
    r"(?:(?:[-*+•·‣▪◦]|\d{1,3}[.)]|[A-Za-z][)]|[(（]\d{1,3}[)）]|#{1,6}|>+)[^\S\n]+|\d{1,3}、|（[\d一二三四五六七八九十]{1,3}）)+(?=\S)"
)
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|vs|etc|e\.g|i\.e|cf|Fig|Jr|Sr|Inc|Ltd|Co)|\b[A-Z])\.$")


@dataclass(frozen=True)
class Piece:
    """Something to translate, and what stands behind it: white space, the marker of the next line."""

    text: str
    gap: str = ""


@dataclass(frozen=True)
class Pieces:
    """A text, cut."""

    lead: str
    """White space and a marker before the first piece."""
    pieces: tuple[Piece, ...]
    forced: int = 0
    """Cuts that had to be made inside a clause."""

    def joined(self, translations: list[str], *, spaced: bool) -> str:
        """The translations with the layout of the text; spaced: whether sentences of the language stand apart."""
        return self.lead + "".join(map("".join, zip(translations, self.gaps(translations, spaced=spaced), strict=True)))

    @property
    def joined_source(self) -> str:
        """The text that was cut."""
        return self.lead + "".join(piece.text + piece.gap for piece in self.pieces)

    def gaps(self, translations: list[str], *, spaced: bool) -> list[str]:
        """What stands behind each translation."""
        found = []
        for piece, text, after in zip(self.pieces, translations, [*translations[1:], None][: len(translations)], strict=True):
            gap = piece.gap
            if "\n" not in gap and after is not None:
                touching = bool(_LATIN_END.search(text)) and after[:1].isascii() and after[:1].isalnum()
                gap = (gap or " ") if spaced else " " if touching else ""
            found.append(gap)
        return found


def cut(text: str, fits: Callable[[str], bool]) -> Pieces:
    """Cut a text into what `fits`: lines as they are where they fit, else sentences put together as far as they fit, else parts of them."""
    lead = text[: len(text) - len(text.lstrip())]
    rest = text[len(lead) :]
    pieces: list[Piece] = []
    forced = 0
    for match in re.finditer(r"([^\n]*?)([^\S\n]*(?:\n\s*|$))", rest):
        line, gap = match[1], match[2]
        if not line:
            if gap and pieces:
                pieces[-1] = Piece(pieces[-1].text, pieces[-1].gap + gap)
            continue
        if marker := _MARKER.match(line):
            line = line[marker.end() :]
            if pieces:
                pieces[-1] = Piece(pieces[-1].text, pieces[-1].gap + marker[0])
            else:
                lead += marker[0]
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
