"""Settings of `embed`; nothing heavy is imported here."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from zhixing.config import Settings
from zhixing.corpus.pipeline import CorpusSettings
from zhixing.corpus.words import WordSettings


class VectorSettings(Settings):
    """Which model is trained, and how."""

    kind: Literal["word2vec", "fasttext"] = "word2vec"
    """word2vec (Mikolov et al. 2013, arXiv 1301.3781), or fastText (Bojanowski et al. 2017, arXiv 1607.04606), whose words are made of
    their character n-grams too, so that words that were never seen have vectors."""
    algorithm: Literal["skipgram", "cbow"] = "skipgram"
    """skipgram: a word foretells its neighbours, better for small corpora; cbow: they foretell the word, several times as fast."""
    loss: Literal["negative", "hierarchical"] = "negative"
    """Negative sampling, or hierarchical softmax (arXiv 1310.4546)."""
    width: int = Field(default=100, ge=2)
    """Numbers in a vector; `model.width` where the vectors are going to begin a model's embedding."""
    window: int = Field(default=5, ge=1)
    """Words to the left and to the right that count as neighbours, at most."""
    min_count: int = Field(default=5, ge=1)
    """Words that occur less often get no vector."""
    vocabulary: int | None = Field(default=None, ge=1)
    """The most words that get a vector, where set: those that occur most often."""
    epochs: int = Field(default=5, ge=1)
    """Passes over the text."""
    negative: int = Field(default=5, ge=1)
    """Words that are drawn as wrong answers for each right one; 5 to 20 for small corpora, 2 to 5 for large ones."""
    subsample: float = Field(default=1e-3, ge=0, lt=1)
    """Share of the text above which a word is skipped now and then, the more often the more frequent it is."""
    learning_rate: float = Field(default=0.025, gt=0)
    """At the beginning; it falls in a straight line to 0.0001."""
    shortest: int = Field(default=3, ge=1)
    """Characters of the shortest n-gram of fastText, of a word in angle brackets: 中国 has <中国, 中国> and <中国>."""
    longest: int = Field(default=6, ge=1, le=30)
    """Characters of the longest n-gram of fastText."""
    buckets: int = Field(default=200_000, ge=1)
    """Vectors for the n-grams of fastText, which share them by chance; each takes as much memory as a word's."""
    seed: int = Field(default=1, ge=0, lt=1 << 32)
    """With one worker, the same seed and text give the same vectors."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.longest < self.shortest:
            raise ValueError(f"vectors.longest = {self.longest} is less than vectors.shortest = {self.shortest}")
        return self


class PictureSettings(Settings):
    """The picture in the report."""

    method: Literal["tsne", "pca"] = "tsne"
    """t-SNE, which keeps neighbours together (van der Maaten and Hinton 2008), or the first two principal components."""
    words: int = Field(default=150, ge=3, le=1000)
    """How many of the frequent words are drawn."""


class EmbedSettings(CorpusSettings):
    """All settings of `embed`."""

    unit: Literal["word", "token"] = "word"
    """What gets a vector: words, or the tokens of a data folder's tokenizer, which cover the whole embedding table of a model."""
    words: WordSettings = WordSettings()
    vectors: VectorSettings = VectorSettings()
    picture: PictureSettings = PictureSettings()
