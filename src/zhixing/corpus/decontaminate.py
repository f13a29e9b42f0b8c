"""Texts that overlap with what a model is going to be evaluated on are left out, or the evaluation measures memory.

A text overlaps with a file if they have a run of 13 words in common, in small letters and without punctuation, as in the filtering of
GPT-3's training data (Brown et al. 2020, arXiv 2005.14165, appendix C). A Chinese character counts as a word of a longer run: 22 of them,
as 1.7 make a word. GPT-3 cut the run and 200 characters around it out of the text; here the whole document goes, as documents are small
(sections of 8,192 characters where a file is one text).

All text of a file counts, whatever it is: the lines of plain text and of tables, the strings in JSON. Only hashes of its runs are kept, 8
bytes each, with the number of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zhixing.config import Names, Settings
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.encoding import BROKEN, decode
from zhixing.corpus.han import UNIT, has_han
from zhixing.corpus.near import Hashes, Units, distinct, runs
from zhixing.corpus.objects import strings
from zhixing.corpus.readers import ReadSettings, expand, read
from zhixing.corpus.sources import kind
from zhixing.corpus.streams import Unpacked, opened
from zhixing.errors import InputError, SettingError

STAGE = "evaluation"
_OVERLAPS, _BETWEEN = "overlaps with ", " + "


class EvaluationSettings(Settings):
    """Which evaluation data the text must not overlap with."""

    files: Names = ()
    """Files of any kind that is read. Examples that are shorter than a run are not found."""
    words: int = Field(default=13, ge=2, le=100)
    """Words in a run; GPT-3 took 13, and never fewer than 8."""
    characters: int = Field(default=22, ge=2, le=200)
    """Words and Chinese characters in a run with at least one Chinese character in it."""


@dataclass(frozen=True)
class Overlaps:
    """The runs of the evaluation files."""

    files: tuple[str, ...]
    hashes: Hashes
    """Sorted; a run that several files have stands there once for each."""
    of: NDArray[np.int32]
    """Which file each is of."""


def overlaps(settings: EvaluationSettings, cleaned: Callable[[Iterator[Document]], Iterator[str]]) -> Overlaps:
    """The runs of the files. Raises `InputError` for one that cannot be read, `SettingError` for one without a run.

    cleaned: makes of documents what it makes of those that are compared with them, or the same text would not be known again.
    """
    units, hashes = Units(), []
    for name in settings.files:
        found = [_runs(text, units, settings) for text in cleaned(_texts(name))]
        mine = distinct(np.concatenate(found)) if found else np.empty(0, np.uint64)
        if not len(mine):
            what = f"{settings.words} words, or {settings.characters} characters of Chinese"
            raise SettingError("filter.evaluation.files", f"names {name}, in which no text is as long as a run ({what})")
        hashes.append(mine)
    of = np.repeat(np.arange(len(hashes), dtype=np.int32), [len(mine) for mine in hashes])
    every = np.concatenate(hashes)
    order = np.argsort(every, kind="stable")
    return Overlaps(settings.files, every[order], of[order])


def _runs(text: str, units: Units, settings: EvaluationSettings) -> Hashes:
    """Hashes of the runs of a text: short ones without a Chinese character, long ones with at least one."""
    words = UNIT.findall(text.lower())
    hashes = units.hashes(words)
    if text.isascii():
        return runs(hashes, settings.words)
    before = np.cumsum([0, *(len(word) == 1 and has_han(word) for word in words)])
    found = []
    for size, chinese in ((settings.words, False), (settings.characters, True)):
        every = runs(hashes, size)
        found.append(every[(before[size : size + len(every)] > before[: len(every)]) == chinese])
    return np.concatenate(found)


def _texts(name: str) -> Iterator[Document]:
    """All texts of a file, or of the files of a folder."""
    for source in expand([name]):
        form, packing, _ = kind(source.path.name)
        if form not in ("json", "jsonl", "csv", "tsv"):
            yield from (item for item in read([source], ReadSettings()) if isinstance(item, Document))
            continue
        with opened(source.path, len) as raw:
            unpacked = Unpacked(raw, packing, ReadSettings().max_expansion)
            pieces = (piece.replace(BROKEN, " ") for piece in decode(unpacked, source.name))
            texts = strings(source.name, pieces) if form in ("json", "jsonl") else ["".join(pieces)]
            yield from (Document(text, source.name, None) for text in texts)
            if unpacked.damage:
                raise InputError(source.name, unpacked.damage)


class Decontaminate:
    """The stage that leaves out what overlaps."""

    def __init__(self, settings: EvaluationSettings, overlaps: Overlaps) -> None:
        self.settings, self.overlaps = settings, overlaps
        self._units = Units()

    def __call__(self, batch: list[Document]) -> tuple[list[Document], list[Dropped]]:
        """Documents that overlap with no file, and the others with the names of all files that they overlap with."""
        kept, dropped = [], []
        for document in batch:
            if found := self.found(document.text):
                dropped.append(Dropped.of(document, STAGE, f"{_OVERLAPS}{_BETWEEN.join(found)}"))
            else:
                kept.append(document)
        return kept, dropped

    def found(self, text: str) -> list[str]:
        """The files that a text has a run in common with."""
        here, known = distinct(_runs(text, self._units, self.settings)), self.overlaps.hashes
        first, last = np.searchsorted(known, here, "left"), np.searchsorted(known, here, "right")
        files = {int(self.overlaps.of[place]) for a, b in zip(first, last, strict=True) if a < b for place in range(a, b)}
        return [self.overlaps.files[number] for number in sorted(files)]


def counted(reasons: Mapping[str, int], files: Sequence[str]) -> dict[str, int]:
    """Documents left out for each file, from how often each `stage: reason` was given; one that overlaps with two files counts for both."""
    counts = dict.fromkeys(files, 0)
    for reason, number in reasons.items():
        if reason.startswith(f"{STAGE}: {_OVERLAPS}"):
            names = f"{_BETWEEN}{reason.removeprefix(f'{STAGE}: {_OVERLAPS}')}{_BETWEEN}"
            for name in files:  # in which anything may stand, also what stands between them
                counts[name] += number * (f"{_BETWEEN}{name}{_BETWEEN}" in names)
    return counts
