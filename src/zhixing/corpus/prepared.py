"""What `prepare` wrote, read again: the documents of a data folder and what it left out."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.split import Part
from zhixing.errors import ArtifactError, InputError
from zhixing.files import MANIFEST, open_folder, read_json


def is_data(path: Path) -> bool:
    """Whether this is a data folder, whole or damaged."""
    try:
        return (path / MANIFEST).is_file() and read_json(path / MANIFEST)["kind"] == "data"
    except (InputError, KeyError, TypeError):
        return False


def check(data: Path, *parts: Part) -> None:
    """Compare the hashes of the documents of these parts and of what is said about them. Raises `ArtifactError` when they are damaged."""
    names = [p.relative_to(data).as_posix() for part in parts for p in _files(data, part)]
    open_folder(data, "data", verify=[*names, "dropped.jsonl", "statistics.json", "config.json"])


def documents(data: Path, part: Part) -> Iterator[Document]:
    """The documents of a part, in their order."""
    import zstandard

    for path in _files(data, part):
        with zstandard.open(path, "rb") as file:
            for line in io.TextIOWrapper(file, encoding="utf-8", newline="\n"):
                record = json.loads(line)
                yield Document(record["text"], record["source"])


def left_out(data: Path) -> Iterator[Dropped]:
    """What `prepare` left out. Raises `ArtifactError` at a line that is not its."""
    with open(data / "dropped.jsonl", encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                yield Dropped(row["source"], row["line"], row["stage"], row["reason"], row["text"], row.get("record"))
            except (KeyError, TypeError, ValueError):
                raise ArtifactError(data, f"is damaged: line {number} of dropped.jsonl cannot be read") from None


def _files(data: Path, part: Part) -> list[Path]:
    return sorted((data / "documents").glob(f"{part}-*.jsonl.zst"))
