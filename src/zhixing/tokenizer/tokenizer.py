"""A tokenizer: text to ids and back, wrapped around Hugging Face `tokenizers`, whose `tokenizer.json` is the only file it needs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import tokenizers
from tokenizers.pre_tokenizers import ByteLevel

from zhixing.errors import ArtifactError, InputError, UserError
from zhixing.files import read_json, write_json, write_text
from zhixing.tokenizer import framing
from zhixing.tokenizer.framing import Framed

END, PAD, MASK = "<|endoftext|>", "<|pad|>", "<|mask|>"
_ENDS = (END, "</s>", "<|im_end|>", "<|end_of_text|>", "<eos>", "[SEP]")
_PADS = (PAD, "<pad>", "[PAD]")
_ENCODERS = (("[CLS]", "[SEP]", "[MASK]"), ("<s>", "</s>", "<mask>"))
"""What opens and closes a text, and what hides a token of it, in BERT and in RoBERTa."""

MASKS = (MASK, "[MASK]", "<mask>")
"""What a hidden token is replaced by: our name, and those that other tokenizers have for it."""
HOLES = ("<|prefix|>", "<|fim_prefix|>"), ("<|suffix|>", "<|fim_suffix|>"), ("<|middle|>", "<|fim_middle|>")
"""Marks of a text to be filled in: what stands before the hole, what stands after it, what was in it."""


def sentinel(number: int) -> tuple[str, str]:
    """Names of the mark that stands for the hidden span of this number, ours and T5's."""
    return f"<|span-{number}|>", f"<extra_id_{number}>"


_OURS = re.compile(r"<\|(mask|span-\d+|prefix|suffix|middle|back|to:.*|domain:.*)\|>")
"""Marks that `with_marks` may have added."""

HIDDEN = "\ue000"
"""Stands before the name of a token that must not come out of a text (see `sentencepiece`); a private-use character."""

Kind = Literal["bpe", "unigram", "wordpiece", "char", "word"]


class Tokenizer:
    """Text to ids and back.

    A mark such as `<|endoftext|>` that stands in a text is text like any other: only the program itself puts marks among the ids.
    """

    def __init__(self, inner: tokenizers.Tokenizer, end: str = END, pad: str | None = PAD) -> None:
        inner.no_truncation()
        inner.no_padding()
        inner.encode_special_tokens = True  # marks inside a text are not special
        self._inner = inner
        self.vocabulary: int = 1 + max(inner.get_vocab().values(), default=-1)
        """Number of ids, marks included, and gaps, which foreign tokenizers may have."""
        self.end = self._id(end)
        """Ends each document, and stands before the first."""
        self.pad = self.end if pad is None else self._id(pad)
        self.cls, self.sep, self.mask = self._encoder_marks()
        """What opens and closes a text for an encoder, and what hides a token; None for a tokenizer that was not made for one."""
        self._frame = (
            inner.post_processor if framing.marks(inner.post_processor) else framing.usual(self._inner, self.cls, self.sep, self.end)
        )
        tree = json.loads(inner.to_str())
        model = tree["model"]
        vocabulary = model["vocab"] if isinstance(model["vocab"], dict) else {piece for piece, _ in model["vocab"]}
        self.unknown: int | None = _unknown(inner, model)
        """What stands for text that the vocabulary does not cover; None where there is no such text."""
        self.kind: Kind = _kind(tree)
        if model.get("type") == "Unigram":  # the library reads scores back with the last bit changed
            model["vocab"] = [[piece, round(score, 6)] for piece, score in model["vocab"]]
        usual_end, usual_pad = _found(inner, {})
        usual = (end, pad or end) == (usual_end, usual_pad or usual_end)
        self._told: dict[str, Any] = {} if usual else {"eos_token": end, "pad_token": pad or end}
        tree |= self._told
        self.fingerprint: str = hashlib.sha256(json.dumps(tree, sort_keys=True).encode("utf-8")).hexdigest()
        """SHA-256 of its `tokenizer.json`, however that is laid out on disk, and of the marks that have to be told beside it."""

        tree["added_tokens"] = [t for t in tree["added_tokens"] if not (_OURS.fullmatch(t["content"]) and t["content"] not in vocabulary)]
        self.segmentation: str = hashlib.sha256(json.dumps(tree, sort_keys=True).encode("utf-8")).hexdigest()
        """The same without marks that were added to a finished vocabulary: equal where the same text gets the same ids."""

    def mark(self, names: Sequence[str]) -> int | None:
        """The id of the first of these marks that the vocabulary has."""
        spelled = (spelling for name in names for spelling in (name, HIDDEN + name))
        return next((found for name in spelled if (found := self._inner.token_to_id(name)) is not None), None)

    def need(self, names: Sequence[str]) -> int:
        """Likewise. Raises `ArtifactError` where it has none of them."""
        found = self.mark(names)
        if found is None:
            raise ArtifactError("tokenizer.json", f"has no mark {names[0]}; Tokenizer.with_marks adds it, as pretrain does by itself")
        return found

    def with_marks(self, names: Sequence[str]) -> Tokenizer:
        """This tokenizer with more marks at the end of its vocabulary; the ids of all text stay as they are."""
        inner = tokenizers.Tokenizer.from_str(self._inner.to_str())
        inner.add_special_tokens([tokenizers.AddedToken(name, special=True, normalized=False) for name in names])
        return Tokenizer(inner, str(self._inner.id_to_token(self.end)), str(self._inner.id_to_token(self.pad)))

    def marks(self) -> list[int]:
        """Ids of all marks: they stand for no text."""
        return sorted(i for i, token in self._inner.get_added_tokens_decoder().items() if token.special)

    def token_bytes(self) -> list[bytes]:
        """The UTF-8 bytes that each id stands for, in a text; a line end for marks and for what is unknown."""
        tree = json.loads(self._inner.to_str())
        level = "ByteLevel" in json.dumps([tree.get("pre_tokenizer"), tree.get("decoder")])
        marks = {*self.marks(), self.unknown}
        found = []
        for number in range(self.vocabulary):
            name = self._inner.id_to_token(number)
            if number in marks or name is None:
                found.append(b"\n")
            elif level:
                found.append(bytes(_BYTE_OF[c] for c in name) if all(c in _BYTE_OF for c in name) else name.encode("utf-8"))
            elif self.kind == "wordpiece":
                alone = name.startswith("##") or not name[0].isalnum() or name[0] >= "\u2e80"
                found.append(name.removeprefix("##").encode("utf-8") if alone else f" {name}".encode())
            elif byte := re.fullmatch(r"<0x([0-9A-F]{2})>", name):
                found.append(bytes([int(byte[1], 16)]))
            else:
                found.append(name.replace("\u2581", " ").encode("utf-8"))
        return found

    def _id(self, token: str) -> int:
        found: int | None = self._inner.token_to_id(token)
        if found is None:
            raise ArtifactError("tokenizer.json", f"has no token {token}")
        return found

    def _encoder_marks(self) -> tuple[int | None, int | None, int | None]:
        for names in _ENCODERS:
            found = tuple(self._inner.token_to_id(name) for name in names)
            if found[2] is not None or (found[0] is not None and names[0] == "[CLS]"):  # <s> alone is any decoder's
                return found[0], found[1], found[2]
        mask: int | None = self._inner.token_to_id(MASK)
        return None, None, mask

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Open a `tokenizer.json` that was made here or elsewhere, with the marks that a `tokenizer_config.json` beside it tells.

        Raises `ArtifactError` when it is no such file.
        """
        return cls._with_marks(_read(Path(path)), Path(path), _config(Path(path)))

    @classmethod
    def adopt(cls, path: Path) -> Tokenizer:
        """Open the tokenizer of a data folder, a run folder, a Hugging Face folder, or a `tokenizer.json` by itself.

        Of an old Hugging Face folder that has none, `vocab.txt` is read (WordPiece, BERT's), or `vocab.json` with `merges.txt` (byte-level
        pairs, GPT-2's).
        """
        path = Path(path)
        if path.is_file():
            return cls.load(path)
        said = _config(path / "tokenizer.json")
        if (path / "tokenizer.json").is_file():
            inner = _read(path / "tokenizer.json")
        elif (path / "vocab.txt").is_file():
            inner = framing.wordpiece(path / "vocab.txt", lowercase=bool(said.get("do_lower_case", True)))
        elif (path / "vocab.json").is_file() and (path / "merges.txt").is_file():
            inner = framing.byte_pairs(path / "vocab.json", path / "merges.txt")
        else:
            raise ArtifactError(path, "holds no tokenizer.json, and no vocab.txt either")
        return cls._with_marks(inner, path, said)

    @classmethod
    def _with_marks(cls, inner: tokenizers.Tokenizer, path: Path, said: dict[str, Any]) -> Tokenizer:
        end, pad = _found(inner, said)
        if end is None:
            raise ArtifactError(path, f"its tokenizer has no mark for the end of a text (looked for {', '.join(_ENDS)})")
        return cls(inner, end, pad)

    def save(self, path: Path) -> None:
        """Write `tokenizer.json`, whole or not at all, and beside it `tokenizer_config.json` where the marks cannot be told without."""
        if self._told:
            write_json(_beside(Path(path)), self._told)
        write_text(Path(path), self._inner.to_str(pretty=True))

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without any mark."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of several texts, on all cores. Raises `InputError` for a text that cannot be written as UTF-8."""
        try:
            return [encoding.ids for encoding in self._inner.encode_batch_fast(list(texts), add_special_tokens=False)]
        except (UnicodeEncodeError, TypeError):
            raise InputError("text", "holds half of a surrogate pair, which no encoding can write") from None

    def frame(self, texts: Sequence[str], pairs: Sequence[str] | None = None, longest: int | None = None) -> list[Framed]:
        """Texts as an encoder reads them: with marks around, as the tokenizer's own file says ([CLS] a [SEP], [CLS] a [SEP] b [SEP]).

        A tokenizer that knows no marks of this kind puts its mark for the end before, between and after: so documents follow one another.
        pairs: second texts, one for each. longest: tokens that a row may have at most, marks included; of what is too long the end is cut
        off, of a pair that of the longer text, and `dropped` says how many tokens. Raises `InputError` for a text that is none.
        """
        return framing.frame(self._frame, self._encodings(texts), None if pairs is None else self._encodings(pairs), longest)

    def windows(self, question: str, text: str, longest: int, overlap: int) -> list[Framed]:
        """A question beside a text of any length: as many rows of at most `longest` tokens as the text takes.

        The question is whole in each; neighbouring rows share `overlap` tokens of the text. Raises `InputError` for a question that
        leaves no room for more than the overlap.
        """
        [first], [second] = self._encodings([question]), self._encodings([text])
        return framing.windows(self._frame, first, second, longest, overlap)

    def _encodings(self, texts: Sequence[str]) -> list[tokenizers.Encoding]:
        try:
            return list(self._inner.encode_batch(list(texts), add_special_tokens=False))
        except (UnicodeEncodeError, TypeError):
            raise InputError("text", "is no text, or holds half of a surrogate pair, which no encoding can write") from None

    def extended(self, words: Sequence[str]) -> Tokenizer:
        """The same tokenizer with more tokens, numbered from `vocabulary` on: words that it cuts into pieces now.

        Words that are one token already are passed over. See `models.vocabulary.grow` for the model's part.
        """
        made = tokenizers.Tokenizer.from_str(self._inner.to_str())
        for word in dict.fromkeys(words):
            if not word.strip():
                raise InputError("new token", f"{word!r} holds nothing to be seen")
            if len(self.encode(word)) != 1 or self.encode(word)[0] == self.unknown:
                made.add_tokens([framing.new_token(word)])
        pad = None if self.pad == self.end else str(self._inner.id_to_token(self.pad))
        return Tokenizer(made, str(self._inner.id_to_token(self.end)), pad)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; marks are left out."""
        return str(self._inner.decode(list(ids), skip_special_tokens=True))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Each id as people can read it: its text where that is whole characters, else its name in the vocabulary."""
        found = []
        for one in ids:
            text = str(self._inner.decode([one], skip_special_tokens=False))
            found.append(text if text and "\ufffd" not in text else str(self._inner.id_to_token(one)))
        return found

    def names(self) -> list[str]:
        """The name of each id in the vocabulary, all different; a gap, which foreign tokenizers may have, is called `<gap 17>`."""
        names = (self._inner.id_to_token(one) for one in range(self.vocabulary))
        return [f"<gap {number}>" if name is None else str(name) for number, name in enumerate(names)]

    def stream(self) -> Stream:
        """A decoder that is fed one id at a time."""
        return Stream(self)

    def to_json(self) -> dict[str, Any]:
        """The content of `tokenizer.json`."""
        return dict(json.loads(self._inner.to_str()))


class Stream:
    """Decode ids as they come, in whole characters: half a Chinese character waits for its other half."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._shown = 0  # ids whose text has been given out

    def push(self, token: int) -> str:
        """The text that this id completes, often empty in the middle of a character."""
        self._ids.append(token)
        return self._take(hold=True)

    def flush(self) -> str:
        """The rest, with U+FFFD for a character that was never completed."""
        return self._take(hold=False)

    def _take(self, *, hold: bool) -> str:
        # The ids before are decoded along, for tokenizers whose text of an id depends on its neighbour.
        before = self._tokenizer.decode(self._ids[: self._shown])
        now = self._tokenizer.decode(self._ids)
        if len(now) <= len(before) or (hold and now.endswith("\ufffd")):
            return ""
        self._ids = self._ids[self._shown :]
        self._shown = len(self._ids)
        return now[len(before) :]


def _named(token: Any) -> str | None:
    """A mark as tokenizer_config.json writes it: a string, or an object with its content."""
    if isinstance(token, dict):
        return str(token.get("content"))
    return token if isinstance(token, str) else None


def _beside(path: Path) -> Path:
    """Where transformers, too, says which tokens are the marks of a `tokenizer.json`."""
    return path.with_name(f"{path.stem}_config.json")


def _config(path: Path) -> dict[str, Any]:
    side = _beside(path)
    said = read_json(side) if side.is_file() else {}
    if not isinstance(said, dict):
        raise ArtifactError(side, "is not a tokenizer_config.json: it holds no names")
    return said


def _found(inner: tokenizers.Tokenizer, said: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The marks of the end of a text and of padding: those that are said to be, else those of usual names; None where there is none."""

    def first(names: tuple[str | None, ...]) -> str | None:
        spelled = (spelling for name in names if name for spelling in (name, HIDDEN + name))
        return next((name for name in spelled if inner.token_to_id(name) is not None), None)

    # Where BERT's marks are all there, a text ends with one of them, whatever else stands unused in the vocabulary.
    bert = all(inner.token_to_id(name) is not None for name in ("[CLS]", "[SEP]", "[PAD]"))
    return first((_named(said.get("eos_token")), *(("[SEP]",) if bert else ()), *_ENDS)), first((_named(said.get("pad_token")), *_PADS))


def _read(path: Path) -> tokenizers.Tokenizer:
    if not path.is_file():
        raise ArtifactError(path, "no such tokenizer file")
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ArtifactError(path, f"is not a tokenizer.json ({error!s:.80})") from None


def _unknown(inner: tokenizers.Tokenizer, model: dict[str, Any]) -> int | None:
    """The id of text that the vocabulary does not cover, None where bytes cover everything."""
    unknown: int | None = model.get("unk_id")
    if model.get("unk_token") is not None:
        unknown = inner.token_to_id(model["unk_token"])
    in_bytes = model.get("byte_fallback") and inner.token_to_id("<0xFF>") is not None
    byte_level = model["type"] == "BPE" and all(inner.token_to_id(c) is not None for c in ByteLevel.alphabet())
    return None if in_bytes or byte_level else unknown


def _kind(tree: dict[str, Any]) -> Kind:
    model = tree["model"]
    match model.get("type"):
        case "Unigram":
            # Trained here, a word vocabulary says so by a mark in its first, unused piece.
            return "word" if any(piece == "<|words|>" for piece, _ in model["vocab"][:4]) else "unigram"
        case "WordPiece":
            return "wordpiece"
        case "WordLevel":
            return "word"
        case "BPE":
            return "bpe" if model["merges"] else "char"
    raise UserError(f"tokenizer.json: model {model.get('type')} is not known here; bpe, unigram, wordpiece, char and word are")


def _byte_level() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for (Radford et al. 2019): printable ones for themselves, the others
    for characters from 256 on.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


_BYTE_OF = _byte_level()
