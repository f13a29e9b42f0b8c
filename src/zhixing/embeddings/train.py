"""Training of word vectors by gensim, sentence after sentence from the disk.

1. `begin` goes through the sentences once and counts words: the vocabulary.
2. `fit` goes through them again in each epoch. gensim is called just as one would by hand; what is added is that a training that was
   killed goes on after the last epoch that was saved.
3. `vectors` takes out what is worth keeping.

The sentences are iterated, not handed over as gensim's `corpus_file`: that one cuts the file into as many pieces of bytes as there are
workers, and reads as many words of each, so that of a file whose words differ in length (English, then Chinese) some are left out and
others read twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from zhixing.embeddings.lines import Lines
from zhixing.embeddings.settings import VectorSettings
from zhixing.embeddings.vectors import Ngrams, Vectors
from zhixing.errors import InputError, MissingPackage, SettingError
from zhixing.files import whole_file, writing

SAVE_SECONDS = 60.0
"""A training is saved after an epoch, if the last time is so long ago."""
DIFFERENT = 10_000_000
"""Different words after which the rarest are forgotten while they are counted: about a gigabyte."""


def begin(lines: Lines, settings: VectorSettings, workers: int, where: str) -> Any:
    """A gensim model that knows its words, before the first epoch; `where` they come from is said when there are none.

    Raises `MissingPackage` without gensim, `InputError` when there are no words, `SettingError` when none occurs often enough.
    """
    kind = gensim(settings)
    with _quiet():
        special = {"min_n": settings.shortest, "max_n": settings.longest, "bucket": settings.buckets} if settings.kind == "fasttext" else {}
        model = kind(
            vector_size=settings.width,
            sg=int(settings.algorithm == "skipgram"),
            hs=int(settings.loss == "hierarchical"),
            negative=settings.negative if settings.loss == "negative" else 0,
            window=settings.window,
            min_count=settings.min_count,
            max_vocab_size=DIFFERENT,
            max_final_vocab=settings.vocabulary,
            sample=settings.subsample,
            alpha=settings.learning_rate,
            epochs=settings.epochs,
            seed=settings.seed,
            workers=workers,
            **special,
        )
        model.build_vocab(lines, keep_raw_vocab=True)
    different, often = len(model.raw_vocab), max(model.raw_vocab.values(), default=0)
    model.raw_vocab = None
    if not different:
        raise InputError(where, "holds no words")
    if often < settings.min_count:
        what = f"= {settings.min_count} leaves no word: the most frequent of {different:,} different ones occurs {often:,} times"
        raise SettingError("vectors.min_count", what)
    if not len(model.wv):
        what = f"= {settings.vocabulary} leaves no word, as more than that are equally frequent; set a larger one"
        raise SettingError("vectors.vocabulary", what)
    return model


def fit(model: Any, lines: Lines, saved: Path) -> tuple[int, float]:
    """Train the model in place, after the epochs that are in the file `saved`; returns how many epochs were left, and their seconds."""
    saves = _Saves(model, saved)
    lines.skip = saves.restore()
    began = time.perf_counter()
    with _quiet():
        examples, words = model.corpus_count, model.corpus_total_words
        model.train(lines, total_examples=examples, total_words=words, epochs=model.epochs, callbacks=[saves])
    return model.epochs - saves.done, time.perf_counter() - began


def vectors(model: Any, settings: VectorSettings) -> Vectors:
    """The words of a trained model, most frequent first, and their vectors."""
    found = model.wv
    ngrams = None
    if settings.kind == "fasttext":
        ngrams = Ngrams(np.asarray(found.vectors_ngrams), settings.shortest, settings.longest)
    counts = np.array([found.get_vecattr(word, "count") for word in found.index_to_key], np.int64)
    return Vectors(list(found.index_to_key), np.asarray(found.vectors), counts, ngrams=ngrams)


class _Saves:
    """Keeps what a training that is killed needs to go on; gensim tells it when an epoch is over."""

    def __init__(self, model: Any, path: Path) -> None:
        self.model, self.path = model, path
        self.passed = self.done = 0
        """Epochs that gensim has gone through, and of these or those before a kill the ones that are done."""
        self.at = time.monotonic()

    def _arrays(self) -> dict[str, Any]:
        """What training changes."""
        found, names = self.model.wv, ["syn1" if self.model.hs else "syn1neg"]
        own = {name: getattr(found, name) for name in ("vectors_vocab", "vectors_ngrams") if hasattr(found, name)} or {
            "vectors": found.vectors
        }
        return own | {name: getattr(self.model, name) for name in names}

    def restore(self) -> int:
        """Bring the model to where it was saved; returns how many epochs are done."""
        from safetensors.numpy import load_file

        if self.path.is_file():
            kept = load_file(self.path)
            for name, array in self._arrays().items():
                array[:] = kept[name]
            self.done, place = kept["at"].tolist()
            self.model.random.set_state(("MT19937", kept["random"], place))
        return self.done

    def on_train_begin(self, model: Any) -> None:
        """Nothing to do."""

    def on_epoch_begin(self, model: Any) -> None:
        """Nothing to do."""

    def on_epoch_end(self, model: Any) -> None:
        """Save, if it is time and more is to come; an epoch that was skipped is over at once."""
        from safetensors.numpy import save_file

        self.passed += 1
        if self.done < self.passed < model.epochs and time.monotonic() - self.at >= SAVE_SECONDS:
            _, random, place, *_ = model.random.get_state()
            with writing(self.path), whole_file(self.path) as partial:
                save_file({**self._arrays(), "random": random, "at": np.array([self.passed, place])}, partial)
            self.at = time.monotonic()

    def on_train_end(self, model: Any) -> None:
        """Nothing to do."""


def gensim(settings: VectorSettings) -> Any:
    """The class of gensim that the settings mean. Raises `MissingPackage` where there is none."""
    try:
        from gensim.models import FastText, Word2Vec
    except ImportError:
        raise MissingPackage("gensim", "embed", "word embeddings") from None
    return FastText if settings.kind == "fasttext" else Word2Vec


@contextmanager
def _quiet() -> Iterator[None]:
    """What gensim logs is for its developers."""
    logger = logging.getLogger("gensim")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
