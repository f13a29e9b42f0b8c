"""`stats`: what it counts is counted again here."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise

import pytest

import zhixing as zx
from zhixing.corpus.words import WordSettings, sentences
from zhixing.errors import ArtifactError, InputError, SettingError
from zhixing.files import open_folder, read_json

ENGLISH = [
    f"The {a} fox number {n} jumps. It likes {b} dogs, the {a} fox." for n in range(30) for a, b in (("quick", "lazy"), ("sly", "old"))
]
CHINESE = [f"{a}君子以自强不息第{n}回。知行合一！" for a in ("天行健", "地势坤") for n in range(30)]
TEXTS = [*ENGLISH, *CHINESE]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A file of documents by line, with two copies, a near copy and an empty document; one that is no text; a data folder of the first."""
    folder = tmp_path_factory.mktemp("stats")
    near = " ".join(f"{word}{n}" for n in range(40) for word in ("alpha", "beta"))
    lines = [*TEXTS, TEXTS[0], TEXTS[-1], near, near.replace("alpha7", "gamma"), "\x00"]
    (folder / "text.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in lines) + "{broken\n")
    return folder


@pytest.fixture(scope="module")
def data(place):
    zx.prepare([str(place / "text.jsonl")], out=place / "data", vocabulary=340, settings={"dedup.near.on": False})
    return place / "data"


def test_all_counts_agree_with_a_plain_count(place, tmp_path):
    result = zx.stats([str(place / "text.jsonl")], out=tmp_path / "out")
    near = [line for line in (json.loads(x)["text"] for x in (place / "text.jsonl").read_text().splitlines()[:-1]) if "alpha" in line]
    kept = [*TEXTS, *near]
    assert result.documents == {"read": len(TEXTS) + 6, "kept": len(kept), "dropped": 4}
    assert result.duplicates == 2
    assert result.copies == {"exact": 2, "near": None}
    assert [stage["stage"] for stage in result.stages] == ["read", "filter", "dedup"]
    assert result.parts["text"]["characters"] == sum(map(len, kept))
    assert result.parts["text"]["bytes"] == sum(len(text.encode()) for text in kept)
    assert {name: c["documents"] for name, c in result.languages.items()} == {"zh": 60, "en": 62}
    assert result.sample == {"documents": len(kept), "characters": sum(map(len, kept)), "share": 1.0}
    for language, texts in (("en", [*ENGLISH, *near]), ("zh", CHINESE)):
        cut = [s for text in texts for s in sentences(text, WordSettings())]
        words, found = Counter(w for s in cut for w in s), result.text[language]
        assert (found["sentences"], found["words"], found["different"]) == (len(cut), words.total(), len(words))
        assert found["frequent"]["words"] == [list(entry) for entry in words.most_common(50)]
        pairs = Counter(f"{a} {b}" for s in cut for a, b in pairwise(s))
        assert [n for _, n in found["frequent"]["pairs"]] == [n for _, n in pairs.most_common(50)]
    open_folder(tmp_path / "out", "statistics")
    assert set(os.listdir(tmp_path / "out")) == {
        "statistics.json",
        "dropped.jsonl",
        "report.html",
        "config.json",
        "lineage.json",
        "manifest.json",
    }
    assert read_json(tmp_path / "out/statistics.json") == json.loads(result.model_dump_json(exclude={"folder"}))
    assert len((tmp_path / "out/dropped.jsonl").read_text().splitlines()) == 4
    assert "Zipf" in (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert any("Zipf's exponent" in line for line in result.lines())


def test_near_copies_where_they_are_asked_for(place):
    result = zx.stats([str(place / "text.jsonl")], near=True)
    assert result.copies == {"exact": 2, "near": 1}
    [dedup] = [stage for stage in result.stages if stage["stage"] == "dedup"]
    assert [(r["reason"], r["documents"], len(r["examples"])) for r in dedup["reasons"]] == [
        ("exact copy of an earlier document", 2, 2),
        ("near copy of an earlier document", 1, 1),
    ]
    assert dedup["reasons"][0]["examples"][0] == {"where": f"{place / 'text.jsonl'}:{len(TEXTS) + 1}", "text": TEXTS[0]}


def test_a_data_folder_gives_what_prepare_has_counted(data, tmp_path):
    result = zx.stats([str(data)], out=tmp_path / "out")
    counted = read_json(data / "statistics.json")
    assert set(result.parts) == {"train", "valid"}
    for name in ("documents", "dropped", "stages", "languages", "sources", "lengths", "length_quantiles", "sample"):
        assert getattr(result, name) == counted[name], name
    assert result.copies == {"exact": 2, "near": None}
    for language, found in counted["text"].items():  # the same words in another order: the parts come one after the other
        mine = result.text[language]
        assert dict(map(tuple, mine["frequent"]["words"][:20])) == dict(map(tuple, found["frequent"]["words"][:20]))
        assert mine["zipf"] == found["zipf"]
        assert mine["sentence_words"] == found["sentence_words"]
    assert (tmp_path / "out/dropped.jsonl").read_bytes() == (data / "dropped.jsonl").read_bytes()
    assert zx.stats([str(data)], settings={"statistics.sample": 0}).text == {}


def test_the_report_of_prepare_shows_words_and_laws(data):
    page = (data / "report.html").read_text(encoding="utf-8")
    for shown in ("Words: Chinese", "词汇：英文", "Two words", "君子", "copies", "Sentences by number of words"):
        assert shown in page
    assert "cannot be shown" not in page


def test_any_number_of_workers_and_a_kill_give_the_same_statistics(place, tmp_path):
    (tmp_path / "texts").mkdir()
    for number in range(3):
        lines = (json.dumps({"text": f"{number} {n} {TEXTS[n % 120]} " * 20}) + "\n" for n in range(150))
        (tmp_path / f"texts/{number}.jsonl").write_text("".join(lines))
    wanted = None
    for name, workers in (("one", 1), ("two", 2)):
        zx.stats([str(tmp_path / "texts")], out=tmp_path / name, workers=workers, settings={"statistics.sample": 200_000})
        found = [(tmp_path / name / file).read_bytes() for file in ("statistics.json", "dropped.jsonl")]
        assert wanted in (None, found)
        wanted = found
    assert 0.1 < read_json(tmp_path / "one/statistics.json")["sample"]["share"] < 0.9
    command = [
        sys.executable,
        "-m",
        "zhixing",
        "stats",
        str(tmp_path / "texts"),
        "--out",
        str(tmp_path / "three"),
        "statistics.sample=200000",
    ]
    script = f"from zhixing.corpus import segments\nsegments.SEGMENT_BYTES = 100_000\nfrom zhixing.cli import main\nmain({command[3:]!r})"
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    while not (began := list(tmp_path.glob(".three.work/segments/00001.arrow"))) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert began
    assert not (tmp_path / "three").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "going on with the" in done.stderr
    assert [(tmp_path / "three" / file).read_bytes() for file in ("statistics.json", "dropped.jsonl")] == wanted


def test_a_sample_is_spread_over_the_text_and_bounded(tmp_path):
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": f"word{n} " * 200}) + "\n" for n in range(500)))
    result = zx.stats([str(tmp_path / "a.jsonl")], settings={"statistics.sample": 100_000})
    assert result.sample["characters"] == 100_000
    sampled = (
        [int(word[4:]) for word, _ in result.text["en"]["frequent"]["words"] if word != "word"]
        if result.text["en"]["different"] > 1
        else []
    )
    assert result.text["en"]["words"] < 20_000
    assert not sampled or max(sampled) > 250
    assert result.parts["text"]["documents"] == 500


@pytest.mark.parametrize(
    ("content", "words", "error", "why"),
    [
        ("", [], InputError, "text.txt: is empty"),
        ("\x01\n", ["read.document=line"], InputError, "no document is left .1 left out, filter: empty"),
        ("a\n", ["statistics.samples=3"], SettingError, "did you mean statistics.sample"),
        ("a\n", ["statistics.words.chinese=klingon"], SettingError, "setting statistics.words.chinese: "),
        ("a\n", ["split.valid=0.5"], SettingError, "split.valid: unknown setting"),
    ],
)
def test_bad_input_gets_one_line(content, words, error, why, tmp_path):
    (tmp_path / "text.txt").write_text(content)
    for out in (None, tmp_path / "new/out"):
        with pytest.raises(error, match=why) as caught:
            zx.stats([str(tmp_path / "text.txt")], out=out, settings=words)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "new").exists() or not os.listdir(tmp_path / "new")


def test_what_has_no_effect_or_no_place_is_said(data, tmp_path):
    with pytest.raises(SettingError, match=r"near: has no effect on .*data, which is prepared already"):
        zx.stats([str(data)], near=True)
    with pytest.raises(SettingError, match=r"clean.unicode: has no effect on"):
        zx.stats([str(data)], settings=["clean.unicode=NFKC"])
    with pytest.raises(SettingError, match="workers: should be between 1"):
        zx.stats([str(data)], workers=0)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="exists already"):
        zx.stats([str(data)], out=tmp_path)
    damaged = tmp_path / "damaged"
    shutil.copytree(data, damaged)
    path = damaged / "documents/train-00000.jsonl.zst"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match=r"the bytes of documents/train-00000.jsonl.zst do not match"):
        zx.stats([str(damaged)])
