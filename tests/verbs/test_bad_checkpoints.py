"""Checkpoints that cannot be used, through the command line of every verb that takes one: one line, exit code 2, nothing left behind."""

import json
import os
import shutil
import signal

import folders
import pytest
import sentences
import tiny
import torch
from safetensors.torch import load_file, save_file

import zhixing as zx
from zhixing import cli, pretrained
from zhixing.models import BertSettings, LlamaSettings

CONTEXT = 64


@pytest.fixture(autouse=True)
def _signals_as_they_were():
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A good encoder, decoder and translator, and something to train each on."""
    folder = tmp_path_factory.mktemp("checkpoints")
    words = tiny.tokenizer("wordpiece", None)
    made = {
        "encoder": (BertSettings(layers=1, width=16, heads=2, positions=CONTEXT), "encoder"),
        "decoder": (LlamaSettings(layers=1, width=16, heads=2, tied=False), "decoder"),
    }
    for name, (settings, shape) in made.items():
        (folder / name).mkdir()
        pretrained.save(folder / name, tiny.model(settings, words.vocabulary, shape=shape), settings, words, CONTEXT)
    folders.marian_folder(folder / "translator")
    (folder / "text.txt").write_text("\n".join(sentences.texts()), encoding="utf-8")
    zx.prepare([str(folder / "text.txt")], out=folder / "data", tokenizer=folder / "encoder", settings={"read.document": "line"})
    (folder / "labels.tsv").write_text("".join(f"film {n} was {w}\t{w}\n" for n in range(20) for w in ("good", "bad")), encoding="utf-8")
    lines = [
        {"id": n, "question": "which?", "context": f"it is number {n} here", "answers": {"text": [str(n)], "answer_start": [13]}}
        for n in range(40)
    ]
    (folder / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (folder / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in folders.pairs(150)), encoding="utf-8")
    return folder


def commands(place, base, out):
    """Every way to use a checkpoint."""
    return {
        "pretrain": ["pretrain", place / "data", "--base", base, "--out", out, "train.steps=1"],
        "classify": ["finetune", "classify", "--base", base, "--data", place / "labels.tsv", "--out", out],
        "answer": ["finetune", "answer", "--base", base, "--data", place / "questions.jsonl", "--out", out],
        "translate": ["finetune", "translate", "--base", base, "--data", place / "pairs.tsv", "--out", out],
        "export": ["export", base, "--to", "hf", "--out", out],
        "generate": ["generate", base, "--tokens", "2"],
    }


def fails(capsys, words, expected, folder):
    """Run a command that has to end with one line; nothing may be left in its folder."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        cli.main(list(map(str, words)))
    seen = capsys.readouterr()
    last = seen.err.splitlines()[-1]
    assert caught.value.code == 2, (words, last)
    assert seen.out == ""
    assert [line for line in seen.err.splitlines() if "error" in line.lower()] == [last]
    assert last.startswith("zhixing: error: ") and expected in last, (words, last)
    assert len(last) < 400
    assert not list(folder.iterdir()), (words, list(folder.iterdir()))


def setting(**changes):
    def damage(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return damage


def cut(share):
    def damage(folder):
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[: int(len(whole) * share)])

    return damage


def reshaped(folder):
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name, value in tensors.items() if value.ndim == 2 and "embed" not in name)
    save_file(tensors | {name: tensors[name][:, :-1].contiguous()}, folder / "model.safetensors")


class Payload:
    def __reduce__(self):
        return os.mkdir, ("payload-was-run",)


def pickled(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Payload()}, folder / "pytorch_model.bin")


def foreign(folder):
    words = tiny.tokenizer("wordpiece", None)
    for name in ("source.spm", "target.spm", "vocab.json"):
        (folder / name).unlink(missing_ok=True)
    for name in ("tokenizer.json", "source_tokenizer.json"):
        words.extended([f"word{n}" for n in range(60)]).save(folder / name)


def scrap(name, text):
    def damage(folder):
        for other in ("source.spm", "target.spm", "vocab.json"):
            (folder / other).unlink(missing_ok=True)
        (folder / name).write_text(text)

    return damage


DAMAGES = {
    "family": (setting(model_type="t5"), "is a model of type 't5'; known are"),
    "no-family": (setting(model_type=None), "is a model of type None; known are"),
    "shape": (reshaped, "and its config.json asks for"),
    "cut-head": (cut(0.001), "is damaged or no safetensors file"),
    "cut": (cut(0.6), "is damaged or no safetensors file"),
    "pickle": (pickled, "is more than weights, which is never run (it asks for posix.mkdir)"),
    "foreign-tokenizer": (foreign, "; put the tokenizer there that came with the weights"),
    "broken-tokenizer": (scrap("tokenizer.json", "{"), "tokenizer"),
    "no-weights": (lambda folder: (folder / "model.safetensors").unlink(), "holds no weights"),
    "no-layers": (setting(num_hidden_layers="two", encoder_layers="two"), "layers"),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_checkpoints(damage, expected, place, tmp_path, monkeypatch, capsys):
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    for kind in ("encoder", "decoder", "translator"):
        bad = shutil.copytree(place / kind, tmp_path / kind)
        damage(bad)
        for verb, words in commands(place, bad, tmp_path / "out/run").items():
            if (kind == "translator") == (verb in ("translate", "generate")):
                fails(capsys, words, expected, tmp_path / "out")
    assert not (tmp_path / "payload-was-run").exists()


MISFITS = {
    "encoder-causal": ("encoder", "pretrain", (), "objective.kind: = causal trains a model of shape decoder"),
    "encoder-infill": ("encoder", "pretrain", ("objective.kind=infill",), "set objective.kind=masked"),
    "decoder-masked": ("decoder", "pretrain", ("objective.kind=masked",), "set objective.kind=causal or infill"),
    "decoder-denoise": ("decoder", "pretrain", ("objective.kind=denoise",), "set objective.kind=causal or infill"),
    "translator-causal": ("translator", "pretrain", (), "is one of shape encoder-decoder; set objective.kind=denoise"),
    "translator-denoise": ("translator", "pretrain", ("objective.kind=denoise",), "was not prepared with the tokenizer of"),
    "translator-classify": ("translator", "classify", (), "is an encoder-decoder; texts are classified by an encoder or a decoder"),
    "translator-answer": ("translator", "answer", (), "and answers found by an encoder"),
    "decoder-answer": ("decoder", "answer", (), "answers are found by encoders"),
    "encoder-translate": ("encoder", "translate", (), "an encoder-decoder (Marian, M2M100, NLLB) is needed to translate"),
    "decoder-translate": ("decoder", "translate", (), "an encoder-decoder (Marian, M2M100, NLLB) is needed to translate"),
    "encoder-generate": ("encoder", "generate", (), "generate needs a decoder"),
    "translator-generate": ("translator", "generate", (), "generate needs a decoder"),
}


@pytest.mark.parametrize(("kind", "verb", "settings", "expected"), MISFITS.values(), ids=MISFITS.keys())
def test_bases_whose_shape_does_not_fit(kind, verb, settings, expected, place, tmp_path, capsys):
    fails(capsys, [*commands(place, place / kind, tmp_path / "run")[verb], *settings], expected, tmp_path)


@pytest.mark.parametrize("kind", ["encoder", "decoder", "translator"])
def test_a_checkpoint_is_no_finished_run(kind, place, tmp_path, capsys):
    expected = "is a Hugging Face folder, and a run of zhixing finetune is needed here"
    fails(capsys, ["predict", place / kind, "--in", place / "text.txt", "--out", tmp_path / "out.jsonl"], expected, tmp_path)


def test_a_tokenizer_that_knows_too_little_is_spoken_of(place, tmp_path, capsys):
    folder = shutil.copytree(place / "encoder", tmp_path / "encoder")
    tensors = load_file(folder / "model.safetensors")
    rows = {
        name: torch.cat([value] * 2)
        for name, value in tensors.items()
        if value.shape[:1] == (tiny.tokenizer("wordpiece", None).vocabulary,)
    }
    save_file(tensors | rows, folder / "model.safetensors")
    setting(vocab_size=2 * tiny.tokenizer("wordpiece", None).vocabulary)(folder)
    pretrained.load(folder)
    assert "is it the one that the model was trained with?" in capsys.readouterr().err
