"""The validation part: chosen by the hash of each document's text, so that it stays the same when documents are added or reordered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from zhixing.config import Settings
from zhixing.corpus.document import Document

Part = Literal["train", "valid"]

USUAL_SHARE, USUAL_BYTES = 0.05, 2_000_000


class SplitSettings(Settings):
    """How much is held out."""

    valid: float | None = Field(default=None, gt=0, lt=1)
    """Share of documents held out for validation; by default 5 %, less of a large corpus: about 2 MB suffice for narrow intervals."""
    seed: int = 0
    """Another seed, another part."""


def usual_share(total_bytes: int) -> float:
    """The default share for a corpus of so many bytes."""
    return min(USUAL_SHARE, USUAL_BYTES / max(1, total_bytes))


def split(documents: Iterable[Document], share: float, seed: int) -> Iterator[tuple[Document, Part]]:
    """Deal documents out to the two parts: to validation those whose draw is below `share`.

    Of two or more documents at least one goes to each part. For that, as long as all draws lie on one side of `share`, the document
    nearest to it is held back: it goes to the other part if none of the others does.
    """
    held: tuple[float, Document, Part] | None = None
    both = False
    count = 0
    for document in documents:
        count += 1
        drawn = draw(document.id, seed)
        part: Part = "valid" if drawn < share else "train"
        if both:
            yield document, part
        elif held is None:
            held = drawn, document, part
        elif part != held[2]:
            both = True
            yield held[1], held[2]
            yield document, part
        elif abs(drawn - share) < abs(held[0] - share):
            yield held[1], part
            held = drawn, document, part
        else:
            yield document, part
    if held is not None and not both:
        part = held[2] if count == 1 else "valid" if held[2] == "train" else "train"
        yield held[1], part


def draw(key: str, seed: int) -> float:
    """A number in [0, 1) that depends on the key and the seed alone."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{key}".encode(), digest_size=8).digest(), "big") / 2**64
