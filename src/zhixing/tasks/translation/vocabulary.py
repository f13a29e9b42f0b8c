"""Tokenizers for the two sides of sentence pairs.

The number of tokens follows the number of pairs: every token has to be met often enough to be learnt, and small data with many tokens
learns few of them well. The rule has the direction of Sennrich & Zhang 2019, "Revisiting Low-Resource Neural Machine Translation" (small
data wants few tokens); its factor has not been measured here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain

from zhixing.corpus.pairs import Pair
from zhixing.tasks.translation.recipe import VocabularySettings
from zhixing.tokenizer.settings import TokenizerSettings
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.tokenizer.train import train


def usual_size(pairs: int) -> int:
    """Tokens of a vocabulary for so many pairs: a multiple of 64."""
    return round(max(1024.0, min(32_000.0, 24 * math.sqrt(pairs))) / 64) * 64


def tokenizers(
    pairs: Sequence[Pair], settings: VocabularySettings, known: tuple[Tokenizer | None, Tokenizer | None] = (None, None)
) -> tuple[Tokenizer, Tokenizer]:
    """Tokenizers of sources and targets, those that are not `known` trained; the same one twice where they are joint."""
    size = settings.size or usual_size(len(pairs))
    sides = [[pair.source for pair in pairs], [pair.target for pair in pairs]]
    if settings.joint and known == (None, None):
        both = _train(list(chain(*sides)), settings, size)
        return both, both
    source, target = (one or _train(side, settings, size) for one, side in zip(known, sides, strict=True))
    return source, target


def _train(texts: list[str], settings: VocabularySettings, size: int) -> Tokenizer:
    bytes_of = sum(len(text.encode("utf-8")) for text in texts)
    # Asked for by hand, a vocabulary that the texts do not give is an error; of little text the trainer takes what there is.
    vocabulary = size if settings.size or bytes_of >= 200 * size else None
    return train(iter(texts), TokenizerSettings(kind=settings.kind, vocabulary=vocabulary), bytes_of)
