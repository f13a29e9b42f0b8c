"""Export of a translator to CTranslate2, kept only when it translates as well.

1. Our weights take their places in CTranslate2's description of a Transformer: any of ours fits, whatever its vocabularies and norms.
2. The folder appears if its translations lose no more BLEU than is allowed (`scored`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zhixing.console import warn
from zhixing.errors import MissingPackage, UserError
from zhixing.export.scored import Quantization, Scored, finish
from zhixing.files import new_folder
from zhixing.models.marian import MarianSettings
from zhixing.models.shapes import EncoderDecoderModel
from zhixing.nn.positions import sinusoids
from zhixing.tasks.translation.artifact import Translator

_ACTIVATIONS = {"relu": "RELU", "gelu": "GELU", "gelu_tanh": "GELUTanh", "silu": "SWISH"}


def write(out: Path, run: Path, translator: Translator, quantization: Quantization, tolerance: float) -> Scored:
    """Write the folder `out`, translate with it, and let it appear if it loses at most `tolerance` BLEU.

    Raises `UserError` for an architecture that CTranslate2 does not know, `ZhixingError` when too much is lost.
    """
    model, task, decode = translator.model, translator.task, translator.recipe.decode
    if not isinstance(model.settings, MarianSettings):
        kind = getattr(model.settings, "kind", "?")
        raise UserError(f"{run}: its model is of kind {kind}, which CTranslate2 does not know; it knows Transformers (kind marian)")
    try:
        from ctranslate2 import specs  # noqa: F401
    except ImportError:
        raise MissingPackage("ctranslate2", "ctranslate2", "exporting to CTranslate2") from None
    if decode.norm != "power" or decode.stop != "usual":
        warn(f"CTranslate2 searches with decode.norm = power and decode.stop = usual, not {decode.norm} and {decode.stop}")
    if decode.force_end:
        warn("CTranslate2 does not end by force what is as long as it may be: decode.force_end = false there")
    with new_folder(out, "export", extra={"to": "ctranslate2", "quantization": quantization}) as folder:
        names, end = (translator.source.names(), translator.target.names()), translator.target.end
        made = description(model, model.settings, 2 * task.context, names, begin=translator.marks.start, end=end, pad=translator.target.pad)
        made.validate()
        made.optimize(quantization=quantization)
        made.save(str(folder))
        return finish(folder, run, translator, "ctranslate2", quantization, tolerance)


def description(
    model: EncoderDecoderModel,
    settings: MarianSettings,
    positions: int,
    names: tuple[list[str], list[str]],
    *,
    begin: int,
    end: int,
    pad: int,
) -> Any:
    """CTranslate2's description of a model with our weights in it (`specs.TransformerSpec`).

    positions: places that it has to know. names: of the tokens of sources and targets, all different; begin, end, pad: ids of targets.
    """
    from ctranslate2.specs import TransformerSpec, common_spec, transformer_spec

    activation, before = getattr(common_spec.Activation, _ACTIVATIONS[settings.activation]), settings.norm == "pre"
    encoder = transformer_spec.TransformerEncoderSpec(settings.encoder_layers, settings.heads, pre_norm=before, activation=activation)
    heads = settings.decoder_heads or settings.heads
    decoder = transformer_spec.TransformerDecoderSpec(settings.decoder_layers, heads, pre_norm=before, activation=activation)
    ours = {name: value.detach().float().cpu().clone() for name, value in model.state_dict().items()}  # what is quantised is overwritten
    places = sinusoids(torch.arange(max(1024, positions + 1)) + settings.position_offset, settings.width, settings.wavelengths)
    for role, spec in (("encoder", encoder), ("decoder", decoder)):
        embedding = spec.embeddings[0] if role == "encoder" else spec.embeddings
        embedding.weight = ours[f"{role}.embedding.weight"]
        spec.scale_embeddings = settings.width**0.5 if settings.scaled else 1.0
        spec.position_encodings.encodings = places.clone()
        if before:
            _norm(spec.layer_norm, ours, f"{role}.trunk.norm")
        for number, layer in enumerate(spec.layer):
            _block(layer, ours, f"{role}.trunk.blocks.{number}.", role)
    decoder.projection.weight = model.head.matrix.detach().float().cpu().clone()
    if settings.head_bias:
        decoder.projection.bias = ours["head.bias"]
    made = TransformerSpec(encoder, decoder)
    made.register_source_vocabulary(_filled(names[0], len(encoder.embeddings[0].weight)))
    made.register_target_vocabulary(_filled(names[1], len(decoder.embeddings.weight)))
    made.config.unk_token = names[1][pad]  # never said; a name that one vocabulary lacks would become a token of its own
    made.config.bos_token = made.config.decoder_start_token = names[1][begin]
    made.config.eos_token = names[1][end]
    made.config.layer_norm_epsilon = settings.norm_epsilon
    return made


def _block(layer: Any, ours: dict[str, Tensor], name: str, role: str) -> None:
    """One block's matrices and norms."""
    parts = [
        (layer.self_attention.linear[0], "attention.qkv"),
        (layer.self_attention.linear[1], "attention.out"),
        (layer.ffn.linear_0, "mlp.up"),
        (layer.ffn.linear_1, "mlp.down"),
    ]
    norms = [(layer.self_attention.layer_norm, "attention_residual.norm"), (layer.ffn.layer_norm, "mlp_residual.norm")]
    if role == "decoder":
        parts += zip(layer.attention.linear, ("cross.q", "cross.kv", "cross.out"), strict=True)
        norms.append((layer.attention.layer_norm, "cross_residual.norm"))
    for spec, part in parts:
        spec.weight, spec.bias = ours[f"{name}{part}.weight"], ours[f"{name}{part}.bias"]
    for spec, part in norms:
        _norm(spec, ours, name + part)


def _norm(spec: Any, ours: dict[str, Tensor], name: str) -> None:
    spec.gamma, spec.beta = ours[f"{name}.weight"], ours[f"{name}.bias"]


def _filled(names: list[str], count: int) -> list[str]:
    """Names for all rows of an embedding, which may have more than the tokenizer has tokens."""
    return names + [f"<gap {number}>" for number in range(len(names), count)]
