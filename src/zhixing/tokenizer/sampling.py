"""Subword regularisation: the same text cut into other tokens each time it is read (Kudo 2018, arXiv 1804.10959; Provilkov et al. 2020).

Unigram    a segmentation x of a word is drawn with probability p(x)^alpha / sum over all segmentations, p(x) the product of its pieces':
           a(j) = log sum over i < j of exp(a(i) + alpha s(i, j)) forwards, then pieces are drawn backwards from the end of the word
BPE        a word is merged from its characters as usual, but each merge that is possible is left out, for this once, with probability p
           (arXiv 1910.13267). The library of Hugging Face leaves out fewer: it draws again for all merges after each entry of its queue
           that is out of date

The word is what the tokenizer's own pre-split leaves together. The text is that of the ids, which is the text that they were made of
wherever a tokenizer loses nothing; marks among the ids stay where they are. All that is drawn comes from the generator that is given, so
that a segmentation is a function of its seed.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby, pairwise

import tokenizers

from zhixing.errors import SettingError
from zhixing.tokenizer.tokenizer import Tokenizer

WORDS = 1 << 16
"""Words whose tables are kept."""
LONGEST = 64
"""Characters of a piece that are looked for."""
NEVER = 1 << 62
"""Rank of two pieces that are no merge."""

_Edges = list[list[tuple[int, float]]]


class Sampler:
    """Cuts the text of ids anew."""

    def __init__(self, tokenizer: Tokenizer, *, alpha: float = 0.0, dropout: float = 0.0) -> None:
        """alpha: for Unigram, dropout: for BPE. Raises `SettingError` where the tokenizer is of another kind."""
        for name, value, kind in (("alpha", alpha, "unigram"), ("dropout", dropout, "bpe")):
            if value and tokenizer.kind != kind:
                raise SettingError(f"vocabulary.{name}", f"varies what {kind} tokenizers do, and this one is of kind {tokenizer.kind}")
        self.tokenizer, self.alpha, self.dropout = tokenizer, alpha, dropout
        inner = tokenizers.Tokenizer.from_str(json.dumps(tokenizer.to_json()))
        self._normalizer, self._split = inner.normalizer, inner.pre_tokenizer
        self._marks = frozenset(tokenizer.marks())
        model = tokenizer.to_json()["model"]
        if tokenizer.kind == "unigram":
            self._ids = {piece: number for number, (piece, _) in enumerate(model["vocab"])}
            self._scores = {piece: score for number, (piece, score) in enumerate(model["vocab"]) if number not in self._marks}
            self._unlikely = min(self._scores.values(), default=0.0) - 10.0  # as the library has it for what no piece covers
        else:
            self._ids = dict(model["vocab"])
            pairs = (tuple(one.split(" ")) if isinstance(one, str) else tuple(one) for one in model["merges"])
            self._ranks = {pair: rank for rank, pair in enumerate(pairs)}
        self._longest = min(LONGEST, max(map(len, self._ids), default=1))
        self._edges = lru_cache(WORDS)(self._forward)

    def __call__(self, ids: Sequence[int], draw: random.Random) -> list[int]:
        """Other ids of the same text."""
        found: list[int] = []
        for mark, run in groupby(ids, key=self._marks.__contains__):
            same = list(run)
            found += same if mark else self._cut(self.tokenizer.decode(same), draw)
        return found

    def _cut(self, text: str, draw: random.Random) -> list[int]:
        if self._normalizer is not None:
            text = self._normalizer.normalize_str(text)
        words = [word for word, _ in self._split.pre_tokenize_str(text)] if self._split is not None else [text]
        cut = self._drawn if self.tokenizer.kind == "unigram" else self._merged
        return [number for word in words for number in cut(word, draw)]

    def _forward(self, word: str) -> _Edges:
        """For each end in a word: where its last piece may begin, with the cumulated probability of that."""
        total, edges = [0.0], [list[tuple[int, float]]()]
        for end in range(1, len(word) + 1):
            options = [(start, self._scores.get(word[start:end])) for start in range(max(0, end - self._longest), end)]
            logs = [(start, total[start] + self.alpha * score) for start, score in options if score is not None]
            if not logs or logs[-1][0] != end - 1:  # what no piece covers costs as a character that is unknown
                logs.append((end - 1, total[end - 1] + self.alpha * self._unlikely))
            most = max(log for _, log in logs)
            weights = [math.exp(log - most) for _, log in logs]
            whole, sums = sum(weights), 0.0
            total.append(most + math.log(whole))
            table = []
            for (start, _), weight in zip(logs, weights, strict=True):
                sums += weight / whole
                table.append((start, sums))
            edges.append(table)
        return edges

    def _drawn(self, word: str, draw: random.Random) -> list[int]:
        edges, end, pieces = self._edges(word), len(word), list[str]()
        while end:
            point = draw.random()
            start = next((start for start, until in edges[end] if point < until), edges[end][-1][0])
            pieces.append(word[start:end])
            end = start
        return [number for piece in reversed(pieces) for number in self._numbers(piece)]

    def _merged(self, word: str, draw: random.Random) -> list[int]:
        pieces = list(word)
        ranks = [self._ranks.get(pair, NEVER) for pair in pairwise(pieces)]
        while ranks and (first := min(ranks)) < NEVER:
            place = ranks.index(first)
            if self.dropout and draw.random() < self.dropout:
                others = sorted((rank, other) for other, rank in enumerate(ranks) if rank < NEVER)[1:]
                place = next((other for _, other in others if draw.random() >= self.dropout), -1)
                if place < 0:
                    break
            pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
            del ranks[place]
            for beside in (place - 1, place):
                if 0 <= beside < len(ranks):
                    ranks[beside] = self._ranks.get((pieces[beside], pieces[beside + 1]), NEVER)
        return [number for piece in pieces for number in self._numbers(piece)]

    def _numbers(self, piece: str) -> list[int]:
        """The id of a piece; of what the vocabulary does not cover, those of its bytes, or the one for the unknown."""
        if (number := self._ids.get(piece)) is not None and number not in self._marks:
            return [number]
        in_bytes = [self._ids.get(f"<0x{byte:02X}>") for byte in piece.encode("utf-8", "surrogatepass")]
        if None not in in_bytes:
            return [number for number in in_bytes if number is not None]
        return [] if self.tokenizer.unknown is None else [self.tokenizer.unknown]
