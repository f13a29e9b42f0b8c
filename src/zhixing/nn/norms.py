"""Normalisation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """Divide by the root mean square over the last axis, then scale (Zhang and Sennrich 2019, arXiv 1910.07467)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D] in the format of `x`; the mean is taken in fp32 whatever that is."""
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.epsilon)
