"""Evaluate a language model on documents.

1. A document of tokens t1..tn is read as [end, t1, ..., tn] and must predict [t1, ..., tn, end]: a start is predicted from nothing but the
   mark of a start, as in training, and where a text ends counts too.
2. Documents longer than the window are read in overlapping windows. Each token is predicted once, from at least window - stride tokens
   before it (unless the document begins there).
3. Windows of like length are batched; padding stands on the right, where a causal model cannot see it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from zhixing.checkpoint import Loaded
from zhixing.console import progress
from zhixing.errors import ArtifactError
from zhixing.metrics import Rows

BATCH_TOKENS = 4096
LOGITS = 1 << 22
"""Numbers of logits that exist at a time: evaluating needs less memory than the training before it."""
_POOL = 512  # documents whose windows are sorted by length together


@dataclass(frozen=True)
class Window:
    """A stretch of a document's tokens and how many of its last predictions are new."""

    document: int
    ids: Sequence[int]
    """Inputs and, shifted by one, targets: one more than inputs."""
    new: int


@dataclass(frozen=True)
class Scored:
    """Statistics of a list of documents."""

    rows: Rows
    """[N, 4]: nats, tokens, bytes, characters."""
    unknown: int
    """Tokens that stand for text the tokenizer does not know: their bits are too few."""


def windows(document: int, ids: Sequence[int], window: int, stride: int) -> Iterator[Window]:
    """Cut [end, t1, ..., tn, end] so that each token but the first is predicted once."""
    last = len(ids) - 1
    stop = min(window, last)
    yield Window(document, ids[: stop + 1], stop)
    while stop < last:
        before, stop = stop, min(stop + stride, last)
        yield Window(document, ids[stop - window : stop + 1], stop - before)


def score(loaded: Loaded, texts: Iterable[str], window: int, stride: int, total: int | None = None) -> Scored:
    """Statistics of each text under the model, in order; computed in fp32."""
    tokenizer, end = loaded.tokenizer, loaded.tokenizer.end
    found: list[Rows] = []
    unknown = 0
    with progress("evaluating", total=total, unit="documents") as bar:
        for pool in pools(texts, _POOL):
            rows = np.zeros((len(pool), 4))
            pending: list[Window] = []
            for number, (text, ids) in enumerate(zip(pool, tokenizer.encode_batch(pool), strict=True)):
                rows[number, 1:] = len(ids) + 1, len(text.encode("utf-8")), len(text)
                unknown += ids.count(tokenizer.unknown) if tokenizer.unknown is not None else 0
                pending += windows(number, [end, *ids, end], window, stride)
            pending.sort(key=lambda w: len(w.ids))
            done = np.zeros(len(pool), dtype=np.int64)
            for run in filled([len(w.ids) - 1 for w in pending], BATCH_TOKENS):
                batch = pending[run]
                for one, nats in zip(batch, _nats(loaded, batch), strict=True):
                    rows[one.document, 0] += nats
                    done[one.document] += one.new
            assert (done == rows[:, 1]).all(), "each token is predicted exactly once"
            refuse_infinite(loaded, rows)
            found.append(rows)
            bar.advance(len(pool))
    return Scored(np.concatenate(found) if found else np.zeros((0, 4)), unknown)


@torch.no_grad()
def _nats(loaded: Loaded, batch: list[Window]) -> list[float]:
    """Sum of -ln p over the new predictions of each window."""
    longest = max(len(w.ids) for w in batch) - 1
    ids = torch.full((len(batch), longest), loaded.tokenizer.end)
    targets = torch.full((len(batch), longest), -100)
    for row, w in enumerate(batch):
        length = len(w.ids) - 1
        tokens = torch.as_tensor(w.ids)
        ids[row, :length] = tokens[:-1]
        targets[row, length - w.new : length] = tokens[1:][length - w.new :]
    ids, targets = ids.to(loaded.device), targets.to(loaded.device)
    states, _ = loaded.decoder(ids)
    rows = max(1, LOGITS // loaded.model.head.matrix.shape[0])
    nats = [
        F.cross_entropy(loaded.model.head(part).float(), wanted, ignore_index=-100, reduction="none")
        for part, wanted in zip(torch.split(states.flatten(0, 1), rows), torch.split(targets.flatten(), rows), strict=True)
    ]
    return [float(n) for n in torch.cat(nats).view_as(targets).double().sum(1)]


def pools(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """So many texts at a time."""
    iterator = iter(texts)
    while pool := list(itertools.islice(iterator, size)):
        yield pool


def filled(lengths: Sequence[int], most: int) -> Iterator[slice]:
    """Runs of what is sorted by length that fill a batch of `most` tokens when padded to the longest; one that is longer goes alone."""
    start = 0
    for stop, length in enumerate(lengths):
        if stop > start and (stop - start + 1) * length > most:
            yield slice(start, stop)
            start = stop
    if start < len(lengths):
        yield slice(start, len(lengths))


def refuse_infinite(loaded: Loaded, rows: Rows) -> None:
    """Raise `ArtifactError` for statistics that are not finite."""
    if not np.isfinite(rows).all():
        raise ArtifactError(loaded.path, "its predictions are not finite numbers: the training has diverged, or the weights are damaged")
