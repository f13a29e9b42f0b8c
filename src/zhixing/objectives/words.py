"""Where words begin in a token store, so that a whole word can be hidden at a time.

1. The bytes of a document's tokens are put together to its text, which is cut into words: runs of letters with the space before them,
   numbers, single signs, and Han runs by rjieba.
2. A token begins a word where a word begins at its first byte. A token that holds the border of two words makes them one.
3. The answers, a bit a token, are written beside the store on first use and mapped into memory from then on; where nothing can be written
   there, they are found anew each time.

Cut once over whole documents, words do not depend on where a window begins, and no batch has to wait for rjieba.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zhixing.console import progress
from zhixing.corpus.han import RUN
from zhixing.errors import UserError
from zhixing.files import whole_file, writing
from zhixing.store import Store
from zhixing.tokenizer.tokenizer import Tokenizer

VERSION = 1
"""Part of the file's name; raised when words are cut otherwise."""

_PIECES = re.compile(rf"({RUN.pattern})| ?(?:(?!{RUN.pattern.rstrip('+')})[^\W\d_])+|\d+|\s+|.", re.DOTALL)


class Words:
    """For each token of a store, whether it begins a word."""

    def __init__(self, store: Store, tokenizer: Tokenizer) -> None:
        path = store.folder / f"{store.split}.words-{VERSION}.{tokenizer.segmentation[:8]}.npy"
        try:
            self._bits = np.load(path, mmap_mode="r", allow_pickle=False)
            if self._bits.shape == (-(-store.tokens // 8),):
                return
        except (OSError, ValueError, EOFError):
            pass
        self._bits = _bits(store, tokenizer)
        try:
            with writing(path), whole_file(path) as partial, open(partial, "wb") as file:
                np.save(file, self._bits)
        except UserError:
            return  # a data folder that may only be read

    def read(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Of tokens `start` to `stop` of the stream."""
        first = start // 8
        bits = np.unpackbits(self._bits[first : -(-stop // 8)])
        return bits[start - 8 * first : stop - 8 * first].astype(bool)


def _bits(store: Store, tokenizer: Tokenizer) -> NDArray[np.uint8]:
    texts, begins = tokenizer.token_bytes(), np.zeros(store.tokens, dtype=bool)
    with progress("finding words", total=store.tokens, unit="tokens") as bar:
        for document in range(store.documents):
            start, stop = int(store.offsets[document]), int(store.offsets[document + 1])
            begins[start:stop] = beginnings(texts, store.read(start, stop).tolist())
            bar.advance(stop - start)
    return np.packbits(begins)


def beginnings(texts: Sequence[bytes], ids: Sequence[int]) -> NDArray[np.bool_]:
    """Whether each token of a document begins a word; `texts` are the bytes of all ids."""
    import rjieba  # here, because its dictionary takes a fifth of a second to load, and every model opened imports this file

    pieces = [texts[i] for i in ids]
    places = np.cumsum([0, *map(len, pieces)])
    text = b"".join(pieces).decode("utf-8", "surrogateescape")  # a byte that is no character becomes one, and one byte again below
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    sizes = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    sizes[(points >= 0xDC80) & (points <= 0xDCFF)] = 1
    byte_of = np.cumsum(np.append(0, sizes))
    starts: list[int] = []
    for found in _PIECES.finditer(text):
        place = found.start()
        if found[1] is None:
            starts.append(place)
        else:
            for word in rjieba.cut(found[1]):
                starts.append(place)
                place += len(word)
    at = np.zeros(int(places[-1]) + 1, dtype=bool)
    at[byte_of[starts]] = True
    found_at: NDArray[np.bool_] = at[places[:-1]]
    return found_at
