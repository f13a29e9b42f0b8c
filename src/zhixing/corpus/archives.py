"""Members of zip and tar archives, as streams.

Nothing is written to disk, so a member's path can do no harm; an odd one is set aside still.
"""

from __future__ import annotations

import contextlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from zhixing.corpus.encoding import Readable
from zhixing.corpus.stats import han_characters
from zhixing.errors import InputError


@dataclass(frozen=True)
class Member:
    """A file in an archive: its path there, and its stream, or why it cannot be read."""

    name: str
    file: Readable | None
    problem: str = ""


_HIDDEN = ("__MACOSX",)


def _meant(name: str) -> bool:
    """Whether a member would be read if it lay in a folder: nothing hidden is."""
    return not any(
        part in _HIDDEN or (part.startswith(".") and part not in (".", "..")) for part in PurePosixPath(name.replace("\\", "/")).parts
    )


def _odd(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    return "its path leads out of the archive" if path.is_absolute() or ".." in path.parts or name[1:2] == ":" else ""


def zip_members(file: BinaryIO, source: str) -> Iterator[Member]:
    """Members of a zip archive, in its order. Raises `InputError` when it is none, or has lost the directory at its end."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError) as error:
        raise InputError(source, f"is not a readable zip archive ({error!s:.60})") from None
    with archive:
        for info in archive.infolist():
            name = _zip_name(info)
            problem = _odd(name)
            if info.is_dir() or not (problem or _meant(name)):
                continue
            if info.flag_bits & 1:
                problem = "is encrypted"
            elif stat.S_ISLNK(info.external_attr >> 16):
                problem = "is a link"
            if problem:
                yield Member(name, None, problem)
                continue
            try:
                member = archive.open(info)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError) as error:
                yield Member(name, None, f"is damaged or packed in a way that is not known ({' '.join(str(error).split()):.60})")
                continue
            with member:
                yield Member(name, _Tolerant(member))


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The path of a member; old Chinese programs wrote it in GBK and said nothing, which zipfile takes for code page 437."""
    if info.flag_bits & 0x800 or info.filename.isascii():
        return info.filename
    readings = []
    for encoding in ("utf-8", "gb18030"):
        with contextlib.suppress(UnicodeError):
            readings.append(info.filename.encode("cp437").decode(encoding))
    # One or two characters of GBK can happen to be valid UTF-8, of letters that nobody writes alone; more of them hardly can.
    doubtful = len(readings) == 2 and han_characters(readings[0]) == 0 and sum(not c.isascii() for c in readings[0]) < 3
    return readings[doubtful] if readings else info.filename


class _Tolerant:
    """A member whose errors are those of damaged data, whatever zipfile calls them."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int, /) -> bytes:
        try:
            return cast(bytes, self._file.read(size))
        except (zipfile.BadZipFile, tarfile.TarError, ValueError, RuntimeError) as error:
            raise EOFError(str(error)) from None


def tar_members(file: Readable, source: str) -> Iterator[Member]:
    """Members of an unpacked tar archive, in its order; behind a damaged header reading goes on with the next good one.

    Raises `InputError` when there is no member at all.
    """
    members, end = 0, 0
    try:
        # Headers that are damaged are passed over like the zeros between archives that were joined.
        with tarfile.open(fileobj=cast(Any, file), mode="r|", ignore_zeros=True) as archive:
            for info in archive:
                members += 1
                if info.offset > end:
                    yield Member(f"byte {end}", None, f"{info.offset - end} bytes are no readable member")
                end = info.offset_data + -(-info.size // 512) * 512
                problem = _odd(info.name)
                if info.isdir() or not (problem or _meant(info.name)):
                    continue
                problem = problem or ("" if info.isfile() else "is a link" if info.issym() or info.islnk() else "is no file")
                member = None if problem else archive.extractfile(info)
                yield Member(info.name, None if member is None else _Tolerant(member), problem)
    except (tarfile.TarError, ValueError, OverflowError, EOFError, zlib.error) as error:
        if members:
            yield Member(f"byte {end}", None, f"the archive is damaged here ({' '.join(str(error).split()):.60}); what came before is read")
    if not members:
        raise InputError(source, "is not a readable tar archive")
