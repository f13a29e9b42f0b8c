"""Recurrent models: stacks of RNN, LSTM or GRU layers.

    decoder           every layer from left to right
    encoder           every layer from both sides, half of the width each
    encoder-decoder   between the decoder's first layer and its second, attention to what the encoder has read

Layers are joined as a transformer's are (normalise, transform, add to the residual stream), which lets deep stacks train; the cells
themselves are the textbook ones. Attention asks with what the first layer has made of the tokens so far, and what it finds is read by the
layers above (Wu et al. 2016, arXiv 1609.08144): so it is one product for all tokens of a training row. Bahdanau et al. (2015) feed it back
into the layer that asks, and so have to go token by token.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.models.shapes import Memory, Shape, initialise
from zhixing.nn.alignment import Alignment, Score
from zhixing.nn.norms import RMSNorm
from zhixing.nn.recurrent import Bidirectional, Cell, Pieces, Recurrent
from zhixing.nn.state import State

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
"""Matrices of a cell: the new value and its gates."""


class RNNSettings(Settings):
    """Shape of a recurrent model."""

    kind: Literal["rnn"] = "rnn"
    cell: Cell = "lstm"
    """rnn (Elman), lstm or gru."""
    layers: int = Field(2, ge=1)
    """Number of recurrent layers, in an encoder-decoder of each of the two."""
    width: int = Field(384, ge=2, multiple_of=2)
    """Width D of the residual stream and of the hidden states."""
    attention: Score = "additive"
    """How an encoder-decoder scores a source token: additive (Bahdanau) or multiplicative (Luong), which is faster."""
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


class EncoderLayer(nn.Module):
    """A layer that reads from both sides, on a normalised copy of the residual stream, added to it."""

    def __init__(self, settings: RNNSettings) -> None:
        super().__init__()
        self.norm = RMSNorm(settings.width, settings.norm_epsilon)
        self.recurrent = Bidirectional(settings.cell, settings.width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, pieces: Pieces | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]; see `Bidirectional`."""
        after: Tensor = x + self.dropout(self.recurrent(self.norm(x), pieces))
        return after


class Look(nn.Module):
    """Attention to the encoder's memory on a normalised copy of the residual stream, added to it."""

    def __init__(self, settings: RNNSettings) -> None:
        super().__init__()
        self.norm = RMSNorm(settings.width, settings.norm_epsilon)
        self.attention = Alignment(settings.attention, settings.width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, read: tuple[Tensor, ...], mask: Tensor | None) -> Tensor:
        """[B, T, D] -> [B, T, D]; see `Alignment`."""
        after: Tensor = x + self.dropout(self.attention(self.norm(x), read, mask))
        return after


class Trunk(nn.Module):
    """The decoder's layers, its attention where it has an encoder, and the last norm."""

    def __init__(self, settings: RNNSettings, attends: bool = False) -> None:
        super().__init__()
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.layers))
        self.look = Look(settings) if attends else None
        self.norm = RMSNorm(settings.width, settings.norm_epsilon)

    def forward(self, x: Tensor, memory: Memory | None = None, segments: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D] from the first token on; the hidden state starts anew where a document does."""
        pieces = None if segments is None else Pieces.of_segments(segments)
        x = self.dropout(x)
        for number, layer in enumerate(self.layers):
            x, _ = layer(x, pieces=pieces)
            if number == 0 and self.look is not None and memory is not None:
                x = self.look(x, self.look.attention.read(memory.states), memory.mask)
        out: Tensor = self.norm(x)
        return out

    def step(self, x: Tensor, state: State, lengths: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D] after what `state` has seen, which is moved on."""
        count = x.shape[1]
        pieces = None if lengths is None else Pieces.of_lengths(lengths, count)
        for number, layer in enumerate(self.layers):
            x, state.layers[number] = layer(x, state.layers[number], pieces)
            if number == 0 and self.look is not None and state.memory:
                x = self.look(x, state.memory[0], state.memory_mask)
        state.advance(count, lengths)
        out: Tensor = self.norm(x)
        return out


class RNNDecoder(nn.Module):
    """The decoder role; see `models.shapes.Decoder`. attends: whether there is an encoder to attend to."""

    def __init__(self, settings: RNNSettings, vocabulary: int, *, attends: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, settings.width)
        self.trunk = Trunk(settings, attends)
        _begin(self.trunk, settings)

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
        if memory is not None and self.trunk.look is not None:
            state.memory, state.memory_mask = [self.trunk.look.attention.read(memory.states)], memory.mask
        return self.trunk.step(embedded, state, lengths), state

    def start(self, batch: int, capacity: int = 0) -> State:
        """No tokens seen; a hidden state needs no room."""
        return State.empty(len(self.trunk.layers), batch, 0, self.embedding.weight.device)

    def repeated(self) -> list[nn.Module]:
        """None: the time goes into PyTorch's recurrent kernels, which the compiler cannot look into."""
        return []


class EncoderTrunk(nn.Module):
    """The encoder's layers and the last norm."""

    def __init__(self, settings: RNNSettings) -> None:
        super().__init__()
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(EncoderLayer(settings) for _ in range(settings.layers))
        self.norm = RMSNorm(settings.width, settings.norm_epsilon)

    def forward(self, x: Tensor, mask: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]; padding is stepped over, from both sides."""
        pieces = None
        if segments is not None:
            pieces = Pieces.of_segments(segments, mask)
        elif mask is not None and not bool(mask.all()):
            pieces = Pieces.of_mask(mask)
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x, pieces)
        out: Tensor = self.norm(x)
        return out


class RNNEncoder(nn.Module):
    """The encoder role; see `models.shapes.Encoder`."""

    def __init__(self, settings: RNNSettings, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, settings.width)
        self.trunk = EncoderTrunk(settings)
        _begin(self.trunk, settings)

    def forward(self, ids: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None, kinds: Tensor | None = None) -> Tensor:
        """ids [B, T] -> states [B, T, D]; `kinds` are not told apart."""
        states: Tensor = self.trunk(self.embedding(ids), mask, segments)
        return states

    def repeated(self) -> list[nn.Module]:
        """None, as in the decoder."""
        return []


def _begin(trunk: nn.Module, settings: RNNSettings) -> None:
    """Fill the weights of a new trunk."""
    for name, parameter in trunk.named_parameters():
        if "weight_hh" in name:  # orthogonal: a gradient through many steps neither dies nor explodes at first (arXiv 1312.6120)
            for matrix in parameter.chunk(GATES[settings.cell]):
                nn.init.orthogonal_(matrix)
        elif parameter.ndim == 2:
            initialise(parameter)
        elif "bias" in name:
            nn.init.zeros_(parameter)
            if settings.cell == "lstm" and "bias_ih" in name:  # remember at first (Jozefowicz et al. 2015)
                hidden = len(parameter) // 4
                with torch.no_grad():
                    parameter[hidden : 2 * hidden] = 1.0


def matrix_parameters(settings: RNNSettings, shape: Shape = "decoder") -> int:
    """Numbers in the trunk's matrices: those that a token is multiplied with (of an encoder-decoder, in both trunks)."""
    square = settings.width**2
    decoder = settings.layers * 2 * GATES[settings.cell] * square
    encoder = settings.layers * 3 * GATES[settings.cell] * square // 2  # from each side D to D/2 and D/2 to D/2
    look = (3 if settings.attention == "additive" else 2) * square
    return {"decoder": decoder, "encoder": encoder, "encoder-decoder": decoder + encoder + look}[shape]
