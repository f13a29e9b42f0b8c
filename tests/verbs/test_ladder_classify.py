"""`ladder classify`: rungs of seconds, each the real run of `finetune classify`."""

import json
import random
import sys

import pytest

import zhixing as zx
from zhixing import cli
from zhixing.errors import ArtifactError, InputError, Interrupted, SettingError

SMALL = {"model.width": 16, "tokenizer.kind": "word", "objective.window": 24, "train.batch": 8, "train.steps": 8}


def rows(count, seed):
    draw = random.Random(seed)
    words = (("fine", "lovely", "grand"), ("dull", "awful", "boring"))
    return [(f"a {draw.choice(words[i % 2])} film, number {seed * 1000 + i} of many", ("pos", "neg")[i % 2]) for i in range(count)]


def table(path, content):
    path.write_text("".join(f"{text}\t{label}\n" for text, label in content), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rungs")
    table(folder / "train.tsv", rows(100, 1))
    table(folder / "test.tsv", rows(40, 2))
    return folder


@pytest.fixture(scope="module")
def climbed(place):
    arguments = {"data": [str(place / "train.tsv")], "test": [str(place / "test.tsv")], "out": place / "ladder", "settings": SMALL}
    return arguments, zx.ladder.classify(**arguments, rungs=["majority,linear", "cnn"])


def test_table_advice_and_report(climbed, place):
    _, result = climbed
    assert [rung.name for rung in result.rungs] == ["majority", "linear", "cnn"]
    assert (result.train_texts, result.test_texts, result.metric) == (100, 40, "accuracy")
    by_name = {rung.name: rung for rung in result.rungs}
    assert by_name["majority"].metrics["accuracy"].value == 0.5
    assert by_name["linear"].metrics["accuracy"].value == 1.0
    assert result.best == "linear"
    assert result.advised == "linear"
    assert result.advice.startswith("take linear: it is the best in accuracy")
    assert (by_name["linear"].p, by_name["majority"].difference) == (None, -0.5)
    assert by_name["majority"].p < 1e-4
    assert by_name["cnn"].run == str(place / "ladder" / "cnn")
    assert zx.Predictor.open(place / "ladder" / "cnn").labels == ("neg", "pos")
    assert {"precision_macro", "recall_macro", "f1_macro", "mcc"} <= by_name["cnn"].metrics.keys()
    assert "texts:40|rung:cnn" in by_name["cnn"].metrics["accuracy"].signature
    assert all(min(r.parameters, r.bytes, r.seconds, r.texts_per_second) > 0 for r in result.rungs)
    weights = (place / "ladder" / "cnn" / "model.safetensors").stat().st_size
    assert by_name["cnn"].bytes == weights + (place / "ladder" / "cnn" / "tokenizer.json").stat().st_size
    page = (place / "ladder" / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "文本卷积网络" in page
    assert 'href="cnn/report.html"' in page
    assert result.model_dump() == json.loads((place / "ladder" / "result.json").read_text())
    assert len(list(result.lines())) == 6


def test_what_the_rung_says_is_what_the_run_says(climbed, place):
    said = json.loads((place / "ladder" / "rungs" / "cnn.json").read_text())["said"]
    predictor = zx.Predictor.open(place / "ladder" / "cnn")
    assert [predictor.labels[i] for i in said] == [p.label for p in predictor([text for text, _ in rows(40, 2)])]
    evaluated = zx.evaluate(place / "ladder" / "cnn", data=[str(place / "test.tsv")])
    mine = next(r for r in climbed[1].rungs if r.name == "cnn").metrics["f1_macro"]
    assert (mine.value, mine.low, mine.high) == tuple(getattr(evaluated.metrics["f1_macro"], k) for k in ("value", "low", "high"))


def test_a_finished_rung_is_not_climbed_again_and_the_ladder_grows(climbed, place, capsys):
    arguments, first = climbed
    grown = zx.ladder.classify(**arguments, rungs=["cnn", "fasttext"])
    said = capsys.readouterr().err
    assert "cnn: finished already" in said
    assert "fasttext: training" in said
    assert [rung.name for rung in grown.rungs] == ["majority", "linear", "fasttext", "cnn"]
    assert [r.metrics for r in grown.rungs if r.name != "fasttext"] == [r.metrics for r in first.rungs]
    with pytest.raises(ArtifactError, match="was begun with other data"):
        zx.ladder.classify(**{**arguments, "test": None}, rungs=["majority"])
    with pytest.raises(ArtifactError, match="was begun with settings"):
        zx.ladder.classify(**{**arguments, "settings": {}}, rungs=["majority"])


def test_a_stop_is_taken_up_again(place, monkeypatch, tmp_path):
    arguments = {"data": [str(place / "train.tsv")], "out": tmp_path / "x", "rungs": ["majority,linear"]}
    module = sys.modules["zhixing.verbs.ladder.classify"]
    real = module._cheap

    def stopped(name, *rest):
        if name == "linear":
            raise KeyboardInterrupt
        return real(name, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_cheap", stopped)
        with pytest.raises(Interrupted, match="stopped in linear; the same command continues"):
            zx.ladder.classify(**arguments)
    begun = (tmp_path / "x" / "rungs" / "majority.json").stat().st_mtime_ns
    assert [r.name for r in zx.ladder.classify(**arguments).rungs] == ["majority", "linear"]
    assert (tmp_path / "x" / "rungs" / "majority.json").stat().st_mtime_ns == begun


def test_folds_measure_every_text_once(place, tmp_path):
    result = zx.ladder.classify(
        data=[str(place / "train.tsv")], out=tmp_path / "x", folds=2, rungs=["linear,transformer"],
        settings={**SMALL, "model.heads": 2, "train.steps": 2},
    )  # fmt: skip
    assert (result.test_texts, result.folds, result.train_texts) == (100, 2, 50)
    assert result.rungs[0].metrics["accuracy"].value > 0.95
    assert "texts:100|folds:2" in result.rungs[1].metrics["accuracy"].signature
    record = json.loads((tmp_path / "x" / "rungs" / "transformer.json").read_text())
    assert len(record["said"]) == 100
    assert sorted(p.name for p in (tmp_path / "x" / "transformer").iterdir()) == ["fold-1", "fold-2"]


def test_the_packaged_encoder_is_not_for_chinese(tmp_path):
    data = table(tmp_path / "zh.tsv", [(f"这部电影{('好看', '难看')[i % 2]}，第{i}集", i % 2) for i in range(30)])
    with pytest.raises(SettingError, match="has read no Chinese"):
        zx.ladder.classify(data=[data], out=tmp_path / "x", rungs=["pretrained"])
    assert not (tmp_path / "x").exists()


def test_numbers_and_sets(tmp_path):
    lines = [{"text": f"{'good ' * (i % 5)}film {i}", "score": i % 5 + i / 100, "tags": ["x", "y"][: i % 3]} for i in range(60)]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    for column, settings, metric in (("score", {"data.kind": "number"}, "mse"), ("tags", {}, "f1_micro")):
        result = zx.ladder.classify(
            data=[str(tmp_path / "x.jsonl")], out=tmp_path / column, text_column="text", label_column=column, rungs=["majority,linear"],
            settings=settings,
        )  # fmt: skip
        assert result.metric == metric
        assert metric in result.rungs[1].metrics


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [
        ({"rungs": ["linear,gru"]}, {}, "does not know 'gru'"),
        ({"rungs": [","]}, {}, "names none"),
        ({}, {"model.kind": "bert"}, "choose them with --rungs"),
        ({"minutes": 0}, {}, "minutes: must be a positive number"),
        ({"minutes": 1}, {"train.steps": 5}, "together with --minutes: both say how long to train"),
        ({}, {"train.steps": 5, "objective.epochs": 1}, "together with objective.epochs: both say"),
        ({"folds": 0}, {}, "folds: must be at least 1"),
        ({"folds": 2, "test": ["x.tsv"]}, {}, "test: cannot be given together with --folds"),
        ({}, {"model.windws": [2]}, "did you mean model.windows"),
    ],
)
def test_mistakes_leave_nothing(arguments, settings, says, place, tmp_path):
    with pytest.raises(SettingError, match=says):
        zx.ladder.classify(data=[str(place / "train.tsv")], out=tmp_path / "x", settings=settings, **arguments)
    assert not list(tmp_path.iterdir())


def test_bad_data_leaves_nothing(place, tmp_path):
    bad = table(tmp_path / "bad.tsv", [("one text", "pos"), ("two", "neutral")])
    with pytest.raises(InputError, match=r"bad\.tsv:2: label 'neutral' is unknown"):
        zx.ladder.classify(data=[str(place / "train.tsv")], test=[bad], out=tmp_path / "x", rungs=["majority"])
    assert [p.name for p in tmp_path.iterdir()] == ["bad.tsv"]


def test_the_command_line(place, tmp_path, capsys):
    words = ["ladder", "classify", "--data", str(place / "train.tsv"), "--out", str(tmp_path / "x"), "--rungs", "majority,linear", "--json"]
    assert cli.run(words) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [rung["name"] for rung in printed["rungs"]] == ["majority", "linear"]
    with pytest.raises(ArtifactError, match="is a folder of kind ladder"):
        zx.ladder(tmp_path / "x", out=tmp_path / "y")
