"""Malformed inputs and settings, fed to every verb through the command line.

Each case has to end with exit code 2 (1, or death by SIGINT, where it says so),
exactly one line of error that names the file, line or setting, no traceback, and
every file as it was before: nothing half-written, nothing of the user's touched. Most cases run inside this process, which is quick; each
eighth one, and all those with signals and limits, run as processes of their own.

    python benchmarks/stress.py [--only WORD] [--save]        --save writes benchmarks/results/stress-DATE.json
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import types
import typing
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from zhixing import cli
from zhixing.config import setting_names
from zhixing.files import sole_user
from zhixing.tokenizer.settings import PrepareSettings
from zhixing.train.recipe import Recipe

TIMEOUT = 60
TINY = [
    "model.layers=1",
    "model.width=32",
    "model.heads=2",
    "objective.context=32",
    "train.batch=4",
    "train.steps=4",
    "train.compile=false",
]
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0" + bytes(range(256)) * 4
GOOD = "".join(f"Line number {i} is about {i * i} things, 第{i}行。\n" for i in range(400))

Setup = Callable[[Path], object]


@dataclass
class Case:
    """One thing that a user could do wrong."""

    words: list[str]
    names: str
    """What the line on stderr has to mention."""
    setup: Setup = lambda here: None
    codes: tuple[int, ...] = (2,)
    stdin: bytes = b""
    own_process: bool = False
    limit: int | None = None
    """Bytes that a file may grow to, in place of a full disk."""
    interrupt: float | None = None
    """Seconds after which Ctrl-C comes; the command may also have been quicker."""
    faults: list[str] = field(default_factory=list)


def files(**contents: bytes | str) -> Setup:
    """A setup that writes files; `a__b` stands for `a.b`."""

    def write(here: Path) -> None:
        for name, content in contents.items():
            path = here / name.replace("__", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def both(*setups: Setup) -> Setup:
    return lambda here: [setup(here) for setup in setups]


def copied(source: Path, then: Setup = lambda here: None) -> Setup:
    """A setup that copies a folder to `x` and does something to the copy."""
    return lambda here: (shutil.copytree(source, here / "x"), then(here / "x"))


def flipped(name: str) -> Setup:
    def flip(folder: Path) -> None:
        for path in folder.rglob(name):
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0x40
            path.write_bytes(data)

    return flip


def shortened(name: str) -> Setup:
    return lambda folder: [os.truncate(path, 7) for path in folder.rglob(name)]


def removed(name: str) -> Setup:
    return lambda folder: [path.unlink() for path in folder.rglob(name)]


def replaced(name: str, content: bytes | str) -> Setup:
    return lambda folder: [p.write_bytes(content.encode() if isinstance(content, str) else content) for p in folder.rglob(name)]


def changed(name: str, **values: Any) -> Setup:
    def change(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")

    return change


def resealed(then: Setup) -> Setup:
    """What a hand that also mends the manifest would leave: hashes that are right, content that is not."""

    def reseal(folder: Path) -> None:
        then(folder)
        path = folder / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        for name in list(manifest["files"]):
            if (folder / name).is_file():
                data = (folder / name).read_bytes()
                manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            else:
                del manifest["files"][name]
        path.write_text(json.dumps(manifest), encoding="utf-8")

    return reseal


# --- the cases ---------------------------------------------------------------------------------------------------------------------------


def usage() -> Iterator[Case]:
    for words, names in (
        (["pretrian"], "did you mean pretrain?"), (["--verbose"], "--verbose"), ([""], "no command"), (["训练"], "训练"), (["GET"], "get"),
        (["prepare"], "texts"), (["pretrain"], "data"), (["plan"], "data"), (["generate"], "model"), (["evaluate"], "model"),
        (["compare"], "a"), (["compare", "x"], "b"), (["export"], "run"), (["pretrain", "x"], "--out"),
        (["prepare", "x", "--out"], "--out"),
        (["generate", "x", "y"], "y"), (["plan", "x", "y"], "y"), (["export", "x", "--to"], "--to"), (["get", "--outt", "x"], "--outt"),
        (["plan", "x", "--minutes", "ten"], "--minutes"), (["plan", "x", "--minutes", ""], "--minutes"),
        (["generate", "x", "--tokens", "1.5"], "--tokens"), (["generate", "x", "--seed", "x"], "--seed"),
        (["generate", "x", "--greedy", "yes"], "yes"), (["prepare", "x", "--out", "o", "--vocabulary", "1e3"], "--vocabulary"),
        (["evaluate", "x", "--window", "256 tokens"], "--window"), (["pretrain", "x", "--out", "o", "--minute", "--json"], "--minute"),
        (["pretrain", "x", "--out", "o", "train.steps 5"], "train.steps 5"), (["pretrain", "x", "--out", "o", "=5"], "=5"),
        (["evaluate", "x", "objective.context=5"], "objective.context=5"), (["get", "shakespear"], "shakespear"),
        (["get", "Shakespeare"], "Shakespeare"), (["get", ""], "catalogue"), (["get", "../x"], "../x"), (["get", "ftp://x/y"], "ftp://x/y"),
        (["get", "http://"], "http://"), (["get", "https://[::1"], "https://[::1"), (["get", "hf:"], "hf:"), (["get", "hf:::"], "hf:"),
    ):  # fmt: skip
        yield Case(words, names, codes=(1, 2) if ":" in words[-1] else (2,))
    yield Case(["get", "http://127.0.0.1:9/x.txt"], "127.0.0.1:9", codes=(1,))
    yield Case(["prepare", "http://127.0.0.1:9/x.txt", "--out", "o"], "127.0.0.1:9", codes=(1,))
    yield Case(["get", "hf:nobody/nothing"], "hf:nobody/nothing", codes=(1,))


def texts() -> Iterator[Case]:
    """Files that cannot become data."""
    surrogate = '{"text": "\\ud800"}\n'
    contents: dict[str, bytes | str] = {
        "empty.txt": b"", "blank.txt": b" \n\t\n\r\n", "bom.txt": b"\xef\xbb\xbf", "zeros.txt": bytes(1000), "picture.txt": PNG,
        "picture.png": PNG, "program": b"\x7fELF" + bytes(range(256)) * 8, "noise.md": random.Random(1).randbytes(5000),
        "half.txt": b"\xff\xfeA", "one.txt": "one single line", "invisible.txt": "\u200b\u200b\ufeff\n",
        "broken.jsonl": '{"text": \n{broken\n[1, 2\n', "list.jsonl": '["a", "b"]\n', "number.jsonl": "3\n4\n", "null.jsonl": "null\n",
        "other.jsonl": '{"title": "x", "link": "y"}\n' * 5, "typed.jsonl": '{"text": 3}\n{"text": null}\n{"text": ["a"]}\n',
        "hollow.jsonl": '{"text": ""}\n{"text": "  "}\n', "deep.jsonl": "[" * 50_000, "lone.jsonl": surrogate, "empty.jsonl": b"",
        "nan.jsonl": "NaN\n", "wrong.ndjson": GOOD, "empty.csv": b"", "header.csv": "text,label\n", "hollow.csv": "text\n\n\n\n",
        "numbers.csv": "id,price\n1,2\n3,4\n", "nul.csv": b"text\n\0\n", "quote.csv": 'text\n"never closed\n', "empty.tsv": b"",
        "damaged.txt.gz": gzip.compress(GOOD.encode())[:-9][:30], "fake.txt.gz": GOOD, "fake.txt.zst": GOOD, "fake.txt.bz2": GOOD,
        "fake.txt.xz": GOOD, "fake.parquet": GOOD, "empty.parquet": b"", "short.parquet": b"PAR1PAR1",
        "wrong.jsonl.gz": gzip.compress(b"{"),
        "empty.txt.gz": gzip.compress(b""), "picture.txt.gz": gzip.compress(PNG),
    }  # fmt: skip
    for name, content in contents.items():
        yield Case(["prepare", name, "--out", "o"], name.partition(".")[0], lambda here, n=name, c=content: files(**{n: c})(here))
    yield Case(["prepare", "same.jsonl", "--out", "o"], "same.jsonl", files(same__jsonl='{"text": "one and the same"}\n' * 50))
    yield Case(["prepare", "-", "--out", "o"], "-", stdin=b"", own_process=True)
    yield Case(["prepare", "-", "--out", "o"], "-", stdin=PNG, own_process=True)
    yield Case(["prepare", "-", "-", "--out", "o"], "-", stdin=b"one line only", own_process=True)
    for name in ("absent.txt", "no/such/folder", "*.nothing", "[", "a" * 300, "~nobody/x", "x\0y", "\udcff.txt", " ", "", "o"):
        yield Case(["prepare", name, "--out", "o"], name.replace("\0", "").strip()[:20] if "\0" not in name else "x")
    yield Case(["prepare", "good.txt", "absent.txt", "--out", "o"], "absent.txt", files(good__txt=GOOD))
    yield Case(["prepare", "good.txt", "picture.png", "--out", "o"], "picture.png", files(good__txt=GOOD, picture__png=PNG))
    yield Case(["prepare", "dir", "--out", "o"], "dir", lambda here: (here / "dir").mkdir())
    yield Case(["prepare", "dir", "--out", "o"], "dir", lambda here: files(**{"dir/a__png": PNG, "dir/b__exe": PNG})(here))
    yield Case(["prepare", "dir", "--out", "o"], "dir", lambda here: files(**{"dir/__hidden": GOOD})(here))
    yield Case(["prepare", "dir", "--out", "o"], "dir", lambda here: files(**{"dir/a__txt": b"", "dir/b__txt": b"\n"})(here))
    yield Case(["prepare", "loop", "--out", "o"], "loop", lambda here: (here / "loop").symlink_to("loop"))
    yield Case(["prepare", "link.txt", "--out", "o"], "link.txt", lambda here: (here / "link.txt").symlink_to("absent"))
    yield Case(["prepare", "/dev/null", "--out", "o"], "/dev/null")
    yield Case(["prepare", "long.txt", "--out", "o"], "read.max_line", lambda here: (here / "long.txt").write_bytes(b"a" * 100_000_000))
    yield Case(
        ["prepare", "long.jsonl", "--out", "o"],
        "long.jsonl",
        lambda here: (here / "long.jsonl").write_bytes(b'{"text":"' + b"a" * 100_000_000),
    )
    yield Case(["prepare", "good.txt", "--out", "o", "read.encoding=klingon"], "klingon", files(good__txt=GOOD))
    yield Case(["prepare", "good.txt", "--out", "o", "read.encoding=base64"], "base64", files(good__txt=GOOD))
    yield Case(["prepare", "good.txt", "--out", "o", "read.encoding=ascii"], "good.txt", files(good__txt="知行合一\n" * 20))
    yield Case(["prepare", "good.txt", "--out", "o", "read.encoding=utf-32"], "good.txt", files(good__txt=GOOD))
    yield Case(["prepare", "good.jsonl", "--out", "o", "read.text_field=body"], "title", files(good__jsonl='{"title": "x"}\n' * 9))
    yield Case(["prepare", "good.csv", "--out", "o", "read.text_field=body"], "body", files(good__csv="title,x\na,b\n"))
    yield Case(["prepare", "good.csv", "--out", "o", "read.text_field=7"], "7", files(good__csv="title,x\na,b\n"))
    yield Case(["prepare", "good.txt", "--out", "o", "filter.min_characters=100000"], "good.txt", files(good__txt=GOOD))
    yield Case(["prepare", "good.txt", "--out", "o", "read.document=line", "filter.max_characters=1"], "good.txt", files(good__txt=GOOD))
    yield from tables()


def tables() -> Iterator[Case]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, columns in (
        ("other", {"title": ["a", "b"]}), ("numbers", {"text": [1, 2]}), ("nulls", {"text": [None, None]}), ("none", {"text": []}),
        ("bytes", {"text": [b"\xff"]}),
    ):  # fmt: skip
        yield Case(
            ["prepare", f"{name}.parquet", "--out", "o"],
            name,
            lambda here, n=name, c=columns: pq.write_table(pa.table(c), here / f"{n}.parquet"),
        )
    yield Case(
        ["prepare", "good.parquet", "--out", "o", "read.text_field=body"], "body",
        lambda here: pq.write_table(pa.table({"text": ["a", "b"]}), here / "good.parquet"),
    )  # fmt: skip


def places(data: Path, run: Path, export: Path) -> Iterator[Case]:
    """Places where a result cannot go."""
    good = files(good__txt=GOOD)
    for setup, out in (
        (files(o="mine"), "o"), (files(**{"o/letter": "mine"}), "o"), (files(f="mine"), "f/o"),
        (lambda here: (here / "o").symlink_to("x"), "o"),
        (lambda here: None, "."), (lambda here: None, "/"), (lambda here: None, "/proc/o"), (lambda here: None, "/dev/null/o"),
        (lambda here: None, "n" * 300), (lambda here: None, "good.txt"), (lambda here: None, ""), (lambda here: None, str(data)),
        (lambda here: None, "o\0p"),
    ):  # fmt: skip
        names = out[:20] if "\0" not in out else "o"
        yield Case(["prepare", "good.txt", "--out", out, "read.document=line"], names, both(good, setup), codes=(1, 2))
        yield Case(["pretrain", str(data), "--out", out, *TINY], names, both(good, setup), codes=(1, 2))
        yield Case(["export", str(run), "--out", out], names, both(good, setup), codes=(1, 2))
    yield Case(["get", "shakespeare", "--out", "o"], "o", files(o="mine"), codes=(1, 2))
    yield Case(["evaluate", str(run), "--data", "good.txt", "--out", "o"], "o", both(good, files(o="mine")))
    for words in (
        ["prepare", "good.txt", "--out", "o", "read.document=line"], ["pretrain", str(data), "--out", "o", *TINY], ["export", str(run),
        "--out", "o"],
        ["evaluate", str(run), "--data", "good.txt", "--out", "o"], ["export", str(export), "--out", "o"],
    ):  # fmt: skip
        yield Case(words, "o", good, codes=(1,), limit=2048)


def settings(verb: str, words: list[str], tree: type[BaseModel]) -> Iterator[Case]:
    """Every setting, misspelt and with values of the wrong type or out of range."""
    for name in dict.fromkeys(setting_names(tree)):
        if name.endswith(".kind") and name.startswith("objective"):
            continue
        yield Case([*words, f"{name}x=1"], f"{name}x")
        for value in wrong(tree, name):
            yield Case([*words, f"{name}={value}"], name)


def wrong(tree: type[BaseModel], name: str) -> list[str]:
    """Values that a setting cannot have, by its type."""
    kinds = {kind for found in annotations(tree, name) for kind in _flat(found)}
    if bool in kinds:
        return ["perhaps", "[]"]
    if float in kinds:
        return ["much", "nan", "-1"]
    if int in kinds and str not in kinds:
        return ["many", "1.5"] if name.endswith("seed") else ["many", "1.5", "-7"]
    return ["[1, 2]"] if kinds <= {str, int, types.NoneType} else ["nonsense", "3"]


def annotations(tree: type[BaseModel], name: str) -> Iterator[Any]:
    first, _, rest = name.partition(".")
    annotation = tree.model_fields[first].annotation if first in tree.model_fields else None
    if not rest:
        yield annotation
        return
    for member in _flat(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            yield from annotations(member, rest)


def _flat(annotation: Any) -> Iterator[Any]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        for inner in typing.get_args(annotation):
            yield from _flat(inner)
    else:
        yield annotation


def contradictions(data: Path, run: Path) -> Iterator[Case]:
    out = [str(data), "--out", "o"]
    for words, names in (
        (["--minutes", "0"], "minutes"), (["--minutes", "-3"], "minutes"), (["--minutes", "nan"], "minutes"),
        (["--minutes", "inf"], "minutes"),
        (["--minutes", "1", "train.steps=5"], "train.steps"), (["--device", "gpu"], "device"), (["--device", "cuda:77"], "device"),
        (["--device", "cpu:0:1"], "device"), (["--base", "absent"], "absent"), (["--base", str(data)], data.name),
        (["--base", str(run), "model.width=64"], "model.width"), (["train.steps=5", "objective.context=1000000"], "context"),
        (["train.steps=5", "objective.context=1"], "objective.context"),
        (["train.steps=5", "train.batch=2", "train.accumulate=3"], "train.accumulate"),
        (["train.steps=5", "schedule.warmup=5"], "schedule.warmup"), (["train.steps=5", "model.width=33"], "model"),
        (["train.steps=5", "model.width=64", "model.heads=5"], "model"), (["train.steps=5", "model.heads=4", "model.kv_heads=3"], "model"),
        (["train.steps=5", "model.kind=rnn", "model.heads=4"], "model.heads"), (["train.steps=5", "model.cell=gru"], "model.cell"),
        (["train.steps=5", "model.kind=transformer"], "model.kind"), (["train.steps=5", "model=llama"], "model"), (["train=5"], "train"),
        (["train.steps.more=5"], "train.steps"), (["train.steps=5", "train.steps.more=5"], "train.steps"),
        (["optim.kind=Adam"], "optim.kind"),
        (["schedule.kind=step"], "schedule.kind"), (["learning_rate=1"], "optim.learning_rate"), (["Train.steps=5"], "train.steps"),
        (["train.step=5"], "train.steps"), (["train..steps=5"], "train"), (["train.=5"], "train"),
        (["--config", "absent.toml"], "absent.toml"),
        (["--config", "."], "."), (["train.steps=5", "model.width=4000000"], "memory"),
        (["train.steps=5", "model.layers=1000000"], "memory"),
        (["train.steps=5", "train.batch=1000000000"], "memory"), (["train.steps=999999999999999999999999"], "train.steps"),
    ):  # fmt: skip
        yield Case(["pretrain", *out, *words], names)
        if "train.steps=5" not in words:
            yield Case(["plan", str(data), *words], names)
    for content, names in (
        ("train = ", "s.toml"), ("[train]\nsteps = 5\n[train]\n", "s.toml"), (b"\xff\xfe", "s.toml"), (b"\0", "s.toml"), (PNG, "s.toml"),
        ("[train]\nstep = 5", "train.step"), ("[training]\nsteps = 5", "training.steps"), ("train = 5", "train"),
        ("[train]\nsteps = 'five'", "train.steps"),
        ("[[train]]\nsteps = 5", "train"), ("steps = 5", "steps"), ("x = " + "[" * 3000, "s.toml"), ("x = 1" + "0" * 5000, "s.toml"),
        ("[train]\nsteps = 2026-01-01", "train.steps"), ('"train.steps" = "x"', "train.steps"),
    ):  # fmt: skip
        for verb in (["pretrain", *out], ["prepare", "good.txt", "--out", "o"]):
            yield Case([*verb, "--config", "s.toml"], names, files(s__toml=content, good__txt=GOOD))


def tokenizers(run: Path) -> Iterator[Case]:
    good = ["prepare", "good.txt", "--out", "o", "read.document=line"]
    for words, names in (
        (["--tokenizer", "absent"], "absent"), (["--tokenizer", "t.json"], "t.json"), (["--tokenizer", "."], "."),
        (["--tokenizer", str(run), "tokenizer.kind=char"], "tokenizer.kind"), (["--tokenizer", str(run),
        "--vocabulary", "400"], "vocabulary"),
        (["--vocabulary", "400", "tokenizer.vocabulary=500"], "vocabulary"), (["--vocabulary", "60000"], "vocabulary"),
        (["--vocabulary", "0"], "vocabulary"),
        (["--vocabulary", "-1"], "vocabulary"), (["--vocabulary", "99999999999"], "vocabulary"),
        (["--vocabulary", "60000", "tokenizer.kind=unigram"], "vocabulary"),
        (["--vocabulary", "60000", "tokenizer.kind=wordpiece"], "vocabulary"),
        (["--vocabulary", "60000", "tokenizer.kind=word"], "vocabulary"), (["tokenizer.kind=BPE"], "tokenizer.kind"),
        (["tokenizer.kind=sentencepiece"], "tokenizer.kind"),
        (["split.valid=0"], "split.valid"), (["split.valid=1"], "split.valid"), (["split.valid=5%"], "split.valid"),
    ):  # fmt: skip
        yield Case([*good, *words], names, files(good__txt=GOOD, t__json="{}"))
    for content in (
        "",
        "[]",
        "{",
        '{"model": {}}',
        '{"version": "1.0"}',
        PNG,
        '{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}',
        "null",
    ):
        yield Case([*good, "--tokenizer", "t.json"], "t.json", files(good__txt=GOOD, t__json=content))


def data_folders(data: Path, run: Path) -> Iterator[Case]:
    """Data folders that are absent, foreign, newer or damaged."""
    verbs: list[Callable[[str], list[str]]] = [
        lambda x: ["plan", x, "train.steps=4"], lambda x: ["pretrain", x, "--out", "o", *TINY], lambda x: ["evaluate", str(run),
        "--data", x],
    ]  # fmt: skip
    setups: list[Setup] = [
        lambda here: None, files(x="not a folder"), lambda here: (here / "x").mkdir(), files(**{"x/notes": "hello"}), copied(run),
        copied(data, removed("manifest.json")), copied(data, replaced("manifest.json", "{")), copied(data, replaced("manifest.json", "[]")),
        copied(data, replaced("manifest.json", b"\xff")), copied(data, changed("manifest.json", format=2, zhixing="9.9")),
        copied(data, changed("manifest.json", format="one")), copied(data, changed("manifest.json", kind="corpus")),
        copied(data, changed("manifest.json", files=None)),
    ]  # fmt: skip
    as_text = setups[1], setups[5]  # a file, and a folder without a manifest, are text to evaluate on like any other
    for setup in setups:
        for verb in verbs[:2] if setup in as_text else verbs:
            yield Case(verb("x"), "x", setup)
    for name in ("train-00000.bin", "valid-00000.bin", "train.documents.npy", "valid.documents.npy", "train.json", "valid.json"):
        for harm in (flipped, shortened, removed):
            yield Case(verbs[1]("x"), "x", copied(data, harm(name)))
            yield (
                Case(verbs[1]("x"), "x", copied(data, resealed(harm(name))))
                if harm is not flipped or name.endswith("json")
                else verbs and Case(verbs[0]("x"), "x", copied(data, harm(name)))
            )
    for harm in (flipped, shortened, removed):
        yield Case(verbs[2]("x"), "x", copied(data, harm("valid-00000.jsonl.zst")))
        yield Case(verbs[1]("x"), "x", copied(data, harm("tokenizer.json")))
    for name, content in (
        ("train.json", "{}"),
        ("train.json", '{"tokens": -1}'),
        ("tokenizer.json", "{}"),
        ("train.documents.npy", b"\x93NUMPY"),
    ):
        yield Case(verbs[1]("x"), "x", copied(data, resealed(replaced(name, content))))


def models(data: Path, run: Path, export: Path) -> Iterator[Case]:
    """Run and export folders that are absent, foreign, newer or damaged."""
    verbs: list[Callable[[str], list[str]]] = [
        lambda x: ["generate", x, "--tokens", "2"], lambda x: ["evaluate", x], lambda x: ["export", x, "--out", "o"],
        lambda x: ["compare", str(run), x],
        lambda x: ["pretrain", str(data), "--out", "o", "--base", x, "train.steps=2"],
    ]  # fmt: skip
    setups: list[Setup] = [
        lambda here: None, files(x="not a folder"), lambda here: (here / "x").mkdir(), files(**{"x/notes": "hello"}), copied(data),
        copied(run, removed("manifest.json")), copied(run, changed("manifest.json", format=2, zhixing="9.9")),
        copied(run, removed("model.safetensors")),
        copied(run, flipped("model.safetensors")), copied(run, shortened("model.safetensors")), copied(run, flipped("tokenizer.json")),
        copied(run, replaced("config.json", "{}")), copied(run, resealed(replaced("config.json", '{"model": {"kind": "x"}}'))),
        copied(run, resealed(replaced("tokenizer.json", "{}"))), copied(run, lambda x: shutil.rmtree(x / "checkpoints")),
        copied(run, resealed(replaced("config.json", "[]"))), copied(run, removed("config.json")),
    ]  # fmt: skip
    for setup in setups:
        for verb in verbs:
            yield Case(verb("x"), "x", setup)
    foreign: list[Setup] = [
        removed("model.safetensors"), removed("tokenizer.json"), shortened("model.safetensors"), replaced("model.safetensors", b""),
        replaced("config.json", "{"),
        replaced("config.json", "{}"), replaced("config.json", "[]"),
        changed("config.json", model_type="bert", architectures=["BertModel"]),
        changed("config.json", num_hidden_layers=2), changed("config.json", hidden_size=64), changed("config.json", vocab_size=7),
        changed("config.json", num_attention_heads="two"), changed("config.json", hidden_act="gelu"),
        changed("config.json", num_hidden_layers=-1),
        changed("config.json", rope_scaling={"type": "yarn", "factor": 4}), replaced("tokenizer.json", "{}"),
        changed("config.json", num_hidden_layers=None),
    ]  # fmt: skip
    for number, harm in enumerate(foreign):
        stranger = copied(export, both(harm, removed("manifest.json")))
        yield Case(verbs[0]("x"), "x", stranger)
        yield Case(verbs[4]("x") if number % 2 else [*verbs[1]("x"), "--data", str(export / "config.json")], "x", stranger)
    for harm in (
        flipped("model.safetensors"),
        shortened("tokenizer.json"),
        changed("manifest.json", format=7),
        removed("model.safetensors"),
    ):
        yield Case(verbs[0]("x"), "x", copied(export, harm))
    # Continuing a run.
    again = ["pretrain", str(data), "--out", "x", *TINY]
    unfinished = removed("result.json")
    for words, names, harm in (
        ([*again, "train.seed=9"], "train.seed", unfinished),
        ([*again[:-2], "train.steps=5", "train.compile=false"], "train.steps", unfinished),
        ([*again, "model.kind=rnn"], "model", unfinished), ([*again, "optim.kind=sgd"], "optim.kind", unfinished),
        (again, "x", both(unfinished, replaced("config.json", "{"))), (again, "x", both(unfinished, replaced("lineage.json", "{}"))),
        (again, "x", both(unfinished, replaced("lineage.json", '{"data": {"fingerprint": "0"}}'))),
        (again, "x", both(unfinished, replaced("plan.json", "{}"))),
        (again, "x", both(unfinished, flipped("model.safetensors"), flipped("optimizer.safetensors"))),
        (again, "x", both(unfinished, changed("manifest.json", format=3))),
        (again, "x", both(unfinished, changed("manifest.json", kind="data"))),
    ):  # fmt: skip
        yield Case(words, names, copied(run, harm))


def values(data: Path, run: Path) -> Iterator[Case]:
    """Options out of range."""
    for words, names in (
        (["--temperature", "-1"], "temperature"), (["--temperature", "nan"], "temperature"), (["--temperature", "inf"], "temperature"),
        (["--top-k", "0"], "top_k"),
        (["--top-k", "-5"], "top_k"), (["--top-p", "0"], "top_p"), (["--top-p", "1.1"], "top_p"), (["--top-p", "nan"], "top_p"),
        (["--min-p", "-0.1"], "min_p"),
        (["--min-p", "2"], "min_p"), (["--repetition-penalty", "0"], "repetition_penalty"),
        (["--repetition-penalty", "-1"], "repetition_penalty"),
        (["--tokens", "0"], "tokens"), (["--tokens", "-1"], "tokens"), (["--samples", "0"], "samples"), (["--samples", "-2"], "samples"),
        (["--samples", "1000000000"], "samples"), (["--seed", "-1"], "seed"), (["--stop", ""], "stop"), (["--device", "tpu"], "device"),
        (["--prompt", "\udcff"], "prompt"), (["--device", ""], "device"),
    ):  # fmt: skip
        yield Case(["generate", str(run), *words], names)
    good = files(good__txt=GOOD, empty__txt=b"", picture__png=PNG, other__jsonl='{"title": 1}\n')
    for words, names in (
        (["--window", "1"], "window"), (["--window", "-4"], "window"), (["--window", "0"], "window"), (["--stride", "0"], "stride"),
        (["--stride", "-1"], "stride"),
        (["--window", "8", "--stride", "9"], "stride"), (["--data", "absent.txt"], "absent.txt"), (["--data", "empty.txt"], "empty.txt"),
        (["--data", "picture.png"], "picture.png"), (["--data", "other.jsonl"], "other.jsonl"),
        (["--data", "good.txt", "--data", "absent.txt"], "absent.txt"),
        (["--data", ""], ""), (["--device", "x"], "device"),
    ):  # fmt: skip
        yield Case(["evaluate", str(run), *words], names, good)
        yield Case(["compare", str(run), str(run), *words], names, good)
    for to in ("HF", "gguf", "", "coreml"):
        yield Case(["export", str(run), "--to", to, "--out", "o"], "setting to")


def signals(data: Path, run: Path) -> Iterator[Case]:
    """Ctrl-C at any time."""
    draw = random.Random(5)
    good = files(good__txt=GOOD * 300)
    for words, most in (
        (["prepare", "good.txt", "--out", "o", "read.document=line"], 4), (["plan", str(data), "--minutes", "1"], 6),
        (["pretrain", str(data), "--out", "o", "--minutes", "2", "train.compile=false"], 12), (["generate", str(run),
        "--tokens", "100000"], 5),
        (["evaluate", str(run), "--data", "good.txt", "--out", "o"], 5), (["export", str(run), "--out", "o"], 5),
    ):  # fmt: skip
        for _ in range(5):
            yield Case(words, "", good, codes=(0, 1, -signal.SIGINT), interrupt=draw.uniform(0.2, most))


# --- running them ------------------------------------------------------------------------------------------------------------------------


def digest(folder: Path) -> dict[str, str]:
    """Every file below a folder, with its content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder"
    return found


def inside(case: Case) -> tuple[int, str, str]:
    """Run a case in this process; returns exit code, stdout and stderr."""
    kept = sys.stdout, sys.stderr
    out, err = io.BytesIO(), io.BytesIO()
    sys.stdout, sys.stderr = io.TextIOWrapper(out), io.TextIOWrapper(err)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(TIMEOUT)
    try:
        cli.main(case.words)
    except SystemExit as done:
        code = int(done.code or 0)
    finally:
        signal.alarm(0)
        sys.stdout.flush()
        sys.stderr.flush()
        said = [stream.getvalue().decode("utf-8", "surrogateescape") for stream in (out, err)]
        sys.stdout, sys.stderr = kept
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return code, said[0], said[1]


def outside(case: Case, here: Path) -> tuple[int, str, str]:
    """Run a case as a process of its own."""

    def limited() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored, and would hand that on
        if case.limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (case.limit, case.limit))

    words = [sys.executable, "-m", "zhixing", *(os.fsencode(word) for word in case.words)]
    with subprocess.Popen(
        words, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limited
    ) as process:
        try:
            if case.interrupt is not None:
                time.sleep(case.interrupt)
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(case.stdin, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            return 124, "", f"no end within {TIMEOUT} s"
    return process.returncode, out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "surrogateescape")


def judge(case: Case, code: int, err: str, before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is wrong with how a case ended."""
    lines = [line for line in err.splitlines() if line.startswith("zhixing: error: ")]
    faults = []
    if "Traceback" in err or "fault of the program" in err:
        faults.append("a traceback, or a fault of the program")
    if code not in case.codes:
        faults.append(f"exit code {code}, not {' or '.join(map(str, case.codes))}")
    early = code == -signal.SIGINT and not err  # before Python itself could hear it
    if code and not early and len(lines) != 1:
        faults.append(f"{len(lines)} lines of error")
    elif code and not early and not err.rstrip("\n").endswith(lines[0]):
        faults.append("the error is not the last line")
    if code and lines and case.names not in lines[0]:
        faults.append(f"does not name {case.names!r}")
    if case.interrupt is None and before != after:
        changes = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        faults.append(f"files changed: {', '.join(changes)[:200]}")
    if any(".partial-" in name for name in after):
        faults.append("half-written: " + next(name for name in after if ".partial-" in name))
    return faults


def artifacts(place: Path) -> tuple[Path, Path, Path]:
    """A data folder, a run and an export that are as they should be."""
    (place / "texts.txt").write_text(GOOD, encoding="utf-8")
    for words in (
        ["prepare", "texts.txt", "--out", "data", "read.document=line"],
        ["pretrain", "data", "--out", "run", *TINY],
        ["export", "run", "--out", "export"],
    ):
        subprocess.run([sys.executable, "-m", "zhixing", *words], cwd=place, check=True, capture_output=True)
    return place / "data", place / "run", place / "export"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="run only the cases whose words hold this")
    parser.add_argument("--save", action="store_true", help="write the result into benchmarks/results/")
    chosen = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    began = time.time()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        os.environ["ZHIXING_CACHE"] = str(place / "cache")
        (place / "good").mkdir()
        data, run, export = artifacts(place / "good")
        sound = digest(place / "good")
        cases = [
            *usage(), *texts(), *tokenizers(run), *settings("prepare", ["prepare", "good.txt", "--out", "o"], PrepareSettings),
            *settings("pretrain", ["pretrain", str(data), "--out", "o"], Recipe), *contradictions(data, run), *places(data, run, export),
            *data_folders(data, run), *models(data, run, export), *values(data, run), *signals(data, run),
        ]  # fmt: skip
        cases = [case for case in cases if chosen.only in " ".join(case.words)]
        processes = 0
        for number, case in enumerate(cases):
            here = place / f"case-{number}"
            here.mkdir()
            case.setup(here)
            if case.words[0] == "prepare" and "good.txt" in case.words and not (here / "good.txt").exists():
                (here / "good.txt").write_text(GOOD, encoding="utf-8")
            before = digest(here)
            os.chdir(here)
            own = case.own_process or case.limit is not None or case.interrupt is not None or number % 8 == 0
            own = own and not any("\0" in word for word in case.words)
            processes += own
            start = time.time()
            code, _, err = outside(case, here) if own else inside(case)
            if time.time() - start > 8:
                print(f"slow: {time.time() - start:.0f} s {' '.join(case.words)!r}", flush=True)
            case.faults = judge(case, code, err, before, digest(here))
            os.chdir(place)
            shutil.rmtree(here)
            if case.faults:
                shown = f"FAULT {' '.join(case.words)!r}: {'; '.join(case.faults)}\n      {err.strip()[-400:]}"
                print(shown.encode("utf-8", "backslashreplace").decode(), flush=True)
        with sole_user(run):
            busy = Case(["pretrain", str(data), "--out", str(run), *TINY], "in use")
            code, _, err = outside(busy, place)
            busy.faults = judge(busy, code, err, {}, {})
        cases.append(busy)
        (run / ".lock").unlink(missing_ok=True)
        spoilt = [name for name, found in digest(place / "good").items() if sound.get(name) != found and "/eval" not in name]
    faults = [case for case in cases if case.faults]
    verbs = Counter(case.words[0] for case in cases)
    print(f"{len(cases)} cases ({processes + 1} as processes of their own) in {time.time() - began:.0f} s: {len(faults)} with faults")
    print(", ".join(f"{verb} {count}" for verb, count in verbs.most_common()))
    if spoilt:
        print(f"sound folders were changed: {spoilt}")
    if chosen.save:
        record = {
            "date": time.strftime("%Y-%m-%d"), "machine": platform.platform(), "python": platform.python_version(), "cases": len(cases),
            "processes": processes + 1, "verbs": dict(verbs), "seconds": round(time.time() - began),
            "faults": [[*c.words, *c.faults] for c in faults],
        }  # fmt: skip
        path = Path(__file__).parent / "results" / f"stress-{record['date']}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.exit(1 if faults or spoilt else 0)


if __name__ == "__main__":
    main()
