"""Words in the plane, and which words are worth showing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from zhixing.embeddings.settings import PictureSettings
from zhixing.embeddings.vectors import Vectors
from zhixing.errors import MissingPackage

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]{2,}")
_LATIN = re.compile("[^\\W\\d_]{4,}")
COMMON = 100
"""The most frequent words, which stand everywhere and say little, are passed over."""
FEWEST = 10
"""Words of a kind that give a picture."""


def telling(words: Sequence[str], count: int) -> tuple[list[str], list[str]]:
    """Frequent words that say something by themselves, of two Chinese characters or more, and of four letters or more.

    Together as many as are wanted, where there are so many that are frequent; half of them Chinese, where there are enough of both.
    """
    found: dict[bool, list[str]] = {True: [], False: []}
    first = min(COMMON, len(words) // 4)
    for word in words[first : first + 20 * count]:
        bare = word.strip()
        if (han := _HAN.fullmatch(bare)) or _LATIN.fullmatch(bare):
            kind = found[bool(han)]
            if len(kind) < count and bare not in map(str.strip, kind):
                kind.append(word)
    chinese = found[True][: max(count // 2, count - len(found[False]))]
    return chinese, found[False][: count - len(chinese)]


def plane(vectors: Vectors, settings: PictureSettings) -> list[list[dict[str, Any]]]:
    """Telling words with their places x and y, the largest coordinate 1: a picture of Chinese words, and one of others.

    Vectors are brought to length 1 first, as cosines count. Raises `MissingPackage` without scikit-learn.
    """
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    except ImportError:
        raise MissingPackage("scikit-learn", "embed", "the picture of word vectors") from None

    pictures = []
    for words in telling(vectors.words, settings.words):
        if len(words) < FEWEST:
            continue
        rows = vectors.matrix[[vectors.numbers[word] for word in words]].astype(np.float64)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        if settings.method == "pca":
            places = PCA(2, random_state=0).fit_transform(rows)
        else:
            places = TSNE(2, perplexity=min(15.0, len(words) / 4), init="pca", random_state=0, n_jobs=1).fit_transform(rows)
        places = places / max(1e-12, float(np.abs(places).max()))
        pictures.append([{"word": w, "x": round(float(x), 4), "y": round(float(y), 4)} for w, (x, y) in zip(words, places, strict=True)])
    return pictures
