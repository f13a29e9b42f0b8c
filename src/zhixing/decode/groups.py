"""Which source sentences are decoded together, so that no sentence's translation depends on the others.

Floating-point sums depend on their order, and fast kernels choose it by the shapes they are given. So a sentence's result is the same
whatever its batch mates are when every sum over it is made over a shape that depends on that sentence alone:

1. A sentence is padded to a length that follows from its own (`room`), and shares a batch only with sentences of the same padded length.
2. The number of rows is the one thing that varies. Matrix products must therefore sum the products of a row in the same order for any
   number of rows. MKL does, from four rows on and in multiples of four: batches are filled up with idle rows to whole grains. How many rows
   a grain must have is not taken on trust: `steady` multiplies matrices of the model's shapes and compares bits.
3. Where no grain will do (another library, another processor), batches have one fixed number of rows: all shapes are always the same.

All else that a Transformer does with a row (norms, attention, softmax, the search) is done row by row. So its translations have the same
bits on CPUs in fp32. Recurrent encoders run the tokens of all rows packed: their scores differ in the last bits. On other devices equal
bits are likely and not promised.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GRAINS = (4, 8, 16)
"""Numbers of rows that are tried; those of a matrix product come in multiples of the least that holds."""
GRAIN = GRAINS[-1]
FIXED = 16
"""Sentences of a batch where their number must not vary."""
TOKENS = 8192
"""Source tokens of a batch at most, padding included: long sentences come in smaller batches."""


@dataclass(frozen=True)
class Group:
    """Sentences that are decoded together; rows past the sentences are idle copies of the first."""

    sentences: list[int]
    """Their places among the sources."""
    source: Tensor
    """[B, S] ids."""
    mask: Tensor
    """[B, S], True where there is a token."""


def room(length: int) -> int:
    """The length that a sentence of so many tokens is padded to: a multiple of 8, of 16 past 64, of 32 past 128 and so on."""
    step = 8 << max(0, math.ceil(math.log2(max(length, 1) / 64)))
    return max(step, -(-length // step) * step)


def groups(sources: Sequence[Sequence[int]], batch: int, grain: int, pad: int, device: torch.device) -> Iterator[Group]:
    """Batches of up to `batch` sentences of one padded length, shortest first, filled up to a multiple of `grain` (0: to `FIXED`)."""
    order = sorted(range(len(sources)), key=lambda place: (room(len(sources[place])), len(sources[place])))
    start = 0
    while start < len(order):
        width = room(len(sources[order[start]]))
        most = filled(max(1, min(batch, TOKENS // width)), grain) if grain else FIXED
        end = start
        while end < len(order) and end - start < most and room(len(sources[order[end]])) == width:
            end += 1
        places = order[start:end]
        rows = filled(len(places), grain) if grain else FIXED
        texts = [sources[place] for place in places] + [sources[places[0]]] * (rows - len(places))
        ids = torch.tensor([[*text, *[pad] * (width - len(text))] for text in texts], device=device)
        lengths = torch.tensor([len(text) for text in texts], device=device)
        yield Group(places, ids, torch.arange(width, device=device) < lengths[:, None])
        start = end


def filled(count: int, grain: int) -> int:
    """The next multiple of `grain`."""
    return -(-count // grain) * grain


def grain(rows_each: int, rows: int) -> int:
    """Of how many sentences the number must be a multiple, so that with `rows_each` rows a sentence all matrix products have whole grains.

    rows: of a grain; 0, where there is none, gives 0. The padded lengths are multiples of 8: the encoder's rows are whole grains, too.
    """
    return max(rows // math.gcd(rows, 8), rows // math.gcd(rows_each, rows))


@runtime_checkable
class Measured(Protocol):
    """A model of another engine, which has to find out by itself."""

    def steady(self) -> bool:
        """Whether a row's numbers have the same bits in grains of `GRAIN` rows, however many there are."""
        ...


def steady(model: object, extra: Iterable[Tensor] = ()) -> int:
    """Of how many rows a grain must be so that products with matrices of the model's shapes sum a row in the same order whatever the number
    of grains (on the CPU); 0: of none that is tried.
    """
    if isinstance(model, Measured):
        return GRAIN if model.steady() else 0
    assert isinstance(model, nn.Module)
    matrices = [*(p for p in model.parameters() if p.ndim == 2), *extra]
    shapes = {(m.shape[0], m.shape[1], m.dtype) for m in matrices if m.device.type == "cpu"}
    found = [_steady(*shape, torch.get_num_threads()) for shape in sorted(shapes, key=str)]
    return max(found, default=GRAINS[0]) if all(found) else 0


@lru_cache(maxsize=256)
def _steady(rows: int, columns: int, number: torch.dtype, threads: int) -> int:
    generator = torch.Generator().manual_seed(rows * 31 + columns)
    matrix = torch.randn(min(rows, 4096), columns, generator=generator).to(number)
    x = torch.randn(16 * GRAIN, columns, generator=generator).to(number)
    shuffled = torch.randperm(len(x), generator=generator)
    for size in GRAINS:
        alone = torch.cat([F.linear(part, matrix) for part in torch.split(x, size)])
        counts = {size * n for n in (*range(1, 12), 13, 16)} | {GRAIN * n for n in (6, 9, 12, 16)}
        if all(torch.equal(F.linear(x[:n], matrix), alone[:n]) for n in counts) and torch.equal(
            F.linear(x[shuffled], matrix), alone[shuffled]
        ):
            return size
    return 0
