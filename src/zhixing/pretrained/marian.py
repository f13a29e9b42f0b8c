"""Translation models of Hugging Face: Marian (post-norm) and M2M100, which is NLLB's form too (pre-norm).

Theirs keeps query, key and value as matrices of their own; ours are fused in this order. Where embeddings are shared and tied, their files
hold the one matrix under any of four names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zhixing.config import resolve
from zhixing.errors import ArtifactError, SettingError, UserError
from zhixing.files import read_json
from zhixing.models.marian import MarianSettings
from zhixing.models.shapes import EncoderDecoderModel
from zhixing.pretrained.weights import Weights

FAMILIES = {"marian": "MarianMTModel", "m2m_100": "M2M100ForConditionalGeneration"}
ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "swish": "silu", "silu": "silu"}
SHARED, SOURCE, TARGET, HEAD = (
    "model.shared.weight",
    "model.encoder.embed_tokens.weight",
    "model.decoder.embed_tokens.weight",
    "lm_head.weight",
)


def family(settings: MarianSettings, apart: bool) -> str:
    """Which of theirs computes what these settings do; apart: whether the encoder has an embedding of its own.

    Raises `SettingError` when none does.
    """
    given = (settings.wavelengths, settings.position_offset)
    if settings.norm == "post":
        if given != ("open", 0):
            raise SettingError("model.wavelengths", "= open and position_offset = 0 are the only ones that Marian knows with norm = post")
        return "marian"
    if given != ("closed", 2):
        raise SettingError("model.wavelengths", "= closed and position_offset = 2 are the only ones that M2M100 knows with norm = pre")
    if apart or settings.head_bias:
        raise SettingError("model.norm", "= pre is M2M100's, which knows one vocabulary for both languages and no bias on the logits")
    return "m2m_100"


def settings(config: Any, where: Path) -> tuple[MarianSettings, int, int, int | None]:
    """Our settings, the target vocabulary, the context, and the source vocabulary where it has an embedding of its own.

    Raises `ArtifactError` for what we would compute otherwise.
    """
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in FAMILIES:
        raise ArtifactError(where, f"is a model of type {kind!r}; known are {', '.join(FAMILIES)}")
    activation = config.get("activation_function", "gelu" if kind == "marian" else "relu")
    if activation not in ACTIVATIONS:
        raise ArtifactError(where, f"asks for activation_function {activation!r}, which is not supported")
    if config.get("quantization_config") is not None:
        raise ArtifactError(where, "asks for quantised weights, which is not supported")
    ours = {
        "encoder_layers": config.get("encoder_layers"),
        "decoder_layers": config.get("decoder_layers"),
        "width": config.get("d_model"),
        "heads": config.get("encoder_attention_heads"),
        "decoder_heads": config.get("decoder_attention_heads"),
        "hidden": config.get("encoder_ffn_dim"),
        "decoder_hidden": config.get("decoder_ffn_dim"),
        "activation": ACTIVATIONS[activation],
        "norm": "post" if kind == "marian" else "pre",
        "wavelengths": "open" if kind == "marian" else "closed",
        "position_offset": 0 if kind == "marian" else 2,
        "scaled": bool(config.get("scale_embedding", kind != "marian")),
        "tied": bool(config.get("tie_word_embeddings", True)),
        "head_bias": kind == "marian",
        "dropout": config.get("dropout", 0.1),
    }
    try:
        source, context = int(config["vocab_size"]), int(config["max_position_embeddings"])
        shared = kind != "marian" or bool(config.get("share_encoder_decoder_embeddings", True))
        vocabulary = source if shared else int(config.get("decoder_vocab_size") or source)
        if kind == "m2m_100" and int(config.get("pad_token_id") or 1) != 1:
            raise ArtifactError(where, "counts positions from a pad_token_id other than 1, which is not supported")
        found = resolve(MarianSettings, ours)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(where, f"is not the config of a {kind} model ({error})") from None
    except ArtifactError:
        raise
    except UserError as error:
        raise ArtifactError(where, f"is not the config of a {kind} model: {error}") from None
    return found, vocabulary, context, None if shared and found.tied else source


def decoding(folder: Path) -> tuple[int | None, dict[str, Any]]:
    """The token that translations begin with, and settings of `decode.beam` that the folder recommends."""
    said: dict[str, Any] = {}
    for name in ("config.json", "generation_config.json"):
        if (folder / name).is_file() and isinstance(tree := read_json(folder / name), dict):
            said |= {key: value for key, value in tree.items() if value is not None}
    found: dict[str, Any] = {"beams": said.get("num_beams", 1), "length_penalty": said.get("length_penalty", 1.0)}
    found["stop"] = {True: "first", "never": "never"}.get(said.get("early_stopping", False), "usual")
    found["no_repeat"] = said.get("no_repeat_ngram_size", 0)
    if (most := said.get("max_length")) and most > 20:  # 20 is the library's own default, and no one's wish
        found["tokens"] = most - 1  # theirs counts the begin mark
    found["banned"] = tuple(word[0] for word in said.get("bad_words_ids", []) if len(word) == 1)
    found["force_end"] = said.get("forced_eos_token_id") is not None
    if (first := said.get("forced_bos_token_id")) is not None:
        found["first"] = (first,)
    begin = said.get("decoder_start_token_id")
    return (begin if isinstance(begin, int) else None), found


def config(settings: MarianSettings, vocabulary: int, context: int, source_vocabulary: int | None) -> dict[str, Any]:
    """Their `config.json` for our settings; source_vocabulary: where the encoder has an embedding of its own."""
    kind = family(settings, source_vocabulary is not None)
    hidden, decoder_hidden = settings.inner
    theirs = {ours: name for name, ours in reversed(ACTIVATIONS.items())}
    made = {
        "architectures": [FAMILIES[kind]],
        "model_type": kind,
        "is_encoder_decoder": True,
        "vocab_size": source_vocabulary or vocabulary,
        "max_position_embeddings": context,
        "d_model": settings.width,
        "encoder_layers": settings.encoder_layers,
        "decoder_layers": settings.decoder_layers,
        "num_hidden_layers": settings.encoder_layers,
        "encoder_attention_heads": settings.heads,
        "decoder_attention_heads": settings.decoder_heads or settings.heads,
        "encoder_ffn_dim": hidden,
        "decoder_ffn_dim": decoder_hidden,
        "activation_function": theirs[settings.activation],
        "scale_embedding": settings.scaled,
        "tie_word_embeddings": settings.tied,
        "dropout": settings.dropout,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "use_cache": True,
        "dtype": "float32",
    }
    if kind == "marian":
        made |= {"decoder_vocab_size": vocabulary, "share_encoder_decoder_embeddings": source_vocabulary is None}
    return made


def _names(settings: MarianSettings) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Our names and theirs, and the shape, of all that is not an embedding; fused matrices as `q|k|v`."""
    width, (hidden, decoder_hidden) = settings.width, settings.inner
    for role, layers, inner in (("encoder", settings.encoder_layers, hidden), ("decoder", settings.decoder_layers, decoder_hidden)):
        for layer in range(layers):
            block, theirs = f"{role}.trunk.blocks.{layer}.", f"model.{role}.layers.{layer}."
            parts = [
                ("attention.qkv", "self_attn.q_proj|self_attn.k_proj|self_attn.v_proj", width, width),
                ("attention.out", "self_attn.out_proj", width, width),
                ("attention_residual.norm", "self_attn_layer_norm", width, 0),
                ("mlp.up", "fc1", inner, width),
                ("mlp.down", "fc2", width, inner),
                ("mlp_residual.norm", "final_layer_norm", width, 0),
            ]
            if role == "decoder":
                parts += [
                    ("cross.q", "encoder_attn.q_proj", width, width),
                    ("cross.kv", "encoder_attn.k_proj|encoder_attn.v_proj", width, width),
                    ("cross.out", "encoder_attn.out_proj", width, width),
                    ("cross_residual.norm", "encoder_attn_layer_norm", width, 0),
                ]
            for ours, names, rows, columns in parts:
                both = "|".join(theirs + name + ".weight" for name in names.split("|"))
                yield f"{block}{ours}.weight", both, (rows, columns) if columns else (rows,)
                yield f"{block}{ours}.bias", both.replace(".weight", ".bias"), (rows,)
        if settings.norm == "pre":
            for part in ("weight", "bias"):
                yield f"{role}.trunk.norm.{part}", f"model.{role}.layer_norm.{part}", (width,)


def read(tensors: Weights, settings: MarianSettings, vocabulary: int, source_vocabulary: int | None, where: Path) -> dict[str, Tensor]:
    """Our state dict from their weights; all of theirs must find a place."""
    width = settings.width

    def first(names: tuple[str, ...], rows: int) -> Tensor:
        return tensors.take(next((name for name in names if name in tensors), names[0]), rows, width)

    if source_vocabulary is None:
        embedding = first((SHARED, TARGET, SOURCE, HEAD), vocabulary)
        ours = {"encoder.embedding.weight": embedding, "decoder.embedding.weight": embedding}
    else:
        ours = {"encoder.embedding.weight": first((SOURCE, SHARED), source_vocabulary)}
        ours["decoder.embedding.weight"] = first((TARGET, HEAD, SHARED) if settings.tied else (TARGET, SHARED), vocabulary)
    if not settings.tied:
        ours["head.weight"] = tensors.take(HEAD, vocabulary, width)
    if settings.head_bias:
        known = "final_logits_bias" in tensors
        ours["head.bias"] = tensors.take("final_logits_bias", 1, vocabulary)[0] if known else torch.zeros(vocabulary)
    for name, theirs, shape in _names(settings):
        ours[name] = torch.cat([tensors.take(one, *shape) for one in theirs.split("|")])
    ignored = (SHARED, SOURCE, TARGET, HEAD, "embed_positions.weight", "embed_positions.weights")  # the same matrix again, or computed
    if left := [name for name in tensors.left() if not name.endswith(ignored)]:
        raise ArtifactError(
            where, f"has weights that its config.json does not account for: {', '.join(left[:5])}{', ...' * (len(left) > 5)}"
        )
    return ours


def write(model: EncoderDecoderModel, settings: MarianSettings) -> dict[str, Tensor]:
    """Their weights from our model."""
    ours = model.state_dict()
    apart = model.encoder.embedding is not model.decoder.embedding
    kind = family(settings, apart)
    source, target = ours["encoder.embedding.weight"], ours["decoder.embedding.weight"]
    if not apart and settings.tied:
        theirs = {SHARED: source}
    else:
        theirs = {SOURCE: source, TARGET: target} | ({} if apart else {SHARED: source})
        theirs[HEAD] = target if settings.tied else ours["head.weight"]
    if kind == "marian":
        bias = ours["head.bias"] if settings.head_bias else torch.zeros(len(target))
        theirs["final_logits_bias"] = bias.unsqueeze(0)
    for name, names, _ in _names(settings):
        split = names.split("|")
        for one, part in zip(split, ours[name].chunk(len(split)), strict=True):
            theirs[one] = part
    return {name: tensor.float().clone() for name, tensor in theirs.items()}
