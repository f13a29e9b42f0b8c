"""A document on its way through the pipeline, and one that fell by the wayside."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property


@dataclass(frozen=True)
class Document:
    """A text with where it came from."""

    text: str
    source: str
    """File, archive member or corpus, as the user would look it up."""
    line: int | None = None
    """1-based line (or row) in the source where the document begins."""

    @cached_property
    def id(self) -> str:
        """128-bit hash of the text: equal texts have equal ids, whatever their source."""
        return hashlib.blake2b(self.text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def with_text(self, text: str) -> Document:
        """The document with another text; itself if nothing changed."""
        return self if text == self.text else replace(self, text=text)

    @property
    def where(self) -> str:
        """`file:line` for messages."""
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True)
class Dropped:
    """What is kept of a document or record that was left out."""

    source: str
    line: int | None
    stage: str
    reason: str
    text: str = ""
    """Its first 200 characters."""

    @classmethod
    def of(cls, document: Document, stage: str, reason: str) -> Dropped:
        """A document left out by a stage."""
        return cls(document.source, document.line, stage, reason, document.text[:200])
