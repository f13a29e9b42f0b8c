"""Attention of a decoder to what an encoder has read, as it was before transformers: one weight for each token of the source.

e_ts = score(x_t, m_s)        a_t = softmax over s of e_ts        c_t = sum_s a_ts m_s

additive        score(x, m) = v . tanh(W x + U m)             (Bahdanau et al. 2015, arXiv 1409.0473, appendix A.1.2)
multiplicative  score(x, m) = x . W m / sqrt(D)               (Luong et al. 2015, arXiv 1508.04025, "general"; the root keeps
                                                               the scores near 1, Vaswani et al. 2017)
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zhixing.nn.activations import softmax, tanh
from zhixing.nn.attention import attend

Score = Literal["additive", "multiplicative"]

NUMBERS = 1 << 24
"""Sums of `W x + U m` that exist at once, at most about: the additive score makes B * T * S * D of them."""


class Alignment(nn.Module):
    """Attention to a memory with one of the two scores; W m or U m is computed once for all steps."""

    def __init__(self, score: Score, width: int) -> None:
        super().__init__()
        self.keys = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.queries = nn.Linear(width, width) if score == "additive" else None
        self.vector = nn.Parameter(torch.empty(width)) if score == "additive" else None
        if self.vector is not None:
            nn.init.uniform_(self.vector, -((3 / width) ** 0.5), (3 / width) ** 0.5)

    def read(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """States of a memory [B, S, D] -> what all steps need of it: keys and values [B, S, D]."""
        return self.keys(states), states

    def forward(self, x: Tensor, read: tuple[Tensor, ...], mask: Tensor | None = None) -> Tensor:
        """x [B, T, D] with what was `read` -> [B, T, D]. mask: [B, S], True where the memory has a token; None: everywhere.

        The memory may have B/k rows, each for k adjacent rows of x (the beams of a sentence).
        """
        keys, values = read
        shape = x.shape
        x = x.reshape(keys.shape[0], -1, shape[2])
        if self.queries is None or self.vector is None:
            visible = None if mask is None else mask[:, None, None]
            mixed = attend(x[:, None], keys[:, None].to(x.dtype), values[:, None].to(x.dtype), visible)[:, 0]
        else:
            mixed = self._additive(self.queries(x), keys, values, self.vector, mask)
        out: Tensor = self.out(mixed.reshape(shape))
        return out

    @staticmethod
    def _additive(queries: Tensor, keys: Tensor, values: Tensor, vector: Tensor, mask: Tensor | None) -> Tensor:
        """A block of queries after the other. What lies between scores and their gradient is computed twice where the blocks are many,
        so that it need not be kept.
        """

        def mix(some: Tensor) -> Tensor:
            scores = (tanh(some.unsqueeze(2) + keys.unsqueeze(1)) @ vector).float()  # [B, T, S]
            if mask is not None:
                scores = scores.masked_fill(~mask.unsqueeze(1), float("-inf"))
            mixed: Tensor = softmax(scores).to(values.dtype) @ values
            return mixed

        blocks = torch.split(queries, max(1, NUMBERS // keys.numel()), dim=1)
        if len(blocks) == 1:
            return mix(queries)
        return torch.cat([checkpoint(mix, block, use_reentrant=False) for block in blocks], dim=1)
