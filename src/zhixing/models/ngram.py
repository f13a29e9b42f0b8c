"""An n-gram model with interpolated Kneser-Ney smoothing: the strongest model that needs no gradient, and so a baseline worth beating.

    p(w | h) = max(c(h w) - d, 0) / c(h)  +  d N(h .) / c(h)  p(w | h')                     (Chen & Goodman 1999, section 4.1.6)

h' is h without its first token, c counts occurrences at the highest order and distinct left contexts below it, N(h .) is the number of
distinct tokens seen after h, d = n1 / (n1 + 2 n2) from the numbers of n-grams seen once and twice. Below one token it is uniform.

Counts are sorted arrays, looked up by binary search: about 20 bytes an n-gram, and no Python object for any of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class _Level:
    """Counts of the n-grams of one order. Keys are ranks: (rank of the first n-1 tokens) * vocabulary + last token."""

    keys: Ids
    counts: Ids
    context_counts: Ids
    """Sum of counts by rank of the context."""
    context_types: Ids
    """Number of different last tokens by rank of the context."""
    discount: float


class NGram:
    """An n-gram model over integers 0..vocabulary-1.

    A key is a 64-bit integer: the rank of an n-gram's context among the contexts of its length, times the vocabulary, plus its last token.
    So one integer holds an n-gram of any order.
    """

    def __init__(self, vocabulary: int, order: int = 5) -> None:
        self.vocabulary, self.order = vocabulary, order
        self._full: list[Ids] = []  # per order: sorted keys of all n-grams seen, whose places are the ranks of the next order's contexts
        self._levels: list[_Level] = []

    def fit(self, ids: Ids) -> NGram:
        """Count the n-grams of a stream of tokens."""
        ids = np.asarray(ids, dtype=np.int64)
        ranks: list[Ids] = [np.zeros(len(ids) + 1, dtype=np.int64)]  # ranks[n][i]: rank of the n tokens before position i
        occurrences: list[Ids] = []
        for n in range(1, self.order + 1):
            count = len(ids) - n + 1
            if count <= 0:
                break
            keys = ranks[n - 1][n - 1 : n - 1 + count] * self.vocabulary + ids[n - 1 :]
            unique, place, number = np.unique(keys, return_inverse=True, return_counts=True)
            self._full.append(unique)
            occurrences.append(number)
            following = np.zeros(len(ids) + 1, dtype=np.int64)
            following[n:] = place
            ranks.append(following)
        for n in range(1, len(self._full) + 1):
            counts = occurrences[n - 1] if n == len(self._full) else self._left_contexts(ids, ranks, n)
            self._levels.append(self._level(self._full[n - 1], counts))
        return self

    @property
    def size(self) -> int:
        """Number of different n-grams of all orders that were counted."""
        return sum(len(keys) for keys in self._full)

    def _left_contexts(self, ids: Ids, ranks: list[Ids], n: int) -> Ids:
        """How many different tokens stand before each n-gram."""
        place = ranks[n][n + 1 :]  # the n-gram that ends before each position, where a token stands before it
        pairs = np.sort(place * self.vocabulary + ids[: len(place)])
        new = np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]  # np.unique's hash table takes 20 times as long for millions
        counts = np.bincount(pairs[new] // self.vocabulary, minlength=len(self._full[n - 1]))
        return np.maximum(counts, 1)  # the very first n-gram of the stream has the start before it

    def _level(self, keys: Ids, counts: Ids) -> _Level:
        contexts = keys // self.vocabulary
        size = int(contexts[-1]) + 1
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        return _Level(
            keys,
            counts,
            np.bincount(contexts, weights=counts, minlength=size).astype(np.int64),
            np.bincount(contexts, minlength=size),
            once / (once + 2 * twice) if once else 0.5,
        )

    def nats(self, ids: Ids) -> NDArray[np.float64]:
        """-ln p of each token given those before it in `ids`: [T]. Vectorised over positions."""
        ids = np.asarray(ids, dtype=np.int64)
        probability = np.full(len(ids), 1 / self.vocabulary)
        context = np.zeros(len(ids), dtype=np.int64)  # rank of the n-1 tokens before each position, -1 where not seen
        contexts = [context]
        for n in range(1, len(self._levels)):
            # the rank of n tokens before i: its first n-1 are the n-1 tokens before i-1
            before = contexts[-1]
            rank = np.full(len(ids), -1, dtype=np.int64)
            usable = before[:-1] >= 0
            found = _find(self._full[n - 1], before[:-1] * self.vocabulary + ids[:-1])
            rank[1:] = np.where(usable, found, -1)
            if n > 1:
                rank[: n - 1] = -1
            contexts.append(rank)
        for n, level in enumerate(self._levels, start=1):
            rank = contexts[n - 1]
            known = (rank >= 0) & (rank < len(level.context_counts))
            known[known] &= level.context_counts[rank[known]] > 0
            r, w = rank[known], ids[known]
            place = _find(level.keys, r * self.vocabulary + w)
            count = np.where(place >= 0, level.counts[place], 0)
            total = level.context_counts[r]
            direct = np.maximum(count - level.discount, 0) / total
            probability[known] = direct + level.discount * level.context_types[r] / total * probability[known]
        return np.asarray(-np.log(probability), dtype=np.float64)


def _find(keys: Ids, wanted: Ids) -> Ids:
    """Places of `wanted` among sorted `keys`, -1 where absent."""
    place = np.searchsorted(keys, wanted)
    place[place == len(keys)] = 0
    return np.where(keys[place] == wanted, place, -1)
