"""The Transformer as it was first published, an encoder and a decoder that attends to it, and its pre-norm sibling.

With `norm = post` it computes what Marian's translation models do (Vaswani et al. 2017, arXiv 1706.03762; Junczys-Dowmunt et al. 2018,
arXiv 1804.00344), with `norm = pre` what M2M100 and NLLB do (Fan et al. 2020, arXiv 2010.11125; NLLB team 2022, arXiv 2207.04672).

    source ids -> embedding * scale + sinusoids -> encoder blocks -> memory
    target ids -> embedding * scale + sinusoids -> decoder blocks, each attending to the tokens before and to the memory -> head

The defaults have a deep encoder and a shallow decoder: the encoder runs once a sentence, the decoder once a token, and for the same number
of parameters this translates as well and much faster (Kasai et al. 2021, arXiv 2006.10369).
"""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.models.shapes import Memory, initialise
from zhixing.nn.attention import Attention, CrossAttention
from zhixing.nn.mlp import MLP, Activation
from zhixing.nn.padding import positions, visible
from zhixing.nn.positions import Wavelengths, sinusoids
from zhixing.nn.state import State


class MarianSettings(Settings):
    """Shape of a Transformer encoder-decoder, or of its encoder alone."""

    kind: Literal["marian"] = "marian"
    encoder_layers: int = Field(6, ge=1)
    """Number of encoder blocks."""
    decoder_layers: int = Field(2, ge=1)
    """Number of decoder blocks."""
    width: int = Field(256, ge=2)
    """Width D of the residual stream."""
    heads: int = Field(4, ge=1)
    """Attention heads of the encoder, a divisor of `width`."""
    decoder_heads: int | None = Field(None, ge=1)
    """Attention heads of the decoder; default: as many as the encoder's."""
    hidden: int | None = Field(None, ge=1)
    """Hidden width of the encoder's MLPs; default: 4 times the width."""
    decoder_hidden: int | None = Field(None, ge=1)
    """Hidden width of the decoder's MLPs; default: as wide as the encoder's."""
    activation: Activation = "relu"
    """gelu, gelu_tanh, relu or silu."""
    norm: Literal["post", "pre"] = "post"
    """post: the sum of the residual stream and a half block's output is normalised (Marian); pre: what goes into it is (M2M100)."""
    wavelengths: Wavelengths = "open"
    """Spacing of the sinusoids: open (Marian) or closed (M2M100); see `nn.positions.sinusoids`."""
    position_offset: int = Field(0, ge=0)
    """Number of the first position; M2M100 begins with 2."""
    scaled: bool = True
    """Whether embeddings are multiplied by the root of the width."""
    tied: bool = True
    """Whether the head is the decoder's embedding matrix."""
    head_bias: bool = False
    """Whether the logits have a bias."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the embedding's and of each half block's output dropped in training; 0.1 in the papers."""
    norm_epsilon: float = Field(1e-5, gt=0)
    """Added to the variance under the root."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name, heads in (("heads", self.heads), ("decoder_heads", self.decoder_heads or self.heads)):
            if self.width % heads:
                raise ValueError(f"width {self.width} does not divide into {name} = {heads}; change one")
        return self

    @property
    def layers(self) -> int:
        """Blocks of both roles."""
        return self.encoder_layers + self.decoder_layers

    @property
    def inner(self) -> tuple[int, int]:
        """Hidden widths of the encoder's and the decoder's MLPs, the defaults worked out."""
        hidden = self.hidden or 4 * self.width
        return hidden, self.decoder_hidden or hidden


class Residual(nn.Module):
    """What surrounds a half block: the norm, dropout, and the sum with the residual stream."""

    def __init__(self, settings: MarianSettings) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(settings.width, settings.norm_epsilon)
        self.dropout = nn.Dropout(settings.dropout)
        self.post = settings.norm == "post"

    def before(self, x: Tensor) -> Tensor:
        """What goes into the half block."""
        before: Tensor = x if self.post else self.norm(x)
        return before

    def after(self, x: Tensor, out: Tensor) -> Tensor:
        """The residual stream, given what comes out of it."""
        x = x + self.dropout(out)
        after: Tensor = self.norm(x) if self.post else x
        return after


class EncoderBlock(nn.Module):
    """Attention to the whole text, then the MLP."""

    def __init__(self, settings: MarianSettings) -> None:
        super().__init__()
        width, heads = settings.width, settings.heads
        self.attention = Attention(width, heads, heads, width // heads, bias=True, out_bias=True)
        self.attention_residual = Residual(settings)
        self.mlp = MLP(width, settings.inner[0], settings.activation)
        self.mlp_residual = Residual(settings)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        x = self.attention_residual.after(x, self.attention(self.attention_residual.before(x), mask=mask, causal=False))
        after: Tensor = self.mlp_residual.after(x, self.mlp(self.mlp_residual.before(x)))
        return after


class DecoderBlock(nn.Module):
    """Attention to the tokens before, attention to the encoder's memory, then the MLP."""

    def __init__(self, settings: MarianSettings) -> None:
        super().__init__()
        width, heads = settings.width, settings.decoder_heads or settings.heads
        self.attention = Attention(width, heads, heads, width // heads, bias=True, out_bias=True)
        self.attention_residual = Residual(settings)
        self.cross = CrossAttention(width, heads)
        self.cross_residual = Residual(settings)
        self.mlp = MLP(width, settings.inner[1], settings.activation)
        self.mlp_residual = Residual(settings)

    def forward(
        self,
        x: Tensor,
        memory: tuple[Tensor, ...],
        memory_mask: Tensor | None,
        mask: Tensor | None = None,
        past: tuple[State, int] | None = None,
    ) -> Tensor:
        """[B, T, D] -> [B, T, D]; memory: the keys and values of `CrossAttention`; see `Attention` for the rest."""
        x = self.attention_residual.after(x, self.attention(self.attention_residual.before(x), mask=mask, past=past))
        x = self.cross_residual.after(x, self.cross(self.cross_residual.before(x), *memory, memory_mask))
        after: Tensor = self.mlp_residual.after(x, self.mlp(self.mlp_residual.before(x)))
        return after


class Begin(nn.Module):
    """From embedded tokens to the residual stream: scale, add the sinusoids."""

    def __init__(self, settings: MarianSettings) -> None:
        super().__init__()
        self.scale = settings.width**0.5 if settings.scaled else 1.0
        self.offset, self.wavelengths = settings.position_offset, settings.wavelengths
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        """[B, T, D] and positions [T] or [B, T] -> [B, T, D]."""
        begun: Tensor = self.dropout(x * self.scale + sinusoids(places + self.offset, x.shape[-1], self.wavelengths).to(x.dtype))
        return begun


class EncoderTrunk(nn.Module):
    """All encoder blocks, and with pre-norm the last norm."""

    def __init__(self, settings: MarianSettings) -> None:
        super().__init__()
        self.begin = Begin(settings)
        self.blocks = nn.ModuleList(EncoderBlock(settings) for _ in range(settings.encoder_layers))
        self.norm = _last_norm(settings)

    def forward(self, x: Tensor, mask: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        seen = visible(mask, segments)
        x = self.begin(x, positions(x.shape[1], mask, segments, x.device))
        for block in self.blocks:
            x = block(x, seen)
        out: Tensor = self.norm(x)
        return out


class DecoderTrunk(nn.Module):
    """All decoder blocks, and with pre-norm the last norm."""

    def __init__(self, settings: MarianSettings) -> None:
        super().__init__()
        self.begin = Begin(settings)
        self.blocks = nn.ModuleList(DecoderBlock(settings) for _ in range(settings.decoder_layers))
        self.norm = _last_norm(settings)

    def read(self, memory: Memory) -> list[tuple[Tensor, ...]]:
        """What each block attends to: keys and values of the memory."""
        blocks = (block for block in self.blocks if isinstance(block, DecoderBlock))
        return [block.cross.read(memory.states) for block in blocks]

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        """[B, T, D] -> [B, T, D] from the first token on."""
        x = self.begin(x, torch.arange(x.shape[1], device=x.device))
        seen = visible(memory.mask, None)
        for block, read in zip(self.blocks, self.read(memory), strict=True):
            x = block(x, read, seen)
        out: Tensor = self.norm(x)
        return out

    def looks(self, x: Tensor, memory: Memory, layer: int) -> Tensor:
        """[B, T, D] -> what one block attends to of the memory, from the first token on: [B, T, S]; see `CrossAttention.weights`."""
        x = self.begin(x, torch.arange(x.shape[1], device=x.device))
        seen, read = visible(memory.mask, None), self.read(memory)
        for number in range(layer):
            x = self.blocks[number](x, read[number], seen)
        block = self.blocks[layer]
        assert isinstance(block, DecoderBlock)
        x = block.attention_residual.after(x, block.attention(block.attention_residual.before(x)))
        return block.cross.weights(block.cross_residual.before(x), read[layer][0], seen)

    def step(self, x: Tensor, state: State, lengths: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D] after what `state` has seen, which is moved on."""
        places = state.positions(x.shape[1])
        x, mask, seen = self.begin(x, places), state.visible(places), visible(state.memory_mask, None)
        for layer, block in enumerate(self.blocks):
            x = block.forward(x, state.memory[layer], seen, mask, (state, layer))  # past a compiled call: shapes differ from step to step
        state.advance(x.shape[1], lengths)
        out: Tensor = self.norm(x)
        return out


def _last_norm(settings: MarianSettings) -> nn.Module:
    return nn.LayerNorm(settings.width, settings.norm_epsilon) if settings.norm == "pre" else nn.Identity()


def _draw(trunk: nn.Module) -> None:
    """Matrices at random, and zero where a half block ends: a new block changes nothing, so that the signal starts undisturbed."""
    for name, parameter in trunk.named_parameters():
        if parameter.ndim == 2:
            initialise(parameter)
        if name.endswith(("out.weight", "down.weight", "bias")):
            nn.init.zeros_(parameter)


class MarianEncoder(nn.Module):
    """The encoder role; see `models.shapes.Encoder`."""

    def __init__(self, settings: MarianSettings, embedding: nn.Embedding) -> None:
        super().__init__()
        self.embedding = embedding
        self.trunk = EncoderTrunk(settings)
        _draw(self.trunk)

    def forward(self, ids: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None, kinds: Tensor | None = None) -> Tensor:
        """ids [B, T] -> states [B, T, D]; there are no kinds of tokens here."""
        states: Tensor = self.trunk(self.embedding(ids), mask, segments)
        return states

    def repeated(self) -> list[nn.Module]:
        """The blocks."""
        return list(self.trunk.blocks)


class MarianDecoder(nn.Module):
    """The decoder role, beside an encoder; see `models.shapes.Decoder`.

    The memory may have fewer rows than the ids: B / k rows serve k adjacent rows each, the beams of one sentence, and exist once.
    """

    def __init__(self, settings: MarianSettings, embedding: nn.Embedding) -> None:
        super().__init__()
        self.embedding = embedding
        self.trunk = DecoderTrunk(settings)
        _draw(self.trunk)

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
        assert segments is None, "pairs are not packed"
        embedded = self.embedding(ids)
        if state is None:
            assert memory is not None, "this decoder stands beside an encoder"
            return self.trunk(embedded, memory), None
        if memory is not None:
            state.memory, state.memory_mask = self.trunk.read(memory), memory.mask
        return self.trunk.step(embedded, state, lengths), state

    def looks(self, ids: Tensor, memory: Memory, layer: int) -> Tensor:
        """ids [B, T] -> how much block `layer` attends to each token of the memory where it reads each id: [B, T, S]."""
        return self.trunk.looks(self.embedding(ids), memory, layer)

    def start(self, batch: int, capacity: int = 0) -> State:
        """No tokens seen; room for `capacity`."""
        return State.empty(len(self.trunk.blocks), batch, capacity, self.embedding.weight.device)

    def repeated(self) -> list[nn.Module]:
        """The blocks."""
        return list(self.trunk.blocks)


def matrix_parameters(settings: MarianSettings) -> tuple[int, int]:
    """Numbers in the matrices of the encoder's and of the decoder's trunk: those that a source and a target token are multiplied with.

    The matrices that make keys and values of the memory are counted with the encoder: they meet each source token once.
    """
    square, (encoder, decoder) = settings.width**2, (2 * settings.width * hidden for hidden in settings.inner)
    of_source = settings.encoder_layers * (4 * square + encoder) + settings.decoder_layers * 2 * square
    return of_source, settings.decoder_layers * (6 * square + decoder)
