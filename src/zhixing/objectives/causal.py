"""The causal objective: predict each token from those before it (Bengio et al. 2003, "A Neural Probabilistic Language Model").

loss = - sum_t log p(x_t | x_<t)        over windows of `context` tokens cut from the packed stream of documents
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.models.shapes import DecoderModel, Shape
from zhixing.nn.losses import IGNORE, cross_entropy, fastest_chunk
from zhixing.objectives.objective import Batch, Row
from zhixing.store import Samples, Store


class CausalSettings(Settings):
    """How windows are cut and how their loss is computed."""

    kind: Literal["causal"] = "causal"
    context: int = Field(default=256, ge=2)
    """Tokens that the model sees at once."""
    document_mask: bool = False
    """Whether a document in a packed window is hidden from the documents after it; costs speed, and little is gained below 1,000 tokens."""
    chunk: Literal["auto", "off"] | Annotated[int, Field(ge=1)] = "auto"
    """Rows of logits (one per token) that exist at a time; off: all. auto: what is fastest on this device."""

    @property
    def shape(self) -> Shape:
        """The shape of model that this trains."""
        return "decoder"

    @property
    def row(self) -> Row:
        """What a row costs."""
        return Row(self.context, 0, self.context)

    def marks(self) -> tuple[Sequence[str], ...]:
        """Marks that it puts among the ids: none."""
        return ()


class Causal:
    """Next-token prediction over a token store."""

    def __init__(self, samples: Samples, settings: CausalSettings) -> None:
        self.samples, self.chunk = samples, settings.chunk

    @classmethod
    def over(cls, store: Store, settings: CausalSettings, seed: int) -> Causal:
        """The objective over a token store, its windows in the order of `seed`."""
        return cls(Samples(store, settings.context, seed, settings.document_mask), settings)

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """`ids` [B, T], `targets` [B, T] and, with document masks, `segments` [B, T]."""
        windows, segments = self.samples.batch(step, size, rank, world)
        ids = torch.from_numpy(windows)
        batch = {"ids": ids[:, :-1].contiguous(), "targets": ids[:, 1:].contiguous()}
        if segments is not None:
            batch["segments"] = torch.from_numpy(segments)
        return batch

    def targets(self, batch: Batch) -> int:
        """Number of predicted tokens."""
        return int((batch["targets"] != IGNORE).sum())

    def tokens(self, batch: Batch) -> int:
        """Number of tokens that are read."""
        return batch["ids"].numel()

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum of -log p(target) in nats."""
        assert isinstance(model, DecoderModel)
        states, _ = model(batch["ids"], segments=batch.get("segments"))
        matrix = model.head.matrix
        chunk = fastest_chunk(matrix.shape[0], matrix.device) if self.chunk == "auto" else None if self.chunk == "off" else self.chunk
        nats, _ = cross_entropy(model.head.transform(states), matrix, batch["targets"], bias=model.head.bias, chunk=chunk)
        return nats

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The loss alone."""
        return {"loss": self.loss(model, batch)}
