"""The same rows whatever the number of workers, and wherever an earlier process was killed."""

import errno
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from messy import messy

from zhixing.config import resolve
from zhixing.corpus import segments as segments_module
from zhixing.corpus.gather import gather
from zhixing.corpus.pipeline import CorpusSettings
from zhixing.corpus.readers import expand
from zhixing.corpus.segments import Cursor, Segments
from zhixing.corpus.streams import opened
from zhixing.errors import ArtifactError, InputError, SettingError, ZhixingError
from zhixing.verbs.embed import embed
from zhixing.verbs.prepare import prepare
from zhixing.verbs.stats import stats


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in range(6):
        lines = [json.dumps({"text": f"file {name}, number {i}: {i * i % 97} knows {i * 7919 % 1009} 知行合一 {i}"}) for i in range(300)]
        lines[7] = "{broken"
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG\0\0")
    return folder


def rows(folder: Path) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for table in Segments(folder).tables() for row in table.to_pylist()]


def gathered(texts: Path, folder: Path, workers: int = 1, chosen: dict[str, Any] | None = None) -> list[tuple[object, ...]]:
    folder.mkdir(exist_ok=True)
    for _ in gather(expand([texts]), resolve(CorpusSettings, chosen or {}), Segments(folder), workers, lambda source, data: None):
        pass
    return rows(folder)


def test_workers_change_nothing(texts, tmp_path):
    one = gathered(texts, tmp_path / "one")
    assert len(one) == 6 * 300 + 1
    assert gathered(texts, tmp_path / "three", workers=3) == one
    assert (Segments(tmp_path / "three").ids() == Segments(tmp_path / "one").ids()).all()
    assert (Segments(tmp_path / "three").band(3) == Segments(tmp_path / "one").band(3)).all()


def test_a_file_beside_is_not_taken_for_a_module(texts, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong one')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert gathered(texts, tmp_path / "two", workers=2) == gathered(texts, tmp_path / "one")


def test_workers_change_nothing_with_every_stage_on(tmp_path):
    chosen = messy(tmp_path, files=3)
    one = gathered(tmp_path / "texts", tmp_path / "one", chosen=chosen)
    stages = Counter(row[6] for row in one)
    assert stages[None] > 150
    assert {"read", "language", "gopher", "c4", "perplexity", "evaluation"} <= set(stages)
    assert gathered(tmp_path / "texts", tmp_path / "two", workers=2, chosen=chosen) == one
    assert (Segments(tmp_path / "two").ids() == Segments(tmp_path / "one").ids()).all()


def test_texts_are_found_by_their_number(texts, tmp_path, monkeypatch):
    monkeypatch.setattr(segments_module, "SEGMENT_BYTES", 20_000)
    kept = [row[1] for row in gathered(texts, tmp_path / "s") if row[7] is None]
    found = Segments(tmp_path / "s")
    assert len(found.files) > 3
    for number in (0, 1, len(kept) // 2, 7, len(kept) - 1, 299):
        assert found.text(number) == kept[number]


def test_gathering_goes_on_behind_the_last_whole_segment(texts, tmp_path, monkeypatch):
    monkeypatch.setattr(segments_module, "SEGMENT_BYTES", 20_000)
    whole = gathered(texts, tmp_path / "whole")
    folder = tmp_path / "cut"
    gathered(texts, folder)
    files = sorted(folder.glob("*.arrow"))
    for cut in (len(files) - 1, 3, 1, 0):
        for path in sorted(folder.glob("*.arrow"))[cut:]:
            path.unlink()
        (folder / f".{cut:05d}.arrow.partial-1").write_bytes(b"half")
        before = {p.name: p.stat().st_mtime_ns for p in folder.glob("*.arrow")}
        assert gathered(texts, folder) == whole
        assert {name: (folder / name).stat().st_mtime_ns for name in before} == before, "what was done is not done again"


@pytest.mark.parametrize("part", ["00000.arrow", "00001.ids.npy", "00002.bands.npy"])
def test_a_gap_among_the_segments_is_refused(part, texts, tmp_path, monkeypatch):
    monkeypatch.setattr(segments_module, "SEGMENT_BYTES", 20_000)
    gathered(texts, tmp_path / "s")
    (tmp_path / "s" / part).unlink()
    with pytest.raises(ArtifactError, match=f"{part}: is missing, .* remove {tmp_path} and begin anew"):
        gathered(texts, tmp_path / "s")


def test_the_cursor_counts_rows_of_the_last_source(texts, tmp_path):
    gathered(texts, tmp_path / "s")
    assert Segments(tmp_path / "s").cursor == Cursor(6, 1)  # the picture: one record


def test_too_many_rejects_stop_the_run_with_examples(tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"text": "good"}\n' + "{broken\n" * 1200, encoding="utf-8")
    with pytest.raises(InputError, match=r"1023 of 1024 records are left out.*max_dropped = 0.95.*bad.jsonl:2: read: not valid JSON"):
        gathered(tmp_path / "bad.jsonl", tmp_path / "s")


def test_an_error_in_a_worker_reaches_the_user(texts, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "zhixing.corpus.workers._Worker.ask", lambda self, rows: (self._process.kill(), self._process.wait(), ask(self, rows))[2]
    )
    with pytest.raises(ZhixingError, match="a worker process died"):
        gathered(texts, tmp_path / "s", workers=2)


from zhixing.corpus.workers import _Worker  # noqa: E402

ask = _Worker.ask


def contents(folder: Path) -> dict[str, str]:
    """Hashes of a data folder's files, but for those that name times and places."""
    left = {"manifest.json", "report.html", "lineage.json", "environment.json"}
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name not in left
    }


def test_a_killed_prepare_goes_on_and_ends_with_the_same_bytes(texts, tmp_path):
    prepare([str(texts)], out=tmp_path / "whole")
    out = tmp_path / "killed"
    command = [sys.executable, "-c", _SLOW, str(texts), str(out)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    folder = tmp_path / ".killed.work/segments"
    until = time.monotonic() + 60
    while len(list(folder.glob("*.arrow"))) < 3 and time.monotonic() < until and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = sorted(folder.glob("*.arrow"))
    assert len(done) >= 3
    assert not out.exists()
    prepare([str(texts)], out=out, workers=2)
    assert contents(out) == contents(tmp_path / "whole")
    assert not (tmp_path / ".killed.work").exists()


_SLOW = """
import json, sys, time
from zhixing.corpus import pipeline, segments
from zhixing.verbs.prepare import prepare
segments.SEGMENT_BYTES = 20_000
write = segments.Segments._write
def slow(self, *words):
    time.sleep(0.2)
    return write(self, *words)
segments.Segments._write = slow
prepare([sys.argv[1]], out=sys.argv[2], settings=json.loads(sys.argv[3]) if len(sys.argv) > 3 else None)
"""


def test_a_killed_prepare_with_every_stage_on_ends_with_the_same_bytes(tmp_path):
    chosen = messy(tmp_path, files=3)
    prepare([str(tmp_path / "texts")], out=tmp_path / "whole", settings=chosen)
    out = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(tmp_path / "texts"), str(out), json.dumps(chosen)], stderr=subprocess.DEVNULL
    )
    folder, until = tmp_path / ".killed.work/segments", time.monotonic() + 60
    while len(list(folder.glob("*.arrow"))) < 2 and time.monotonic() < until and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.arrow")}
    assert len(done) >= 2 and not out.exists()
    prepare([str(tmp_path / "texts")], out=out, workers=2, settings=chosen)
    assert contents(out) == contents(tmp_path / "whole")
    statistics = json.loads((out / "statistics.json").read_text())
    removed = sum(number for reason, number in statistics["dropped"].items() if reason.startswith("evaluation: "))
    assert statistics["evaluation"] == {str(tmp_path / "questions.json"): removed} and removed > 5
    named = json.loads((out / "lineage.json").read_text())["named"]
    assert [Path(file["path"]).name for file in named] == ["bad.txt", "clean.txt", "questions.json"]
    assert named[2]["sha256"] == hashlib.sha256((tmp_path / "questions.json").read_bytes()).hexdigest()


def test_a_named_file_that_has_changed_begins_anew(tmp_path):
    chosen = messy(tmp_path, files=1)
    work = tmp_path / ".out.work"
    prepare([str(tmp_path / "texts")], out=tmp_path / "first", settings=chosen)
    process = subprocess.Popen([sys.executable, "-c", _SLOW, str(tmp_path / "texts"), str(tmp_path / "out"), json.dumps(chosen)])
    until = time.monotonic() + 60
    while not list(work.glob("segments/*.arrow")) and time.monotonic() < until and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(work.glob("segments/*.arrow"))
    (tmp_path / "questions.json").write_text(json.dumps(["a question of eight words that is never asked " * 3]), encoding="utf-8")
    result = prepare([str(tmp_path / "texts")], out=tmp_path / "out", settings=chosen)
    assert not [reason for reason in result.reasons if reason.startswith("evaluation")]
    first = json.loads((tmp_path / "first/statistics.json").read_text())
    assert result.documents["kept"] > first["documents"]["kept"]


def test_files_that_settings_name_and_that_are_not_there(texts, tmp_path):
    with pytest.raises(SettingError, match=r"filter.evaluation.files: .*absent.tsv: no such file"):
        prepare([str(texts)], out=tmp_path / "out", settings={"filter.evaluation.files": [str(tmp_path / "absent.tsv")]})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["texts"]


def test_other_settings_begin_anew(texts, tmp_path):
    work = tmp_path / ".out.work"
    (work / "segments").mkdir(parents=True)
    (work / "segments/00000.arrow").write_bytes(b"of another request")
    (work / "request.json").write_text("{}", encoding="utf-8")
    prepare([str(texts)], out=tmp_path / "out")
    assert (tmp_path / "out/manifest.json").is_file()


def test_a_mistake_leaves_nothing(tmp_path):
    (tmp_path / "empty.txt").write_text("", encoding="utf-8")
    with pytest.raises(InputError):
        prepare([str(tmp_path / "empty.txt")], out=tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty.txt"]


def test_copies_are_named_with_what_they_copy(tmp_path):
    long = " ".join(f"word{i}" for i in range(100))
    records = ["first text", long, "first text", long + " and one more", "a text of its own"]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps({"text": t}) for t in records), encoding="utf-8")
    result = prepare([str(tmp_path / "in.jsonl")], out=tmp_path / "out")
    assert result.documents == {"read": 5, "kept": 3, "dropped": 2}
    dropped = [json.loads(line) for line in (tmp_path / "out/dropped.jsonl").read_text(encoding="utf-8").splitlines()]
    source = str(tmp_path / "in.jsonl")
    assert [(d["line"], d["reason"], d["copy_of"]) for d in dropped] == [
        (3, "exact copy of an earlier document", f"{source}:1"),
        (4, "near copy of an earlier document", f"{source}:2"),
    ]
    assert dropped[1]["similarity"] == round(96 / 99, 4)


def aside(out: Path) -> dict[str, tuple[int | None, str]]:
    """Line and reason of what could not be read, by the name of its file."""
    dropped = [json.loads(line) for line in (out / "dropped.jsonl").read_text(encoding="utf-8").splitlines()]
    return {Path(d["source"]).name: (d["line"], d["reason"]) for d in dropped if d["stage"] == "read"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"year,height\n1998,172\n1999,173\n", r"named.csv:2: the first column holds no text; its columns are year, height"),
        (b"", r"named.csv: is empty"),
        (bytes(1000), r"named.csv: is binary, not text"),
    ],
)
@pytest.mark.parametrize("verb", [prepare, stats, embed])
def test_a_named_file_without_text_is_told_before_the_work_begins(verb, content, why, texts, tmp_path, monkeypatch):
    (tmp_path / "named.csv").write_bytes(content)
    monkeypatch.setattr("zhixing.corpus.gather.mapped", lambda *_: pytest.fail("work has begun"))
    with pytest.raises(InputError, match=why):
        verb([str(texts), str(tmp_path / "named.csv")], out=tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["named.csv", "texts"]


def test_what_turns_out_to_be_no_text_is_set_aside_and_the_rest_is_read(texts, tmp_path):
    (texts / "numbers.csv").write_text("year,height\n1998,172\n", encoding="utf-8")
    late = "a line of text\n" * 40_000 + "\0\1\2\ufffd" * 100_000
    for path in (tmp_path / "late.txt", texts / "late2.txt"):
        path.write_bytes(late.encode())
    result = prepare([str(tmp_path / "late.txt"), str(texts)], out=tmp_path / "out")
    assert result.documents["kept"] > 6 * 299
    found = aside(tmp_path / "out")
    assert found["numbers.csv"][0] == 2 and found["numbers.csv"][1].startswith("the first column holds no text")
    assert found["late.txt"] == found["late2.txt"] == (None, "is binary, not text; what came before is read")
    assert {"0.jsonl", "picture.png"} < set(found)


UNREADABLE, FAILING = Path("/sys/bus/cpu/drivers_probe"), Path("/proc/self/mem")


@pytest.mark.skipif(not UNREADABLE.exists(), reason="no file here that nobody may read")
def test_a_file_that_may_not_be_read_is_refused_by_hand_and_set_aside_in_folders(texts, tmp_path):
    (texts / "secret.jsonl").symlink_to(UNREADABLE)
    with pytest.raises(InputError, match=r"secret.jsonl: cannot be read \(Permission denied\)"):
        prepare([str(texts / "0.jsonl"), str(texts / "secret.jsonl")], out=tmp_path / "out")
    prepare([str(texts)], out=tmp_path / "out")
    assert aside(tmp_path / "out")["secret.jsonl"] == (None, "cannot be read (Permission denied)")
    inputs = json.loads((tmp_path / "out/lineage.json").read_text(encoding="utf-8"))["inputs"]
    assert [set(entry) == {"path"} for entry in inputs] == [entry["path"].endswith("secret.jsonl") for entry in inputs]


@pytest.mark.skipif(not FAILING.exists(), reason="no file here that fails when it is read")
def test_a_disk_that_fails_is_not_a_file_without_text(texts, tmp_path):
    (texts / "7.jsonl").symlink_to(FAILING)
    for names in ([str(texts)], [str(texts / "0.jsonl"), str(texts / "7.jsonl")]):
        with pytest.raises(ZhixingError, match=r"7.jsonl: cannot be read \(Input/output error\); run the command again") as caught:
            prepare(names, out=tmp_path / "out")
        assert caught.value.exit_code == 1


def test_a_disk_that_fails_costs_nothing_that_was_done(texts, tmp_path, monkeypatch, capsys):
    prepare([str(texts)], out=tmp_path / "whole")
    monkeypatch.setattr(segments_module, "SEGMENT_BYTES", 20_000)

    def fails(path, watch):
        if path.name == "4.jsonl":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return opened(path, watch)

    with monkeypatch.context() as failing:
        failing.setattr("zhixing.corpus.readers.opened", fails)
        with pytest.raises(ZhixingError, match=r"4.jsonl: cannot be read"):
            prepare([str(texts)], out=tmp_path / "out")
    done = len(list((tmp_path / ".out.work/segments").glob("*.arrow")))
    assert done >= 3
    prepare([str(texts)], out=tmp_path / "out")
    assert f"going on with the {done} segments" in capsys.readouterr().err
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_full_disk_costs_nothing_that_was_done(texts, tmp_path, capsys):
    prepare([str(texts)], out=tmp_path / "whole")
    program = f"""
import resource, signal
from zhixing.corpus import segments
from zhixing.cli import main
segments.SEGMENT_BYTES = 20_000
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, {LIMIT}))
main(["prepare", {str(texts)!r}, "--out", {str(tmp_path / "out")!r}])
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1] == f"zhixing: error: {tmp_path / 'out'}: writing failed (File too large)"
    done = len(list((tmp_path / ".out.work/segments").glob("*.arrow")))
    assert done >= 3
    prepare([str(texts)], out=tmp_path / "out")
    assert f"going on with the {done} segments" in capsys.readouterr().err
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


LIMIT = 60_000
"""Bytes of the largest file: more than those of a segment, fewer than the tokens."""


def records(path: Path, texts: list[str]) -> str:
    path.write_text("\n".join(json.dumps({"text": text}) for text in texts), encoding="utf-8")
    return str(path)


def test_short_is_what_is_short_without_the_lines_that_go(tmp_path):
    menu, end = "Home | News | Sport | Contact us | Imprint", "A sentence of this text stands here, and it has an end."
    source = records(tmp_path / "a.jsonl", [f"{menu}\n{'long enough to stay ' * 4 if i % 2 else 'short'} {i}" for i in range(12)])
    chosen = {"filter.min_characters": 40, "dedup.near.on": False, "dedup.lines.on": True}
    result = prepare([source], out=tmp_path / "out", settings=chosen)
    assert result.reasons == {"filter: shorter than filter.min_characters": 5}, "of six short ones the first keeps its menu"
    source = records(tmp_path / "b.jsonl", [f"{end} {i}.\n{'a line without an end ' * 9}\n{end * (i % 2) * 3}" for i in range(12)])
    chosen = {"filter.min_characters": 100, "dedup.near.on": False, "filter.c4.on": True, "filter.c4.min_sentences": 1}
    result = prepare([source], out=tmp_path / "c4", settings=chosen)
    assert result.reasons == {"filter: shorter than filter.min_characters": 6}


def test_lines_of_near_copies_are_no_repeated_lines(tmp_path):
    draw = random.Random(1)
    lines = [" ".join(f"word{draw.randrange(5000)}" for _ in range(12)) for _ in range(30)]
    copies = ["\n".join(line + " changed" * (place == number) for place, line in enumerate(lines)) for number in range(8)]
    source = records(tmp_path / "a.jsonl", [*copies, "a text of its own"])
    result = prepare([source], out=tmp_path / "out", settings={"dedup.lines.on": True})
    assert result.reasons == {"dedup: near copy of an earlier document": 7}
    assert sum(part["characters"] for part in result.parts.values()) == len(copies[0]) + len("a text of its own")


def test_equal_documents_are_kept_where_near_copies_are_too(texts, tmp_path):
    with pytest.raises(SettingError, match=r"dedup: .*exact=false changes nothing where near copies go.*set dedup.near.on=false too"):
        prepare([str(texts)], out=tmp_path / "out", settings={"dedup.exact": False})
    (tmp_path / "a.txt").write_text("the same\n" * 5, encoding="utf-8")
    chosen = {"dedup.exact": False, "dedup.near.on": False, "read.document": "line"}
    assert prepare([str(tmp_path / "a.txt")], out=tmp_path / "out", settings=chosen).documents["kept"] == 5
