"""Which words of a translation stand for which words of a reference: the alignment of METEOR 1.5 (Denkowski & Lavie 2014).

1. `candidates` lists for each reference word the words of the translation that it may be aligned to, by the first matcher that accepts the
   pair: the same word, the same stem, a shared synset.
2. Pairs of which no word is in another pair are certain.
3. For the others, `align` goes through the reference from left to right and keeps the best `BEAM` partial alignments: greatest weight (same
   words 1, others 1/2), then fewest chunks (runs of words that are neighbours in both texts, in the same order), then least distance.

A wider or cleverer search finds fewer chunks: an exact one, on Chinese characters, makes scores 0.003 greater. But scores are there to be
compared, so this beam is as narrow as that of the program by METEOR's authors, breaks ties in the same order, and closes a chunk only when
it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BEAM = 40
Candidates = list[list[tuple[int, int]]]
"""For each word of the reference: (place in the translation, number of the matcher)."""
Alignment = list[tuple[int, int] | None]
"""The one of them that is chosen for each word of the reference, if any."""


@dataclass(slots=True)
class _Path:
    """An alignment of the reference's first words."""

    weight: int = 0  # less is better: - 2 for the same word, - 1 for others
    chunks: int = 0  # that have ended
    distance: int = 0
    end: int = -1  # in the translation, of a chunk that has not ended
    taken: int = 0  # words of the translation, as bits
    last: _Link | None = None


_Link = tuple["_Link | None", int, int, int]  # what came before, place in the reference, place in the translation, matcher


def candidates(
    translation: Sequence[Sequence[str]], reference: Sequence[Sequence[str]], synsets: Mapping[str, frozenset[str]]
) -> Candidates:
    """Pairs by what each matcher compares of each word, [matchers][words], in their order; `synsets` of words are compared last."""
    found: Candidates = [[] for _ in reference[0]]
    met: list[set[int]] = [set() for _ in reference[0]]
    for matcher, (ours, theirs) in enumerate(zip(translation, reference, strict=True)):
        places: dict[str, list[int]] = {}
        for place, form in enumerate(ours):
            places.setdefault(form, []).append(place)
        for number, form in enumerate(theirs):
            fresh = [place for place in places.get(form, ()) if place not in met[number]]
            found[number] += [(place, matcher) for place in fresh]
            met[number].update(fresh)
    known = [(place, synsets[word]) for place, word in enumerate(translation[0]) if synsets.get(word)]
    for number, word in enumerate(reference[0]):
        own = synsets.get(word, frozenset())
        found[number] += [(place, len(reference)) for place, other in known if place not in met[number] and not own.isdisjoint(other)]
    return found


def align(pairs: Candidates) -> Alignment:
    """The best alignment that the beam finds."""
    wanted: dict[int, int] = {}
    for options in pairs:
        for place, _ in options:
            wanted[place] = wanted.get(place, 0) + 1
    paths = [_Path()]
    for number, options in enumerate(pairs):
        if len(options) == 1 and wanted[options[0][0]] == 1:
            for path in paths[:BEAM]:
                _extend(path, path, number, *options[0])
            paths = paths[:BEAM]
        else:
            paths = _branch(paths[:BEAM], number, options)
        paths.sort(key=lambda path: (path.weight, path.chunks, path.distance))
    for path in paths:
        path.chunks += path.end != -1
    best = min(paths[:BEAM], key=lambda path: (path.weight, path.chunks, path.distance))
    chosen: Alignment = [None] * len(pairs)
    link = best.last
    while link is not None:
        link, number, place, matcher = link
        chosen[number] = place, matcher
    return chosen


def _branch(paths: list[_Path], number: int, options: Sequence[tuple[int, int]]) -> list[_Path]:
    """Each path with each word that it has not taken, and with none."""
    found = []
    for path in paths:
        for place, matcher in options:
            if not path.taken >> place & 1:
                new = _Path(path.weight, path.chunks, path.distance, path.end, path.taken, path.last)
                _extend(new, path, number, place, matcher)
                found.append(new)
        if path.end != -1:
            path.chunks += 1
            path.end = -1
        found.append(path)
    return found


def _extend(path: _Path, charged: _Path, number: int, place: int, matcher: int) -> None:
    """Align a word. The authors' program charges the distance of an uncertain pair to the path that goes on without it."""
    path.weight -= 2 if matcher == 0 else 1
    path.chunks += path.end not in (-1, place)
    path.end = place + 1
    path.taken |= 1 << place
    path.last = path.last, number, place, matcher
    charged.distance += abs(place - number)


def chunks(alignment: Alignment) -> int:
    """Runs of words that are neighbours in both texts, in the same order."""
    found, end = 0, -1
    for pair in alignment:
        if pair is None:
            end = -1
            continue
        found += pair[0] != end
        end = pair[0] + 1
    return found
