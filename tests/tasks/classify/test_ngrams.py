"""The linear model of n-grams beside a network: its figures against scikit-learn's own, the weight against a grid, and on disk."""

import json
import sys

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import log_loss
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

import zhixing as zx
from zhixing.corpus.labelled import Example
from zhixing.errors import ArtifactError, MissingPackage, SettingError, UserError
from zhixing.files import write_json
from zhixing.tasks.classify.artifact import open_classifier
from zhixing.tasks.classify.ngrams import STRENGTHS, Counter, NGrams, fit, stacked

ENGLISH = [Example(f"a {word} film {n}", label, "x", n) for n in range(9) for word, label in (("fine", "b"), ("dull", "a"), ("so so", "c"))]
CHINESE = [Example(f"这部电影{word}，第{n}集", label, "x", n) for n in range(9) for word, label in (("好看", "b"), ("难看", "a"))]
SMALL = {"model.kind": "bert", "model.layers": 1, "model.width": 16, "model.heads": 2, "train.steps": 8, "train.batch": 8}


def numbers(examples):
    names = sorted({e.label for e in examples})
    return np.array([names.index(e.label) for e in examples])


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["three classes", "two classes, Chinese"])
def test_margins_are_those_of_scikit_learn(texts, tmp_path):
    gold = numbers(texts)
    logits = np.zeros((len(texts), gold.max() + 1))
    made = fit(texts, gold, texts, gold, logits, "single", 1)
    said = [e.text for e in texts]
    counter = Counter(texts is CHINESE)
    plain = {tuple(np.round(LinearSVC(C=c, random_state=1, max_iter=10_000).fit(counter.fit(said), gold).decision_function(
        counter(said)), 4).ravel()) for c in STRENGTHS}  # fmt: skip
    margins = made.margins(said)
    assert tuple(np.round(margins[:, 1] if margins.shape[1] == 2 else margins, 4).ravel()) in plain
    if margins.shape[1] == 2:
        assert np.array_equal(margins[:, 0], -margins[:, 1])
    again = NGrams.load(tmp_path, made.save(tmp_path))
    assert np.allclose(again.margins([*said, "something else", ""]), made.margins([*said, "something else", ""]), atol=1e-6)
    assert again.weight == made.weight > 0
    (tmp_path / "ngrams.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"the bytes of ngrams.json do not match"):
        NGrams.load(tmp_path, made.save(tmp_path).model_copy(update={"names": "0"}))


def test_rows_are_those_of_the_plain_vectorizer():
    said = [e.text for e in CHINESE]
    plain = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, dtype=np.float32)
    assert (Counter(True).fit(said) != plain.fit_transform(said)).nnz == 0


def test_any_number_of_labels():
    texts = [Example(f"{a} {b} {n}", tuple(x for x in (a, b) if x != "no"), "x", n)
             for n in range(5) for a in ("red", "no") for b in ("car", "no")]  # fmt: skip
    gold = np.array([["car" in e.label, "red" in e.label, True] for e in texts])  # all have the third
    made = fit(texts, gold, texts, gold, np.zeros((len(texts), 3)), "multi", 1)
    margins = made.margins([e.text for e in texts])
    assert ((margins > 0) == gold).all()
    counter = Counter(False)
    rows = counter.fit([e.text for e in texts])
    plain = [OneVsRestClassifier(LinearSVC(C=c, random_state=1, max_iter=10_000)).fit(rows, gold[:, :2]).decision_function(rows)
             for c in STRENGTHS]  # fmt: skip
    assert any(np.allclose(margins[:, :2], one, atol=1e-4) for one in plain)


def test_the_weight_is_the_one_of_the_least_log_loss():
    draw = np.random.default_rng(1)
    gold = draw.integers(4, size=500)
    clear = np.eye(4)[gold]
    logits, margins = 3 * clear + draw.normal(size=(500, 4)) * 3, clear + draw.normal(size=(500, 4))
    weight, loss = stacked(logits, margins, gold)

    def of(w):
        return min(log_loss(gold, torch.tensor((logits + w * margins) / t).softmax(1).numpy()) for t in np.geomspace(0.3, 10, 120))

    assert loss == pytest.approx(of(weight), abs=1e-4)
    assert all(loss <= of(w) + 1e-6 for w in np.linspace(0, 10, 41))
    nothing, _ = stacked(logits, -margins, gold)  # what contradicts the texts is not heard
    assert nothing == 0
    assert stacked(0 * logits, clear, gold)[0] < 200  # always right, and yet no boaster
    both, alone = stacked(logits, margins, clear > 0), stacked(logits, 0 * margins, clear > 0)
    assert both[0] > 0 and both[1] < alone[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("ngrams")
    rows = [f"{e.text} {n}\t{e.label}\n" for n in range(4) for e in ENGLISH]
    (place / "t.tsv").write_text("".join(rows), encoding="utf-8")
    return place, zx.finetune.classify(data=[str(place / "t.tsv")], out=place / "run", settings={**SMALL, "objective.ngrams": True})


def test_a_run_hears_both(run):
    place, result = run
    assert set(result.alone) == {"network", "n-grams"}
    assert result.alone["n-grams"]["accuracy"] == 1
    assert result.metrics["accuracy"].value == 1  # eight steps alone do not get there
    assert result.alone["network"]["accuracy"] < 1
    assert any(line.startswith("n-grams alone") for line in result.lines())
    report = (place / "run" / "report.html").read_text()
    assert "n-grams alone" in report and "仅 n 元组" in report and "cannot be shown" not in report
    opened = open_classifier(place / "run", "cpu")
    texts = ["a dull film", "a fine film", "电影"]
    alone = open_classifier(place / "run", "cpu")
    object.__setattr__(alone, "ngrams", None)
    mixed = alone.logits(texts).numpy() + opened.ngrams.weight * opened.ngrams.margins(texts)
    assert opened.fingerprint != opened.task.weights  # the network alone is another model
    assert np.allclose(opened.logits(texts).numpy(), mixed, atol=1e-5)
    assert [p.label for p in zx.Predictor.open(place / "run")(texts[:2])] == ["a", "b"]
    assert zx.evaluate(place / "run", data=[str(place / "t.tsv")]).metrics["accuracy"].value == 1


@pytest.mark.parametrize("given", [False, True])
def test_validation_texts_are_counted_in_the_end_unless_they_were_given(given, tmp_path):
    """Its weight chosen, the machine is scikit-learn's of all texts of the data; of --valid nothing is learnt."""
    texts = [f"{e.text} {n} {word}" for n in range(4) for e in ENGLISH for word in ("good", "grand")]
    labels = [e.label for _ in range(4) for e in ENGLISH for _ in range(2)]
    for name, some in (("train.tsv", slice(None)), ("valid.tsv", slice(0, 9))):
        rows = zip(texts[some], labels[some], strict=True)
        (tmp_path / name).write_text("".join(f"{'v' * (name[0] == 'v')}{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    how = {"valid": [str(tmp_path / "valid.tsv")]} if given else {}
    settings = {**SMALL, "objective.ngrams": True}
    result = zx.finetune.classify(data=[str(tmp_path / "train.tsv")], out=tmp_path / "run", settings=settings, **how)
    assert result.train_texts + (0 if given else result.valid_texts) == len(texts)
    found = open_classifier(tmp_path / "run", "cpu").ngrams.margins(texts)
    counter = Counter(False)
    rows = counter.fit(texts)
    plain = [LinearSVC(C=c, random_state=1, max_iter=10_000).fit(rows, labels).decision_function(rows) for c in STRENGTHS]
    assert any(np.allclose(found, one, atol=1e-4) for one in plain)
    told = zx.evaluate(tmp_path / "run", data=[str(tmp_path / "train.tsv")])
    assert told.in_training == len(texts)


def test_what_has_changed_is_not_let_through(run, tmp_path):
    import shutil

    place, _ = run
    changed = shutil.copytree(place / "run", tmp_path / "run")
    task = json.loads((changed / "task.json").read_text())
    task["ngrams"]["weight"] = 0.0
    write_json(changed / "task.json", task)
    with pytest.raises(ArtifactError, match="does not say of"):
        open_classifier(changed)
    (changed / "ngrams.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"the bytes of ngrams.safetensors do not match"):
        open_classifier(changed)


def test_seeds_and_folds(run, tmp_path):
    place, _ = run
    settings = {**SMALL, "objective.ngrams": True}
    found = zx.finetune.classify(data=[str(place / "t.tsv")], out=tmp_path / "seeds", seeds=2, settings=settings)
    assert found.alone is not None
    assert open_classifier(tmp_path / "seeds").ngrams is not None
    folds = zx.finetune.classify(data=[str(place / "t.tsv")], out=tmp_path / "folds", folds=2, settings=settings)
    assert folds.metrics["accuracy"].value == 1
    assert folds.alone is None  # what each voice reaches on validation texts is not for the figures of the tested ones


def test_what_cannot_be(run, tmp_path, monkeypatch):
    place, _ = run
    settings = {**SMALL, "objective.ngrams": True}
    (tmp_path / "numbers.tsv").write_text("".join(f"text {i}\t{i / 7}\n" for i in range(40)), encoding="utf-8")
    with pytest.raises(SettingError, match=r"objective.ngrams: = true is for labels, and these texts have numbers"):
        zx.finetune.classify(data=[str(tmp_path / "numbers.tsv")], out=tmp_path / "n", settings={**settings, "data.kind": "number"})
    assert not (tmp_path / "n").exists()
    pytest.importorskip("onnx", reason="needs the extra onnx")
    with pytest.raises(UserError, match=r"train without objective\.ngrams for ONNX"):
        zx.export(place / "run", to="onnx", out=tmp_path / "onnx")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingPackage, match=r"objective.ngrams needs the package scikit-learn"):
        zx.finetune.classify(data=[str(place / "t.tsv")], out=tmp_path / "m", settings=settings)
    with pytest.raises(MissingPackage, match=r"objective.ngrams needs the package scikit-learn"):
        zx.ladder.classify(data=[str(place / "t.tsv")], out=tmp_path / "l", rungs="cnn", settings={"objective.ngrams": True})
    assert not (tmp_path / "l").exists()
    with pytest.raises(MissingPackage, match=r"the n-grams of .* needs the package scikit-learn"):
        open_classifier(place / "run")
