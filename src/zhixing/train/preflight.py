"""What is wrong with the data, found in the tokens before a minute is spent on training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhixing.console import count
from zhixing.files import read_json
from zhixing.store import Ids, Store

GRAM = 16
"""Tokens in a passage that counts as the same text when it stands in the training and in the validation part."""
MOST = 1 << 24
"""Tokens of the training part that are looked at, some seconds' worth: what is searched here is taken from the minutes."""
_SAMPLE = 20_000
_BLOCK = 1 << 15  # tokens whose hashes stay in the processor's cache
_VALID = 1 << 22


@dataclass(frozen=True)
class Look:
    """What was seen in the tokens."""

    tokens: int
    """Tokens of the training part that were looked at: all, or blocks of it that lie evenly spread."""
    unseen: int
    """Ids of the vocabulary that do not occur among them."""
    shared: float
    """Share of the validation part's passages that stand among them."""


def look(train: Store, valid: Store) -> Look:
    """Search at most `MOST` tokens of the training part, and 20,000 passages of the validation part."""
    occurs = np.zeros(train.vocabulary, dtype=bool)
    passages = _passages(valid)
    shared = np.zeros(len(passages), dtype=bool)
    tokens = 0
    for start, stop in _blocks(train.tokens):
        ids = train.read(start, min(train.tokens, stop + GRAM - 1))  # passages that begin in this block
        occurs[ids[: stop - start]] = True
        tokens += stop - start
        if len(passages):
            block = _hashes(ids)
            place = np.searchsorted(passages, block)
            place[place == len(passages)] = 0
            shared[place[passages[place] == block]] = True
    return Look(tokens, int((~occurs).sum()), float(shared.mean()) if len(shared) else 0.0)


def findings(train: Store, valid: Store, seen: Look, tokens: int, parameters: int) -> list[str]:
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
    looked_at = seen.tokens / train.tokens
    where = "the training part" if looked_at == 1 else f"{count(seen.tokens)} of the training part's {count(train.tokens)} tokens"
    if seen.unseen > 0.05 * train.vocabulary:
        found.append(f"{seen.unseen} of {train.vocabulary} tokens never occur in {where}; prepare with a smaller --vocabulary")
    if seen.shared > max(0.001, 0.01 * looked_at):
        more = "" if looked_at == 1 else ", and more in all of it"
        found.append(
            f"{seen.shared:.1%} of the validation part's passages of {GRAM} tokens also stand in {where}{more}: its figures flatter"
        )
    found += _duplicates(train.folder)
    return found


def _passages(valid: Store) -> NDArray[np.uint64]:
    """Hashes of passages of the validation part, sorted, each once."""
    passages = np.unique(_hashes(valid.read(0, min(valid.tokens, _VALID))))
    if len(passages) > _SAMPLE:
        passages = passages[np.linspace(0, len(passages) - 1, _SAMPLE).astype(np.int64)]
    return passages


def _blocks(tokens: int) -> Iterator[tuple[int, int]]:
    """Begin and end of the blocks to look at: all, or as many as there may be, evenly spread."""
    blocks = -(-tokens // _BLOCK)
    for number in np.linspace(0, blocks - 1, min(blocks, MOST // _BLOCK)).astype(np.int64).tolist():
        yield number * _BLOCK, min(tokens, (number + 1) * _BLOCK)


def _hashes(ids: Ids) -> NDArray[np.uint64]:
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
