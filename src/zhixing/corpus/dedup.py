"""Deduplication: of documents that are equal, or nearly, the first is kept; and of lines that stand everywhere, too.

The documents themselves stay on disk. Equal ones are found by sorting their ids, candidates for near copies by sorting the bands of their
sketches one after the other; candidates are then compared by their real similarity. That takes about 60 bytes of memory a document.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from zhixing.config import Settings
from zhixing.corpus.near import Hashes, NearSettings, Sketcher, distinct, jaccard

Numbers = NDArray[np.int64]


class LineSettings(Settings):
    """Which lines count as repeated everywhere: menus, disclaimers, signatures.

    Copies and near copies go before lines are counted. The other way round the lines of a text that was copied a few times would count as
    repeated, its near copies would be cut to the lines that differ, and these scraps, which are like no other text, would be kept. The
    price: two documents that are mostly the same menus are near copies, and what one has for itself is lost with it; for such text set
    `dedup.near.on=false`.
    """

    on: bool = False
    """Whether repeated lines are taken out of the documents, but for the first time they occur."""
    times: int = Field(default=3, ge=1)
    """Occurrences in the whole corpus above which a line is repeated."""
    characters: int = Field(default=20, ge=1)
    """Shorter lines stay: they are repeated by chance."""


class DedupSettings(Settings):
    """Which copies are left out."""

    exact: bool = True
    """Whether of documents with equal text only the first is kept. They are near copies too: to keep them, turn off both."""
    near: NearSettings = NearSettings()
    lines: LineSettings = LineSettings()

    @model_validator(mode="after")
    def _agree(self) -> DedupSettings:
        if self.near.on and not self.exact:
            raise ValueError(
                "exact=false changes nothing where near copies go, as equal documents do with them; set dedup.near.on=false too"
            )
        return self


class Sketches(Protocol):
    """Documents by number, as `segments.Segments` has them."""

    def ids(self) -> NDArray[np.uint64]:
        """The id of each document [documents, 2]."""
        ...

    def band(self, number: int) -> NDArray[np.uint64]:
        """One number of each document's sketch [documents]."""
        ...

    def text(self, document: int) -> str:
        """The text of a document."""
        ...


@dataclass(frozen=True)
class Copies:
    """For each document the number of the earlier one that it is a copy of, or -1, and how similar the two are."""

    of: Numbers
    similarity: NDArray[np.float32]
    exact: NDArray[np.bool_]
    """Whether the texts are equal."""


def find(documents: Sketches, settings: DedupSettings, compared: Callable[[float], object] = lambda share: None) -> Copies:
    """The copies among documents. `compared` hears the share of the work that is done."""
    ids = documents.ids()
    copies = Copies(np.full(len(ids), -1, np.int64), np.zeros(len(ids), np.float32), np.zeros(len(ids), np.bool_))
    if not len(ids):
        return copies
    if settings.exact:
        _exact(ids, copies)
    if settings.near.on:
        _near(documents, settings.near, copies, compared)
    return copies


def _exact(ids: NDArray[np.uint64], copies: Copies) -> None:
    order = np.lexsort((np.arange(len(ids)), ids[:, 1], ids[:, 0]))
    same = (ids[order[1:]] == ids[order[:-1]]).all(axis=1)
    for first, others in _groups(order, same):
        copies.of[others] = first
        copies.similarity[others] = 1.0
        copies.exact[others] = True


def _near(documents: Sketches, settings: NearSettings, copies: Copies, compared: Callable[[float], object]) -> None:
    sketcher = Sketcher(settings)
    count = len(copies.of)
    pairs = np.empty(0, np.int64)  # later * count + earlier, so that sorted pairs come document by document
    for band in range(sketcher.bands):
        hashes = documents.band(band)
        order = np.argsort(hashes, kind="stable")
        same = hashes[order[1:]] == hashes[order[:-1]]
        later, earlier = order[1:][same], order[:-1][same]
        # In a group of many, each is compared with the one before it and with the first: all pairs would be too many.
        begins = np.maximum.accumulate(np.where(np.append(False, same), 0, np.arange(count)))[1:][same]
        pairs = distinct(np.concatenate([pairs, later * count + earlier, later * count + order[begins]]))
    shingles = _Remembered(lambda number: sketcher.shingles(documents.text(number)), 512)
    for done, pair in enumerate(pairs.tolist()):
        compared(done / len(pairs))
        later_one, earlier_one = divmod(pair, count)
        if copies.of[later_one] >= 0:
            continue
        if copies.of[earlier_one] >= 0:
            earlier_one = int(copies.of[earlier_one])  # it is not there any more, but the one that it is a copy of is
        similarity = jaccard(shingles[earlier_one], shingles[later_one])
        if similarity >= settings.similarity:
            copies.of[later_one], copies.similarity[later_one] = earlier_one, similarity


def _groups(order: Numbers, same: NDArray[np.bool_]) -> Iterator[tuple[int, Numbers]]:
    """Runs of equal ones in a sorted order: the first number of each, and the others."""
    starts = np.flatnonzero(~np.append(False, same) & np.append(same, False))
    ends = np.flatnonzero(np.append(False, same) & ~np.append(same, False))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield int(order[start]), order[start + 1 : end + 1]


class _Remembered:
    """The last few values of a function."""

    def __init__(self, make: Callable[[int], Hashes], most: int) -> None:
        self._make, self._most, self._held = make, most, OrderedDict[int, Hashes]()

    def __getitem__(self, number: int) -> Hashes:
        if number not in self._held:
            self._held[number] = self._make(number)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        self._held.move_to_end(number)
        return self._held[number]


class RepeatedLines:
    """Takes repeated lines out of documents that come a second time in the same order.

    The hashes of all lines that are long enough lie in a file, 8 bytes each; they are sorted a part at a time.
    """

    def __init__(self, settings: LineSettings, texts: Iterable[str], file: Path) -> None:
        self.settings = settings
        with open(file, "wb") as out:
            for text in texts:
                out.write(b"".join(self._hashes(text)))
        self._hashes_of_all = np.memmap(file, "<u8", "r") if file.stat().st_size else np.empty(0, "<u8")
        self._repeated = np.zeros(len(self._hashes_of_all), np.bool_)
        self._mark()
        self._at = 0

    def _hashes(self, text: str) -> Iterator[bytes]:
        for line in text.split("\n"):
            if len(stripped := line.strip()) >= self.settings.characters:
                yield hashlib.blake2b(stripped.encode("utf-8", "surrogatepass"), digest_size=8).digest()

    def _mark(self, part: int = 1 << 22) -> None:
        parts = -(-len(self._hashes_of_all) // part)
        for number in range(parts):
            places = np.concatenate(
                [
                    start + np.flatnonzero(self._hashes_of_all[start : start + part] % parts == number)
                    for start in range(0, len(self._hashes_of_all), part)
                ]
            )
            hashes = np.array(self._hashes_of_all[places])
            order = np.argsort(hashes, kind="stable")
            same = hashes[order[1:]] == hashes[order[:-1]]
            for _, others in _groups(order, same):
                if len(others) >= self.settings.times:
                    self._repeated[places[others]] = True

    def without(self, text: str) -> str:
        """The next document without its repeated lines."""
        kept = []
        for line in text.split("\n"):
            if len(line.strip()) >= self.settings.characters:
                self._at += 1
                if self._repeated[self._at - 1]:
                    continue
            kept.append(line)
        return "\n".join(kept)
