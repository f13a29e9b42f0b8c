"""GPT-2: a decoder with learned positions, LayerNorm before each half of a block, GELU and biases.

(Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".)
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.models.shapes import Memory, initialise
from zhixing.nn.attention import Attention
from zhixing.nn.mlp import MLP, Activation
from zhixing.nn.padding import positions, visible
from zhixing.nn.state import State


class GPT2Settings(Settings):
    """Shape of a GPT-2 decoder."""

    kind: Literal["gpt2"] = "gpt2"
    layers: int = Field(6, ge=1)
    """Number of blocks."""
    width: int = Field(384, ge=1)
    """Width D of the residual stream."""
    heads: int = Field(6, ge=1)
    """Attention heads, a divisor of `width`."""
    hidden: int | None = Field(None, ge=1)
    """Hidden width of the MLP; default: 4 times the width."""
    positions: int = Field(1024, ge=1)
    """Learned positions: the most tokens that a text may have."""
    activation: Activation = "gelu_tanh"
    """gelu, gelu_tanh, relu or silu."""
    tied: bool = True
    """Whether the head is the embedding matrix."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the embedding's and of each half block's output dropped in training; 0.1 in the paper."""
    norm_epsilon: float = Field(1e-5, gt=0)
    """Added to the variance under the root."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} does not divide into {self.heads} heads; change one")
        return self

    @property
    def inner(self) -> int:
        """Hidden width of the MLP, its default worked out."""
        return self.hidden or 4 * self.width


class Block(nn.Module):
    """Attention, then the MLP, each on a normalised copy of the residual stream and added to it."""

    def __init__(self, settings: GPT2Settings) -> None:
        super().__init__()
        width, heads, epsilon = settings.width, settings.heads, settings.norm_epsilon
        self.attention_norm = nn.LayerNorm(width, epsilon)
        self.attention = Attention(width, heads, heads, width // heads, bias=True, out_bias=True)
        self.mlp_norm = nn.LayerNorm(width, epsilon)
        self.mlp = MLP(width, settings.inner, settings.activation)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, mask: Tensor | None, past: tuple[State, int] | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]; see `Attention` for the rest."""
        x = x + self.dropout(self.attention(self.attention_norm(x), mask=mask, past=past))
        after: Tensor = x + self.dropout(self.mlp(self.mlp_norm(x)))
        return after


class Trunk(nn.Module):
    """All blocks and the last norm; positions are part of what comes in."""

    def __init__(self, settings: GPT2Settings) -> None:
        super().__init__()
        self.dropout = nn.Dropout(settings.dropout)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(settings.width, settings.norm_epsilon)

    def forward(self, x: Tensor, segments: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D] from the first token on."""
        own = visible(None, segments)
        mask = None if own is None else own.tril()
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, mask)
        out: Tensor = self.norm(x)
        return out

    def step(self, x: Tensor, state: State, lengths: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D] after what `state` has seen, which is moved on."""
        mask = state.visible(state.positions(x.shape[1]))
        for layer, block in enumerate(self.blocks):
            x = block.forward(x, mask, (state, layer))  # past a compiled call: shapes differ from step to step
        state.advance(x.shape[1], lengths)
        out: Tensor = self.norm(x)
        return out


class GPT2Decoder(nn.Module):
    """The decoder role; see `models.shapes.Decoder`."""

    def __init__(self, settings: GPT2Settings, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, settings.width)
        self.positions = nn.Embedding(settings.positions, settings.width)
        initialise(self.positions.weight, TIED if settings.tied else 1.0)
        self.trunk = Trunk(settings)
        for block in self.trunk.blocks:
            assert isinstance(block, Block)
            for into in (block.attention.qkv, block.mlp.up):
                initialise(into.weight)
                nn.init.zeros_(into.bias)
            for back in (block.attention.out, block.mlp.down):
                nn.init.zeros_(back.weight)  # a new block changes nothing: the signal and its gradient start undisturbed
                nn.init.zeros_(back.bias)

    def forward(
        self,
        ids: Tensor,
        memory: Memory | None = None,
        state: State | None = None,
        *,
        segments: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, State | None]:
        """ids [B, T] -> states [B, T, D] and the state, moved on. Raises `ValueError` for a text longer than there are positions."""
        count, room = ids.shape[1], self.positions.num_embeddings
        if state is None:
            places = positions(count, None, segments, ids.device)
            longest = count if segments is None or count <= room else int(places.max()) + 1
        else:
            places = state.positions(count).clamp(max=room - 1)  # padding of ragged rows may lie past the end
            longest = state.longest + count if lengths is None else int((state.lengths + lengths).max())
        if longest > room:
            raise ValueError(f"a text of {longest} tokens is longer than the model's {room} positions")
        embedded = self.embedding(ids) + self.positions(places)
        if state is None:
            return self.trunk(embedded, segments), None
        return self.trunk.step(embedded, state, lengths), state

    def start(self, batch: int, capacity: int = 0) -> State:
        """No tokens seen; room for `capacity`."""
        return State.empty(len(self.trunk.blocks), batch, capacity, self.embedding.weight.device)

    def repeated(self) -> list[nn.Module]:
        """The blocks."""
        return list(self.trunk.blocks)


TIED = 0.02
"""Deviation of the initial positions beside a tied embedding; as large as the embedding's in either case."""


def matrix_parameters(settings: GPT2Settings) -> int:
    """Numbers in the trunk's matrices: those that a token is multiplied with."""
    return settings.layers * settings.width * (4 * settings.width + 2 * settings.inner)
