"""Filters: documents that are not worth reading are left out, with the reason."""

from __future__ import annotations

from pydantic import Field

from zhixing.config import Settings
from zhixing.corpus.c4 import C4Settings
from zhixing.corpus.decontaminate import EvaluationSettings
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.gopher import GopherSettings
from zhixing.corpus.language import LanguageSettings
from zhixing.corpus.perplexity import PerplexitySettings


class FilterSettings(Settings):
    """Which documents are left out."""

    min_characters: int = Field(default=1, ge=1)
    """Shorter ones are, also those that become so when lines are taken out of them (`filter.c4`, `dedup.lines`)."""
    max_characters: int | None = Field(default=None, ge=1)
    """Longer ones are, where set."""
    language: LanguageSettings = LanguageSettings()
    gopher: GopherSettings = GopherSettings()
    c4: C4Settings = C4Settings()
    perplexity: PerplexitySettings = PerplexitySettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    max_dropped: float = Field(default=0.95, gt=0, le=1)
    """Share of records that may be left out, copies aside, before the run stops and shows examples; judged from 1,000 records on."""


class Lengths:
    """The stage that leaves out what is empty, too short or too long."""

    def __init__(self, settings: FilterSettings) -> None:
        self.settings = settings

    def __call__(self, batch: list[Document]) -> tuple[list[Document], list[Dropped]]:
        """Documents of allowed length, and the others."""
        kept, dropped = [], []
        for document in batch:
            if reason := self.reason(document.text):
                dropped.append(Dropped.of(document, "filter", reason))
            else:
                kept.append(document)
        return kept, dropped

    def reason(self, text: str) -> str | None:
        """What is wrong with the length of a text; None if nothing is."""
        size = len(text.strip())
        if not size:
            return "empty"
        if size < self.settings.min_characters:
            return "shorter than filter.min_characters"
        if self.settings.max_characters is not None and size > self.settings.max_characters:
            return "longer than filter.max_characters"
        return None
