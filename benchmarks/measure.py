"""What the benchmarks share: the machine, a character-level store, transformers' Trainer as the peer, and dated results."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zhixing import __version__
from zhixing.device import environment
from zhixing.files import new_folder, write_json
from zhixing.store import Store, StoreWriter

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RESULTS = Path(__file__).resolve().parent / "results"


def record(name: str, result: dict[str, Any]) -> None:
    """Print a result and keep it as `results/NAME-DATE.json`."""
    whole = {"benchmark": name, "date": time.strftime("%Y-%m-%d"), "zhixing": __version__, "environment": environment(), **result}
    print(json.dumps({k: v for k, v in whole.items() if k != "environment"}, indent=1))
    write_json(RESULTS / f"{name}-{whole['date']}.json", whole)


COLOURS = {"accent": "#a8321e", "ink": "#1c1c1a", "soft": "#8b8a84", "bar": "#c9c6bb"}
"""For a plot that stands alone; in a report the page has them."""


def keep_plot(name: str, drawn: str) -> None:
    """Keep a plot of `evaluate.report.plots` as `results/NAME-DATE.svg`."""
    for variable, colour in COLOURS.items():
        drawn = drawn.replace(f"var(--{variable})", colour)
    (RESULTS / f"{name}-{time.strftime('%Y-%m-%d')}.svg").write_text(drawn, encoding="utf-8")


def shakespeare() -> str:
    """Tiny Shakespeare, or an end with one line."""
    path = DATA / "lm_en" / "tinyshakespeare.txt"
    if not path.is_file():
        sys.exit(f"{path} is not here: this benchmark needs tiny Shakespeare")
    return path.read_text(encoding="utf-8")


def character_stores(text: str) -> tuple[Store, Store, int]:
    """Characters as ids: the first 90 % to train on, the last 10 % to validate; and the number of different characters."""
    ids = {c: i for i, c in enumerate(sorted(set(text)))}
    stream = [ids[c] for c in text]
    cut = int(0.9 * len(stream))
    folder = Path(tempfile.mkdtemp()) / "data"
    with new_folder(folder, "data") as partial:
        for split, part in (("train", stream[:cut]), ("valid", stream[cut:])):
            with StoreWriter(partial, split, len(ids)) as store:
                store.add(part, len(part), len(part))
        write_json(partial / "fingerprint.json", {"fingerprint": "characters"})
    return Store.open(folder, "train"), Store.open(folder, "valid"), len(ids)


class Windows(torch.utils.data.Dataset):
    """Random windows of a stream, as nanoGPT draws them, for transformers' Trainer."""

    def __init__(self, store: Store, context: int, count: int, seed: int = 0) -> None:
        self.ids = torch.from_numpy(store.read(0, store.tokens))
        self.starts = np.random.default_rng(seed).integers(0, store.tokens - context - 1, count)
        self.context = context

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, i: int) -> dict[str, torch.Tensor]:
        window = self.ids[self.starts[i] : self.starts[i] + self.context + 1]
        return {"input_ids": window[:-1], "labels": window[:-1]}  # GPT2LMHeadModel shifts the labels itself


def whole_loss(logits_of: Any, store: Store, context: int) -> float:
    """Mean nats a token over the whole stream in windows that do not overlap; the same code for every model."""
    ids = torch.from_numpy(store.read(0, store.tokens))
    count = (len(ids) - 1) // context
    inputs, targets = ids[: count * context].view(count, context), ids[1 : count * context + 1].view(count, context)
    total = 0.0
    with torch.no_grad():
        for start in range(0, count, 128):
            logits = logits_of(inputs[start : start + 128]).float()
            wanted = targets[start : start + 128]
            total += torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum").item()
    return total / targets.numel()
