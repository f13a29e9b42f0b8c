"""A filter by how surprising a text is to a small model of clean text that the user names: lists, code and noise are, prose is not.

The idea is CCNet's (Wenzek et al. 2020, arXiv 1911.00359), which keeps pages by their perplexity under a model of Wikipedia. The model here
is one of characters, so that it needs no tokenizer and is the same for Chinese and English, with the n-grams of all orders up to five
interpolated as Kneser and Ney have it (1995; Chen and Goodman 1998, section 2.7):

    p(c | h) = (max(count(hc) - d, 0) + d types(h) p(c | h')) / count(h),    h' being h without its first character

where an n-gram of lower order counts not as often as it occurs, but once for each character that it occurs behind; d is n1 / (n1 + 2 n2) of
the numbers of n-grams with a count of one and two. Below all stands a uniform distribution over Unicode. Surprise is measured in bits for a
byte of UTF-8, in which Chinese and English are alike.

1. `train`, once and in the parent process, cuts the reference into every tenth document, held out, and the rest, counts the n-grams of the
   rest, as sorted hashes in numpy, and measures the held-out ones.
2. The workers get the tables with their settings. A text of which the beginning, the middle and the end need more than `times` as many bits
   as the documents held out is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zhixing.config import Names, Settings
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.near import Hashes, distinct
from zhixing.errors import SettingError

Counts = NDArray[np.uint32]

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_UNIFORM = 1 / 0x110000
_HELD_OUT = 10
PIECE = 1000
"""Characters of the beginning, the middle and the end of a text that are looked at."""
_LEAST = 10_000
"""Characters below which a reference teaches nothing."""


class PerplexitySettings(Settings):
    """Which documents are too unlike a reference."""

    reference: Names = ()
    """Files or folders of clean text, in the languages that are to be kept; without any there is no such filter."""
    times: float = Field(default=2.5, gt=0)
    """Documents that need more than so many times the bits a byte of the reference's held-out documents are left out. With news, novels,
    speeches and reviews as reference, plays and poems need 1.7 to 1.9 times as many, an encyclopaedia 2.0, program code 2.6, random letters
    6.7: the more kinds of text the reference has, the sharper the line."""
    order: int = Field(default=5, ge=1, le=8)
    """Characters of the longest n-gram."""
    characters: int = Field(default=5_000_000, ge=_LEAST)
    """Characters of the reference that are looked at, from its beginning. Tables of a million take about 35 MB in each process."""


@dataclass(frozen=True)
class Table:
    """Numbers by hash: the hashes sorted, and where those with the same leading bits begin."""

    keys: Hashes
    values: tuple[Counts, ...]
    starts: NDArray[np.int32]
    shift: int

    @classmethod
    def of(cls, keys: Hashes, *values: Counts) -> Table:
        """From sorted keys."""
        bits = min(24, max(1, len(keys).bit_length()))
        starts = np.searchsorted(keys, np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits))
        return cls(keys, values, np.append(starts, len(keys)).astype(np.int32), 64 - bits)

    def found(self, wanted: Hashes) -> list[NDArray[np.float64]]:
        """The values of each key; 0 where it is absent."""
        group = (wanted >> np.uint64(self.shift)).astype(np.int64)
        place, end = self.starts[group], self.starts[group + 1]
        here = np.full(len(wanted), -1, np.int64)
        left = np.flatnonzero(place < end)
        step = 0
        while len(left):
            candidates = place[left] + step
            hit = self.keys[candidates] == wanted[left]
            here[left[hit]] = candidates[hit]
            step += 1
            left = left[~hit & (candidates + 1 < end[left])]
        return [np.where(here >= 0, values[here], 0).astype(np.float64) for values in self.values]


@dataclass(frozen=True)
class Order:
    """The n-grams of one length n."""

    grams: Table
    """How often each occurs."""
    contexts: Table
    """How often the first n - 1 characters of each occur, and before how many different ones."""
    discount: float


@dataclass(frozen=True)
class Model:
    """Probabilities of characters, and what the held-out part of the reference needs."""

    orders: tuple[Order, ...]
    bits: float
    """Bits a byte of the held-out documents."""
    characters: int
    """That it was trained on."""

    def surprise(self, text: str) -> NDArray[np.float64]:
        """-log2 of the probability of each character [characters]."""
        codes = _codes(text)
        probability = np.full(len(codes), _UNIFORM)
        for number, order in enumerate(self.orders, start=1):
            grams, contexts = _hashes(codes, number)
            (count,), (total, types) = order.grams.found(grams), order.contexts.found(contexts)
            mixed = np.maximum(count - order.discount, 0) + order.discount * types * probability
            probability = np.where(total > 0, mixed / np.maximum(total, 1), probability)
        surprise: NDArray[np.float64] = -np.log2(probability)
        return surprise

    def bits_a_byte(self, text: str) -> float:
        """Of a text, or of three pieces of a long one."""
        if len(text) > 3 * PIECE:
            middle = (len(text) - PIECE) // 2
            text = text[:PIECE] + text[middle : middle + PIECE] + text[-PIECE:]
        return float(self.surprise(text).sum()) / max(1, len(text.encode("utf-8", "surrogatepass")))


def train(texts: Iterable[str], settings: PerplexitySettings) -> Model:
    """The model of a reference. Raises `SettingError` when there is too little of it."""
    learned: list[str] = []
    held: list[str] = []
    left = settings.characters
    for number, text in enumerate(texts):
        (held if number % _HELD_OUT == _HELD_OUT - 1 else learned).append(text[:left])
        left -= len(text)
        if left <= 0:
            break
    if len(learned) == 1 or not held:  # a few large documents: the last tenth of all
        whole = "\n".join([*learned, *held])
        cut = len(whole) * (_HELD_OUT - 1) // _HELD_OUT
        learned, held = [whole[:cut]], [whole[cut:]]
    size = sum(map(len, learned))
    if size < _LEAST:
        raise SettingError("filter.perplexity.reference", f"names only {size} characters of text, and {_LEAST} are the least that teach")
    model = Model(_orders(learned, settings.order), 0.0, size)
    bits = sum(float(model.surprise(text).sum()) for text in held) / sum(len(text.encode("utf-8", "surrogatepass")) for text in held)
    return Model(model.orders, bits, size)


def _orders(texts: list[str], highest: int) -> tuple[Order, ...]:
    """N-grams of all lengths; none goes over the border of two texts. Each text begins behind line ends."""
    codes = [_codes(text) for text in texts]
    places: NDArray[np.int64] | None = None  # where a character counts: everywhere, then once for each different n-gram that was one longer
    found: list[Order] = []
    for number in range(highest, 0, -1):
        hashes = [_hashes(c, number) for c in codes]
        every, before = (np.concatenate([pair[which] for pair in hashes]) for which in (0, 1))
        del hashes
        every, before = (every, before) if places is None else (every[places], before[places])
        order = np.argsort(every, kind="stable")
        ordered = every[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        counts = np.diff(np.append(starts, len(ordered))).astype(np.uint32)
        first = order[starts]
        places = first if places is None else places[first]
        found.append(Order(Table.of(ordered[starts], counts), _contexts(before[first], counts), _discount(counts)))
    return tuple(reversed(found))


def _contexts(contexts: Hashes, counts: Counts) -> Table:
    """The table of contexts, given that of each different n-gram."""
    order = np.argsort(contexts, kind="stable")
    keys = distinct(contexts)
    edges = np.searchsorted(contexts[order], keys)
    totals = np.add.reduceat(counts[order], edges, dtype=np.uint32)
    return Table.of(keys, totals, np.diff(np.append(edges, len(contexts))).astype(np.uint32))


def _discount(counts: Counts) -> float:
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once else 0.5


def _codes(text: str) -> Hashes:
    """Code points, plus one so that none is nothing [characters]."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64) + np.uint64(1)


def _hashes(codes: Hashes, size: int) -> tuple[Hashes, Hashes]:
    """The n-gram that ends with each character, and that without it [characters]; before the first one stand line ends."""
    padded = np.concatenate([np.full(size - 1, ord("\n") + 1, np.uint64), codes])
    grams = contexts = np.zeros(len(codes), np.uint64)
    for place in range(size):
        contexts = grams
        grams = (contexts + padded[place : place + len(codes)]) * _MULTIPLIER
        grams ^= grams >> np.uint64(29)
    return grams, contexts


class Perplexity:
    """The stage that leaves out what surprises too much."""

    def __init__(self, settings: PerplexitySettings, model: Model) -> None:
        self.model, self.most = model, settings.times * model.bits

    def __call__(self, batch: list[Document]) -> tuple[list[Document], list[Dropped]]:
        """Documents that are like the reference, and the others."""
        kept, dropped = [], []
        for document in batch:
            bits = round(self.model.bits_a_byte(document.text), 6)  # rounded: the last bits of a logarithm depend on the processor
            if bits > self.most:
                dropped.append(Dropped.of(document, "perplexity", f"needs more than {self.most:.2f} bits a byte under the reference"))
            else:
                kept.append(document)
        return kept, dropped
