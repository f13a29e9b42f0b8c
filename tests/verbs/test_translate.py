"""From sentence pairs to translated files, through the real verbs: learning, goldens, resuming, layout, and what bad input gets."""

import json
import random
import shutil

import pytest

import zhixing as zx
from zhixing import files
from zhixing.errors import ArtifactError, InputError, SettingError, UserError
from zhixing.verbs.finetune.translate_setup import LEAST_ROWS, SIZES

ENGLISH = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "red", "blue", "tea", "cat"]
WORDS = dict(zip(ENGLISH, "一二三四五六七八九十红蓝茶猫", strict=True))
SMALL = {
    "model.width": 48, "model.heads": 2, "model.encoder_layers": 1, "model.decoder_layers": 1, "train.batch": 8, "objective.context": 32,
    "vocabulary.size": 300, "train.precision": "fp32", "model.dropout": 0.0, "objective.smoothing": 0.0,
}  # fmt: skip


def pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    made = {tuple(draw.choices(list(WORDS), k=draw.randrange(2, 7))) for _ in range(count)}
    return [(" ".join(words), "".join(WORDS[w] for w in words)) for words in sorted(made)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "train.tsv"
    path.write_text("".join(f"{a}\t{b}\n" for a, b in [*pairs(900), ("same same", "same same"), ("", "空")]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "en-zh"
    zx.finetune.translate(data=[str(data)], out=out, settings={**SMALL, "train.steps": 260})
    return out


def test_it_learns_to_translate(run):
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    assert result["metrics"]["bleu"]["value"] > 60 and "tok:zh" in result["metrics"]["bleu"]["signature"]
    assert result["left_out"] >= 2
    report = json.loads((run / "pair_report.json").read_text(encoding="utf-8"))
    assert report["findings"]["copy"]["count"] == report["findings"]["blank"]["count"] == 1
    said = zx.translate(run, text=["red cat", "one two three"]).translations
    assert [row["translation"] for row in said] == ["红猫", "一二三"]
    assert not (run / "checkpoints").exists()


def test_a_model_is_as_large_as_the_minutes_allow(data, tmp_path, capsys):
    result = zx.finetune.translate(
        data=[str(data)], out=tmp_path / "run", minutes=0.02, settings={"vocabulary.size": 300, "model.dropout": 0.1}
    )
    config = json.loads((tmp_path / "run/config.json").read_text(encoding="utf-8"))
    shape = {f"model.{name}": value for name, value in config["model"].items()}
    assert "a tiny model suits the minutes" in capsys.readouterr().err
    assert shape.items() >= SIZES["tiny"].items()
    assert LEAST_ROWS <= config["train"]["batch"] < 32
    assert result.steps >= 10


@pytest.mark.parametrize(("size", "settings", "width"), [(None, {"model.width": 48, "model.heads": 2}, 48), ("small", {}, 128)])
def test_what_is_said_of_the_size_wins_over_the_minutes(data, tmp_path, capsys, size, settings, width):
    settings = {**settings, "vocabulary.size": 300, "model.dropout": 0.0}
    zx.finetune.translate(data=[str(data)], out=tmp_path / "run", minutes=0.05, size=size, settings=settings)
    config = json.loads((tmp_path / "run/config.json").read_text(encoding="utf-8"))
    assert config["model"]["width"] == width
    assert config["train"]["batch"] >= LEAST_ROWS
    assert "suits the minutes" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["rnn", pytest.param("cnn", marks=pytest.mark.slow)])
def test_minutes_are_for_every_kind_of_model(data, tmp_path, kind):
    settings = {"vocabulary.size": 300, "model.kind": kind, "model.width": 48, "model.layers": 1}
    assert zx.finetune.translate(data=[str(data)], out=tmp_path / "run", minutes=0.05, settings=settings).steps >= 10


def test_the_same_whatever_the_batch_mates(run):
    translator = zx.Translator.open(run)
    texts = [a for a, _ in pairs(60, seed=5)]
    alone = [translator([text])[0] for text in texts]
    together = translator(texts)
    assert [one.text for one in together] == [one.text for one in alone]
    assert [one.score for one in together] == [one.score for one in alone]
    order = random.Random(1).sample(range(len(texts)), len(texts))
    assert [one.text for one in translator([texts[i] for i in order])] == [alone[i].text for i in order]


@pytest.mark.parametrize("how", [{}, {"keep": ["all"]}, {"glossary": True}])
def test_a_file_is_translated_line_by_line_and_goes_on_after_a_kill(run, tmp_path, monkeypatch, how):
    lines = [a for a, _ in pairs(40, seed=7)]
    lines[3], lines[5] = "", "red tea\u2028blue tea"
    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if "glossary" in how:
        how = {"glossary": tmp_path / "terms.tsv"}
        how["glossary"].write_text("tea\t茶\n", encoding="utf-8")
    monkeypatch.setattr("zhixing.verbs.translate.WINDOW", 8)
    zx.translate(run, in_=source, out=out, **how)
    whole = out.read_bytes()
    assert whole.count(b"\n") == 40 and whole.decode().split("\n")[3] == ""
    assert [one["translation"] for one in zx.translate(run, in_=source, **how).translations or ()] == whole.decode().split("\n")[:-1]
    out.unlink()
    calls = 0
    translate = zx.Translator.__call__

    def dying(self, texts, settings=None):
        nonlocal calls
        calls += len(texts) == 8
        if calls == 4:
            raise KeyboardInterrupt
        return translate(self, texts, settings)

    with monkeypatch.context() as patch:
        patch.setattr(zx.Translator, "__call__", dying)
        with pytest.raises(zx.ZhixingError, match="24 lines are done and kept"):
            zx.translate(run, in_=source, out=out, **how)
    assert not out.exists()
    result = zx.translate(run, in_=source, out=out, **how)
    assert (result.continued, result.texts) == (24, 40) and out.read_bytes() == whole
    with pytest.raises(SettingError, match="exists already"):
        zx.translate(run, in_=source, out=out)


def test_a_line_that_cannot_be_read_is_told_before_the_first_is_translated(run, tmp_path, monkeypatch):
    monkeypatch.setattr(zx.Translator, "__call__", None)
    (tmp_path / "in.txt").write_bytes("red tea 茶\n".encode() * 5000 + b"bad \xff\n")
    monkeypatch.setattr("zhixing.tasks.translation.artifact.Translator._check", lambda self, path: None)
    with pytest.raises(InputError, match=r"in\.txt:5001: has bytes that are not in the file's encoding"):
        zx.translate(run, in_=tmp_path / "in.txt", out=tmp_path / "out.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["in.txt"]


def test_long_texts_are_translated_in_pieces_that_keep_their_lines(run):
    long = "one two three. Four five six. " * 6
    [row] = zx.translate(run, text=[f"red cat\n\n{long}"]).translations
    assert row["pieces"] > 2 and row["translation"].startswith("红猫\n\n")


def test_a_run_continues_and_ends_with_the_same_weights(data, tmp_path):
    settings = {**SMALL, "train.steps": 12, "train.save_every": 4, "train.validate_every": 6}
    whole = tmp_path / "whole"
    zx.finetune.translate(data=[str(data)], out=whole, settings=settings)
    from zhixing import session

    real, parts, saved = session.save, tmp_path / "parts", 0

    def dying(*arguments):
        nonlocal saved
        made = real(*arguments)
        saved += 1
        if saved == 2:
            raise KeyboardInterrupt
        return made

    session.save = dying
    try:
        with pytest.raises(KeyboardInterrupt):
            zx.finetune.translate(data=[str(data)], out=parts, settings=settings)
    finally:
        session.save = real
    zx.finetune.translate(data=[str(data)], out=parts, settings=settings)
    assert files.sha256(whole / "model.safetensors") == files.sha256(parts / "model.safetensors")


def test_two_languages_joined_and_a_recurrent_model(tmp_path, data):
    zx.finetune.translate(data=[str(data)], out=tmp_path / "joint", settings={**SMALL, "vocabulary.joint": True, "train.steps": 3})
    assert zx.translate(tmp_path / "joint", text=["red"]).texts == 1
    small = {name: value for name, value in SMALL.items() if not name.startswith("model.")}
    rnn = {**small, "model.kind": "rnn", "model.width": 32, "model.layers": 1, "train.steps": 3}
    zx.finetune.translate(data=[str(data)], out=tmp_path / "rnn", settings=rnn)
    assert zx.translate(tmp_path / "rnn", text=["red"], beams=2).texts == 1


def test_two_translators_are_compared_on_the_same_pairs(run, tmp_path):
    import sacrebleu

    test = pairs(60, seed=3)
    data = tmp_path / "test.tsv"
    data.write_text("".join(f"{a}\t{b}\n" for a, b in test), encoding="utf-8")
    same = zx.compare(run, run, data=[str(data)])
    assert (same.documents, same.metrics["bleu"].difference, same.metrics["bleu"].p) == (len(test), 0, 1)
    worse = [b[:-1] if number % 2 else b for number, (_, b) in enumerate(test)]
    (tmp_path / "worse.txt").write_text("".join(f"{text}\n" for text in worse), encoding="utf-8")
    found = zx.compare(run, tmp_path / "worse.txt", data=[str(data)], test="permutation").metrics
    said = [row["translation"] for row in zx.translate(run, text=[a for a, _ in test]).translations]
    for name, lines in (("a", said), ("b", worse)):
        expected = sacrebleu.corpus_bleu(lines, [[b for _, b in test]], tokenize="zh").score
        assert getattr(found["bleu"], name) == pytest.approx(expected, abs=1e-6)
    assert "approximate-randomisation" in found["bleu"].signature and "ter" in found
    (tmp_path / "few.txt").write_text("一\n", encoding="utf-8")
    for b, how, says in (
        (tmp_path / "few.txt", {"data": [str(data)]}, f"holds 1 translations for {len(test)} pairs"),
        (run, {}, "data: is needed to compare translators"),
        (run, {"data": [str(data)], "test": "mcnemar"}, "for rates, and translations have none"),
    ):
        with pytest.raises(UserError, match=says):
            zx.compare(run, b, **how)


@pytest.mark.parametrize("part", ["model.safetensors", "source_tokenizer.json", "task.json"])
def test_damage_is_noticed(run, tmp_path, part):
    shutil.copytree(run, tmp_path / "copy")
    path = tmp_path / "copy" / part
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(bytes(content))
    with pytest.raises(ArtifactError):
        zx.Translator.open(tmp_path / "copy")


def test_golden_translations_are_held_against_the_model(run, tmp_path):
    shutil.copytree(run, tmp_path / "copy")
    task = json.loads((tmp_path / "copy/task.json").read_text(encoding="utf-8"))
    task["golden"][0] |= {"target": "别的话", "score": -3.0}
    (tmp_path / "copy/task.json").write_text(json.dumps(task), encoding="utf-8")
    with pytest.raises(ArtifactError, match="otherwise than when it was made"):
        zx.Translator.open(tmp_path / "copy")


def test_mistakes_are_one_line_and_leave_nothing(run, data, tmp_path):
    out = tmp_path / "out"
    bad = tmp_path / "bad.txt"
    bad.write_bytes("good day\n好的一天好的一天\n".encode() * 20 + b"\xff\xfe\xff\n")
    for call, said in (
        (lambda: zx.finetune.translate(data=[str(tmp_path / "no.tsv")], out=out), "no such file"),
        (lambda: zx.finetune.translate(data=[str(data)], out=out, minutes=-1), "setting minutes"),
        (lambda: zx.finetune.translate(data=[str(data)], out=out, minutes=1, settings={"train.steps": 3}), "both say how long"),
        (lambda: zx.finetune.translate(data=[str(data)], out=out, source_language="zh"), "the language to translate from"),
        (lambda: zx.finetune.translate(data=[str(data)], out=out, settings={"model.kind": "llama"}), "cannot be a model of shape"),
        (lambda: zx.finetune.translate(data=[str(data)], out=out, settings={"pairs.max_ration": 3}), "did you mean pairs.max_ratio"),
        (
            lambda: zx.finetune.translate(data=[str(data)], out=run, settings={**SMALL, "train.steps": 99}),
            "train.steps: is 260 in this run",
        ),
        (lambda: zx.translate(run), "give either --in or --text; one of them"),
        (lambda: zx.translate(run, text=["red"], out=out), "out: goes with --in"),
        (lambda: zx.translate(run, in_=tmp_path / "no.txt", out=out), "no such file"),
        (lambda: zx.translate(run, in_=bad, out=out), "bad.txt:41: has bytes"),
        (lambda: zx.translate(data.parent, text=["x"]), "is not a Zhixing run folder"),
        (lambda: zx.translate(run, text=["x"], beams=0), "setting beams"),
    ):
        with pytest.raises(UserError, match=said):
            call()
        assert not out.exists()
    with pytest.raises(InputError):
        zx.finetune.translate(data=[str(bad)], out=out)
    assert [p.name for p in tmp_path.iterdir()] == ["bad.txt"]
