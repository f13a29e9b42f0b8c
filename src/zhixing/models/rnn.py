"""Recurrent decoders: a stack of RNN, LSTM or GRU layers.

Layers are joined as a transformer's are (normalise, transform, add to the residual stream), which lets deep stacks train; the cells
themselves are the textbook ones.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.models.shapes import initialise
from zhixing.nn.norms import RMSNorm
from zhixing.nn.recurrent import Cell, Pieces, Recurrent
from zhixing.nn.state import State

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
"""Matrices of a cell: the new value and its gates."""


class RNNSettings(Settings):
    """Shape of a recurrent decoder."""

    kind: Literal["rnn"] = "rnn"
    cell: Cell = "lstm"
    """rnn (Elman), lstm or gru."""
    layers: int = Field(2, ge=1)
    """Number of recurrent layers."""
    width: int = Field(384, ge=1)
    """Width D of the residual stream and of the hidden states."""
    tied: bool = True
    """Whether the head is the embedding matrix."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the embedding's and of each layer's output dropped in training."""
    norm_epsilon: float = Field(1e-6, gt=0)
    """Added to the mean square under the root."""


class Layer(nn.Module):
    """A recurrent layer on a normalised copy of the residual stream, added to it."""

    def __init__(self, settings: RNNSettings) -> None:
        super().__init__()
        self.norm = RMSNorm(settings.width, settings.norm_epsilon)
        self.recurrent = Recurrent(settings.cell, settings.width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, hidden: tuple[Tensor, ...] = (), pieces: Pieces | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """[B, T, D] -> [B, T, D] and the hidden state after it; see `Recurrent`."""
        out, after = self.recurrent(self.norm(x), hidden, pieces)
        return x + self.dropout(out), after


class Trunk(nn.Module):
    """All layers and the last norm."""

    def __init__(self, settings: RNNSettings) -> None:
        super().__init__()
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.layers))
        self.norm = RMSNorm(settings.width, settings.norm_epsilon)

    def forward(self, x: Tensor, segments: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D] from the first token on; the hidden state starts anew where a document does."""
        pieces = None if segments is None else Pieces.of_segments(segments)
        x = self.dropout(x)
        for layer in self.layers:
            x, _ = layer(x, pieces=pieces)
        out: Tensor = self.norm(x)
        return out

    def step(self, x: Tensor, state: State, lengths: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D] after what `state` has seen, which is moved on."""
        count = x.shape[1]
        pieces = None if lengths is None else Pieces.of_lengths(lengths, count)
        for number, layer in enumerate(self.layers):
            x, state.layers[number] = layer(x, state.layers[number], pieces)
        state.advance(count, lengths)
        out: Tensor = self.norm(x)
        return out


class RNNDecoder(nn.Module):
    """The decoder role; see `models.shapes.Decoder`."""

    def __init__(self, settings: RNNSettings, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, settings.width)
        self.trunk = Trunk(settings)
        for name, parameter in self.trunk.named_parameters():
            if "weight_ih" in name:
                initialise(parameter)
            elif "weight_hh" in name:  # orthogonal: a gradient through many steps neither dies nor explodes at first (arXiv 1312.6120)
                for matrix in parameter.chunk(GATES[settings.cell]):
                    nn.init.orthogonal_(matrix)
            elif "bias" in name:
                nn.init.zeros_(parameter)
                if settings.cell == "lstm" and "bias_ih" in name:  # remember at first (Jozefowicz et al. 2015)
                    with torch.no_grad():
                        parameter[settings.width : 2 * settings.width] = 1.0

    def forward(
        self,
        ids: Tensor,
        memory: Tensor | None = None,
        state: State | None = None,
        *,
        segments: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, State | None]:
        """ids [B, T] -> states [B, T, D] and the state, moved on."""
        embedded = self.embedding(ids)
        if state is None:
            return self.trunk(embedded, segments), None
        return self.trunk.step(embedded, state, lengths), state

    def start(self, batch: int, capacity: int = 0) -> State:
        """No tokens seen; a hidden state needs no room."""
        return State.empty(len(self.trunk.layers), batch, 0, self.embedding.weight.device)

    def repeated(self) -> list[nn.Module]:
        """None: the time goes into PyTorch's recurrent kernels, which the compiler cannot look into."""
        return []


def matrix_parameters(settings: RNNSettings) -> int:
    """Numbers in the trunk's matrices: those that a token is multiplied with."""
    return settings.layers * 2 * GATES[settings.cell] * settings.width**2
