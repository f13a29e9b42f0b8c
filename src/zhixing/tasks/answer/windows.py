"""Questions beside their texts, as the model reads them: as many windows as a text takes, and the characters that each token stands for.

    [CLS] question [SEP] part of the text [SEP]        neighbouring parts share `overlap` tokens

An answer is a span of characters. The tokens that it touches are its tokens; the characters of a span of tokens are those from the first
one's to the last one's, without the space that some tokenizers put into a token. A window that does not hold the whole answer points at its
first token, the mark, as do all windows of a question without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from zhixing.errors import InputError
from zhixing.objectives import Batch
from zhixing.tasks.buckets import Integers
from zhixing.tokenizer.framing import Framed
from zhixing.tokenizer.tokenizer import Tokenizer

Spans = NDArray[np.int32]
"""Start and end of the characters of each token [T, 2]; the same number twice where a token may neither begin nor end an answer."""
NOWHERE = 0
"""The token that a window points at when it does not hold the answer."""


@dataclass(frozen=True)
class Frame:
    """How a question is laid beside its text."""

    window: int
    overlap: int
    question: int
    """The most tokens of a question."""


@dataclass
class Windows:
    """Windows of some questions, in their order."""

    pad: int
    ids: list[NDArray[np.int32]] = field(default_factory=list)
    kinds: list[NDArray[np.int8]] = field(default_factory=list)
    spans: list[Spans] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    """The number of the question that each window belongs to."""

    @property
    def lengths(self) -> Integers:
        """Tokens of each window."""
        return np.array([len(ids) for ids in self.ids], dtype=np.int64)

    def batch(self, rows: Integers) -> Batch:
        """`ids`, `mask`, `kinds` and `allowed` (where an answer may begin or end, and the mark) [B, T]: as long as the longest of these."""
        longest = max(len(self.ids[row]) for row in rows)
        ids = np.full((len(rows), longest), self.pad, dtype=np.int64)
        kinds, mask, allowed = np.zeros_like(ids), np.zeros(ids.shape, dtype=bool), np.zeros(ids.shape, dtype=bool)
        for place, row in enumerate(rows):
            size = len(self.ids[row])
            ids[place, :size], kinds[place, :size], mask[place, :size] = self.ids[row], self.kinds[row], True
            allowed[place, :size] = self.spans[row][:, 0] < self.spans[row][:, 1]
        allowed[:, NOWHERE] = True
        return {name: torch.from_numpy(x) for name, x in (("ids", ids), ("mask", mask), ("kinds", kinds), ("allowed", allowed))}


def windows(asked: Sequence[tuple[str, str]], tokenizer: Tokenizer, frame: Frame) -> tuple[Windows, dict[int, str]]:
    """Windows of questions on texts, (question, text), and what is wrong with those that have none, by their numbers."""
    made, problems = Windows(tokenizer.pad), dict[int, str]()
    trim = _Trim("")
    for number, (question, text) in enumerate(asked):
        try:
            size = len(tokenizer.encode(question))
            if size > frame.question:
                problems[number] = f"the question has {size} tokens, more than objective.question = {frame.question}"
                continue
            rows = tokenizer.windows(question, text, frame.window, frame.overlap)
        except InputError as error:
            problems[number] = f"the {error}".replace(": ", " ", 1)
            continue
        if trim.text is not text:
            trim = _Trim(text)
        for row in rows:
            made.ids.append(np.array(row.ids, dtype=np.int32))
            made.kinds.append(np.array(row.kinds, dtype=np.int8))
            made.spans.append(trim(row))
            made.owner.append(number)
    return made, problems


class _Trim:
    """Takes spaces from the ends of the characters of tokens of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        there = np.array([not c.isspace() for c in text], dtype=bool)
        places = np.arange(len(text))
        after = np.where(there, places, len(text))
        self.start = np.append(np.minimum.accumulate(after[::-1])[::-1], len(text)).astype(np.int32)
        """The first character that is no space, from each on."""
        before = np.where(there, places + 1, 0)
        self.end = np.append(0, np.maximum.accumulate(before)).astype(np.int32)
        """The end of the last character that is no space, up to each."""

    def __call__(self, row: Framed) -> Spans:
        offsets = np.array(row.offsets, dtype=np.int64).reshape(-1, 2)
        outside = np.array(row.texts) != 1
        offsets[outside] = 0
        spans = np.stack([self.start[offsets[:, 0]], self.end[offsets[:, 1]]], axis=1)
        spans[outside | (spans[:, 0] >= spans[:, 1])] = 0
        return spans


def target(spans: Spans, answer: tuple[int, int] | None) -> tuple[int, int]:
    """The first and the last token of an answer in a window, given the answer's characters; the mark twice if it is not wholly there."""
    if answer is None:
        return NOWHERE, NOWHERE
    start, end = answer
    inside = np.flatnonzero((spans[:, 0] < end) & (spans[:, 1] > start) & (spans[:, 0] < spans[:, 1]))
    if not len(inside) or spans[inside[0], 0] > start or spans[inside[-1], 1] < end:
        return NOWHERE, NOWHERE
    return int(inside[0]), int(inside[-1])


def exact(spans: Spans, tokens: tuple[int, int], answer: tuple[int, int]) -> bool:
    """Whether the characters of the tokens are those of the answer: a tokenizer may have put more into a token."""
    return bool(spans[tokens[0], 0] == answer[0] and spans[tokens[1], 1] == answer[1])
