"""Intervals and paired tests: their promises, by simulation."""

import numpy as np
import pytest
from scipy import stats

from zhixing.evaluate.bounds import wilson
from zhixing.evaluate.resampling import BLOCKS, blocks, resampled
from zhixing.evaluate.significance import differences, estimates, interval, intervals, mcnemar, paired, paired_all
from zhixing.metrics import classification, probabilities, regression
from zhixing.metrics.bits import BitsPerByte

METRIC = BitsPerByte()
LABELS = (classification.Accuracy(), classification.Averaged("f1", "macro"), classification.Matthews())
CLASSES = 3


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


def texts(generator, count, good=0.8, hard=None):
    """Gold and predicted labels; `hard` [count] shifts how often each text is got right."""
    gold = generator.choice(CLASSES, count, p=[0.5, 0.3, 0.2])
    right = generator.random(count) < np.clip(good + (0 if hard is None else hard), 0, 1)
    return gold, np.where(right, gold, generator.integers(0, CLASSES, count))


def chances(generator, count):
    """Rows of texts with probabilities that know something."""
    gold = generator.integers(0, 2, count)
    up = 1 / (1 + np.exp(-generator.normal(gold * 1.2 - 0.6, 1)))
    return probabilities.rows(gold, np.stack([1 - up, up], axis=1))


def answers(generator, count):
    """Rows [1, F1] of answers: many wrong or wholly right, some between."""
    f1 = np.where(generator.random(count) < 0.5, generator.integers(0, 2, count), generator.beta(2, 2, count))
    return regression.rows(np.zeros(count), f1)


def share_covered(metrics, draw, trials, count, resamples=400):
    """How often the interval of each metric holds its value over very many examples."""
    generator = np.random.default_rng(11)
    truth = [
        m.score(draw(generator, 400_000).sum(0))
        if hasattr(m, "score")
        else m.score_sets(draw(generator, 200_000), np.ones((1, 200_000)))[0]
        for m in metrics
    ]
    inside = np.zeros(len(metrics))
    for trial in range(trials):
        found = intervals(metrics, draw(generator, count), resamples, seed=trial)
        inside += [e.low <= t <= e.high for e, t in zip(found, truth, strict=True)]
    return inside / trials


def labelled(generator, count):
    return classification.rows(*texts(generator, count), CLASSES)


FAMILIES = {
    "labels": (LABELS, labelled),
    "probabilities": ((probabilities.LogLoss(), probabilities.Brier(), *probabilities.PROBABILITIES[3:]), chances),
    "answers": ((regression.Error("mae"),), answers),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_intervals_of_all_kinds_cover(family):
    covered = share_covered(*FAMILIES[family], trials=80, count=200, resamples=300)
    assert (covered >= 0.87).all(), covered


@pytest.mark.slow
@pytest.mark.parametrize(("count", "least"), [(200, 0.93), (50, 0.93)])
@pytest.mark.parametrize("family", FAMILIES)
def test_intervals_of_all_kinds_cover_as_stated(family, count, least):
    covered = share_covered(*FAMILIES[family], trials=2000, count=count)
    assert (covered >= least).all(), covered
    assert (covered <= 0.975).all(), covered  # of 50 texts: Wilson 0.966, macro F1 0.971


def alarms(test, trials, count=100, resamples=400):
    """How often each metric finds a difference between two systems that are alike."""
    generator = np.random.default_rng(12)
    metrics = LABELS[:1] if test == "mcnemar" else LABELS
    found = np.zeros(len(metrics))
    for trial in range(trials):
        hard = generator.normal(0, 0.2, count)
        gold, first = texts(generator, count, hard=hard)
        second = np.where(generator.random(count) < np.clip(0.8 + hard, 0, 1), gold, generator.integers(0, CLASSES, count))
        a, b = (classification.rows(gold, predicted, CLASSES) for predicted in (first, second))
        found += [d.p < 0.05 for d in paired_all(metrics, a, b, resamples, seed=trial, test=test)]
    return found / trials


@pytest.mark.parametrize("test", ["bootstrap", "permutation", "mcnemar"])
def test_tests_seldom_find_what_is_not_there(test):
    assert (alarms(test, trials=100, resamples=200) <= 0.12).all()


@pytest.mark.slow
@pytest.mark.parametrize("test", ["bootstrap", "permutation", "mcnemar"])
def test_tests_err_as_often_as_stated(test):
    assert (alarms(test, trials=1000, resamples=1000) <= 0.06).all()


@pytest.mark.parametrize("test", ["bootstrap", "permutation"])
def test_areas_and_correlations_are_compared_too(test):
    generator = np.random.default_rng(13)
    gold = generator.integers(0, 2, 200)
    good, poor = (1 / (1 + np.exp(-generator.normal(gold * strength, 1))) for strength in (2.0, 0.5))
    a, b = (probabilities.rows(gold, np.stack([1 - up, up], axis=1)) for up in (poor, good))
    for metric in probabilities.PROBABILITIES[3:]:
        there, back = paired(metric, a, b, test=test), paired(metric, b, a, test=test)
        assert there.p < 0.01
        assert there.low > 0
        assert back.difference == -there.difference


def test_permutation_is_the_exact_test_on_few_examples():
    a, b = labelled(np.random.default_rng(14), 12), labelled(np.random.default_rng(15), 12)
    metric = LABELS[0]
    observed = abs(paired(metric, a, b).difference)
    swaps = (np.arange(2**12)[:, None] >> np.arange(12)) & 1
    exact = np.mean(
        [
            abs(metric.score(np.where(s[:, None], a, b).sum(0)) - metric.score(np.where(s[:, None], b, a).sum(0))) >= observed - 1e-12
            for s in swaps
        ]
    )
    assert paired(metric, a, b, resamples=20_000, test="permutation").p == pytest.approx(exact, abs=0.015)
    assert mcnemar(metric.hits(a), metric.hits(b)) == pytest.approx(exact)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (3, 3), (1, 9), (10, 25), (0, 6)])
def test_mcnemar_is_statsmodels_and_scipys(only_a, only_b):
    a = np.array([1.0] * 7 + [1.0] * only_a + [0.0] * only_b)
    b = np.array([1.0] * 7 + [0.0] * only_a + [1.0] * only_b)
    apart = only_a + only_b
    exact = stats.binomtest(only_a, apart).pvalue if apart else 1
    assert mcnemar(a, b) == pytest.approx(exact)
    assert mcnemar(b, a) == pytest.approx(exact)
    if apart:
        half = stats.binom.pmf(min(only_a, only_b), apart, 0.5)
        assert mcnemar(a, b, "mid-p") == pytest.approx(1 if only_a == only_b else exact - half)
        assert mcnemar(a, b, "chi-square") == pytest.approx(stats.chi2.sf(max(0, abs(only_a - only_b) - 1) ** 2 / apart, 1))
    with pytest.raises(ValueError, match="same examples"):
        mcnemar(a, b[1:])


@pytest.mark.parametrize(("right", "count"), [(0, 10), (10, 10), (7, 10), (950, 1000)])
def test_wilsons_interval_is_scipys(right, count):
    theirs = stats.binomtest(right, count).proportion_ci(method="wilson")
    assert wilson(np.array([1.0] * right + [0.0] * (count - right))) == pytest.approx((theirs.low, theirs.high))


def test_sums_of_blocks_scatter_as_rows_do():
    rows = documents(np.random.default_rng(16), 4 * BLOCKS)
    assert len(blocks(rows)) == BLOCKS
    assert blocks(rows).sum(0) == pytest.approx(rows.sum(0))
    few = interval(METRIC, rows, resamples=2000)
    scattered = np.concatenate(
        [METRIC.score(np.random.default_rng(i).multinomial(len(rows), np.full(len(rows), 1 / len(rows)), 50) @ rows) for i in range(10)]
    )
    assert few.high - few.low == pytest.approx(2 * 1.96 * scattered.std(), rel=0.15)
    assert len(blocks(labelled(np.random.default_rng(17), 4 * BLOCKS))) == 4 * BLOCKS  # of few kinds: drawn together anyway


def test_very_many_texts_get_an_area_too():
    rows = chances(np.random.default_rng(18), 40_000)
    metric = probabilities.Area("roc")
    many, few = interval(metric, rows), interval(metric, rows[:1000])
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(40**0.5, rel=0.25)
    assert many.low < many.value < many.high


def test_what_verbs_print(capsys):
    rows = labelled(np.random.default_rng(19), 60)
    found = estimates(LABELS, rows, "texts:60")
    assert list(found) == ["accuracy", "f1_macro", "mcc"]
    assert found["accuracy"]["signature"] == "accuracy|v1|texts:60|interval:wilson95"
    assert found["f1_macro"]["signature"] == "f1_macro|v1|0/0:0|texts:60|interval:bootstrap-logit95"
    compared = differences(LABELS, rows, rows, test="permutation")
    assert compared["mcc"]["signature"] == "mcc|v1|0/0:0|test:approximate-randomisation|resamples:2000"
    one_class = probabilities.rows(np.zeros(5, int), np.full((5, 2), 0.5))
    assert "roc_auc" not in estimates(probabilities.PROBABILITIES, one_class)
    assert "roc_auc, pr_auc do not exist" in capsys.readouterr().err
    with pytest.raises(ValueError, match="f1_macro is none of"):
        differences(LABELS[1:], rows, rows, test="mcnemar")
