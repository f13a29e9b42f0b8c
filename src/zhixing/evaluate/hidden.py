"""Evaluate an encoder on documents: hide words, and see whether it says what stood there.

1. A document is cut into pieces of `context` - 2 tokens; each is framed by the marks of a start and of an end, as in training.
2. Words are hidden as in training, whole, 80/10/10; what is drawn for a piece depends on the seed, the document's tokens and the piece's
   number alone, so that neither the order of documents nor the batch matters.
3. Pieces of like length are batched; padding is masked.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from zhixing.checkpoint import Loaded
from zhixing.console import progress
from zhixing.errors import ArtifactError
from zhixing.evaluate.run import filled, pools, refuse_infinite
from zhixing.metrics import Rows
from zhixing.metrics.masked import NATS, RIGHT
from zhixing.models.shapes import EncoderModel
from zhixing.nn.losses import IGNORE
from zhixing.objectives import MaskedSettings
from zhixing.objectives.masked import Hiding
from zhixing.objectives.words import beginnings
from zhixing.store import Ids

BATCH_TOKENS = 4096
_POOL = 512  # documents whose pieces are sorted by length together


@dataclass(frozen=True)
class Piece:
    """A part of a document, its words hidden."""

    document: int
    seen: Ids
    targets: Ids


def settings_of(loaded: Loaded) -> MaskedSettings:
    """How words are hidden: as in the model's own training, where it was one; else BERT's way."""
    return loaded.objective if isinstance(loaded.objective, MaskedSettings) else MaskedSettings(context=max(3, loaded.context))


def score(loaded: Loaded, texts: Iterable[str], seed: int, total: int | None = None) -> Rows:
    """Statistics [N, 3] of each text under the model, in order: nats, right, hidden; computed in fp32.

    Raises `ArtifactError` for a model of another shape, a tokenizer without a mark for hidden tokens, or predictions that are not finite.
    """
    if not isinstance(loaded.model, EncoderModel):
        raise ArtifactError(loaded.path, f"is a {loaded.model.shape}; what stood at hidden tokens is asked of encoders")
    settings, tokenizer = settings_of(loaded), loaded.tokenizer
    hiding, pieces_of = Hiding(tokenizer, settings.ratio), tokenizer.token_bytes()
    opening = tokenizer.end if tokenizer.cls is None else tokenizer.cls
    found: list[Rows] = []
    room = max(1, loaded.context - 2)
    with progress("evaluating", total=total, unit="documents") as bar:
        for pool in pools(texts, _POOL):
            rows, pending = np.zeros((len(pool), 3)), list[Piece]()
            for number, ids in enumerate(tokenizer.encode_batch(pool)):
                words = beginnings(pieces_of, ids) if settings.whole_words else np.ones(len(ids), dtype=bool)
                own = zlib.crc32(np.asarray(ids, "<i8").tobytes())
                for start in range(0, len(ids), room):
                    framed = np.array([[opening, *ids[start : start + room], tokenizer.end]])
                    begins = np.array([[True, *words[start : start + room], True]])
                    seen, targets = hiding.draw(framed, begins, [(seed, own, start)])
                    pending.append(Piece(number, seen[0], targets[0]))
            pending.sort(key=lambda piece: len(piece.seen))
            for run in filled([len(piece.seen) for piece in pending], BATCH_TOKENS):
                _add(loaded.model, loaded.device, tokenizer.pad, pending[run], rows)
            refuse_infinite(loaded, rows)
            found.append(rows)
            bar.advance(len(pool))
    return np.concatenate(found) if found else np.zeros((0, 3))


@torch.no_grad()
def _add(model: EncoderModel, device: torch.device, pad: int, batch: list[Piece], rows: Rows) -> None:
    longest = max(len(piece.seen) for piece in batch)
    ids = torch.full((len(batch), longest), pad)
    targets = torch.full((len(batch), longest), IGNORE)
    for row, piece in enumerate(batch):
        ids[row, : len(piece.seen)], targets[row, : len(piece.seen)] = torch.from_numpy(piece.seen), torch.from_numpy(piece.targets)
    mask = torch.arange(longest) < torch.tensor([len(piece.seen) for piece in batch])[:, None]
    hidden = (targets != IGNORE).nonzero()[:, 0]
    if not len(hidden):
        return
    states = model(ids.to(device), None if bool(mask.all()) else mask.to(device))
    wanted = targets[targets != IGNORE].to(device)
    logits = model.head(states[(targets != IGNORE).to(device)]).float()
    nats = F.cross_entropy(logits, wanted, reduction="none").double().cpu().numpy()
    right = (logits.argmax(-1) == wanted).cpu().numpy()
    owner = np.array([piece.document for piece in batch])[hidden.numpy()]
    np.add.at(rows, (owner, NATS), nats)
    np.add.at(rows, (owner, RIGHT), right)
    np.add.at(rows, (owner, 2), 1)
