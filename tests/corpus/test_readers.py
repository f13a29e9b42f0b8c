import bz2
import gzip
import io
import json
import lzma
import os
import stat
import sys
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.readers import Item, ReadSettings, expand, read
from zhixing.errors import InputError
from zhixing.files import new_folder

PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstandard.compress}


def items(*names: object, **settings: object) -> list[Item]:
    return list(read(expand([str(name) for name in names]), ReadSettings.model_validate(settings)))


def texts(*names: object, **settings: object) -> list[str]:
    return [item.text for item in items(*names, **settings) if isinstance(item, Document)]


def reasons(*names: object, **settings: object) -> list[tuple[int | None, str]]:
    return [(item.line, item.reason) for item in items(*names, **settings) if isinstance(item, Dropped)]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


# what is meant


def test_files_folders_and_globs_in_a_stable_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.md", "sub/c.txt", "sub/.hidden.txt", ".git/x.txt"):
        write(tmp_path / name, name)
    assert texts(tmp_path) == ["a.md", "b.txt", "sub/c.txt"]
    assert texts(tmp_path / "*.txt") == ["b.txt"]
    assert texts(tmp_path / "**" / "*.txt", tmp_path / "a.md") == ["b.txt", "sub/c.txt", "a.md"]


def test_of_what_zhixing_wrote_only_documents_are_read(tmp_path: Path) -> None:
    write(tmp_path / "own.txt", "own text")
    with new_folder(tmp_path / "data", "data") as folder:
        write(folder / "documents/train-00000.jsonl.zst", zstandard.compress(b'{"text": "kept"}\n'))
        write(folder / "dropped.jsonl", '{"text": "rejected"}\n')
    assert texts(tmp_path) == ["own text"]
    assert texts(tmp_path / "data") == ["kept"]
    write(tmp_path / "mine/manifest.json", '{"kind": "something else"}')
    write(tmp_path / "mine/a.txt", "mine")
    assert texts(tmp_path) == ["mine", "own text"]


@pytest.mark.parametrize("name", ["absent.txt", "absent/*.txt", "x" * 5000, "a\0b", ""])
def test_names_that_mean_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "here.txt", "not meant")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        expand([name])


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names nothing"):
        expand([])
    with pytest.raises(InputError, match="folder with nothing to read"):
        expand([tmp_path])
    write(tmp_path / "picture.png", b"\x89PNG")
    with pytest.raises(InputError, match=r"no readable text in any of its 1 files; .*files of type .png are not read"):
        items(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_files_without_permission(tmp_path: Path) -> None:
    path = write(tmp_path / "secret.txt", "secret")
    path.chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        items(path)
    path.chmod(stat.S_IRUSR)


def test_a_file_name_of_any_bytes(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt"))
    try:
        path.write_text("text")
    except OSError:
        pytest.skip("this file system wants UTF-8 names")
    [document] = items(tmp_path)
    assert document.source.endswith("\ufffd.txt")


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO('{"text": "知行"}\n'.encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    seen: list[bytes] = []
    found = list(read(expand(["-"]), ReadSettings(format="jsonl"), lambda source, data: seen.append(data)))
    assert found == [Document("知行", "-", 1)]
    assert b"".join(seen) == '{"text": "知行"}\n'.encode()
    assert not stdin.buffer.closed
    with pytest.raises(InputError, match="only once"):
        expand(["-", "-"])
    with pytest.raises(InputError, match="-: is empty"):
        items("-")


# text


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_files(suffix: str, tmp_path: Path) -> None:
    whole = "".join(f"line {i} 行\n" for i in range(3000)).encode()
    packed = PACKERS[suffix](whole)
    assert texts(write(tmp_path / f"a.txt{suffix}", packed), document="file") == [whole.decode()]
    assert texts(write(tmp_path / f"two.txt{suffix}", packed + packed), document="file") == [2 * whole.decode()]
    cut = write(tmp_path / f"cut.txt{suffix}", packed + packed[:-20])
    *_, (line, why) = reasons(cut)  # the line that the damage cut in half may be set aside too
    assert line is None and "compressed data is damaged" in why
    [rest] = texts(cut, document="file")
    assert len(rest) > 0.5 * len(whole) and (2 * whole.decode()).startswith(rest)
    with pytest.raises(InputError, match="nothing readable in this file: its compressed data is damaged"):
        items(write(tmp_path / f"other.txt{suffix}", b"this is not packed at all"))
    with pytest.raises(InputError, match="is empty"):
        items(write(tmp_path / f"empty.txt{suffix}", PACKERS[suffix](b"")))


@pytest.mark.parametrize("content", ["", "\n\n", " \t\n", "\ufeff"])
def test_empty_files(content: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty"):
        items(write(tmp_path / "a.txt", content))


def test_binary_files_are_refused_by_hand_and_set_aside_in_folders(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", bytes(range(256)) * 20)
    with pytest.raises(InputError, match=r"a.txt: is binary, not text"):
        items(path)
    write(tmp_path / "b.txt", "text")
    assert texts(tmp_path) == ["text"]
    assert reasons(tmp_path) == [(None, "is binary, not text")]


@pytest.mark.parametrize(
    ("name", "first", "kind"),
    [
        ("letter.docx", "[Content_Types].xml", ".docx"),
        ("letter.docx", "docProps/app.xml", ".docx"),
        ("letter.ODT", ("mimetype", "application/vnd.oasis.opendocument.text"), ".odt"),
        ("letter", ("mimetype", "application/vnd.oasis.opendocument.text"), "OpenDocument"),
        ("letter.bak", "_rels/.rels", "Word, Excel or PowerPoint"),
        ("letter.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", ".pdf"),
        ("letter.txt", b"%PDF-1.4\n1 0 obj\n<< >>\n", "PDF"),
        ("letter.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), ".doc"),
        ("letter.doc", b"{\\rtf1\\ansi Dear Sir}", ".doc"),
    ],
)
def test_documents_of_office_programs_are_named_as_what_they_are(name: str, first: Any, kind: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    place = tmp_path / "folder" / name
    if isinstance(first, bytes):
        place.write_bytes(first)
    else:
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr(*(first if isinstance(first, tuple) else (first, "<Types/>")))
            archive.writestr("word/note.txt", "not the letter")
    why = f"files of type {kind} are not read; save it as text, HTML or CSV"
    with pytest.raises(InputError, match=f"{name}: nothing readable in this file: {why}"):
        items(place)
    write(tmp_path / "folder/a.txt", "text")
    assert texts(tmp_path / "folder") == ["text"]
    assert reasons(tmp_path / "folder") == [(None, why)]
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        archive.add(tmp_path / "folder")
    assert reasons(tmp_path / "all.tar") == [(None, why)]


def test_a_text_that_is_called_a_document_is_read_by_hand(tmp_path: Path) -> None:
    assert texts(write(tmp_path / "a.doc", "plain text")) == ["plain text"]
    assert texts(write(tmp_path / "a.pdf", "%PDF-1.4 is how they begin"), format="text") == ["%PDF-1.4 is how they begin"]


def test_a_line_that_is_too_long_is_set_aside(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one\n" + "x" * 2000 + "\nthree\n")
    assert texts(path, max_line=1000, document="line") == ["one\n", "three\n"]
    assert reasons(path, max_line=1000) == [(2, "line longer than read.max_line = 1000 characters")]
    with pytest.raises(InputError, match=r"b.txt:1: nothing readable in this file: line longer"):
        items(write(tmp_path / "b.txt", "x" * 2000), max_line=1000)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_line_of_100_megabytes_takes_no_memory(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.txt{suffix}"
    opened = {"": open, ".gz": gzip.open, ".zst": zstandard.open}[suffix]
    with opened(path, "wb") as file:
        file.write(b"begin\n")
        for _ in range(100):
            file.write(b"0123456789abcdef" * 62_500)
        file.write("\n知行合一\n".encode())
    tracemalloc.start()
    found = items(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(d.line, d.text[:20]) for d in found] == [(2, "0123456789abcdef0123"), (1, "begin\n知行合一\n")]
    assert peak < 40e6, "10 million characters and the pieces they came in"


# JSON lines


def test_json_lines(tmp_path: Path) -> None:
    rows = [
        '{"text": "one", "id": 1}',
        "",
        "{broken",
        '["list"]',
        '{"text": 5}',
        '{"text": null}',
        '{"other": "x"}',
        '{"text": "two"}',
        "[" * 9999,
    ]
    path = write(tmp_path / "a.jsonl", "\n".join(rows))
    assert [(d.text, d.line) for d in items(path) if isinstance(d, Document)] == [("one", 1), ("two", 8)]
    assert [(line, why.partition(" (")[0]) for line, why in reasons(path)] == [
        (3, "not valid JSON"),
        (4, "not a JSON object but list"),
        (5, "its field text is int, not text"),
        (6, "its field text is NoneType, not text"),
        (7, "has no text field"),
        (9, "not valid JSON"),
    ]


def test_json_lines_with_other_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", json.dumps({"titel": "t", "inhalt": "ja"}) + "\n")
    assert texts(path, text_field="inhalt") == ["ja"]
    with pytest.raises(InputError, match=r"no field named text, .*its fields are titel, inhalt: .*set read.text_field"):
        items(path)
    with pytest.raises(InputError, match="no text in its field absent; its fields are titel, inhalt"):
        items(path, text_field="absent")
    assert texts(write(tmp_path / "b.jsonl", '{"content": "c"}'), write(tmp_path / "c.json", '{"body": "b"}')) == ["c", "b"]


def test_json_lines_of_which_none_is_good(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a.jsonl:1: nothing readable in this file: not valid JSON \(Expecting value\)"):
        items(write(tmp_path / "a.jsonl", "nonsense\nmore\n"))
    with pytest.raises(InputError, match=r"a.json: nothing readable in this file: not valid JSON"):
        items(write(tmp_path / "a.json", '{\n "text": over several lines\n}\n'))


# tables


def test_tables_with_and_without_header(tmp_path: Path) -> None:
    assert texts(write(tmp_path / "a.csv", 'id,text\n1,"one, two"\n2,"three\nfour"\n')) == ["one, two", "three\nfour"]
    assert texts(write(tmp_path / "b.tsv", 'say "hi"\t1\nbye\t0\n')) == ['say "hi"', "bye"]
    assert texts(write(tmp_path / "c.csv", "﻿Review;Stars\ngood;5\n"), text_field="review") == ["good"]
    path = write(tmp_path / "d.csv", "5,good\n1,bad\n")
    assert texts(path, text_field=1) == texts(path, text_field="1") == ["good", "bad"]
    assert texts(write(tmp_path / "e.csv", "good\nbad\n")) == ["good", "bad"]
    assert texts(write(tmp_path / "f.csv", "good,5\n,1\nbad,1\n")) == ["good", "bad"]


def test_rows_that_cannot_be_used(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,id\none,1\n"stray quote,2\ntwo,3\n,4\n\n"in" side,5\nthree,6\n')
    assert [(d.text, d.line) for d in items(path) if isinstance(d, Document)] == [("one", 2), ("two", 4), ("three", 8)]
    assert [line for line, _ in reasons(path)] == [3, 5, 7]
    short = write(tmp_path / "b.tsv", "id\ttext\n1\tone\n2\n")
    assert texts(short) == ["one"]
    assert reasons(short) == [(3, "has only 1 columns")]
    long = write(tmp_path / "c.csv", "text,id\none,1\ntwo, half of it cut off,2\nthree,3,,\n")
    assert texts(long) == ["one", "three"]
    assert reasons(long) == [(3, "has 3 columns, and the header 2")]


def test_in_a_folder_a_file_that_cannot_be_read_is_set_aside_alone(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder / "a.csv", "id,price\n1,2\n2,3\n")  # a header that could be text, and numbers
    write(folder / "b.txt", "one\n")
    write(folder / "c.json", '[{"text": "three"}, {"text": "four"}, {"te')
    write(folder / "d.txt", "two\n")
    read = items(folder)
    assert [d.text.strip() for d in read if isinstance(d, Document)] == ["one", "three", "four", "two"]
    aside = {Path(d.source).name: d.reason for d in read if isinstance(d, Dropped)}
    assert "first column holds no text" in aside["a.csv"]
    assert "what came before is read" in aside["c.json"]


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,review\n1,good\n")
    with pytest.raises(InputError, match=r"a.csv:1: no column stars; its columns are id, review"):
        items(path, text_field="stars")
    with pytest.raises(InputError, match="no column 7"):
        items(path, text_field=7)
    with pytest.raises(InputError, match=r"first column holds no text; .*: .*set read.text_field"):
        items(write(tmp_path / "b.csv", "17,good\n18,bad\n"))
    with pytest.raises(InputError, match=r"a.csv:2: the first column holds no text; its columns are id, review"):
        items(path)


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [1, 2, 3], "text": ["one", None, "三"]}), path)
    assert texts(path) == ["one", "三"]
    assert reasons(path) == [(2, "its field text is NoneType, not text")]
    with pytest.raises(InputError, match="no column body; its columns are id, text"):
        items(path, text_field="body")
    with pytest.raises(InputError, match="its field id is int, not text"):
        items(path, text_field=0)
    pq.write_table(pa.table({"id": [1], "words": ["w"]}), path)
    assert texts(path, text_field=1) == texts(path, text_field="words") == ["w"]
    for content in (b"", b"not parquet", path.read_bytes()[:-9]):
        with pytest.raises(InputError, match="not a readable Parquet file"):
            items(write(tmp_path / "b.parquet", content))


def test_packed_parquet_is_refused(tmp_path: Path) -> None:
    for path in (write(tmp_path / "a.parquet.gz", gzip.compress(b"PAR1")), "-"):
        with pytest.raises(InputError, match="Parquet is read from plain files alone"):
            items(path, format="parquet")


def test_damage_in_a_folder_is_set_aside(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "good")
    write(tmp_path / "b.parquet", b"bad")
    write(tmp_path / "c.jsonl", '{"id": 1}')
    write(tmp_path / "d.txt.gz", b"bad")
    write(tmp_path / "e.csv", "1,2\n")
    write(tmp_path / "f.pdf", b"%PDF")
    assert texts(tmp_path) == ["good"]
    assert len(reasons(tmp_path)) == 6
