"""Cleaning: one text, one way to write it down. Pure functions on strings."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from zhixing.config import Settings
from zhixing.corpus.document import Document, Dropped

_BREAKS = re.compile("\r\n?|[\u0085\u2028\u2029\v\f]")
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufff9-\ufffb\ud800-\udfff]")
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u205f]")
_TRAILING = re.compile("[ \t\u3000]+$", re.MULTILINE)
_EMPTY_LINES = re.compile("\n{3,}")


class CleanSettings(Settings):
    """What is made uniform."""

    unicode: Literal["NFC", "NFKC", "none"] = "NFC"
    """Unicode normal form. NFC joins letters and their accents; NFKC also makes full-width letters and punctuation half-width."""
    controls: bool = True
    """Whether control, zero-width and direction characters go."""
    whitespace: bool = True
    """Whether line ends become one newline, odd spaces plain ones, and trailing spaces and third blank lines go."""


def clean(text: str, settings: CleanSettings) -> str:
    """The text, cleaned; cleaning it again changes nothing."""
    if settings.whitespace:
        text = _BREAKS.sub("\n", text)
    if settings.controls and not text.isprintable():
        text = _INVISIBLE.sub("", text)
    if settings.unicode != "none" and not unicodedata.is_normalized(settings.unicode, text):
        text = unicodedata.normalize(settings.unicode, text)
    if settings.whitespace:
        text = _SPACES.sub(" ", text)
        text = _TRAILING.sub("", text)
        text = _EMPTY_LINES.sub("\n\n", text).strip("\n")
    return text


class Clean:
    """The stage that cleans."""

    def __init__(self, settings: CleanSettings) -> None:
        self.settings = settings

    def __call__(self, batch: list[Document]) -> tuple[list[Document], list[Dropped]]:
        """All documents, cleaned."""
        return [d.with_text(clean(d.text, self.settings)) for d in batch], []
