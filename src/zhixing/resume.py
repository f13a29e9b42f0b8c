"""A file of lines that is written in one go or in several: what a killed process has left is taken up again by the same request.

Lines go into `.NAME.part` beside the file, which takes its name when the block ends well. `.NAME.part.json` says for which request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from zhixing.console import say
from zhixing.errors import InputError, Interrupted, SettingError
from zhixing.files import read_json, write_json, writing


class Lines:
    """The lines of the file so far."""

    def __init__(self, file: BinaryIO, before: int) -> None:
        self._file = file
        self.before = self.lines = before
        """before: lines that an earlier process has written."""

    def add(self, lines: Sequence[str]) -> None:
        """Append lines; they survive a kill from now on."""
        self._file.write("".join(line + "\n" for line in lines).encode("utf-8"))
        self._file.flush()
        self.lines += len(lines)


@contextmanager
def resumed(out: Path, request: dict[str, Any] | None, unit: str) -> Iterator[Lines]:
    """Write a file line by line. request: what makes an earlier try the same as this one; None: none is.

    Raises `SettingError` when the file exists, `Interrupted` after Ctrl-C; a mistake in the input leaves nothing behind.
    """
    if out.exists():
        raise SettingError("out", f"{out} exists already; choose another name or remove it")
    part, note = out.with_name(f".{out.name}.part"), out.with_name(f".{out.name}.part.json")
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        before = _whole(part, note, request)
        if before:
            say(f"continuing behind the {before} {unit} that are done")
        write_json(note, request)
        with open(part, "ab") as file:
            lines = Lines(file, before)
            try:
                yield lines
            except KeyboardInterrupt:
                raise Interrupted(f"interrupted; {lines.lines} {unit} are done and kept, and the same command goes on") from None
            except InputError:
                part.unlink(missing_ok=True)
                note.unlink(missing_ok=True)
                raise
        part.replace(out)
        note.unlink()


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
