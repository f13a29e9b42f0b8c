"""The pipeline: readers, stages, split, joined as generators, so that memory does not grow with the corpus.

    read -> batches of 256 -> clean -> lengths -> exact duplicates -> split

A stage is a callable from a batch to (kept, dropped); adding one is a class and a line in `stages`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from zhixing.config import Settings
from zhixing.corpus.clean import Clean, CleanSettings
from zhixing.corpus.dedup import ExactDuplicates
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.filters import FilterSettings, Lengths
from zhixing.corpus.readers import Item, ReadSettings
from zhixing.corpus.split import SplitSettings

BATCH = 256


class CorpusSettings(Settings):
    """What happens to text between a file and the tokenizer."""

    read: ReadSettings = ReadSettings()
    clean: CleanSettings = CleanSettings()
    filter: FilterSettings = FilterSettings()
    deduplicate: bool = True
    """Whether of documents with equal text only the first is kept."""
    split: SplitSettings = SplitSettings()


class Stage(Protocol):
    """One step of preparation."""

    def __call__(self, batch: list[Document]) -> tuple[list[Document], list[Dropped]]:
        """The documents that go on, and what was left out, with reasons."""
        ...


def stages(settings: CorpusSettings) -> list[Stage]:
    """The stages that these settings ask for, in order."""
    chain: list[Stage] = [Clean(settings.clean), Lengths(settings.filter)]
    if settings.deduplicate:
        chain.append(ExactDuplicates())
    return chain


def run(items: Iterable[Item], chain: Sequence[Stage]) -> Iterator[Item]:
    """Send documents through the stages in batches; what was dropped on the way, or before, comes out too."""
    batch: list[Document] = []
    for item in items:
        if isinstance(item, Dropped):
            yield item
            continue
        batch.append(item)
        if len(batch) == BATCH:
            yield from _through(batch, chain)
            batch = []
    yield from _through(batch, chain)


def _through(batch: list[Document], chain: Sequence[Stage]) -> Iterator[Item]:
    for stage in chain:
        batch, dropped = stage(batch)
        yield from dropped
    yield from batch
