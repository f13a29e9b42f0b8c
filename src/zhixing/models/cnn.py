"""Convolutional models: what a layer says at a token depends on a window of neighbours, and the window grows from layer to layer.

    decoder           gated convolutions over a token and those before it        (Dauphin et al. 2017, arXiv 1612.08083)
    encoder           the same over neighbours on both sides                     (Gehring et al. 2017, arXiv 1705.03122)
    encoder-decoder   attention to the encoder's memory in every decoder layer   (Gehring et al. 2017)

Other models of the literature are numbers in the settings:

    layers=1, windows=[3, 4, 5], activation="relu"   text convolution, to be pooled by its maximum over time (Kim 2014, arXiv 1408.5882)
    dilation=2                                       dilated: each layer sees twice as far (Strubell et al. 2017, arXiv 1702.02098)

Layers are joined as a transformer's are (normalise, transform, add to the residual stream). There are no positions: a convolution knows
order; only attention is told them, by rotation, where Gehring et al. add learned vectors, so that there is no longest row.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.models.shapes import Memory, Shape, initialise
from zhixing.nn.activations import glu, relu
from zhixing.nn.attention import attend
from zhixing.nn.convolution import Convolution
from zhixing.nn.norms import RMSNorm
from zhixing.nn.positions import rotate, rotation
from zhixing.nn.state import State


class CNNSettings(Settings):
    """Shape of a convolutional model."""

    kind: Literal["cnn"] = "cnn"
    layers: int = Field(6, ge=1)
    """Number of convolutional layers, in an encoder-decoder of each of the two."""
    width: int = Field(384, ge=2, multiple_of=2)
    """Width D of the residual stream."""
    windows: tuple[Annotated[int, Field(ge=1)], ...] = Field((4,), min_length=1)
    """Tokens that a convolution sees at once; several: side by side in each layer, an equal share of the width each."""
    dilation: int = Field(1, ge=1)
    """How many times as far apart a layer's tokens are as those of the layer below."""
    activation: Literal["glu", "relu"] = "glu"
    """glu: half of the channels gate the other half; relu: negative numbers are dropped."""
    tied: bool = True
    """Whether the head is the embedding matrix."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the embedding's and of each layer's output dropped in training."""
    rope_theta: float = Field(10000.0, gt=0)
    """Base of the rotary angles of an encoder-decoder's attention."""
    norm_epsilon: float = Field(1e-6, gt=0)
    """Added to the mean square under the root."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.windows) > self.width:
            raise ValueError(f"{len(self.windows)} windows cannot share a width of {self.width}")
        if (farthest := (max(self.windows) - 1) * self.dilation ** (self.layers - 1)) > FARTHEST:
            raise ValueError(f"layers, windows and dilation let the last layer look {farthest:,} tokens away; {FARTHEST:,} is the most")
        return self

    @property
    def channels(self) -> list[int]:
        """What the convolution of each window puts out: its share of the width, with glu twice."""
        share, left = divmod(self.width, len(self.windows))
        return [(share + (number < left)) * (2 if self.activation == "glu" else 1) for number in range(len(self.windows))]


FARTHEST = 1 << 16
"""Zeros that a row is padded with at most."""


class Layer(nn.Module):
    """Convolution and activation on a normalised copy of the residual stream, added to it."""

    def __init__(self, settings: CNNSettings, number: int, causal: bool) -> None:
        super().__init__()
        self.activation = glu if settings.activation == "glu" else relu
        self.norm = RMSNorm(settings.width, settings.norm_epsilon)
        self.convolution = Convolution(
            settings.width, settings.windows, settings.channels, dilation=settings.dilation**number, causal=causal
        )
        for matrix in self.convolution.matrices:
            assert isinstance(matrix, nn.Linear)
            initialise(matrix.weight)
            nn.init.zeros_(matrix.bias)
            if settings.activation == "glu":  # a new layer changes nothing: what its gates let through is zero
                nn.init.zeros_(matrix.weight[: len(matrix.weight) // 2])
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]. mask: [B, T, 1], 0 where there is padding, 1 elsewhere; segments: see `Convolution`."""
        inputs = self.norm(x)
        if mask is not None:
            inputs = inputs * mask
        return x + self._activated(self.convolution(inputs, segments=segments))

    def step(self, x: Tensor, past: tuple[Tensor, ...], lengths: Tensor | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """[B, T, D] after `past`, the convolution's last inputs (nothing: zeros) -> [B, T, D] and the past of the next call."""
        inputs, before = self.norm(x), past[0] if past else None
        return x + self._activated(self.convolution(inputs, before)), (self.convolution.keep(inputs, before, lengths),)

    def _activated(self, outs: list[Tensor]) -> Tensor:
        activated: Tensor = self.dropout(torch.cat([self.activation(out) for out in outs], dim=-1))
        return activated


class Look(nn.Module):
    """Attention to the encoder's memory, one head as wide as the model, on a normalised copy of the residual stream, added to it.

    Keys and values are the memory itself, the same for all layers, as in Gehring et al.; a layer has its own queries.
    """

    def __init__(self, settings: CNNSettings) -> None:
        super().__init__()
        self.norm = RMSNorm(settings.width, settings.norm_epsilon)
        self.queries = nn.Linear(settings.width, settings.width)
        self.out = nn.Linear(settings.width, settings.width, bias=False)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor], read: tuple[Tensor, ...], mask: Tensor | None) -> Tensor:
        """[B, T, D] -> [B, T, D]. read: keys and values [B, 1, S, D]; mask: [B, S], True where the memory has a token.

        The memory may have B/k rows, each for k adjacent rows of x (the beams of a sentence).
        """
        queries = rotate(self.queries(self.norm(x)).unsqueeze(2), *angles)
        keys, values = (side.to(queries.dtype) for side in read)
        mixed = attend(queries.view(keys.shape[0], 1, -1, x.shape[2]), keys, values, None if mask is None else mask[:, None, None])
        after: Tensor = x + self.dropout(self.out(mixed.view(x.shape)))
        return after


class Trunk(nn.Module):
    """All layers of either role and the last norm."""

    def __init__(self, settings: CNNSettings, *, causal: bool, attends: bool = False) -> None:
        super().__init__()
        self.settings = settings
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(Layer(settings, number, causal) for number in range(settings.layers))
        self.looks = nn.ModuleList(Look(settings) for _ in range(settings.layers if attends else 0))
        self.norm = RMSNorm(settings.width, settings.norm_epsilon)
        for look in self.looks:
            assert isinstance(look, Look)
            initialise(look.queries.weight)
            nn.init.zeros_(look.queries.bias)
            nn.init.zeros_(look.out.weight)

    def forward(self, x: Tensor, memory: Memory | None = None, segments: Tensor | None = None, *, mask: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D] of whole rows; a document, and padding, ends what a convolution sees."""
        x = self.dropout(x)
        weight = None if mask is None else mask.unsqueeze(-1).to(x.dtype)
        looks = memory is not None and len(self.looks) > 0
        if memory is not None and looks:
            read, angles = self.read(memory), self._angles(torch.arange(x.shape[1], device=x.device))
        for number, layer in enumerate(self.layers):
            x = layer(x, weight, segments)
            if memory is not None and looks:
                x = self.looks[number](x, angles, read, memory.mask)
        out: Tensor = self.norm(x)
        return out

    def step(self, x: Tensor, state: State, lengths: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D] after what `state` has seen, which is moved on."""
        angles = self._angles(state.positions(x.shape[1])) if state.memory else None
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            x, state.layers[number] = layer.step(x, state.layers[number], lengths)
            if angles is not None:
                x = self.looks[number](x, angles, state.memory[0], state.memory_mask)
        state.advance(x.shape[1], lengths)
        out: Tensor = self.norm(x)
        return out

    def read(self, memory: Memory) -> tuple[Tensor, Tensor]:
        """Keys and values [B, 1, S, D] that all layers attend to: the memory, rotated to its places, and as it is."""
        states = memory.states
        places = torch.arange(states.shape[1], device=states.device) if memory.mask is None else memory.mask.cumsum(1) - 1
        return rotate(states.unsqueeze(2), *self._angles(places)).transpose(1, 2), states.unsqueeze(1)

    def _angles(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        return rotation(positions, self.settings.width, self.settings.rope_theta)


class CNNDecoder(nn.Module):
    """The decoder role; see `models.shapes.Decoder`. attends: whether there is an encoder to attend to."""

    def __init__(self, settings: CNNSettings, vocabulary: int, *, attends: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, settings.width)
        self.trunk = Trunk(settings, causal=True, attends=attends)

    def forward(
        self,
        ids: Tensor,
        memory: Memory | None = None,
        state: State | None = None,
        *,
        segments: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, State | None]:
        """ids [B, T] -> states [B, T, D] and the state, moved on."""
        embedded = self.embedding(ids)
        if state is None:
            return self.trunk(embedded, memory, segments), None
        if memory is not None and len(self.trunk.looks):
            state.memory, state.memory_mask = [self.trunk.read(memory)], memory.mask
        return self.trunk.step(embedded, state, lengths), state

    def start(self, batch: int, capacity: int = 0) -> State:
        """No tokens seen; the last inputs of the convolutions are as many at any time."""
        return State.empty(len(self.trunk.layers), batch, 0, self.embedding.weight.device)

    def repeated(self) -> list[nn.Module]:
        """The layers."""
        return list(self.trunk.layers)


class CNNEncoder(nn.Module):
    """The encoder role; see `models.shapes.Encoder`."""

    def __init__(self, settings: CNNSettings, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, settings.width)
        self.trunk = Trunk(settings, causal=False)

    def forward(self, ids: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None, kinds: Tensor | None = None) -> Tensor:
        """ids [B, T] -> states [B, T, D]; `kinds` are not told apart."""
        states: Tensor = self.trunk(self.embedding(ids), segments=segments, mask=mask)
        return states

    def repeated(self) -> list[nn.Module]:
        """The layers."""
        return list(self.trunk.layers)


def matrix_parameters(settings: CNNSettings, shape: Shape = "decoder") -> int:
    """Numbers in the trunk's matrices: those that a token is multiplied with (of an encoder-decoder, in both trunks)."""
    seen = sum(window * out for window, out in zip(settings.windows, settings.channels, strict=True))
    stack = settings.layers * settings.width * seen
    return 2 * stack + 2 * settings.layers * settings.width**2 if shape == "encoder-decoder" else stack
