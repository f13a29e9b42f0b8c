"""Gather documents from sources into segments: read, map through the stages, put away; from wherever an earlier process had come to.

The rows come out in the same order, and therefore everything after them with the same bytes, whatever the number of workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import pyarrow as pa

from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.pipeline import CorpusSettings, batches, stages
from zhixing.corpus.readers import FORMATS, Item, Source, Watch, read_source, set_aside
from zhixing.corpus.resources import resources
from zhixing.corpus.rows import ERROR, table
from zhixing.corpus.segments import Cursor, Segments
from zhixing.corpus.workers import mapped
from zhixing.errors import InputError, ZhixingError

ENOUGH = 1000
"""Records from which on the share of those left out is judged."""


def gather(
    sources: Sequence[Source], settings: CorpusSettings, segments: Segments, workers: int, watch: Watch, ray: str | None = None
) -> Iterator[pa.Table]:
    """Bring the segments to the end of the sources; yields the tables of those that are written, old ones first.

    Raises `InputError` when a file named by hand, or all of them, hold nothing readable, or too large a share of records is left out,
    `ZhixingError` when the disk fails; `MissingPackage` and `SettingError` before anything is read.
    """
    needed = resources(settings)
    stages(settings, needed)  # says now what is missing
    judge = _Judge(sources, settings)
    for rows in segments.tables():
        judge.see(rows)
        yield rows
    cursor = segments.cursor
    if ray is None:
        raw = (table(batch) for batch in batches(_rows(sources, settings, cursor, watch), lambda entry: len(entry[1].text)))
        done: Iterable[pa.Table] = mapped(raw, settings, needed, workers)
    else:
        from zhixing.corpus.cluster import mapped_on_ray

        done = mapped_on_ray(sources, settings, needed, cursor, ray)
    for rows in segments.write(judge.seen(done)):
        yield rows
    judge.end()


def _rows(sources: Sequence[Source], settings: CorpusSettings, cursor: Cursor, watch: Watch) -> Iterator[tuple[int, Item]]:
    """Everything behind the cursor, with the number of its source."""
    for number, source in enumerate(sources):
        if number < cursor.file:
            continue
        skipped = cursor.rows if number == cursor.file else 0
        yield from ((number, item) for item in islice(file_items(source, settings, watch), skipped, None))


def file_items(source: Source, settings: CorpusSettings, watch: Watch = lambda source, data: None) -> Iterator[Item]:
    """What is in a source; that it cannot be read, or not to its end, comes as its last item."""
    documents = 0
    try:
        for item in read_source(source, settings.read, watch):
            documents += isinstance(item, Document)
            yield item
    except InputError as error:
        yield set_aside(source.name, error, begun=documents > 0)
    except ZhixingError as error:
        yield Dropped(source.name, None, ERROR, str(error))


class _Judge:
    """Notices, as rows go by, what makes going on pointless."""

    def __init__(self, sources: Sequence[Source], settings: CorpusSettings) -> None:
        self.sources, self.most = sources, settings.filter.max_dropped
        self.file, self.readable, self.all_readable = -1, 0, 0
        self.first: tuple[str, str] | None = None  # where and why something could not be read, in this source
        self.first_of_all: tuple[str, str] | None = None
        self.records = self.dropped = 0
        self.examples: dict[str, str] = {}

    def seen(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        for rows in tables:
            self.see(rows)
            yield rows

    def see(self, rows: pa.Table) -> None:
        columns = (rows[name].to_pylist() for name in ("file", "source", "line", "stage", "reason"))
        for file, source, line, stage, why in zip(*columns, strict=True):
            if file != self.file:
                self._next(file)
            if stage == ERROR:
                raise ZhixingError(why)
            self.records += 1
            if why is not None:
                self.dropped += 1
                self.examples.setdefault(f"{stage}: {why}", source if line is None else f"{source}:{line}")
            if stage == "read":
                self.first = self.first or (source if line is None else f"{source}:{line}", why)
                self.first_of_all = self.first_of_all or (source, why)
            else:
                self.readable += 1
                self.all_readable += 1
        if self.records >= ENOUGH:
            self._share()

    def _next(self, file: int) -> None:
        """The sources up to `file` have been read to their ends."""
        for number in range(max(0, self.file), file):
            source = self.sources[number]
            if source.named and not self.readable:
                where, why = self.first or (source.name, "")
                raise InputError(where, f"nothing readable in this file: {why}" if why else "is empty")
            self.readable, self.first = 0, None
        self.file = file

    def _share(self) -> None:
        if self.dropped > self.most * self.records:
            examples = "; ".join(f"{where}: {why}" for why, where in islice(self.examples.items(), 3))
            what = f"{self.dropped} of {self.records} records are left out, more than filter.max_dropped = {self.most:g} allows"
            raise InputError(self.sources[0].name, f"{what}: {examples}")

    def end(self) -> None:
        self._next(len(self.sources))
        if not self.all_readable:
            why = f"; {': '.join(self.first_of_all)}" if self.first_of_all else ", all are empty"
            what = f"no readable text in any of its {len(self.sources)} files{why}"
            raise InputError(self.sources[0].path.parent, f"{what}; {', '.join(FORMATS)} are read")
