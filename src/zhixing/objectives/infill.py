"""The infilling objective: a decoder learns to write the middle of a text whose beginning and end it is given
(Bavarian et al. 2022, arXiv 2207.14255).

    prefix middle suffix    ->    <prefix> prefix <suffix> suffix <middle> middle             PSM
                            ->    <prefix> <suffix> suffix <middle> prefix middle             SPM, which can go on from a kept state

1. A window is cut from the packed stream, and into its documents.
2. With probability `rate` a document is cut at two places, drawn evenly, and its parts change their order; the mark of its end stays last.
3. Put together again, what no longer fits into the window is left out. The loss counts every token, as in causal training.

What is drawn for a window depends on the seed and on the number of the window alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.models.shapes import Shape
from zhixing.objectives.causal import Causal, CausalSettings
from zhixing.objectives.objective import Batch, Row
from zhixing.store import Ids, Samples, Store
from zhixing.tokenizer.tokenizer import HOLES, Tokenizer

SHORTEST = 4
"""Tokens of a document, its end not counted, from which on it may be cut."""


class InfillSettings(Settings):
    """How often a text is cut, and which order its parts get."""

    kind: Literal["infill"] = "infill"
    context: int = Field(default=256, ge=2)
    """Tokens that the model sees at once."""
    rate: float = Field(default=0.5, gt=0, le=1)
    """Share of the documents whose middle is moved."""
    spm: float = Field(default=0.5, ge=0, le=1)
    """Share of these in the order suffix, prefix, middle; the others are in the order prefix, suffix, middle."""
    document_mask: bool = False
    """Whether a document in a packed window is hidden from the documents after it."""

    @property
    def shape(self) -> Shape:
        """The shape of model that this trains."""
        return "decoder"

    @property
    def row(self) -> Row:
        """What a row costs."""
        return Row(self.context, 0, self.context)

    def marks(self) -> tuple[Sequence[str], ...]:
        """Marks that it puts among the ids."""
        return HOLES


class Infill:
    """Moved middles over a token store."""

    def __init__(self, store: Store, settings: InfillSettings, seed: int, tokenizer: Tokenizer) -> None:
        self.samples = Samples(store, settings.context, seed, settings.document_mask)
        self.next = Causal(self.samples, CausalSettings(context=settings.context, document_mask=settings.document_mask))
        self.settings, self.seed, self.end = settings, seed, tokenizer.end
        self.prefix, self.suffix, self.middle = (tokenizer.need(names) for names in HOLES)

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """`ids` [B, T], `targets` [B, T] and, with document masks, `segments` [B, T]."""
        windows, segments = self.samples.batch(step, size, rank, world)
        for row, number in enumerate(self.samples.numbers(step, size, rank, world)):
            windows[row] = self._moved(windows[row], np.random.default_rng((self.seed, number)))
        batch = {"ids": torch.from_numpy(windows[:, :-1].copy()), "targets": torch.from_numpy(windows[:, 1:].copy())}
        if segments is not None:  # the `end` of one document opens the next, as where nothing is moved
            batch["segments"] = (batch["ids"] == self.end).cumsum(1).int()
        return batch

    def targets(self, batch: Batch) -> int:
        """Number of predicted tokens."""
        return self.next.targets(batch)

    def tokens(self, batch: Batch) -> int:
        """Number of tokens that are read."""
        return self.next.tokens(batch)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum of -log p(target) in nats."""
        return self.next.loss(model, batch)

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The loss alone."""
        return self.next.sums(model, batch)

    def _moved(self, window: Ids, draw: np.random.Generator) -> Ids:
        pieces: list[Ids] = []
        for piece in np.split(window, np.flatnonzero(window == self.end) + 1):
            ended = len(piece) > 0 and piece[-1] == self.end
            text = piece[:-1] if ended else piece
            if draw.random() < self.settings.rate and len(text) >= SHORTEST:
                first, second = np.sort(draw.integers(0, len(text) + 1, 2))
                before, inside, after = text[:first], text[first:second], text[second:]
                if draw.random() < self.settings.spm:
                    pieces += [self._mark(self.prefix), self._mark(self.suffix), after, self._mark(self.middle), before, inside]
                else:
                    pieces += [self._mark(self.prefix), before, self._mark(self.suffix), after, self._mark(self.middle), inside]
                pieces += [piece[-1:]] if ended else []
            else:
                pieces.append(piece)
        return np.concatenate(pieces)[: len(window)]

    def _mark(self, number: int) -> Ids:
        return np.array([number], dtype=np.int64)
