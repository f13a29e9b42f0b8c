"""Stratified splits and folds."""

from collections import Counter

import pytest

from zhixing.corpus.labelled import Example
from zhixing.corpus.labelled.split import folds, split
from zhixing.errors import InputError

EXAMPLES = [Example(f"text number {i}", "abc"[(i % 7) // 3], "x.tsv", i + 1) for i in range(210)]


def test_each_class_gives_its_share():
    train, valid = split(EXAMPLES, 0.1, 0)
    assert Counter(e.label for e in valid) == {"a": 9, "b": 9, "c": 3}
    assert sorted(train + valid, key=lambda e: e.line) == EXAMPLES


def test_it_depends_on_the_texts_and_the_seed_alone():
    _, valid = split(EXAMPLES, 0.1, 0)
    _, again = split(EXAMPLES[::-1], 0.1, 0)
    assert {e.line for e in again} == {e.line for e in valid}
    assert {e.line for e in split(EXAMPLES, 0.1, 1)[1]} != {e.line for e in valid}


def test_copies_stay_together():
    twice = [*EXAMPLES, *(Example(e.text.upper() + " !", e.label, "y.tsv", e.line) for e in EXAMPLES)]
    train, valid = split(twice, 0.2, 0)
    assert not {e.key for e in train} & {e.key for e in valid}
    for fold in folds(twice, 5, 0):
        held = {twice[i].key for i in fold}
        assert not held & {e.key for i, e in enumerate(twice) if i not in set(fold)}


def test_a_class_of_one_text_is_trained_on():
    train, valid = split([*EXAMPLES, Example("alone", "d", "x.tsv", 999)], 0.1, 0)
    assert "d" in {e.label for e in train}
    assert "d" not in {e.label for e in valid}


def test_folds_share_out_everything_evenly():
    made = folds(EXAMPLES, 5, 0)
    assert sorted(i for fold in made for i in fold) == list(range(210))
    assert [len(fold) for fold in made] == [42] * 5
    for label, count in (("a", 90), ("b", 90), ("c", 30)):
        assert {sum(EXAMPLES[i].label == label for i in fold) for fold in made} <= {count // 5 - 1, count // 5, count // 5 + 1}


def test_numbers_and_sets_of_labels():
    numbers = [Example(f"text {i}", float(i), "x.tsv", i) for i in range(100)]
    _, valid = split(numbers, 0.1, 0)
    assert sorted(int(e.label) // 10 for e in valid) == list(range(10))
    sets = [Example(f"text {i}", ("a", "rare") if i < 10 else ("a",), "x.tsv", i) for i in range(100)]
    _, valid = split(sets, 0.1, 0)
    assert sum("rare" in e.label for e in valid) == 1


@pytest.mark.parametrize("seed", range(20))
def test_no_label_is_held_out_whole(seed):
    sets = [Example(f"text {i}", labels, "x.tsv", i) for i, labels in enumerate([("a", "x"), ("a",), ("b", "x"), ("b",)])]
    train, valid = split(sets, 0.5, seed)
    assert {name for e in train for name in e.names} == {"a", "b", "x"} and valid
    again = [*EXAMPLES, *(Example(e.text, "postive", "y.tsv", 1) for e in EXAMPLES[:30:10])]
    train, valid = split(again, 0.3, seed)
    assert "postive" in {e.label for e in train}
    assert not {e.key for e in train} & {e.key for e in valid}


def test_numbers_and_sets_of_labels_need_no_class_in_each_fold():
    numbers = [Example(f"text {i}", 1.0 if i < 3 else 4.0 + i % 2, "x.tsv", i) for i in range(100)]
    sets = [Example(f"text {i}", () if i == 0 else ("a",), "x.tsv", i) for i in range(100)]
    for examples in (numbers, sets):
        assert [len(fold) for fold in folds(examples, 5, 0)] == [20] * 5


def test_fewer_texts_of_a_class_than_folds():
    with pytest.raises(InputError, match=r"x\.tsv:7: class 'c' has 30 different texts, fewer than the 31 folds"):
        folds(EXAMPLES, 31, 0)
