"""Tokenizers from sentencepiece's model files, without its library: pieces, scores and normaliser become a tokenizer of `tokenizers`.

The file is a protocol buffer (sentencepiece_model.proto), of which four things are needed:

    1 pieces:     1 piece, 2 score, 3 type (1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte)
    2 trainer:    3 model type (1 unigram, 2 bpe)
    3 normaliser: 2 precompiled map of characters, 3 dummy prefix, 4 extra spaces removed

Translation models number the pieces in their own way; a list of names in the order of their ids says how. What is in that list and not in
the file (language marks, pieces of the other language) never comes out of a text.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Inner

from zhixing.errors import ArtifactError
from zhixing.files import reason
from zhixing.tokenizer.tokenizer import HIDDEN, Tokenizer

SPACE = "\u2581"
NORMAL, USER, BYTE = 1, 4, 6


@dataclass
class Pieces:
    """What a model file says."""

    names: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    kind: int = 1
    """1 unigram, 2 bpe."""
    characters: bytes = b""
    """The precompiled map of characters; empty: none."""
    prefix: bool = True
    """Whether a space is put before the text."""
    squeeze: bool = True
    """Whether spaces at the ends and beside other spaces are removed."""


def read(path: Path) -> Pieces:
    """The content of a sentencepiece model file. Raises `ArtifactError` when it is none."""
    found = Pieces()
    try:
        for number, value in _fields(path.read_bytes()):
            if number == 1 and isinstance(value, bytes):
                piece = dict(_fields(value))
                name, score = piece.get(1, b""), piece.get(2, b"\0\0\0\0")
                assert isinstance(name, bytes) and isinstance(score, bytes)
                found.names.append(name.decode("utf-8"))
                found.scores.append(struct.unpack("<f", score)[0])
                found.types.append(int(piece.get(3, NORMAL)))
            elif number == 2 and isinstance(value, bytes):
                found.kind = int(dict(_fields(value)).get(3, 1))
            elif number == 3 and isinstance(value, bytes):
                normaliser = dict(_fields(value))
                found.characters = bytes(normaliser.get(2, b""))
                found.prefix, found.squeeze = bool(normaliser.get(3, 1)), bool(normaliser.get(4, 1))
    except OSError as error:
        raise ArtifactError(path, f"cannot be read ({reason(error)})") from None
    except (ValueError, IndexError, AssertionError, struct.error, TypeError):
        raise ArtifactError(path, "is damaged or no sentencepiece model") from None
    if not found.names or found.kind not in (1, 2):
        raise ArtifactError(path, "is no sentencepiece model of unigram or byte-pair pieces")
    return found


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of the fields of a protocol buffer message; four bytes stay bytes."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def taken(count: int) -> bytes:
        nonlocal place
        if place + count > len(data):
            raise ValueError("cut")
        place += count
        return data[place - count : place]

    while place < len(data):
        key = varint()
        match key & 7:
            case 0:
                yield key >> 3, varint()
            case 1:
                yield key >> 3, taken(8)
            case 2:
                yield key >> 3, taken(varint())
            case 5:
                yield key >> 3, taken(4)
            case other:
                raise ValueError(f"wire type {other}")


def tokenizer(pieces: Pieces, names: Sequence[str], marks: Collection[str]) -> Tokenizer:
    """A tokenizer that cuts texts as sentencepiece does.

    names: all tokens in the order of their ids; those that the file does not know never come out of a text. marks: those that are no text
    when ids are decoded; `</s>`, `<pad>` and `<unk>` must be among both.
    """
    usual = (NORMAL, USER, BYTE)
    known = {name: score for name, score, kind in zip(pieces.names, pieces.scores, pieces.types, strict=True) if kind in usual}
    in_bytes = BYTE in pieces.types
    shown = [name if name in known and name not in marks else HIDDEN + name for name in names]
    if pieces.kind == 1:
        lowest = min(known.values(), default=0.0)  # an unknown character costs 10 more than the least likely piece, of those there are
        table = [(name, known.get(name, lowest)) for name in shown]
        inner = Inner(models.Unigram(table, unk_id=names.index("<unk>"), byte_fallback=in_bytes))
    else:
        ids = {name: place for place, name in enumerate(shown)}
        inner = Inner(models.BPE(ids, _merges(known, ids), unk_token=HIDDEN + "<unk>", fuse_unk=True, byte_fallback=in_bytes))
    steps: list[normalizers.Normalizer] = [normalizers.Precompiled(pieces.characters)] if pieces.characters else []
    if pieces.squeeze:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    inner.normalizer = normalizers.Sequence(steps)
    split = not any(SPACE in name[1:] for name in known)
    scheme = "always" if pieces.prefix else "never"
    inner.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme=scheme, split=split)
    space = decoders.Metaspace(replacement=SPACE, prepend_scheme=scheme, split=split)
    fallback = [decoders.ByteFallback()] if in_bytes else []
    inner.decoder = decoders.Sequence([decoders.Replace(HIDDEN, ""), *fallback, space])
    inner.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in shown if name.removeprefix(HIDDEN) in marks])
    return Tokenizer(inner, HIDDEN + "</s>", HIDDEN + "<pad>")


def _merges(scores: dict[str, float], ids: dict[str, int]) -> list[tuple[str, str]]:
    """Merges in the order of their ranks: a piece's score is minus its rank, and any two pieces that make it may be merged into it."""
    merges: list[tuple[float, int, int, tuple[str, str]]] = []
    for piece, score in scores.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in ids and right in ids and left in scores and right in scores and piece in ids:
                merges.append((-score, ids[left], ids[right], (left, right)))
    return [pair for _, _, _, pair in sorted(merges)]
