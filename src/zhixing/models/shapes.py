"""Roles and shapes. An architecture supplies a role, here a `Decoder`; a shape composes roles and a head into a model.

Models know integers only: no vocabulary words, loss, optimizer, checkpoint or device.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.nn.state import State


@runtime_checkable
class Decoder(Protocol):
    """Reads token ids from left to right; what it says at a token depends on that token and those before it."""

    embedding: nn.Embedding
    """[V, D]; looked up outside the trunk."""
    trunk: nn.Module
    """Embedded tokens [B, T, D], segments [B, T] or None -> states [B, T, D]: everything but the look-up."""

    def __call__(
        self,
        ids: Tensor,
        memory: Tensor | None = None,
        state: State | None = None,
        *,
        segments: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, State | None]:
        """ids [B, T] -> states [B, T, D] and the given state, moved on.

        memory: what an encoder read, [B, S, D]; None for a decoder that stands alone.
        state: what the rows have seen before; None: nothing, and nothing is to be remembered.
        segments: [B, T] numbers of documents packed into a row, each read as if alone; without state only.
        lengths: [B] how many of the T tokens of each right-padded row are real, at least 1; with state only (without one, padding on
        the right changes nothing on its left).
        """
        ...

    def start(self, batch: int, capacity: int = 0) -> State:
        """The state of `batch` rows before their first token, with room for `capacity` tokens (it grows when they do not suffice)."""
        ...

    def repeated(self) -> list[nn.Module]:
        """The layers that `torch.compile` should take one by one: they are alike, so that the kernels of the first serve all, and a deep
        model compiles as fast as a shallow one and runs as fast as if compiled whole. Empty where compiling brings nothing.
        """
        ...


class DecoderModel(nn.Module):
    """The decoder-only shape: a decoder and a head that turns its states into logits."""

    def __init__(self, decoder: nn.Module, settings: Settings, width: int, vocabulary: int, *, tied: bool) -> None:
        """tied: the head is the embedding matrix itself (Press and Wolf 2017, arXiv 1608.05859).

        settings: those of the decoder, kept for whoever writes the model down.
        """
        super().__init__()
        self.settings = settings
        self.decoder = decoder
        self.tied = tied
        if not tied:
            self.head = nn.Linear(width, vocabulary, bias=False)

    @property
    def head_weight(self) -> Tensor:
        """[V, D]: what `losses.cross_entropy` multiplies states with."""
        weight = self.decoder.embedding.weight if self.tied else self.head.weight  # type: ignore[union-attr]
        assert isinstance(weight, Tensor)
        return weight

    def forward(
        self, ids: Tensor, state: State | None = None, *, segments: Tensor | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State | None]:
        """ids [B, T] -> states [B, T, D] and the state, moved on; see `Decoder`."""
        states, after = self.decoder(ids, state=state, segments=segments, lengths=lengths)
        return states, after

    def logits(self, states: Tensor) -> Tensor:
        """[..., D] -> [..., V]."""
        return F.linear(states, self.head_weight)

    def start(self, batch: int, capacity: int = 0) -> State:
        """The state of `batch` rows before their first token; see `Decoder`."""
        state = self.decoder.start(batch, capacity)  # type: ignore[operator]
        assert isinstance(state, State)
        return state

    def repeated(self) -> list[nn.Module]:
        """The layers to compile one by one; see `Decoder`."""
        return list(self.decoder.repeated())  # type: ignore[operator]


def initialise(weight: Tensor, scale: float | None = None) -> None:
    """Fill a matrix [out, in] from a normal distribution cut at two deviations, of deviation `scale` (default 1/sqrt(in))."""
    deviation = weight.shape[1] ** -0.5 if scale is None else scale
    with torch.no_grad():
        nn.init.trunc_normal_(weight, std=deviation, a=-2 * deviation, b=2 * deviation)
