"""The sequence-to-sequence objective: write the other side of a pair (Sutskever et al. 2014, arXiv 1409.3215).

loss = - sum_t log p(y_t | y_<t, x), smoothed in training (Szegedy et al. 2016; Vaswani et al. 2017)

1. Pairs with a side longer than `context` tokens, marks counted, or with an empty one, are left out and counted.
2. A batch holds pairs of like length, as many as fit into `train.batch` rows of `context` tokens: see `pairs.Buckets`.
3. The encoder reads the source and a mark of its end; the decoder reads a mark of a start and the target, and writes the target and a mark
   of its end.
4. In training, a side may be cut into other tokens each time it is read: which, follows from the seed, the epoch and the pair's number.

With R-drop (Liang et al. 2021) a batch goes through the model twice, with different dropout, and the two outputs p, q are to agree:

    loss = 1/2 sum_t [ - log p(y_t) - log q(y_t) ] + rdrop / 4 sum_t [ KL(p_t || q_t) + KL(q_t || p_t) ]

which is half of theirs, so that it stays in nats a target. Dropout is what makes p and q differ: where it is off, theirs is the plain loss.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.errors import InputError
from zhixing.models.shapes import EncoderDecoderModel, Shape
from zhixing.nn.losses import IGNORE
from zhixing.objectives.objective import Batch, Row, predicted
from zhixing.pairs import Buckets, Pairs
from zhixing.store import Ids


class Seq2SeqSettings(Settings):
    """How pairs become batches and how their loss is computed."""

    kind: Literal["seq2seq"] = "seq2seq"
    context: int = Field(default=128, ge=2)
    """Most tokens of a side, the mark of its end counted. An update reads as many pairs as fit into train.batch rows of so many."""
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Label smoothing: share of the probability that is to be spread over the whole vocabulary."""
    rdrop: float = Field(default=0.0, ge=0)
    """R-drop: weight of the divergence between two passes with different dropout (Liang et al. 2021, arXiv 2106.14448: 1 to 5). Needs
    model.dropout, and twice the time an update; 0 is off."""

    @property
    def shape(self) -> Shape:
        """The shape of model that this trains."""
        return "encoder-decoder"

    @property
    def row(self) -> Row:
        """What a row costs."""
        return Row(2 * self.context, self.context, self.context)

    def marks(self) -> tuple[Sequence[str], ...]:
        """Marks that it puts among the ids, besides those that every tokenizer has: none."""
        return ()


@dataclass(frozen=True)
class Ends:
    """Ids of the marks that stand around the sides of a pair."""

    source_end: int | None
    """None: the sources hold the marks behind them themselves."""
    start: int
    """What the decoder reads first."""
    end: int
    """What it writes last."""
    source_pad: int
    pad: int


Recut = Callable[[Sequence[int], random.Random], Sequence[int]]
"""Other tokens of the same text, drawn by a generator."""


class Seq2Seq:
    """Pairs of token sequences."""

    def __init__(
        self,
        pairs: Pairs,
        settings: Seq2SeqSettings,
        seed: int,
        ends: Ends,
        recut: tuple[Recut, Recut] | None = None,
    ) -> None:
        """recut: what cuts sources and targets anew; None: they stay as they are. Raises `InputError` when no pair is short enough."""
        self.pairs, self.settings, self.seed, self.ends, self.recut = pairs, settings, seed, ends, recut
        lengths = pairs.lengths
        self.members: Ids = np.flatnonzero((lengths.max(axis=1) < settings.context) & (lengths.min(axis=1) > 0))
        self.left_out = len(pairs) - len(self.members)
        """Pairs that are too long, or have an empty side."""
        if not len(self.members):
            raise InputError("pairs", f"none of {len(pairs)} has two sides of 1 to {settings.context - 1} tokens; see objective.context")
        self._lengths = lengths[self.members] + 1
        self._buckets: dict[int, Buckets] = {}

    def buckets(self, size: int) -> Buckets:
        """The batches of `size` rows of `context` tokens."""
        if size not in self._buckets:
            self._buckets[size] = Buckets(self._lengths, size * self.settings.context, self.seed)
        return self._buckets[size]

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """`source` [B, S] with its `mask` [B, S], `ids` [B, T] that the decoder reads, and `targets` [B, T], `IGNORE` in the padding.

        The pairs of a step are dealt out to `world` processes one by one, so that all get about the same work.
        """
        numbers = self.members[self.buckets(size).batch(step)][rank::world]
        ends, epoch = self.ends, step // self.buckets(size).per_epoch
        sources = [self._side(0, n, epoch) for n in numbers]
        if ends.source_end is not None:
            sources = [np.append(source, ends.source_end) for source in sources]
        targets = [np.append(self._side(1, n, epoch), ends.end) for n in numbers]
        written = _padded(targets, IGNORE)
        ids = np.concatenate([np.full((len(numbers), 1), ends.start), written[:, :-1]], axis=1)
        ids[ids == IGNORE] = ends.pad
        source = _padded(sources, ends.source_pad)
        mask = np.arange(source.shape[1]) < np.array([len(s) for s in sources], dtype=np.int64)[:, None]
        return {name: torch.from_numpy(x) for name, x in (("source", source), ("mask", mask), ("ids", ids), ("targets", written))}

    def _side(self, side: int, number: int, epoch: int) -> Ids:
        """The tokens of a pair's source or target as they are read in an epoch; those that would become too long stay as they are."""
        ids = self.pairs.target(number) if side else self.pairs.source(number)
        if self.recut is None:
            return ids
        again = self.recut[side](ids.tolist(), random.Random(f"{self.seed}/{epoch}/{number}/{side}"))
        return np.array(again, dtype=np.int64) if 0 < len(again) < self.settings.context else ids

    def targets(self, batch: Batch) -> int:
        """Number of tokens that the decoder is to write."""
        return int((batch["targets"] != IGNORE).sum())

    def tokens(self, batch: Batch) -> int:
        """Number of tokens that encoder and decoder read."""
        return int(batch["mask"].sum()) + self.targets(batch)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum of the smoothed losses in nats."""
        if self.settings.rdrop and model.training:
            return self._twice(model, batch)
        return self._nats(model, batch, self.settings.smoothing)

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The loss, not smoothed."""
        return {"loss": self._nats(model, batch, 0.0)}

    def _nats(self, model: nn.Module, batch: Batch, smoothing: float) -> Tensor:
        assert isinstance(model, EncoderDecoderModel)
        mask = None if bool(batch["mask"].all()) else batch["mask"]
        return predicted(model, model(batch["source"], batch["ids"], mask), batch["targets"], smoothing)

    def _twice(self, model: nn.Module, batch: Batch) -> Tensor:
        """The loss of two passes, and by how much they differ."""
        assert isinstance(model, EncoderDecoderModel)
        source, ids, mask, targets = (torch.cat([batch[name]] * 2) for name in ("source", "ids", "mask", "targets"))
        counted = targets != IGNORE
        states = model(source, ids, None if bool(mask.all()) else mask)
        logits = model.head(states[counted]).float()
        nats = F.cross_entropy(logits, targets[counted], reduction="sum", label_smoothing=self.settings.smoothing)
        p, q = logits.log_softmax(dim=1).chunk(2)
        divergence = F.kl_div(p, q, reduction="sum", log_target=True) + F.kl_div(q, p, reduction="sum", log_target=True)
        return nats / 2 + self.settings.rdrop / 4 * divergence


def _padded(rows: list[Ids], filler: int) -> Ids:
    """Rows of unequal lengths side by side: [B, longest]."""
    longest = max((len(row) for row in rows), default=1)
    found = np.full((len(rows), longest), filler, dtype=np.int64)
    for row, ids in zip(found, rows, strict=True):
        row[: len(ids)] = ids
    return found
