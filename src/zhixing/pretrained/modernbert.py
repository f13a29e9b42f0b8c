"""ModernBERT of Hugging Face; query, key and value, and the two halves of the GeGLU, are fused there as here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zhixing.models import Model
from zhixing.models.modernbert import ModernBertSettings, Transform
from zhixing.pretrained.family import Description, described, new_transform
from zhixing.pretrained.weights import Weights

FAMILIES = {"modernbert": "ModernBertForMaskedLM"}
SETTINGS = ModernBertSettings

_BLOCK = {"attention_norm": "attn_norm", "attention.qkv": "attn.Wqkv", "attention.out": "attn.Wo", "mlp_norm": "mlp_norm",
          "mlp.gate_up": "mlp.Wi", "mlp.down": "mlp.Wo"}  # fmt: skip
"""Our names in a block, and theirs."""


def family(settings: ModernBertSettings) -> str:
    """Which of theirs computes what these settings do."""
    return "modernbert"


def describe(config: dict[str, Any], where: Path) -> Description:
    """Our settings for a `config.json`. Raises `ArtifactError` for what we would compute otherwise."""
    rope = config.get("rope_parameters") or {}
    full, sliding = (rope.get(f"{name}_attention") or {} for name in ("full", "sliding"))
    scalings = [r.get("rope_type", "default") for r in (full, sliding, config.get("rope_scaling") or {})]
    activations = {config.get(name, "gelu") for name in ("hidden_activation", "classifier_activation")}
    every = _every(config)
    strange = {
        f"activations {', '.join(sorted(map(str, activations)))}": activations != {"gelu"},
        f"rope types {', '.join(sorted(set(map(str, scalings))))}": set(scalings) != {"default"},
        "local and global layers in an order of their own": every is None,
        "quantised weights": config.get("quantization_config") is not None,
    }
    global_theta = full.get("rope_theta", config.get("global_rope_theta", 160000.0))
    local_theta = sliding.get("rope_theta", config.get("local_rope_theta", 10000.0))
    ours = {
        "layers": config.get("num_hidden_layers"),
        "width": config.get("hidden_size"),
        "heads": config.get("num_attention_heads"),
        "hidden": config.get("intermediate_size"),
        "window": config.get("local_attention", 128),
        "global_every": every,
        "global_theta": global_theta,
        "local_theta": global_theta if local_theta is None else local_theta,
        "attention_bias": bool(config.get("attention_bias")),
        "mlp_bias": bool(config.get("mlp_bias")),
        "norm_bias": bool(config.get("norm_bias")),
        "transform_bias": bool(config.get("classifier_bias")),
        "head_bias": bool(config.get("decoder_bias", True)),
        "tied": bool(config.get("tie_word_embeddings", True)),
        "dropout": config.get("mlp_dropout", 0.0),
        "norm_epsilon": config.get("norm_eps", 1e-5),
    }
    settings, vocabulary, context = described(config, where, ModernBertSettings, ours, strange, "max_position_embeddings")
    return Description(settings, "encoder", vocabulary, context)


def _every(config: dict[str, Any]) -> int | None:
    """How many layers there are to each global one; None for an order that is not of this kind."""
    types, said = config.get("layer_types"), config.get("global_attn_every_n_layers", 3)
    if not isinstance(types, list):
        return said if isinstance(said, int) and said > 0 else None
    places = [layer for layer, one in enumerate(types) if one == "full_attention"]
    for every in (said, places[1] if len(places) > 1 else max(1, len(types))):  # in few layers several numbers may mean the same
        if isinstance(every, int) and every > 0 and places == list(range(0, len(types), every)):
            return every
    return None


def config(settings: ModernBertSettings, vocabulary: int, context: int) -> dict[str, Any]:
    """Their `config.json` for our settings."""
    types = ["full_attention" if settings.is_global(layer) else "sliding_attention" for layer in range(settings.layers)]
    return {
        "architectures": [FAMILIES["modernbert"]],
        "model_type": "modernbert",
        "vocab_size": vocabulary,
        "max_position_embeddings": context,
        "hidden_size": settings.width,
        "intermediate_size": settings.inner,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "hidden_activation": "gelu",
        "classifier_activation": "gelu",
        "local_attention": settings.window,
        "global_attn_every_n_layers": settings.global_every,
        "layer_types": types,
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": settings.global_theta},
            "sliding_attention": {"rope_type": "default", "rope_theta": settings.local_theta},
        },
        "global_rope_theta": settings.global_theta,
        "local_rope_theta": settings.local_theta,
        "attention_bias": settings.attention_bias,
        "mlp_bias": settings.mlp_bias,
        "norm_bias": settings.norm_bias,
        "classifier_bias": settings.transform_bias,
        "decoder_bias": settings.head_bias,
        "embedding_dropout": settings.dropout,
        "mlp_dropout": settings.dropout,
        "attention_dropout": 0.0,
        "norm_eps": settings.norm_epsilon,
        "tie_word_embeddings": settings.tied,
        "dtype": "float32",
    }


def _names(settings: ModernBertSettings) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Our names of all weights but those of the embedding and the head's matrix; theirs, without prefix in the encoder; their shapes."""
    width, inner = settings.width, settings.inner
    shapes: dict[str, tuple[int, ...]] = {
        "attention_norm": (width,),
        "attention.qkv": (3 * width, width),
        "attention.out": (width, width),
        "mlp_norm": (width,),
        "mlp.gate_up": (2 * inner, width),
        "mlp.down": (width, inner),
    }
    biased = {"attention.qkv": settings.attention_bias, "attention.out": settings.attention_bias, "mlp.gate_up": settings.mlp_bias,
              "mlp.down": settings.mlp_bias}  # fmt: skip
    layers = {
        "encoder.trunk.first_norm": ("embeddings.norm", (width,), settings.norm_bias),
        "encoder.trunk.norm": ("final_norm", (width,), settings.norm_bias),
        "head.transform.dense": ("head.dense", (width, width), settings.transform_bias),
        "head.transform.norm": ("head.norm", (width,), settings.norm_bias),
    }
    for layer in range(settings.layers):
        for ours, theirs in _BLOCK.items():
            if layer or ours != "attention_norm":
                bias = biased.get(ours, settings.norm_bias)
                layers[f"encoder.trunk.blocks.{layer}.{ours}"] = f"layers.{layer}.{theirs}", shapes[ours], bias
    names: dict[str, tuple[str, tuple[int, ...]]] = {}
    for ours, (theirs, shape, bias) in layers.items():
        names[f"{ours}.weight"] = f"{theirs}.weight", shape
        if bias:
            names[f"{ours}.bias"] = f"{theirs}.bias", shape[:1]
    return names


def read(tensors: Weights, found: Description, where: Path) -> tuple[dict[str, Tensor], bool]:
    """Our state dict from their weights; and whether the head is a new one, for want of theirs."""
    settings, vocabulary = found.architecture, found.vocabulary
    assert isinstance(settings, ModernBertSettings)
    prefix = "model." if "model.embeddings.tok_embeddings.weight" in tensors else ""
    has_head = (
        "decoder.bias" in tensors or "decoder.weight" in tensors or ("head.dense.weight" in tensors and "classifier.weight" not in tensors)
    )
    ours = {"encoder.embedding.weight": tensors.take(prefix + "embeddings.tok_embeddings.weight", vocabulary, settings.width)}
    for name, (theirs, shape) in _names(settings).items():
        if name.startswith("encoder."):
            ours[name] = tensors.take(prefix + theirs, *shape)
        elif has_head:
            ours[name] = tensors.take(theirs, *shape)
    if not has_head:
        ours |= new_transform(lambda: Transform(settings))
    if settings.head_bias:
        ours["head.bias"] = tensors.take("decoder.bias", vocabulary) if has_head else torch.zeros(vocabulary)
    if not settings.tied:
        matrix = tensors.take("decoder.weight", vocabulary, settings.width) if has_head else ours["encoder.embedding.weight"].clone()
        ours["head.weight"] = matrix
    tensors.settle(
        r".*rotary_emb\." + (r"|decoder\.weight$" if settings.tied else ""),
        others=r"classifier\.|head\." if not has_head else r"classifier\.",
    )
    return ours, not has_head


def write(model: Model, settings: ModernBertSettings) -> dict[str, Tensor]:
    """Their weights from our model."""
    ours = model.state_dict()
    theirs = {"model.embeddings.tok_embeddings.weight": ours["encoder.embedding.weight"]}
    for name, (there, _) in _names(settings).items():
        theirs[f"model.{there}" if name.startswith("encoder.") else there] = ours[name]
    if settings.head_bias:
        theirs["decoder.bias"] = ours["head.bias"]
    if not settings.tied:
        theirs["decoder.weight"] = ours["head.weight"]
    return {name: tensor.float().contiguous() for name, tensor in theirs.items()}
