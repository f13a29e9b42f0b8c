import builtins
import sys

import numpy as np
import pytest

import zhixing as zx
from zhixing.corpus.labelled import Example, mostly_chinese
from zhixing.errors import MissingPackage
from zhixing.evaluate.classifier_baselines import linear, majority
from zhixing.metrics.classification import MULTILABEL, Accuracy
from zhixing.metrics.regression import Error
from zhixing.tasks.classify.objective import Targets


def examples(rows):
    return [Example(text, label, "x", line) for line, (text, label) in enumerate(rows, start=1)]


ENGLISH = examples([(f"a {word} film {n}", label) for n in range(8) for word, label in (("fine", "b"), ("dull", "a"), ("grand", "b"))])
CHINESE = examples([(f"这部电影{word}，第{n}集", label) for n in range(8) for word, label in (("好看", "b"), ("难看", "a"))])


def test_the_commonest_label_the_mean_and_what_most_have():
    assert majority(ENGLISH, ENGLISH[:3], Targets.of(ENGLISH, "single")).said.tolist() == [1, 1, 1]
    numbers = examples([("x", 1.0), ("y", 2.0), ("z", 6.0)])
    assert majority(numbers, numbers[:2], Targets.of(numbers, "number")).said.tolist() == [3.0, 3.0]
    sets = examples([("x", ("a", "b")), ("y", ("a",)), ("z", ("c",))])
    assert majority(sets, sets[:1], Targets.of(sets, "multi")).said.tolist() == [[True, False, False]]


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_a_linear_model_learns_what_words_say(texts):
    targets = Targets.of(texts, "single")
    found = linear(texts[:12], texts[12:14], texts[14:], targets, Accuracy(), 1)
    assert [targets.names[i] for i in found.said] == [e.label for e in texts[14:]]
    assert min(found.parameters, found.bytes, found.fitting, found.predicting) > 0


def test_parameters_and_bytes_by_hand():
    texts = examples([("甲乙", "a"), ("丙", "b")])  # 1 to 3 characters: 甲, 乙, 丙, 甲乙; and a constant
    found = linear(texts, texts, texts, Targets.of(texts, "single"), Accuracy(), 1)
    assert found.parameters == 5
    assert found.bytes == 5 * 4 + (3 + 3 + 3 + 6)


def test_numbers_and_sets():
    numbers = examples([(f"{'good ' * n}film", float(n)) for n in range(6)] * 3)
    found = linear(numbers[:12], numbers[12:], numbers[12:], Targets.of(numbers, "number"), Error("mse"), 1)
    assert np.corrcoef(found.said, [e.label for e in numbers[12:]])[0, 1] > 0.9
    sets = examples([("red car", ("car", "red")), ("blue car", ("car",)), ("red boat", ("red",)), ("blue boat", ())] * 5)
    found = linear(sets[:12], sets[12:], sets[12:16], Targets.of(sets, "multi"), MULTILABEL[0], 1)
    assert found.said.tolist() == [[True, True], [True, False], [False, True], [False, False]]


def test_which_language():
    assert mostly_chinese(CHINESE)
    assert not mostly_chinese(ENGLISH)


def test_without_scikit_learn(monkeypatch):
    real = builtins.__import__
    monkeypatch.setattr(
        builtins, "__import__", lambda name, *rest: (_ for _ in ()).throw(ImportError) if "sklearn" in name else real(name, *rest)
    )
    with pytest.raises(
        MissingPackage, match=r"the rung linear needs the package scikit-learn; install it with: pip install 'zhixing\[classify\]'"
    ):
        linear(ENGLISH, ENGLISH, ENGLISH, Targets.of(ENGLISH, "single"), Accuracy(), 1)


def test_without_scikit_learn_nothing_is_begun(tmp_path, monkeypatch):
    (tmp_path / "t.tsv").write_text("".join(f"text {i}\t{i % 2}\n" for i in range(60)), encoding="utf-8")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingPackage, match=r"the rung linear needs the package scikit-learn; install it with"):
        zx.ladder.classify(data=[str(tmp_path / "t.tsv")], out=tmp_path / "ladder", rungs=["majority,linear"])
    assert not (tmp_path / "ladder").exists()
