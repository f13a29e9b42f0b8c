"""The Llama family of Hugging Face: Llama, Mistral (sliding windows), Qwen2 (biased queries, keys and values), Qwen3 (normalised ones).

Theirs keeps query, key and value, and gate and up, as matrices of their own; ours are fused in this order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zhixing.errors import UserError
from zhixing.models import Model
from zhixing.models.llama import LlamaSettings
from zhixing.pretrained.family import Description, described
from zhixing.pretrained.weights import Weights

FAMILIES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
SETTINGS = LlamaSettings


def family(settings: LlamaSettings) -> str:
    """Which of theirs computes what these settings do."""
    plain = "llama" if settings.window is None else "mistral"
    return "qwen3" if settings.qk_norm else "qwen2" if settings.attention_bias else plain


def describe(config: dict[str, Any], where: Path) -> Description:
    """Our settings for a `config.json`. Raises `ArtifactError` for what we would compute otherwise."""
    kind = config["model_type"]
    rope = config.get("rope_parameters") or {}
    scalings = [r.get("rope_type", r.get("type", "default")) for r in (rope, config.get("rope_scaling") or {})]
    strange = {
        f"rope type {(scaling := next((s for s in scalings if s != 'default'), 'default'))!r}": scaling != "default",
        "quantised weights": config.get("quantization_config") is not None,
        f"hidden_act {config.get('hidden_act')!r}": config.get("hidden_act", "silu") != "silu",
        "layers with windows in an order of their own": (window := _window(config, kind)) is None,
        "an MLP with biases": bool(config.get("mlp_bias")),
        "an attention output with a bias": kind in ("llama", "qwen3") and bool(config.get("attention_bias")),
    }
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
        **(window or {}),
    }
    settings, vocabulary, context = described(config, where, LlamaSettings, ours, strange, "max_position_embeddings")
    return Description(settings, "decoder", vocabulary, context)


def _window(config: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """Our settings of the sliding window, none where all layers see everything; None for an order that we do not have."""
    window, layers = config.get("sliding_window", 4096 if kind == "mistral" else None), config.get("num_hidden_layers")
    if kind == "llama" or not window or (kind.startswith("qwen") and not config.get("use_sliding_window")):
        return {}
    full = 0 if kind == "mistral" else config.get("max_window_layers", 28)
    types = config.get("layer_types")
    if isinstance(types, list) and isinstance(layers, int):
        full = sum(one == "full_attention" for one in types)
        if types != ["full_attention"] * full + ["sliding_attention"] * (layers - full):
            return None
    if isinstance(layers, int) and isinstance(full, int) and full >= layers:
        return {}
    return {"window": window, "full_layers": full}


def config(settings: LlamaSettings, vocabulary: int, context: int) -> dict[str, Any]:
    """Their `config.json` for our settings."""
    kind = family(settings)
    kv_heads, head_width, hidden = settings.shape
    windows: dict[str, Any] = {}
    if settings.window is not None:
        windows = {"sliding_window": settings.window}
        if kind == "mistral" and settings.full_layers:
            raise UserError("this model has full_layers before its layers with a window, and a Mistral has none; it cannot be exported")
        if kind != "mistral":
            windows |= {"use_sliding_window": True, "max_window_layers": settings.full_layers}
    elif kind.startswith("qwen"):
        windows = {"use_sliding_window": False}
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
        **windows,
    }


def read(tensors: Weights, found: Description, where: Path) -> tuple[dict[str, Tensor], bool]:
    """Our state dict from their weights; all of theirs must find a place. The head is never a new one."""
    settings, vocabulary = found.architecture, found.vocabulary
    assert isinstance(settings, LlamaSettings)
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
    tensors.settle(r".*rotary_emb\.inv_freq$" + (r"|lm_head\.weight$" if settings.tied else ""))  # computed, or the embedding once more
    return ours, False


def write(model: Model, settings: LlamaSettings) -> dict[str, Tensor]:
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
