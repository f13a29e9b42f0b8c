"""Translation models of Hugging Face: Marian (post-norm) and M2M100, which is NLLB's form too (pre-norm).

Theirs keeps query, key and value as matrices of their own; ours are fused in this order. Where embeddings are shared and tied, their files
hold the one matrix under any of four names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zhixing.errors import ArtifactError, SettingError, UserError
from zhixing.files import read_json
from zhixing.models import Model
from zhixing.models.marian import MarianSettings
from zhixing.models.shapes import EncoderDecoderModel
from zhixing.pretrained.family import ACTIVATIONS, Description, described, their_activation
from zhixing.pretrained.weights import Weights
from zhixing.tokenizer import sentencepiece
from zhixing.tokenizer.tokenizer import Tokenizer

FAMILIES = {"marian": "MarianMTModel", "m2m_100": "M2M100ForConditionalGeneration"}
SETTINGS = MarianSettings
MARKS = ("</s>", "<unk>", "<pad>", "<s>")
SHARED, SOURCE, TARGET, HEAD = (
    "model.shared.weight",
    "model.encoder.embed_tokens.weight",
    "model.decoder.embed_tokens.weight",
    "lm_head.weight",
)


def family(settings: MarianSettings, apart: bool = False) -> str:
    """Which of theirs computes what these settings do; apart: whether the encoder has an embedding of its own.

    Raises `SettingError` when none does.
    """
    given = (settings.wavelengths, settings.position_offset)
    if settings.norm == "post":
        if given != ("open", 0):
            raise SettingError("model.wavelengths", "= open and position_offset = 0 are the only ones that Marian knows with norm = post")
        return "marian"
    if apart or settings.head_bias:
        raise SettingError(
            "model.norm",
            "= pre is M2M100's, which knows one vocabulary for both languages and no bias on the logits; with norm = post they have a name",
        )
    if given != ("closed", 2):
        raise SettingError("model.wavelengths", "= closed and position_offset = 2 are the only ones that M2M100 knows with norm = pre")
    return "m2m_100"


def describe(config: dict[str, Any], where: Path) -> Description:
    """Our settings for a `config.json`. Raises `ArtifactError` for what we would compute otherwise."""
    marian = config.get("model_type") == "marian"
    activation = config.get("activation_function", "gelu" if marian else "relu")
    strange = {
        f"activation_function {activation!r}": activation not in ACTIVATIONS,
        "quantised weights": config.get("quantization_config") is not None,
        "positions counted from a pad_token_id other than 1": not marian and config.get("pad_token_id", 1) != 1,
    }
    ours = {
        "encoder_layers": config.get("encoder_layers"),
        "decoder_layers": config.get("decoder_layers"),
        "width": config.get("d_model"),
        "heads": config.get("encoder_attention_heads"),
        "decoder_heads": config.get("decoder_attention_heads"),
        "hidden": config.get("encoder_ffn_dim"),
        "decoder_hidden": config.get("decoder_ffn_dim"),
        "activation": ACTIVATIONS.get(str(activation)),
        "norm": "post" if marian else "pre",
        "wavelengths": "open" if marian else "closed",
        "position_offset": 0 if marian else 2,
        "scaled": bool(config.get("scale_embedding", not marian)),
        "tied": bool(config.get("tie_word_embeddings", True)),
        "head_bias": marian,
        "dropout": config.get("dropout", 0.1),
    }
    found, source, context = described(config, where, MarianSettings, ours, strange, "max_position_embeddings")
    shared = not marian or bool(config.get("share_encoder_decoder_embeddings", True))
    vocabulary = source if shared else config.get("decoder_vocab_size") or source
    if not isinstance(vocabulary, int) or vocabulary < 1:
        raise ArtifactError(where, f"is not the config of a marian model (decoder_vocab_size {vocabulary!r})")
    # Untied, all three matrices are their own, even where the vocabulary is one.
    return Description(found, "encoder-decoder", vocabulary, context, None if shared and found.tied else source)


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


def tokenizers(folder: Path) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of the source and of the target.

    A folder has either `tokenizer.json` (and `source_tokenizer.json`, where the source has one of its own), or sentencepiece models with
    lists of ids: Marian's `source.spm`, `target.spm`, `vocab.json` and `target_vocab.json`, or the `sentencepiece.bpe.model` of M2M100 and
    NLLB. What only the other side's pieces cover is unknown here.
    """
    if (folder / "tokenizer.json").is_file():
        target = Tokenizer.adopt(folder)
        own = folder / "source_tokenizer.json"
        return (Tokenizer.load(own) if own.is_file() else target), target
    if (folder / "source.spm").is_file():
        names = _ids(folder / "vocab.json")
        others = _ids(folder / "target_vocab.json") if (folder / "target_vocab.json").is_file() else names
        marks = {*MARKS, *(name for name in (*names, *others) if re.fullmatch(">>.+<<", name))}  # languages
        source = sentencepiece.tokenizer(sentencepiece.read(folder / "source.spm"), names, marks)
        return source, sentencepiece.tokenizer(sentencepiece.read(folder / "target.spm"), others, marks)
    model = folder / "sentencepiece.bpe.model"
    if not model.is_file():
        raise ArtifactError(folder, "holds no tokenizer (neither tokenizer.json, source.spm nor sentencepiece.bpe.model)")
    pieces = sentencepiece.read(model)
    said: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file() and isinstance(tree := read_json(folder / name), dict):
            said |= tree
    listed = said.get("additional_special_tokens") or said.get("extra_special_tokens") or []
    languages = [name["content"] if isinstance(name, dict) else str(name) for name in listed]
    if (folder / "vocab.json").is_file():  # M2M100: languages follow the pieces
        names = _ids(folder / "vocab.json")
    else:  # NLLB: four marks of fairseq's, the pieces after the model's own three, languages, the mask
        names, languages = (
            ["<s>", "<pad>", "</s>", "<unk>", *pieces.names[3:]],
            [*(name for name in languages if name != "<mask>"), "<mask>"],
        )
    names += [language for language in languages if language not in names]
    both = sentencepiece.tokenizer(pieces, names, {*MARKS, *languages})
    return both, both


def behind(folder: Path) -> bool:
    """Whether the language of a source stands behind its end: NLLB's older order, where its tokenizer says `legacy_behaviour`.

    transformers 4.30 and later put it before the source where nothing is said; M2M100's always stands there.
    """
    path = folder / "tokenizer_config.json"
    said = read_json(path) if path.is_file() else {}
    if not isinstance(said, dict):
        raise ArtifactError(path, "is not a tokenizer_config.json: it holds no names")
    return said.get("legacy_behaviour") is True and not str(said.get("tokenizer_class")).startswith("M2M100")


def _ids(path: Path) -> list[str]:
    """The names of a vocab.json in the order of their ids."""
    ids = read_json(path)
    if not isinstance(ids, dict) or not ids or not all(isinstance(place, int) and place >= 0 for place in ids.values()):
        raise ArtifactError(path, "is not a list of ids by piece")
    if missing := [mark for mark in ("</s>", "<unk>", "<pad>") if mark not in ids]:
        raise ArtifactError(path, f"has no id for {missing[0]}")
    if max(ids.values()) > 1 << 22:
        raise ArtifactError(path, f"has an id of {max(ids.values())}, more than any vocabulary")
    names = {place: name for name, place in ids.items()}
    return [names.get(place, f"<gap {place}>") for place in range(max(names) + 1)]


def config(settings: MarianSettings, vocabulary: int, context: int, source_vocabulary: int | None = None) -> dict[str, Any]:
    """Their `config.json` for our settings; source_vocabulary: where the encoder has an embedding of its own."""
    kind = family(settings, source_vocabulary is not None)
    hidden, decoder_hidden = settings.inner
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
        "activation_function": their_activation(settings.activation),
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


def read(tensors: Weights, found: Description, where: Path) -> tuple[dict[str, Tensor], bool]:
    """Our state dict from their weights; all of theirs must find a place."""
    settings, vocabulary, source_vocabulary = found.architecture, found.vocabulary, found.source_vocabulary
    assert isinstance(settings, MarianSettings)
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
    copies = "|".join(re.escape(name) for name in (SHARED, SOURCE, TARGET, HEAD))  # the same matrix under another name
    tensors.settle(rf"({copies}|model\.(encoder|decoder)\.embed_positions\.weights?)$")  # and sinusoids, which are computed
    return ours, False


def write(model: Model, settings: MarianSettings) -> dict[str, Tensor]:
    """Their weights from our model."""
    if not isinstance(model, EncoderDecoderModel):
        raise UserError("an encoder of kind marian alone has no name in the Hugging Face format; it has for the encoder-decoder")
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
