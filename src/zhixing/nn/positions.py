"""Rotary position embedding (Su et al. 2021, arXiv 2104.09864) as Llama writes it: a head's first half is rotated with its second."""

from __future__ import annotations

import torch
from torch import Tensor


def rotation(positions: Tensor, width: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the angles at `positions` [..., T] for heads `width` wide: two fp32 tensors [..., T, 1, E/2].

    They are computed once a call, for all layers. A table kept in the model would be rounded when the model is cast to bf16,
    would need a longest length, and would not be faster: these are T * E/2 numbers.
    """
    steps = torch.arange(0, width, 2, dtype=torch.float32, device=positions.device)
    angles = positions[..., None].float() * theta ** (-steps / width)
    return angles.cos().unsqueeze(-2), angles.sin().unsqueeze(-2)


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate the heads of `x` [B, T, H, E] to their positions; computed in fp32, returned in the format of `x`."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1).to(x.dtype)
