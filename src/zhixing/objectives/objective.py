"""What an objective is to the trainer, and the batches that it makes."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from zhixing.models.shapes import Model
from zhixing.nn.losses import IGNORE, cross_entropy, fastest_chunk

Batch = dict[str, Tensor]
"""Named tensors whose first dimension is the row of the batch, so that a batch can be cut into micro-batches and spread over processes."""


class Row(NamedTuple):
    """What a row of a batch costs, in numbers of tokens."""

    tokens: float
    """Read by the model."""
    source: float
    """Of these by the encoder of an encoder-decoder."""
    targets: float
    """Predicted: so often is the head computed."""


class Objective(Protocol):
    """A training task as the trainer sees it."""

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """This process's share of the `size` rows of update `step`: a pure function of its arguments, so that any run can be resumed."""
        ...

    def targets(self, batch: Batch) -> int:
        """Number of predictions that the loss of this batch counts."""
        ...

    def tokens(self, batch: Batch) -> int:
        """Number of tokens that the model reads in this batch, padding not counted: what speed is stated in."""
        ...

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum (not mean) of the losses in nats over the targets, so that accumulated micro-batches add up to the big batch exactly."""
        ...

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Sums over the targets of a held-out batch, by name: `loss`, and what else a validation shows as means."""
        ...


def rows(batch: Batch) -> int:
    """Number of rows of a batch."""
    return next(iter(batch.values())).shape[0]


def cut(batch: Batch, pieces: int) -> list[Batch]:
    """The batch in `pieces` micro-batches of nearly equal size."""
    parts = {name: torch.tensor_split(tensor, pieces) for name, tensor in batch.items()}
    return [{name: part[i] for name, part in parts.items()} for i in range(pieces)]


def move(batch: Batch, device: torch.device) -> Batch:
    """The batch on another device; the copy to a GPU overlaps with computation."""
    if device.type == "cpu":
        return batch
    return {name: tensor.pin_memory().to(device, non_blocking=True) for name, tensor in batch.items()}


def predicted(model: Model, states: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Sum of -log p(target) in nats, where states [B, T, D] have targets [B, T]: elsewhere (`IGNORE`) not even logits are computed."""
    counted = targets != IGNORE
    matrix = model.head.matrix
    inputs, wanted = model.head.transform(states[counted]), targets[counted]
    chunk = fastest_chunk(matrix.shape[0], matrix.device)
    return cross_entropy(inputs, matrix, wanted, bias=model.head.bias, chunk=chunk, smoothing=smoothing)[0]
