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
import contextlib, io, json, os, sys, time, urllib.request
from zhixing import cli
from zhixing.corpus import hub
nap = time.sleep
time.sleep = lambda seconds: nap(min(seconds, 0.02))
for words in json.load(sys.stdin):
    if isinstance(words, dict):
        urllib.request.urlopen(os.environ["HF_ENDPOINT"].rstrip("/") + "/switch", json.dumps(words).encode()).close()
        continue
    hub.model.cache_clear()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main(words)
        except SystemExit as ended:
            code = ended.code
    print(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}))
"""
"""The command line, several times in one process: what takes long is to import torch. The client does not wait between its tries."""


def run(*commands, **environment):
    """Run commands one after the other, or change what the hub does; returns exit code, stdout and stderr of each command."""
    given = json.dumps([words if isinstance(words, dict) else list(map(str, words)) for words in commands])
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=given, capture_output=True, text=True, check=False, timeout=900,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def refused(found, cases):
    """Each command ended with one line, and with the code and the words that are wanted."""
    assert len(found) == len(cases)
    for one, (name, (code, words)) in zip(found, cases.items(), strict=True):
        last = one["err"].splitlines()[-1]
        assert (one["code"], one["out"]) == (code, ""), (name, one)
        assert last.startswith("zhixing: error: ") and words in last, (name, one["err"])
        assert "Traceback" not in one["err"] and len(last) < 500


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
    bert, llama = BertSettings(layers=1, width=16, heads=2, positions=64), LlamaSettings(layers=2, width=32, heads=2, tied=False)
    encoder, decoder = tiny.model(bert, words.vocabulary, shape="encoder"), tiny.model(llama, words.vocabulary)
    for name in ("bert", "old", "llama", "fragile"):
        (place / name).mkdir()
        pretrained.save(place / name, *((encoder, bert) if name == "bert" else (decoder, llama)), words, 64)
    torch.save(load_file(place / "old/model.safetensors"), place / "old/pytorch_model.bin")
    (place / "old/model.safetensors").unlink()
    (place / "llama/model.safetensors").unlink()
    weights.write(place / "llama", pretrained.llama.write(decoder, llama), shard_bytes=20_000)
    (place / "bert/onnx").mkdir()
    for odd in ("onnx/model.safetensors", "onnx/config.json", "tf_model.h5", "consolidated.safetensors", "pytorch_model.bin"):
        (place / "bert" / odd).write_bytes(b"must not be fetched" * 1000)
    folders.marian_folder(place / "marian")
    with hub.serving() as server:
        for name in ("bert", "old", "llama", "fragile", "marian"):
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
    server.down, server.breaks = False, {}
    return {"HF_ENDPOINT": server.url, "HF_HOME": tmp_path / "hf", "ZHIXING_CACHE": tmp_path / "cache"}


def test_models(served, settings, tmp_path):
    """New and old weights, whole and in shards; what cannot be had; a second time from what is kept, whether the hub answers or not."""
    server, place = served
    data = tmp_path / "films.tsv"
    data.write_text("".join(f"{row['text']}\t{row['label']}\n" for row in labelled(40)))
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"{a}\t{b}\n" for a, b in folders.pairs(100)), encoding="utf-8")
    write = ["--tokens", "5", "--seed", "1", "--json"]
    good = [
        ["finetune", "classify", "--base", "tiny/bert", "--data", data, "--out", tmp_path / "run", "train.steps=2", "--json"],
        ["generate", "tiny/llama", *write],
        ["generate", "tiny/old", *write],
        ["generate", place / "llama", *write],
        ["finetune", "translate", "--base", "tiny/marian", "--data", pairs, "--out", tmp_path / "en-zh", "train.steps=2", "--json"],
    ]
    cases = {
        "tiny/absent": (2, f"tiny/absent: no such file or folder, and no such model at {server.url} (if it is private: set HF_TOKEN"),
        "tiny/gated": (2, f"tiny/gated: is gated: ask for access at {server.url}/tiny/gated, then set HF_TOKEN"),
        "tiny/closed": (1, f"{server.url} answers 401; set HF_TOKEN to a token that may read it"),
        "tiny/ill": (1, f"{server.url} answers 500; try again later"),
        "bert-base-chinese": (2, "no such folder; check the path (a model of the Hugging Face hub is written owner/name)"),
        "tiny/fragile": (1, f"{server.url} cannot be reached, or breaks off"),
    }
    bad = [["generate", name, *write] for name in cases]
    found = run(
        *good, {"breaks": {"model.safetensors": 99}}, *bad, {"breaks": {"model.safetensors": 1}}, ["generate", "tiny/fragile",
        *write], {"down": True}, ["generate", "tiny/llama", *write], ["generate", "tiny/absent"], **settings,
    )  # fmt: skip
    first, refusals, (whole, kept, unreachable) = found[:5], found[5:11], found[11:]
    assert [one["code"] for one in first] == [0, 0, 0, 0, 0], first
    written = json.loads(first[3]["out"])["continuations"]
    assert json.loads(first[1]["out"])["continuations"] == json.loads(first[2]["out"])["continuations"] == written
    assert first[1]["err"] == f"tiny/llama: asking {server.url}\n"
    assert json.loads((tmp_path / "run/lineage.json").read_text())["base"]["name"] == "tiny/bert"
    for odd in ("onnx", "tf_model", "consolidated", f"bert/resolve/{hub.COMMIT}/pytorch_model"):
        assert not [line for line in server.asked_for(odd) if line.startswith("GET")], odd
    refused(refusals, cases)
    assert whole["code"] == 0, whole  # it broke off once more, and was asked for again
    assert server.breaks == {"model.safetensors": 0}
    assert kept["code"] == 0, kept
    assert json.loads(kept["out"])["continuations"] == written and "going on with what is kept" in kept["err"]
    refused([unreachable], {"down": (1, f"{server.url} cannot be reached")})
    assert "HF_ENDPOINT=https://hf-mirror.com" in unreachable["err"] and "zhixing get lists it" in unreachable["err"]
    assert not list((tmp_path / "hf/hub").rglob("*.incomplete"))

    server.asked.clear()
    kept, absent = run(["generate", "tiny/llama", *write], ["generate", "tiny/absent"], **settings | {"HF_HUB_OFFLINE": "1"})
    assert (kept["code"], json.loads(kept["out"])["continuations"]) == (0, written)
    refused([absent], {"offline": (1, "not kept from an earlier time, and HF_HUB_OFFLINE forbids to ask")})
    assert not server.asked


def test_data_sets(served, settings, tmp_path):
    """For every task, from an address with a slash at its end; what cannot be had leaves nothing; a second time nobody is asked."""
    server, place = served
    copies, corpora = tmp_path / "copies", tmp_path / "cache/corpora"
    good = [
        ["get", "tiny/films", "hf:tiny/films::test", "tiny/questions", "--out", copies, "--json"],
        ["finetune", "classify", "--data", "tiny/films", "--out", tmp_path / "films", "model.kind=bag", "train.steps=2", "--json"],
        ["finetune", "answer", "--data", "tiny/questions", "--valid", "tiny/questions::validation", "--base", place / "bert",
         "--out", tmp_path / "questions", "train.steps=2", "--json"],
        ["finetune", "translate", "--data", "tiny/pairs", "--out", tmp_path / "pairs", "train.steps=2", "model.width=16", "model.heads=2",
         "model.encoder_layers=1", "model.decoder_layers=1", "train.batch=8", "--json"],
    ]  # fmt: skip
    cases = {
        "tiny/absent": (2, f"tiny/absent: no such file or folder, and no such data set at {server.url} (if it is private: set HF_TOKEN"),
        "hf:tiny/absent": (2, f"hf:tiny/absent: no such data set at {server.url}"),
        "tiny/gated": (2, f"is gated: ask for access at {server.url}/datasets/tiny/gated, then set HF_TOKEN"),
        "tiny/split": (1, "a data set is written owner/name[:config][:split]"),
        "tiny/films:nonsense": (1, "nonsense"),
        "tiny/absent.tsv": (2, "tiny/absent.tsv: is not in the catalogue"),
        "tiny/half": (1, f"tiny/half: no such file or folder, and {server.url} cannot be reached, or breaks off"),
    }
    bad = [["get", name] for name in cases]
    found = run(
        *good, {"breaks": {"train.jsonl": 999}}, *bad, {"breaks": {"train.jsonl": 1}}, ["get", "tiny/fragile"], {"down": True},
        ["get", "tiny/films", "hf:tiny/films"], ["get", "tiny/split::test"], **settings | {"HF_ENDPOINT": f"{server.url}/"},
    )  # fmt: skip
    first, refusals, (whole, kept, unreachable) = found[:4], found[4:11], found[11:]
    assert [one["code"] for one in first] == [0] * 4, first
    assert sorted(path.name for path in copies.iterdir()) == ["tiny-films-test.jsonl", "tiny-films.jsonl", "tiny-questions.jsonl"]
    assert [json.loads(line) for line in (copies / "tiny-films.jsonl").read_text().splitlines()] == [
        {"text": row["text"], "label": ("bad", "good")[row["label"]]} for row in labelled(40) * 2
    ]
    assert json.loads((copies / "tiny-films-test.jsonl").read_text()) == {"text": "a film of the test set", "label": None}
    assert [json.loads(line) for line in (copies / "tiny-questions.jsonl").read_text().splitlines()] == QUESTIONS
    refused(refusals, cases)
    assert (whole["code"], kept["code"]) == (0, 0), (whole, kept)
    [text] = corpora.glob("*fragile*/documents.jsonl")
    assert text.read_bytes() == lines(labelled(20_000))
    refused([unreachable], {"down": (1, f"{server.url} cannot be reached")})
    assert "HF_ENDPOINT=https://hf-mirror.com" in unreachable["err"]
    manifests = [json.loads(path.read_text()) for path in corpora.glob("*/manifest.json")]
    assert {one["name"] for one in manifests} == {
        "tiny/films", "hf:tiny/films::test", "tiny/questions", "tiny/questions::validation", "tiny/pairs", "tiny/fragile",
    }  # fmt: skip
    assert {one["revision"] for one in manifests} == {hub.COMMIT}
    assert not [path for path in corpora.iterdir() if path.name.startswith(".")]


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
