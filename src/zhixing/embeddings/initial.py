"""Word vectors as the first values of a model's embedding table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zhixing.embeddings.vectors import Floats, Vectors
from zhixing.errors import ArtifactError
from zhixing.tokenizer.tokenizer import Tokenizer


def rows(vectors: Vectors, tokenizer: Tokenizer) -> NDArray[np.int64]:
    """For each token the row of its vector, or -1 [V].

    Vectors of tokens belong to those very tokens; vectors of words to the tokens that are words, the space before them left aside.
    Raises `ArtifactError` when vectors of tokens belong to another tokenizer.
    """
    if vectors.ids is not None:
        if vectors.about.get("tokenizer") != tokenizer.fingerprint:
            raise ArtifactError("vectors", "are of the tokens of another tokenizer; train them on the data that the model is trained on")
        found = np.full(tokenizer.vocabulary, -1, np.int64)
        found[vectors.ids] = np.arange(len(vectors.ids))
        return found
    words = [piece.strip() for piece in tokenizer.pieces(range(tokenizer.vocabulary))]
    return np.array([vectors.numbers.get(word, vectors.numbers.get(vectors.spelt(word), -1)) for word in words], np.int64)


def initial(vectors: Vectors, tokenizer: Tokenizer, table: Floats) -> tuple[Floats, float]:
    """A table [V, D] in which the tokens that have vectors begin with them, and the share of these tokens.

    table: the model's own first values [V, D], where V may be more than the tokenizer has; tokens without a vector keep theirs, and
    vectors are stretched to the same deviation.
    """
    found = np.full(len(table), -1, np.int64)
    found[: tokenizer.vocabulary] = rows(vectors, tokenizer)
    known = found >= 0
    made = table.copy()
    if known.any():
        taken = vectors.matrix[found[known]]
        made[known] = taken * (table.std() / max(1e-12, float(taken.std())))
    return made, float(known.mean())
