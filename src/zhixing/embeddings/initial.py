"""Word vectors as the first values of a model's embedding table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zhixing.embeddings.vectors import Floats, Vectors
from zhixing.errors import ArtifactError
from zhixing.tokenizer.tokenizer import Tokenizer


def initial(vectors: Vectors, tokenizer: Tokenizer, table: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """A table [V, D] in which the tokens that have vectors begin with them, and which tokens those are [V].

    table: the model's own first values [V, D]; tokens without a vector keep theirs, and vectors are stretched to the same deviation.
    Vectors of tokens go to those very tokens; vectors of words to the tokens that are words, the space before them left aside.
    Raises `ArtifactError` when vectors of tokens belong to another tokenizer.
    """
    rows = np.full(len(table), -1, np.int64)
    if vectors.ids is not None:
        if vectors.about.get("tokenizer") != tokenizer.fingerprint:
            raise ArtifactError("vectors", "are of the tokens of another tokenizer; train them on the data that the model is trained on")
        rows[vectors.ids] = np.arange(len(vectors.ids))
    else:
        for token, text in enumerate(tokenizer.pieces(range(len(table)))):
            bare = text.strip()
            rows[token] = vectors.numbers.get(bare, vectors.numbers.get(vectors.spelt(bare), -1))
    known = rows >= 0
    made = table.copy()
    if known.any():
        found = vectors.matrix[rows[known]]
        made[known] = found * (table.std() / max(1e-12, float(found.std())))
    return made, known
