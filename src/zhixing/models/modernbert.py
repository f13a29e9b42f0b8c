"""ModernBERT: an encoder with what decoders have learned since BERT, and the default one to train from scratch.

Rotary positions, norms before each half of a block, GeGLU, no biases; every third layer sees the whole text, the others a window around
each token (Warner et al. 2024, arXiv 2412.13663).
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.models.shapes import initialise
from zhixing.nn.activations import gelu
from zhixing.nn.attention import Attention
from zhixing.nn.mlp import GeGLU
from zhixing.nn.padding import Tokens, near, positions, visible
from zhixing.nn.positions import rotation

Layout = tuple[tuple[Tensor, Tensor], Tensor | None]
"""The rotation of a layer and what its tokens may attend to."""


class ModernBertSettings(Settings):
    """Shape of a ModernBERT encoder."""

    kind: Literal["modernbert"] = "modernbert"
    layers: int = Field(6, ge=1)
    """Number of blocks."""
    width: int = Field(384, ge=2)
    """Width D of the residual stream."""
    heads: int = Field(6, ge=1)
    """Attention heads; width / heads is even."""
    hidden: int | None = Field(None, ge=1)
    """Hidden width of the GeGLU; default: 8/3 of the width, rounded up to a multiple of 64."""
    window: int = Field(128, ge=2)
    """Width of a local layer's window: a token sees window / 2 tokens on either side."""
    global_every: int = Field(3, ge=1)
    """The first of so many layers sees the whole text, the others their window."""
    global_theta: float = Field(160000.0, gt=0)
    """Base of the rotary angles in global layers."""
    local_theta: float = Field(10000.0, gt=0)
    """Base of the rotary angles in local layers."""
    attention_bias: bool = False
    """Biases in the attention's matrices."""
    mlp_bias: bool = False
    """Biases in the MLP's matrices."""
    norm_bias: bool = False
    """Biases in the norms."""
    transform_bias: bool = False
    """A bias in the head's transform."""
    head_bias: bool = True
    """A bias for each token of the vocabulary."""
    tied: bool = True
    """Whether the head is the embedding matrix."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the embedding's and of each half block's output dropped in training."""
    norm_epsilon: float = Field(1e-5, gt=0)
    """Added to the variance under the root."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} does not divide into {self.heads} heads of even width; change one")
        return self

    @property
    def inner(self) -> int:
        """Hidden width of the MLP, its default worked out."""
        return self.hidden or -(-8 * self.width // 192) * 64

    def is_global(self, layer: int) -> bool:
        """Whether a layer sees the whole text."""
        return layer % self.global_every == 0


class Block(nn.Module):
    """Attention, then the MLP, each on a normalised copy of the residual stream and added to it."""

    def __init__(self, settings: ModernBertSettings, layer: int) -> None:
        super().__init__()
        width, heads, epsilon, bias = settings.width, settings.heads, settings.norm_epsilon, settings.norm_bias
        # What enters the first layer is normalised already.
        self.attention_norm = nn.LayerNorm(width, epsilon, bias=bias) if layer else nn.Identity()
        self.attention = Attention(width, heads, heads, width // heads, bias=settings.attention_bias, out_bias=settings.attention_bias)
        self.mlp_norm = nn.LayerNorm(width, epsilon, bias=bias)
        self.mlp = GeGLU(width, settings.inner, bias=settings.mlp_bias)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor | None, tokens: Tokens | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]; see `Attention` for the rest."""
        x = x + self.dropout(self.attention(self.attention_norm(x), angles, mask, causal=False, tokens=tokens))
        after: Tensor = x + self.dropout(self.mlp(self.mlp_norm(x)))
        return after


class Trunk(nn.Module):
    """The norm of the embedded tokens, all blocks, and the last norm."""

    def __init__(self, settings: ModernBertSettings) -> None:
        super().__init__()
        self.settings = settings
        self.first_norm = nn.LayerNorm(settings.width, settings.norm_epsilon, bias=settings.norm_bias)
        self.dropout = nn.Dropout(settings.dropout)
        self.blocks = nn.ModuleList(Block(settings, layer) for layer in range(settings.layers))
        self.norm = nn.LayerNorm(settings.width, settings.norm_epsilon, bias=settings.norm_bias)

    def forward(self, x: Tensor, layouts: tuple[Layout, Layout], tokens: Tokens | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D], or the same of the tokens alone [1, N, D]; layouts: that of global layers, that of local ones."""
        x = self.dropout(self.first_norm(x))
        for layer, block in enumerate(self.blocks):
            angles, mask = layouts[0] if self.settings.is_global(layer) else layouts[1]
            # Past a compiled call where there are tokens: their number differs from batch to batch.
            x = block(x, angles, mask) if tokens is None else block.forward(x, angles, mask, tokens)
        out: Tensor = self.norm(x)
        return out


class ModernBertEncoder(nn.Module):
    """The encoder role; see `models.shapes.Encoder`."""

    def __init__(self, settings: ModernBertSettings, vocabulary: int) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(vocabulary, settings.width)
        self.trunk = Trunk(settings)
        for block in self.trunk.blocks:
            assert isinstance(block, Block)
            for into in (block.attention.qkv, block.mlp.gate_up):
                initialise(into.weight)
            for back in (block.attention.out, block.mlp.down):
                nn.init.zeros_(back.weight)  # a new block changes nothing: the signal and its gradient start undisturbed
            for matrix in (block.attention.qkv, block.mlp.gate_up, block.attention.out, block.mlp.down):
                if matrix.bias is not None:
                    nn.init.zeros_(matrix.bias)

    def forward(self, ids: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None, kinds: Tensor | None = None) -> Tensor:
        """ids [B, T] -> states [B, T, D]; kinds are not told apart."""
        s, count, sees = self.settings, ids.shape[1], visible(mask, segments)
        places = positions(count, mask, segments, ids.device)
        close = sees
        if count > s.window // 2 + 1:
            close = near(places, s.window // 2) if sees is None else near(places, s.window // 2) & sees
        tokens = Tokens.worth(mask) if mask is not None and segments is None else None
        if tokens is not None:
            ids, places = tokens.take(ids), tokens.take(places)
        angles = [rotation(places, s.width // s.heads, theta) for theta in (s.global_theta, s.local_theta)]
        states: Tensor = self.trunk(self.embedding(ids), ((angles[0], sees), (angles[1], close)), tokens)
        return states if tokens is None else tokens.put(states)

    def repeated(self) -> list[nn.Module]:
        """The blocks."""
        return list(self.trunk.blocks)


class Transform(nn.Module):
    """What states pass through before the head's matrix: a layer, GELU and a norm."""

    def __init__(self, settings: ModernBertSettings) -> None:
        super().__init__()
        self.dense = nn.Linear(settings.width, settings.width, bias=settings.transform_bias)
        self.norm = nn.LayerNorm(settings.width, settings.norm_epsilon, bias=settings.norm_bias)
        initialise(self.dense.weight)
        if self.dense.bias is not None:
            nn.init.zeros_(self.dense.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        after: Tensor = self.norm(gelu(self.dense(x)))
        return after


def matrix_parameters(settings: ModernBertSettings) -> int:
    """Numbers in the matrices that a token is multiplied with, the head's transform included and its last matrix not."""
    return settings.layers * settings.width * (4 * settings.width + 3 * settings.inner) + settings.width**2
