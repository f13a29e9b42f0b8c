"""Cleaning: one text, one way to write it down. Pure functions on strings."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from zhixing.config import Settings
from zhixing.corpus.document import Document, Dropped

_BREAKS = re.compile("\r\n?|[\v\f\u0085\u2028\u2029]")
_CONTROLS = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # C0 and C1, but for tabs and line ends
    "\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"  # invisible; joiners stay, they change what is read
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
_EMPTY_LINES = re.compile("\n{3,}")
_PLAIN = re.compile("[\t\n -~]*")


class CleanSettings(Settings):
    """What is made uniform."""

    unicode: Literal["NFC", "NFKC", "none"] = "NFC"
    """Unicode normal form. NFC joins letters and their accents; NFKC also makes full-width letters and punctuation half-width."""
    controls: bool = True
    """Whether control, zero-width and direction characters go."""
    whitespace: bool = True
    """Whether line ends become one newline, odd spaces plain ones, and trailing spaces and third blank lines go."""


def clean(text: str, settings: CleanSettings) -> str:
    """The text, cleaned; cleaning it again changes nothing. Halves of surrogate pairs, which no file can hold, go in any case."""
    if not (text.isascii() and _PLAIN.fullmatch(text)):
        if settings.whitespace:
            text = _BREAKS.sub("\n", text)
        if settings.controls:
            text = _CONTROLS.sub("", text)
        text = _SURROGATES.sub("", text)
        if settings.unicode != "none":
            text = unicodedata.normalize(settings.unicode, text)  # gives back the same object where nothing is to do
        if settings.whitespace:
            text = _SPACES.sub(" ", text)
    if settings.whitespace:
        text = "\n".join([line.rstrip(" \t\u3000") for line in text.split("\n")]).strip("\n")
        if "\n\n\n" in text:
            text = _EMPTY_LINES.sub("\n\n", text)
    return text


class Clean:
    """The stage that cleans."""

    def __init__(self, settings: CleanSettings) -> None:
        self.settings = settings

    def __call__(self, batch: list[Document]) -> tuple[list[Document], list[Dropped]]:
        """All documents, cleaned."""
        return [d.with_text(clean(d.text, self.settings)) for d in batch], []
