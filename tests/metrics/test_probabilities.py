"""Calibration and ranking, against scikit-learn and a slow obvious version."""

import math

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.preprocessing import label_binarize

from zhixing.evaluate.significance import value
from zhixing.metrics import probabilities as ours


def case(generator, ties=False):
    classes, count = int(generator.integers(2, 5)), int(generator.integers(8, 60))
    table = generator.dirichlet(np.ones(classes), count)
    if ties:
        table = np.round(table, 1) + 1e-3
        table /= table.sum(1, keepdims=True)
    gold = np.concatenate([np.arange(classes), generator.integers(0, classes, count - classes)])
    return gold, table


@pytest.mark.parametrize("cases", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_areas_losses_and_brier_equal_scikit_learns(cases):
    generator = np.random.default_rng(3)
    for number in range(cases):
        gold, table = case(generator, ties=bool(number % 2))
        rows, classes = ours.rows(gold, table), table.shape[1]
        binary = classes == 2
        theirs = {
            "roc_auc": sk.roc_auc_score(gold, table[:, 1] if binary else table, multi_class="ovr"),
            "pr_auc": sk.average_precision_score(gold if binary else label_binarize(gold, classes=range(classes)),
                                                 table[:, 1] if binary else table),
            "log_loss": sk.log_loss(gold, table, labels=range(classes)),
            "brier": ((label_binarize(gold, classes=range(classes + 1))[:, :classes] - table) ** 2).sum(1).mean(),
        }  # fmt: skip
        for metric in ours.PROBABILITIES:
            if metric.name in theirs:
                assert value(metric, rows) == pytest.approx(theirs[metric.name], abs=1e-12), metric.name


def test_areas_of_resamples_are_those_of_the_rows_repeated():
    generator = np.random.default_rng(4)
    for metric in (ours.Area("roc"), ours.Area("pr")):
        gold, table = case(generator, ties=True)
        rows = ours.rows(gold, table)
        counts = generator.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=20).astype(float)
        for found, times in zip(metric.score_sets(rows, counts), counts, strict=True):
            assert found == pytest.approx(value(metric, np.repeat(rows, times.astype(int), axis=0)), nan_ok=True)


def test_one_class_has_no_area():
    rows = ours.rows(np.zeros(5, int), np.full((5, 2), 0.5))
    assert math.isnan(value(ours.Area("roc"), rows))
    assert math.isnan(value(ours.Area("pr"), rows))


def test_calibration_error_and_curve_by_counting():
    generator = np.random.default_rng(5)
    for _ in range(300):
        gold, table = case(generator)
        confidence, right = table.max(1), table.argmax(1) == gold
        expected, curve = 0.0, {}
        for b in range(15):
            inside = [i for i in range(len(gold)) if b / 15 < confidence[i] <= (b + 1) / 15]
            if inside:
                curve[b] = (len(inside), confidence[inside].mean(), right[inside].mean())
                expected += len(inside) / len(gold) * abs(confidence[inside].mean() - right[inside].mean())
        rows = ours.rows(gold, table)
        assert ours.CalibrationError().score(rows.sum(0)) == pytest.approx(expected)
        found = {b: (one.texts, one.confidence, one.accuracy) for b, one in enumerate(ours.reliability(rows)) if one.texts}
        assert found.keys() == curve.keys()
        assert all(found[b] == pytest.approx(curve[b]) for b in curve)


def test_temperature_gives_back_what_was_spoilt():
    generator = np.random.default_rng(6)
    logits = generator.normal(0, 2, (20_000, 4))
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    gold = (chances.cumsum(1) > generator.random((20_000, 1))).argmax(1)
    for spoilt in (0.2, 1.0, 3.0):
        assert ours.temperature(gold, logits * spoilt) == pytest.approx(spoilt, rel=0.04)


def test_what_is_no_probability_is_refused():
    for table in ([[0.5, 0.6]], [[1.5, -0.5]], [[float("nan"), 1.0]]):
        with pytest.raises(ValueError, match="add up to 1"):
            ours.rows(np.array([0]), np.array(table))
    with pytest.raises(ValueError, match="same texts"):
        ours.rows(np.array([0, 1]), np.array([[0.5, 0.5]]))
