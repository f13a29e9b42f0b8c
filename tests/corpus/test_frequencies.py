"""Against a plain count with `collections.Counter`, and the laws against scipy."""

import random
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from scipy.stats import linregress

from zhixing.corpus import frequencies
from zhixing.corpus.frequencies import Frequencies, heaps, quantiles, zipf


def text(count, words=3000, seed=1):
    """Sentences of words that are drawn as Zipf's law would."""
    draw = random.Random(seed)
    names = [f"w{i}" for i in range(words)]
    weights = [1 / (i + 1) for i in range(words)]
    return [draw.choices(names, weights, k=draw.randrange(1, 30)) for _ in range(count)]


def counted(sentences):
    found = Frequencies()
    for sentence in sentences:
        found.add(sentence)
    return found.summary()


def runs(sentences, size):
    return Counter(" ".join(run) for s in sentences for run in zip(*(islice(s, start, None) for start in range(size)), strict=False))


@pytest.mark.parametrize("flush", [100, 1 << 19])
def test_counts_are_those_of_a_counter(flush, monkeypatch):
    monkeypatch.setattr(frequencies, "FLUSH", flush)
    sentences = text(2000)
    found = counted(sentences)
    stream = [word for s in sentences for word in s]
    words = Counter(stream)
    assert found["words"] == len(stream)
    assert found["sentences"] == 2000
    assert found["different"] == len(words)
    assert found["once"] == sum(n == 1 for n in words.values())
    assert found["unlisted"] == 0
    assert found["frequent"]["words"] == [list(entry) for entry in words.most_common(50)]  # both: of equal ones the first met
    for name, size in (("pairs", 2), ("triples", 3)):
        true = runs(sentences, size)
        shown = found["frequent"][name]
        assert [n for _, n in shown] == [n for _, n in true.most_common(50)]
        assert all(true[run] == n for run, n in shown)
    for at, different in found["heaps"]["points"]:
        assert different == len(set(stream[:at]))
    assert found["heaps"]["points"][-1] == [len(stream), len(words)]
    ranked = sorted(words.values(), reverse=True)
    assert all(ranked[rank - 1] == n for rank, n in found["zipf"]["points"])
    assert found["zipf"]["points"][-1] == [len(words), ranked[-1]]
    lengths = Counter(map(len, sentences))
    assert found["sentence_words"]["mean"] == np.mean(list(lengths.elements()))
    assert sum(found["sentence_words"]["histogram"].values()) == 2000
    assert found["sentence_words"]["histogram"]["10"] == sum(lengths[n] for n in range(10, 15))
    assert found["sentence_words"]["quantiles"]["50%"] == np.quantile(list(lengths.elements()), 0.5, method="inverted_cdf")


def test_runs_that_are_forgotten_are_owned_up_to(monkeypatch):
    monkeypatch.setattr(frequencies, "FLUSH", 500)
    monkeypatch.setattr(frequencies, "RUNS", 2000)
    sentences = text(3000)
    found = counted(sentences)
    for name, size in (("pairs", 2), ("triples", 3)):
        lost, true = found["lost"][name], runs(sentences, size)
        assert 0 < lost < true.most_common(1)[0][1]
        assert all(n <= true[run] <= n + lost for run, n in found["frequent"][name])
        missing = set(true) - {run for run, _ in found["frequent"][name]}
        assert all(true[run] <= found["frequent"][name][-1][1] + lost for run in missing)


def test_words_beyond_the_limit_are_counted_together(monkeypatch):
    monkeypatch.setattr(frequencies, "FLUSH", 200)
    monkeypatch.setattr(frequencies, "LISTED", 300)
    sentences = text(1000)
    found = counted(sentences)
    words = Counter(word for s in sentences for word in s)
    assert 300 < found["different"] < 600 < len(words)
    assert found["unlisted"] > 0
    assert found["words"] == words.total()
    for word, number in found["frequent"]["words"][:10]:
        assert number == words[word]
    assert all(n <= words[run] for run, n in found["frequent"]["words"])


def test_nothing():
    found = counted([])
    assert (found["words"], found["different"], found["zipf"], found["heaps"]) == (0, 0, None, None)
    assert found["frequent"] == {"words": [], "pairs": [], "triples": []}
    assert found["sentence_words"] == {"mean": 0, "quantiles": {}, "histogram": {}}
    assert counted([["one"]])["frequent"] == {"words": [["one", 1]], "pairs": [], "triples": []}


def test_a_law_that_holds_exactly_is_found():
    ranked = (1e12 / np.arange(1, 50_001) ** 1.25).astype(np.int64)
    found = zipf(ranked)
    assert found["exponent"] == pytest.approx(1.25, abs=1e-4)
    assert found["factor"] == pytest.approx(1e12, rel=1e-3)
    assert found["explained"] == pytest.approx(1)
    growth = [(n, round(7.5 * n**0.6)) for n in (10**k for k in range(4, 12))]
    assert heaps(growth)["exponent"] == pytest.approx(0.6, abs=1e-4)
    assert heaps(growth)["factor"] == pytest.approx(7.5, rel=1e-3)


def test_the_fit_is_that_of_scipy():
    found = counted(text(3000))
    for law, sign, keep in (("zipf", -1, lambda x, y: y >= 5), ("heaps", 1, lambda x, y: x >= 100)):
        points = np.array([p for p in found[law]["points"] if keep(*p)])
        assert (points[0, 0], points[-1, 0]) == (found[law]["from"], found[law]["to"])
        line = linregress(np.log(points[:, 0]), np.log(points[:, 1]))
        assert found[law]["exponent"] == pytest.approx(sign * line.slope, abs=1e-5)
        assert found[law]["factor"] == pytest.approx(np.exp(line.intercept), rel=1e-4)
        assert found[law]["explained"] == pytest.approx(line.rvalue**2, abs=1e-5)
    assert 0.8 < found["zipf"]["exponent"] < 1.2  # as the words were drawn


def test_quantiles_are_values_that_a_share_does_not_exceed():
    values = Counter(range(1, 101))
    assert quantiles(values) == {"5%": 5, "25%": 25, "50%": 50, "75%": 75, "95%": 95}
    assert quantiles(Counter([7])) == dict.fromkeys(("5%", "25%", "50%", "75%", "95%"), 7)
    assert quantiles(Counter()) == {}
