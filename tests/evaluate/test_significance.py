"""Intervals and paired tests: their promises, by simulation."""

import numpy as np
import pytest
from scipy import stats

from zhixing.evaluate.significance import interval, paired, resampled
from zhixing.metrics.bits import BitsPerByte

METRIC = BitsPerByte()


def documents(generator, count, bits=1.2, spread=0.3):
    """Rows of documents whose bits per byte scatter about `bits`."""
    size = generator.lognormal(6, 0.7, count)
    nats = size * np.log(2) * generator.normal(bits, spread, count)
    return np.stack([nats, size / 4, size, size / 2], axis=1)


def test_intervals_cover():
    generator = np.random.default_rng(1)
    truth = float(METRIC.score(documents(generator, 400_000).sum(0)))
    inside = 0
    for trial in range(600):
        estimate = interval(METRIC, documents(generator, 120), resamples=400, seed=trial)
        inside += estimate.low <= truth <= estimate.high
    assert 0.92 <= inside / 600 <= 0.97


def test_interval_is_scipys():
    rows = documents(np.random.default_rng(2), 80)
    ours = interval(METRIC, rows, resamples=8000)
    theirs = stats.bootstrap(
        (rows[:, 0], rows[:, 2]), lambda nats, size, axis: nats.sum(axis) / size.sum(axis) / np.log(2),
        paired=True, method="percentile", n_resamples=8000, rng=np.random.default_rng(0), vectorized=True,
    ).confidence_interval  # fmt: skip
    assert ours.low == pytest.approx(theirs.low, abs=0.004)
    assert ours.high == pytest.approx(theirs.high, abs=0.004)


def test_a_system_does_not_differ_from_itself():
    rows = documents(np.random.default_rng(3), 50)
    d = paired(METRIC, rows, rows.copy())
    assert (d.difference, d.low, d.high, d.p) == (0, 0, 0, 1)


def test_false_alarms_are_as_rare_as_stated():
    generator = np.random.default_rng(4)
    alarms = 0
    for trial in range(500):
        rows = documents(generator, 100)
        a, b = rows.copy(), rows.copy()
        for one in (a, b):
            one[:, 0] += rows[:, 2] * generator.normal(0, 0.05, 100)
        alarms += paired(METRIC, a, b, resamples=400, seed=trial).p < 0.05
    assert alarms / 500 <= 0.08


def test_a_small_steady_difference_is_found_by_pairing():
    generator = np.random.default_rng(5)
    a = documents(generator, 100)
    b = a * [0.99, 1, 1, 1] + generator.normal(0, 0.5, (100, 4)) * [1, 0, 0, 0]
    assert interval(METRIC, a).low < float(METRIC.score(b.sum(0)))  # the intervals overlap
    d = paired(METRIC, a, b)
    assert d.p < 0.01
    assert d.high < 0


def test_resampling_is_repeatable_and_whole():
    rows = documents(np.random.default_rng(6), 30)
    first, second = (np.concatenate([counts for _, counts in resampled(rows, 100, 7)]) for _ in range(2))
    assert np.array_equal(first, second)
    assert (first.sum(1) == 30).all()
    [(kinds, counts)] = resampled(np.repeat([[1.0], [2.0]], [20, 10], axis=0), 4000, 7)
    assert kinds.tolist() == [[1], [2]]  # equal rows are drawn together
    assert (counts.sum(1) == 30).all()
    assert counts[:, 1].mean() == pytest.approx(10, abs=0.2)
    assert counts[:, 1].std() == pytest.approx((30 * 1 / 3 * 2 / 3) ** 0.5, abs=0.1)


def test_different_examples_are_refused():
    with pytest.raises(ValueError, match="same examples"):
        paired(METRIC, np.ones((3, 4)), np.ones((4, 4)))
