"""Drawing sets of examples at random, for intervals and tests.

1. A resample of N examples with replacement (Efron & Tibshirani 1993; Koehn 2004) is a vector of counts from Multinomial(N, 1/N); many of
   them at once are a matrix W [R, N]. Equal rows are drawn together: a million texts of three classes are at most nine kinds of rows.
2. Summed statistics of all resamples are W @ rows: no example is ever copied. Very many rows are first summed in blocks.
3. Two systems are drawn as one, their rows side by side: on the same resamples, so that what makes a text hard for both cancels out, or
   with their outputs swapped for a random half of the examples, which would change nothing if they were alike (Noreen 1989).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zhixing.metrics import Rows

RESAMPLES = 2000
SEED = 12345
BLOCKS = 5000
"""More rows than that are first summed in random blocks, all of one size: sums of resampled blocks scatter as sums of resampled rows do."""
_PORTION = 1_000_000  # counts that exist at a time

Pairs = Iterator[tuple[Rows, Rows, Rows, Rows]]
"""Rows of A and their counts in r sets, rows of B and theirs."""


def resampled(rows: Rows, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[tuple[Rows, Rows]]:
    """Distinct rows [M, K], and how often each stands in r resamples, [r, M] at a time; the same for the same rows and seed."""
    generator = np.random.default_rng(seed)
    kinds, held = distinct(rows)
    portion = max(1, min(resamples, _PORTION // len(kinds)))
    for start in range(0, resamples, portion):
        size = min(portion, resamples - start)
        if len(kinds) < len(rows):
            counts = generator.multinomial(len(rows), held / len(rows), size=size)
        else:  # the same, and three times as fast
            drawn = generator.integers(0, len(rows), size=(size, len(rows))) + np.arange(size)[:, None] * len(rows)
            counts = np.bincount(drawn.ravel(), minlength=size * len(rows)).reshape(size, len(rows))
        yield kinds, counts.astype(np.float64)


def distinct(rows: Rows) -> tuple[Rows, Rows]:
    """The different rows [M, K] and how many there are of each [M]; all of them, once each, where hardly any are equal."""
    some = rows[:: max(1, len(rows) // 1000)]
    if len(np.unique(some, axis=0)) <= 0.5 * len(some):
        kinds, held = np.unique(rows, axis=0, return_counts=True)
        return kinds, held.astype(np.float64)
    return rows, np.ones(len(rows))


def blocks(rows: Rows, seed: int = SEED) -> Rows:
    """At most `BLOCKS` sums [M, K] of rows [N, K] taken at random; the rows themselves if they are so few, or few kinds."""
    if len(rows) <= BLOCKS or len(distinct(rows)[0]) <= BLOCKS:
        return rows
    size = -(-len(rows) // BLOCKS)
    return np.asarray(np.add.reduceat(rows[np.random.default_rng(seed).permutation(len(rows))], np.arange(0, len(rows), size), axis=0))


def resampled_pairs(both: Rows, resamples: int, seed: int) -> Pairs:
    """The same resamples of A and B, whose rows stand side by side."""
    for kinds, counts in resampled(both, resamples, seed):
        rows_a, rows_b = (np.ascontiguousarray(half) for half in np.split(kinds, 2, axis=1))
        yield rows_a, counts, rows_b, counts


def swapped_pairs(both: Rows, resamples: int, seed: int) -> Pairs:
    """A and B, whose rows stand side by side, with the outputs for a random half of the examples swapped."""
    generator = np.random.default_rng(seed)
    kinds, held = distinct(both)
    rows = np.concatenate(np.split(kinds, 2, axis=1))
    portion = max(1, min(resamples, _PORTION // len(rows)))
    for start in range(0, resamples, portion):
        size = (min(portion, resamples - start), len(kinds))
        stay = generator.binomial(held.astype(np.int64), 0.5, size=size).astype(np.float64)
        yield rows, np.concatenate([stay, held - stay], axis=1), rows, np.concatenate([held - stay, stay], axis=1)
