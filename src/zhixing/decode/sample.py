"""Drawing continuations token by token, many rows at once.

1. All prompts are read in one call, as right-padded rows with their lengths; each later call reads one token a row.
2. Logits -> repetition penalty -> temperature -> top-k -> top-p and min-p -> one draw, or the greatest of them.
3. A row's random numbers depend on the seed and the row alone, so that they are the same whatever the other rows do.
4. When a row has filled the model's context, the rows' newest half contexts are read anew and the work goes on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import torch
from pydantic import Field
from torch import Tensor

from zhixing.config import Settings
from zhixing.errors import ZhixingError
from zhixing.models.shapes import DecoderModel
from zhixing.nn.state import State


class SampleSettings(Settings):
    """How the next token is chosen."""

    tokens: int = Field(200, ge=1)
    """Tokens to add at most."""
    greedy: bool = False
    """Take the most probable token instead of drawing one."""
    temperature: float = Field(0.8, ge=0)
    """Logits are divided by it; 0 is greedy."""
    top_k: int | None = Field(None, ge=1)
    """Draw among the k most probable tokens."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Draw among the fewest tokens whose probabilities add up to p (Holtzman et al. 2020, arXiv 1904.09751)."""
    min_p: float = Field(0.0, ge=0, le=1)
    """Draw among tokens at least this share as probable as the most probable one (Nguyen et al. 2024, arXiv 2407.01082)."""
    repetition_penalty: float = Field(1.0, gt=0)
    """Makes tokens already in the text less probable: logits are divided by it, negative ones multiplied (arXiv 1909.05858)."""
    seed: int = Field(0, ge=0)
    """Seed of the draws."""


class Sampler:
    """Continues prompts; iterate over it for each step's new tokens as (row, token) pairs, and `stop` rows that have said enough.

    prompts: token ids, at least one a row. Of a prompt longer than `context - 1` only the newest tokens are read (see `clip`).
    context: tokens that the model may see at once.
    end: the token that ends a document; a row that draws it is finished (the pair is still yielded).
    """

    def __init__(self, model: DecoderModel, prompts: Sequence[Sequence[int]], settings: SampleSettings, *, context: int, end: int) -> None:
        self.model, self.settings, self.context, self.end = model, settings, context, end
        self.device = model.head.matrix.device
        self.texts = [clip(prompt, context) for prompt in prompts]
        self.rows = list(range(len(prompts)))
        self.draws = [random.Random(f"{settings.seed}/{row}") for row in self.rows]
        self._stopped: set[int] = set()

    def stop(self, row: int) -> None:
        """Draw no more tokens for this row."""
        self._stopped.add(row)

    @torch.no_grad()
    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        state, logits = self._read(self.texts)
        for step in range(self.settings.tokens):
            chosen = self._choose(logits)
            for row, token in zip(self.rows, chosen, strict=True):
                self.texts[row].append(token)
                if token == self.end:
                    self._stopped.add(row)
            yield list(zip(self.rows, chosen, strict=True))
            going = [place for place, row in enumerate(self.rows) if row not in self._stopped]
            if not going or step + 1 == self.settings.tokens:
                return
            if len(going) < len(self.rows):
                self.rows = [self.rows[place] for place in going]
                state = state.reorder(torch.tensor(going, device=self.device))
            if state.longest >= self.context:
                state, logits = self._read([self.texts[row][-max(1, self.context // 2) :] for row in self.rows])
            else:
                newest = torch.tensor([[self.texts[row][-1]] for row in self.rows], device=self.device)
                states, _ = self.model(newest, state)
                logits = self.model.head(states[:, -1]).float()

    def _read(self, texts: Sequence[Sequence[int]]) -> tuple[State, Tensor]:
        """A new state that has read the texts, and the logits [B, V] after each."""
        lengths = torch.tensor([len(text) for text in texts], device=self.device)
        longest = int(lengths.max())
        ids = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts], device=self.device)
        state = self.model.start(len(texts), min(self.context, longest + self.settings.tokens))
        ragged = bool((lengths != longest).any())
        states, _ = self.model(ids, state, lengths=lengths if ragged else None)
        return state, self.model.head(states[torch.arange(len(texts)), lengths - 1]).float()

    def _choose(self, logits: Tensor) -> list[int]:
        if not logits.isfinite().all():
            raise ZhixingError("the model's output is not a finite number; its weights are damaged or its training diverged")
        settings = self.settings
        if settings.repetition_penalty != 1:
            logits = penalise(logits, [self.texts[row] for row in self.rows], settings.repetition_penalty)
        if settings.greedy or settings.temperature == 0:
            return [int(token) for token in logits.argmax(dim=-1)]
        return draw(logits, settings, [self.draws[row].random() for row in self.rows])


def clip(prompt: Sequence[int], context: int) -> list[int]:
    """The newest tokens of a prompt, so many that at least one more fits into the context."""
    return list(prompt[-max(1, context - 1) :])


def penalise(logits: Tensor, texts: Sequence[Sequence[int]], penalty: float) -> Tensor:
    """Logits [B, V] with those of the tokens that occur in each row's text made smaller."""
    logits = logits.clone()
    for row, text in enumerate(texts):
        seen = torch.tensor(sorted(set(text)), device=logits.device)
        values = logits[row, seen]
        logits[row, seen] = torch.where(values > 0, values / penalty, values * penalty)
    return logits


def draw(logits: Tensor, settings: SampleSettings, uniform: Sequence[float]) -> list[int]:
    """One token a row of logits [B, V], by inverting the cumulative distribution at a number of [0, 1) each."""
    values, tokens = logits.double().div(settings.temperature).topk(min(settings.top_k or logits.shape[1], logits.shape[1]))
    weights = values.softmax(dim=-1)  # descending; double, so that rounding never moves a draw from one device to the next
    before = weights.cumsum(dim=-1) - weights
    kept = (before < settings.top_p) & (weights >= settings.min_p * weights[:, :1])
    kept[:, 0] = True
    reached = torch.where(kept, weights, 0).cumsum(dim=-1)
    point = torch.tensor(uniform, dtype=reached.dtype, device=reached.device)[:, None] * reached[:, -1:]
    place = torch.searchsorted(reached, point, right=True).clamp_max(kept.sum(dim=-1, keepdim=True) - 1)
    return [int(token) for token in tokens.gather(1, place)]
