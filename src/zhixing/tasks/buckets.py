"""Batches of examples of about the same length, so that hardly anything is padded.

1. Each epoch shuffles all examples, from the seed and the epoch alone.
2. Every so many batches' worth of them is sorted by length and cut into batches; what stands together in a batch still depends on chance.
3. The batches of the epoch are shuffled, so that the lengths come in no order.

The batch of a step is a pure function of (seed, step): a run that was stopped goes on with the batch that was due.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

POOL = 32
"""Batches whose examples are sorted together."""

Integers = NDArray[np.int64]


class Buckets:
    """The order in which examples are trained on."""

    def __init__(self, lengths: Integers, seed: int) -> None:
        """lengths: tokens of each example."""
        self.lengths, self.seed = lengths, seed
        self._epoch = lru_cache(maxsize=2)(self._shuffled)

    def steps(self, size: int) -> int:
        """Batches of an epoch; the last of them may be smaller than `size`."""
        return -(-len(self.lengths) // size)

    def batch(self, step: int, size: int) -> Integers:
        """The numbers of the examples of a step's batch."""
        epoch, place = divmod(step, self.steps(size))
        batches: list[Integers] = self._epoch(epoch, size)
        return batches[place]

    def _shuffled(self, epoch: int, size: int) -> list[Integers]:
        generator = np.random.default_rng((self.seed, epoch))
        order = generator.permutation(len(self.lengths))
        pool = POOL * size
        edges = list(range(0, len(order), pool))
        if len(edges) > 1 and len(order) - edges[-1] < pool // 2:  # a small rest would be one of unequal lengths
            edges.pop()
        batches: list[Integers] = []
        for start, stop in pairwise([*edges, len(order)]):
            part = order[start:stop]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches += (part[i : i + size] for i in range(0, len(part), size))
        return [batches[i] for i in generator.permutation(len(batches))]


def by_length(lengths: Integers, tokens: int) -> list[Integers]:
    """All examples in batches of about so many tokens, padding counted, the longest first: for use, where order is no matter."""
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, tokens // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches
