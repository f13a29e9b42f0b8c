"""Near copies: how alike two texts are, and a sketch by which texts that are alike are found without comparing all pairs.

The likeness of two texts is the Jaccard similarity of their shingles: runs of `shingle` units, a unit being a word, or a character of
Chinese. A MinHash sketch agrees in each place with a probability equal to that similarity (Broder 1997); cut into bands of r rows, two
texts of similarity s share at least one of b bands with probability 1 - (1 - s^r)^b (Leskovec et al., Mining of Massive Datasets, 3.4).
Texts that share a band are then compared by their real similarity, so that nothing is left out by an estimate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zhixing.config import Settings
from zhixing.corpus.han import UNIT

Hashes = NDArray[np.uint64]
Number = TypeVar("Number", np.uint64, np.int64)

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd: powers of it never vanish modulo 2^64
_KEPT_UNITS = 1 << 20
"""Units whose hash is remembered; then all are forgotten, so that memory stays bounded."""


class NearSettings(Settings):
    """Which documents count as near copies of an earlier one."""

    on: bool = True
    """Whether near copies are left out. A near copy of a training text in the validation part makes every figure too good."""
    similarity: float = Field(default=0.8, gt=0, le=1)
    """Share of shingles in common (Jaccard) from which on two documents are near copies; Lee et al. 2022 (arXiv 2107.06499) use 0.8."""
    chance: float = Field(default=0.99, gt=0, lt=1)
    """Chance that a pair of exactly this similarity is looked at; more similar pairs are more certain."""
    shingle: int = Field(default=5, ge=1, le=64)
    """Words, or Chinese characters, in a shingle."""
    permutations: int = Field(default=128, ge=8, le=1024)
    """Numbers in a sketch."""


def banding(settings: NearSettings) -> tuple[int, int]:
    """Bands and rows: as many rows a band (few pairs to look at in vain) as the wanted chance allows."""
    for rows in range(settings.permutations, 0, -1):
        bands = settings.permutations // rows
        if 1 - (1 - settings.similarity**rows) ** bands >= settings.chance:
            return bands, rows
    return settings.permutations, 1


class Units:
    """Hashes of units and of runs of them; keeps those of units that it has met."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def hashes(self, units: Sequence[str]) -> Hashes:
        """A hash for each unit [units]."""
        known = self._known
        if len(known) > _KEPT_UNITS:
            known.clear()
        for unit in set(units).difference(known):
            known[unit] = int.from_bytes(hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        return np.fromiter((known[unit] for unit in units), np.uint64, len(units))


def runs(hashes: Hashes, size: int) -> Hashes:
    """A hash for each run of so many of the units with these hashes [units - size + 1]."""
    count = max(0, len(hashes) - size + 1)
    found = np.zeros(count, np.uint64)
    for place, power in enumerate(_powers(size)):
        found += hashes[place : place + count] * power
    return _mixed(found)


class Sketcher:
    """Makes shingles and sketches."""

    def __init__(self, settings: NearSettings) -> None:
        self.settings = settings
        self.bands, self.rows = banding(settings)
        draw = np.random.Generator(np.random.PCG64(20_261_123))
        count = self.bands * self.rows
        self._factor = draw.integers(0, 1 << 63, count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._offset = draw.integers(0, 1 << 63, count, dtype=np.uint64)
        self._row_powers = _powers(self.rows)
        self._units = Units()

    def shingles(self, text: str) -> Hashes:
        """The different shingles of a text, as sorted hashes; one of all its units where it has fewer than a shingle."""
        hashes, size = self._units.hashes(UNIT.findall(text.lower())), self.settings.shingle
        if len(hashes) < size:
            return np.array([(hashes * _powers(len(hashes))).sum(dtype=np.uint64)], np.uint64) if len(hashes) else hashes
        return distinct(runs(hashes, size))

    def sketch(self, text: str) -> Hashes:
        """A hash for each band [bands]; two texts share one with the probability that `banding` promises. Without units: all different."""
        shingles = self.shingles(text)
        if not len(shingles):
            seed = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
            return _mixed(np.arange(self.bands, dtype=np.uint64) + np.uint64(seed))
        least = np.full(len(self._factor), np.iinfo(np.uint64).max, np.uint64)
        for start in range(0, len(shingles), 512):  # the products of so many stay in the cache
            products = shingles[start : start + 512, None] * self._factor + self._offset
            np.minimum(least, products.min(axis=0), out=least)
        bands = (least.reshape(self.bands, self.rows) * self._row_powers).sum(axis=1, dtype=np.uint64)
        return _mixed(bands + np.arange(self.bands, dtype=np.uint64))


def distinct(values: NDArray[Number]) -> NDArray[Number]:
    """The different values, sorted; a third of the time of `np.unique`'s hash table for a thousand, a twentieth for millions."""
    ordered = np.sort(values)
    different: NDArray[Number] = ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]
    return different


def jaccard(a: Hashes, b: Hashes) -> float:
    """Share of the shingles of two texts that both have."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / max(1, len(a) + len(b) - both)


def _powers(count: int) -> Hashes:
    powers = np.ones(count, np.uint64)
    powers[1:] = _MULTIPLIER
    return np.cumprod(powers, dtype=np.uint64)


def _mixed(values: Hashes) -> Hashes:
    """Well-mixed bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
