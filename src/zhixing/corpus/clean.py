"""Cleaning: one text, one way to write it down. Pure functions on strings.

    mojibake -> line ends, controls, Unicode form, spaces -> HTML -> addresses -> symbols -> width -> punctuation -> script
             -> lower case -> no punctuation -> no stop words

Only the first two are on by default. What one step leaves another may find work in (an entity that becomes a tag, a tag that parted an
address), so the steps are repeated until nothing changes: that is what makes `clean(clean(text)) == clean(text)` hold. Whoever trains on
cleaned text, a tokenizer or a classifier, keeps the settings, and calls the same function on what it is asked about later.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from pydantic import model_validator

from zhixing.config import Settings
from zhixing.corpus.chinese import Script, converted, converter
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.mojibake import mended
from zhixing.corpus.punctuation import half_width, uniform, without_punctuation
from zhixing.corpus.remnants import URL, addresses, without_html, without_symbols
from zhixing.corpus.stop_words import StopLanguage, without_stop_words

_BREAKS = re.compile("\r\n?|[\v\f\u0085\u2028\u2029]")
_CONTROLS = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # C0 and C1, but for tabs and line ends
    "\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"  # invisible; joiners stay, they change what is read
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
_EMPTY_LINES = re.compile("\n{3,}")
_PLAIN = re.compile("[\t\n -~]*")
_ROUNDS = 10
"""Repetitions after which a text is taken to have been made to keep us busy."""


class CleanSettings(Settings):
    """What is made uniform, and what is taken out."""

    mojibake: bool = True
    """Whether text that was decoded with the wrong encoding is mended: `donâ€™t`, `ÖÐ¹ú`, `涓浗`. What reads well is not touched."""
    unicode: Literal["NFC", "NFKC", "none"] = "NFC"
    """Unicode normal form. NFC joins letters and their accents; NFKC also makes full-width letters and punctuation half-width."""
    controls: bool = True
    """Whether control, zero-width and direction characters go."""
    whitespace: bool = True
    """Whether line ends become one newline, odd spaces plain ones, and trailing spaces and third blank lines go."""
    html: bool = False
    """Whether tags and comments of HTML that are left in text go, and entities become their characters. Pages are taken apart before, by
    `extract`: this is for the scraps in other text, and takes the examples out of text that is about HTML."""
    urls: Literal["keep", "remove", "mask"] = "keep"
    """What becomes of addresses of the Web (http, https, ftp, www.): mask makes them `<URL>`."""
    symbols: bool = True
    """Whether emoji, dingbats, boxes, and private, unassigned and replacement characters stay."""
    half_width: bool = False
    """Whether full-width letters, digits, signs and spaces become half-width (Ａ１％ becomes A1%); punctuation is for `punctuation`."""
    punctuation: Literal["keep", "uniform", "remove"] = "keep"
    """uniform: full-width beside Chinese characters, ASCII in lines without any; remove: a space for each mark, but for those in words and
    numbers, to classify by words."""
    chinese: Script | None = None
    """simplified or traditional: the script that all Chinese is written in; needs the extra `corpus` (OpenCC)."""
    lower: bool = False
    """Whether capital letters become small ones."""
    stop_words: tuple[StopLanguage, ...] = ()
    """Languages, of en and zh, whose stop words are left out, to classify by words: the lists of `corpus.stop_words`."""

    @model_validator(mode="after")
    def _agree(self) -> CleanSettings:
        if self.unicode == "NFKC" and self.punctuation == "uniform":
            raise ValueError(
                "unicode = NFKC makes all marks half-width, and punctuation = uniform some full-width; take half_width = true for NFKC"
            )
        return self


def clean(text: str, settings: CleanSettings) -> str:
    """The text, cleaned; cleaning it again changes nothing. Halves of surrogate pairs, which no file can hold, go in any case.

    Raises `MissingPackage` where a script is asked for, and OpenCC is not there.
    """
    once = text
    for _ in range(_ROUNDS):
        whole = mended(once) if settings.mojibake else once
        tidy = _tidy(whole, settings)
        done = _further(tidy, settings)
        if done == tidy and (not settings.mojibake or tidy is whole or mended(tidy) == tidy):
            return tidy
        once = done
    return _tidy(text, settings)


def _tidy(text: str, settings: CleanSettings) -> str:
    """What is done to all text; doing it again changes nothing."""
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


def _further(text: str, settings: CleanSettings) -> str:
    """What is done on request."""
    if settings.html:
        text = without_html(text)
    if settings.urls != "keep":
        text = addresses(text, URL if settings.urls == "mask" else "")
    if not settings.symbols:
        text = without_symbols(text)
    if settings.half_width:
        text = half_width(text)
    if settings.punctuation == "uniform":
        text = uniform(text)
    if settings.chinese:
        text = converted(text, settings.chinese)
    if settings.lower:
        text = text.lower()
    if settings.punctuation == "remove":
        text = without_punctuation(text)
    return without_stop_words(text, settings.stop_words)


class Clean:
    """The stage that cleans."""

    def __init__(self, settings: CleanSettings) -> None:
        self.settings = settings
        if settings.chinese:
            converter(settings.chinese)  # says now whether it is there

    def __call__(self, batch: list[Document]) -> tuple[list[Document], list[Dropped]]:
        """All documents, cleaned."""
        return [d.with_text(clean(d.text, self.settings)) for d in batch], []
