"""Sentences as lines of a file: written once, read again in each pass of the training, so that memory does not grow with the text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zhixing.corpus.words import LONGEST, WordSettings, sentences
from zhixing.files import whole_file, writing


def write_words(texts: Iterable[str], settings: WordSettings, path: Path) -> None:
    """A line a sentence, its words with spaces between them."""
    with writing(path), whole_file(path) as partial, open(partial, "w", encoding="utf-8") as file:
        for text in texts:
            file.writelines(" ".join(sentence) + "\n" for sentence in sentences(text, settings))


def write_tokens(documents: Iterable[NDArray[np.int64]], path: Path) -> None:
    """A line a document, its token ids as numbers; long ones in lines of as many as gensim looks at."""
    with writing(path), whole_file(path) as partial, open(partial, "w", encoding="ascii") as file:
        for ids in documents:
            for start in range(0, len(ids), LONGEST):
                file.write(" ".join(map(str, ids[start : start + LONGEST].tolist())) + "\n")


class Lines:
    """The sentences in such a file, to be iterated several times.

    A training that is taken up again iterates as often as one that begins; `skip` passes then give nothing.
    """

    def __init__(self, path: Path, seen: Callable[[int], object] = lambda words: None) -> None:
        """seen: hears how many words have gone by since it was last called."""
        self.path, self.seen, self.skip = path, seen, 0

    def __iter__(self) -> Iterator[list[str]]:
        if self.skip:
            self.skip -= 1
            return
        since = 0
        with open(self.path, encoding="utf-8", newline="\n") as file:
            for line in file:
                words = line[:-1].split(" ")
                yield words
                since += len(words)
                if since >= 10_000:
                    self.seen(since)
                    since = 0
        self.seen(since)
