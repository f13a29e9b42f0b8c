"""Word vectors that `embed` wrote as the beginning of a model's embedding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zhixing.embeddings.initial import initial, rows
from zhixing.embeddings.vectors import Vectors
from zhixing.errors import SettingError
from zhixing.files import MANIFEST, sha256
from zhixing.store import Store
from zhixing.tokenizer.tokenizer import Tokenizer

LOOKED_AT = 5_000_000
"""Tokens of the text in which the tokens that begin with a vector are counted."""


def fitting(folder: Path, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a model has to have. Raises `SettingError` when the user has set another width, `ArtifactError` for no vectors."""
    width, wanted = Vectors.open(folder).width, chosen.get("model.width")
    if wanted not in (None, width):
        raise SettingError("model.width", f"is {wanted}, and the vectors of {folder} have {width} numbers; leave it out, or embed anew")
    return {"model.width": width}


def covered_by(folder: Path, tokenizer: Tokenizer, store: Store) -> dict[str, Any]:
    """Where the vectors come from, the share of all tokens that begin with one, and the share that these have of the text."""
    known = rows(Vectors.open(folder), tokenizer) >= 0
    counts = np.bincount(store.read(0, min(store.tokens, LOOKED_AT)), minlength=tokenizer.vocabulary)
    shares = {"tokens": float(known.mean()), "text": float(counts[known].sum() / counts.sum())}
    return {"path": str(folder.resolve()), "manifest": sha256(folder / MANIFEST), **shares}


def table(folder: Path, tokenizer: Tokenizer) -> Callable[[Tensor], None]:
    """A function that lays the vectors into an embedding [V, D] in place, at the deviation that it has."""
    vectors = Vectors.open(folder)

    def lay(weight: Tensor) -> None:
        made, _ = initial(vectors, tokenizer, weight.detach().float().cpu().numpy())
        with torch.no_grad():
            weight.copy_(torch.from_numpy(made))

    return lay
