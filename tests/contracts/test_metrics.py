"""What every metric promises, whatever it measures."""

import random

import numpy as np
import pytest

from zhixing.evaluate.significance import differences, estimates, value
from zhixing.metrics import Rate, SetMetric, answer, bits, classification, probabilities, regression, translation

N = 24


def _rows():
    generator, draw = np.random.default_rng(1), random.Random(1)
    gold = np.arange(N) % 3
    predicted = np.where(generator.random(N) < 0.6, gold, generator.integers(0, 3, N))
    table = generator.dirichlet(np.ones(3), N)
    words = ["the", "cats", "sat", "3", "on", "mats", "."]
    said, wanted = ([" ".join(draw.choices(words, k=draw.randrange(5, 9))) for _ in range(N)] for _ in range(2))
    short = draw.choices(["", "cats sat", "cats"], k=N)
    asked = ["bleu", "chrf", "chrf++", "ter", "meteor", "number_match", "length_ratio"]
    translated, statistics = translation.measure(said, [wanted], "en", sources=wanted, names=asked)
    families = [
        (bits.LANGUAGE_MODEL, generator.uniform(1, 9, (N, 4))),
        ((*classification.CLASSIFICATION, *classification.of_classes("abc")), classification.rows(gold, predicted, 3)),
        (classification.MULTILABEL, classification.multilabel_rows(generator.random((N, 3)) < 0.5, generator.random((N, 3)) < 0.5)),
        (probabilities.PROBABILITIES, probabilities.rows(gold, table)),
        (regression.REGRESSION, regression.rows(generator.normal(size=N), generator.normal(size=N))),
        (answer.metrics("squad2.0"), answer.rows(short, [["cats sat"] if i % 3 else [] for i in range(N)], "squad2.0")),
        (translated, statistics),
    ]
    return [pytest.param(metric, rows, id=metric.name) for metrics, rows in families for metric in metrics]


METRICS = pytest.mark.parametrize(("metric", "rows"), _rows())


@METRICS
def test_it_has_a_name_and_a_signature(metric, rows):
    assert metric.name
    assert metric.signature.count("|") >= 1
    assert " " not in metric.signature.replace(metric.name, "")
    assert isinstance(metric.lower_is_better, bool)
    assert hash(metric) == hash(metric)


@METRICS
def test_the_order_of_examples_does_not_matter(metric, rows):
    turned = rows[np.random.default_rng(2).permutation(N)]
    assert value(metric, turned) == pytest.approx(value(metric, rows), rel=1e-9)
    assert np.isfinite(value(metric, rows))


@METRICS
def test_counts_are_repetitions(metric, rows):
    counts = np.random.default_rng(3).multinomial(N, np.full(N, 1 / N), size=5).astype(float)
    found = metric.score_sets(rows, counts) if isinstance(metric, SetMetric) else metric.score(counts @ rows)
    assert found.shape == (5,)
    for one, times in zip(found, counts, strict=True):
        assert one == pytest.approx(value(metric, np.repeat(rows, times.astype(int), axis=0)), rel=1e-9, nan_ok=True)


@METRICS
def test_hits_make_the_rate(metric, rows):
    if isinstance(metric, Rate):
        hits = metric.hits(rows)
        assert len(hits) <= N
        assert set(hits.tolist()) <= {0, 1}
        assert hits.mean() == pytest.approx(value(metric, rows))


@METRICS
def test_it_has_an_interval_and_a_test(metric, rows):
    [estimate] = estimates([metric], rows, "examples:24", resamples=400).values()
    assert estimate["low"] <= estimate["value"] <= estimate["high"] or metric.name == "ece"  # which is biased, and says so
    assert estimate["low"] < estimate["high"]
    assert estimate["signature"].startswith(metric.signature + "|examples:24|interval:")
    for test in ("bootstrap", "permutation", *(["mcnemar"] if isinstance(metric, Rate) else [])):
        [same] = differences([metric], rows, rows.copy(), test=test, resamples=400).values()
        assert (same["difference"], same["low"], same["high"], same["p"]) == (0, 0, 0, 1)
