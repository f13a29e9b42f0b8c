import numpy as np
import pytest

from zhixing.evaluate.advice import Contender, advise, holm
from zhixing.evaluate.significance import mcnemar
from zhixing.metrics.classification import Accuracy, rows
from zhixing.metrics.regression import Error
from zhixing.metrics.regression import rows as number_rows


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def contender(name, wrong, cost, count=200):
    """A system that is wrong at the places given."""
    said = np.zeros(count, dtype=np.int64)
    said[list(wrong)] = 1
    return Contender(name, rows(np.zeros(count, dtype=np.int64), said, 2), cost)


def test_the_cheapest_of_those_that_are_not_worse():
    best, near = contender("slow", range(5), 3.0), contender("fair", range(8), 1.0)
    poor, dear = contender("poor", range(60), 0.1), contender("dear", range(6), 9.0)
    found = advise(Accuracy(), [poor, near, best, dear])
    assert (found.best, found.taken) == ("slow", "fair")
    raw = {one.name: mcnemar(Accuracy().hits(best.rows), Accuracy().hits(one.rows)) for one in (poor, near, dear)}
    assert found.p == min(1.0, max(2 * raw["fair"], 3 * raw["poor"]))
    assert found.against.keys() == {"slow", "poor", "dear"}
    difference, p = found.against["poor"]
    assert difference.difference == pytest.approx(-52 / 200)
    assert p < 1e-10


def test_the_best_where_all_others_are_worse_or_equal():
    best, poor = contender("slow", range(5), 3.0), contender("poor", range(60), 0.1)
    assert advise(Accuracy(), [poor, best]).taken == "slow"
    found = advise(Accuracy(), [best, contender("same", range(5), 1.0)])
    assert (found.best, found.taken, found.p) == ("same", "same", 1.0)
    assert advise(Accuracy(), [best]).against == {}


def test_errors_are_better_when_small():
    draw = np.random.default_rng(0)
    gold = draw.normal(size=300)
    near, far = (
        Contender(n, number_rows(gold, gold + s * draw.normal(size=300)), c) for n, s, c in (("near", 0.1, 2.0), ("far", 1.0, 1.0))
    )
    found = advise(Error("mse"), [near, far])
    assert (found.best, found.taken) == ("near", "near")
    assert found.against["far"][0].difference > 0.5
    assert found.against["far"][1] < 0.01
