"""Architectures: one file each. `Architecture` is the registry: adding one is a file and a word in this union."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import nn
from torch.overrides import TorchFunctionMode

from zhixing.errors import SettingError
from zhixing.models import bert, cnn, gpt2, llama, marian, modernbert, rnn
from zhixing.models.bag import BagEncoder, BagSettings
from zhixing.models.bert import BertEncoder, BertSettings
from zhixing.models.cnn import CNNDecoder, CNNEncoder, CNNSettings
from zhixing.models.gpt2 import GPT2Decoder, GPT2Settings
from zhixing.models.llama import LlamaDecoder, LlamaSettings
from zhixing.models.marian import MarianDecoder, MarianEncoder, MarianSettings
from zhixing.models.modernbert import ModernBertEncoder, ModernBertSettings
from zhixing.models.rnn import RNNDecoder, RNNEncoder, RNNSettings
from zhixing.models.shapes import (
    Decoder,
    DecoderModel,
    Encoder,
    EncoderDecoderModel,
    EncoderModel,
    Head,
    Memory,
    Model,
    Shape,
    initialise,
)

__all__ = [
    "Architecture",
    "BagSettings",
    "BertSettings",
    "CNNSettings",
    "Decoder",
    "DecoderModel",
    "Encoder",
    "EncoderDecoderModel",
    "EncoderModel",
    "GPT2Settings",
    "LlamaSettings",
    "MarianSettings",
    "Memory",
    "Model",
    "ModernBertSettings",
    "RNNSettings",
    "Shape",
    "build",
    "flops_per_token",
    "kinds",
    "longest",
    "parameters",
]

Architecture = Annotated[
    LlamaSettings | GPT2Settings | RNNSettings | CNNSettings | BagSettings | BertSettings | ModernBertSettings | MarianSettings,
    Field(discriminator="kind"),
]

SHAPES: dict[str, tuple[Shape, ...]] = {
    "llama": ("decoder",),
    "gpt2": ("decoder",),
    "rnn": ("decoder", "encoder", "encoder-decoder"),
    "cnn": ("decoder", "encoder", "encoder-decoder"),
    "bert": ("encoder",),
    "modernbert": ("encoder",),
    "marian": ("encoder", "encoder-decoder"),
    "bag": ("encoder",),
}
"""Which shapes an architecture has the roles for, by its kind."""

USUAL: dict[Shape, str] = {"decoder": "llama", "encoder": "modernbert", "encoder-decoder": "marian"}
"""The architecture that is meant where none is named."""


def kinds(shape: Shape) -> list[str]:
    """Architectures that can take a shape."""
    return [kind for kind, shapes in SHAPES.items() if shape in shapes]


def build(settings: Architecture, vocabulary: int, shape: Shape = "decoder", source_vocabulary: int | None = None) -> Model:
    """A new model on the current default device, its weights drawn from torch's global generator.

    source_vocabulary: ids that the encoder of an encoder-decoder knows, where they are others than the decoder's; None: the same ids, and
    one embedding for both. Raises `SettingError` for an architecture that cannot take the shape.
    """
    if shape not in SHAPES[settings.kind]:
        raise SettingError("model.kind", f"= {settings.kind} cannot be a model of shape {shape}; these can: {', '.join(kinds(shape))}")
    match settings:
        case MarianSettings():
            return _marian_model(settings, vocabulary, shape, source_vocabulary)
        case LlamaSettings():
            return _decoder_model(LlamaDecoder(settings, vocabulary), settings, vocabulary)
        case GPT2Settings():
            return _decoder_model(GPT2Decoder(settings, vocabulary), settings, vocabulary)
        case RNNSettings():
            return _either_role(
                partial(RNNEncoder, settings), partial(RNNDecoder, settings), settings, vocabulary, shape, source_vocabulary
            )
        case CNNSettings():
            return _either_role(
                partial(CNNEncoder, settings), partial(CNNDecoder, settings), settings, vocabulary, shape, source_vocabulary
            )
        case BagSettings():
            bag = BagEncoder(settings, vocabulary)
            initialise(bag.embedding.weight, TIED_DEVIATION)
            return EncoderModel(bag, Head(settings.width, vocabulary, tied=bag.embedding if settings.tied else None), settings)
        case BertSettings():
            return _masked_model(BertEncoder(settings, vocabulary), bert.Transform(settings), settings, vocabulary)
        case ModernBertSettings():
            encoder = ModernBertEncoder(settings, vocabulary)
            initialise(encoder.embedding.weight, TIED_DEVIATION)  # its size means nothing: a norm comes first
            return _masked_model(encoder, modernbert.Transform(settings), settings, vocabulary, bias=settings.head_bias)


def _either_role(
    encoder_of: Callable[[int], RNNEncoder | CNNEncoder],
    decoder_of: Callable[..., RNNDecoder | CNNDecoder],
    settings: RNNSettings | CNNSettings,
    vocabulary: int,
    shape: Shape,
    source_vocabulary: int | None,
) -> Model:
    """A model of an architecture that has both roles."""
    if shape == "decoder":
        return _decoder_model(decoder_of(vocabulary), settings, vocabulary)
    encoder = encoder_of(source_vocabulary or vocabulary)
    if shape == "encoder":
        initialise(encoder.embedding.weight, TIED_DEVIATION if settings.tied else 1.0)
        return EncoderModel(encoder, Head(settings.width, vocabulary, tied=encoder.embedding if settings.tied else None), settings)
    decoder = decoder_of(vocabulary, attends=True)
    if source_vocabulary is None:
        encoder.embedding = decoder.embedding
    else:
        initialise(encoder.embedding.weight, 1.0)
    initialise(decoder.embedding.weight, TIED_DEVIATION if settings.tied else 1.0)
    head = Head(settings.width, vocabulary, tied=decoder.embedding if settings.tied else None)
    return EncoderDecoderModel(encoder, decoder, head, settings)


def _decoder_model(
    decoder: LlamaDecoder | GPT2Decoder | RNNDecoder | CNNDecoder,
    settings: LlamaSettings | GPT2Settings | RNNSettings | CNNSettings,
    vocabulary: int,
) -> DecoderModel:
    model = DecoderModel(decoder, Head(settings.width, vocabulary, tied=decoder.embedding if settings.tied else None), settings)
    # Free to choose, an embedding gives the residual stream unit variance from the start, next to which the first layers' zero outputs grow
    # smoothly. A tied one is small, so that a token does not begin by predicting itself. A head of its own begins with zeros: the first
    # loss is ln V.
    initialise(decoder.embedding.weight, TIED_DEVIATION if settings.tied else 1.0)
    return model


def _masked_model(
    encoder: BertEncoder | ModernBertEncoder,
    transform: nn.Module,
    settings: BertSettings | ModernBertSettings,
    vocabulary: int,
    bias: bool = True,
) -> EncoderModel:
    tied = encoder.embedding if settings.tied else None
    return EncoderModel(encoder, Head(settings.width, vocabulary, tied=tied, bias=bias, transform=transform), settings)


def _marian_model(
    settings: MarianSettings, vocabulary: int, shape: Shape, source_vocabulary: int | None
) -> EncoderModel | EncoderDecoderModel:
    embedding = nn.Embedding(vocabulary, settings.width)
    head = Head(settings.width, vocabulary, tied=embedding if settings.tied else None, bias=settings.head_bias)
    # Scaled, an embedding of unit variance has this deviation; a tied one is small, so that a token does not begin by predicting itself.
    free = settings.width**-0.5 if settings.scaled else 1.0
    initialise(embedding.weight, TIED_DEVIATION if settings.tied else free)
    if shape == "encoder":
        return EncoderModel(MarianEncoder(settings, embedding), head, settings)
    source = embedding
    if source_vocabulary is not None:
        source = nn.Embedding(source_vocabulary, settings.width)
        initialise(source.weight, free)
    return EncoderDecoderModel(MarianEncoder(settings, source), MarianDecoder(settings, embedding), head, settings)


TIED_DEVIATION = 0.02
"""As in GPT-2, Llama and Qwen."""


@contextmanager
def without_weights() -> Iterator[None]:
    """What is built inside has weights on the device `meta`: their shapes and nothing in them, for models whose weights a file holds.

    There torch would still draw them, by decompositions written in Python, and the first draw imports these for seconds.
    """
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    """Initial values are not drawn."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in _DRAWS:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **(kwargs or {}))


_DRAWS = {nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_, nn.init.trunc_normal_, nn.init.orthogonal_}


def parameters(settings: Architecture, vocabulary: int, shape: Shape = "decoder", source_vocabulary: int | None = None) -> int:
    """Numbers that training changes, a tied head counted once; counted without allocating them."""
    with without_weights():
        return sum(parameter.numel() for parameter in build(settings, vocabulary, shape, source_vocabulary).parameters())


def longest(settings: Architecture) -> int | None:
    """The most tokens that a text may have; None: any number."""
    return settings.positions if isinstance(settings, GPT2Settings | BertSettings) else None


def flops_per_token(settings: Architecture, vocabulary: int, context: int, shape: Shape = "decoder") -> float:
    """Floating-point operations of training on one token (an encoder-decoder: on one of the target and one of the source), both ways.

    Six for each number of a matrix that the token is multiplied with (the head included, the embedding look-up not), and for attention
    12 * layers * heads * head width * context: the count of PaLM (Chowdhery et al. 2022, arXiv 2204.02311, appendix B), which does not
    halve attention for the causal mask. nanoGPT and llm.c state their MFU the same way. Where a layer sees a window, that is its context.
    """
    head = settings.width * vocabulary
    match settings:
        case LlamaSettings():
            full = settings.layers if settings.window is None else min(settings.layers, settings.full_layers)
            seen = full * context + (settings.layers - full) * min(context, settings.window or context)
            return 6.0 * (llama.matrix_parameters(settings) + head) + 12 * seen * settings.heads * settings.shape[1]
        case GPT2Settings():
            return 6.0 * (gpt2.matrix_parameters(settings) + head) + 12 * settings.layers * settings.width * context
        case MarianSettings():
            of_source, of_target = marian.matrix_parameters(settings)
            attention = 12 * settings.encoder_layers * settings.width * context
            if shape == "encoder":
                read = settings.decoder_layers * 2 * settings.width**2  # only a decoder reads the memory
                return 6.0 * (of_source - read + head) + attention
            return 6.0 * (of_source + of_target + head) + attention + 12 * 2 * settings.decoder_layers * settings.width * context
        case RNNSettings():
            looks = 1 if shape == "encoder-decoder" else 0
            return 6.0 * (rnn.matrix_parameters(settings, shape) + head) + 12 * looks * settings.width * context
        case CNNSettings():
            looks = settings.layers if shape == "encoder-decoder" else 0
            return 6.0 * (cnn.matrix_parameters(settings, shape) + head) + 12 * looks * settings.width * context
        case BagSettings():
            return 6.0 * head
        case BertSettings():
            return 6.0 * (bert.matrix_parameters(settings) + head) + 12 * settings.layers * settings.width * context
        case ModernBertSettings():
            seen = sum(context if settings.is_global(n) else min(context, settings.window + 1) for n in range(settings.layers))
            return 6.0 * (modernbert.matrix_parameters(settings) + head) + 12 * seen * settings.width
