"""Words of running text, sentence by sentence.

1. A text is cut at the ends of sentences, at empty lines, and at line ends after a Chinese character: Chinese is not wrapped.
2. A word is a run of letters, with the apostrophes and hyphens inside it; a run of Chinese characters is cut into words by rjieba.

Digits, punctuation and marks are no words. The ends of sentences are rough: an abbreviation ends one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import rjieba

from zhixing.config import Settings
from zhixing.corpus.han import HAN

_LETTER = f"[^\\W\\d_{HAN}]"
_UNIT = re.compile(f"[{HAN}]+|{_LETTER}+(?:['\u2019-]{_LETTER}+)*")
# What may end a sentence comes first, what it depends on after it: a search for single characters is four times as fast.
_END = re.compile(f"[。！？.!?\n](?:(?<=[。！？])[。！？]*|(?<=[.!?])[.!?]*(?!\\w)|(?<=[{HAN}」』》】）”…]\n)|(?<=\n)[^\\S\n]*\n\\s*)")
_RUN = re.compile(f"[{HAN}]")
_ASCII_UNIT = re.compile("[A-Za-z]+(?:['-][A-Za-z]+)*")
_ASCII_END = re.compile("[.!?\n](?:(?<=[.!?])[.!?]*(?!\\w)|(?<=\n)[^\\S\n]*\n\\s*)")

LONGEST = 10_000
"""Words of a sentence after which another begins: lists without an end would fill the memory."""


class WordSettings(Settings):
    """What counts as a word."""

    chinese: Literal["words", "characters"] = "words"
    """Whether Chinese is counted in words, cut by rjieba, or in characters, which takes a third of the time."""
    lower: bool = True
    """Whether capitals are made small, so that a word at the beginning of a sentence is the same word."""


def sentences(text: str, settings: WordSettings) -> Iterator[list[str]]:
    """The words of each sentence; sentences without any are left out, and none is longer than `LONGEST` words."""
    if settings.lower:
        text = text.lower()
    plain = text.isascii()
    end, unit = (_ASCII_END, _ASCII_UNIT) if plain else (_END, _UNIT)
    for sentence in end.split(text):
        words: list[str] = unit.findall(sentence)
        if not plain and _RUN.search(sentence):
            words = list(_cut(words, settings.chinese))
        for start in range(0, len(words), LONGEST):
            yield words[start : start + LONGEST]


def _cut(units: list[str], chinese: str) -> Iterator[str]:
    """Runs of Chinese characters cut into words or characters; the rest as it is."""
    for unit in units:
        if not _RUN.match(unit):
            yield unit
        elif chinese == "words":
            yield from rjieba.cut(unit)
        else:
            yield from unit
