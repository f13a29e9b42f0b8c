"""What a decoder remembers between calls, whatever its architecture: keys and values, recurrent hidden states, windows of a convolution."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor


@dataclass
class State:
    """The memory of B rows that are stepped together. Belongs to one chain of calls: a step changes it in place.

    layers:   for each layer, tensors whose first axis is B; empty before the first call.
              Attention: keys and values [B, K, capacity, E], of which row b has filled `lengths[b]` places.
              Recurrent: hidden state [B, D], and for an LSTM its cell [B, D].
              Convolution: the last inputs [B, window - 1, D].
    memory:   for each layer, what it has made of an encoder's memory at the first call (attention: keys and values [B, K, S, E]);
              empty for a decoder that stands alone. It may have B/k rows, each for k adjacent rows: the beams of a sentence share it.
    memory_mask: [B, S], True where the memory has a token; None: everywhere. As many rows as `memory`.
    lengths:  [B] tokens that each row has seen; rows may differ (ragged prompts).
    longest:  the greatest of them, kept apart so that a step need not wait for the device.
    ragged:   whether they may differ.
    capacity: tokens to make room for at first; a row that outgrows it doubles the room.
    """

    layers: list[tuple[Tensor, ...]]
    lengths: Tensor
    longest: int = 0
    ragged: bool = False
    capacity: int = 0
    memory: list[tuple[Tensor, ...]] = field(default_factory=list)
    memory_mask: Tensor | None = None

    @classmethod
    def empty(cls, layers: int, batch: int, capacity: int, device: torch.device) -> State:
        """The state before the first token."""
        return cls([()] * layers, torch.zeros(batch, dtype=torch.int64, device=device), capacity=capacity)

    def positions(self, count: int) -> Tensor:
        """Places of the next `count` tokens: [T], or [B, T] when the rows differ."""
        ahead = torch.arange(count, device=self.lengths.device)
        return self.lengths[:, None] + ahead if self.ragged else self.longest + ahead

    def visible(self, positions: Tensor, window: int | None = None) -> Tensor | None:
        """Mask [B or 1, 1, T, S] of what the tokens at `positions` may attend to; None: all there is (one token, equal rows).

        window: how many tokens each sees at most, itself included; None: all before it.
        """
        count = positions.shape[-1]
        total = self.longest + count
        if window is not None and total <= window:
            window = None
        if count == 1 and not self.ragged and window is None:
            return None
        sources = torch.arange(total, device=positions.device)
        seen = sources <= positions[..., None]
        if window is not None:
            seen &= sources > positions[..., None] - window
        return seen.view(-1, 1, count, total)

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add keys and values [B, K, T, E] of the next T tokens of each row; returns all [B, K, S, E] so far.

        Places past a row's own length hold padding until a later token overwrites them; `visible` hides them.
        """
        start, end = self.longest, self.longest + keys.shape[2]
        if not self.layers[layer]:
            room = max(end, self.capacity)
            self.layers[layer] = tuple(x.new_zeros(*x.shape[:2], room, x.shape[3]) for x in (keys, values))
        elif (room := self.layers[layer][0].shape[2]) < end:
            grow = (0, 0, 0, max(end, 2 * room) - room)  # zeros, since a hidden place still multiplies a weight of 0
            self.layers[layer] = tuple(torch.nn.functional.pad(x, grow) for x in self.layers[layer])
        if self.ragged:
            rows, places = torch.arange(len(keys), device=keys.device)[:, None], self.positions(keys.shape[2])
            for cache, new in zip(self.layers[layer], (keys, values), strict=True):
                cache[rows, :, places] = new.transpose(1, 2)
        else:
            for cache, new in zip(self.layers[layer], (keys, values), strict=True):
                cache[:, :, start:end] = new
        all_keys, all_values = self.layers[layer]
        return all_keys[:, :, :end], all_values[:, :, :end]

    def advance(self, count: int, lengths: Tensor | None = None) -> None:
        """Count the tokens of a finished call: `count` in each row, or `lengths` [B] of them in right-padded rows."""
        if lengths is None:
            self.lengths = self.lengths + count
            self.longest += count
        else:
            self.lengths = self.lengths + lengths
            self.longest = int(self.lengths.max())
            self.ragged = bool((self.lengths != self.longest).any())

    def reorder(self, index: Tensor, memory: Tensor | Literal["as rows"] | None = "as rows") -> State:
        """The state whose row i was row `index[i]`; rows may be repeated (beams) or left out (finished).

        memory: where it has fewer rows than the layers (the beams of a sentence share one), which of its own rows remain; None: all.
        """
        of_memory = index if isinstance(memory, str) else memory
        layers = [tuple(self._moved(x, index) for x in layer) for layer in self.layers]
        if of_memory is None:
            kept, mask = self.memory, self.memory_mask
        else:
            kept = [tuple(x.index_select(0, of_memory) for x in layer) for layer in self.memory]
            mask = None if self.memory_mask is None else self.memory_mask[of_memory]
        return State(layers, self.lengths[index], self.longest, self.ragged, self.capacity, kept, mask)

    def _moved(self, x: Tensor, index: Tensor) -> Tensor:
        """Rows of one of the layers' tensors; of keys and values only the places that are filled are worth moving."""
        if x.ndim != 4 or self.longest >= x.shape[2]:
            return x.index_select(0, index)
        moved = x.new_empty(len(index), *x.shape[1:])
        moved[:, :, : self.longest] = x[:, :, : self.longest].index_select(0, index)
        moved[:, :, self.longest :] = 0
        return moved
