"""Models and data sets by their hub ids: the real client, the real command line, a real server on this machine, and its failures."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import folders
import hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
import torch
from safetensors.torch import load_file

from zhixing import pretrained
from zhixing.models import BertSettings, LlamaSettings
from zhixing.pretrained import weights

pytest.importorskip("huggingface_hub")
pytest.importorskip("datasets")

DRIVER = """
import contextlib, io, json, sys
from zhixing import cli
for words in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main(words)
        except SystemExit as ended:
            code = ended.code
    print(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}))
"""
"""The command line, several times in one process: what takes long is to import torch."""


def run(*commands, **environment):
    """Run commands one after the other; returns exit code, stdout and stderr of each."""
    given = json.dumps([list(map(str, words)) for words in commands])
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=given, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def parquet(rows, classes=None):
    made, table = io.BytesIO(), pa.Table.from_pylist(rows)
    if classes:
        told = {"info": {"features": {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": classes, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(told)})
    pq.write_table(table, made)
    return made.getvalue()


def lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def labelled(count):
    return [{"text": f"film {n} was {('awful', 'lovely')[n % 2]}", "label": n % 2} for n in range(count)]


QUESTIONS = [
    {"id": f"q{n}", "title": "", "context": f"it is number {n} here", "question": "which?",
     "answers": {"text": [str(n)], "answer_start": [13]}}
    for n in range(60)
]  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The hub, and where things go."""
    place, words = tmp_path_factory.mktemp("hub"), tiny.tokenizer("wordpiece", None)
    bert = BertSettings(layers=1, width=16, heads=2, positions=64)
    for name in ("bert", "old", "gated", "fragile"):
        (place / name).mkdir()
        pretrained.save(place / name, tiny.model(bert, words.vocabulary, shape="encoder"), bert, words, 64)
    torch.save(load_file(place / "old/model.safetensors"), place / "old/pytorch_model.bin")
    (place / "old/model.safetensors").unlink()
    llama = LlamaSettings(layers=2, width=32, heads=2, tied=False)
    (place / "llama").mkdir()
    made = tiny.model(llama, words.vocabulary)
    pretrained.save(place / "llama", made, llama, words, 64)
    (place / "llama/model.safetensors").unlink()
    weights.write(place / "llama", pretrained.llama.write(made, llama), shard_bytes=20_000)
    (place / "bert/onnx").mkdir()
    for odd in ("onnx/model.safetensors", "onnx/config.json", "tf_model.h5", "consolidated.safetensors", "pytorch_model.bin"):
        (place / "bert" / odd).write_bytes(b"must not be fetched" * 1000)
    with hub.serving() as server:
        for name in ("bert", "old", "llama", "gated", "fragile"):
            server.put(f"models/tiny/{name}", place / name)
        server.refused = {
            "models/tiny/gated": (403, "GatedRepo"), "models/tiny/closed": (401, ""), "models/tiny/ill": (500, ""),
            "datasets/tiny/gated": (403, "GatedRepo"),
        }  # fmt: skip
        translation = [{"translation": {"en": a, "zh": b}} for a, b in folders.pairs(150)]
        server.files |= {
            "datasets/tiny/films": {
                "data/train-00000-of-00002.parquet": parquet(labelled(40), ["bad", "good"]),
                "data/train-00001-of-00002.parquet": parquet(labelled(40), ["bad", "good"]),
                "data/test-00000-of-00001.parquet": parquet([{"text": "a film of the test set", "label": -1}], ["bad", "good"]),
            },
            "datasets/tiny/pairs": {"en-zh/train-00000-of-00001.parquet": parquet(translation)},
            "datasets/tiny/questions": {"train.jsonl": lines(QUESTIONS), "validation.jsonl": lines(QUESTIONS[:20])},
            "datasets/tiny/split": {"test.jsonl": lines(labelled(9))},
            "datasets/tiny/fragile": {"train.jsonl": lines(labelled(20_000))},
            "datasets/tiny/half": {"train.jsonl": lines(labelled(20_000))},
        }
        yield server, place


@pytest.fixture
def settings(served, tmp_path):
    server, _ = served
    server.asked.clear()
    return {"HF_ENDPOINT": server.url, "HF_HOME": tmp_path / "hf", "ZHIXING_CACHE": tmp_path / "cache"}


def test_models(served, settings, tmp_path):
    """New and old weights, whole and in shards; a second time from what is kept, whether the hub answers or not."""
    server, place = served
    data = tmp_path / "films.tsv"
    data.write_text("".join(f"{row['text']}\t{row['label']}\n" for row in labelled(40)))
    commands = [
        ["finetune", "classify", "--base", "tiny/bert", "--data", data, "--out", tmp_path / "run", "train.steps=2", "--json"],
        ["generate", "tiny/llama", "--tokens", "5", "--seed", "1", "--json"],
        ["export", "tiny/old", "--out", tmp_path / "old", "--json"],
        ["generate", place / "llama", "--tokens", "5", "--seed", "1", "--json"],
    ]
    found = run(*commands, **settings)
    assert [one["code"] for one in found] == [0, 0, 0, 0], found
    for one in found:
        json.loads(one["out"])
    assert json.loads(found[1]["out"])["continuations"] == json.loads(found[3]["out"])["continuations"]
    assert f"tiny/bert: asking {server.url}" in found[0]["err"]
    assert not server.asked_for("must-not") and len(server.asked_for("/tiny/bert/resolve")) > 0
    for odd in ("onnx", "tf_model", "consolidated", "bert/resolve/0123456789abcdef0123456789abcdef01234567/pytorch_model"):
        assert not [line for line in server.asked_for(odd) if line.startswith("GET")], odd
    lineage = json.loads((tmp_path / "run/lineage.json").read_text())
    assert lineage["base"]["name"] == "tiny/bert"
    kept = sorted(path.name for path in (tmp_path / "hf/hub").iterdir() if path.name.startswith("models"))
    assert kept == ["models--tiny--bert", "models--tiny--llama", "models--tiny--old"]
    assert not list((tmp_path / "hf/hub").rglob("*.incomplete"))

    server.asked.clear()
    again = [
        ["generate", "tiny/llama", "--tokens", "5", "--seed", "1", "--json"],
        ["export", "tiny/old", "--out", tmp_path / "old2", "--json"],
        ["generate", "tiny/absent"],
    ]
    for environment in ({"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:1"}):
        found = run(*again, **settings | environment)
        assert [one["code"] for one in found] == [0, 0, 1], found
        (tmp_path / "old2").rename(tmp_path / f"old-{len(environment)}-{next(iter(environment))}")
        last = found[2]["err"].splitlines()[-1]
        assert ("HF_HUB_OFFLINE forbids to ask" if "HF_HUB_OFFLINE" in environment else "127.0.0.1:1 cannot be reached") in last
        if "HF_ENDPOINT" in environment:
            assert "HF_ENDPOINT=https://hf-mirror.com" in last and "zhixing get lists it" in last
    assert not server.asked


def test_models_that_cannot_be_had(served, settings, tmp_path):
    server, _ = served
    server.breaks = {"model.safetensors": 99}
    cases = {
        "tiny/absent": (2, f"tiny/absent: no such file or folder, and no such model at {server.url} (if it is private: set HF_TOKEN"),
        "tiny/gated": (2, f"tiny/gated: is gated: ask for access at {server.url}/tiny/gated, then set HF_TOKEN"),
        "tiny/closed": (2, "no such model"),
        "tiny/ill": (1, f"{server.url} answers 500; try again later"),
        "tiny/fragile": (1, "breaks off"),
        "bert-base-chinese": (2, "bert-base-chinese: no such folder; a model of the Hugging Face hub is written owner/name"),
    }
    found = run(*(["export", name, "--out", tmp_path / "out"] for name in cases), **settings)
    for one, (name, (code, words)) in zip(found, cases.items(), strict=True):
        last = one["err"].splitlines()[-1]
        assert (one["code"], one["out"]) == (code, ""), (name, one)
        assert last.startswith("zhixing: error: ") and words in last, (name, one["err"])
        assert "Traceback" not in one["err"]
    assert not (tmp_path / "out").exists()
    server.breaks = {"model.safetensors": 1}  # and now it breaks off once: the client goes on behind what it has
    server.asked.clear()
    [one] = run(["export", "tiny/fragile", "--out", tmp_path / "out"], **settings)
    assert one["code"] == 0, one
    assert [line for line in server.asked_for("fragile/resolve") if "bytes=" in line]
    assert load_file(next((tmp_path / "hf/hub/models--tiny--fragile/snapshots").glob("*/model.safetensors")))


def test_data_sets(served, settings, tmp_path):
    server, place = served
    commands = [
        ["get", "tiny/films", "hf:tiny/films::test", "tiny/questions", "--out", tmp_path / "copies", "--json"],
        ["finetune", "classify", "--data", "tiny/films", "--out", tmp_path / "films", "model.kind=bag", "train.steps=2", "--json"],
        ["finetune", "answer", "--data", "tiny/questions", "--valid", "tiny/questions::validation", "--base", place / "bert",
         "--out", tmp_path / "questions", "train.steps=2", "--json"],
        ["finetune", "translate", "--data", "tiny/pairs", "--out", tmp_path / "pairs", "train.steps=2", "model.width=16", "model.heads=2",
         "model.encoder_layers=1", "model.decoder_layers=1", "train.batch=8", "--json"],
    ]  # fmt: skip
    found = run(*commands, **settings)
    assert [one["code"] for one in found] == [0] * 4, found
    copies = tmp_path / "copies"
    assert sorted(path.name for path in copies.iterdir()) == ["tiny-films-test.jsonl", "tiny-films.jsonl", "tiny-questions.jsonl"]
    assert [json.loads(line) for line in (copies / "tiny-films.jsonl").read_text().splitlines()] == [
        {"text": row["text"], "label": ("bad", "good")[row["label"]]} for row in labelled(40) * 2
    ]
    assert json.loads((copies / "tiny-films-test.jsonl").read_text()) == {"text": "a film of the test set", "label": None}
    assert [json.loads(line) for line in (copies / "tiny-questions.jsonl").read_text().splitlines()] == QUESTIONS
    manifests = [json.loads(path.read_text()) for path in (tmp_path / "cache/corpora").glob("*/manifest.json")]
    assert {one["name"] for one in manifests} == {
        "tiny/films", "hf:tiny/films::test", "tiny/questions", "tiny/questions::validation", "tiny/pairs",
    }  # fmt: skip
    assert {one["revision"] for one in manifests} == {hub.COMMIT}
    assert json.loads(found[1]["out"])["classes"] == 2 if "classes" in json.loads(found[1]["out"]) else True

    server.asked.clear()  # a second time nobody is asked
    [one] = run(["get", "tiny/films", "hf:tiny/films", "--json"], **settings | {"HF_ENDPOINT": "http://127.0.0.1:1"})
    assert one["code"] == 0 and not server.asked


def test_data_sets_that_cannot_be_had(served, settings, tmp_path):
    server, _ = served
    server.breaks = {"train.jsonl": 99}
    cases = {
        "tiny/absent": (2, f"tiny/absent: no such file or folder, and no such data set at {server.url} (if it is private: set HF_TOKEN"),
        "hf:tiny/absent": (2, f"hf:tiny/absent: no such data set at {server.url}"),
        "tiny/gated": (2, f"is gated: ask for access at {server.url}/datasets/tiny/gated, then set HF_TOKEN"),
        "tiny/split": (1, "a data set is written owner/name[:config][:split]"),
        "tiny/films:nonsense": (1, "nonsense"),
        "tiny/half": (1, "tiny/half: "),
        "tiny/absent.tsv": (2, "tiny/absent.tsv: is not in the catalogue"),
    }
    found = run(*(["get", name] for name in cases), **settings)
    for one, (name, (code, words)) in zip(found, cases.items(), strict=True):
        last = one["err"].splitlines()[-1]
        assert (one["code"], one["out"]) == (code, ""), (name, one)
        assert last.startswith("zhixing: error: ") and words in last, (name, one["err"])
        assert "Traceback" not in one["err"]
    corpora = tmp_path / "cache/corpora"
    assert not corpora.exists() or not list(corpora.iterdir())
    server.breaks = {"train.jsonl": 1}  # once: gone on with, or begun again
    far, near = run(["get", "tiny/fragile"], ["get", "tiny/films"], **settings | {"HF_ENDPOINT": server.url + "/"})
    assert (far["code"], near["code"]) == (0, 0), far
    [text] = corpora.glob("*fragile*/documents.jsonl")
    assert text.read_bytes() == lines(labelled(20_000))
    [one] = run(["get", "tiny/pairs"], **settings | {"HF_ENDPOINT": "http://127.0.0.1:1"})
    assert one["code"] == 1 and "127.0.0.1:1 cannot be reached" in one["err"] and "HF_ENDPOINT=https://hf-mirror.com" in one["err"]


def test_which_names_are_ids(tmp_path, monkeypatch):
    from zhixing.corpus import hub as client

    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    for name in ("owner/name", "Qwen/Qwen3-0.6B", "owner/na.me-1_2"):
        assert client.is_model(name) and client.is_data(name)
    for name in ("mine/name", "name", "a/b/c", "/a", "./a", "../a", "a b/c", "a/", ""):
        assert not client.is_model(name) and not client.is_data(name)
    assert client.is_data("owner/name:config:split") and client.is_data("owner/name::split") and client.is_data("hf:mine/name")
    assert not client.is_data("owner/name.tsv") and not client.is_data("owner/name.jsonl.gz") and not client.is_data("owner/a:b:c:d")
