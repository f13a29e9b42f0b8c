"""The denoising objectives: an encoder reads a spoilt text, a decoder writes what was there.

    spans     x1 <0> x4 x5 <1> x7   ->   <0> x2 x3 <1> x6 <2>        T5's span corruption (Raffel et al. 2020, arXiv 1910.10683)
    text      (sentences in another order, spans replaced by one mask each)   ->   x1 ... xn          BART (Lewis et al. 2020, 1910.13461)

loss = - sum_t log p(y_t | y_<t, spoilt x)

1. A window of `context` tokens is cut from the packed stream.
2. spans: `ratio` of its tokens, in spans of `span` on average, are cut out; which is drawn evenly from all ways to do so. Each is replaced
   by a mark of its own, and the decoder writes the marks with what they stand for. All rows are equally long: nothing is padded.
   text: sentences change their order; then `ratio` of the tokens in spans of Poisson lengths (0 among them: a mask that hides nothing)
   are each replaced by one mask, and the decoder writes the whole window.
3. The decoder reads the mark of an end first, then its own output.

What is drawn for a window depends on the seed and on the number of the window alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.models.shapes import EncoderDecoderModel, Shape
from zhixing.nn.losses import IGNORE
from zhixing.objectives.objective import Batch, Row, predicted
from zhixing.store import Ids, Samples, Store
from zhixing.tokenizer.tokenizer import MASKS, Tokenizer, sentinel

SENTENCE_ENDS = ("。", "！", "？", ".", "!", "?", "\n")


_GRAIN = 32
"""Of a spoilt text whose length varies, so many tokens are the least difference."""


class DenoiseSettings(Settings):
    """How the text is spoilt."""

    kind: Literal["denoise"] = "denoise"
    noise: Literal["spans", "text"] = "spans"
    """spans (T5): the decoder writes what was cut out; text (BART): it writes the whole text, whose sentences were also shuffled."""
    context: int = Field(default=256, ge=4)
    """Tokens of text in a row, before it is spoilt."""
    ratio: float = Field(default=0.15, gt=0, lt=1)
    """Share of the tokens that is hidden: 0.15 in T5, 0.3 in BART."""
    span: float = Field(default=3.0, ge=1)
    """Tokens of a hidden span, on average."""

    @property
    def shape(self) -> Shape:
        """The shape of model that this trains."""
        return "encoder-decoder"

    @property
    def counts(self) -> tuple[int, int]:
        """Hidden tokens of a window, and the spans that they make up."""
        hidden = min(max(1, round(self.context * self.ratio)), self.context - 1)
        return hidden, max(1, min(round(hidden / self.span), hidden, self.context - hidden + 1))

    @property
    def row(self) -> Row:
        """What a row costs."""
        hidden, spans = self.counts
        source, target = self.context - hidden + spans, hidden + spans + 1 if self.noise == "spans" else self.context
        return Row(source + target, source, target)

    def marks(self) -> tuple[Sequence[str], ...]:
        """Marks that it puts among the ids."""
        return tuple(sentinel(n) for n in range(self.counts[1] + 1)) if self.noise == "spans" else (MASKS,)

    @model_validator(mode="after")
    def _room(self) -> Self:
        if self.noise == "spans" and self.counts[1] > 1000:
            raise ValueError(f"{self.counts[1]} spans in a window need as many marks; set a smaller context, or a larger span")
        return self


class Denoise:
    """Spoilt windows of a token store."""

    def __init__(self, store: Store, settings: DenoiseSettings, seed: int, tokenizer: Tokenizer) -> None:
        self.samples, self.settings, self.seed = Samples(store, settings.context, seed), settings, seed
        self.end, self.pad = tokenizer.end, tokenizer.pad
        self.marks = np.array([tokenizer.need(names) for names in settings.marks()])
        pieces = tokenizer.pieces(range(tokenizer.vocabulary))
        self.ends = np.array([piece.rstrip(" ").endswith(SENTENCE_ENDS) for piece in pieces])
        self.ends[self.end] = True

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """`source` [B, S] with its `mask` [B, S], `ids` [B, T] that the decoder reads, and `targets` [B, T]."""
        windows, _ = self.samples.batch(step, size, rank, world)
        spoil = self._cut_out if self.settings.noise == "spans" else self._shuffled
        pairs = [
            spoil(window[:-1], np.random.default_rng((self.seed, number)))
            for window, number in zip(windows, self.samples.numbers(step, size, rank, world), strict=True)
        ]
        longest = max((len(source) for source, _ in pairs), default=0)
        if self.settings.noise == "text":  # a few lengths, so that compiled layers are not compiled anew for each batch
            longest = -(-longest // _GRAIN) * _GRAIN
        source = np.full((len(pairs), longest), self.pad)
        mask = np.zeros(source.shape, dtype=bool)
        for row, (spoilt, _) in enumerate(pairs):
            source[row, : len(spoilt)], mask[row, : len(spoilt)] = spoilt, True
        targets = np.stack([target for _, target in pairs]) if pairs else np.empty((0, 1), np.int64)
        ids = np.concatenate([np.full((len(pairs), 1), self.end), targets[:, :-1]], axis=1)
        return {name: torch.from_numpy(value) for name, value in (("source", source), ("mask", mask), ("ids", ids), ("targets", targets))}

    def _cut_out(self, window: Ids, draw: np.random.Generator) -> tuple[Ids, Ids]:
        hidden, spans = self.settings.counts
        lengths = _parts(draw, hidden, spans)
        starts = _places(draw, lengths, len(window))
        source, target, at = list[Ids](), list[Ids](), 0
        for number, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            mark = self.marks[number : number + 1]
            source += [window[at:start], mark]
            target += [mark, window[start : start + length]]
            at = start + length
        return np.concatenate([*source, window[at:]]), np.concatenate([*target, self.marks[spans : spans + 1]])

    def _shuffled(self, window: Ids, draw: np.random.Generator) -> tuple[Ids, Ids]:
        sentences = np.split(window, np.flatnonzero(self.ends[window]) + 1)
        text = np.concatenate([sentences[i] for i in draw.permutation(len(sentences))])
        hidden, lengths = self.settings.counts[0], list[int]()
        while sum(lengths) < hidden and len(lengths) <= len(text) - hidden:
            lengths.append(min(int(draw.poisson(self.settings.span)), hidden - sum(lengths)))
        starts = _places(draw, np.array(lengths), len(text))
        source, at = list[Ids](), 0
        for start, length in zip(starts, lengths, strict=True):
            source += [text[at:start], self.marks]
            at = start + length
        return np.concatenate([*source, text[at:]]), window

    def targets(self, batch: Batch) -> int:
        """Number of tokens that the decoder is to write."""
        return int((batch["targets"] != IGNORE).sum())

    def tokens(self, batch: Batch) -> int:
        """Number of tokens that encoder and decoder read."""
        return int(batch["mask"].sum()) + self.targets(batch)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum of -log p(target) in nats."""
        assert isinstance(model, EncoderDecoderModel)
        mask = None if bool(batch["mask"].all()) else batch["mask"]
        return predicted(model, model(batch["source"], batch["ids"], mask), batch["targets"])

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The loss alone."""
        return {"loss": self.loss(model, batch)}


def _parts(draw: np.random.Generator, total: int, parts: int) -> Ids:
    """A sum of `parts` numbers of at least 1, all such sums of `total` being equally likely."""
    cuts = np.sort(draw.choice(total - 1, parts - 1, replace=False)) + 1
    return np.diff(np.concatenate([[0], cuts, [total]])).astype(np.int64)


def _places(draw: np.random.Generator, lengths: Ids, total: int) -> Ids:
    """Starts of spans of these lengths, in this order, among `total` tokens: at least one stands between two, all such ways are equally
    likely.
    """
    free = total - int(lengths.sum())
    before = np.sort(draw.choice(free + 1, len(lengths), replace=False))  # tokens before each span that are in none
    return (before + np.cumsum(lengths) - lengths).astype(np.int64)
