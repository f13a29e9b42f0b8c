"""`finetune classify` from word vectors, with LoRA, and with every way of varying texts and weighing classes."""

import json
import random

import numpy as np
import pytest
import safetensors.torch
import tiny
import torch

import zhixing as zx
from zhixing.embeddings.vectors import Vectors
from zhixing.errors import ArtifactError, InputError, SettingError, UserError
from zhixing.tasks.classify.artifact import open_classifier
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.verbs.finetune.derive import NEW, PRETRAINED, YOUNG

SMALL = {"model.kind": "bert", "model.layers": 2, "model.heads": 2, "tokenizer.kind": "word", "objective.window": 32, "train.batch": 8}
WIDE = {**SMALL, "model.width": 16}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("starts"), random.Random(1)
    lines = [
        f"{draw.choice(tiny.SENTENCES)[:12]} a {draw.choice(words)} film, 第{i}部\t{label}\n"
        for i in range(40)
        for words, label in ((("fine", "lovely", "好看"), "pos"), (("dull", "awful", "难看"), "neg"))
    ]
    (folder / "train.tsv").write_text("".join(lines), encoding="utf-8")
    (folder / "text.txt").write_text("".join(line.split("\t")[0] + "。\n" for line in lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def base(place):
    zx.finetune.classify(data=[str(place / "train.tsv")], out=place / "base", settings={**WIDE, "train.steps": 6})
    return place / "base"


def test_a_base_of_ones_own_is_trained_as_a_new_model_is(place, tmp_path):
    """It has read little: its embeddings move too, and it moves less far than a new model. What comes from elsewhere is kept as it is."""
    pytest.importorskip("transformers", reason="needs the extra hf")
    zx.prepare([str(place / "text.txt")], out=tmp_path / "data", settings={"read.document": "line", "tokenizer.kind": "char"})
    masked = {"objective.kind": "masked", "model.layers": 1, "model.width": 16, "model.heads": 2, "objective.context": 32}
    steps = {"train.steps": 3, "train.batch": 4, "train.compile": False}
    own = zx.pretrain(tmp_path / "data", out=tmp_path / "own", settings={**masked, **steps}).run
    grown = zx.pretrain(tmp_path / "data", out=tmp_path / "grown", base=own, settings={"objective.kind": "masked", **steps}).run
    foreign = zx.export(own, out=tmp_path / "foreign").folder
    made = {}
    for name, base in (("own", own), ("grown", grown), ("foreign", foreign)):
        out = tmp_path / f"{name}-classifier"
        zx.finetune.classify(data=[str(place / "train.tsv")], base=base, out=out, settings={"train.steps": 2, "train.batch": 8})
        made[name] = json.loads((out / "config.json").read_text())
    for name in ("own", "grown"):
        assert made[name]["optim"]["frozen"] == [] and made[name]["optim"]["learning_rate"] == YOUNG["optim.learning_rate"] == 3e-4
        assert made[name]["model"]["dropout"] == NEW["model.dropout"]
    assert made["foreign"]["optim"]["frozen"] == ["encoder.embedding."] and made["foreign"]["model"]["dropout"] == 0.0
    assert made["foreign"]["optim"]["learning_rate"] == PRETRAINED["optim.learning_rate"]
    questions = [
        {"context": f"{i} is here", "qas": [{"id": str(i), "question": "what?", "answers": [{"text": str(i), "answer_start": 0}]}]}
        for i in range(40)
    ]
    (tmp_path / "questions.json").write_text(json.dumps({"data": [{"title": "", "paragraphs": questions}]}), encoding="utf-8")
    for name, base in (("own", own), ("foreign", foreign)):
        out = tmp_path / f"{name}-reader"
        zx.finetune.answer(data=[str(tmp_path / "questions.json")], base=base, out=out, settings={"train.steps": 2, "train.batch": 8})
        made[name] = json.loads((out / "config.json").read_text())
    assert made["own"]["optim"]["frozen"] == [] and made["own"]["optim"]["learning_rate"] == YOUNG["optim.learning_rate"]
    assert made["foreign"]["optim"]["frozen"] == ["encoder.embedding."]


def test_lora_leaves_a_plain_run_and_the_base_as_it_was(place, base):
    result = zx.finetune.classify(
        data=[str(place / "train.tsv")], base=str(base), out=place / "lora",
        settings={"lora.rank": 2, "train.steps": 12, "train.batch": 8, "optim.learning_rate": 0.02},
    )  # fmt: skip
    before, after = (safetensors.torch.load_file(run / "model.safetensors") for run in (base, place / "lora"))
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    adapted = {name for name in before if name.endswith((".qkv.weight", ".out.weight", ".up.weight", ".down.weight"))}
    assert moved == adapted | {"head.weight", "head.bias"}
    ranks = {int(torch.linalg.matrix_rank(after[name] - before[name], rtol=1e-3)) for name in adapted}
    assert ranks == {2}
    assert result.trained_parameters == 2 * 2 * ((16 + 48) + (16 + 16) + (16 + 64) + (64 + 16)) + 2 * 16 + 2
    assert result.parameters == sum(value.numel() for value in after.values())
    open_classifier(place / "lora")  # golden outputs are those of the merged model


def test_lora_needs_something_to_add_to(place, tmp_path):
    with pytest.raises(SettingError, match=r"lora\.rank: needs --base"):
        zx.finetune.classify(data=[str(place / "train.tsv")], out=tmp_path / "x", settings={"lora.rank": 2})
    assert not list(tmp_path.iterdir())


def vectors(folder, words, ids=None, about=None):
    from zhixing.files import new_folder, write_json

    matrix = np.random.default_rng(0).normal(size=(len(words), 12)).astype(np.float32)
    with new_folder(folder, "vectors") as partial:
        Vectors(words, matrix, np.ones(len(words), np.int64), ids, None, about or {"lower": True}).save(partial)
        write_json(partial / "lineage.json", {"texts": [str(folder.parent / "data")]})
    return matrix


def first_embedding(run, vectors_folder, monkeypatch, **settings):
    """What the run's embedding was before the first step."""
    from zhixing.session import Session

    seen = []

    def looked(self, of=Session.go):
        seen.append(self.state.model.body.embedding.weight.detach().clone())
        return of(self)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "go", looked)
        zx.finetune.classify(out=run, vectors=vectors_folder, **settings)
    return seen[0].numpy()


def test_an_embedding_begins_with_vectors_of_words(place, tmp_path, monkeypatch, capsys):
    matrix = vectors(tmp_path / "vec", ["film", "lovely", "awful", "好看", "nowhere"])
    settings = {k: v for k, v in SMALL.items() if k != "tokenizer.kind"}
    data = [str(place / "train.tsv")]
    found = first_embedding(tmp_path / "run", tmp_path / "vec", monkeypatch, data=data, settings={**settings, "train.steps": 2})
    tokenizer = Tokenizer.load(tmp_path / "run" / "tokenizer.json")
    pieces = [piece.strip().lower() for piece in tokenizer.pieces(range(tokenizer.vocabulary))]
    for word, row in zip(["film", "lovely", "awful", "好看"], matrix, strict=False):
        mine = found[pieces.index(word)]
        assert mine @ row / np.linalg.norm(mine) / np.linalg.norm(row) == pytest.approx(1, abs=1e-5)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["model"]["width"], config["tokenizer"]["kind"]) == (12, "word")
    assert "of the tokens start from one, and they make up" in capsys.readouterr().err
    with pytest.raises(SettingError, match=r"model\.width: is 16, and the vectors of .* have 12 numbers"):
        zx.finetune.classify(data=data, out=tmp_path / "wide", vectors=tmp_path / "vec", settings=WIDE)
    with pytest.raises(SettingError, match="cannot be given together with --base"):
        zx.finetune.classify(data=data, out=tmp_path / "both", vectors=tmp_path / "vec", base="minilm")
    with pytest.raises(ArtifactError, match="no such vectors folder"):
        zx.finetune.classify(data=data, out=tmp_path / "none", vectors=tmp_path / "absent", settings=SMALL)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "vec"]


def test_vectors_of_tokens_bring_their_tokenizer(place, tmp_path, monkeypatch):
    tokenizer = tiny.tokenizer()
    (tmp_path / "data").mkdir()
    tokenizer.save(tmp_path / "data" / "tokenizer.json")
    ids = np.arange(5, 15)
    matrix = vectors(tmp_path / "vec", tokenizer.pieces(ids.tolist()), ids, {"tokenizer": tokenizer.fingerprint})
    settings = {k: v for k, v in SMALL.items() if k != "tokenizer.kind"} | {"train.steps": 2}
    data = [str(place / "train.tsv")]
    found = first_embedding(tmp_path / "run", tmp_path / "vec", monkeypatch, data=data, settings=settings)[5:15]
    assert np.allclose((found * matrix).sum(1), np.linalg.norm(found, axis=1) * np.linalg.norm(matrix, axis=1), rtol=1e-4)
    assert Tokenizer.load(tmp_path / "run" / "tokenizer.json").fingerprint == tokenizer.fingerprint
    with pytest.raises(SettingError, match=r"tokenizer\.kind: cannot be set: the vectors of .* bring their tokenizer"):
        zx.finetune.classify(data=data, out=tmp_path / "x", vectors=tmp_path / "vec", settings=SMALL)
    (tmp_path / "data" / "tokenizer.json").unlink()
    with pytest.raises(ArtifactError, match="whose tokenizer is no longer where it was"):
        zx.finetune.classify(data=data, out=tmp_path / "x", vectors=tmp_path / "vec", settings=settings)


def test_every_way_of_varying_and_weighing(place, base, tmp_path):
    """One step of each: what is asked for is taken up, and what is trained is finite."""
    (tmp_path / "synonyms.tsv").write_text("lovely\tfine,great\n好看\t精彩、不错\n", encoding="utf-8")
    for number, settings in enumerate((
        {"objective.focal": 2.0, "objective.weights": "balanced", "objective.smoothing": 0.1, "train.ema": 0.9},
        {"objective.augment.drop": 0.2, "objective.augment.swap": 0.2, "objective.augment.replace": 0.5,
         "objective.augment.synonyms": str(tmp_path / "synonyms.tsv"), "objective.weights": "root",
         "optim.frozen": ["encoder.embedding.", "encoder.trunk.blocks.0."], "optim.layer_decay": 0.8, "train.patience": 1},
    )):  # fmt: skip
        out = tmp_path / f"run-{number}"
        result = zx.finetune.classify(
            data=[str(place / "train.tsv")], base=str(base), out=out, settings={"train.steps": 2, "train.batch": 8, **settings}
        )
        assert 0 <= result.metrics["accuracy"].value <= 1
        kept = safetensors.torch.load_file(out / "model.safetensors")["encoder.trunk.blocks.0.attention.qkv.weight"]
        begun = safetensors.torch.load_file(base / "model.safetensors")["encoder.trunk.blocks.0.attention.qkv.weight"]
        assert torch.equal(kept, begun) == ("optim.frozen" in settings)


def test_synonyms_and_their_share_go_together(place, tmp_path):
    for settings in ({"objective.augment.replace": 0.1}, {"objective.augment.synonyms": "x.tsv"}):
        with pytest.raises(UserError, match="go together"):
            zx.finetune.classify(data=[str(place / "train.tsv")], out=tmp_path / "x", settings=settings)
    with pytest.raises(InputError, match=r"absent\.tsv: cannot be read"):
        both = {"objective.augment.replace": 0.1, "objective.augment.synonyms": str(tmp_path / "absent.tsv")}
        zx.finetune.classify(data=[str(place / "train.tsv")], out=tmp_path / "x", settings=both)
    assert not list(tmp_path.iterdir())
