"""Roles and shapes. An architecture supplies roles, an `Encoder`, a `Decoder` or both; a shape composes roles and a head into a model.

    decoder           DecoderModel(decoder)                    causal language models
    encoder           EncoderModel(encoder)                    masked language models; the body of classifiers
    encoder-decoder   EncoderDecoderModel(encoder, decoder)    translation, denoising

All three end in a `Head`, so that a loss need not know which shape it trains: `model.head(states)` are logits, and from the head's parts
`losses.cross_entropy` makes them a chunk at a time.

Models know integers only: no vocabulary words, loss, optimizer, checkpoint or device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.nn.state import State

Shape = Literal["decoder", "encoder", "encoder-decoder"]


@dataclass(frozen=True)
class Memory:
    """What an encoder has read, for a decoder to attend to."""

    states: Tensor
    """[B, S, D]."""
    mask: Tensor | None = None
    """[B, S], True where there is a token; None: everywhere."""

    def reorder(self, index: Tensor) -> Memory:
        """The memory whose row i was row `index[i]`."""
        return replace(self, states=self.states[index], mask=None if self.mask is None else self.mask[index])


@runtime_checkable
class Encoder(Protocol):
    """Reads token ids all at once; what it says at a token depends on all tokens of the row."""

    embedding: nn.Embedding
    """[V, D]."""
    trunk: nn.Module
    """Everything but the look-up of tokens (and of positions and kinds, where they are learned)."""

    def __call__(self, ids: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None, kinds: Tensor | None = None) -> Tensor:
        """ids [B, T] -> states [B, T, D].

        mask: [B, T], True where there is a token: what stands elsewhere changes nothing at the tokens. None: everywhere.
        segments: [B, T] numbers of documents packed into a row, each read as if alone, its positions counted from its own start.
        kinds: [B, T], 0 in the first text of a pair and 1 in the second (BERT's token types); architectures without them take no notice.
        """
        ...

    def repeated(self) -> list[nn.Module]:
        """The layers to compile one by one; see `Decoder`."""
        ...


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
        memory: Memory | None = None,
        state: State | None = None,
        *,
        segments: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, State | None]:
        """ids [B, T] -> states [B, T, D] and the given state, moved on.

        memory: what an encoder has read; None for a decoder that stands alone. With a state it is needed at the first call only: the state
        keeps what the layers make of it.
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


class Head(nn.Module):
    """Turns states into logits: an optional transform, then the product with a matrix [V, D], and an optional bias [V].

    tied: an embedding whose matrix is the head's too (Press and Wolf 2017, arXiv 1608.05859); None: the head has one of its own.
    transform: what states pass through first (in BERT a layer, GELU and a norm); None: nothing.
    """

    def __init__(
        self, width: int, vocabulary: int, *, tied: nn.Embedding | None = None, bias: bool = False, transform: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.transform = transform or nn.Identity()
        self.tied = tied is not None
        self._embedding = (tied,)  # in a tuple: a tied matrix is one parameter, under the embedding's name
        if tied is None:
            self.register_parameter("weight", nn.Parameter(torch.zeros(vocabulary, width)))  # all tokens equally likely at first
        self.bias = nn.Parameter(torch.zeros(vocabulary)) if bias else None

    def forward(self, states: Tensor) -> Tensor:
        """[..., D] -> logits [..., V]."""
        return F.linear(self.transform(states), self.matrix, self.bias)

    @property
    def matrix(self) -> Tensor:
        """[V, D]."""
        matrix = self.weight if self._embedding[0] is None else self._embedding[0].weight
        assert isinstance(matrix, Tensor)
        return matrix


class DecoderModel(nn.Module):
    """The decoder-only shape: a decoder and a head that turns its states into logits."""

    shape: Shape = "decoder"

    def __init__(self, decoder: nn.Module, head: Head, settings: Settings) -> None:
        """settings: those of the architecture, kept for whoever writes the model down."""
        super().__init__()
        self.settings = settings
        self.decoder = decoder
        self.head = head

    def forward(
        self, ids: Tensor, state: State | None = None, *, segments: Tensor | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State | None]:
        """ids [B, T] -> states [B, T, D] and the state, moved on; see `Decoder`."""
        states, after = self.decoder(ids, state=state, segments=segments, lengths=lengths)
        return states, after

    def start(self, batch: int, capacity: int = 0) -> State:
        """The state of `batch` rows before their first token; see `Decoder`."""
        return _start(self.decoder, batch, capacity)

    def repeated(self) -> list[nn.Module]:
        """The layers to compile one by one; see `Decoder`."""
        return _repeated(self.decoder)


class EncoderModel(nn.Module):
    """The encoder-only shape: an encoder and a head that says what stood at a token."""

    shape: Shape = "encoder"

    def __init__(self, encoder: nn.Module, head: Head, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = encoder
        self.head = head

    def forward(self, ids: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None, kinds: Tensor | None = None) -> Tensor:
        """ids [B, T] -> states [B, T, D]; see `Encoder`."""
        states: Tensor = self.encoder(ids, mask, segments=segments, kinds=kinds)
        return states

    def repeated(self) -> list[nn.Module]:
        """The layers to compile one by one; see `Decoder`."""
        return _repeated(self.encoder)


class EncoderDecoderModel(nn.Module):
    """The encoder-decoder shape: a decoder that attends to what an encoder has read, and a head."""

    shape: Shape = "encoder-decoder"

    def __init__(self, encoder: nn.Module, decoder: nn.Module, head: Head, settings: Settings) -> None:
        """Where encoder and decoder share one embedding, both hold the same `nn.Embedding`."""
        super().__init__()
        self.settings = settings
        self.encoder = encoder
        self.decoder = decoder
        self.head = head

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.head.matrix.device

    def forward(self, source: Tensor, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """source [B, S] with its mask [B, S], ids [B, T] -> the decoder's states [B, T, D], every row from its first token on."""
        states, _ = self.decode(ids, self.encode(source, mask))
        return states

    def encode(self, source: Tensor, mask: Tensor | None = None) -> Memory:
        """source [B, S] -> what the decoder attends to."""
        return Memory(self.encoder(source, mask), mask)

    def decode(
        self, ids: Tensor, memory: Memory | None = None, state: State | None = None, *, lengths: Tensor | None = None
    ) -> tuple[Tensor, State | None]:
        """ids [B, T] -> states [B, T, D] and the state, moved on; see `Decoder`."""
        states, after = self.decoder(ids, memory, state, lengths=lengths)
        return states, after

    def start(self, batch: int, capacity: int = 0) -> State:
        """The state of `batch` rows before their first token; see `Decoder`."""
        return _start(self.decoder, batch, capacity)

    def repeated(self) -> list[nn.Module]:
        """The layers to compile one by one; see `Decoder`."""
        return _repeated(self.encoder) + _repeated(self.decoder)


Model = DecoderModel | EncoderModel | EncoderDecoderModel


class Stepped(Protocol):
    """What a search over an encoder-decoder calls: an `EncoderDecoderModel`, or what another engine computes in its place."""

    @property
    def device(self) -> torch.device:
        """Where ids are to lie."""
        ...

    @property
    def head(self) -> Callable[[Tensor], Tensor]:
        """States [..., D] -> logits [..., V]."""
        ...

    def encode(self, source: Tensor, mask: Tensor | None = None) -> Any:
        """source [B, S] -> what `decode` takes as its memory."""
        ...

    def decode(self, ids: Tensor, memory: Any = None, state: State | None = None) -> tuple[Tensor, State | None]:
        """ids [B, T] -> states [B, T, D] and the state, moved on; see `Decoder`."""
        ...

    def start(self, batch: int, capacity: int = 0) -> State:
        """The state of `batch` rows before their first token; see `Decoder`."""
        ...


def _start(decoder: nn.Module, batch: int, capacity: int) -> State:
    state = decoder.start(batch, capacity)  # type: ignore[operator]
    assert isinstance(state, State)
    return state


def _repeated(role: nn.Module) -> list[nn.Module]:
    return list(role.repeated())  # type: ignore[operator]


def initialise(weight: Tensor, scale: float | None = None) -> None:
    """Fill a matrix [out, in] from a normal distribution cut at two deviations, of deviation `scale` (default 1/sqrt(in))."""
    deviation = weight.shape[1] ** -0.5 if scale is None else scale
    with torch.no_grad():
        nn.init.trunc_normal_(weight, std=deviation, a=-2 * deviation, b=2 * deviation)
