"""A document on its way through the pipeline, and one that fell by the wayside."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

Form = Literal["text", "html", "wiki"]


@dataclass(frozen=True)
class Document:
    """A text with where it came from."""

    text: str
    source: str
    """File, archive member or corpus, as the user would look it up."""
    line: int | None = None
    """1-based line (or row) in the source where the document begins."""
    record: str | None = None
    """Which record in the source: a member of an archive, a byte offset, an address, a title."""
    form: Form = "text"
    """The markup that the text still has."""
    number: int = field(default=0, compare=False)
    """Its place in the batch that it travels in."""

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
        return _where(self.source, self.line, self.record)


@dataclass(frozen=True)
class Dropped:
    """What is kept of a document or record that was left out."""

    source: str
    line: int | None
    stage: str
    reason: str
    text: str = ""
    """Its first 200 characters."""
    record: str | None = None
    number: int = field(default=0, compare=False)

    @property
    def where(self) -> str:
        """`file:line` for messages."""
        return _where(self.source, self.line, self.record)

    def row(self) -> dict[str, Any]:
        """What `dropped.jsonl` says of it."""
        row = {"source": self.source, "line": self.line, "stage": self.stage, "reason": self.reason, "text": self.text}
        return row | ({"record": self.record} if self.record else {})

    @classmethod
    def of(cls, document: Document, stage: str, reason: str) -> Dropped:
        """A document left out by a stage."""
        return cls(document.source, document.line, stage, reason, document.text[:200], document.record, document.number)


def _where(source: str, line: int | None, record: str | None) -> str:
    place = source if line is None else f"{source}:{line}"
    return place if record is None else f"{place} ({record})"
