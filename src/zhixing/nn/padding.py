"""Rows of unequal texts: which token may see which, where a token stands in its own text, and how to leave the padding out.

A mask [B, T] says where there are tokens, segments [B, T] number the documents packed into a row. Both come down to one question, whether
two places belong to the same text; padding is a text of its own, so that no place sees nothing (a softmax over nothing is not a number).
"""

from __future__ import annotations

import torch
from torch import Tensor

PADDED = 0.1
"""Share of padding from which on dense layers run over the tokens alone. Processor time of BERT and ModernBERT, 3 and 6 layers x 384, four
rows of up to 128 tokens, against computing the padding too: with a tenth of padding 0.9 forward and 0.7 with the backward pass, with three
tenths 0.8 and 0.6 to 0.7, with half 0.6 and 0.55."""


class Tokens:
    """The tokens of padded rows, one after the other without what lies between: [B, T, ...] <-> [1, N, ...]."""

    def __init__(self, mask: Tensor) -> None:
        """mask: [B, T], True where there is a token."""
        self.shape = mask.shape
        self.places = mask.flatten().nonzero().squeeze(1)

    @classmethod
    def worth(cls, mask: Tensor) -> Tokens | None:
        """The tokens, where there is so much padding that leaving it out pays; in a graph for another engine the padding stays."""
        if torch.compiler.is_exporting():
            return None
        share = 1 - float(mask.float().mean())
        return cls(mask) if share >= PADDED else None

    def take(self, x: Tensor) -> Tensor:
        """[B, T, ...] -> [1, N, ...]."""
        return x.expand(*self.shape, *x.shape[2:]).flatten(0, 1)[self.places].unsqueeze(0)

    def put(self, x: Tensor) -> Tensor:
        """[1, N, ...] -> [B, T, ...], zero where there is no token."""
        rows, count = self.shape
        return x.new_zeros(rows * count, *x.shape[2:]).index_copy(0, self.places, x[0]).view(rows, count, *x.shape[2:])


def texts(mask: Tensor | None, segments: Tensor | None) -> Tensor | None:
    """Numbers [B, T] that are equal where two places of a row belong to the same text: -1 for padding; None: the rows are whole texts."""
    if segments is None:
        return None if mask is None else mask.long() - 1
    return segments if mask is None else segments.masked_fill(~mask, -1)


def positions(count: int, mask: Tensor | None, segments: Tensor | None, device: torch.device) -> Tensor:
    """How many tokens of its own text stand before each: [T] for whole rows, else [B, T] (of padding: something in the same range)."""
    if segments is not None:
        own = texts(mask, segments)
        assert own is not None
        index = torch.arange(count, device=device).expand(own.shape)
        begins = torch.ones_like(own, dtype=torch.bool)
        begins[:, 1:] = own[:, 1:] != own[:, :-1]
        return index - index.where(begins, 0).cummax(dim=1).values
    if mask is not None:
        return (mask.long().cumsum(dim=1) - 1).clamp(min=0)
    return torch.arange(count, device=device)


def visible(mask: Tensor | None, segments: Tensor | None) -> Tensor | None:
    """What each token may attend to, both ways: [B, 1, 1 or T, T]; None: the whole row."""
    if segments is not None:
        own = texts(mask, segments)
        assert own is not None
        return (own[:, :, None] == own[:, None, :]).unsqueeze(1)
    if mask is not None:
        return (mask | ~mask.any(dim=1, keepdim=True))[:, None, None, :]  # a row without any token sees its padding
    return None


def near(positions: Tensor, reach: int) -> Tensor:
    """Mask [B or 1, 1, T, T] of the tokens at most `reach` places away."""
    places = positions if positions.ndim == 2 else positions.unsqueeze(0)
    return ((places[:, :, None] - places[:, None, :]).abs() <= reach).unsqueeze(1)
