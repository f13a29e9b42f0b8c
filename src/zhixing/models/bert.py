"""BERT and RoBERTa encoders: learned positions and kinds, attention both ways, a norm after each half of a block.

(Devlin et al. 2019, arXiv 1810.04805; Liu et al. 2019, arXiv 1907.11692.) RoBERTa computes the same with one kind of token only.
"""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.models.shapes import initialise
from zhixing.nn.attention import Attention
from zhixing.nn.mlp import ACTIVATIONS, MLP, Activation
from zhixing.nn.padding import Tokens, positions, visible

DEVIATION = 0.02
"""Of all initial weights, as in the paper."""


class BertSettings(Settings):
    """Shape of a BERT encoder."""

    kind: Literal["bert"] = "bert"
    layers: int = Field(6, ge=1)
    """Number of blocks."""
    width: int = Field(384, ge=1)
    """Width D of the residual stream."""
    heads: int = Field(6, ge=1)
    """Attention heads, a divisor of `width`."""
    hidden: int | None = Field(None, ge=1)
    """Hidden width of the MLP; default: 4 times the width."""
    positions: int = Field(512, ge=1)
    """Learned positions: the most tokens that a text may have."""
    position_offset: int = Field(0, ge=0)
    """Rows of the table of positions that no text uses: the first text position is this one (RoBERTa: 2)."""
    kinds: int = Field(2, ge=1)
    """Kinds of tokens: those of the first and of the second text in BERT, one in RoBERTa."""
    activation: Activation = "gelu"
    """gelu, gelu_tanh, relu or silu."""
    tied: bool = True
    """Whether the head is the embedding matrix."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the embedding's and of each half block's output dropped in training; 0.1 in the paper."""
    norm_epsilon: float = Field(1e-12, gt=0)
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
    """Attention, then the MLP, each added to its input and the sum normalised."""

    def __init__(self, settings: BertSettings) -> None:
        super().__init__()
        width, heads, epsilon = settings.width, settings.heads, settings.norm_epsilon
        self.attention = Attention(width, heads, heads, width // heads, bias=True, out_bias=True)
        self.attention_norm = nn.LayerNorm(width, epsilon)
        self.mlp = MLP(width, settings.inner, settings.activation)
        self.mlp_norm = nn.LayerNorm(width, epsilon)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, mask: Tensor | None, tokens: Tokens | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]; see `Attention` for the rest."""
        x = self.attention_norm(x + self.dropout(self.attention(x, mask=mask, causal=False, tokens=tokens)))
        after: Tensor = self.mlp_norm(x + self.dropout(self.mlp(x)))
        return after


class Trunk(nn.Module):
    """The norm of the embedded tokens, then all blocks."""

    def __init__(self, settings: BertSettings) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(settings.width, settings.norm_epsilon)
        self.dropout = nn.Dropout(settings.dropout)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))

    def forward(self, x: Tensor, mask: Tensor | None = None, tokens: Tokens | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D], or the same of the tokens alone [1, N, D]; mask: what each may attend to, of the padded rows."""
        x = self.dropout(self.norm(x))
        for block in self.blocks:
            # Past a compiled call where there are tokens: their number differs from batch to batch.
            x = block(x, mask) if tokens is None else block.forward(x, mask, tokens)
        return x


class BertEncoder(nn.Module):
    """The encoder role; see `models.shapes.Encoder`."""

    def __init__(self, settings: BertSettings, vocabulary: int) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(vocabulary, settings.width)
        self.positions = nn.Embedding(settings.positions + settings.position_offset, settings.width)
        self.kinds = nn.Embedding(settings.kinds, settings.width)
        self.trunk = Trunk(settings)
        for part in self.modules():
            if isinstance(part, nn.Embedding | nn.Linear):
                initialise(part.weight, DEVIATION)
            if isinstance(part, nn.Linear):
                nn.init.zeros_(part.bias)

    def forward(self, ids: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None, kinds: Tensor | None = None) -> Tensor:
        """ids [B, T] -> states [B, T, D]. Raises `ValueError` for a text longer than there are positions."""
        count, sees = ids.shape[1], visible(mask, segments)
        places = positions(count, mask, segments, ids.device)
        if count > self.settings.positions and int(places.max()) >= self.settings.positions:
            raise ValueError(f"a text of {int(places.max()) + 1} tokens is longer than the model's {self.settings.positions} positions")
        tokens = Tokens.worth(mask) if mask is not None and segments is None else None
        if tokens is not None:
            ids, places, kinds = tokens.take(ids), tokens.take(places), None if kinds is None else tokens.take(kinds)
        # One kind of token: whatever kinds are told apart outside are all that one.
        told = torch.zeros_like(ids) if kinds is None or self.settings.kinds == 1 else kinds
        embedded = self.embedding(ids) + self.positions(places + self.settings.position_offset) + self.kinds(told)
        states: Tensor = self.trunk(embedded, sees, tokens)
        return states if tokens is None else tokens.put(states)

    def repeated(self) -> list[nn.Module]:
        """The blocks."""
        return list(self.trunk.blocks)


class Transform(nn.Module):
    """What states pass through before the head's matrix: a layer, the activation and a norm."""

    def __init__(self, settings: BertSettings) -> None:
        super().__init__()
        self.dense = nn.Linear(settings.width, settings.width)
        self.activation = ACTIVATIONS[settings.activation]
        self.norm = nn.LayerNorm(settings.width, settings.norm_epsilon)
        initialise(self.dense.weight, DEVIATION)
        nn.init.zeros_(self.dense.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        after: Tensor = self.norm(self.activation(self.dense(x)))
        return after


def matrix_parameters(settings: BertSettings) -> int:
    """Numbers in the matrices that a token is multiplied with, the head's transform included and its last matrix not."""
    return settings.layers * settings.width * (4 * settings.width + 2 * settings.inner) + settings.width**2
