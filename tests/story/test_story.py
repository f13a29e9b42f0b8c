"""The whole story, through the real command line, on a few hundred generated lines: every verb reads what the one before it wrote.

Those that make data, a run and an export are processes of their own; what follows runs in this one, so that torch is imported four times
and not fourteen.
"""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from zhixing import cli

SMALL = ("model.layers=2", "model.width=64", "model.heads=2", "objective.context=64", "train.batch=16", "train.compile=false")
SUBJECTS = ("the old miller", "a young doctor", "our teacher", "the captain", "my sister", "the gardener", "a tired soldier", "the judge")
VERBS = ("carried", "painted", "found", "described", "repaired", "remembered", "sold", "counted")
OBJECTS = ("a small boat", "the broken clock", "seven letters", "an empty house", "the northern road", "a grey horse", "the winter garden")
TIMES = ("in the morning", "before the rain", "after the war", "every spring", "without a word", "near the river")
WHO = ("老人", "孩子们", "先生", "邻居", "渔夫", "医生", "船长", "妹妹")
WHEN = ("清晨", "黄昏", "春天", "下雨以前", "战争以后", "每年冬天")
DOES = ("在河边钓鱼", "修理旧钟", "写了七封信", "画了一匹灰马", "打扫空房子", "记得那条北方的路", "数天上的星星")


def english(draw: random.Random) -> str:
    return " ".join(
        f"{draw.choice(SUBJECTS)} {draw.choice(VERBS)} {draw.choice(OBJECTS)} {draw.choice(TIMES)}.".capitalize() for _ in range(3)
    )


def chinese(draw: random.Random) -> str:
    return "".join(f"{draw.choice(WHEN)}，{draw.choice(WHO)}{draw.choice(DOES)}。" for _ in range(4))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with texts of several formats and encodings, some of it dirty."""
    place, draw = tmp_path_factory.mktemp("story"), random.Random(1)
    texts = place / "texts"
    texts.mkdir()
    lines = [english(draw) for _ in range(200)]
    (texts / "en.txt").write_text("\r\n".join([*lines, lines[0], ""]), encoding="utf-8-sig")
    (texts / "zh.txt").write_text("\n".join(chinese(draw) for _ in range(200)), encoding="gb18030")
    records = [json.dumps({"title": "x", "text": english(draw)}) for _ in range(100)]
    (texts / "more.jsonl").write_text("\n".join([*records, '{"text": 3}', "{broken"]), encoding="utf-8")
    (texts / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (place / "test.txt").write_text("\n".join(english(draw) for _ in range(40)), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def zhixing(place):
    def run(*words, json_wanted=True):
        done = subprocess.run(
            [sys.executable, "-m", "zhixing", *words, *(["--json"] if json_wanted else [])],
            capture_output=True, text=True, cwd=place, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout) if json_wanted else done.stdout

    return run


@pytest.fixture(scope="module")
def here(place):
    def run(*words, json_wanted=True):
        said, before = io.StringIO(), Path.cwd()
        os.chdir(place)
        try:
            with contextlib.redirect_stdout(said):
                assert cli.run([*words, *(["--json"] if json_wanted else [])]) == 0
        finally:
            os.chdir(before)
        return json.loads(said.getvalue()) if json_wanted else said.getvalue()

    return run


@pytest.fixture(scope="module")
def data(zhixing, place):
    return zhixing("prepare", "texts", "--out", "data/small", "--vocabulary", "400", "read.document=line", "split.valid=0.1")


@pytest.fixture(scope="module")
def run(zhixing, data):
    return zhixing("pretrain", "data/small", "--out", "runs/lm", *SMALL, "train.steps=60")


@pytest.fixture(scope="module")
def exported(zhixing, run):
    return zhixing("export", "runs/lm", "--to", "hf", "--out", "exports/lm")


def test_prepare_keeps_the_text_and_says_what_it_left_out(data, place):
    assert data["documents"] == {"read": 504, "kept": 500, "dropped": 4} | {k: v for k, v in data["documents"].items() if k == "read"}
    folder = place / "data" / "small"
    for name in ("manifest.json", "config.json", "lineage.json", "statistics.json", "tokenizer.json", "report.html"):
        assert (folder / name).stat().st_size > 100
    dropped = [json.loads(line) for line in (folder / "dropped.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(dropped) == 4
    assert {(d["source"].rpartition("/")[2], d["line"]) for d in dropped} == {
        ("en.txt", 201),
        ("more.jsonl", 101),
        ("more.jsonl", 102),
        ("picture.png", None),
    }
    assert data["languages"]["zh"] > 10_000
    assert data["parts"]["valid"]["documents"] > 20


def test_plan_says_what_will_be_and_writes_nothing(here, data, place):
    before = sorted(p.name for p in place.rglob("*"))
    plan = here("plan", "data/small", *SMALL, "train.steps=60")
    assert plan["steps"] == 60
    assert plan["seconds"] > 0
    assert sorted(p.name for p in place.rglob("*")) == before


def test_pretrain_beats_the_compressors(run, data, place):
    assert run["steps"] == 60
    assert run["bits_per_byte"] < min(data["baselines"]["xz"], data["baselines"]["zstd"])
    folder = place / "runs" / "lm"
    for name in ("config.json", "lineage.json", "environment.json", "plan.json", "metrics.jsonl", "samples.json", "report.html"):
        assert (folder / name).stat().st_size > 100
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 61))
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "") and "<script src" not in page  # self-contained


def test_the_same_command_again_finds_the_work_done(here, run):
    assert here("pretrain", "data/small", "--out", "runs/lm", *SMALL, "train.steps=60") == run


def test_generate_continues_in_both_languages(here, run):
    words = ("generate", "runs/lm", "--prompt", "The old miller", "--prompt", "清晨，", "--tokens", "30", "--seed", "1")
    result = here(*words)
    english, chinese = result["continuations"]
    assert english["prompt"] == "The old miller" and english["text"].isascii() and len(english["text"]) > 10
    assert chinese["prompt"] == "清晨，" and sum("\u4e00" <= c <= "\u9fff" for c in chinese["text"]) > 5
    shown = here(*words, json_wanted=False)
    assert f"The old miller{english['text']}\n" in shown and f"清晨，{chinese['text']}\n" in shown


def test_evaluate_gives_intervals_and_signatures(here, run, place):
    on_valid = here("evaluate", "runs/lm")
    on_test = here("evaluate", "runs/lm", "--data", "test.txt")
    for name in ("bits_per_byte", "bits_per_character", "perplexity"):
        metric = on_valid["metrics"][name]
        assert metric["low"] < metric["value"] < metric["high"]
        assert metric["signature"].startswith(f"{name}|v1|window:64|stride:32|tok:")
    assert on_test["metrics"]["bits_per_byte"]["value"] < 4
    assert json.loads((place / "runs/lm/eval/valid/report.json").read_text()) == on_valid
    assert (place / "runs/lm/eval/test/examples.jsonl").is_file()


def test_export_is_the_same_model(here, exported, run):
    assert exported["difference"] <= 1e-4
    again = here("generate", "exports/lm", "--prompt", "The captain", "--greedy", "--tokens", "20")["continuations"]
    assert again == here("generate", "runs/lm", "--prompt", "The captain", "--greedy", "--tokens", "20")["continuations"]


def test_an_export_is_a_base_to_go_on_from(here, exported, run):
    more = here(
        "pretrain", "data/small", "--out", "runs/more", "--base", "exports/lm", "train.batch=16", "train.steps=5", "train.compile=false"
    )
    assert more["bits_per_byte"] < 2 * run["bits_per_byte"]  # five steps at full rate cost something; from scratch it would be over 1.5
    other = here("compare", "runs/lm", "runs/more", "--data", "test.txt", "--data", "texts/zh.txt")["metrics"]["bits_per_byte"]
    assert other["low"] <= other["difference"] <= other["high"]
    assert other["difference"] != 0


def test_compare_finds_no_difference_where_there_is_none(here, run, exported):
    same = here("compare", "runs/lm", "exports/lm", "--data", "test.txt")["metrics"]["bits_per_byte"]
    assert abs(same["difference"]) < 1e-3
