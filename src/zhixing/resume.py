"""A file of lines that is written in one go or in several: what a killed process has left is taken up again by the same request.

Lines go into `.NAME.part` beside the file, which takes its name when the block ends well. `.NAME.part.json` says for which request.
Without a file they are kept in memory, for whoever wants to show them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import filelock

from zhixing.console import say
from zhixing.errors import InputError, Interrupted, SettingError
from zhixing.files import as_read, parents, placing, read_json, utf8, write_json, writing


class Lines:
    """The lines of the file so far."""

    def __init__(self, file: BinaryIO | None, before: int) -> None:
        self._file = file
        self.before = self.lines = before
        """before: lines that an earlier process has written."""
        self.kept: list[str] | None = [] if file is None else None
        """The lines themselves, where no file takes them."""

    def add(self, lines: Sequence[str]) -> None:
        """Append lines; those of a file survive a kill from now on."""
        self.lines += len(lines)
        if self.kept is not None:
            self.kept += lines
        if self._file is not None:
            self._file.write(utf8("".join(line + "\n" for line in lines)))
            self._file.flush()


@contextmanager
def resumed(out: Path | None, request: dict[str, Any] | None, unit: str) -> Iterator[Lines]:
    """Write a file line by line. request: what makes an earlier try the same as this one; None: none is.

    Without `out` the lines are kept in memory.
    Raises `SettingError` when the file exists, `Interrupted` after Ctrl-C; a mistake in the input leaves nothing behind.
    """
    if out is None:
        try:
            yield Lines(None, 0)
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; with --out what is done would be kept, of {unit} that are only shown nothing is") from None
        return
    out = out.resolve()  # `.` has no name of its own
    part, note = out.with_name(f".{out.name}.part"), out.with_name(f".{out.name}.part.json")
    request = as_read(request)
    with parents(out), writing(out), _alone(out):
        if out.exists():
            raise SettingError("out", f"{out} exists already; choose another name or remove it")
        before = _whole(part, note, request)
        if before:
            say(f"continuing behind the {before} {unit} that are done")
        write_json(note, request)
        with open(part, "ab") as file:
            lines = Lines(file, before)
            try:
                yield lines
            except KeyboardInterrupt:
                if request is None:
                    raise Interrupted(f"interrupted; the {lines.lines} {unit} that are done are in {part}") from None
                raise Interrupted(f"interrupted; {lines.lines} {unit} are done and kept, and the same command goes on") from None
            except InputError:
                part.unlink(missing_ok=True)
                note.unlink(missing_ok=True)
                raise
        part.replace(out)
        note.unlink()


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold a file that is being written for this process alone."""
    place = out.with_name(f".{out.name}.lock")
    with placing(out):
        place.touch()  # the lock takes a file that cannot be made for one that another process holds
    lock = filelock.FileLock(place)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise SettingError("out", f"{out} is being written by another process; wait for it to end or choose another name") from None
    try:
        yield
    finally:
        place.unlink(missing_ok=True)
        lock.release()


def _whole(part: Path, note: Path, request: dict[str, Any] | None) -> int:
    """How many lines of an earlier try are whole; what comes after them is cut off."""
    try:
        same = request is not None and part.is_file() and read_json(note) == request
    except InputError:
        same = False
    if not same:
        part.unlink(missing_ok=True)
        return 0
    lines, end = 0, 0
    with open(part, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            lines, end = lines + 1, end + len(line)
    with open(part, "r+b") as file:
        file.truncate(end)
    return lines
