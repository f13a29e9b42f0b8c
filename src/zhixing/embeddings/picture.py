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


def telling(words: Sequence[str], count: int, after: int = 0) -> list[str]:
    """The most frequent words that say something by themselves, from rank `after` on: of two Chinese characters or of four letters.

    Of each kind up to half as many as are wanted, and the rest of the other where there are not enough that are frequent.
    """
    found: dict[bool, list[str]] = {True: [], False: []}
    first = min(after, len(words) // 4)
    for word in words[first : first + 20 * count]:
        bare = word.strip()
        if (han := _HAN.fullmatch(bare)) or _LATIN.fullmatch(bare):
            kind = found[bool(han)]
            if len(kind) < count and bare not in kind:
                kind.append(word)
    chinese, others = found[True], found[False]
    shown = chinese[: max(count // 2, count - len(others))]
    return shown + others[: count - len(shown)]


def plane(vectors: Vectors, settings: PictureSettings) -> list[dict[str, Any]]:
    """Telling words with their places x and y, the largest coordinate 1. Raises `MissingPackage` without scikit-learn.

    Vectors are brought to length 1 first, as cosines count. Fewer than three words give no picture.
    """
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    except ImportError:
        raise MissingPackage("scikit-learn", "embed", "the picture of word vectors") from None

    words = telling(vectors.words, settings.words)
    if len(words) < 3:
        return []
    rows = vectors.matrix[[vectors.numbers[word] for word in words]].astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    if settings.method == "pca" or len(words) < 10:
        places = PCA(2, random_state=0).fit_transform(rows)
    else:
        places = TSNE(2, perplexity=min(15.0, len(words) / 4), init="pca", random_state=0, n_jobs=1).fit_transform(rows)
    places = places / max(1e-12, float(np.abs(places).max()))
    return [{"word": word, "x": round(float(x), 4), "y": round(float(y), 4)} for word, (x, y) in zip(words, places, strict=True)]
