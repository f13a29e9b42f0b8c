"""Open files and unpack what is packed in them, as streams: nothing is written to disk, and memory does not grow with the content."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

from zhixing.console import say
from zhixing.corpus.encoding import Readable
from zhixing.corpus.sources import STDIN
from zhixing.errors import InputError

FREE = 1 << 28
"""Bytes that may come out of any packed file before its expansion is looked at."""

PIECE = 1 << 14
"""Bytes that are unpacked at a time: with more of them, more of what is good would be lost before damage."""


class Watched(io.RawIOBase):
    """A stream whose bytes somebody else sees too, and that knows how many there were. `keep`: not closed, because it is not ours."""

    def __init__(self, inner: Any, watch: Callable[[bytes], object] = len, *, keep: bool = False) -> None:
        self._inner, self._watch, self._keep = inner, watch, keep
        self.taken = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Whether the inner file is ours, and is."""
        return not self._keep and bool(self._inner.seekable())

    def readinto(self, buffer: Any) -> int:
        """The next bytes."""
        data = self._inner.read(len(buffer)) or b""
        buffer[: len(data)] = data
        self.taken += len(data)
        self._watch(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As the inner file does."""
        return int(self._inner.seek(offset, whence))

    def tell(self) -> int:
        """As the inner file does."""
        return int(self._inner.tell())

    def close(self) -> None:
        """Close the inner file, if it is ours."""
        if not self._keep:
            self._inner.close()
        super().close()


def opened(path: Path, watch: Callable[[bytes], object]) -> Watched:
    """A file, or standard input, as it lies on disk."""
    if str(path) != STDIN:
        return Watched(open(path, "rb", buffering=0), watch)
    if sys.stdin is None:
        raise InputError(STDIN, "there is no standard input")
    if sys.stdin.isatty():
        say("reading from the terminal; Ctrl-D ends the text")
    return Watched(sys.stdin.buffer, watch, keep=True)


class Budget:
    """How much may come out of what is packed: so many times what went in, at most.

    outer: the budget of the archive that it lies in, which pays too: what is packed twice may not grow twice.
    """

    def __init__(self, expansion: int, packed: Callable[[], int], outer: Budget | None = None) -> None:
        self.expansion, self._packed, self._outer, self._given = expansion, packed, outer, 0
        self.exhausted = False

    def spent(self, size: int) -> bool:
        """Whether it is used up after so many more bytes."""
        self._given += size
        self.exhausted = self._given > FREE and self._given > self.expansion * self._packed()
        if self._outer is not None and self._outer.spent(size):
            self.exhausted = True
        return self.exhausted


class Unpacked:
    """A packed stream, unpacked. It ends where the packed data is damaged, or grows beyond measure; `damage` says so."""

    damage = ""

    def __init__(self, file: Readable, packing: str, budget: Budget | int, outer: Budget | None = None) -> None:
        """`packing` is `.gz`, ... or nothing; the budget of an archive, or a new one for so many times what is packed here."""
        raw = Watched(file, keep=True)
        self._file: Readable = _unpacking(io.BufferedReader(raw, 1 << 16), packing) if packing else file
        self._budget = budget if isinstance(budget, Budget) else Budget(budget, lambda: raw.taken, outer) if packing else None

    def read(self, size: int, /) -> bytes:
        """So many bytes; fewer at the end, or before damage."""
        pieces: list[bytes] = []
        while size > 0 and not self.damage:
            try:
                piece = self._file.read(min(size, PIECE))
            except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, NotImplementedError) as error:
                self.damage = f"its compressed data is damaged ({error!s:.60})"
            except OSError as error:
                if error.errno is not None:
                    raise
                self.damage = f"its compressed data is damaged ({error!s:.60})"  # bz2 and Arrow complain in this way
            else:
                if not piece:
                    break
                pieces.append(piece)
                size -= len(piece)
                if self._budget is not None and self._budget.spent(len(piece)):
                    self.damage = f"it grows to more than read.max_expansion = {self._budget.expansion} times its packed size"
        return b"".join(pieces)


def _unpacking(file: BinaryIO, packing: str) -> BinaryIO:
    match packing:
        case ".gz":
            return cast(BinaryIO, gzip.GzipFile(fileobj=file))
        case ".bz2":
            return cast(BinaryIO, bz2.BZ2File(file))
        case ".xz":
            return cast(BinaryIO, lzma.LZMAFile(file))
    import pyarrow as pa

    # Unlike zstandard's own reader, Arrow's notices a file that ends in the middle, and reads on after the end of a frame.
    return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd"))


class Peeked:
    """A stream whose beginning has been looked at."""

    def __init__(self, file: Readable, size: int = 2048) -> None:
        self._file = file
        self.start = self._rest = file.read(size)

    def read(self, size: int, /) -> bytes:
        """So many bytes; fewer at the end."""
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece + self._file.read(size - len(piece)) if len(piece) < size else piece


def whole(file: Readable, longest: int) -> bytes | None:
    """All of a stream; None when that is more than `longest` bytes."""
    pieces: list[bytes] = []
    left = longest + 1
    while left and (piece := file.read(min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces) if left else None
