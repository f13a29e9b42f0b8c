"""Where a token stands: rotary position embedding and sinusoids.

Rotary embedding (Su et al. 2021, arXiv 2104.09864) as Llama writes it: a head's first half is rotated with its second.
"""

from __future__ import annotations

from typing import Literal

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


Wavelengths = Literal["open", "closed"]


def sinusoids(positions: Tensor, width: int, wavelengths: Wavelengths = "open") -> Tensor:
    """Sines, then cosines, of `positions` [..., T] at width/2 wavelengths from 2 pi to 10,000 * 2 pi: fp32 [..., T, D].

    open: the longest wavelength is left out, 10000^(2 i / D) (Vaswani et al. 2017, arXiv 1706.03762, section 3.5; Marian).
    closed: it is the last one, 10000^(i / (D/2 - 1)) (tensor2tensor, fairseq and M2M100).
    """
    pairs = width // 2
    last = max(1, pairs - 1) if wavelengths == "closed" else width / 2
    steps = torch.arange(pairs if wavelengths == "closed" else -(-width // 2), dtype=torch.float32, device=positions.device)
    angles = positions[..., None].float() * 10000.0 ** (-steps / last)
    both = torch.cat((angles.sin(), angles[..., :pairs].cos()), dim=-1)
    return torch.nn.functional.pad(both, (0, width - both.shape[-1]))
