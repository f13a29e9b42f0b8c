"""From names of texts to documents on the disk whose copies are known: what `prepare`, `stats` and `embed` begin with.

1. The sources are read and go through the stages, on all cores, into segments; after a kill from where they had come to (`gather`).
2. Copies and near copies are found among them (`dedup`).
3. The documents are then read once more, in order, without the copies (`final`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zhixing.console import progress, say
from zhixing.corpus import dedup, fetch
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.final import final
from zhixing.corpus.gather import gather
from zhixing.corpus.pipeline import CorpusSettings
from zhixing.corpus.readers import STDIN, Source, expand, refuse_unreadable
from zhixing.corpus.resources import named_files
from zhixing.corpus.segments import Segments
from zhixing.errors import ZhixingError
from zhixing.files import reason, sha256
from zhixing.version import __version__


@dataclass(frozen=True)
class Collected:
    """Documents in a work folder."""

    work: Path
    settings: CorpusSettings
    copies: dedup.Copies
    inputs: list[dict[str, Any]]
    """The files that were read: path, bytes, SHA-256."""

    def characters(self) -> int:
        """Characters of all documents that are no copies, before repeated lines go."""
        return int(Segments(self.work / "segments").characters()[self.copies.of < 0].sum())

    def items(self) -> Iterator[tuple[Document | Dropped, dict[str, Any]]]:
        """Documents that stay and what was left out, in the order in which they were read; see `final`."""
        return final(Segments(self.work / "segments"), self.settings, self.copies, self.work / "lines.u64")


def files_of(texts: Sequence[str], settings: CorpusSettings) -> list[Source]:
    """The files that texts name. Raises `InputError` for a name that means none, and for a file named by hand that holds no text."""
    sources = expand(fetch.resolve(texts))
    refuse_unreadable(sources, settings.read)
    return sources


def total_bytes(sources: Sequence[Source]) -> int:
    """Bytes of those sources that are files."""
    return sum(source.path.stat().st_size for source in sources if source.path.is_file())


def stamp(source: Source) -> list[Any]:
    """The name of a source, and what tells that its file has changed."""
    if not source.path.is_file():
        return [source.name]
    found = source.path.stat()
    return [source.name, found.st_size, found.st_mtime_ns]


def request(sources: Sequence[Source], settings: CorpusSettings) -> dict[str, Any]:
    """What tells that the same is asked for again, so that work which was stopped may go on."""
    return {
        "settings": settings.model_dump(),
        "inputs": [stamp(source) for source in sources],
        "named": [stamp(source) for source in named_files(settings)],
        "zhixing": __version__,
        "stdin": time.time() if _typed(sources) else None,  # never the same request
    }


def worth(work: Path, sources: Sequence[Source]) -> bool:
    """Whether a work folder holds what the same request, if there can be one, goes on with."""
    return any(work.glob("segments/*.arrow")) and not _typed(sources)


def _typed(sources: Sequence[Source]) -> bool:
    """Whether standard input, which cannot be read again, is among the sources."""
    return any(str(source.path) == STDIN for source in sources)


def origin(source: Source) -> dict[str, Any]:
    """What a file was that text came from, or that settings name. Raises `ZhixingError` when the disk fails."""
    try:
        if source.path.is_file():
            return {"path": source.name, "bytes": source.path.stat().st_size, "sha256": sha256(source.path)}
    except PermissionError:
        pass  # set aside when it was to be read
    except OSError as error:
        raise ZhixingError(f"{source.name}: cannot be read ({reason(error)}); run the command again when it can be") from None
    return {"path": source.name}  # a pipe: gone


def collect(sources: Sequence[Source], work: Path, settings: CorpusSettings, workers: int, ray: str | None = None) -> Collected:
    """Read, clean and filter the sources into the work folder, and find the copies.

    Raises what `gather` raises.
    """
    typed, typed_bytes = hashlib.sha256(), 0
    (work / "segments").mkdir(exist_ok=True)
    segments = Segments(work / "segments")
    if segments.files:
        say(f"going on with the {len(segments.files)} segments of text that are cleaned already")
    with progress("reading", total=total_bytes(sources) or None, unit="B") as bar:

        def watch(source: Source, data: bytes) -> None:
            nonlocal typed_bytes
            bar.advance(len(data))
            if str(source.path) == STDIN:  # cannot be looked at again afterwards
                typed.update(data)
                typed_bytes += len(data)

        for _ in gather(sources, settings, segments, workers, watch, ray):
            pass
    with progress("looking for copies", total=1.0) as bar:
        done = 0.0

        def compared(part: float) -> None:
            nonlocal done
            bar.advance(part - done)
            done = part

        copies = dedup.find(Segments(work / "segments"), settings.dedup, compared)

    typed_origin = {"path": STDIN, "bytes": typed_bytes, "sha256": typed.hexdigest()}
    return Collected(work, settings, copies, [typed_origin if str(s.path) == STDIN else origin(s) for s in sources])
