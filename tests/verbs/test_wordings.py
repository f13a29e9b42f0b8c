"""Training texts in other wordings, by way of two real translators."""

import json
import random

import numpy as np
import pytest

import zhixing as zx
from zhixing.errors import ArtifactError, Interrupted, SettingError, UserError
from zhixing.tasks.classify.material import Columns
from zhixing.tasks.classify.objective import Classification, ClassifySettings
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.verbs.finetune.classify import Wish, materials
from zhixing.verbs.finetune.wordings import reworded

ENGLISH = ["one", "two", "three", "four", "red", "blue", "tea", "cat"]
OTHER = dict(zip(ENGLISH, ["first", "second", "third", "fourth", "crimson", "azure", "drink", "animal"], strict=True))
CHINESE = dict(zip(ENGLISH, "一二三四红蓝茶猫", strict=True))
TRANSLATOR = {
    "model.width": 48, "model.heads": 2, "model.encoder_layers": 1, "model.decoder_layers": 1, "train.batch": 8, "objective.context": 32,
    "train.precision": "fp32", "model.dropout": 0.0, "objective.smoothing": 0.0, "train.steps": 300,
}  # fmt: skip
SMALL = {"train.steps": 2, "train.batch": 8, "tokenizer.kind": "word", "model.width": 16}


def sentences(count: int, seed: int) -> list[list[str]]:
    draw = random.Random(seed)
    return [list(words) for words in sorted({tuple(draw.choices(ENGLISH, k=draw.randrange(2, 5))) for _ in range(count)})]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """English to Chinese, Chinese to English in other words, and labelled texts."""
    place = tmp_path_factory.mktemp("wordings")
    there = [(" ".join(words), "".join(CHINESE[w] for w in words)) for words in sentences(700, 0)]
    back = [("".join(CHINESE[w] for w in words), " ".join(OTHER[w] for w in words)) for words in sentences(700, 0)]
    for name, pairs, languages in (("there", there, ("en", "zh")), ("back", back, ("zh", "en"))):
        (place / f"{name}.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
        zx.finetune.translate(
            data=[str(place / f"{name}.tsv")], out=place / name, source_language=languages[0], target_language=languages[1],
            settings=TRANSLATOR,
        )  # fmt: skip
    rows = [(" ".join(words), "warm" if "red" in words else "cold") for words in sentences(80, 1)]
    (place / "texts.tsv").write_text("".join(f"{text}\t{label}\n" for text, label in rows), encoding="utf-8")
    return place


def way(place, share=0.5):
    return {
        "objective.augment.reworded": share, "objective.augment.there": str(place / "there"), "objective.augment.back": str(place / "back"),
    }  # fmt: skip


def wordings(folder):
    return [json.loads(line) for line in (folder / "back.jsonl").read_text(encoding="utf-8").splitlines()]


def test_texts_are_trained_on_in_both_wordings(place, tmp_path, capsys):
    result = zx.finetune.classify(data=[str(place / "texts.tsv")], out=tmp_path / "run", settings={**SMALL, **way(place)})
    said = capsys.readouterr().err
    assert f"{result.train_texts} of {result.train_texts} texts have another wording\nsuch as '" in said
    found = wordings(tmp_path / "run")
    assert len(found) == result.train_texts and {word for line in found for word in line.split()} <= set(OTHER.values())

    wish = Wish([str(place / "texts.tsv")], tmp_path, None, None, Columns(), None, None, "cpu", way(place))
    settings = ClassifySettings(augment={"reworded": 0.5, "there": place / "there", "back": place / "back"})
    (material,) = reworded([materials(wish)], settings.augment, tmp_path / "run", "cpu")
    tokenizer = Tokenizer.load(tmp_path / "run" / "tokenizer.json")
    task = Classification(material.train, material.targets, tokenizer, settings, 1, paired=False, wordings=material.wordings)
    right = [" ".join(OTHER[w] for w in e.text.split()) == material.wordings[e.text] for e in material.train]
    assert np.mean(right) > 0.3  # by chance it would be none
    varied = [task._varied(row, epoch).text for row in range(len(material.train)) for epoch in range(20)]
    texts = {e.text for e in material.train}
    assert 0.4 < np.mean([text not in texts for text in varied]) < 0.6
    assert {text for text in varied if text not in texts} == set(material.wordings.values())


def test_what_is_translated_is_kept_and_gone_on_with(place, tmp_path, monkeypatch):
    from zhixing.tasks.translation import synthetic

    calls = []
    usual = synthetic.by_search

    def counting(translator, beams):
        say = usual(translator, beams)

        def counted(texts):
            calls.append(len(texts))
            if len(calls) == 4:
                raise KeyboardInterrupt
            return say(texts)

        return counted

    monkeypatch.setattr(synthetic, "by_search", counting)
    monkeypatch.setattr(synthetic, "WINDOW", 30)
    asked = {"data": [str(place / "texts.tsv")], "out": tmp_path / "run", "settings": {**SMALL, **way(place)}}
    with pytest.raises(Interrupted, match="the same command goes on"):
        zx.finetune.classify(**asked)
    result = zx.finetune.classify(**asked)
    assert sum(calls) == 2 * result.train_texts + calls[3] and calls[4] == calls[3]
    assert len(wordings(tmp_path / "run")) == result.train_texts


def test_seeds_folds_and_rungs_share_them(place, tmp_path):
    asked = {"data": [str(place / "texts.tsv")], "settings": {**SMALL, **way(place)}}
    for name, more in (("seeds", {"seeds": 2}), ("folds", {"folds": 2})):
        zx.finetune.classify(out=tmp_path / name, **more, **asked)
        assert [str(p.relative_to(tmp_path)) for p in tmp_path.glob(f"{name}/**/back.jsonl")] == [f"{name}/back.jsonl"]
    settings = {k: v for k, v in asked["settings"].items() if not k.startswith("model.")}
    zx.ladder.classify(data=asked["data"], out=tmp_path / "ladder", rungs=["cnn", "lstm"], settings=settings)
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.glob("ladder/**/back.jsonl")] == ["ladder/back.jsonl"]


def test_translators_that_do_not_suit(place, tmp_path):
    for settings in ({"reworded": 0.5}, {"there": "x", "back": "y"}, {"reworded": 0.5, "there": "x"}):
        with pytest.raises(UserError, match=r"reworded, \.there and \.back go together"):
            zx.finetune.classify(
                data=[str(place / "texts.tsv")], out=tmp_path / "x", settings={f"objective.augment.{k}": v for k, v in settings.items()}
            )
    two = {**way(place), "objective.augment.back": str(place / "there")}
    with pytest.raises(SettingError, match=r"objective\.augment\.back: = .* translates from en to zh; back from zh to en is the way"):
        zx.finetune.classify(data=[str(place / "texts.tsv")], out=tmp_path / "x", settings=two)
    with pytest.raises(ArtifactError, match="absent"):
        zx.ladder.classify(
            data=[str(place / "texts.tsv")], out=tmp_path / "x", settings={**way(place), "objective.augment.there": str(place / "absent")}
        )
    chinese = tmp_path / "zh.tsv"
    chinese.write_text("".join(f"{'一二三四红蓝茶猫'[i % 8]}今天天气很好{i}\t{'ab'[i % 2]}\n" for i in range(40)), encoding="utf-8")
    for seeds, folds in ((1, 1), (2, 1), (1, 2)):
        with pytest.raises(SettingError, match=r"augment\.there: .* translates from en, and most of the texts are in another script"):
            zx.finetune.classify(data=[str(chinese)], out=tmp_path / "x", seeds=seeds, folds=folds, settings=way(place))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["zh.tsv"]


def test_wordings_of_other_translators_are_not_taken(place, tmp_path):
    wish = Wish([str(place / "texts.tsv")], tmp_path, None, None, Columns(), None, None, "cpu", way(place))
    settings = ClassifySettings(augment={"reworded": 0.5, "there": place / "there", "back": place / "back"})
    (tmp_path / "wordings.json").write_text(json.dumps({"there": "another", "back": "yet another", "texts": "some"}), encoding="utf-8")
    with pytest.raises(ArtifactError, match="is of other texts or translators; choose another --out"):
        reworded([materials(wish)], settings.augment, tmp_path, "cpu")
