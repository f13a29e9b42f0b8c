"""What is wrong with the data, found in the tokens before a minute is spent on training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhixing.files import read_json
from zhixing.store import Store

GRAM = 16
"""Tokens in a passage that counts as the same text when it stands in the training and in the validation part."""
_SAMPLE = 20_000
_BLOCK = 1 << 22


def findings(train: Store, valid: Store, tokens: int, parameters: int) -> list[str]:
    """Warnings, each one line with what to do. `tokens` are those that the run will read, `parameters` those of its model."""
    found = []
    epochs = tokens / train.tokens
    if epochs > 20:
        found.append(f"too little data: every text is read {epochs:.0f} times; add text or shorten the run")
    if tokens < parameters / 4:
        found.append(f"too short a run: {tokens / parameters:.1g} tokens a parameter; give it more minutes, or set a smaller model.width")
    if valid.tokens < 5_000:
        found.append(
            f"the validation part has only {valid.tokens} tokens: its figures will have wide intervals; prepare with a larger split.valid"
        )
    unseen = int((occurrences(train) == 0).sum())
    if unseen > 0.05 * train.vocabulary:
        found.append(f"{unseen} of {train.vocabulary} tokens never occur in the training part; prepare with a smaller --vocabulary")
    shared = overlap(train, valid)
    if shared > 0.01:
        found.append(
            f"{shared:.1%} of the validation part's passages of {GRAM} tokens also stand in the training part: its figures flatter"
        )
    found += _duplicates(train.folder)
    return found


def occurrences(store: Store) -> NDArray[np.int64]:
    """How often each id of the vocabulary occurs."""
    counts = np.zeros(store.vocabulary, dtype=np.int64)
    for start in range(0, store.tokens, _BLOCK):
        counts += np.bincount(store.read(start, min(store.tokens, start + _BLOCK)), minlength=store.vocabulary)
    return counts


def overlap(train: Store, valid: Store) -> float:
    """Share of the validation part's passages of 16 tokens that occur in the training part (a sample of at most 20,000 is looked up)."""
    if min(train.tokens, valid.tokens) < GRAM:
        return 0.0
    passages = np.unique(_hashes(valid.read(0, min(valid.tokens, _BLOCK))))
    if len(passages) > _SAMPLE:
        passages = passages[np.linspace(0, len(passages) - 1, _SAMPLE).astype(np.int64)]
    seen = np.zeros(len(passages), dtype=bool)
    for start in range(0, train.tokens, _BLOCK):
        block = _hashes(train.read(start, min(train.tokens, start + _BLOCK + GRAM - 1)))
        place = np.searchsorted(passages, block)
        place[place == len(passages)] = 0
        seen[place[passages[place] == block]] = True
    return float(seen.mean())


def _hashes(ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A 64-bit hash of each run of 16 tokens."""
    count = len(ids) - GRAM + 1
    values = np.zeros(max(0, count), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for i in range(GRAM if count > 0 else 0):
            values = values * np.uint64(0x9E3779B97F4A7C15) + ids[i : i + count].astype(np.uint64) + np.uint64(1)
            values ^= values >> np.uint64(29)
    return values


def _duplicates(folder: Path) -> list[str]:
    path = folder / "statistics.json"
    if not path.is_file():
        return []
    statistics: dict[str, Any] = read_json(path)
    copies, read = int(statistics.get("duplicates", 0)), int(statistics.get("documents", {}).get("read", 0))
    if read and copies > 0.1 * read:
        return [f"{copies} of {read} documents were exact copies and have been left out; look at {folder / 'dropped.jsonl'}"]
    return []
