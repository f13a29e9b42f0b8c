"""A file of any size in, a file with a line for each of its items out: in their order, in constant memory, taken up again after a kill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from zhixing.console import Progress, progress
from zhixing.corpus.sources import STDIN
from zhixing.errors import InputError
from zhixing.resume import Lines, resumed

T = TypeVar("T")


@contextmanager
def streamed(
    source: Path,
    items: Iterator[T],
    out: Path | None,
    request: Mapping[str, Any],
    doing: str,
    unit: str,
    window: int,
    total: int | None = None,
) -> Iterator[tuple[Lines, Iterator[list[T]]]]:
    """What is written, and so many items at a time that are still to do, for each of which a line is added.

    request: what beside the file makes an earlier try the same as this one. Standard input cannot be read again, so no try is the same.
    Without `out` the lines are kept in memory.
    Raises `InputError` for a file that is not there or has become shorter, `SettingError` when `out` exists, `Interrupted` after Ctrl-C.
    """
    same: dict[str, Any] | None = None
    if str(source) != STDIN:
        if not source.is_file():
            raise InputError(source, "is a folder; name a file" if source.is_dir() else "no such file")
        found = source.stat()
        same = {**request, "in": str(source.absolute()), "bytes": found.st_size, "changed": found.st_mtime_ns}
    with resumed(out, same, unit) as written:
        if sum(1 for _ in islice(items, written.before)) < written.before:
            raise InputError(source, f"has become shorter since its first {unit} were done")
        with progress(doing, total, unit) as bar:
            bar.advance(written.before)
            yield written, _windows(items, window, bar)


def _windows(items: Iterator[T], window: int, bar: Progress) -> Iterator[list[T]]:
    while part := list(islice(items, window)):
        yield part
        bar.advance(len(part))


def count_lines(source: Path) -> int | None:
    """Lines of a file, counted; None of what is no file."""
    if not source.is_file():
        return None
    with open(source, "rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
