"""BERT and RoBERTa of Hugging Face.

Theirs keeps query, key and value as matrices of their own; ours are fused in this order. RoBERTa counts positions from the number of its
padding token plus one. A checkpoint may be the encoder alone, with or without the prefix of its class, or lack a head for masked training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zhixing.models import Model
from zhixing.models.bert import BertSettings, Transform
from zhixing.pretrained.family import ACTIVATIONS, Description, described, new_transform, their_activation
from zhixing.pretrained.weights import Weights

FAMILIES = {
    "bert": "BertForMaskedLM",
    "roberta": "RobertaForMaskedLM",
    "xlm-roberta": "XLMRobertaForMaskedLM",
    "camembert": "CamembertForMaskedLM",
}
SETTINGS = BertSettings

# Our names in the head, and theirs.
_BERT_HEAD = {
    "transform.dense": "cls.predictions.transform.dense",
    "transform.norm": "cls.predictions.transform.LayerNorm",
    "matrix": "cls.predictions.decoder",
    "bias": "cls.predictions.bias",
}
_ROBERTA_HEAD = {
    "transform.dense": "lm_head.dense",
    "transform.norm": "lm_head.layer_norm",
    "matrix": "lm_head.decoder",
    "bias": "lm_head.bias",
}
# Our names in a block, and theirs.
_BLOCK = {
    "attention.out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "mlp.up": "intermediate.dense",
    "mlp.down": "output.dense",
    "mlp_norm": "output.LayerNorm",
}
_LETTERS = ("query", "key", "value")


def family(settings: BertSettings) -> str:
    """Which of theirs computes what these settings do."""
    return "roberta" if settings.position_offset else "bert"


def describe(config: dict[str, Any], where: Path) -> Description:
    """Our settings for a `config.json`. Raises `ArtifactError` for what we would compute otherwise."""
    kind, activation = config["model_type"], config.get("hidden_act", "gelu")
    offset = 0 if kind == "bert" else (config.get("pad_token_id", 1) or 0) + 1
    strange = {
        f"hidden_act {activation!r}": activation not in ACTIVATIONS or (kind != "bert" and activation != "gelu"),
        f"positions of type {config.get('position_embedding_type')!r}": config.get("position_embedding_type", "absolute") != "absolute",
        "a decoder": bool(config.get("is_decoder") or config.get("add_cross_attention")),
        "quantised weights": config.get("quantization_config") is not None,
    }
    ours = {
        "layers": config.get("num_hidden_layers"),
        "width": config.get("hidden_size"),
        "heads": config.get("num_attention_heads"),
        "hidden": config.get("intermediate_size"),
        "positions": _less(config.get("max_position_embeddings"), offset),
        "position_offset": offset,
        "kinds": config.get("type_vocab_size", 2),
        "activation": ACTIVATIONS.get(str(activation)),
        "tied": bool(config.get("tie_word_embeddings", True)),
        "dropout": config.get("hidden_dropout_prob", 0.1),
        "norm_epsilon": config.get("layer_norm_eps", 1e-12),
    }
    settings, vocabulary, _ = described(config, where, BertSettings, ours, strange, "max_position_embeddings")
    return Description(settings, "encoder", vocabulary, settings.positions)


def _less(positions: Any, offset: int) -> Any:
    return positions - offset if isinstance(positions, int) else positions


def config(settings: BertSettings, vocabulary: int, context: int) -> dict[str, Any]:
    """Their `config.json` for our settings; the context is that of the table of positions."""
    kind = family(settings)
    return {
        "architectures": [FAMILIES[kind]],
        "model_type": kind,
        "vocab_size": vocabulary,
        "max_position_embeddings": settings.positions + settings.position_offset,
        "hidden_size": settings.width,
        "intermediate_size": settings.inner,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "type_vocab_size": settings.kinds,
        "hidden_act": their_activation(settings.activation),
        "hidden_dropout_prob": settings.dropout,
        "attention_probs_dropout_prob": 0.0,
        "position_embedding_type": "absolute",
        "layer_norm_eps": settings.norm_epsilon,
        "tie_word_embeddings": settings.tied,
        "dtype": "float32",
    }


def read(tensors: Weights, found: Description, where: Path) -> tuple[dict[str, Tensor], bool]:
    """Our state dict from their weights; and whether the head is a new one, for want of theirs."""
    settings, vocabulary = found.architecture, found.vocabulary
    assert isinstance(settings, BertSettings)
    width = settings.width
    prefix = next((p for p in ("bert.", "roberta.") if f"{p}embeddings.word_embeddings.weight" in tensors), "")

    def take(ours: str, theirs: str, *shape: int) -> dict[str, Tensor]:
        """A layer's or a norm's matrix or gain, and its bias."""
        return {f"{ours}.weight": tensors.take(f"{theirs}.weight", *shape), f"{ours}.bias": tensors.take(f"{theirs}.bias", shape[0])}

    rows = settings.positions + settings.position_offset
    ours = {
        "encoder.embedding.weight": tensors.take(prefix + "embeddings.word_embeddings.weight", vocabulary, width),
        "encoder.positions.weight": tensors.take(prefix + "embeddings.position_embeddings.weight", rows, width),
        "encoder.kinds.weight": tensors.take(prefix + "embeddings.token_type_embeddings.weight", settings.kinds, width),
        **take("encoder.trunk.norm", prefix + "embeddings.LayerNorm", width),
    }
    shapes = {
        "attention.out": (width, width),
        "attention_norm": (width,),
        "mlp.up": (settings.inner, width),
        "mlp.down": (width, settings.inner),
        "mlp_norm": (width,),
    }
    for layer in range(settings.layers):
        theirs, block = f"{prefix}encoder.layer.{layer}.", f"encoder.trunk.blocks.{layer}."
        for part, shape in (("weight", (width, width)), ("bias", (width,))):
            letters = [tensors.take(f"{theirs}attention.self.{x}.{part}", *shape) for x in _LETTERS]
            ours[f"{block}attention.qkv.{part}"] = torch.cat(letters)
        for name, there in _BLOCK.items():
            ours |= take(block + name, theirs + there, *shapes[name])
    names = next((head for head in (_BERT_HEAD, _ROBERTA_HEAD) if f"{head['transform.dense']}.weight" in tensors), None)
    if names is None:
        ours |= new_transform(lambda: Transform(settings)) | {"head.bias": torch.zeros(vocabulary)}
        if not settings.tied:
            ours["head.weight"] = ours["encoder.embedding.weight"].clone()
    else:
        ours |= take("head.transform.dense", names["transform.dense"], width, width)
        ours |= take("head.transform.norm", names["transform.norm"], width)
        places = [names["bias"], f"{names['matrix']}.bias"]  # the same where the matrix is the embedding's; else the second counts
        ours["head.bias"] = tensors.take(next((n for n in places[:: 1 if settings.tied else -1] if n in tensors), places[0]), vocabulary)
        if not settings.tied:
            ours["head.weight"] = tensors.take(f"{names['matrix']}.weight", vocabulary, width)
    copies = r"|(cls\.predictions|lm_head)\.(decoder\.(weight|bias)|bias)$"  # of the embedding and of the bias
    tensors.settle(
        rf"{prefix}embeddings\.position_ids$" + copies,
        others=rf"{prefix}pooler\.|(bert\.|roberta\.)?pooler\.|cls\.seq_relationship\.|classifier\.|qa_outputs\.|(bert\.)?embeddings\.token_type_ids$",
    )
    return ours, names is None


def write(model: Model, settings: BertSettings) -> dict[str, Tensor]:
    """Their weights from our model."""
    ours, kind = model.state_dict(), family(settings)
    names = _BERT_HEAD if kind == "bert" else _ROBERTA_HEAD
    theirs = {
        f"{kind}.embeddings.word_embeddings.weight": ours["encoder.embedding.weight"],
        f"{kind}.embeddings.position_embeddings.weight": ours["encoder.positions.weight"],
        f"{kind}.embeddings.token_type_embeddings.weight": ours["encoder.kinds.weight"],
    }
    for part in ("weight", "bias"):
        theirs[f"{kind}.embeddings.LayerNorm.{part}"] = ours[f"encoder.trunk.norm.{part}"]
        for layer in range(settings.layers):
            block, there = f"encoder.trunk.blocks.{layer}.", f"{kind}.encoder.layer.{layer}."
            for letter, matrix in zip(_LETTERS, ours[f"{block}attention.qkv.{part}"].chunk(3), strict=True):
                theirs[f"{there}attention.self.{letter}.{part}"] = matrix
            for name, of_theirs in _BLOCK.items():
                theirs[f"{there}{of_theirs}.{part}"] = ours[f"{block}{name}.{part}"]
        for name in ("transform.dense", "transform.norm"):
            theirs[f"{names[name]}.{part}"] = ours[f"head.{name}.{part}"]
    theirs[names["bias"]] = ours["head.bias"]
    if not settings.tied:
        theirs[f"{names['matrix']}.weight"] = ours["head.weight"]
        theirs[f"{names['matrix']}.bias"] = ours["head.bias"].clone()
    return {name: tensor.float().contiguous() for name, tensor in theirs.items()}
