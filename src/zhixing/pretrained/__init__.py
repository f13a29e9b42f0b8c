"""Hugging Face checkpoints in and out.

1. A folder holds `config.json`, weights (safetensors or an old PyTorch file, whole or in shards) and a tokenizer.
2. `load` turns the config into our settings, builds the model and fills it; what is missing, left over or of the wrong shape is named.
3. `save` writes such a folder, which transformers and the engines that read its format open as it is.

One file a family (`family.Family`): it knows the names of settings and weights, and how fused matrices are cut. Adding one is a file and a
word in `FAMILIES`. Of a pickle nothing but tensors is ever read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zhixing.config import Settings
from zhixing.console import warn
from zhixing.corpus import fetch
from zhixing.corpus.fetch import locate
from zhixing.errors import ArtifactError, InputError, UserError
from zhixing.files import MANIFEST, open_folder, read_json, write_json
from zhixing.models import Architecture, Model, build, without_weights
from zhixing.models.marian import MarianSettings
from zhixing.models.shapes import DecoderModel, EncoderDecoderModel
from zhixing.models.vocabulary import shrink
from zhixing.pretrained import bert, gpt2, llama, marian, modernbert, weights
from zhixing.pretrained.family import Description, Family
from zhixing.tokenizer.tokenizer import Tokenizer

FAMILIES: tuple[Family, ...] = (llama, gpt2, bert, modernbert, marian)
"""The modules that know one."""
USED = 0.9
"""Share of a model's ids that its own tokenizer has, at least; the rest are there to make a round number."""


@dataclass(frozen=True)
class Pretrained:
    """A model that was trained elsewhere, or exported here, with what belongs to it."""

    architecture: Architecture
    model: Model
    tokenizer: Tokenizer
    context: int
    """Tokens that the model was trained to see at once."""
    new_head: bool = False
    """Whether the checkpoint has no head, so that the model's is new and says nothing before it is trained."""
    source_tokenizer: Tokenizer | None = None
    """Of an encoder-decoder: what the encoder reads; `tokenizer` is the decoder's. The same one, where both have one vocabulary."""
    begin: int | None = None
    """Of an encoder-decoder: the token before the first of an output."""
    decoding: dict[str, Any] = field(default_factory=dict)
    """Of an encoder-decoder: settings of `decode.beam` that the folder recommends."""
    behind: bool = False
    """Of an encoder-decoder that has marks of languages: whether that of the source stands behind its end."""


def is_folder(path: Path) -> bool:
    """Whether this is a Hugging Face folder: it has a `config.json` that names a type of model, as no folder of ours does."""
    try:
        config = read_json(path / "config.json")
    except InputError:
        return False
    return isinstance(config, dict) and "model_type" in config


def load(source: Path | str) -> Pretrained:
    """Open a Hugging Face folder, a model of the catalogue by its name, or one of the hub by its id (`owner/name`), in fp32 on the CPU.

    Raises `ArtifactError` when the folder is absent, damaged, of a family that is not known here, or computes something else.
    """
    folder = locate(source)
    if not (folder / "config.json").is_file():
        raise ArtifactError(folder, "is not a Hugging Face folder (it has no config.json)")
    if (folder / MANIFEST).is_file() and folder.parent.parent != fetch.cache():  # exported here; the cache checks its own
        open_folder(folder, "export")
    config, where = read_json(folder / "config.json"), folder / "config.json"
    kind = config.get("model_type") if isinstance(config, dict) else None
    family = next((module for module in FAMILIES if kind in module.FAMILIES), None)
    if family is None:
        raise ArtifactError(where, f"is a model of type {kind!r}; known are {', '.join(name for f in FAMILIES for name in f.FAMILIES)}")
    found = family.describe(config, where)
    with without_weights():
        model = build(found.architecture, found.vocabulary, found.shape, found.source_vocabulary)
    with weights.opened(folder) as tensors:
        state, new_head = family.read(tensors, found, folder)
        model.load_state_dict(state, assign=True)
    if found.shape == "encoder-decoder":
        return _open_pair(found, model.float().eval(), folder)
    tokenizer = Tokenizer.adopt(folder)
    if tokenizer.vocabulary > found.vocabulary:
        raise _foreign(folder, tokenizer, found.vocabulary)
    if tokenizer.vocabulary < USED * found.vocabulary:
        less = f"its tokenizer has {tokenizer.vocabulary} ids, and the model knows {found.vocabulary}"
        warn(f"{folder}: {less}; is it the one that the model was trained with?")
    if tokenizer.vocabulary < found.vocabulary:
        shrink(model, tokenizer.vocabulary)
    return Pretrained(found.architecture, model.float().eval(), tokenizer, found.context, new_head)


def _foreign(folder: Path, tokenizer: Tokenizer, size: int) -> ArtifactError:
    what = (
        f"its tokenizer has {tokenizer.vocabulary} ids, and the model knows only {size}; put the tokenizer there that came with the weights"
    )
    return ArtifactError(folder, what)


def _open_pair(found: Description, model: Model, folder: Path) -> Pretrained:
    """An encoder-decoder with its tokenizers, which may be two."""
    source, target = marian.tokenizers(folder)
    for tokenizer, size in ((source, found.source_vocabulary or found.vocabulary), (target, found.vocabulary)):
        if tokenizer.vocabulary > size:
            raise _foreign(folder, tokenizer, size)
    begin, decoding = marian.decoding(folder)
    begin = target.end if begin is None else begin
    return Pretrained(
        found.architecture, model, target, found.context, source_tokenizer=source, begin=begin, decoding=decoding,
        behind=marian.behind(folder),
    )  # fmt: skip


def save_pair(
    folder: Path,
    model: EncoderDecoderModel,
    architecture: MarianSettings,
    source_tokenizer: Tokenizer,
    tokenizer: Tokenizer,
    context: int,
    *,
    begin: int,
    generation: Mapping[str, Any] | None = None,
) -> None:
    """Write an encoder-decoder: config, weights, generation config, and the tokenizers as `source_tokenizer.json` and `tokenizer.json`.

    begin: the token before the first of an output. generation: what the generation config says beside the marks, by default a search by
    four beams up to `context` tokens. Raises `SettingError` where the format has no name for the architecture.
    """
    apart = model.encoder.embedding is not model.decoder.embedding
    own = int(model.encoder.embedding.weight.shape[0]) if apart else None  # type: ignore[union-attr, index]
    marks = {"eos_token_id": tokenizer.end, "pad_token_id": tokenizer.pad, "decoder_start_token_id": begin, "forced_eos_token_id": None}
    searched = {"num_beams": 4, "max_length": context} | dict(generation or {})
    positions = max(context, searched["max_length"])  # their table of positions must reach as far as is written
    write_json(folder / "config.json", marian.config(architecture, model.head.matrix.shape[0], positions, own) | marks)
    banned = {"bad_words_ids": [[tokenizer.pad]]} if tokenizer.pad != tokenizer.end else {}
    write_json(folder / "generation_config.json", marks | banned | searched)
    weights.write(folder, marian.write(model, architecture))
    tokenizer.save(folder / "tokenizer.json")
    source_tokenizer.save(folder / "source_tokenizer.json")


def family_of(architecture: Settings) -> Family:
    """The module that knows an architecture. Raises `UserError` where the format has no name for it."""
    for module in FAMILIES:
        if isinstance(architecture, module.SETTINGS):
            return module
    kind, known = getattr(architecture, "kind", architecture), ", ".join(module.SETTINGS().kind for module in FAMILIES)  # type: ignore[attr-defined]
    raise UserError(f"this model is of kind {kind}, for which the Hugging Face format has no name; it has for {known}")


def save(folder: Path, model: Model, architecture: Settings, tokenizer: Tokenizer, context: int) -> None:
    """Write config, weights, tokenizer and, for a decoder, generation config into an existing folder, in fp32.

    Raises `UserError` where the format has no name for the architecture.
    """
    family = family_of(architecture)
    marks: dict[str, int | None] = {"bos_token_id": tokenizer.end, "eos_token_id": tokenizer.end, "pad_token_id": tokenizer.pad}
    names: dict[str, int | None] = {"pad_token": tokenizer.pad, "unk_token": tokenizer.unknown}
    if isinstance(model, DecoderModel):
        write_json(folder / "generation_config.json", marks | {"do_sample": True, "temperature": 0.8})
        names |= {"bos_token": tokenizer.end, "eos_token": tokenizer.end}
    else:
        marks = {"pad_token_id": tokenizer.pad, "cls_token_id": tokenizer.cls, "sep_token_id": tokenizer.sep, "bos_token_id": tokenizer.cls}
        marks["eos_token_id"] = tokenizer.sep if tokenizer.sep is not None else tokenizer.end
        names |= {"cls_token": tokenizer.cls, "sep_token": tokenizer.sep, "mask_token": tokenizer.mask}
    if (pad := getattr(architecture, "position_offset", 0) - 1) >= 0 and pad != tokenizer.pad:
        raise UserError(f"this model counts positions from padding number {pad}, and its tokenizer's padding is number {tokenizer.pad}")
    write_json(folder / "config.json", family.config(architecture, model.head.matrix.shape[0], context) | marks)
    weights.write(folder, family.write(model, architecture))
    tokenizer.save(folder / "tokenizer.json")
    settings: dict[str, Any] = {name: _special(tokenizer, token) for name, token in names.items() if token is not None}
    settings |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": context, "clean_up_tokenization_spaces": False}
    write_json(folder / "tokenizer_config.json", settings)


def _special(tokenizer: Tokenizer, token: int) -> str:
    return tokenizer.pieces([token])[0]
