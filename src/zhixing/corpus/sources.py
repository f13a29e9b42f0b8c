"""What there is to read: names of files, folders and globs turned into a list of files, and what each of them holds."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from zhixing.config import Settings
from zhixing.corpus.sections import Grouping
from zhixing.errors import InputError
from zhixing.files import MANIFEST, read_json, reason

Format = Literal["text", "jsonl", "json", "csv", "tsv", "parquet", "html", "warc", "wiki", "sgml", "zip", "tar"]

FORMATS: dict[str, Format] = {
    **dict.fromkeys((".txt", ".text", ".md"), "text"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".warc", ".wet", ".wat"), "warc"),
    **dict.fromkeys((".sgml", ".sgm"), "sgml"),
    ".zip": "zip",
    ".tar": "tar",
}
"""What is read in a folder, by suffix; a file of another name is read where its first bytes say what it is."""
PACKED = (".gz", ".zst", ".bz2", ".xz")
OFFICE = (".docx", ".doc", ".xlsx", ".xls", ".pptx", ".ppt", ".odt", ".ods", ".odp", ".rtf", ".pdf")
"""Documents of office programs, which are not read; a text of such a name is one."""
_SHORT = {".tgz": (".tar", ".gz"), ".tbz2": (".tar", ".bz2"), ".txz": (".tar", ".xz"), ".tzst": (".tar", ".zst")}
STDIN = "-"

_MAGIC: tuple[tuple[re.Pattern[bytes], Format], ...] = (
    (re.compile(rb"WARC/\d"), "warc"),
    (re.compile(rb"PK\x03\x04"), "zip"),
    (re.compile(rb"[^\0]+\0.{156,256}ustar", re.S), "tar"),
    (re.compile(rb"PAR1"), "parquet"),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<mediawiki\b", re.S), "wiki"),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!DOCTYPE (?!html)[^>]*>\s*)?<DOC(\s[^>]*)?>", re.S), "sgml"),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype html|html)\b", re.S | re.I), "html"),
)
_OFFICE_MAGIC: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"%PDF-\d"), "PDF"),
    (re.compile(rb"\{\\rtf\d"), "RTF"),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "Word, Excel or PowerPoint"),
    (re.compile(rb"PK\x03\x04.{26}(\[Content_Types\]\.xml|_rels/\.rels|word/|xl/|ppt/)", re.S), "Word, Excel or PowerPoint"),
    (re.compile(rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument", re.S), "OpenDocument"),
)
_PACKING = {b"\x1f\x8b\x08": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"BZh": ".bz2", b"\xfd7zXZ\0": ".xz"}
_MARK = re.compile(rb"^\xef\xbb\xbf")


class ReadSettings(Settings):
    """How files become documents."""

    format: Literal["auto", "text", "jsonl", "json", "csv", "tsv", "parquet", "html", "warc", "wiki", "sgml", "zip", "tar"] = "auto"
    """What files hold, where neither their suffixes nor their first bytes say it; `warc` stands for WET and WAT too."""
    text_field: str | int | None = None
    """Field or column that holds the text: a name, or a 0-based number in tables; found by its usual names when not given."""
    document: Grouping = "auto"
    """What a document is in a text file. auto: the file, or sections of about 8,000 characters of a longer one, cut at blank lines."""
    max_line: int = Field(default=10_000_000, ge=1000)
    """Characters of the longest line that is read; longer ones are set aside."""
    max_record: int = Field(default=64_000_000, ge=1000)
    """Bytes of the longest page, record or object that is read from HTML, WARC, wiki, SGML and JSON files; longer ones are set aside."""
    max_expansion: int = Field(default=200, ge=2)
    """How many times its packed size a packed file or member may grow to; text grows 3 to 20 times. What comes after is let go, as it may
    be a bomb; the first 256 MB are read in any case."""
    encoding: str | None = None
    """Encoding of text files; found out when not given."""


def kind(name: str) -> tuple[Format | None, str, str]:
    """What a file of this name holds, how it is packed (`.gz`, ... or nothing), and the suffix that says, or does not, what it holds."""
    *_, before, last = ("", "", *(suffix.lower() for suffix in Path(name).suffixes))
    before, last = _SHORT.get(last, (before, last))
    held, packing = (before, last) if last in PACKED else (last, "")
    return FORMATS.get(held), packing, held


def recognised(start: bytes) -> Format | None:
    """What content that begins in this way is, where that can be told."""
    start = _MARK.sub(b"", start)
    return next((form for pattern, form in _MAGIC if pattern.match(start)), None)


def office(suffix: str, start: bytes) -> str | None:
    """The type of a document of an office program, by its suffix or its first bytes; None of what is none."""
    found = next((name for magic, name in _OFFICE_MAGIC if magic.match(start)), None)
    return suffix if suffix in OFFICE and (found or b"\0" in start) else found


def packing_of(start: bytes) -> str:
    """How content that begins in this way is packed; empty when it is not."""
    return next((packing for magic, packing in _PACKING.items() if start.startswith(magic)), "")


@dataclass(frozen=True)
class Source:
    """A file to read; `named` when the user named it, not merely a folder that it lies in. Path `-` is standard input."""

    path: Path
    named: bool

    @property
    def name(self) -> str:
        """The path as it is shown and written down: bytes of a file name that are no text become U+FFFD."""
        return os.fsencode(self.path).decode("utf-8", "replace")


def expand(names: Sequence[str | Path]) -> list[Source]:
    """The files that are meant, in a stable order. Raises `InputError` for a name that means none."""
    found: list[Source] = []
    for name in map(str, names):
        path = Path(name)
        try:
            if not name:
                raise InputError("''", "is an empty name; the folder that you are in is written .")
            if name == STDIN and Source(path, named=True) in found:
                raise InputError(STDIN, "standard input can be read only once")
            if path.is_dir():
                inside = list(_walk(path))
                if not inside:
                    raise InputError(path, "is a folder with nothing to read in it")
                found += (Source(p, named=False) for p in inside)
            elif name == STDIN or path.exists():
                found.append(Source(path, named=True))
            elif matched := [p for p in map(Path, sorted(glob.glob(name, recursive=True))) if p.is_file()]:  # noqa: PTH207 (absolute too)
                found += (Source(p, named=False) for p in matched)
            else:
                by_name = "" if {*name} & set("/\\.*?[") else "; zhixing get lists the texts that come by name"
                raise InputError(name, "no such file or folder" + by_name)
        except (OSError, ValueError) as error:
            raise InputError(f"{name:.100}", f"cannot be read ({reason(error) if isinstance(error, OSError) else error})") from None
    if not found:
        raise InputError("TEXT", "names nothing to read")
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """Files in a folder and below, sorted; nothing hidden, and of folders that Zhixing wrote only the documents."""
    made = _artifact(folder)
    if made is not None:
        yield from sorted((folder / "documents").glob("*.jsonl.zst")) if made == "data" else sorted(folder.glob("documents.jsonl"))
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from () if _artifact(path) else _walk(path)
        elif path.is_file():
            yield path


def _artifact(folder: Path) -> str | None:
    """The kind of a folder that a verb wrote; None for a folder of the user's."""
    try:
        manifest = read_json(folder / MANIFEST)
        return str(manifest["kind"]) if "zhixing" in manifest else None
    except (InputError, KeyError, TypeError):
        return None
