"""The n-gram model against a slow obvious version of the same formula."""

import math
import random
from collections import Counter

import numpy as np
import pytest

from zhixing.models.ngram import NGram


class Slow:
    """Interpolated Kneser-Ney smoothing with dictionaries."""

    def __init__(self, ids, vocabulary, order):
        self.vocabulary, self.order = vocabulary, order
        grams = {n: Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)) for n in range(1, order + 1)}
        self.counts = {order: grams[order]}
        for n in range(1, order):
            lefts = Counter(g[1:] for g in grams[n + 1])  # distinct left contexts
            self.counts[n] = {g: max(1, lefts[g]) for g in grams[n]}
        self.discounts = {}
        for n, counts in self.counts.items():
            once, twice = (sum(c == k for c in counts.values()) for k in (1, 2))
            self.discounts[n] = once / (once + 2 * twice) if once else 0.5

    def probability(self, history, word):
        p = 1 / self.vocabulary
        for n in range(1, self.order + 1):
            context = tuple(history[len(history) - n + 1 :]) if n > 1 else ()
            if len(context) != n - 1:
                break
            following = {g[-1]: c for g, c in self.counts[n].items() if g[:-1] == context}
            if not following:
                break
            total, d = sum(following.values()), self.discounts[n]
            p = max(following.get(word, 0) - d, 0) / total + d * len(following) / total * p
        return p


def stream(count, vocabulary, seed):
    draw = random.Random(seed)
    ids = [0]
    for _ in range(count - 1):
        ids.append((ids[-1] * 3 + draw.choice([0, 0, 1, 5])) % vocabulary)
    return ids


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_equals_the_slow_version(order):
    train, test = stream(300, 11, 1), stream(80, 11, 2)
    fast, slow = NGram(11, order).fit(np.array(train)), Slow(train, 11, order)
    expected = [-math.log(slow.probability(test[:i], test[i])) for i in range(len(test))]
    assert fast.nats(np.array(test)).tolist() == pytest.approx(expected, rel=1e-9)


def test_probabilities_sum_to_one():
    model = NGram(11, 4).fit(np.array(stream(300, 11, 1)))
    for history in ([0], [3, 9, 5], [1, 1, 1, 1], stream(10, 11, 3)):
        total = sum(math.exp(-model.nats(np.array([*history, word]))[-1]) for word in range(11))
        assert total == pytest.approx(1)


def test_a_longer_context_helps_where_there_is_one_to_use():
    train, test = np.array(stream(5000, 50, 1)), np.array(stream(500, 50, 2))
    scores = [NGram(50, order).fit(train).nats(test).mean() for order in (1, 2)]
    assert scores[1] < scores[0] - 0.5


def test_a_stream_shorter_than_the_order():
    assert np.isfinite(NGram(5, 5).fit(np.array([1, 2])).nats(np.array([1, 2, 3]))).all()
