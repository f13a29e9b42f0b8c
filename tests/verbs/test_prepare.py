import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zstandard

from zhixing.corpus import fetch
from zhixing.errors import ArtifactError, InputError, SettingError, UserError, ZhixingError
from zhixing.files import new_folder, open_folder, read_json
from zhixing.store import Store
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.verbs.prepare import PrepareResult, prepare

SENTENCES = [
    *(f"{a} {b} {c} number {n}." for a in ("The", "A") for b in ("quick", "lazy") for c in ("fox", "dog") for n in range(20)),
    *(f"{a}{b}第{n}回。" for a in ("天行健", "地势坤") for b in ("君子以自强不息", "君子以厚德载物") for n in range(30)),
]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(SENTENCES) + "\n", encoding="utf-8")
    return path


def small(texts: list[str], out: Path, **more: Any) -> PrepareResult:
    """The verb with the smallest vocabulary; a line is a document."""
    return prepare(
        texts, out=out, settings=["read.document=line", *more.pop("settings", [])], vocabulary=more.pop("vocabulary", 320), **more
    )


def documents(folder: Path, part: str) -> list[dict[str, str]]:
    with zstandard.open(folder / f"documents/{part}-00000.jsonl.zst", "rb") as file:
        return [json.loads(line) for line in io.TextIOWrapper(file, encoding="utf-8")]


def leftovers(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if "partial" in name]


def test_all_that_is_written_agrees(text: Path, tmp_path: Path) -> None:
    text.write_text(text.read_text(encoding="utf-8") + SENTENCES[0] + "\n \x00\n", encoding="utf-8")
    out = tmp_path / "data/x"
    result = small([str(text)], out)
    manifest = open_folder(out, "data")
    tokenizer = Tokenizer.load(out / "tokenizer.json")
    texts: list[str] = []
    for part in ("train", "valid"):
        store, rows = Store.open(out, part), documents(out, part)
        texts += [row["text"] for row in rows]
        assert [tokenizer.decode(store.document(i)) for i in range(store.documents)] == [row["text"] for row in rows]
        assert all(store.document(i)[-1] == tokenizer.end for i in range(store.documents))
        assert [int(n) for n in store.document_bytes] == [len(row["text"].encode()) for row in rows]
        assert manifest["tokens"][part] == store.tokens == result.parts[part]["tokens"]
        assert result.parts[part]["documents"] == len(rows)
        assert store.fingerprint == manifest["fingerprint"] == result.fingerprint
        assert all(row["source"] == str(text) and len(row["id"]) == 32 for row in rows)
    assert sorted(texts) == sorted(SENTENCES)
    assert result.documents == {"read": len(SENTENCES) + 2, "kept": len(SENTENCES), "dropped": 2}
    assert result.reasons == {"dedup: exact copy of an earlier document": 1, "filter: empty": 1}
    rejects = [json.loads(line) for line in (out / "dropped.jsonl").read_text().splitlines()]
    assert [(r["line"], r["stage"]) for r in rejects] == [(len(SENTENCES) + 1, "dedup"), (len(SENTENCES) + 2, "filter")]
    assert result.vocabulary == manifest["vocabulary"] == tokenizer.vocabulary == 320
    lineage = read_json(out / "lineage.json")
    [source] = lineage["inputs"]
    assert source == {"path": str(text), "bytes": text.stat().st_size, "sha256": hashlib.sha256(text.read_bytes()).hexdigest()}
    assert lineage["settings"] == {"read.document": "line", "tokenizer.vocabulary": 320} and lineage["texts"] == [str(text)]
    assert read_json(out / "config.json")["read"]["document"] == "line"
    assert set(read_json(out / "baselines.json")) >= {"ngram5", "xz", "zstd"} and all(0 < bits < 8 for bits in result.baselines.values())
    assert read_json(out / "tokenizer_report.json")["vocabulary"] == 320
    assert (out / "report.html").stat().st_size > 1000
    assert any("report.html" in line for line in result.lines())
    assert not leftovers(out.parent)


def test_the_report_on_the_tokenizer_looks_at_all_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"The quick fox is number {n}.\n" for n in range(700)), encoding="utf-8")
    (tmp_path / "b.txt").write_text("".join(f"天行健，君子第{n}回自强不息。\n" for n in range(300)), encoding="utf-8")
    small([str(tmp_path / "a.txt"), str(tmp_path / "b.txt")], tmp_path / "data", vocabulary=300, settings=["dedup.near.on=false"])
    found = read_json(tmp_path / "data/tokenizer_report.json")
    assert set(found["samples"]) == {"en", "zh"}
    assert 0.2 < found["languages"]["zh"]["characters"] / found["languages"]["en"]["characters"] < 0.3


def test_the_same_text_gives_the_same_data_wherever_it_stands(text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.jsonl").write_text("".join(json.dumps({"text": s}) + "\n" for s in SENTENCES))
    one, other = small([str(text)], tmp_path / "one"), small([str(folder)], tmp_path / "other")
    assert one.fingerprint == other.fingerprint
    assert small([str(text)], tmp_path / "seed", settings=["split.seed=1"]).fingerprint != one.fingerprint


def test_standard_input_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = "\n".join(SENTENCES).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-").write_text("a file of this name is not meant", encoding="utf-8")
    small(["-"], tmp_path / "out")
    assert read_json(tmp_path / "out/lineage.json")["inputs"] == [
        {"path": "-", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    ]


def test_of_standard_input_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(SENTENCES).encode())))
    with pytest.raises(SettingError, match=r"tokenizer.vocabulary: is 5000"):
        small(["-"], tmp_path / "out", vocabulary=5000)
    assert "is kept" not in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_tokenizer_can_be_given(text: Path, tmp_path: Path) -> None:
    first = small([str(text)], tmp_path / "first")
    result = prepare([str(text)], out=tmp_path / "second", tokenizer=tmp_path / "first", settings={"read.document": "line"})
    assert result.fingerprint == first.fingerprint
    assert read_json(tmp_path / "second/lineage.json")["tokenizer"]["path"] == str(tmp_path / "first")
    with pytest.raises(SettingError, match=r"tokenizer.vocabulary: has no effect"):
        small([str(text)], tmp_path / "third", tokenizer=tmp_path / "first")
    with pytest.raises(ArtifactError, match="holds no tokenizer"):
        prepare([str(text)], out=tmp_path / "third", tokenizer=tmp_path)


def test_data_folders_can_be_prepared_again(text: Path, tmp_path: Path) -> None:
    small([str(text)], tmp_path / "first")
    again = small([str(tmp_path / "first")], tmp_path / "second")
    assert again.documents == {"read": len(SENTENCES), "kept": len(SENTENCES), "dropped": 0}


def test_corpora_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIXING_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name, field in (("sanguo", "text"), ("jupyterlab-zh", "target")):
        with new_folder(fetch.place(name), "corpus", extra={"text": "documents.jsonl"}) as folder:
            (folder / "documents.jsonl").write_text("".join(json.dumps({"source": "s", field: s}) + "\n" for s in SENTENCES))
    assert small(["sanguo"], Path("one")).documents["kept"] == len(SENTENCES)
    with pytest.raises(InputError, match=r"no field named text, .*its fields are source, target: .*set read.text_field"):
        small(["jupyterlab-zh"], Path("two"))
    small(["jupyterlab-zh"], Path("two"), settings=["read.text_field=target"])


def test_two_documents_are_enough_and_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(s for s in SENTENCES if s.isascii()) + "\n\n" + "another paragraph\n")
    with pytest.raises(InputError, match=r"text.txt: gives a single document, .*set read.document=line"):
        prepare([str(path)], out=tmp_path / "out")
    result = prepare([str(path)], out=tmp_path / "out", settings=["read.document=paragraph"])
    assert [part["documents"] for part in result.parts.values()] == [1, 1]


@pytest.mark.parametrize(
    ("content", "settings", "error", "why"),
    [
        (b"", [], InputError, "text.txt: is empty"),
        (b" \n\n", [], InputError, "text.txt: is empty"),
        (bytes(1000), [], InputError, "is binary, not text"),
        (b"\x00\x00\xe5" * 100, [], InputError, "is binary, not text"),
        (b"one\ntwo\n", ["filter.min_characters=10"], InputError, "no document is left .2 left out, filter: shorter than"),
        (b"one\none\n", [], InputError, "gives a single document"),
        (b"one\ntwo\n", ["read.encoding=klingon"], InputError, "read.encoding = klingon is not known"),
        (b"one\ntwo\n", ["read.documents=line"], SettingError, "did you mean read.document"),
        (b"one\ntwo\n", ["read.document=word"], SettingError, "setting read.document: "),
        (b"one\ntwo\n", ["split.valid=1.5"], SettingError, "setting split.valid: "),
        (b"one\ntwo\n", ["split=3"], UserError, "split"),
        (b"one\ntwo\n", ["read.max_line=10"], SettingError, "setting read.max_line: "),
        (b"one\ntwo\n", ["clean.controls=maybe"], SettingError, "setting clean.controls: "),
        (b"one\ntwo\n", ["filter.min_characters=-1"], SettingError, "setting filter.min_characters: "),
        (b"one\ntwo\n", ["tokenizer.kind=bep"], SettingError, "setting tokenizer.kind: "),
        (b"one\ntwo\n", ["nonsense"], UserError, "unexpected word 'nonsense'"),
        (b"x" * 2000, ["read.max_line=1000"], InputError, "line longer than read.max_line = 1000"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(
    content: bytes, settings: list[str], error: type[ZhixingError], why: str, tmp_path: Path
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    settings = settings if any("document" in s for s in settings) else ["read.document=line", *settings]
    with pytest.raises(error, match=why) as caught:
        prepare([str(path)], out=tmp_path / "new/out", settings=settings)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists() or not os.listdir(tmp_path / "new")


def test_a_vocabulary_that_is_too_large_costs_no_cleaned_text(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = small([str(text)], tmp_path / "whole", settings=["split.seed=1"])
    with pytest.raises(SettingError, match=r"tokenizer.vocabulary: is 5000, and this text gives a bpe tokenizer at most"):
        small([str(text)], tmp_path / "out", vocabulary=5000)
    assert (
        f"cleaned text is kept in {tmp_path}/.out.work, and the same command with another tokenizer or split goes on"
        in capsys.readouterr().err
    )
    again = small([str(text)], tmp_path / "out", settings=["split.seed=1"])
    assert "going on with the 1 segments of text that are cleaned already" in capsys.readouterr().err
    assert again.fingerprint == whole.fingerprint
    assert sorted(os.listdir(tmp_path)) == ["out", "text.txt", "whole"]


def test_places_that_cannot_be_written(text: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    for place in (tmp_path / "full", text):
        with pytest.raises(ArtifactError, match="exists already"):
            small([str(text)], place)
    with pytest.raises(ArtifactError, match="cannot be written"):
        small([str(text)], text / "below/a/file")
    with pytest.raises(InputError, match=r"absent.toml: cannot be read"):
        prepare([str(text)], out=tmp_path / "out", config=tmp_path / "absent.toml")
    with pytest.raises(SettingError, match="says the same"):
        prepare([str(text)], out=tmp_path / "out", vocabulary=300, settings=["tokenizer.vocabulary=300"])
    assert sorted(os.listdir(tmp_path)) == ["full", "text.txt"]


def test_a_full_disk_leaves_nothing(text: Path, tmp_path: Path) -> None:
    program = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
from zhixing.cli import main
main(["prepare", {str(text)!r}, "--out", {str(tmp_path / "data/out")!r}, "--vocabulary", "320", "read.document=line"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    assert "zhixing: error:" in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    """Thirty times as much text, in long documents and a line that nobody could hold twice, in nearly the same memory."""

    def peak(copies: int) -> int:
        path = tmp_path / f"{copies}.jsonl"
        with open(path, "w", encoding="utf-8") as file:
            for number in range(copies):
                file.write(json.dumps({"text": f"{number} {SENTENCES[number % 100]} " * 30_000}) + "\n")
            file.write("x" * 20_000_000)
        program = f"""
import resource
from zhixing.corpus.pipeline import CorpusSettings, run, stages
from zhixing.corpus.readers import ReadSettings, expand, read
from zhixing.corpus.split import split
from zhixing.corpus.document import Document
kept = (item for item in run(read(expand([{str(path)!r}]), ReadSettings()), stages(CorpusSettings())) if isinstance(item, Document))
assert sum(1 for _ in split(kept, 0.1, 0)) == {copies}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
        return int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True).stdout)

    assert peak(60) < 1.3 * peak(2)
