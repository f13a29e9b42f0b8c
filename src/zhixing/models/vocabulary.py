"""More tokens for a model that is trained already, or fewer: rows of its embedding and of its head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zhixing.models.shapes import EncoderDecoderModel, Model


def grow(model: Model, vocabulary: int, pieces: Sequence[Sequence[int]]) -> None:
    """Give `model` a row for each id from its vocabulary on up to `vocabulary`, in place.

    pieces: for each new id, the old ids that have stood for it: the new row is the mean of theirs, so that the model reads the word about
    as it did before; where there are none (a mark), the mean of all. Of an encoder-decoder with two embeddings the decoder's grows.
    Raises `ValueError` when the numbers do not fit.
    """
    role = model.decoder if isinstance(model, EncoderDecoderModel) else getattr(model, model.shape)
    embedding, head = role.embedding, model.head
    assert isinstance(embedding, nn.Embedding)
    old = embedding.num_embeddings
    if vocabulary - old != len(pieces) or any(not 0 <= piece < old for row in pieces for piece in row):
        raise ValueError(f"{len(pieces)} new rows for ids {old} to {vocabulary - 1}, made of ids below {old}")

    def grown(rows: Tensor) -> nn.Parameter:
        new = [rows[list(row)].mean(dim=0) if row else rows.mean(dim=0) for row in pieces]
        return nn.Parameter(torch.cat((rows, torch.stack(new))) if new else rows.clone())

    with torch.no_grad():
        embedding.weight = grown(embedding.weight)  # a tied head reads the same parameter
        embedding.num_embeddings = vocabulary
        if not head.tied:
            head.weight = grown(head.matrix)
        if head.bias is not None:
            head.bias = grown(head.bias)


def shrink(model: Model, vocabulary: int) -> None:
    """Leave an encoder or decoder the first `vocabulary` rows of its embedding and of its head, in place: those behind stand for no token
    of its tokenizer, and are there to make a round number, as in Qwen's 151,936 for 151,669 tokens.
    """
    embedding, head = getattr(model, model.shape).embedding, model.head
    assert isinstance(embedding, nn.Embedding)
    embedding.weight = nn.Parameter(embedding.weight[:vocabulary].detach().clone())  # a tied head reads the same parameter
    embedding.num_embeddings = vocabulary
    if not head.tied:
        head.weight = nn.Parameter(head.matrix[:vocabulary].detach().clone())
    if head.bias is not None:
        head.bias = nn.Parameter(head.bias[:vocabulary].detach().clone())
