"""What a model has to beat: bits per byte of the validation part under models that need no training run.

    ngram5   5-gram model with interpolated Kneser-Ney smoothing over the same tokens, fitted to the training part
    xz       the validation part compressed by xz, after the newest megabytes of the training part that its window holds
    zstd     the same with zstandard, level 19, with a dictionary of training text

All read at most a stated number of tokens and bytes of the training part, so that they stay a matter of seconds.
"""

from __future__ import annotations

import lzma
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import zstandard

from zhixing.models.ngram import NGram
from zhixing.nn.losses import IGNORE
from zhixing.objectives import Batch
from zhixing.store import Store

TRAIN_TOKENS, VALID_TOKENS = 4_000_000, 1_000_000
PREFIX_BYTES, VALID_BYTES = 8_000_000, 2_000_000
ORDER = 5


def baselines(train: Store, valid: Store, train_texts: Iterable[str], valid_texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Name -> {"bits_per_byte", and what it was measured on}."""
    prefix, text = _bytes(train_texts, PREFIX_BYTES), _bytes(valid_texts, VALID_BYTES)
    return {
        f"ngram{ORDER}": _ngram(train, valid),
        "xz": {"bits_per_byte": _xz(prefix, text), "after_bytes": len(prefix), "bytes": len(text)},
        "zstd": {"bits_per_byte": _zstd(prefix, text), "after_bytes": len(prefix), "bytes": len(text)},
    }


def _ngram(train: Store, valid: Store) -> dict[str, Any]:
    fitted = min(train.tokens, TRAIN_TOKENS)
    model = NGram(train.vocabulary, ORDER).fit(train.read(0, fitted))
    last = max(1, int((valid.offsets <= VALID_TOKENS).sum()) - 1)
    stop = int(valid.offsets[last])
    nats = model.nats(valid.read(0, stop))
    bits = float(nats.sum()) / math.log(2) / max(1, int(valid.document_bytes[:last].sum()))
    return {"bits_per_byte": bits, "after_tokens": fitted, "tokens": stop}


def masked(train: Store, vocabulary: int, batches: Iterable[Batch]) -> dict[str, dict[str, Any]]:
    """What an encoder has to beat: the mean loss, in nats, of n-gram models at the hidden tokens of held-out batches.

    The bigram model is told what truly stood to the left, even where that is hidden too: the bar is a little too high.
    """
    fitted = min(train.tokens, TRAIN_TOKENS)
    text = train.read(0, fitted)
    models = {"unigram": NGram(vocabulary, 1).fit(text), "bigram": NGram(vocabulary, 2).fit(text)}
    nats, hidden = dict.fromkeys(models, 0.0), 0
    for batch in batches:
        targets = batch["targets"].numpy()
        for row, wanted in zip(batch["ids"].numpy(), targets, strict=True):
            at = wanted != IGNORE
            hidden += int(at.sum())
            true = np.where(at, wanted, row)
            for name, model in models.items():
                nats[name] += float(model.nats(true)[at].sum())
    return {name: {"valid_loss": value / max(1, hidden), "after_tokens": fitted, "hidden": hidden} for name, value in nats.items()}


def _bytes(texts: Iterable[str], most: int) -> bytes:
    """The first bytes of the texts, a line break between them; the last text is cut between two characters."""
    taken = bytearray()
    for text in texts:
        taken += (b"\n" if taken else b"") + text.encode("utf-8")
        if len(taken) >= most:
            break
    return bytes(taken[:most]).decode("utf-8", errors="ignore").encode("utf-8")


def _xz(prefix: bytes, text: bytes) -> float:
    """What the text adds to the compressed size of the training text before it."""
    together, alone = (len(lzma.compress(data, preset=6)) for data in (prefix + text, prefix))
    return 8 * (together - alone) / max(1, len(text))


def _zstd(prefix: bytes, text: bytes) -> float:
    dictionary = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return 8 * len(zstandard.ZstdCompressor(level=19, dict_data=dictionary).compress(text)) / max(1, len(text))
