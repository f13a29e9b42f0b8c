"""Extractive question answering as an objective: where an answer begins, and where it ends (Devlin et al. 2019, arXiv 1810.04805, 4.2).

    states [B, T, D] = encoder(ids)                 question and text side by side
    logits [B, T, 2] = head(dropout(states))        of beginning, and of ending, at each token of the text and at the mark
    loss             = - 1/2 (ln softmax(begin)[first] + ln softmax(end)[last])

Both softmax run over the tokens of the text and the mark alone: the mark stands for "not in this window".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.models.shapes import EncoderModel, Head
from zhixing.objectives import Batch
from zhixing.tasks.answer.windows import Frame, Windows, target
from zhixing.tasks.buckets import Buckets, Integers, by_length


class AnswerSettings(Settings):
    """How questions are laid beside their texts, and what is learnt of them."""

    kind: Literal["answer"] = "answer"
    window: int = Field(default=384, ge=16)
    """Tokens of a question and the part of its text that are seen at once; a longer text takes several windows."""
    overlap: int = Field(default=128, ge=0)
    """Tokens that neighbouring windows of a text share: an answer that one cuts in two is whole in the next."""
    question: int = Field(default=64, ge=4)
    """The most tokens of a question; longer ones are set aside."""
    longest: int = Field(default=30, ge=1)
    """The most tokens of an answer that is given. Unless set, at least 30, and so many that 99 of 100 training answers fit."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the states dropped in training before the head."""
    epochs: float = Field(default=2.0, gt=0)
    """How many times each window is read, where neither minutes nor train.steps say how long to train."""

    @model_validator(mode="after")
    def _room(self) -> AnswerSettings:
        if self.overlap + self.question + 8 > self.window:
            raise ValueError(
                f"overlap = {self.overlap} and question = {self.question} tokens leave no room in a window of {self.window} for more text"
            )
        return self

    @property
    def frame(self) -> Frame:
        """How a question is laid beside its text."""
        return Frame(self.window, self.overlap, self.question)


class SpanReader(nn.Module):
    """An encoder and a head that says of each token whether an answer begins, or ends, there."""

    def __init__(self, encoder: nn.Module, width: int, dropout: float = 0.0) -> None:
        """width: of the encoder's states."""
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = Head(width, 2, bias=True)

    def forward(self, ids: Tensor, mask: Tensor, kinds: Tensor, allowed: Tensor) -> Tensor:
        """[B, T] each, as `Windows.batch` makes them -> log-probabilities of beginning and ending [B, T, 2], fp32; -inf if not allowed."""
        states = self.encoder(ids, mask if not bool(mask.all()) else None, kinds=kinds)
        logits: Tensor = self.head(self.dropout(states)).float()
        return logits.masked_fill(~allowed.unsqueeze(-1), float("-inf")).log_softmax(1)

    def repeated(self) -> list[nn.Module]:
        """The layers to compile one by one, and to give learning rates of their own; see `models.shapes.Decoder`."""
        return list(self.encoder.repeated())  # type: ignore[operator]


def reader(model: EncoderModel, settings: AnswerSettings) -> SpanReader:
    """A reader with the encoder of a model; its head is new."""
    return SpanReader(model.encoder, model.head.matrix.shape[1], settings.dropout)


class Answering:
    """Windows of questions and their texts as a training task."""

    def __init__(self, windows: Windows, answers: Sequence[tuple[int, int] | None], seed: int) -> None:
        """answers: the characters of the answer of each question, None where there is none."""
        self.windows = windows
        self.gold = torch.tensor([target(spans, answers[owner]) for spans, owner in zip(windows.spans, windows.owner, strict=True)])
        self.order = Buckets(windows.lengths, seed)

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """What `Windows.batch` gives, and `gold`, the first and last token of the answer [B, 2]."""
        rows = self.order.batch(step, size)[rank::world]
        return {**self.windows.batch(rows), "gold": self.gold[rows]}

    def targets(self, batch: Batch) -> int:
        """Number of windows."""
        return len(batch["gold"])

    def tokens(self, batch: Batch) -> int:
        """Number of tokens, padding not counted."""
        return int(batch["mask"].sum())

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum of the losses of the windows."""
        found = model(batch["ids"], batch["mask"], batch["kinds"], batch["allowed"])
        return losses(found, batch["gold"]).sum()

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The loss alone."""
        return {"loss": self.loss(model, batch)}


def losses(found: Tensor, gold: Tensor) -> Tensor:
    """The loss of each window [B] from log-probabilities [B, T, 2] and first and last tokens [B, 2]."""
    return F.nll_loss(found, gold, reduction="none").mean(1)


@torch.no_grad()
def outputs(
    model: SpanReader, windows: Windows, device: torch.device, number: torch.dtype, tokens: int = 4096
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Log-probabilities [T, 2] of each window: batches of about so many tokens of windows of the same length."""
    found: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = [np.zeros((0, 2), np.float32)] * len(windows.ids)
    model.eval()
    lengths: Integers = windows.lengths
    for rows in by_length(lengths, tokens):
        batch = {name: value.to(device) for name, value in windows.batch(rows).items()}
        with torch.autocast(device.type, number, enabled=number != torch.float32):
            said = model(batch["ids"], batch["mask"], batch["kinds"], batch["allowed"]).cpu().numpy()
        for row, one in zip(rows, said, strict=True):
            found[row] = one[: lengths[row]]
    return found
