"""GPT-2 of Hugging Face. Its matrices are stored the other way round, [in, out]; query, key and value are fused there too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from zhixing.models import Model
from zhixing.models.gpt2 import GPT2Settings
from zhixing.pretrained.family import ACTIVATIONS, Description, described, their_activation
from zhixing.pretrained.weights import Weights

FAMILIES = {"gpt2": "GPT2LMHeadModel"}
SETTINGS = GPT2Settings

_BLOCK = {
    "attention_norm": "ln_1",
    "attention.qkv": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "mlp_norm": "ln_2",
    "mlp.up": "mlp.c_fc",
    "mlp.down": "mlp.c_proj",
}
"""Our names in a block, and theirs."""


def family(settings: GPT2Settings) -> str:
    """Which of theirs computes what these settings do."""
    return "gpt2"


def describe(config: dict[str, Any], where: Path) -> Description:
    """Our settings for a `config.json`. Raises `ArtifactError` for what we would compute otherwise."""
    activation = config.get("activation_function", "gelu_new")
    strange = {
        f"activation_function {activation!r}": activation not in ACTIVATIONS,
        "scores that are not scaled by the width of a head": not config.get("scale_attn_weights", True),
        "scores that are scaled by the number of the layer": bool(config.get("scale_attn_by_inverse_layer_idx")),
        "attention to an encoder": bool(config.get("add_cross_attention")),
        "quantised weights": config.get("quantization_config") is not None,
    }
    ours = {
        "layers": config.get("n_layer"),
        "width": config.get("n_embd"),
        "heads": config.get("n_head"),
        "hidden": config.get("n_inner"),
        "positions": config.get("n_positions"),
        "activation": ACTIVATIONS.get(str(activation)),
        "tied": bool(config.get("tie_word_embeddings", True)),
        "dropout": config.get("resid_pdrop", 0.1),
        "norm_epsilon": config.get("layer_norm_epsilon", 1e-5),
    }
    settings, vocabulary, context = described(config, where, GPT2Settings, ours, strange, "n_positions")
    return Description(settings, "decoder", vocabulary, context)


def config(settings: GPT2Settings, vocabulary: int, context: int) -> dict[str, Any]:
    """Their `config.json` for our settings; the context is that of the table of positions."""
    return {
        "architectures": [FAMILIES["gpt2"]],
        "model_type": "gpt2",
        "vocab_size": vocabulary,
        "n_positions": settings.positions,
        "n_embd": settings.width,
        "n_layer": settings.layers,
        "n_head": settings.heads,
        "n_inner": settings.hidden,
        "activation_function": their_activation(settings.activation),
        "embd_pdrop": settings.dropout,
        "resid_pdrop": settings.dropout,
        "attn_pdrop": 0.0,
        "layer_norm_epsilon": settings.norm_epsilon,
        "tie_word_embeddings": settings.tied,
        "use_cache": True,
        "dtype": "float32",
    }


def read(tensors: Weights, found: Description, where: Path) -> tuple[dict[str, Tensor], bool]:
    """Our state dict from their weights; all of theirs must find a place. The head is never a new one."""
    settings, vocabulary = found.architecture, found.vocabulary
    assert isinstance(settings, GPT2Settings)
    width, inner = settings.width, settings.inner
    prefix = "transformer." if "transformer.wte.weight" in tensors else ""
    ours = {
        "decoder.embedding.weight": tensors.take(prefix + "wte.weight", vocabulary, width),
        "decoder.positions.weight": tensors.take(prefix + "wpe.weight", settings.positions, width),
    }
    for part in ("weight", "bias"):
        ours[f"decoder.trunk.norm.{part}"] = tensors.take(f"{prefix}ln_f.{part}", width)
    shapes = {
        "attention_norm": (width,),
        "attention.qkv": (width, 3 * width),
        "attention.out": (width, width),
        "mlp_norm": (width,),
        "mlp.up": (width, inner),
        "mlp.down": (inner, width),
    }
    for layer in range(settings.layers):
        for name, there in _BLOCK.items():
            matrix = tensors.take(f"{prefix}h.{layer}.{there}.weight", *shapes[name])
            ours[f"decoder.trunk.blocks.{layer}.{name}.weight"] = matrix.T.contiguous() if matrix.ndim == 2 else matrix
            ours[f"decoder.trunk.blocks.{layer}.{name}.bias"] = tensors.take(f"{prefix}h.{layer}.{there}.bias", shapes[name][-1])
    if not settings.tied:
        ours["head.weight"] = tensors.take("lm_head.weight", vocabulary, width)
    # Masks that follow from the settings, and the embedding once more.
    tensors.settle(
        rf"{prefix}h\.\d+\.attn\.(masked_)?bias$" + (r"|lm_head\.weight$" if settings.tied else ""),
        others=r"score\.|multiple_choice_head\.",
    )
    return ours, False


def write(model: Model, settings: GPT2Settings) -> dict[str, Tensor]:
    """Their weights from our model."""
    ours = model.state_dict()
    theirs = {"transformer.wte.weight": ours["decoder.embedding.weight"], "transformer.wpe.weight": ours["decoder.positions.weight"]}
    for part in ("weight", "bias"):
        for layer in range(settings.layers):
            for name, there in _BLOCK.items():
                tensor = ours[f"decoder.trunk.blocks.{layer}.{name}.{part}"]
                theirs[f"transformer.h.{layer}.{there}.{part}"] = tensor.T if tensor.ndim == 2 else tensor
        theirs[f"transformer.ln_f.{part}"] = ours[f"decoder.trunk.norm.{part}"]
    if not settings.tied:
        theirs["lm_head.weight"] = ours["head.weight"]
    return {name: tensor.float().contiguous() for name, tensor in theirs.items()}
