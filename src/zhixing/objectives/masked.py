"""The masked objective: say what stood where tokens are hidden (Devlin et al. 2019, arXiv 1810.04805).

loss = - sum_t in hidden log p(x_t | x with the hidden tokens replaced)

1. A window of `context` tokens is cut from the packed stream. Documents in it stand between marks of a start and of an end, as `frame`
   sets them around a text (without such marks of its own, a tokenizer has the same one for both), and each is read as if alone.
2. Each word is hidden with probability `ratio`, all its tokens together (in English the pieces of a word, in Chinese the words that rjieba
   finds); marks never are. Of the hidden tokens 80 % become the mark for it, 10 % a random token, 10 % stay.
3. The head sees the hidden places alone: of a batch's logits, only the share that has a target is ever computed.

What is drawn for a window depends on the seed and on the number of the window alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.models.shapes import EncoderModel, Shape
from zhixing.nn.losses import IGNORE
from zhixing.objectives.objective import Batch, Row, predicted
from zhixing.objectives.words import Words
from zhixing.store import Ids, Samples, Store
from zhixing.tokenizer.tokenizer import MASKS, Tokenizer

_MASKED, _RANDOM = 0.8, 0.9
"""Up to the first a hidden token becomes the mark, up to the second a random one."""


class MaskedSettings(Settings):
    """What is hidden, and how windows are cut."""

    kind: Literal["masked"] = "masked"
    context: int = Field(default=256, ge=2)
    """Tokens that the model sees at once."""
    ratio: float = Field(default=0.15, gt=0, lt=1)
    """Share of the tokens that is hidden: 0.15 in BERT, 0.3 in ModernBERT, which teaches more a step."""
    whole_words: bool = True
    """Whether the tokens of a word are hidden together, so that none can be told from the rest of its word."""
    document_mask: bool = True
    """Whether the documents in a window do not see each other."""

    @property
    def shape(self) -> Shape:
        """The shape of model that this trains."""
        return "encoder"

    @property
    def row(self) -> Row:
        """What a row costs."""
        return Row(self.context, 0, self.ratio * self.context)

    def marks(self) -> tuple[Sequence[str], ...]:
        """Marks that it puts among the ids."""
        return (MASKS,)


class Hiding:
    """Which tokens are hidden, and what stands in their places: the same for training and for evaluation."""

    def __init__(self, tokenizer: Tokenizer, ratio: float) -> None:
        self.ratio, self.mask = ratio, tokenizer.need(MASKS)
        self.marks = np.zeros(tokenizer.vocabulary, dtype=bool)
        self.marks[tokenizer.marks()] = True
        self.marks[[tokenizer.end, tokenizer.pad, self.mask]] = True
        self.texts = np.flatnonzero(~self.marks)

    def draw(self, ids: Ids, begins: NDArray[np.bool_], seeds: Sequence[Sequence[int]]) -> tuple[Ids, Ids]:
        """ids [B, T] and where words begin -> what the model is to see, and the targets: `IGNORE` where nothing is hidden."""
        rows, count = ids.shape
        drawn = np.empty((rows, 3, count))
        for row, seed in enumerate(seeds):
            np.random.default_rng(seed).random(out=drawn[row])
        free = ~self.marks[ids]
        word = np.maximum.accumulate(np.where(begins | ~free, np.arange(count), 0), axis=1)  # where its word begins, in the window
        hidden = free & (np.take_along_axis(drawn[:, 0], word, axis=1) < self.ratio)
        what, which = drawn[:, 1], self.texts[(drawn[:, 2] * len(self.texts)).astype(np.int64)]
        seen = np.where(hidden & (what < _MASKED), self.mask, ids)
        seen = np.where(hidden & (what >= _MASKED) & (what < _RANDOM), which, seen)
        return seen, np.where(hidden, ids, IGNORE)


class Masked:
    """Masked tokens over a token store."""

    def __init__(self, store: Store, settings: MaskedSettings, seed: int, tokenizer: Tokenizer) -> None:
        self.samples, self.settings, self.seed = Samples(store, settings.context, seed), settings, seed
        self.hiding = Hiding(tokenizer, settings.ratio)
        self.words = Words(store, tokenizer) if settings.whole_words else None
        self.end, self.opening = tokenizer.end, tokenizer.end if tokenizer.cls is None else tokenizer.cls

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """`ids` [B, T], `targets` [B, T], `IGNORE` where nothing is hidden, and with document masks `segments` [B, T]."""
        numbers, count = self.samples.numbers(step, size, rank, world), self.settings.context
        ids, begins = np.empty((len(numbers), count), np.int64), np.empty((len(numbers), count), bool)
        segments = np.empty((len(numbers), count), np.int32)
        for row, number in enumerate(numbers):
            ids[row], begins[row], segments[row] = self.window(self.samples.start(number))
        seen, targets = self.hiding.draw(ids, begins, [(self.seed, number) for number in numbers])
        batch = {"ids": torch.from_numpy(seen), "targets": torch.from_numpy(targets)}
        if self.settings.document_mask:
            batch["segments"] = torch.from_numpy(segments)
        return batch

    def window(self, start: int) -> tuple[Ids, NDArray[np.bool_], NDArray[np.int32]]:
        """What stands in the stream from `start` on, with a mark before each document that begins there: tokens, where words begin among
        them, and the document that each belongs to, three times [T].
        """
        store, count = self.samples.store, self.settings.context
        ids = store.read(start, start + count)
        words = np.ones(count, dtype=bool) if self.words is None else self.words.read(start, start + count)
        first, last = np.searchsorted(store.offsets, (start, start + count))
        at = store.offsets[first:last] - start
        ids, words = (np.insert(x, at, mark)[:count] for x, mark in ((ids, self.opening), (words, True)))
        opened = np.zeros(count, dtype=np.int32)
        places = at + np.arange(len(at))
        opened[places[places < count]] = 1
        return ids, words, np.cumsum(opened, dtype=np.int32)

    def targets(self, batch: Batch) -> int:
        """Number of hidden tokens."""
        return int((batch["targets"] != IGNORE).sum())

    def tokens(self, batch: Batch) -> int:
        """Number of tokens that are read."""
        return batch["ids"].numel()

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum of -log p(hidden token) in nats."""
        return predicted(self._model(model), self._states(model, batch), batch["targets"])

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The loss, and how many hidden tokens are the most probable one at their place."""
        states = self._states(model, batch)
        hidden = batch["targets"] != IGNORE
        right = (self._model(model).head(states[hidden]).argmax(-1) == batch["targets"][hidden]).sum()
        return {"loss": predicted(self._model(model), states, batch["targets"]), "accuracy": right}

    def _model(self, model: nn.Module) -> EncoderModel:
        assert isinstance(model, EncoderModel)
        return model

    def _states(self, model: nn.Module, batch: Batch) -> Tensor:
        states: Tensor = self._model(model)(batch["ids"], segments=batch.get("segments"))
        return states
