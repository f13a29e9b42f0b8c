"""Architectures: one file each. `Architecture` is the registry: adding one is a file and a word in this union."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from zhixing.errors import SettingError
from zhixing.models import llama, rnn
from zhixing.models.llama import LlamaDecoder, LlamaSettings
from zhixing.models.rnn import RNNDecoder, RNNSettings
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
    "Decoder",
    "DecoderModel",
    "Encoder",
    "EncoderDecoderModel",
    "EncoderModel",
    "LlamaSettings",
    "Memory",
    "Model",
    "RNNSettings",
    "Shape",
    "build",
    "flops_per_token",
    "kinds",
    "parameters",
]

Architecture = Annotated[LlamaSettings | RNNSettings, Field(discriminator="kind")]

SHAPES: dict[str, tuple[Shape, ...]] = {"llama": ("decoder",), "rnn": ("decoder",)}
"""Which shapes an architecture has the roles for, by its kind."""


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
        case LlamaSettings():
            decoder: LlamaDecoder | RNNDecoder = LlamaDecoder(settings, vocabulary)
        case RNNSettings():
            decoder = RNNDecoder(settings, vocabulary)
    model = DecoderModel(decoder, Head(settings.width, vocabulary, tied=decoder.embedding if settings.tied else None), settings)
    # Free to choose, an embedding gives the residual stream unit variance from the start, next to which the first layers' zero outputs grow
    # smoothly. A tied one is small, so that a token does not begin by predicting itself. A head of its own begins with zeros: the first
    # loss is ln V.
    initialise(decoder.embedding.weight, TIED_DEVIATION if settings.tied else 1.0)
    return model


TIED_DEVIATION = 0.02
"""As in GPT-2, Llama and Qwen."""


def parameters(settings: Architecture, vocabulary: int, shape: Shape = "decoder") -> int:
    """Numbers that training changes, a tied head counted once; counted without allocating them."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(settings, vocabulary, shape).parameters())


def flops_per_token(settings: Architecture, vocabulary: int, context: int) -> float:
    """Floating-point operations of training on one token, forward and backward.

    Six for each number of a matrix that the token is multiplied with (the head included, the embedding look-up not), and for attention
    12 * layers * heads * head width * context: the count of PaLM (Chowdhery et al. 2022, arXiv 2204.02311, appendix B), which does not
    halve attention for the causal mask. nanoGPT and llm.c state their MFU the same way.
    """
    head = settings.width * vocabulary
    match settings:
        case LlamaSettings():
            attention = 12 * settings.layers * settings.heads * settings.shape[1] * context
            return 6.0 * (llama.matrix_parameters(settings) + head) + attention
        case RNNSettings():
            return 6.0 * (rnn.matrix_parameters(settings) + head)
