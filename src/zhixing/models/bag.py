"""A bag of tokens and n-grams: each has a vector, a text is their mean, and nothing is multiplied before the head.

    state of a token = its vector + the vectors of the n-grams that end at it + the mean of all these over its text

Pooled by its mean, this is fastText's linear classifier (Joulin et al. 2017, arXiv 1607.01759), n-grams hashed into so many buckets as
there (Weinberger et al. 2009): the fastest model that learns vectors of its own.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.nn.padding import texts

_MULTIPLIER, _RANGE = 1_000_003, (1 << 31) - 1  # of a polynomial hash, whose products stay below 2^63


class BagSettings(Settings):
    """Shape of a bag of n-grams."""

    kind: Literal["bag"] = "bag"
    width: int = Field(64, ge=1)
    """Width D of the vectors."""
    ngrams: int = Field(2, ge=1, le=5)
    """Longest n-grams of tokens that have vectors; 1: tokens alone."""
    buckets: int = Field(1 << 15, ge=1, le=1 << 24)
    """Vectors that n-grams share, by their hash."""
    tied: bool = True
    """Whether the head is the embedding matrix."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the states dropped in training."""

    @property
    def layers(self) -> int:
        """As deep as one layer."""
        return 1


class Bag(nn.Module):
    """Adds to the vector at each token the mean over its text."""

    def __init__(self, settings: BagSettings) -> None:
        super().__init__()
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        if segments is not None:
            own = texts(mask, segments)
            assert own is not None
            same = (own[:, :, None] == own[:, None, :]).to(x.dtype)
            mean = same @ x / same.sum(2, keepdim=True)
        elif mask is not None:
            there = mask.unsqueeze(2).to(x.dtype)
            mean = (x * there).sum(1, keepdim=True) / there.sum(1, keepdim=True).clamp(min=1)
        else:
            mean = x.mean(1, keepdim=True)
        after: Tensor = self.dropout(x + mean)
        return after


class BagEncoder(nn.Module):
    """The encoder role; see `models.shapes.Encoder`."""

    def __init__(self, settings: BagSettings, vocabulary: int) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(vocabulary, settings.width)
        self.grams = nn.Embedding(settings.buckets, settings.width)
        nn.init.zeros_(self.grams.weight)
        self.trunk = Bag(settings)

    def forward(self, ids: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None, kinds: Tensor | None = None) -> Tensor:
        """ids [B, T] -> states [B, T, D]; `kinds` are not told apart."""
        own = texts(mask, segments)
        x, key = self.embedding(ids), ids
        within = torch.ones_like(ids, dtype=torch.bool)
        for back in range(1, min(self.settings.ngrams, ids.shape[1])):
            key = (key * _MULTIPLIER + _shifted(ids, back) + 1) % _RANGE
            within = within & (torch.arange(ids.shape[1], device=ids.device) >= back)
            if own is not None:
                within = within & (_shifted(own, back) == own)
            x = x + self.grams(key % self.settings.buckets) * within.unsqueeze(-1)
        states: Tensor = self.trunk(x, mask, segments)
        return states

    def repeated(self) -> list[nn.Module]:
        """None: there is nothing to compile."""
        return []


def _shifted(x: Tensor, back: int) -> Tensor:
    """[B, T]: at each place what stood `back` places before (at the first places, something)."""
    return x.roll(back, dims=1)
