"""Damaged crawls, dumps, pages and archives, made here by the hundred: documents, rejects or one line come of them, in bounded memory."""

import bz2
import gzip
import io
import json
import lzma
import random
import tarfile
import tracemalloc
import zipfile
from contextlib import nullcontext
from pathlib import Path

import pytest
import zstandard

from zhixing.corpus import crawl
from zhixing.corpus.document import Document
from zhixing.corpus.pipeline import CorpusSettings, run, stages
from zhixing.corpus.readers import Item, ReadSettings, expand, read
from zhixing.errors import InputError, ZhixingError

TEXTS = ["The quick brown fox jumps over the lazy dog.", "知行合一，止于至善。天行健，君子以自强不息。", "naïve café, crème brûlée"] * 8


def a_page(encoding: str = "utf-8", charset: str = "utf-8") -> bytes:
    body = "".join(f"<div class=c><p>{text}</p><ul><li><a href=x>{i}</a></ul>" for i, text in enumerate(TEXTS))
    return f"<!doctype html><html><head><meta charset={charset}><title>T</title></head><body>{body}</body></html>".encode(
        encoding, "ignore"
    )


def a_crawl() -> list[bytes]:
    def record(kind: str, content: str, body: bytes) -> bytes:
        head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: http://x.org/\r\nContent-Type: {content}\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body + b"\r\n\r\n"

    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=%s\r\nContent-Encoding: gzip\r\n\r\n"
    return [
        record("warcinfo", "application/warc-fields", b"a: b"),
        *(record("response", "application/http; msgtype=response", http % c + gzip.compress(a_page())) for c in (b"utf-8", b"gbk", b"?")),
        *(record("conversion", "text/plain", text.encode()) for text in TEXTS),
        record("metadata", "application/json", b"{}"),
    ]


def a_zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def a_tar(members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def whole_files() -> dict[str, bytes]:
    text = "\n".join(TEXTS)
    wiki = "<mediawiki>" + "".join(
        f"<page><title>{i}</title><ns>0</ns><revision><text>[[{t}]] {{{{x|''y''}}}}</text></revision></page>" for i, t in enumerate(TEXTS)
    )
    sgml = "".join(f"<DOC id='{i}'><HEADLINE>h</HEADLINE><TEXT><P>\n{t}\n</P></TEXT></DOC>\n" for i, t in enumerate(TEXTS))
    members = {
        "a.txt": text.encode(),
        "b.html": a_page(),
        "字.jsonl": json.dumps({"text": text}).encode(),
        "long/" * 40 + "c.txt.gz": gzip.compress(text.encode()),
    }
    tar = a_tar(members)
    return {
        ".html": a_page(),
        ".gbk.html": a_page("gb18030", "utf-8"),
        ".utf-16.html": a_page("utf-16", "big5"),
        ".warc": b"".join(a_crawl()),
        ".warc.gz": b"".join(map(gzip.compress, a_crawl())),
        ".whole.wet.gz": gzip.compress(b"".join(a_crawl())),
        ".xml": (wiki + "</mediawiki>").encode(),
        ".xml.bz2": bz2.compress((wiki + "</mediawiki>").encode()),
        ".sgml": sgml.encode(),
        ".gb18030.sgml": sgml.encode("gb18030"),
        ".json": json.dumps([{"text": t, "n": [i, {}]} for i, t in enumerate(TEXTS)], ensure_ascii=False).encode(),
        ".objects.json": "\n".join(json.dumps({"text": t}, indent=1) for t in TEXTS).encode(),
        ".zip": a_zip({**members, "inner.zip": a_zip(members), "inner.tar.gz": gzip.compress(tar)}),
        ".tar": tar,
        ".gnu.tar": a_tar(members, tarfile.GNU_FORMAT),
        ".tar.gz": gzip.compress(tar),
        ".tar.xz": lzma.compress(tar),
        ".tar.zst": zstandard.compress(tar),
        "": a_zip(members),
    }  # fmt: skip


def damaged(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 3, 20])):
        place = draw.randrange(len(changed) + 1)
        match draw.randrange(6):
            case 0:
                changed[place : place + 1] = draw.randbytes(1)
            case 1:
                changed[place:] = b""
            case 2:
                changed[place:place] = draw.randbytes(draw.randrange(50))
            case 3:
                changed[place : place + draw.randrange(100)] = b""
            case 4:
                changed[place : place + draw.randrange(600)] = bytes(draw.randrange(600))
            case 5:
                changed[place:place] = changed[draw.randrange(len(changed) + 1) :][: draw.randrange(600)]
    return bytes(changed)


def outcome(path: Path, settings: ReadSettings) -> list[Item]:
    try:
        found = list(run(read(expand([path]), settings), stages(CorpusSettings())))
    except InputError as error:
        assert "\n" not in str(error) and str(path) in str(error)
        return []
    for item in found:
        item.text.encode("utf-8", "surrogatepass")
        assert isinstance(item, Document) or (item.reason and "\n" not in item.reason)
    return found


@pytest.mark.parametrize("suffix", whole_files())
def test_damage_of_any_kind(suffix: str, tmp_path: Path) -> None:
    data, draw, path = whole_files()[suffix], random.Random(suffix), tmp_path / f"file{suffix}"
    path.write_bytes(data)
    assert any(isinstance(item, Document) for item in outcome(path, ReadSettings())), "undamaged it can be read"
    for _ in range(25):  # 475 in all
        path.write_bytes(damaged(data, draw))
        outcome(
            path, ReadSettings(encoding=draw.choice([None, None, None, "utf-8", "gb18030"]), text_field=draw.choice([None, None, 1, "n"]))
        )


@pytest.mark.parametrize(
    "suffix",
    [".txt", ".html", ".warc", ".warc.gz", ".xml", ".sgml", ".json", ".jsonl", ".csv", ".zip", ".tar", ".tar.gz", ".parquet", ".md.gz"],
)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 5000,
        b"\xff" * 5000,
        b"\xff\xfe" + b"\0\xd8" * 50,
        b"<div>" * 30_000,
        b"[" * 100_000,
        b'{"text":' * 20_000,
        b"\xef\xbb\xbf",
        b"PK\x03\x04" + b"\0" * 100,
        b"WARC/1.0\r\nContent-Length: -1\r\n\r\n" * 50,
        b"<mediawiki><page><text>" + b"{{" * 20_000,
        b"<DOC>" * 2000,
        gzip.compress(gzip.compress(b"twice", mtime=0), mtime=0),
        random.Random(5).randbytes(20_000),
    ],
    ids=lambda content: repr(content[:6]),
)
def test_content_that_is_not_what_the_name_says(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    outcome(path, ReadSettings())
    if suffix.endswith(".gz"):
        path.write_bytes(gzip.compress(content))
        outcome(path, ReadSettings())


@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".csv", ".html", ".xml", ".sgml", ".json", ".warc"])
def test_very_long_lines_and_values_take_no_memory(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawl, "KEPT", 1 << 20)  # of a crawl, so much is kept to find the next record in
    before, after = {
        ".jsonl": (b'{"text": "first"}\n{"text": "', b'"}\n{"text": "last"}\n'),
        ".csv": (b'text\nfirst\n"', b'"\nlast\n'),
        ".html": (b"<p>", b"</p>"),
        ".xml": (b"<mediawiki><page><title>t</title><text>", b"</text></page><page><text>last</text></page></mediawiki>"),
        ".sgml": (b"<DOC><TEXT>first</TEXT></DOC><DOC><TEXT>", b"</TEXT></DOC>\n<DOC><TEXT>last</TEXT></DOC>"),
        ".json": (b'["first", "', b'", "last"]'),
        ".warc": (
            b"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\nContent-Length: 20000000\r\n\r\n",
            b"\r\n\r\n" + a_crawl()[5],
        ),
    }.get(suffix, (b"first\n", b"\nlast\n"))
    path = tmp_path / f"a{suffix}"
    path.write_bytes(before + b"0123456789abcdef" * 1_250_000 + after)
    tracemalloc.start()
    found = outcome(path, ReadSettings(max_line=100_000, max_record=100_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6, "of 20 MB"
    if suffix not in (".html", ".json", ".sgml"):
        assert any("last" in item.text or "知行" in item.text for item in found if isinstance(item, Document))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".html", ".json", ".zip"])
def test_a_line_of_100_megabytes(suffix: str, tmp_path: Path) -> None:
    line = b"0123456789abcdef" * 6_250_000
    path = tmp_path / f"a{suffix}"
    path.write_bytes(
        a_zip({"a.txt": b"first\n" + line, "b.txt": b"last"}) if suffix == ".zip" else line if suffix == ".html" else b'["' + line
    )
    del line
    tracemalloc.start()
    with pytest.raises(ZhixingError) if suffix != ".zip" else nullcontext():
        assert [item.text.strip() for item in read(expand([path]), ReadSettings()) if isinstance(item, Document)] == ["first", "last"]
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()
