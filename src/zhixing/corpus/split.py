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
    """Deal documents out to the two parts. At least one goes to each when there are two or more.

    The document with the lowest draw so far is held back until a lower one comes: if no draw falls below `share`, it is the validation part.
    """
    lowest: tuple[float, Document] | None = None
    any_valid = any_train = False
    for document in documents:
        drawn = draw(document.id, seed)
        if drawn < share and any_train:
            any_valid = True
            yield document, "valid"
        elif lowest is None:
            lowest = drawn, document
        else:
            if drawn < lowest[0]:
                lowest, document = (drawn, document), lowest[1]
            any_train = True
            yield document, "train"
    if lowest is not None:
        yield lowest[1], "train" if any_valid and lowest[0] >= share else "valid"


def draw(key: str, seed: int) -> float:
    """A number in [0, 1) that depends on the key and the seed alone."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{key}".encode(), digest_size=8).digest(), "big") / 2**64
