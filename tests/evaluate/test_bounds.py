"""Intervals, each kind against a reference or by hand."""

import numpy as np
import pytest
from scipy import stats

from zhixing.evaluate.bounds import between, hall, percentiles, wilson
from zhixing.evaluate.significance import intervals
from zhixing.metrics import answer, masked, numbers, side_by_side
from zhixing.metrics.classification import Averaged, Matthews, of_classes, rows
from zhixing.metrics.regression import Error
from zhixing.metrics.regression import rows as number_rows


def test_without_skewness_the_interval_of_a_mean_is_students():
    values = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0]) + 10
    theirs = stats.t.interval(0.95, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
    assert hall(values) == pytest.approx(theirs)


def test_halls_ends_are_where_his_polynomial_takes_students_quantiles():
    """The ends, put into the transformation itself instead of its inverse."""
    values = np.random.default_rng(1).lognormal(size=40)
    error, skew = stats.sem(values), stats.skew(values) / np.sqrt(40)
    quantile = stats.t.ppf(0.975, 39)
    for end, wanted in zip(hall(values), (quantile, -quantile), strict=True):
        t = (values.mean() - end) / error
        assert t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6 == pytest.approx(wanted)


def test_a_mean_of_skewed_numbers_reaches_farther_up():
    values = np.array([0.01] * 30 + [4.0])
    low, high = hall(values)
    assert 0 <= low < values.mean() < high
    assert high - values.mean() > 2 * (values.mean() - low)
    assert hall(np.full(5, 2.0)) == (2.0, 2.0)
    assert hall(np.array([3.0])) == (3.0, 3.0)


def test_between_bounds_by_hand():
    scored = np.array([0.8, 0.9, 1.0, 0.9, 0.9] * 100)
    half = stats.t.ppf(0.975, 49) * scored.std() * np.sqrt(50 / 49) / (0.9 * 0.1)
    middle = np.log(0.9 / 0.1)
    wanted = [1 / (1 + np.exp(-(middle + s * half))) for s in (-1, 1)]
    assert between(0.9, scored, (0.0, 1.0), 50) == pytest.approx(wanted)
    assert between(0.8, 2 * scored - 1, (-1.0, 1.0), 50) == pytest.approx([2 * w - 1 for w in wanted])


def test_at_a_bound_the_other_end_is_wilsons():
    """Where all is right, all resamples are, too: they cannot say how sure that is."""
    all_right, none_right = (wilson(np.full(50, hit)) for hit in (1.0, 0.0))
    assert between(1.0, np.ones(500), (0.0, 1.0), 50) == all_right
    assert between(0.0, np.zeros(500), (0.0, 1.0), 50) == none_right
    assert between(1.0, np.ones(500), (-1.0, 1.0), 50) == pytest.approx([2 * end - 1 for end in all_right])
    assert between(1 - 1e-15, np.full(500, 1 - 1e-15), (0.0, 1.0), 50) == all_right
    assert between(1.0, np.ones(500), (0.0, 1.0), 2)[0] < 0.5
    assert between(1.0, np.ones(500), (0.0, 1.0), 0) == (0.0, 1.0)


def test_scores_of_answers_numbers_and_hidden_tokens_are_bounded_too():
    """Also where the metric stands beside others in wider rows."""
    none = wilson(np.zeros(40))
    answered = answer.rows([""] * 40, [["an answer"]] * 40)
    [_, f1] = intervals(answer.metrics(), answered)
    assert (f1.value, f1.low, f1.high) == (0.0, *none)
    kept = numbers.rows([f"it costs {n}" for n in range(1, 41)] + ["no number"] * 9, [""] * 49)
    [_, match] = intervals(*side_by_side([(answer.metrics()[1], np.zeros((49, answered.shape[1]))), (numbers.NumberMatch(), kept)]))
    assert (match.value, match.low, match.high) == (0.0, *none)
    [_, right] = intervals(masked.MASKED, np.array([[9.0, 0.0, 5.0]] * 40))  # nats, right, hidden
    assert (right.value, right.low, right.high) == (0.0, *none)


def test_without_scores_a_number_may_be_anything_it_can_be():
    assert between(np.nan, np.full(5, np.nan), (-1.0, 1.0), 50) == (-1.0, 1.0)
    assert wilson(np.array([])) == (0.0, 1.0)
    assert np.isnan(percentiles(np.full(5, np.nan), 50)).all()


def test_the_intervals_of_a_class_know_how_many_texts_it_has():
    """Ten texts of class 1, two of class 2, none of class 3; all of 1 and 2 found, and one text of 0 taken for 1."""
    gold = np.array([0] * 88 + [1] * 10 + [2] * 2)
    said = np.array([1] + [0] * 87 + [1] * 10 + [2] * 2)
    metrics = of_classes(range(4))
    found = {m.name: e for m, e in zip(metrics, intervals(metrics, rows(gold, said, 4)), strict=True)}
    of = {hits: wilson(np.array([1.0] * hits[0] + [0.0] * (hits[1] - hits[0]))) for hits in ((10, 10), (10, 11), (2, 2))}
    assert (found["recall[1]"].low, found["recall[1]"].high) == of[10, 10]
    assert (found["precision[1]"].low, found["precision[1]"].high) == of[10, 11]
    assert (found["f1[1]"].low, found["f1[1]"].high) == pytest.approx([2 * j / (1 + j) for j in of[10, 11]])
    assert (found["recall[2]"].value, found["recall[2]"].low) == (1, of[2, 2][0])
    for name in ("precision[3]", "recall[3]", "f1[3]"):
        assert np.isnan(found[name].value)
        assert (found[name].low, found[name].high) == (0, 1)
    few, many = (intervals([Averaged("f1", "macro")], rows(g, g, 3))[0] for g in (gold, np.arange(100) % 3))
    assert few.value == many.value == few.high == many.high == 1
    assert few.low < many.low < 1  # two texts of class 2 do not say much


def test_what_a_metric_is_chooses_its_interval():
    draw = np.random.default_rng(0)
    gold = draw.integers(0, 2, 60)
    said = np.where(draw.random(60) < 0.9, gold, 1 - gold)
    [mcc] = intervals([Matthews()], rows(gold, said, 2))
    assert -1 < mcc.low < mcc.value < mcc.high < 1
    assert mcc.high - mcc.value < mcc.value - mcc.low
    errors = number_rows(np.zeros(60), draw.normal(size=60))
    [mse] = intervals([Error("mse")], errors)
    assert (mse.low, mse.high) == hall(errors[:, 1])
