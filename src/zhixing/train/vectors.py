"""Word vectors that `embed` wrote as the beginning of a new model's embedding."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from zhixing.embeddings.initial import initial, rows
from zhixing.embeddings.vectors import Vectors
from zhixing.errors import SettingError
from zhixing.models import Model, build
from zhixing.store import Store
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.train.plan import Base
from zhixing.train.recipe import Recipe

LOOKED_AT = 5_000_000
"""Tokens of the text in which the tokens that begin with a vector are counted."""


def fitting(folder: Path, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a model has to have. Raises `SettingError` when the user has set another width, `ArtifactError` for no vectors."""
    width, wanted = Vectors.open(folder).width, chosen.get("model.width")
    if wanted not in (None, width):
        raise SettingError("model.width", f"is {wanted}, and the vectors of {folder} have {width} numbers; leave it out, or embed anew")
    return {"model.width": width}


def covered(folder: Path, tokenizer: Tokenizer, store: Store) -> tuple[float, float]:
    """The share of all tokens that begin with a vector, and the share that these have of the text."""
    known = rows(Vectors.open(folder), tokenizer) >= 0
    counts = np.bincount(store.read(0, min(store.tokens, LOOKED_AT)), minlength=len(known))[: len(known)]
    return float(known.mean()), float(counts[known].sum() / counts.sum())


def beginning(folder: Path, tokenizer: Tokenizer) -> Base:
    """Makes new models whose embeddings begin with the vectors, at the deviation that embeddings have there."""
    vectors = Vectors.open(folder)

    def make(recipe: Recipe, vocabulary: int) -> Model:
        model = build(recipe.model, vocabulary, recipe.shape)
        plant(model, vectors, tokenizer)
        return model

    return make


def plant(model: Model, vectors: Vectors, tokenizer: Tokenizer) -> None:
    """Let the embeddings of a new model begin with vectors, at the deviation that they have."""
    roles = [getattr(model, name) for name in ("encoder", "decoder") if hasattr(model, name)]
    for embedding in {id(role.embedding): role.embedding for role in roles}.values():  # the roles may share one
        assert isinstance(embedding, nn.Embedding)
        made, _ = initial(vectors, tokenizer, embedding.weight.detach().cpu().numpy())
        with torch.no_grad():
            embedding.weight.copy_(torch.from_numpy(made))
