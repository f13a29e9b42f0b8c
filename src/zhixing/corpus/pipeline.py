"""The pipeline: what happens to text between a file and the tokenizer.

    read -> tables of rows -> [ extract -> clean -> filter -> mask -> sketch ] -> segments on disk -> copies -> split
                                in as many processes as there are

A stage is a pure function of each document: a callable from a batch to (kept, dropped). Adding one is a class and a line in `stages`.
What it needs beyond its settings (a word list, a model of clean text) is read once, by `resources`, and goes to every process with them.
What needs to see all documents, the search for copies, works on hashes afterwards (`dedup`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from zhixing.config import Settings
from zhixing.corpus.c4 import C4
from zhixing.corpus.clean import Clean, CleanSettings
from zhixing.corpus.decontaminate import Decontaminate
from zhixing.corpus.dedup import DedupSettings
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.filters import FilterSettings, Lengths
from zhixing.corpus.gopher import Gopher
from zhixing.corpus.language import Language
from zhixing.corpus.markup import Extract, ExtractSettings
from zhixing.corpus.perplexity import Perplexity
from zhixing.corpus.privacy import Privacy, PrivacySettings
from zhixing.corpus.readers import Item, ReadSettings
from zhixing.corpus.resources import Resources
from zhixing.corpus.stats import StatisticsSettings

if TYPE_CHECKING:
    import pyarrow as pa

BATCH, BATCH_CHARACTERS = 256, 1 << 20
"""A batch is full with so many documents, or so many characters: a few long documents must not fill the memory."""

NOTHING = Resources()
"""What settings without a file among them need."""

T = TypeVar("T")


class CorpusSettings(Settings):
    """What happens to text between a file and the tokenizer."""

    read: ReadSettings = ReadSettings()
    extract: ExtractSettings = ExtractSettings()
    clean: CleanSettings = CleanSettings()
    filter: FilterSettings = FilterSettings()
    privacy: PrivacySettings = PrivacySettings()
    dedup: DedupSettings = DedupSettings()


class StatsSettings(CorpusSettings):
    """All settings of `stats`."""

    statistics: StatisticsSettings = StatisticsSettings(sample=100_000_000)


class Stage(Protocol):
    """One step of preparation."""

    def __call__(self, batch: list[Document]) -> tuple[list[Document], list[Dropped]]:
        """The documents that go on, and what was left out, with reasons."""
        ...


def stages(settings: CorpusSettings, resources: Resources = NOTHING) -> list[Stage]:
    """The stages that these settings ask for, in order; what they need is in `resources`. Raises `MissingPackage`, `SettingError`."""
    chosen = settings.filter
    chain: list[Stage] = [Extract(settings.extract), Clean(settings.clean), Lengths(chosen)]
    if chosen.language.keep:
        chain.append(Language(chosen.language))
    if chosen.gopher.on:
        chain.append(Gopher(chosen.gopher))
    if chosen.c4.on:
        chain += [C4(chosen.c4, resources.bad_words), Lengths(chosen)]  # of what is left
    if resources.model is not None:
        chain.append(Perplexity(chosen.perplexity, resources.model))
    if resources.overlaps is not None:
        chain.append(Decontaminate(chosen.evaluation, resources.overlaps))
    if settings.privacy.on:
        chain.append(Privacy(settings.privacy))
    return chain


class Processor:
    """All stages on a table of rows; the same rows come back, changed or with a reason, and what `dedup` needs to know of them."""

    def __init__(self, settings: CorpusSettings, resources: Resources = NOTHING) -> None:
        from zhixing.corpus.near import Sketcher

        self.chain = stages(settings, resources)
        self.sketcher = Sketcher(settings.dedup.near) if settings.dedup.near.on else None

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Rows as `rows.SCHEMA` has them; two columns more: `id` of 16 bytes, `bands` of 8 bytes a band."""
        import pyarrow as pa

        from zhixing.corpus.rows import items, table

        final = items(rows)
        documents = [item for item in final if isinstance(item, Document)]
        for stage in self.chain:
            documents, dropped = stage(documents)
            for item in dropped:
                final[item.number] = item
        for document in documents:
            final[document.number] = document
        ids = [bytes.fromhex(item.id) if isinstance(item, Document) else None for item in final]
        bands = [self.sketcher.sketch(item.text).tobytes() if self.sketcher and isinstance(item, Document) else None for item in final]
        done = table(zip(rows["file"].to_pylist(), final, strict=True))
        return done.append_column("id", pa.array(ids, pa.binary(16))).append_column("bands", pa.array(bands, pa.binary()))


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
