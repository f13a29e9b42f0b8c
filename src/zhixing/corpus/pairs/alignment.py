"""Which pairs translate each other, by what the corpus itself says about its words.

IBM Model 1 (Brown et al. 1993, "The Mathematics of Statistical Machine Translation", section 4.1) is trained on the pairs: t(f|e), the
probability that a word e of the source gives a word f of the target, by expectation maximisation. A pair is then scored by how much better
its source predicts its target's words than their frequency does:

    score = mean over words f of the target of  ln( 1/(l + 1) sum over e in source and NULL of t(f|e) ) - ln p(f)

A pair would vouch for itself, so the even pairs are scored by a model of the odd ones, and the other way round. A pair is doubtful when its
score is no better than that of pairs dealt at random, or when the source of a neighbour predicts its target better than its own source:
that is how it looks where lines have slipped. What stands between two doubtful pairs needs less to be doubtful, too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zhixing.corpus.pairs.pair import Pair

VOCABULARY = 1 << 15
"""Most frequent words of each side that are told apart."""
ROUNDS = 4
LONGEST = 16
"""Words of a side that are looked at."""
MOST = 30_000
"""Pairs that each of the two models learns from, spread evenly over the corpus."""
BAR = 0.95
"""Quantile of the scores of random pairs below which a pair is doubtful."""
MARGIN = 0.5
"""How much better, in nats a word, a neighbour's source has to predict a target than its own does; between doubtful pairs: by how much
less well it may."""
NEAR = (-2, -1, 1, 2)
"""Which neighbours are asked."""
FEWEST = 5_000
"""Pairs below which there is too little to learn from."""

_WORD = re.compile(r"\d+|[^\W\d_]+")
Ids = NDArray[np.int64]


def words(text: str) -> list[str]:
    """The words of a text; Chinese is segmented by jieba's dictionary."""
    import rjieba

    found: list[str] = []
    for run in _WORD.findall(text.lower()[:400]):
        found += [run] if run.isascii() else rjieba.cut(run)
    return found[:LONGEST]


def doubtful(pairs: Sequence[Pair]) -> NDArray[np.bool_] | None:
    """Whether each pair does not seem to be a translation; None where there are too few to tell."""
    count = len(pairs)
    if count < FEWEST:
        return None
    sources, targets = (_numbered([words(getattr(pair, side)) for pair in pairs]) for side in ("source", "target"))
    step = max(1, count // (2 * MOST))
    models = [_Model(sources[half :: 2 * step], targets[half :: 2 * step]) for half in (0, 1)]

    def scores(offset: int) -> NDArray[np.float64]:
        """Of each target with the source `offset` lines further on, by the model that has not learnt from the target."""
        return np.array([models[1 - i % 2].score(sources[(i + offset) % count], targets[i]) for i in range(count)])

    own = scores(0)
    shuffled = np.random.default_rng(0).permutation(count)
    by_chance = [models[1 - i % 2].score(sources[shuffled[i]], targets[i]) for i in range(0, count, max(1, count // 5000))]
    bar = float(np.nanquantile(by_chance, BAR))
    better = np.fmax.reduce([scores(offset) for offset in NEAR]) - own
    with np.errstate(invalid="ignore"):  # of what has no known word (nan) nothing is said
        found = np.asarray((own < bar) | (better > MARGIN))
        between = np.roll(found, 1) & np.roll(found, -1) & (better > -MARGIN)
    return np.asarray(found | between)


def _numbered(texts: list[list[str]]) -> list[Ids]:
    """Words as numbers by frequency, from 1 on; words that occur once, or past the vocabulary, are left out."""
    counts = Counter(word for text in texts for word in set(text))
    known = {word: n for n, (word, times) in enumerate(counts.most_common(VOCABULARY), start=1) if times > 1}
    return [np.array([known[word] for word in text if word in known], np.int64) for text in texts]


class _Model:
    """t(f|e) for words that occur together, as expected counts of (e, f) in a table of hashes and of e, and p(f)."""

    def __init__(self, sources: list[Ids], targets: list[Ids]) -> None:
        longest = [len(one) + 1 for one in sources], [len(other) for other in targets]
        givers = np.concatenate([np.tile(np.append(one, 0), len(other)) for one, other in zip(sources, targets, strict=True)])
        given = np.concatenate([np.repeat(other, len(one) + 1) for one, other in zip(sources, targets, strict=True)])
        group = np.repeat(np.arange(sum(longest[1])), np.repeat(*longest))  # which word of which target
        place = _place(givers, given)
        share = np.ones(len(place))
        for _ in range(ROUNDS):
            share /= np.bincount(group, share)[group]
            self.counts, self.totals = np.bincount(place, share, TABLE), np.bincount(givers, share, VOCABULARY + 1)
            share = self.counts[place] / self.totals[givers]
        frequency = np.bincount(np.concatenate(targets), minlength=VOCABULARY + 1) + 0.5
        self.frequency = frequency / frequency.sum()

    def score(self, source: Ids, target: Ids) -> float:
        """The mean logarithm of how much more probable the source makes the words of the target; nan where none of them is known."""
        if not len(target):
            return float("nan")
        givers = np.append(source, 0)
        counts, totals = self.counts[_place(givers[None, :], target[:, None])], self.totals[givers]
        probability = (counts / np.maximum(totals, 1.0)).mean(axis=1)
        usual = self.frequency[target]
        return float(np.log((0.98 * probability + 0.02 * usual) / usual).mean())


TABLE = 1 << 23
"""Places for pairs of words: so many that few share one."""


def _place(givers: Ids, given: Ids) -> Ids:
    return ((givers * 0x9E3779B1 + given * 0x85EBCA77) >> 7) % TABLE
