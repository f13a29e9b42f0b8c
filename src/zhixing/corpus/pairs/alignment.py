"""Which pairs translate each other, by what the corpus itself says about its words, its lengths and the order of its lines.

1. IBM Model 1 (Brown et al. 1993, "The Mathematics of Statistical Machine Translation", section 4.1) is trained on the pairs in both
   directions: t(f|e), the probability that a word e of one side gives a word f of the other, by expectation maximisation. A text is scored
   by how much better its partner predicts its words than their frequency does:

       score = mean over words f of  ln( 1/(l + 1) sum over e in partner and NULL of t(f|e) ) - ln p(f)

   A pair would vouch for itself, so the even pairs are scored by models of the odd ones, and the other way round.
2. Boosted trees learn to tell the pairs from texts dealt at random, by both scores, how many words they are of, how unusual the ratio of
   lengths is, and how many of the Latin words and numbers of either side stand in the other, too: names and code do, though they may occur
   only once. The log-odds d(x) of the trees say how much likelier x is for a pair of this corpus than by chance.
3. Some pairs of the corpus are wrong, a share e of them, which look as those dealt at random do: ln(exp d - e) is left for true ones
   (Elkan and Noto 2008, "Learning Classifiers from Only Positive and Unlabeled Data"). e is how often pairs look as the worse half of the
   random ones do.
4. Lines slip in runs, and a run says more than a line does. The state of a hidden Markov chain is how many lines further on the source of a
   target stands: none, up to two in either direction, or nowhere. A pair is doubtful when, all lines before and behind it considered
   (forward-backward; Rabiner 1989, "A Tutorial on Hidden Markov Models"), it is not probable enough that its target's source is its own.

Measured (benchmarks/pairs.py, 10,000 pairs each, runs of six slipped lines): of what is called doubtful, 0.75 was planted in Tatoeba and
all in the Python documentation, the rest being right translations as far as they were looked at; 0.96 of the slipped lines of either are
found, by this or by another rule.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zhixing.corpus.pairs.faults import SLACK, weight
from zhixing.corpus.pairs.pair import Pair

VOCABULARY = 1 << 15
"""Most frequent words of each side that are told apart."""
ROUNDS = 4
LONGEST = 16
"""Words of a side that are looked at."""
MOST = 30_000
"""Pairs that each of the two models learns from, spread evenly over the corpus."""
FEWEST = 5_000
"""Pairs below which there is too little to learn from."""
OFFSETS = (0, -2, -1, 1, 2)
"""How many lines further on a source is looked for."""
SLIP = 1e-3
"""How probable it is that lines begin to slip at a given one."""
STAY, BACK = 0.8, 0.1
"""How probable it is that slipped lines stay so, and that they are right again."""
LOST, FOUND = 0.3, 0.4
"""How probable it is that the target behind one without a source has none either, and that it has its own; else lines have slipped, which
they do where one was put in."""
SURE = 0.7
"""How probable it has to be that a pair is one: to lose a true one costs less than to learn from a wrong one."""
SHARES = (5e-3, 0.3)
"""Least and greatest share of pairs that is taken for wrong."""

_WORD = re.compile(r"\d+|[^\W\d_]+")
Ids = NDArray[np.int64]
Numbers = NDArray[np.float64]


def words(text: str) -> list[str]:
    """The words of a text; Chinese is segmented by jieba's dictionary."""
    import rjieba

    found: list[str] = []
    for run in _WORD.findall(text.lower()[:400]):
        found += [run] if run.isascii() else rjieba.cut(run)
    return found


def doubtful(pairs: Sequence[Pair]) -> NDArray[np.bool_] | None:
    """Whether each pair does not seem to be a translation; None where there are too few to tell."""
    count = len(pairs)
    if count < FEWEST:
        return None
    corpus = _Corpus(pairs)
    every = np.arange(count)
    judge, share = _judge(corpus)
    odds = np.stack([judge(corpus.seen((every + offset) % count, every)) for offset in OFFSETS] + [np.zeros(count)], axis=1)
    least = np.log(share / 10)  # as sure as one may be that a pair is none
    odds[:, :-1] = np.log(np.maximum(np.exp(odds[:, :-1]) - share, np.exp(least))) - np.log1p(-share)
    return np.asarray(_posterior(odds, _moves(share))[:, 0] < SURE)


class _Corpus:
    """Both sides as numbers, and the models of their words."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        texts = [[words(getattr(pair, side)) for pair in pairs] for side in ("source", "target")]
        self.sides = [_numbered([text[:LONGEST] for text in side]) for side in texts]
        self.literals = [[frozenset(word for word in text if word.isascii()) for text in side] for side in texts]
        lengths = [np.log([weight(getattr(pair, side)) + SLACK for pair in pairs]) for side in ("source", "target")]
        self.lengths = lengths[0] + float(np.median(lengths[1] - lengths[0])), lengths[1]
        step = max(1, len(pairs) // (2 * MOST))
        halves = [[side[half :: 2 * step] for side in self.sides] for half in (0, 1)]
        self.models = [(_Model(*half), _Model(*half[::-1])) for half in halves]

    def seen(self, sources: Ids, targets: Ids) -> Numbers:
        """What is seen of sources and targets by number, [N, 7], by models that have not learnt from the target."""
        found = np.zeros((len(targets), 7))
        for half, models in enumerate(self.models):
            mine = np.flatnonzero(targets % 2 != half)
            one, other = [self.sides[0][n] for n in sources[mine]], [self.sides[1][n] for n in targets[mine]]
            found[mine, 0], found[mine, 1] = models[0].scores(one, other), models[1].scores(other, one)
            found[mine, 2], found[mine, 3] = [len(text) for text in other], [len(text) for text in one]
        found[:, 4] = np.abs(self.lengths[1][targets] - self.lengths[0][sources])
        literal = [(self.literals[0][source], self.literals[1][target]) for source, target in zip(sources, targets, strict=True)]
        found[:, 5], found[:, 6] = [_shared(one, other) for one, other in literal], [_shared(other, one) for one, other in literal]
        return found


def _shared(words: frozenset[str], others: frozenset[str]) -> float:
    """The share of words that are among the others; not a number, which trees know how to take, where there is no word."""
    return len(words & others) / len(words) if words else math.nan


def _judge(corpus: _Corpus) -> tuple[Callable[[Numbers], Numbers], float]:
    """Log-odds, by what is seen, of being a pair of the corpus and not one dealt at random; and the share of pairs that are wrong."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    count = len(corpus.sides[0])
    some = np.arange(0, count, max(1, count // MOST))
    pairs = corpus.seen(some, some)
    chance = corpus.seen(np.random.default_rng(0).permutation(count)[: len(some)], some)
    trees = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=16, min_samples_leaf=100, monotonic_cst=[1, 1, 0, 0, -1, 1, 1], early_stopping=False, random_state=0
    )
    trees.fit(np.concatenate([pairs, chance]), np.repeat([1, 0], len(some)))
    bar = np.median(trees.decision_function(chance))
    share = float(np.clip(2 * np.mean(trees.decision_function(pairs) < bar), *SHARES))
    return trees.decision_function, share


def _moves(share: float) -> Numbers:
    """Probabilities of one state behind another: `OFFSETS`, and none."""
    slips = len(OFFSETS) - 1
    moves = np.zeros((slips + 2, slips + 2))
    moves[0] = [1 - share - SLIP, *[SLIP / slips] * slips, share]
    rest = (1 - STAY - BACK) / slips
    moves[1:-1] = rest
    moves[1:-1, 0] = BACK
    np.fill_diagonal(moves[1:-1, 1:-1], STAY)
    moves[-1] = [FOUND, *[(1 - FOUND - LOST) / slips] * slips, LOST]
    return moves


def _posterior(odds: Numbers, moves: Numbers) -> Numbers:
    """Probabilities [N, states] of the states of a chain, by the logarithms of how likely what is seen is in each (forward-backward)."""
    likely = np.exp(odds - odds.max(axis=1, keepdims=True))
    forward, backward = np.empty_like(likely), np.ones_like(likely)
    state = moves[0]
    for n, seen in enumerate(likely):
        state = state * seen
        forward[n] = state = state / state.sum()
        state = state @ moves
    for n in range(len(likely) - 2, -1, -1):
        state = moves @ (likely[n + 1] * backward[n + 1])
        backward[n] = state / state.sum()
    both = forward * backward
    return np.asarray(both / both.sum(axis=1, keepdims=True))


def _numbered(texts: list[list[str]]) -> list[Ids]:
    """Words as numbers by frequency, from 1 on; words that occur once, or past the vocabulary, are left out."""
    counts = Counter(word for text in texts for word in set(text))
    known = {word: n for n, (word, times) in enumerate(counts.most_common(VOCABULARY), start=1) if times > 1}
    return [np.array([known[word] for word in text if word in known], np.int64) for text in texts]


class _Model:
    """t(f|e) for words that occur together, as expected counts of (e, f) in a table of hashes and of e, and p(f)."""

    def __init__(self, sources: list[Ids], targets: list[Ids]) -> None:
        givers, given, group = _crossed(sources, targets)
        place = _place(givers, given)
        share = np.ones(len(place))
        for _ in range(ROUNDS):
            share /= np.bincount(group, share)[group]
            self.counts, self.totals = np.bincount(place, share, TABLE), np.bincount(givers, share, VOCABULARY + 1)
            share = self.counts[place] / self.totals[givers]
        frequency = np.bincount(np.concatenate(targets), minlength=VOCABULARY + 1) + 0.5
        self.frequency = frequency / frequency.sum()

    def scores(self, sources: list[Ids], targets: list[Ids]) -> Numbers:
        """The mean logarithm of how much more probable each source makes the words of its target; 0 where none of them is known."""
        found = [self._scores(sources[n : n + SCORED], targets[n : n + SCORED]) for n in range(0, len(sources), SCORED)]
        return np.concatenate(found) if found else np.empty(0)

    def _scores(self, sources: list[Ids], targets: list[Ids]) -> Numbers:
        givers, given, group = _crossed(sources, targets)
        target, of = np.concatenate(targets), np.repeat(np.arange(len(targets)), [len(text) for text in targets])
        sums = np.bincount(group, self.counts[_place(givers, given)] / np.maximum(self.totals[givers], 1.0), len(target))
        probability = sums / np.array([len(text) + 1 for text in sources])[of]
        usual = self.frequency[target]
        gain = np.log((0.98 * probability + 0.02 * usual) / usual)
        return np.asarray(np.bincount(of, gain, len(targets)) / np.maximum(1, np.bincount(of, minlength=len(targets))))


SCORED = 4096
"""Pairs that are scored at once."""
TABLE = 1 << 23
"""Places for pairs of words: so many that few share one."""


def _crossed(sources: list[Ids], targets: list[Ids]) -> tuple[Ids, Ids, Ids]:
    """Each word of a target beside each word of its source and NULL: the giver, the given, and which word of all targets it is."""
    lengths = np.array([len(text) for text in targets], np.int64)
    width = np.repeat([len(text) + 1 for text in sources], lengths).astype(np.int64)  # givers of each word of the targets
    words = np.concatenate([part for text in sources for part in (text, _NULL)])
    begin = np.repeat(np.cumsum([0, *(len(text) + 1 for text in sources[:-1])]), lengths)  # where the givers of each word begin
    group = np.repeat(np.arange(len(width)), width)
    place = np.arange(len(group)) - np.repeat(np.cumsum(width) - width, width)  # among the givers of the same word
    return words[begin[group] + place], np.concatenate(targets)[group], group


_NULL = np.zeros(1, np.int64)


def _place(givers: Ids, given: Ids) -> Ids:
    return ((givers * 0x9E3779B1 + given * 0x85EBCA77) >> 7) % TABLE
