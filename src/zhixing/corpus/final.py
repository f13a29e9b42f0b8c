"""The last look at gathered documents, in the order in which they were read: copies and repeated lines go, the rest is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zhixing.corpus.dedup import Copies, RepeatedLines
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.filters import Lengths
from zhixing.corpus.pipeline import CorpusSettings
from zhixing.corpus.rows import items
from zhixing.corpus.segments import Segments


def final(
    segments: Segments, settings: CorpusSettings, copies: Copies, scratch: Path
) -> Iterator[tuple[Document | Dropped, dict[str, Any]]]:
    """Documents that stay and records of what does not, the latter with what else is to be said of them (`copy_of`, `similarity`)."""
    chosen, lengths = settings.dedup.lines, Lengths(settings.filter)
    lines = RepeatedLines(chosen, (d.text for _, d in _documents(segments, copies) if d), scratch) if chosen.on else None
    originals = set(copies.of[copies.of >= 0].tolist())
    places: dict[int, str] = {}  # of documents that have copies
    number = -1
    for item, document in _documents(segments, copies):
        if isinstance(item, Dropped):
            yield item, {}
            continue
        number += 1
        if number in originals:
            places[number] = item.where
        if document is None:
            of, similarity = int(copies.of[number]), round(float(copies.similarity[number]), 4)
            reason = f"{'exact' if copies.exact[number] else 'near'} copy of an earlier document"
            yield Dropped.of(item, "dedup", reason), {"copy_of": places[of], "similarity": similarity}
            continue
        if lines is not None:
            document = document.with_text(lines.without(document.text))
            if not document.text.strip():
                yield Dropped.of(item, "dedup", "nothing but repeated lines"), {}
                continue
            if document is not item and (short := lengths.reason(document.text)):
                yield Dropped.of(item, "filter", short), {}
                continue
        yield document, {}


def _documents(segments: Segments, copies: Copies) -> Iterator[tuple[Document | Dropped, Document | None]]:
    """Every row, and the document again if it is no copy."""
    number = -1
    for rows in segments.tables():
        for item in items(rows):
            if isinstance(item, Document):
                number += 1
                yield item, item if copies.of[number] < 0 else None
            else:
                yield item, None
