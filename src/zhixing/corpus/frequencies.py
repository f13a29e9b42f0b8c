"""How often words, and runs of two and three of them, occur, and how the vocabulary grows: in bounded memory, whatever the text.

1. Each different word gets a number when it is first met; the text becomes a stream of numbers, in which 0 ends a sentence.
2. Now and then the stream is counted with numpy: words, pairs and triples inside sentences, and how many different words there were
   after so many.
3. Two laws are fitted to the counts, by least squares on logarithms: Zipf's, count = factor / rank^exponent, and Heaps', different words =
   factor * words^exponent (Zipf 1949; Heaps 1978).

Words that are first met after a million different ones are counted together, as unlisted. Of pairs and triples the rarest are forgotten
when there are too many; `lost` says by how much a count may then be too low (as in lossy counting, Manku and Motwani 2002).
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import count, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

LISTED = 1 << 20
"""Different words that are told apart."""
FLUSH = 1 << 19
"""Words after which the stream is counted."""
RUNS = 1 << 21
"""Different pairs, and different triples, that are kept after each of these counts."""
_BITS = 21  # of a word's number: LISTED and all the words of a flush, and of a sentence, fit
_SHOWN = 50
_POINTS = 60  # of a curve
_STEP = 1.2  # words between two points of the vocabulary's growth, as a factor


class Frequencies:
    """Running counts of the words of sentences."""

    def __init__(self) -> None:
        self.words = 0
        """Words in all."""
        self.sentences = 0
        self.lengths: Counter[int] = Counter()
        """Sentences by their number of words."""
        self._numbers: dict[str, int] = defaultdict(count(1).__next__)
        self._counts: Numbers = np.zeros(1, np.int64)
        self._pairs, self._triples = _Runs(), _Runs()
        self._stream = array("i")
        self._counted = 0  # words of the growth curve
        self._growth: list[tuple[int, int]] = []
        self._next = 10.0

    def add(self, sentence: Sequence[str]) -> None:
        """Count the words of a sentence."""
        if len(self._counts) <= LISTED:
            self._stream.extend(map(self._numbers.__getitem__, sentence))
        else:
            self._stream.extend(map(self._numbers.get, sentence, repeat(0)))
        self._stream.append(0)
        self.words += len(sentence)
        self.sentences += 1
        self.lengths[len(sentence)] += 1
        if len(self._stream) >= FLUSH:
            self._flush()

    def _flush(self) -> None:
        stream = np.array(self._stream, np.int64)
        del self._stream[:]
        listed, before = stream[stream > 0], len(self._counts) - 1
        if len(listed) and before < LISTED:
            reached = np.maximum(np.maximum.accumulate(listed), before)
            while int(self._next) <= self._counted + len(listed):
                self._growth.append((int(self._next), int(reached[int(self._next) - self._counted - 1])))
                self._next *= _STEP
            self._counted += len(listed)
        counts = np.bincount(stream, minlength=max(len(self._counts), 1 + len(self._numbers)))
        counts[: len(self._counts)] += self._counts
        self._counts = counts
        self._counts[0] = 0
        first, second, third = stream[:-2], stream[1:-1], stream[2:]
        pair = (first > 0) & (second > 0)
        self._pairs.add(first[pair] << _BITS | second[pair])
        triple = pair & (third > 0)
        self._triples.add(first[triple] << 2 * _BITS | second[triple] << _BITS | third[triple])

    def summary(self) -> dict[str, Any]:
        """All counts, the most frequent words and runs, and both laws."""
        self._flush()
        counts = self._counts[1:]
        words = list(self._numbers)
        ranked = np.sort(counts)[::-1]
        growth = [*self._growth, (self._counted, len(counts))] if 0 < len(counts) < LISTED else self._growth
        return {
            "sentences": self.sentences,
            "words": self.words,
            "different": len(counts),
            "once": int((counts == 1).sum()),
            "unlisted": self.words - int(counts.sum()),
            "sentence_words": {"mean": self.words / max(1, self.sentences), **_spread(self.lengths)},
            "frequent": {
                "words": _most(counts, words.__getitem__),
                "pairs": self._pairs.most(words, 2),
                "triples": self._triples.most(words, 3),
            },
            "lost": {"pairs": self._pairs.lost, "triples": self._triples.lost},
            "zipf": zipf(ranked),
            "heaps": heaps(growth),
        }


class _Runs:
    """Counts of runs of words, each a number that the words' numbers make up."""

    def __init__(self) -> None:
        self.keys: Numbers = np.empty(0, np.int64)
        self.counts: Numbers = np.empty(0, np.int64)
        self.lost = 0
        """How much too low a count can be, because the run had been forgotten."""

    def add(self, keys: Numbers) -> None:
        keys, counts = _tallied(np.sort(keys), None)
        keys = np.concatenate([self.keys, keys])
        order = np.argsort(keys, kind="stable")  # two sorted halves: a merge
        self.keys, self.counts = _tallied(keys[order], np.concatenate([self.counts, counts])[order])
        if len(self.keys) > RUNS:
            limit = int(np.partition(self.counts, len(self.counts) - RUNS // 2)[len(self.counts) - RUNS // 2])
            kept = self.counts > limit
            self.keys, self.counts = self.keys[kept], self.counts[kept]
            self.lost += limit

    def most(self, words: Sequence[str], size: int) -> list[list[Any]]:
        def text(number: int) -> str:
            key = int(self.keys[number])
            return " ".join(words[(key >> _BITS * place & (1 << _BITS) - 1) - 1] for place in reversed(range(size)))

        return _most(self.counts, text)


def _tallied(keys: Numbers, counts: Numbers | None) -> tuple[Numbers, Numbers]:
    """The different ones of sorted keys, and the sums of their counts (None: one each)."""
    if not len(keys):
        return keys, np.empty(0, np.int64)
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return keys[starts], np.diff(np.append(starts, len(keys))) if counts is None else np.add.reduceat(counts, starts)


def _most(counts: Numbers, text: Callable[[int], str]) -> list[list[Any]]:
    """The most frequent ones; of equally frequent ones those first that were met first."""
    order = np.argsort(-counts, kind="stable")[:_SHOWN]
    return [[text(number), int(counts[number])] for number in order.tolist()]


def _spread(lengths: Counter[int]) -> dict[str, Any]:
    """Quantiles of lengths, and how many there are in each five, the last one open."""
    fives: Counter[int] = Counter()
    for length, number in lengths.items():
        fives[min(length // 5 * 5, 100)] += number
    return {"quantiles": quantiles(lengths), "histogram": {str(lower): fives[lower] for lower in range(0, max(fives, default=-5) + 5, 5)}}


QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def quantiles(values: Counter[int]) -> dict[str, int]:
    """The value that each share does not exceed."""
    found, seen, wanted = {}, 0, list(QUANTILES)
    for value, number in sorted(values.items()):
        seen += number
        while wanted and seen >= wanted[0] * values.total():
            found[f"{wanted.pop(0):.0%}"] = value
    return found


def zipf(ranked: Numbers) -> dict[str, Any] | None:
    """Zipf's law for counts from the largest to the smallest: fitted to ranks at even distances on the logarithmic scale, down to the last
    word that occurs five times; None where these are too few.
    """
    ranks = np.unique(np.geomspace(1, max(1, len(ranked)), _POINTS).astype(np.int64)) if len(ranked) else np.empty(0, np.int64)
    points = np.stack([ranks, ranked[ranks - 1]], axis=1)
    return _law(points, points[points[:, 1] >= 5], -1)


def heaps(growth: Sequence[tuple[int, int]]) -> dict[str, Any] | None:
    """Heaps' law for (words, different words): fitted to all points from the hundredth word on; None where these are too few."""
    points = np.array(growth, np.int64).reshape(-1, 2)
    return _law(points, points[points[:, 0] >= 100], 1)


def _law(points: Numbers, fitted: Numbers, sign: int) -> dict[str, Any] | None:
    """y = factor * x^(sign * exponent), the share of the variance of log y that it explains, and what it was fitted to."""
    if len(fitted) < 5:
        return None
    x, y = np.log(fitted.astype(np.float64)).T
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    intercept = float(y.mean() - slope * x.mean())
    rest, spread = float(((y - intercept - slope * x) ** 2).sum()), float(((y - y.mean()) ** 2).sum())
    return {
        "exponent": round(sign * slope, 6),
        "factor": float(f"{np.exp(intercept):.6g}"),
        "explained": round(1 - rest / spread, 6) if spread else 1.0,
        "from": int(fitted[0, 0]),
        "to": int(fitted[-1, 0]),
        "points": points.tolist(),
    }
