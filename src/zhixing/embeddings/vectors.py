"""Words and their vectors, as `embed` writes them: nearest words, analogies; nothing of gensim is needed.

words.json            the words, most frequent first (with unit=token: each token as people can read it)
vectors.safetensors   vectors [V, D], counts [V]; with unit=token ids [V]; of fastText also ngrams [B, D]
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhixing.errors import ArtifactError, InputError
from zhixing.files import open_folder, read_json, whole_file, write_json, writing
from zhixing.tokenizer.tokenizer import Tokenizer

Floats = NDArray[np.float32]
KIND = "vectors"
"""What the manifest of such a folder says."""
_WORDS, _NUMBERS = "words.json", "vectors.safetensors"
_SPACE = re.compile(r"\s")


@dataclass(frozen=True)
class Ngrams:
    """What fastText knows of parts of words: a vector for each bucket that character n-grams are hashed into."""

    buckets: Floats
    """[B, D]"""
    shortest: int
    longest: int

    def vector(self, word: str) -> Floats | None:
        """The mean vector of a word's n-grams, `<` and `>` marking its ends; None when it has none."""
        places = [self._bucket(f"<{word}>"[i : i + n]) for n in range(self.shortest, self.longest + 1) for i in self._starts(word, n)]
        return self.buckets[places].mean(axis=0, dtype=np.float32) if places else None

    @staticmethod
    def _starts(word: str, size: int) -> range:
        return range(len(word) + 2 - size + 1) if size > 1 else range(1, len(word) + 1)  # a mark alone is no n-gram

    def _bucket(self, ngram: str) -> int:
        """FNV-1a of the bytes, each taken as a signed one, as fastText's `dictionary.cc` has it."""
        state = 2166136261
        for byte in ngram.encode("utf-8"):
            state = (state ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619 & 0xFFFFFFFF
        return state % len(self.buckets)


@dataclass(frozen=True)
class Vectors:
    """Words, or tokens, and a vector for each."""

    words: list[str]
    matrix: Floats
    """[V, D]"""
    counts: NDArray[np.int64]
    """How often each occurred. [V]"""
    ids: NDArray[np.int64] | None = None
    """Numbers of the tokens in their tokenizer, where tokens they are. [V]"""
    ngrams: Ngrams | None = None
    about: dict[str, Any] = field(default_factory=dict)
    """`lower`: whether words were made small; `tokenizer`: the fingerprint of the tokens' tokenizer."""

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return int(self.matrix.shape[1])

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The row of each word; of tokens that look alike that of the most frequent."""
        return {word: number for number, word in reversed(list(enumerate(self.words)))}

    @cached_property
    def _norms(self) -> Floats:
        norms: Floats = np.maximum(np.linalg.norm(self.matrix, axis=1), 1e-12)
        return norms

    def spelt(self, word: str) -> str:
        """A word as it stands here: in small letters, if all of them do."""
        return word.lower() if self.about.get("lower") else word

    def vector(self, word: str) -> Floats:
        """The vector of a word, in fastText also of one that was never seen. Raises `InputError` for any other."""
        word = self.spelt(word)
        if word in self.numbers:
            row: Floats = self.matrix[self.numbers[word]]
            return row
        made = self.ngrams.vector(word) if self.ngrams else None
        if made is None:
            raise unknown(word, self.words)
        return made

    def nearest(self, word: str, count: int = 10) -> list[tuple[str, float]]:
        """The words whose vectors have the largest cosine with that of a word, and these cosines."""
        return self._closest(self.vector(word), count, [word])

    def analogy(self, a: str, b: str, c: str, count: int = 5) -> list[tuple[str, float]]:
        """What is to `c` as `a` is to `b`: words near a - b + c, all three of length 1 (3CosAdd, Mikolov et al. 2013, arXiv 1310.4546)."""
        va, vb, vc = (v / max(1e-12, float(np.linalg.norm(v))) for v in map(self.vector, (a, b, c)))
        return self._closest(va - vb + vc, count, [a, b, c])

    def _closest(self, vector: Floats, count: int, without: Sequence[str]) -> list[tuple[str, float]]:
        cosines = self.matrix @ vector / (self._norms * max(1e-12, float(np.linalg.norm(vector))))
        known = [self.numbers[word] for word in map(self.spelt, without) if word in self.numbers]
        cosines[known] = -np.inf
        best = np.argsort(-cosines, kind="stable")[: min(count, len(cosines) - len(set(known)))]
        return [(self.words[i], float(cosines[i])) for i in best.tolist()]

    def save(self, folder: Path, *, text: bool = False) -> None:
        """Write both files into a folder; with `text` also `vectors.txt` in word2vec's text format, spaces inside tokens as `▁`."""
        from safetensors.numpy import save_file

        tensors: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {"vectors": self.matrix, "counts": self.counts}
        about: dict[str, Any] = {"about": self.about}
        if self.ids is not None:
            tensors["ids"] = self.ids
        if self.ngrams is not None:
            tensors["ngrams"] = self.ngrams.buckets
            about |= {"shortest": self.ngrams.shortest, "longest": self.ngrams.longest}
        write_json(folder / _WORDS, self.words)
        with writing(folder), whole_file(folder / _NUMBERS) as partial:
            save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, partial, {"zhixing": json.dumps(about)})
        if text:
            with writing(folder), whole_file(folder / "vectors.txt") as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
                file.write(f"{len(self.words)} {self.width}\n")
                for word, row in zip(self.words, self.matrix, strict=True):
                    file.write(f"{_SPACE.sub('▁', word)} {' '.join(row.astype(str))}\n")

    @classmethod
    def open(cls, folder: Path) -> Vectors:
        """Read a folder that `embed` wrote. Raises `ArtifactError` when it is absent, foreign, newer than this program or damaged."""
        from safetensors import SafetensorError, safe_open

        open_folder(folder, KIND, verify=[_WORDS, _NUMBERS])
        try:
            with safe_open(folder / _NUMBERS, framework="numpy") as file:
                about = json.loads(file.metadata()["zhixing"])
                found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dictionary)
            ngrams = Ngrams(found["ngrams"], about["shortest"], about["longest"]) if "ngrams" in found else None
            return cls(list(read_json(folder / _WORDS)), found["vectors"], found["counts"], found.get("ids"), ngrams, about["about"])
        except (KeyError, ValueError, TypeError, SafetensorError) as error:
            raise ArtifactError(folder, f"is damaged: its vectors cannot be read ({error!s:.80})") from None


def of_tokens(vectors: Vectors, tokenizer: Tokenizer) -> Vectors:
    """Vectors of words that are the numbers of tokens, as vectors of those tokens."""
    ids = np.array([int(word) for word in vectors.words], np.int64)
    return replace(vectors, words=tokenizer.pieces(ids.tolist()), ids=ids, about={"tokenizer": tokenizer.fingerprint})


def unknown(word: str, words: Sequence[str]) -> InputError:
    """The complaint about a word without a vector, with the one of the frequent words that looks most like it."""
    import difflib

    near = difflib.get_close_matches(word, words[:50_000], n=1, cutoff=0.75)
    hint = f"; did you mean {near[0]}?" if near else ""
    return InputError(f"word {word!r}", f"is not among the {len(words):,} that have vectors{hint}")
