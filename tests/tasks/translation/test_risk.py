"""Minimum Bayes risk: sacrebleu is the oracle of the utility, a loop that of the choice."""

import random

import numpy as np
import pytest
from sacrebleu.metrics import CHRF

from zhixing.tasks.translation.risk import chrf, ranked


def texts(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return ["", "a", "知行"] + ["".join(draw.choices("ab 知行合一", k=draw.randrange(1, 30))) for _ in range(count)]


def test_all_pairs_are_scored_as_sacrebleu_scores_each():
    hypotheses, references = texts(20, 0), texts(15, 1)[1:]
    oracle = CHRF()
    expected = [[oracle.sentence_score(a, [b]).score for b in references] for a in hypotheses]
    assert chrf(hypotheses, references) == pytest.approx(np.array(expected), abs=1e-9)


def test_the_most_like_all_is_chosen_and_equal_draws_count_again():
    drawn = ["the cat sat", "the cat sits", "a dog", "the cat sat", "it rains", ""]
    oracle = CHRF()
    utility = [np.mean([oracle.sentence_score(a, [b]).score if b else 0.0 for b in drawn]) for a in drawn]
    order = ranked(drawn)
    assert order[0][0] == 0
    assert len(order) == 5
    for place, value in order:
        assert drawn[place] == "" or value == pytest.approx(utility[place], abs=1e-9)
    assert ranked(drawn[::-1])[0][1] == pytest.approx(order[0][1])
