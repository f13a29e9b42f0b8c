import bz2
import gzip
import io
import lzma
import os
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import zstandard

from zhixing.corpus import streams
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.readers import Item, ReadSettings, expand, read
from zhixing.errors import InputError

MEMBERS = {
    "a.txt": "text 知行",
    "folder/b.jsonl": '{"text": "one"}\n{broken\n{"text": "two"}\n',
    "folder/c.html": "<p>page</p>",
    "d.txt.gz": gzip.compress(b"packed"),
    "picture.png": b"\x89PNG\r\n\x1a\n",
    "folder/.hidden.txt": "hidden",
    "__MACOSX/a.txt": "rubbish",
}


def zipped(members: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(members: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


PACKERS = {
    ".tar.gz": gzip.compress,
    ".tgz": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tar.xz": lzma.compress,
    ".tar.zst": zstandard.compress,
}


def items(path: Path, content: bytes, **settings: object) -> list[Item]:
    path.write_bytes(content)
    return list(read(expand([path]), ReadSettings.model_validate(settings)))


def texts(found: list[Item]) -> list[str]:
    return [item.text for item in found if isinstance(item, Document)]


def reasons(found: list[Item]) -> list[str]:
    return [item.reason for item in found if isinstance(item, Dropped)]


@pytest.mark.parametrize("suffix", [".zip", ".tar", *PACKERS, ""])
def test_members_are_read_as_files_are(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    content = zipped(MEMBERS) if suffix in (".zip", "") else PACKERS.get(suffix, bytes)(tarred(MEMBERS))
    assert items(path, content) == [
        Document("text 知行", f"{path}/a.txt", 1),
        Document("one", f"{path}/folder/b.jsonl", 1),
        Dropped(f"{path}/folder/b.jsonl", 2, "read", "not valid JSON (Expecting property name enclosed in double quotes)", "{broken\n"),
        Document("two", f"{path}/folder/b.jsonl", 3),
        Document("<p>page</p>", f"{path}/folder/c.html", form="html"),
        Document("packed", f"{path}/d.txt.gz", 1),
        Dropped(f"{path}/picture.png", None, "read", "files of type .png are not read"),
    ]
    assert os.listdir(tmp_path) == [path.name], "nothing is unpacked on disk"


def test_archives_in_archives_are_opened_once(tmp_path: Path) -> None:
    inner = zipped({"x.txt": "inner"})
    found = items(
        tmp_path / "a.zip", zipped({"b.zip": inner, "c.tar.gz": gzip.compress(tarred({"y.txt": "in tar", "z.zip": inner})), "d.txt": "d"})
    )
    assert [(item.text, item.source.removeprefix(str(tmp_path))) for item in found if isinstance(item, Document)] == [
        ("inner", "/a.zip/b.zip/x.txt"),
        ("in tar", "/a.zip/c.tar.gz/y.txt"),
        ("d", "/a.zip/d.txt"),
    ]
    assert reasons(found) == ["an archive in an archive in an archive is not opened"]


def test_a_format_that_is_set_holds_for_members(tmp_path: Path) -> None:
    assert texts(items(tmp_path / "a.zip", zipped({"x.dat": '{"text": "one"}'}), format="jsonl")) == ["one"]


@pytest.mark.parametrize("name", ["/etc/passwd.txt", "../up.txt", "a/../../up.txt", "..\\up.txt", "C:\\x.txt"])
def test_paths_that_lead_out_are_set_aside(name: str, tmp_path: Path) -> None:
    for suffix, pack in ((".zip", zipped), (".tar", tarred)):
        found = items(tmp_path / f"a{suffix}", pack({name: "evil", "good.txt": "good"}))
        assert texts(found) == ["good"] and reasons(found) == ["its path leads out of the archive"]


def test_links_and_devices_are_set_aside(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind in (("s", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE), ("dev", tarfile.CHRTYPE), ("folder", tarfile.DIRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    found = items(tmp_path / "a.tar", out.getvalue() + tarred({"good.txt": "good"}))
    assert texts(found) == ["good"]
    assert reasons(found)[:3] == ["is a link", "is a link", "is no file"]


def test_encrypted_members_are_set_aside(tmp_path: Path) -> None:
    data = bytearray(zipped({"secret.txt": "secret", "open.txt": "open"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    found = items(tmp_path / "a.zip", bytes(data))
    assert texts(found) == ["open"] and reasons(found) == ["is encrypted"]


def test_names_in_gbk_as_old_programs_wrote_them(tmp_path: Path) -> None:
    data = zipped({"xxxx.txt": "text"}).replace(b"xxxx.txt", "知行.txt".encode("gbk"))
    [document] = items(tmp_path / "a.zip", data)
    assert document.source.endswith("/知行.txt")


def test_a_damaged_member_does_no_harm_to_the_others(tmp_path: Path) -> None:
    noise = "".join(f"line {i * 7919 % 10007}\n" for i in range(20_000))
    data = bytearray(zipped({"a.txt": "first", "b.txt": noise, "c.txt": "last"}))
    middle = data.index(b"b.txt") + 20_000
    data[middle : middle + 200] = bytes(200)
    found = items(tmp_path / "a.zip", bytes(data))
    assert texts(found)[0] == "first" and texts(found)[-1] == "last"
    assert any("its compressed data is damaged" in why for why in reasons(found))
    tar = bytearray(tarred({"a.txt": "first", "b.txt": "middle", "c.txt": "last"}))
    tar[1024:1124] = bytes(range(100))  # the header of b.txt
    found = items(tmp_path / "a.tar", bytes(tar))
    assert texts(found) == ["first", "last"] and reasons(found) == ["1024 bytes are no readable member"]


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_archives_that_are_none(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    for content in (b"", b"junk" * 500, zipped(MEMBERS)[:-30] if suffix == ".zip" else b"x"):
        with pytest.raises(InputError, match=rf"a{suffix}: (is not a readable|nothing readable in this file|is empty)"):
            items(path, content)


def test_an_archive_that_is_cut_short_is_read_to_there(tmp_path: Path) -> None:
    whole = tarred({f"{i}.txt": f"{i}" * 3000 for i in range(10)})
    found = items(tmp_path / "a.tar", whole[:20_000])
    assert [text[0] for text in texts(found)][:4] == ["0", "1", "2", "3"]
    assert any("damaged" in why or "no readable member" in why for why in reasons(found))


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "txt.gz", "warc.gz", "zip in zip", "many"])
def test_bombs_fill_no_memory_and_come_to_an_end(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FREE", 1 << 20)
    line = b"a line of a bomb " * 1000 + b"\n"
    huge = line * 600  # 10 MB
    match kind:
        case "zip":
            content = zipped({"a.txt": "first", "bomb.txt": huge, "last.txt": "last"})
        case "tar.gz":
            content = gzip.compress(tarred({"a.txt": "first", "bomb.txt": huge}))
        case "txt.gz":
            content = gzip.compress(b"first\n\n" + huge)
        case "warc.gz":
            content = gzip.compress(
                b"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\nContent-Length: 10200000\r\n\r\n" + huge
            )
        case "zip in zip":
            content = zipped({"a.txt": "first", "b.zip": zipped({"bomb.txt": huge})})
        case _:
            content = zipped({"a.txt": "first", **{f"{i}.txt": huge[: 1 << 20] for i in range(20)}})
    path = tmp_path / f"a.{kind if kind[-2:] == 'gz' else 'zip'}"
    path.write_bytes(content)
    del content, huge
    characters, why = 0, []
    tracemalloc.start()
    try:
        for item in read(expand([path]), ReadSettings(max_record=1_000_000)):
            characters += len(item.text)
            why += [item.reason] if isinstance(item, Dropped) else []
    except InputError as error:
        why.append(str(error))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6 and characters <= (1 << 20) + 200 * path.stat().st_size
    assert any("read.max_expansion = 200" in reason or "read.max_record" in reason for reason in why)
    if kind == "txt.gz":  # text that is packed well is no bomb to who says so
        path.write_bytes(gzip.compress(line * 600))
        assert not reasons(list(read(expand([path]), ReadSettings(max_expansion=2000))))
