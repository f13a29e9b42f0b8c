"""Copies and near copies of held-out pairs among those for training: with them, every score would flatter.

A side is a set of character n-grams (three letters, or two characters of Chinese) of its text without case, spaces and punctuation. Two
sides are near copies when the Jaccard similarity of their sets is at least `similarity`. All similarities of a batch with all held-out
sides are one product of sparse matrices.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhixing.corpus.pairs.pair import Pair
from zhixing.corpus.stats import han_characters

SPACE = 1 << 20
"""Different n-grams that are told apart: hashes modulo this."""
_NOISE = re.compile(r"[\W_]+")


def grams(text: str) -> NDArray[np.int64]:
    """The different n-grams of a text, as sorted hashes; the whole text where it is shorter."""
    plain = _NOISE.sub("", text.lower())
    size = 2 if 2 * han_characters(plain) >= len(plain) else 3
    found = {plain[i : i + size] for i in range(max(1, len(plain) - size + 1))} if plain else set()
    return np.unique(np.array([zlib.crc32(gram.encode("utf-8", "surrogatepass")) % SPACE for gram in found], np.int64))


class HeldOut:
    """Held-out pairs, to be asked whether others resemble them."""

    def __init__(self, pairs: Sequence[Pair], similarity: float) -> None:
        self.pairs, self.similarity = list(pairs), similarity
        self._sides = [_Side([getattr(pair, side) for pair in pairs]) for side in ("source", "target")]

    def near(self, pairs: Sequence[Pair]) -> list[tuple[int, float] | None]:
        """For each pair the most similar held-out one by number, and the similarity, where it is at least the one asked for."""
        best = np.zeros(len(pairs))
        of = np.full(len(pairs), -1)
        for side, name in zip(self._sides, ("source", "target"), strict=True):
            similarity, number = side.nearest([getattr(pair, name) for pair in pairs])
            better = similarity > best
            best[better], of[better] = similarity[better], number[better]
        return [(int(n), float(s)) if s >= self.similarity else None for n, s in zip(of, best, strict=True)]


class _Side:
    def __init__(self, texts: Sequence[str]) -> None:
        self._matrix, self._sizes = _matrix(texts)
        self._matrix = self._matrix.T.tocsr()

    def nearest(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The greatest similarity of each text, and with which."""
        matrix, sizes = _matrix(texts)
        common = (matrix @ self._matrix).tocsr()
        best, of = np.zeros(len(texts)), np.full(len(texts), -1, np.int64)
        rows = np.repeat(np.arange(len(texts)), np.diff(common.indptr))
        similarity = common.data / (sizes[rows] + self._sizes[common.indices] - common.data)
        some = np.flatnonzero(np.diff(common.indptr))
        if len(some):
            best[some] = np.maximum.reduceat(similarity, common.indptr[some])
        greatest = similarity == best[rows]
        of[rows[greatest]] = common.indices[greatest]
        return best, of


def _matrix(texts: Sequence[str]) -> tuple[Any, NDArray[np.float64]]:
    from scipy.sparse import csr_matrix

    sets = [grams(text) for text in texts]
    sizes = np.array([len(found) for found in sets], np.float64)
    places = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    columns = np.concatenate(sets) if sets else np.empty(0, np.int64)
    return csr_matrix((np.ones(len(columns)), columns, places), shape=(len(texts), SPACE)), np.maximum(sizes, 1)
