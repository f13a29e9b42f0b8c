"""Scores of labels, against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sk

from zhixing.metrics import classification as ours


def sums(gold, predicted, classes):
    return ours.rows(gold, predicted, classes).sum(0)


def draw(generator):
    """Few and many classes, classes that are missing on one side or on both."""
    classes, count = int(generator.integers(2, 7)), int(generator.integers(1, 40))
    gold = generator.integers(0, generator.integers(1, classes + 1), count)
    predicted = np.where(generator.random(count) < generator.random(), gold, generator.integers(0, classes, count))
    return gold, predicted, classes


MANY = pytest.mark.parametrize("cases", [40, pytest.param(1000, marks=pytest.mark.slow)])


@MANY
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_equal_to_scikit_learn(cases):
    generator = np.random.default_rng(1)
    for _ in range(cases):
        gold, predicted, classes = draw(generator)
        totals, labels = sums(gold, predicted, classes), list(range(classes))
        for average in ("micro", "macro", "weighted"):
            *theirs, _ = sk.precision_recall_fscore_support(gold, predicted, average=average, zero_division=0)
            assert [ours.Averaged(q, average).score(totals) for q in ours.QUANTITIES] == pytest.approx(theirs, abs=1e-12)
        *theirs, _ = sk.precision_recall_fscore_support(gold, predicted, labels=labels, zero_division=np.nan)
        found = np.array([metric.score(totals) for metric in ours.of_classes(labels)]).reshape(classes, 3)
        assert np.allclose(found.T, theirs, equal_nan=True)
        assert ours.Accuracy().score(totals) == pytest.approx(sk.accuracy_score(gold, predicted), abs=1e-12)
        assert ours.Matthews().score(totals) == pytest.approx(sk.matthews_corrcoef(gold, predicted), abs=1e-12)
        assert (ours.confusion(gold, predicted, classes) == sk.confusion_matrix(gold, predicted, labels=labels)).all()


@MANY
def test_any_number_of_labels_equals_scikit_learn(cases):
    generator = np.random.default_rng(2)
    for _ in range(cases):
        shape = int(generator.integers(1, 20)), int(generator.integers(1, 6))
        gold, predicted = (generator.random(shape) < generator.random() for _ in range(2))
        totals = ours.multilabel_rows(gold, predicted).sum(0)
        assert ours.Accuracy("subset_accuracy").score(totals) == pytest.approx(sk.accuracy_score(gold, predicted))
        # Labels that nobody gives have no part in the means; twice as many columns make scikit-learn see several labels at any rate.
        asked = np.flatnonzero(gold.any(0) | predicted.any(0))
        for average in ("micro", "macro", "weighted"):
            found = [ours.Averaged(quantity, average).score(totals) for quantity in ours.QUANTITIES]
            if len(asked):
                wide = [np.concatenate([side, np.zeros_like(side)], axis=1) for side in (gold, predicted)]
                *theirs, _ = sk.precision_recall_fscore_support(*wide, labels=asked, average=average, zero_division=0)
                assert found == pytest.approx(theirs, abs=1e-12)
            else:
                assert found == [0, 0, 0]


def test_a_rare_class_that_a_resample_misses_is_no_mistake():
    gold = np.array([0, 0, 1, 1, 2])
    without = ours.rows(gold, gold, 3)[:4].sum(0)
    assert ours.Averaged("f1", "macro").score(without) == 1


def test_labels_are_numbered_in_order_or_as_given():
    labels, gold, predicted = ours.number(["b", "a"], ["a", "c"])
    assert (labels, gold.tolist(), predicted.tolist()) == (["a", "b", "c"], [1, 0], [0, 2])
    assert ours.number([1], [0], labels=[1, 0])[1].tolist() == [0]
    with pytest.raises(KeyError):
        ours.number(["a"], ["x"], labels=["a"])


def test_labels_of_other_texts_are_refused():
    with pytest.raises(ValueError, match="same texts"):
        ours.rows(np.array([0, 1]), np.array([0]), 2)
    with pytest.raises(ValueError, match="same texts"):
        ours.multilabel_rows(np.zeros((2, 3), bool), np.zeros((2, 2), bool))
