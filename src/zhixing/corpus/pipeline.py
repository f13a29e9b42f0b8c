"""The pipeline: readers, stages, split, joined as generators, so that memory does not grow with the corpus.

    read -> batches -> clean -> lengths -> exact duplicates -> split

A stage is a callable from a batch to (kept, dropped); adding one is a class and a line in `stages`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from zhixing.config import Settings
from zhixing.corpus.clean import Clean, CleanSettings
from zhixing.corpus.dedup import ExactDuplicates
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.filters import FilterSettings, Lengths
from zhixing.corpus.readers import Item, ReadSettings
from zhixing.corpus.split import SplitSettings

BATCH, BATCH_CHARACTERS = 256, 1 << 21
"""A batch is full with so many documents, or so many characters: a few long documents must not fill the memory."""

T = TypeVar("T")


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
    for batch in batches(items, lambda item: len(item.text)):
        documents = [item for item in batch if isinstance(item, Document)]
        yield from (item for item in batch if isinstance(item, Dropped))
        for stage in chain:
            documents, dropped = stage(documents)
            yield from dropped
        yield from documents


def batches(items: Iterable[T], characters: Callable[[T], int]) -> Iterator[list[T]]:
    """Runs of items that are worth working on together and do not take much memory."""
    batch: list[T] = []
    size = 0
    for item in items:
        batch.append(item)
        size += characters(item)
        if len(batch) == BATCH or size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
