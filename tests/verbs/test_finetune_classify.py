"""`finetune classify`, `predict`, and `evaluate` and `compare` of classifiers: through real folders, with interruptions."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file

import zhixing as zx
from zhixing.errors import ArtifactError, InputError, SettingError
from zhixing.files import write_json
from zhixing.models import SHAPES

SMALL = {
    "model.kind": "modernbert", "model.layers": 1, "model.width": 32, "model.heads": 2, "model.dropout": 0.0, "tokenizer.kind": "word",
    "objective.window": 48,
    "optim.learning_rate": 0.005, "optim.table_rate": 0.005, "optim.vector_rate": 0.005, "train.batch": 8,
}  # fmt: skip
GOOD, BAD = ("fine", "lovely", "好看", "great"), ("dull", "awful", "难看", "boring")


def rows(count, seed):
    draw = random.Random(seed)
    made = []
    for i in range(count):
        words, label = ((GOOD, "pos"), (BAD, "neg"))[i % 2]
        made.append((f"{draw.choice(tiny.SENTENCES)[:12]} a {draw.choice(words)} film, number {seed * 1000 + i}", label))
    return made


def table(path, content):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classify")
    table(folder / "train.tsv", [*rows(120, 1), ("", "pos")])
    table(folder / "test.tsv", rows(60, 2))
    return folder


@pytest.fixture(scope="module")
def trained(place):
    result = zx.finetune.classify(data=[str(place / "train.tsv")], out=place / "run", settings={**SMALL, "train.steps": 60})
    return place / "run", result


def test_a_run_is_an_artifact(trained):
    run, result = trained
    for name in ("config.json", "lineage.json", "environment.json", "tokenizer.json", "task.json", "model.safetensors", "training.npy",
                 "data_report.json", "data_report.html", "set_aside.jsonl", "metrics.jsonl", "result.json", "report.html"):  # fmt: skip
        assert (run / name).is_file(), name
    assert not (run / "checkpoints").exists()
    assert (result.labels, result.train_texts, result.valid_texts, result.set_aside) == (["neg", "pos"], 108, 12, 1)
    assert result.metrics["accuracy"].value > 0.9
    assert result.warnings[0].startswith("1 row is set aside; the first is ")
    assert json.loads((run / "set_aside.jsonl").read_text())["line"] == 121


def test_strings_in_strings_out(trained):
    predictor = zx.Predictor.open(trained[0])
    found = predictor(["what a lovely film", "  what an awful\u00a0film ", "", "这部电影很好看"])
    assert [p.label for p in found] == ["pos", "neg", None, "pos"]
    assert found[2].problem == "the text is empty"
    assert sum(found[0].probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert found[0].probability == found[0].probabilities["pos"]
    with pytest.raises(InputError, match="single texts are wanted"):
        predictor([("one", "two")])
    with pytest.raises(InputError, match="is one text"):
        predictor("one text")


def test_texts_do_not_depend_on_each_other_and_keep_their_order(trained):
    predictor = zx.Predictor.open(trained[0])
    texts = [text for text, _ in rows(50, 3)] + ["word " * n for n in range(1, 20)]
    together = predictor(texts)
    for text, found in list(zip(texts, together, strict=True))[::7]:
        [alone] = predictor([text])
        assert alone.label == found.label
        assert alone.probability == pytest.approx(found.probability, abs=1e-5)
    assert [p.label for p in predictor.stream(iter(texts), 7)] == [p.label for p in together]


def test_predict_streams_a_file(trained, place, tmp_path):
    texts = [text for text, _ in rows(30, 4)]
    (tmp_path / "in.txt").write_text("\n".join([*texts, ""]) + "\n", encoding="utf-8")
    result = zx.predict(trained[0], in_=tmp_path / "in.txt", out=tmp_path / "out.jsonl", probabilities=True)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert (result.texts, result.problems, len(lines)) == (31, 1, 31)
    assert lines[-1] == {"label": None, "problem": "the text is empty"}
    assert [line["label"] for line in lines[:30]] == [p.label for p in zx.Predictor.open(trained[0])(texts)]
    assert set(lines[0]["probabilities"]) == {"neg", "pos"}
    shown = zx.predict(trained[0], in_=tmp_path / "in.txt", probabilities=True)
    assert (shown.out, shown.predictions) == (None, lines)
    assert zx.predict(trained[0], text=texts[0]).predictions == zx.predict(trained[0], text=[texts[0]]).predictions
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.txt", "out.jsonl"]
    table(tmp_path / "in.csv", [])
    (tmp_path / "in.csv").write_text("id,text\n" + "".join(f'{i},"{t}"\n' for i, t in enumerate(texts)), encoding="utf-8")
    zx.predict(trained[0], in_=tmp_path / "in.csv", out=tmp_path / "two.jsonl")
    assert [json.loads(line)["label"] for line in (tmp_path / "two.jsonl").read_text().splitlines()] == [
        line["label"] for line in lines[:30]
    ]
    with pytest.raises(SettingError, match="exists already"):
        zx.predict(trained[0], in_=tmp_path / "in.txt", out=tmp_path / "out.jsonl")


def test_a_text_that_a_separator_has_cut_is_not_labelled(trained, tmp_path):
    (tmp_path / "in.csv").write_text('id,text\n1,"a fine film, really"\n2,a fine film, but dull\n3\n{"\n', encoding="utf-8")
    [whole, cut, short, *_] = zx.predict(trained[0], in_=tmp_path / "in.csv", text_column="text").predictions
    assert whole["label"] == "pos"
    assert cut == {
        "label": None,
        "problem": "the text stands in a row of 3 cells, and the others have 2; quote a text that holds the separator",
    }
    assert short == {"label": None, "problem": "the text is missing (null or NaN)"}


def test_predict_goes_on_where_it_stopped(trained, tmp_path, monkeypatch):
    from zhixing.predict import Predictor

    monkeypatch.setattr(sys.modules["zhixing.predict"], "WINDOW", 10)
    (tmp_path / "in.txt").write_text("".join(text + "\n" for text, _ in rows(45, 5)), encoding="utf-8")
    zx.predict(trained[0], in_=tmp_path / "in.txt", out=tmp_path / "whole.jsonl")
    calls = []

    def stops(self, texts, of=Predictor.__call__):
        calls.append(len(texts))
        if len(calls) == 3:
            raise MemoryError
        return of(self, texts)

    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "__call__", stops)
        with pytest.raises(MemoryError):
            zx.predict(trained[0], in_=tmp_path / "in.txt", out=tmp_path / "out.jsonl")
    with open(tmp_path / ".out.jsonl.part", "a") as file:
        file.write('{"label": "po')  # a line cut short
    result = zx.predict(trained[0], in_=tmp_path / "in.txt", out=tmp_path / "out.jsonl")
    assert (result.texts, result.continued) == (45, 20)
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_evaluate(trained, place):
    run, _ = trained
    result = zx.evaluate(run, data=str(place / "test.tsv"))  # one may come alone
    from sklearn.metrics import accuracy_score, f1_score

    examples = [json.loads(line) for line in (run / "eval" / "test" / "examples.jsonl").read_text().splitlines()]
    gold, said = [e["label"] for e in examples], [e["predicted"] for e in examples]
    assert gold == [label for _, label in rows(60, 2)]
    assert result.metrics["accuracy"].value == pytest.approx(accuracy_score(gold, said))
    assert result.metrics["f1_macro"].value == pytest.approx(f1_score(gold, said, average="macro"))
    m = result.metrics["accuracy"]
    assert m.low <= m.value <= m.high
    assert f"model:{result.fingerprint[:8]}|window:48" in m.signature
    assert (result.in_training, result.unseen, result.support) == (0, None, {"neg": 30, "pos": 30})
    assert np.sum(result.confusion) == 60
    assert sum(entry["texts"] for entry in result.by_language.values()) == 60
    assert all("".join(part for part, _ in one["parts"]) == one["text"] for one in result.explained)
    one, opened = result.explained[-1], zx.Predictor.open(run).opened
    place = max(range(len(one["parts"])), key=lambda i: one["parts"][i][1])
    without = "".join(part for i, (part, _) in enumerate(one["parts"]) if i != place).strip()
    sure, less = opened.outputs([one["text"], without])[:, list(result.support).index(one["predicted"])]
    assert one["parts"][place][1] == pytest.approx(np.log(sure / (1 - sure)) - np.log(less / (1 - less)), abs=1e-3)
    assert (run / "eval" / "test" / "report.html").is_file()
    assert "混淆矩阵" in (run / "eval" / "test" / "report.html").read_text(encoding="utf-8")


def test_evaluate_says_what_was_trained_on(trained, place, tmp_path):
    seen = rows(120, 1)[:10]
    result = zx.evaluate(trained[0], data=[str(table(tmp_path / "t.tsv", [*rows(30, 6), *seen]))])
    assert 8 <= result.in_training <= 10  # some of them are in the validation part
    assert result.unseen["accuracy"].signature.count("without-training:") == 1


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        ([("a text", "pos"), ("another", "neutral")], InputError, "bad.tsv:2: label 'neutral' is unknown to"),
        ([("a text", "pos"), ("", "neg")], InputError, "bad.tsv:2: its text is empty"),
    ],
)
def test_evaluate_refuses(content, error, says, trained, tmp_path):
    with pytest.raises(error, match=says):
        zx.evaluate(trained[0], data=[str(table(tmp_path / "bad.tsv", content))])
    with pytest.raises(SettingError, match="is needed"):
        zx.evaluate(trained[0])


def test_scores_by_length_stand_in_the_order_of_lengths(trained, tmp_path):
    texts = [(f"{'word ' * count}{i}", "pos") for i, count in enumerate((600, 100, 20, 400, 5, 200, 40))]
    found = zx.evaluate(trained[0], data=[str(table(tmp_path / "long.tsv", texts))], out=tmp_path / "out").by_length
    edges = [int(name.split()[-2]) + name.startswith("over") for name in found]
    assert len(edges) > 3
    assert edges == sorted(edges)
    assert edges[-1] == 513
    assert sum(entry["texts"] for entry in found.values()) == 7


def test_compare_with_itself_and_with_a_file(trained, place, tmp_path, capsys):
    run, _ = trained
    test = [str(place / "test.tsv")]
    same = zx.compare(run, run, data=test)
    assert {m.p for m in same.metrics.values()} == {1.0}
    assert same.verdict.startswith("no significant difference in accuracy")
    (tmp_path / "worst.txt").write_text("".join(f"{'neg' if label == 'pos' else 'pos'}\n" for _, label in rows(60, 2)))
    for kind in ("bootstrap", "permutation", "mcnemar"):
        found = zx.compare(run, tmp_path / "worst.txt", data=test, test=kind)
        assert found.metrics["accuracy"].b == 0
        assert found.metrics["accuracy"].p < 0.01
        assert found.verdict.startswith("A is better")
    (tmp_path / "right.txt").write_bytes(b"\xef\xbb\xbf" + b"".join(f"{label}\r\n".encode() for _, label in rows(60, 2)))
    assert zx.compare(run, tmp_path / "right.txt", data=test).metrics["accuracy"].b == 1
    assert "labels that no text" not in capsys.readouterr().err
    (tmp_path / "odd.txt").write_text("".join("postive\n" if label == "pos" else "neg\n" for _, label in rows(60, 2)))
    assert zx.compare(run, tmp_path / "odd.txt", data=test).metrics["accuracy"].b == 0.5
    assert f"odd.txt: labels that no text of {test[0]} has: postive (30)" in capsys.readouterr().err
    for name, value, kind in (("window", 8, "language models"), ("stride", 4, "language models"), ("source_column", "0", "translators")):
        for verb, models in ((zx.compare, (run, run)), (zx.evaluate, (run,))):
            with pytest.raises(SettingError, match=rf"{name}: is for {kind}, and .* is a classifier"):
                verb(*models, data=test, **{name: value})
    (tmp_path / "few.txt").write_text("pos\n")
    with pytest.raises(InputError, match=r"few\.txt: holds 1 predictions for 60 texts"):
        zx.compare(run, tmp_path / "few.txt", data=test)


def test_golden_outputs_are_checked_at_each_load(trained, tmp_path):
    import shutil

    run = shutil.copytree(trained[0], tmp_path / "run")
    task = json.loads((run / "task.json").read_text())
    task["golden"][0]["output"] = [0.5, 0.5]
    write_json(run / "task.json", task)
    with pytest.raises(ArtifactError, match=r"does not say of .* what it said when it was made"):
        zx.Predictor.open(run)
    (run / "model.safetensors").write_bytes(b"x" + (run / "model.safetensors").read_bytes()[1:])
    with pytest.raises(ArtifactError, match="do not match their SHA-256"):
        zx.Predictor.open(run)


def test_a_finished_run_is_not_trained_again(trained, place, capsys):
    again = zx.finetune.classify(data=[str(place / "train.tsv")], out=place / "run", settings={**SMALL, "train.steps": 60})
    assert again == trained[1]
    assert "is finished already" in capsys.readouterr().err
    with pytest.raises(SettingError, match=r"train\.batch: is 8 in this run"):
        zx.finetune.classify(data=[str(place / "train.tsv")], out=place / "run", settings={"train.batch": 9})
    with pytest.raises(ArtifactError, match="was begun with other data"):
        (place / "run" / "result.json").rename(place / "result.json")
        try:
            zx.finetune.classify(data=[str(place / "test.tsv")], out=place / "run", settings={**SMALL, "train.steps": 60})
        finally:
            (place / "result.json").rename(place / "run" / "result.json")


def test_a_killed_run_is_continued_to_the_same_weights(place, tmp_path):
    words = [sys.executable, "-m", "zhixing", "finetune", "classify", "--data", str(place / "train.tsv")]
    words += [f"{name}={value}" for name, value in {**SMALL, "train.steps": 120, "train.save_every": 5, "train.validate_every": 40}.items()]
    whole = subprocess.run([*words, "--out", str(tmp_path / "whole"), "--json"], capture_output=True, text=True, check=True, timeout=300)
    assert json.loads(whole.stdout)["steps"] == 120
    with subprocess.Popen([*words, "--out", str(tmp_path / "cut")], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 200
        while not list((tmp_path / "cut").glob("checkpoints/step-*")) and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "cut" / "result.json").exists()
    subprocess.run([*words, "--out", str(tmp_path / "cut")], capture_output=True, check=True, timeout=300)
    assert (tmp_path / "cut" / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


def test_figures_that_do_not_exist_stop_nothing(tmp_path):
    """Correlation with validation numbers that are all alike."""
    draw = random.Random(3)
    train = table(tmp_path / "train.tsv", [(f"a film of {i} stars {draw.random()}", i % 5) for i in range(60)])
    valid = table(tmp_path / "valid.tsv", [(f"another film {draw.random()}", 3) for _ in range(12)])
    asked = {"data": [str(train)], "valid": [str(valid)], "settings": {**SMALL, "train.steps": 4, "data.kind": "number"}}
    result = zx.finetune.classify(**asked, out=tmp_path / "run")
    assert "mse" in result.metrics
    assert "pearson" not in result.metrics
    json.loads((tmp_path / "run/result.json").read_text(), parse_constant=pytest.fail)
    assert json.loads(result.model_dump_json(), parse_constant=pytest.fail)["metrics"].keys() == result.metrics.keys()
    several = zx.finetune.classify(**asked, out=tmp_path / "seeds", seeds=2, metric="pearson")
    assert "mse" in several.spread
    assert "pearson" not in several.spread


def test_several_seeds(place):
    result = zx.finetune.classify(
        data=[str(place / "train.tsv")], out=place / "seeds", seeds=2, valid=[str(place / "test.tsv")], settings={**SMALL, "train.steps": 6}
    )
    each = [json.loads((place / "seeds" / f"seed-{n}" / "result.json").read_text())["metrics"]["accuracy"]["value"] for n in (1, 2)]
    assert result.spread["accuracy"]["mean"] == pytest.approx(np.mean(each))
    assert result.spread["accuracy"]["deviation"] == pytest.approx(np.std(each, ddof=1))
    assert result.metrics["accuracy"].value == max(each)
    assert zx.Predictor.open(place / "seeds").labels == ("neg", "pos")


def test_seeds_of_one_base_are_averaged(place):
    words = {"train.steps": 8, "train.batch": 8, "optim.learning_rate": 0.005}
    zx.finetune.classify(data=[str(place / "train.tsv")], out=place / "first", settings={**SMALL, "train.steps": 4})
    data, valid, out = [str(place / "train.tsv")], [str(place / "test.tsv")], place / "averaged"
    result = zx.finetune.classify(data=data, valid=valid, base=str(place / "first"), out=out, seeds=2, metric="log_loss", settings=words)
    one, two, mean = (load_file(out / name / "model.safetensors") for name in ("seed-1", "seed-2", "average-1-2"))
    assert any(not torch.equal(one[name], two[name]) for name in one)
    for name in one:
        torch.testing.assert_close(mean[name], (one[name] + two[name]) / 2)
    losses = [
        json.loads((out / name / "result.json").read_text())["metrics"]["log_loss"]["value"] for name in ("average-1-2", "seed-1", "seed-2")
    ]
    assert result.metrics["log_loss"].value == min(losses)
    assert result.spread["log_loss"]["lowest"] == min(losses[1:])  # the spread is that of the seeds
    assert result.runs == [str(out / "seed-1"), str(out / "seed-2")]
    kept, name = load_file(out / "model.safetensors"), ("average-1-2", "seed-1", "seed-2")[losses.index(min(losses))]
    assert result.kept == str(out / name) and f"Kept: {name}." in (out / "report.html").read_text(encoding="utf-8")
    best = load_file(out / name / "model.safetensors")
    assert all(torch.equal(kept[name], best[name]) for name in kept)
    assert zx.Predictor.open(out).labels == ("neg", "pos")
    again = zx.finetune.classify(data=data, valid=valid, base=str(place / "first"), out=out, seeds=2, metric="log_loss", settings=words)
    assert again.metrics == result.metrics
    (out / "manifest.json").unlink()  # as if killed on the way
    zx.finetune.classify(data=data, valid=valid, base=str(place / "first"), out=out, seeds=3, metric="log_loss", settings=words)
    assert zx.Predictor.open(out).labels == ("neg", "pos")
    three, mean = load_file(out / "seed-3" / "model.safetensors"), load_file(out / "average-1-3" / "model.safetensors")
    for name in one:
        torch.testing.assert_close(mean[name], (one[name] + two[name] + three[name]) / 3)


def test_the_manifest_is_of_the_seed_that_is_kept(place, monkeypatch):
    from zhixing.verbs.finetune import classify_repeats

    asked = {"data": [str(place / "train.tsv")], "valid": [str(place / "test.tsv")], "out": place / "grown"}
    for count in (2, 3):
        monkeypatch.setattr(classify_repeats, "_best", lambda results, metric: len(results) - 1)
        result = zx.finetune.classify(**asked, seeds=count, settings={**SMALL, "train.steps": 4})
        assert result.kept == str(place / "grown" / f"seed-{count}")
        assert json.loads((place / "grown" / "config.json").read_text())["train"]["seed"] == count
        assert zx.Predictor.open(place / "grown").labels == ("neg", "pos")


def test_finished_runs_are_of_the_data_that_is_given(place, tmp_path):
    """A second call with other texts does not take the scores of the first call's models for theirs."""
    asked = {"data": [str(place / "train.tsv")], "settings": {**SMALL, "train.steps": 4}}
    other = table(tmp_path / "other.tsv", [(f"{text} again", label) for text, label in rows(60, 5)])
    for several, more in (({}, {}), ({"seeds": 2}, {"seeds": 3}), ({"folds": 2}, {"folds": 2})):
        out = tmp_path / "-".join(["run", *several])
        zx.finetune.classify(**asked, **several, out=out)
        kept = (out / "result.json").read_bytes()
        with pytest.raises(ArtifactError, match="was begun with other data"):
            zx.finetune.classify(**{**asked, "data": [str(other)]}, **{**several, **more}, out=out)
        assert (out / "result.json").read_bytes() == kept
    with pytest.raises(ArtifactError, match="another part of it"):
        zx.finetune.classify(**asked, folds=3, out=tmp_path / "run-folds")


def test_more_seeds_have_the_settings_of_the_first(place, tmp_path):
    """What a repeated call leaves out is as it was; a base that has changed meanwhile is noticed before another seed is trained."""
    data, base = [str(place / "train.tsv")], tmp_path / "base"
    zx.finetune.classify(data=data, out=base, settings={**SMALL, "train.steps": 4})
    asked = {"data": data, "base": str(base), "out": tmp_path / "seeds"}
    zx.finetune.classify(**asked, seeds=2, settings={"train.steps": 5, "train.batch": 8, "objective.smoothing": 0.1})
    result = zx.finetune.classify(**asked, seeds=3)
    first, third = (json.loads((tmp_path / f"seeds/seed-{n}/config.json").read_text()) for n in (1, 3))
    assert third["train"].pop("seed") == 3 and first["train"].pop("seed") == 1
    assert third == first
    assert len(result.runs) == 3
    with pytest.raises(SettingError, match="cannot change on the way"):
        zx.finetune.classify(**asked, seeds=4, settings={"objective.smoothing": 0.2})
    shutil.rmtree(base)
    zx.finetune.classify(data=data, out=base, settings={**SMALL, "train.steps": 5})
    with pytest.raises(ArtifactError, match="was begun with --base as it was then"):
        zx.finetune.classify(**asked, seeds=4)
    assert not (tmp_path / "seeds/seed-4").exists()


def test_more_seeds_begin_with_vectors_or_without_as_the_first(place, tmp_path):
    pytest.importorskip("gensim", reason="needs the extra embed")
    (tmp_path / "text.txt").write_text("a wonderful film and an awful film\n" * 50, encoding="utf-8")
    settings = {"vectors.width": 32, "vectors.min_count": 1}
    zx.embed([str(tmp_path / "text.txt")], out=tmp_path / "vectors", settings=settings)
    asked = {"data": [str(place / "train.tsv")], "out": tmp_path / "seeds", "settings": {**SMALL, "train.steps": 4}}
    zx.finetune.classify(**asked, seeds=2)
    with pytest.raises(ArtifactError, match="was begun without --vectors; give the same"):
        zx.finetune.classify(**asked, seeds=3, vectors=tmp_path / "vectors")
    assert not (tmp_path / "seeds/seed-3").exists()


def test_more_seeds_have_the_minutes_of_the_first(place, tmp_path):
    asked = {"data": [str(place / "train.tsv")], "out": tmp_path / "seeds", "settings": SMALL}
    zx.finetune.classify(**asked, seeds=2, minutes=0.02)
    zx.finetune.classify(**asked, seeds=3)
    assert json.loads((tmp_path / "seeds/seed-3/lineage.json").read_text())["minutes"] == 0.02


@pytest.mark.parametrize("several", [{"seeds": 2}, {"folds": 2}])
def test_several_runs_replace_nothing_of_others(several, place, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    with pytest.raises(ArtifactError, match="mine: exists already"):
        zx.finetune.classify(data=[str(place / "train.tsv")], out=tmp_path / "mine", **several, settings={**SMALL, "train.steps": 4})
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["config.json"]


def test_a_run_goes_on_with_the_base_and_metric_that_it_was_begun_with(trained, place, tmp_path, monkeypatch):
    from zhixing.session import Session

    def killed(self):
        raise MemoryError

    asked = {"data": [str(place / "test.tsv")], "out": tmp_path / "run", "settings": {"train.steps": 3, "train.batch": 8}}
    other = zx.finetune.classify(data=[str(place / "test.tsv")], out=tmp_path / "other", settings={**SMALL, "train.steps": 2})
    with monkeypatch.context() as patch:
        patch.setattr(Session, "go", killed)
        with pytest.raises(MemoryError):
            zx.finetune.classify(**asked, base=str(trained[0]))
    for changed, says in (
        ({}, "was begun with --base .*run; give the same"),
        ({"base": other.run}, "was begun with .*run as it was then"),
        ({"base": str(trained[0]), "metric": "log_loss"}, "was begun with --metric accuracy, not log_loss"),
    ):
        with pytest.raises(ArtifactError, match=says):
            zx.finetune.classify(**asked, **changed)
    assert zx.finetune.classify(**asked, base=str(trained[0])).steps == 3
    with pytest.raises(ArtifactError, match="was begun with --base"):
        zx.finetune.classify(**asked)


def test_cross_validation(place):
    result = zx.finetune.classify(data=[str(place / "train.tsv")], out=place / "folds", folds=3, settings={**SMALL, "train.steps": 12})
    assert result.valid_texts == 120
    assert "folds:3" in result.metrics["accuracy"].signature
    assert len(result.runs) == 3
    for _ in range(2):  # a finished one is taken up as often as one likes
        again = zx.finetune.classify(data=[str(place / "train.tsv")], out=place / "folds", folds=3, settings={**SMALL, "train.steps": 12})
        assert again.metrics == result.metrics
    with pytest.raises(InputError, match="fewer than the 61 folds"):
        zx.finetune.classify(data=[str(place / "train.tsv")], out=place / "many", folds=61, settings=SMALL)


def test_numbers_sets_and_pairs(place, tmp_path):
    draw = random.Random(1)
    lines = [
        {"text": f"{draw.choice(GOOD)} film {i}", "pair": f"a {draw.choice(BAD)} one", "score": i % 5, "tags": ["x", "y"][: i % 3]}
        for i in range(60)
    ]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    for name, column, settings, pair in (
        ("number", "score", {"data.kind": "number"}, None),
        ("multi", "tags", {}, None),
        ("pairs", "score", {}, "pair"),
    ):
        run = tmp_path / name
        zx.finetune.classify(
            data=[str(tmp_path / "x.jsonl")], out=run, text_column="text", label_column=column, pair_column=pair,
            settings={**SMALL, **settings, "train.steps": 4},
        )  # fmt: skip
        predictor = zx.Predictor.open(run)
        [found] = predictor([("one text", "two")] if pair else ["one text"])
        assert {"number": found.value is not None, "multi": found.labels is not None, "pairs": found.label is not None}[name]
        scored = zx.evaluate(run, data=[str(tmp_path / "x.jsonl")], text_column="text", label_column=column, pair_column=pair)
        assert {"number": "mse", "multi": "f1_micro", "pairs": "accuracy"}[name] in scored.metrics
    asked = {"data": [str(tmp_path / "x.jsonl")], "text_column": "text", "test": "mcnemar"}
    with pytest.raises(SettingError, match="numbers have none"):
        zx.compare(tmp_path / "number", tmp_path / "number", label_column="score", **asked)
    assert list(zx.compare(tmp_path / "multi", tmp_path / "multi", label_column="tags", **asked).metrics) == ["subset_accuracy"]


def test_pairs_are_read_from_files_as_in_training(tmp_path):
    draw = random.Random(1)
    pairs = [(f"{draw.choice((*GOOD, *BAD))} film number {i}", draw.choice((*GOOD, *BAD))) for i in range(60)]
    table(tmp_path / "train.tsv", [("label", "premise", "hypothesis"), *((a.split()[0] in GOOD, a, b) for a, b in pairs)])
    zx.finetune.classify(data=[str(tmp_path / "train.tsv")], out=tmp_path / "run", settings={**SMALL, "train.steps": 30})
    expected = [p.label for p in zx.Predictor.open(tmp_path / "run")(pairs)]
    assert set(expected) == {"True", "False"}
    table(tmp_path / "named.tsv", [("index", "premise", "hypothesis"), *((i, a, b) for i, (a, b) in enumerate(pairs))])
    table(tmp_path / "bare.tsv", pairs)
    table(tmp_path / "two.tsv", [("id", "text"), *pairs])
    for name in ("named.tsv", "bare.tsv", "two.tsv"):
        assert [row["label"] for row in zx.predict(tmp_path / "run", in_=tmp_path / name).predictions] == expected, name
    table(tmp_path / "vague.tsv", [("id", "a", "b"), *((i, a, b) for i, (a, b) in enumerate(pairs))])
    with pytest.raises(InputError, match="say which hold the two texts with --text-column and --pair-column"):
        zx.predict(tmp_path / "run", in_=tmp_path / "vague.tsv")
    found = zx.predict(tmp_path / "run", in_=tmp_path / "vague.tsv", text_column="a", pair_column="b").predictions
    assert [row["label"] for row in found] == expected
    lines = [{"premise": a, "hypothesis": b} for a, b in pairs[:3]] + [{"premise": "alone"}]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "{\n")
    found = zx.predict(tmp_path / "run", in_=tmp_path / "x.jsonl", out=tmp_path / "out.jsonl")
    said = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["label"] for row in said] == [*expected[:3], None, None] and found.problems == 2
    assert said[3]["problem"] == "the second text is missing (null or NaN)"
    assert said[4]["problem"].startswith("the text stands in a line that ")
    # A label is none of the texts: not the first of three columns without names, nor the other one beside --pair-column.
    table(tmp_path / "three.tsv", [("x", a, b) for a, b in pairs])
    with pytest.raises(InputError, match="its columns are numbered 0 to 2: say which hold the two texts"):
        zx.predict(tmp_path / "run", in_=tmp_path / "three.tsv")
    found = zx.predict(tmp_path / "run", in_=tmp_path / "three.tsv", text_column="1", pair_column="2").predictions
    assert [row["label"] for row in found] == expected
    table(tmp_path / "other.tsv", [("label", "first", "second"), *(("a label that is long", a, b) for a, b in pairs)])
    found = zx.predict(tmp_path / "run", in_=tmp_path / "other.tsv", pair_column="second").predictions
    assert [row["label"] for row in found] == expected


def test_a_text_file_with_columns_is_a_table_where_columns_are_asked_for(trained, tmp_path, capsys):
    """Training reads a .txt with tabs as a table; `predict` does so once a column is named, and else says what it takes a line for."""
    table(tmp_path / "x.txt", [("pos", "a wonderful film"), ("neg", "an awful film")])
    texts = lambda **how: [one["label"] for one in zx.predict(trained[0], in_=tmp_path / "x.txt", **how).predictions]  # noqa: E731
    assert texts(text_column="1") == [p.label for p in zx.Predictor.open(trained[0])(["a wonderful film", "an awful film"])]
    assert "each line is taken as one text" not in capsys.readouterr().err
    assert texts() == [p.label for p in zx.Predictor.open(trained[0])(["pos\ta wonderful film", "neg\tan awful film"])]
    assert "x.txt: each line is taken as one text, tabs and all" in capsys.readouterr().err
    (tmp_path / "plain.txt").write_text("one text\nanother\n")
    with pytest.raises(InputError, match="has neither a tab nor __label__, so that there are no columns"):
        zx.predict(trained[0], in_=tmp_path / "plain.txt", text_column="0")


def test_what_a_classifier_is_not_for(trained, tmp_path):
    with pytest.raises(ArtifactError, match="run: is a classifier, and a model of zhixing pretrain"):
        zx.generate(trained[0])
    with pytest.raises(SettingError, match="a classifier goes out with --to onnx"):
        zx.export(trained[0], out=tmp_path / "hf")
    with pytest.raises(SettingError, match="quantization: is for ctranslate2 and onnx"):
        zx.export(trained[0], out=tmp_path / "hf", quantization="int8")


def test_a_base_that_has_not_read_the_language_is_told(capsys):
    from zhixing.verbs.finetune.derive import warn_of_unknown

    words = tiny.tokenizer("wordpiece", None)
    assert words.unknown is not None
    warn_of_unknown("theirs", words, tiny.SENTENCES)
    assert not capsys.readouterr().err
    warn_of_unknown("theirs", words, ["\u03b1\u03b2 \u03b3\u03b4", *tiny.SENTENCES[:1]])
    assert "% of the tokens of these texts are unknown to theirs" in capsys.readouterr().err
    warn_of_unknown("theirs", words, [])


def test_half_an_emoji(place, tmp_path):
    table(tmp_path / "train.jsonl", [])
    lines = [{"text": text, "label": label} for text, label in rows(300, 1)] + [{"text": "x \ud83d", "label": None}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    zx.finetune.classify(data=[str(tmp_path / "train.jsonl")], out=tmp_path / "run", settings={**SMALL, "train.steps": 2})
    assert "x \ufffd" in json.loads((tmp_path / "run" / "set_aside.jsonl").read_text(encoding="utf-8"))["text"]


def test_a_trained_classifier_is_a_base(trained, place, tmp_path):
    result = zx.finetune.classify(
        data=[str(place / "test.tsv")], base=str(trained[0]), out=tmp_path / "more", settings={"train.steps": 3, "train.batch": 8}
    )
    assert result.steps == 3
    frozen = json.loads((tmp_path / "more" / "config.json").read_text())["optim"]["frozen"]
    assert "encoder.embedding." in frozen
    with pytest.raises(SettingError, match="cannot be set together with --base"):
        zx.finetune.classify(data=[str(place / "test.tsv")], base=str(trained[0]), out=tmp_path / "x", settings={"model.layers": 2})


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [
        ({"minutes": 0}, {}, "minutes: must be a positive number"),
        ({"minutes": 1}, {"train.steps": 5}, "both say how long to train"),
        ({}, {"train.steps": 5, "objective.epochs": 2}, "both say how long to train"),
        ({"seeds": 0}, {}, "seeds: must be at least 1"),
        ({"seeds": 2, "folds": 2}, {}, "cannot be given together"),
        ({"metric": "bleu"}, {}, "metric: is one of accuracy"),
        ({}, {"objective.poling": "max"}, "did you mean objective.pooling?"),
    ],
)
def test_mistakes_leave_nothing(arguments, settings, says, place, tmp_path):
    with pytest.raises(SettingError, match=says):
        zx.finetune.classify(data=[str(place / "train.tsv")], out=tmp_path / "run", settings=settings, **arguments)
    assert not any(p.name == "manifest.json" for p in tmp_path.rglob("*"))


def test_one_class_only(tmp_path):
    path = table(tmp_path / "x.tsv", [(f"text {i}", "pos") for i in range(9)])
    with pytest.raises(InputError, match=r"all texts \(9\) have the label 'pos'; at least two classes are needed"):
        zx.finetune.classify(data=[str(path)], out=tmp_path / "run")
    assert os.listdir(tmp_path) == ["x.tsv"]


@pytest.mark.parametrize("kind", SHAPES)
def test_every_kind_of_model_begins_from_scratch(kind, place, tmp_path):
    result = zx.finetune.classify(
        data=str(place / "train.tsv"), out=tmp_path / "run", settings={"model.kind": kind, "train.steps": 1, "train.precision": "fp32"}
    )
    assert result.steps == 1 and result.parameters < 3_000_000


@pytest.mark.parametrize(
    ("sizes", "heads"),
    [
        ({"model.kind": "bert"}, 4),
        ({"model.kind": "bert", "model.width": 64}, 1),
        ({"model.kind": "llama", "model.width": 128, "model.kv_heads": 4}, 4),
    ],
)
def test_a_width_set_by_hand_has_heads_that_fit(sizes, heads, place, tmp_path):
    settings = {**sizes, "train.steps": 1, "train.precision": "fp32"}
    zx.finetune.classify(data=str(place / "train.tsv"), out=tmp_path / "run", settings=settings)
    assert json.loads((tmp_path / "run/config.json").read_text())["model"]["heads"] == heads


def test_chinese_is_read_by_characters_and_what_is_set_by_hand_stays(tmp_path):
    table(tmp_path / "zh.tsv", [(f"{'好吃' if n % 2 else '难吃'}的菜第{n}份", "pos" if n % 2 else "neg") for n in range(60)])
    made = {}
    for name, chosen in (("usual", {}), ("set", {"tokenizer.kind": "bpe", "model.width": 60, "model.layers": 2})):
        zx.finetune.classify(data=str(tmp_path / "zh.tsv"), out=tmp_path / name, settings={"train.steps": 1, **chosen})
        made[name] = json.loads((tmp_path / name / "config.json").read_text(encoding="utf-8"))
    usual, by_hand = made["usual"], made["set"]
    assert (usual["tokenizer"]["kind"], usual["model"]["windows"], usual["model"]["layers"]) == ("char", [2, 3, 4], 1)
    assert (by_hand["tokenizer"]["kind"], by_hand["model"]["windows"]) == ("bpe", [3, 4, 5])
    assert (by_hand["model"]["width"], by_hand["model"]["layers"]) == (60, 2)
