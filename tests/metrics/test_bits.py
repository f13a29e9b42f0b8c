"""Metrics of language models, by hand."""

import math

import numpy as np
import pytest

from zhixing.metrics.bits import LANGUAGE_MODEL, BitsPerByte, BitsPerCharacter, Perplexity

ROW = np.array([8 * math.log(2), 4.0, 16.0, 2.0])  # 8 bits over 4 tokens, 16 bytes, 2 characters


def test_by_hand():
    assert BitsPerByte().score(ROW) == pytest.approx(0.5)
    assert BitsPerCharacter().score(ROW) == pytest.approx(4.0)
    assert Perplexity().score(ROW) == pytest.approx(4.0)


@pytest.mark.parametrize("metric", LANGUAGE_MODEL, ids=lambda m: m.name)
def test_scores_of_sums_are_vectorised(metric):
    rows = np.random.default_rng(0).uniform(1, 9, size=(5, 3, 4))
    scores = metric.score(rows)
    assert scores.shape == (5, 3)
    assert scores[2, 1] == metric.score(rows[2, 1])


@pytest.mark.parametrize("metric", LANGUAGE_MODEL, ids=lambda m: m.name)
def test_fewer_nats_are_better(metric):
    assert metric.lower_is_better
    assert metric.score(ROW * [0.5, 1, 1, 1]) < metric.score(ROW)
