"""Scores of numbers, against scikit-learn and scipy."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from zhixing.evaluate.significance import value
from zhixing.metrics import regression as ours


@pytest.mark.parametrize("cases", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_equal_to_scikit_learn_and_scipy(cases):
    generator = np.random.default_rng(7)
    for number in range(cases):
        count = int(generator.integers(3, 30))
        gold = generator.normal(generator.choice([0, 1e6]), 1, count)
        predicted = gold + generator.normal(0, 2, count)
        if number % 2:
            gold, predicted = np.round(gold), np.round(predicted)  # with equal values
        found = {metric.name: value(metric, ours.rows(gold, predicted)) for metric in ours.REGRESSION}
        assert found["mse"] == pytest.approx(sk.mean_squared_error(gold, predicted))
        assert found["mae"] == pytest.approx(sk.mean_absolute_error(gold, predicted))
        if len(set(gold)) > 1 and len(set(predicted)) > 1:
            assert found["pearson"] == pytest.approx(stats.pearsonr(gold, predicted).statistic, abs=1e-8)
            assert found["spearman"] == pytest.approx(stats.spearmanr(gold, predicted).statistic, abs=1e-10)
        else:
            assert math.isnan(found["pearson"])
            assert math.isnan(found["spearman"])


def test_ranks_in_resamples_are_those_of_the_rows_repeated():
    generator = np.random.default_rng(8)
    rows = ours.rows(np.round(generator.normal(0, 2, 25)), np.round(generator.normal(0, 2, 25)))
    counts = generator.multinomial(25, np.full(25, 1 / 25), size=50).astype(float)
    for found, times in zip(ours.Spearman().score_sets(rows, counts), counts, strict=True):
        repeated = np.repeat(rows, times.astype(int), axis=0)
        assert found == pytest.approx(stats.spearmanr(repeated[:, ours.X], repeated[:, ours.Y]).statistic)


def test_what_is_not_finite_or_not_paired_is_refused():
    with pytest.raises(ValueError, match="finite"):
        ours.rows(np.array([1.0, np.nan]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="same examples"):
        ours.rows(np.array([1.0]), np.array([1.0, 2.0]))
