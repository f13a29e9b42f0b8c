"""The Llama family of decoders: RMSNorm, rotary positions, grouped-query attention, SwiGLU, no biases.

With `qk_norm` it computes what Qwen3 does, with `attention_bias` what Qwen2 does, with neither what Llama does, and with a `window` besides
what Mistral does (Touvron et al. 2023, arXiv 2302.13971; Qwen team 2025, arXiv 2505.09388; Jiang et al. 2023, arXiv 2310.06825), so that
trained weights load in other engines as they are.
"""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.models.shapes import Memory, initialise
from zhixing.nn.attention import Attention
from zhixing.nn.mlp import SwiGLU
from zhixing.nn.norms import RMSNorm
from zhixing.nn.positions import rotation
from zhixing.nn.state import State


class LlamaSettings(Settings):
    """Shape of a Llama-family decoder."""

    kind: Literal["llama"] = "llama"
    layers: int = Field(6, ge=1)
    """Number of blocks."""
    width: int = Field(384, ge=2)
    """Width D of the residual stream."""
    heads: int = Field(6, ge=1)
    """Query heads."""
    kv_heads: int | None = Field(None, ge=1)
    """Key and value heads, a divisor of `heads`; default: as many as `heads`."""
    head_width: int | None = Field(None, ge=2, multiple_of=2)
    """Width of a head; default: width / heads."""
    hidden: int | None = Field(None, ge=1)
    """Hidden width of the SwiGLU; default: 8/3 of the width, rounded up to a multiple of 64."""
    rope_theta: float = Field(10000.0, gt=0)
    """Base of the rotary angles."""
    qk_norm: bool = True
    """RMSNorm of queries and keys (Qwen3)."""
    attention_bias: bool = False
    """Bias on query, key and value (Qwen2)."""
    window: int | None = Field(None, ge=1)
    """How many tokens a token sees, itself included (a sliding window); default: all before it."""
    full_layers: int = Field(0, ge=0)
    """The first layers, for which the window does not hold (Qwen2)."""
    tied: bool = True
    """Whether the head is the embedding matrix."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the embedding's and of each half block's output dropped in training."""
    norm_epsilon: float = Field(1e-6, gt=0)
    """Added to the mean square under the root."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.head_width is None and self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} does not divide into {self.heads} heads of even width; change one or set head_width")
        if self.heads % (self.kv_heads or self.heads):
            raise ValueError(f"kv_heads {self.kv_heads} is not a divisor of heads {self.heads}; change one")
        if self.qk_norm and self.attention_bias:
            raise ValueError("qk_norm (Qwen3) and attention_bias (Qwen2) exclude each other")
        if self.full_layers and self.window is None:
            raise ValueError(f"full_layers = {self.full_layers} has no meaning without a window")
        return self

    @property
    def shape(self) -> tuple[int, int, int]:
        """Key and value heads, width of a head, hidden width of the MLP: the defaults worked out."""
        return self.kv_heads or self.heads, self.head_width or self.width // self.heads, self.hidden or -(-8 * self.width // 192) * 64


class Block(nn.Module):
    """Attention, then the MLP, each on a normalised copy of the residual stream and added to it."""

    def __init__(self, settings: LlamaSettings) -> None:
        super().__init__()
        kv_heads, head_width, hidden = settings.shape
        width, epsilon = settings.width, settings.norm_epsilon
        self.attention_norm = RMSNorm(width, epsilon)
        self.attention = Attention(
            width, settings.heads, kv_heads, head_width, qk_norm=settings.qk_norm, bias=settings.attention_bias, epsilon=epsilon
        )
        self.mlp_norm = RMSNorm(width, epsilon)
        self.mlp = SwiGLU(width, hidden)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor | None, past: tuple[State, int] | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]; see `Attention` for the rest."""
        x = x + self.dropout(self.attention(self.attention_norm(x), angles, mask, past))
        after: Tensor = x + self.dropout(self.mlp(self.mlp_norm(x)))
        return after


class Trunk(nn.Module):
    """All blocks and the last norm."""

    def __init__(self, settings: LlamaSettings) -> None:
        super().__init__()
        self.settings = settings
        self.dropout = nn.Dropout(settings.dropout)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.norm = RMSNorm(settings.width, settings.norm_epsilon)

    def forward(self, x: Tensor, segments: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D] from the first token on."""
        positions = torch.arange(x.shape[1], device=x.device)
        mask = None if segments is None else _same_document(segments)
        masks = mask, _within(positions, mask, self.settings.window)
        angles = rotation(positions, self.settings.shape[1], self.settings.rope_theta)
        x = self.dropout(x)
        for layer, block in enumerate(self.blocks):
            x = block(x, angles, masks[layer >= self.settings.full_layers])
        out: Tensor = self.norm(x)
        return out

    def step(self, x: Tensor, state: State, lengths: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D] after what `state` has seen, which is moved on."""
        positions = state.positions(x.shape[1])
        angles = rotation(positions, self.settings.shape[1], self.settings.rope_theta)
        masks = state.visible(positions), state.visible(positions, self.settings.window)
        for layer, block in enumerate(self.blocks):
            mask = masks[layer >= self.settings.full_layers]
            x = block.forward(x, angles, mask, (state, layer))  # past a compiled call: shapes differ from step to step
        state.advance(x.shape[1], lengths)
        out: Tensor = self.norm(x)
        return out


def _same_document(segments: Tensor) -> Tensor:
    """Mask [B, 1, T, T]: a token may attend to those before it in its own document. Positions need not begin anew: only their
    differences enter the scores.
    """
    same = segments[:, :, None] == segments[:, None, :]
    return same.tril().unsqueeze(1)


def _within(positions: Tensor, mask: Tensor | None, window: int | None) -> Tensor | None:
    """`mask`, narrowed to the `window` tokens up to each."""
    if window is None or len(positions) <= window:
        return mask
    back = (positions[:, None] - positions)[None, None]
    return (back >= 0) & (back < window) if mask is None else mask & (back < window)


class LlamaDecoder(nn.Module):
    """The decoder role; see `models.shapes.Decoder`."""

    def __init__(self, settings: LlamaSettings, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, settings.width)
        self.trunk = Trunk(settings)
        for block in self.trunk.blocks:
            assert isinstance(block, Block)
            for into in (block.attention.qkv, block.mlp.gate_up):
                initialise(into.weight)
                if into.bias is not None:
                    nn.init.zeros_(into.bias)
            for back in (block.attention.out, block.mlp.down):
                nn.init.zeros_(back.weight)  # a new block changes nothing: the signal and its gradient start undisturbed

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
            return self.trunk(embedded, segments), None
        return self.trunk.step(embedded, state, lengths), state

    def start(self, batch: int, capacity: int = 0) -> State:
        """No tokens seen; room for `capacity`."""
        return State.empty(len(self.trunk.blocks), batch, capacity, self.embedding.weight.device)

    def repeated(self) -> list[nn.Module]:
        """The blocks."""
        return list(self.trunk.blocks)


def matrix_parameters(settings: LlamaSettings) -> int:
    """Numbers in the trunk's matrices: those that a token is multiplied with."""
    kv_heads, head_width, hidden = settings.shape
    attention = settings.width * head_width * (2 * settings.heads + 2 * kv_heads)
    return settings.layers * (attention + 3 * settings.width * hidden)
