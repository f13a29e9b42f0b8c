"""Recurrent layers over rows of unequal pieces, and the packing that lets one kernel call run them all."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

Cell = Literal["rnn", "lstm", "gru"]

CELLS: dict[str, type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
"""Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014 (arXiv 1406.1078), all by PyTorch's kernels."""


class Pieces:
    """Pieces of rows, each to be run from its own first token to its last; pieces of any lengths run together.

    PyTorch wants the tokens of all pieces by time, longest piece first. `order` [n] are their places in the flattened rows.
    """

    def __init__(self, number: Tensor) -> None:
        """number: [B, T], which piece a token belongs to (0, 1, ... in reading order, all used), -1 where there is no token."""
        flat = number.flatten()
        tokens = (flat >= 0).nonzero().squeeze(1)
        piece = flat[tokens]
        counts = torch.bincount(piece)
        rank = torch.empty_like(counts)
        self.sorted = counts.argsort(descending=True, stable=True)
        rank[self.sorted] = torch.arange(len(counts), device=flat.device)
        time = torch.arange(len(piece), device=flat.device) - (counts.cumsum(0) - counts)[piece]
        self.order = tokens[(time * len(counts) + rank[piece]).argsort()]
        self.batch_sizes = torch.bincount(time).cpu()
        self.rank = rank

    @classmethod
    def of_segments(cls, segments: Tensor, mask: Tensor | None = None) -> Pieces:
        """The pieces of rows in which each run of equal numbers in `segments` [B, T] is a document.

        mask: [B, T], True where there is a token; None: everywhere.
        """
        begins = torch.ones_like(segments, dtype=torch.bool)
        begins[:, 1:] = segments[:, 1:] != segments[:, :-1]
        number = (begins.flatten().cumsum(0) - 1).view_as(segments)
        if mask is not None:  # a run without a token is no piece
            held = torch.zeros(int(number[-1, -1]) + 1, dtype=torch.int64, device=mask.device)
            held[number[mask]] = 1
            number = torch.where(mask, held.cumsum(0)[number] - 1, -1)
        return cls(number)

    @classmethod
    def of_mask(cls, mask: Tensor) -> Pieces:
        """One piece a row: the tokens where `mask` [B, T] is True, wherever in the row they stand."""
        return cls.of_segments(torch.zeros_like(mask, dtype=torch.int64), mask)

    @classmethod
    def of_lengths(cls, lengths: Tensor, count: int) -> Pieces:
        """One piece a row: the first `lengths[b]` (at least 1) of `count` tokens."""
        rows = torch.arange(len(lengths), device=lengths.device)[:, None]
        return cls(torch.where(torch.arange(count, device=lengths.device) < lengths[:, None], rows, -1))

    def pack(self, x: Tensor) -> PackedSequence:
        """[B, T, D] -> the tokens of all pieces, as PyTorch's recurrent layers take them."""
        return PackedSequence(x.flatten(0, 1)[self.order], self.batch_sizes)

    def unpack(self, data: Tensor, rows: int, count: int) -> Tensor:
        """The inverse of `pack`: [n, D] -> [B, T, D], zero where there is no token."""
        return data.new_zeros(rows * count, data.shape[-1]).index_copy(0, self.order, data).view(rows, count, -1)


class Recurrent(nn.Module):
    """One recurrent layer, D -> D."""

    def __init__(self, cell: Cell, width: int) -> None:
        super().__init__()
        self.cell = CELLS[cell](width, width, batch_first=True)

    def forward(self, x: Tensor, hidden: tuple[Tensor, ...] = (), pieces: Pieces | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """[B, T, D] -> [B, T, D] and the hidden state after each row's (with `pieces`: each piece's) last token.

        hidden: what it was before the first: one tensor [B, D], two for an LSTM, none for zeros.
        """
        if pieces is not None:
            hidden = tuple(h[pieces.sorted] for h in hidden)
        before = tuple(h.unsqueeze(0).contiguous() for h in hidden)
        start = (before if len(before) == 2 else before[0]) if before else None
        with _kernels(x):
            if pieces is None:
                out, last = self.cell(x, start)
            else:
                packed, last = self.cell(pieces.pack(x), start)
                out = pieces.unpack(packed.data, x.shape[0], x.shape[1])
        after = tuple(h.squeeze(0) for h in (last if isinstance(last, tuple) else (last,)))
        return out, after if pieces is None else tuple(h[pieces.rank] for h in after)


class Bidirectional(nn.Module):
    """Two recurrent layers, one from the left and one from the right, D -> D/2 each (Schuster and Paliwal 1997)."""

    def __init__(self, cell: Cell, width: int) -> None:
        super().__init__()
        self.cell = CELLS[cell](width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor, pieces: Pieces | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D], what was read from the left beside what was read from the right."""
        with _kernels(x):
            if pieces is None:
                out: Tensor = self.cell(x)[0]
                return out
            return pieces.unpack(self.cell(pieces.pack(x))[0].data, x.shape[0], x.shape[1])


def _kernels(x: Tensor) -> AbstractContextManager[object]:
    """Autocast as it is, but off where the CPU has no kernel for recurrent layers in bf16: there they compute in fp32."""
    if x.device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return nullcontext()
    return torch.autocast("cpu", enabled=False)
