"""Texts as encoders read them: one or two in a row, with marks around, kinds, and where each token stands in its text.

    tokens    [CLS]  知   行   [SEP]  合   一   [SEP]
    kinds       0    0    0     0    1    1     1
    texts      -1    0    0    -1    1    1    -1
    offsets   0,0   0,1  1,2   0,0  0,1  1,2   0,0

Also the tokenizers of folders that are older than `tokenizer.json`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers
from tokenizers import Encoding, decoders, models, normalizers, pre_tokenizers, processors

from zhixing.errors import ArtifactError, InputError

_HAN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


@dataclass(frozen=True)
class Framed:
    """One row for an encoder."""

    ids: list[int]
    kinds: list[int]
    """Of each token: 0 for the first text and its marks, 1 for the second (BERT's token types; RoBERTa's are all 0)."""
    texts: list[int]
    """Of each token: 0 for the first text, 1 for the second, -1 for a mark."""
    offsets: list[tuple[int, int]]
    """Of each token: the characters of its text that it stands for; (0, 0) for a mark."""
    dropped: int
    """Tokens of the texts that had no room."""


def marks(processor: processors.PostProcessor | None) -> bool:
    """Whether a tokenizer's file says how texts are framed: some only adjust offsets."""
    return processor is not None and processor.num_special_tokens_to_add(False) > 0


def usual(inner: tokenizers.Tokenizer, cls: int | None, sep: int | None, end: int) -> processors.PostProcessor:
    """How texts are framed where no file says so: BERT's way with its marks, else the mark for the end before, between and after."""
    if cls is None or sep is None:
        cls = sep = end
    first, last = str(inner.id_to_token(cls)), str(inner.id_to_token(sep))
    # A list and not "[CLS] $A ...", which would be cut at the blanks of a mark.
    return processors.TemplateProcessing(
        single=[first, "$A:0", f"{last}:0"],
        pair=[first, "$A:0", f"{last}:0", "$B:1", f"{last}:1"],
        special_tokens=[(first, cls), (last, sep)],
    )


def frame(
    processor: processors.PostProcessor, first: Sequence[Encoding], second: Sequence[Encoding] | None, longest: int | None
) -> list[Framed]:
    """Rows of texts, or of pairs of texts; see `Tokenizer.frame`."""
    pairs: Sequence[Encoding | None] = [None] * len(first) if second is None else second
    if len(pairs) != len(first):
        raise InputError("pairs", f"are {len(pairs)} second texts to {len(first)} first ones")
    room = None if longest is None else longest - processor.num_special_tokens_to_add(second is not None)
    if room is not None and room < 1:
        raise InputError("longest", f"= {longest} tokens are taken up by marks")
    rows = []
    for one, other in zip(first, pairs, strict=True):
        sizes = len(one), 0 if other is None else len(other)
        kept = sizes if room is None else _shared(sizes, room)
        one.truncate(kept[0])
        if other is not None:
            other.truncate(kept[1])
        rows.append(_row(processor.process(one, other), len(one), sum(sizes) - sum(kept)))
    return rows


def _shared(sizes: tuple[int, int], room: int) -> tuple[int, int]:
    """How many tokens of each text remain: the longer is cut until both are as long, then both."""
    a, b = sizes
    if a + b <= room:
        return sizes
    half = room // 2
    if a <= half:
        return a, room - a
    if b <= half:
        return room - b, b
    return room - half, half


def windows(processor: processors.PostProcessor, question: Encoding, text: Encoding, longest: int, overlap: int) -> list[Framed]:
    """Rows of a question and a part of a text each; see `Tokenizer.windows`."""
    room = longest - processor.num_special_tokens_to_add(True) - len(question)
    if room <= overlap:
        raise InputError(
            "question", f"has {len(question)} tokens and leaves {max(0, room)} of {longest} for the text, of which {overlap} overlap"
        )
    total = len(text)
    text.truncate(room, stride=overlap)
    return [_row(processor.process(question, part), len(question), total - len(part)) for part in (text, *text.overflowing)]


def _row(made: Encoding, first: int, dropped: int) -> Framed:
    """first: tokens of the first text. (The library's own sequence numbers get lost where no token was cut off.)"""
    texts, seen = [], 0
    for mark in made.special_tokens_mask:
        texts.append(-1 if mark else int(seen >= first))
        seen += not mark
    offsets = [(0, 0) if text < 0 else (start, end) for text, (start, end) in zip(texts, made.offsets, strict=True)]
    return Framed(made.ids, made.type_ids, texts, offsets, dropped)


def new_token(word: str) -> tokenizers.AddedToken:
    """A word to be found whole: in an alphabet only where it is no part of another word, and in any case if case is no matter there."""
    alphabet = not _HAN.search(word)
    return tokenizers.AddedToken(word, single_word=alphabet, normalized=alphabet)


def wordpiece(path: Path, *, lowercase: bool) -> tokenizers.Tokenizer:
    """BERT's tokenizer from its list of pieces (Devlin et al. 2019, arXiv 1810.04805), a line each. Raises `ArtifactError`."""
    try:
        pieces = {line: number for number, line in enumerate(path.read_text(encoding="utf-8").splitlines())}
    except UnicodeDecodeError:
        raise ArtifactError(path, "is not a list of pieces in UTF-8") from None
    if missing := [mark for mark in ("[UNK]", "[CLS]", "[SEP]") if mark not in pieces]:
        raise ArtifactError(path, f"is not BERT's list of pieces: it has no {missing[0]}")
    inner = tokenizers.Tokenizer(models.WordPiece(pieces, unk_token="[UNK]", max_input_chars_per_word=100))
    inner.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    inner.post_processor = usual(inner, pieces["[CLS]"], pieces["[SEP]"], pieces["[SEP]"])
    inner.add_special_tokens([mark for mark in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if mark in pieces])
    return inner


def byte_pairs(vocabulary: Path, merges: Path) -> tokenizers.Tokenizer:
    """GPT-2's and RoBERTa's tokenizer from its two files. Raises `ArtifactError`."""
    try:
        inner = tokenizers.Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    except Exception as error:  # the library raises bare Exception
        raise ArtifactError(vocabulary, f"and {merges.name} are no byte-pair tokenizer ({error!s:.80})") from None
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    first, last = (inner.token_to_id(mark) for mark in ("<s>", "</s>"))
    if first is not None and last is not None and inner.token_to_id("<mask>") is not None:
        inner.post_processor = processors.RobertaProcessing(("</s>", last), ("<s>", first), add_prefix_space=False)
        inner.add_special_tokens([mark for mark in ("<s>", "<pad>", "</s>", "<unk>", "<mask>") if inner.token_to_id(mark) is not None])
    else:
        inner.post_processor = processors.ByteLevel(trim_offsets=False)
        inner.add_special_tokens(["<|endoftext|>"])
    return inner
