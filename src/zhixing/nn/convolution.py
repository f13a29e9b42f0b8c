"""Convolution over tokens: a matrix product with a token and its neighbours, so many to the left and to the right.

    y_t = b + sum_j W_j x_(t + offset_j)            offsets one `dilation` apart

The neighbours are laid side by side, and all of it is one matrix product: on a CPU that is as fast as PyTorch's convolution, it knows bf16
wherever matrix products do, and the weight is a matrix to the optimizer.

A neighbour that does not exist is zero: before the first token, after the last one, where there is padding, in another document.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Convolution(nn.Module):
    """Convolutions side by side over the same tokens [B, T, D], each with a window and a number of channels of its own.

    windows: tokens that are seen at once, by each. causal: a window ends at its own token, else it is centred (an even one looks farther
    right). dilation: from one token of a window to the next (Yu and Koltun 2016, arXiv 1511.07122).
    """

    def __init__(self, width: int, windows: Sequence[int], channels: Sequence[int], *, dilation: int = 1, causal: bool = False) -> None:
        super().__init__()
        self.causal, self.dilation, self.windows = causal, dilation, tuple(windows)
        self.before, self.after = self._reach(max(windows))
        self.matrices = nn.ModuleList(nn.Linear(width * window, out) for window, out in zip(windows, channels, strict=True))

    def _reach(self, window: int) -> tuple[int, int]:
        """How many neighbours a window has on the left and on the right."""
        left = window - 1 if self.causal else (window - 1) // 2
        return left, window - 1 - left

    @property
    def memory(self) -> int:
        """Tokens on the left that reach into an output."""
        return self.before * self.dilation

    def forward(self, x: Tensor, past: Tensor | None = None, segments: Tensor | None = None) -> list[Tensor]:
        """[B, T, D] -> [B, T, channels] of each window.

        past: the `memory` tokens before the first [B, memory, D]; None: zeros.
        segments: [B, T], numbers of documents: a neighbour of another one is zero.
        """
        count = x.shape[1]
        padded = F.pad(x, (0, 0, self.memory if past is None else 0, self.after * self.dilation))
        if past is not None:
            padded = torch.cat((past.to(x.dtype), padded), dim=1)
        taps = [padded[:, step * self.dilation : step * self.dilation + count] for step in range(self.before + 1 + self.after)]
        if segments is not None:
            numbers = F.pad(segments, (self.memory, self.after * self.dilation))
            taps = [
                tap * (numbers[:, step * self.dilation : step * self.dilation + count] == segments).unsqueeze(-1)
                for step, tap in enumerate(taps)
            ]
        outs = []
        for matrix, window in zip(self.matrices, self.windows, strict=True):
            first = self.before - self._reach(window)[0]
            outs.append(matrix(torch.cat(taps[first : first + window], dim=-1)))
        return outs

    def keep(self, x: Tensor, past: Tensor | None, lengths: Tensor | None = None) -> Tensor:
        """The `past` of the next call, [B, memory, D], after the tokens x, of which row b has `lengths[b]` (None: all)."""
        if past is None:
            past = x.new_zeros(x.shape[0], self.memory, x.shape[2])
        seen = torch.cat((past.to(x.dtype), x), dim=1)
        if lengths is None:
            return seen[:, x.shape[1] :]
        places = lengths[:, None] + torch.arange(self.memory, device=x.device)
        return seen.gather(1, places.unsqueeze(-1).expand(-1, -1, x.shape[2]))
