"""The Llama family of Hugging Face: Llama, Qwen2 (biased queries, keys and values) and Qwen3 (normalised queries and keys).

Theirs keeps query, key and value, and gate and up, as matrices of their own; ours are fused in this order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zhixing.config import resolve
from zhixing.errors import ArtifactError, UserError
from zhixing.models.llama import LlamaSettings
from zhixing.models.shapes import DecoderModel
from zhixing.pretrained.weights import Weights

FAMILIES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}


def family(settings: LlamaSettings) -> str:
    """Which of theirs computes what these settings do."""
    return "qwen3" if settings.qk_norm else "qwen2" if settings.attention_bias else "llama"


def settings(config: Any, where: Path) -> tuple[LlamaSettings, int, int]:
    """Our settings, the vocabulary and the context of a `config.json`. Raises `ArtifactError` for what we would compute otherwise."""
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in FAMILIES:
        raise ArtifactError(where, f"is a model of type {kind!r}; known are {', '.join(FAMILIES)}")
    rope = config.get("rope_parameters") or {}
    scalings = [r.get("rope_type", r.get("type", "default")) for r in (rope, config.get("rope_scaling") or {})]
    strange = {
        f"rope type {(scaling := next((s for s in scalings if s != 'default'), 'default'))!r}": scaling != "default",
        "quantised weights": config.get("quantization_config") is not None,
        f"hidden_act {config.get('hidden_act')!r}": config.get("hidden_act", "silu") != "silu",
        "a sliding attention window": bool(config.get("use_sliding_window")),
        "an MLP with biases": bool(config.get("mlp_bias")),
        "an attention output with a bias": kind in ("llama", "qwen3") and bool(config.get("attention_bias")),
    }
    if found := [what for what, there in strange.items() if there]:
        raise ArtifactError(where, f"asks for {found[0]}, which is not supported")
    heads = config.get("num_attention_heads")
    ours = {
        "layers": config.get("num_hidden_layers"),
        "width": config.get("hidden_size"),
        "heads": heads,
        "kv_heads": config.get("num_key_value_heads") or heads,
        "head_width": config.get("head_dim") or (128 if kind == "qwen3" else None),
        "hidden": config.get("intermediate_size"),
        "rope_theta": {**(config.get("rope_scaling") or {}), **rope}.get("rope_theta", config.get("rope_theta", 10000.0)),
        "qk_norm": kind == "qwen3",
        "attention_bias": kind == "qwen2",
        "tied": bool(config.get("tie_word_embeddings", False)),
        "norm_epsilon": config.get("rms_norm_eps", 1e-6),
    }
    try:
        vocabulary, context = int(config["vocab_size"]), int(config["max_position_embeddings"])
        return resolve(LlamaSettings, ours), vocabulary, context
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(where, f"is not the config of a {kind} model ({error})") from None
    except UserError as error:
        raise ArtifactError(where, f"is not the config of a {kind} model: {error}") from None


def config(settings: LlamaSettings, vocabulary: int, context: int) -> dict[str, Any]:
    """Their `config.json` for our settings."""
    kind = family(settings)
    kv_heads, head_width, hidden = settings.shape
    return {
        "architectures": [FAMILIES[kind]],
        "model_type": kind,
        "vocab_size": vocabulary,
        "max_position_embeddings": context,
        "hidden_size": settings.width,
        "intermediate_size": hidden,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_width,
        "hidden_act": "silu",
        "attention_bias": settings.attention_bias,
        "attention_dropout": 0.0,
        "rms_norm_eps": settings.norm_epsilon,
        "rope_theta": settings.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": settings.rope_theta},
        "tie_word_embeddings": settings.tied,
        "use_cache": True,
        "dtype": "float32",
    }


def read(tensors: Weights, settings: LlamaSettings, vocabulary: int, where: Path) -> dict[str, Tensor]:
    """Our state dict from their weights; all of theirs must find a place."""
    width, heads = settings.width, settings.heads
    kv_heads, head_width, hidden = settings.shape
    rows = {"q": heads * head_width, "k": kv_heads * head_width, "v": kv_heads * head_width}
    ours = {
        "decoder.embedding.weight": tensors.take("model.embed_tokens.weight", vocabulary, width),
        "decoder.trunk.norm.weight": tensors.take("model.norm.weight", width),
    }
    if not settings.tied:
        ours["head.weight"] = tensors.take("lm_head.weight", vocabulary, width)
    for layer in range(settings.layers):
        theirs, block = f"model.layers.{layer}.", f"decoder.trunk.blocks.{layer}."
        attention, mlp = theirs + "self_attn.", theirs + "mlp."
        ours[block + "attention_norm.weight"] = tensors.take(theirs + "input_layernorm.weight", width)
        ours[block + "mlp_norm.weight"] = tensors.take(theirs + "post_attention_layernorm.weight", width)
        ours[block + "attention.qkv.weight"] = torch.cat([tensors.take(f"{attention}{x}_proj.weight", n, width) for x, n in rows.items()])
        if settings.attention_bias:
            ours[block + "attention.qkv.bias"] = torch.cat([tensors.take(f"{attention}{x}_proj.bias", n) for x, n in rows.items()])
        if settings.qk_norm:
            ours[block + "attention.q_norm.weight"] = tensors.take(attention + "q_norm.weight", head_width)
            ours[block + "attention.k_norm.weight"] = tensors.take(attention + "k_norm.weight", head_width)
        ours[block + "attention.out.weight"] = tensors.take(attention + "o_proj.weight", width, heads * head_width)
        ours[block + "mlp.gate_up.weight"] = torch.cat([tensors.take(f"{mlp}{x}_proj.weight", hidden, width) for x in ("gate", "up")])
        ours[block + "mlp.down.weight"] = tensors.take(mlp + "down_proj.weight", width, hidden)
    ignored = ("rotary_emb.inv_freq",) + (("lm_head.weight",) if settings.tied else ())  # computed, or the embedding once more
    if left := [name for name in tensors.left() if not name.endswith(ignored)]:
        raise ArtifactError(
            where, f"has weights that its config.json does not account for: {', '.join(left[:5])}{', ...' * (len(left) > 5)}"
        )
    return ours


def write(model: DecoderModel, settings: LlamaSettings) -> dict[str, Tensor]:
    """Their weights from our model."""
    ours = model.state_dict()
    kv_heads, head_width, _ = settings.shape
    rows = [settings.heads * head_width, kv_heads * head_width, kv_heads * head_width]
    theirs = {"model.embed_tokens.weight": ours["decoder.embedding.weight"]}
    for layer in range(settings.layers):
        block, name = f"decoder.trunk.blocks.{layer}.", f"model.layers.{layer}."
        theirs[name + "input_layernorm.weight"] = ours[block + "attention_norm.weight"]
        for part in ("weight", "bias") if settings.attention_bias else ("weight",):
            for letter, matrix in zip("qkv", ours[f"{block}attention.qkv.{part}"].split(rows), strict=True):
                theirs[f"{name}self_attn.{letter}_proj.{part}"] = matrix
        if settings.qk_norm:
            for letter in "qk":
                theirs[f"{name}self_attn.{letter}_norm.weight"] = ours[f"{block}attention.{letter}_norm.weight"]
        theirs[name + "self_attn.o_proj.weight"] = ours[block + "attention.out.weight"]
        theirs[name + "post_attention_layernorm.weight"] = ours[block + "mlp_norm.weight"]
        for half, matrix in zip(("gate", "up"), ours[block + "mlp.gate_up.weight"].chunk(2), strict=True):
            theirs[f"{name}mlp.{half}_proj.weight"] = matrix
        theirs[name + "mlp.down_proj.weight"] = ours[block + "mlp.down.weight"]
    theirs["model.norm.weight"] = ours["decoder.trunk.norm.weight"]
    if not settings.tied:
        theirs["lm_head.weight"] = ours["head.weight"]
    return {name: tensor.float().contiguous() for name, tensor in theirs.items()}
