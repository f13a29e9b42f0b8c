"""Training speed of an LSTM on a CPU next to the plain loop that one writes by hand with torch.nn.LSTM, in the same run.

2 layers x 384, context 256, characters. The plain loop is embedding, nn.LSTM, linear layer, cross-entropy, backward, clipping of the
gradient, AdamW; ours is a model of the same matrices in the training loop of this project (residual stream and norms, chunked loss), with
AdamW, and with Muon beside it. The sides take turns step by step in one process, so that whatever slows the machine down slows all of them;
the first steps are not counted. Seconds of the clock, and of the processor, which on a busy machine are the fairer ones.

    python benchmarks/recurrent_cpu.py [--steps 6] [--batch 16] [--vocabulary 65]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator

import torch
from measure import character_stores, record, shakespeare
from torch import nn

from zhixing import device as devices
from zhixing.config import resolve
from zhixing.objectives.causal import Causal
from zhixing.store import Samples, Store
from zhixing.train.loop import train
from zhixing.train.plan import begin
from zhixing.train.recipe import Recipe

LAYERS, WIDTH, CONTEXT, WARM = 2, 384, 256, 2


class Plain(nn.Module):
    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        self.lstm = nn.LSTM(WIDTH, WIDTH, LAYERS, batch_first=True)
        self.head = nn.Linear(WIDTH, vocabulary)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.lstm(self.embedding(x))[0])
        return logits


def plain(store: Store, vocabulary: int, batch: int) -> Iterator[None]:
    """The loop by hand."""
    ids = torch.from_numpy(store.read(0, store.tokens))
    generator = torch.Generator().manual_seed(1)
    model = Plain(vocabulary)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    while True:
        starts = torch.randint(len(ids) - CONTEXT - 1, (batch,), generator=generator)
        windows = torch.stack([ids[s : s + CONTEXT + 1] for s in starts])
        loss = nn.functional.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        yield


def ours(kind: str, store: Store, vocabulary: int, batch: int, steps: int) -> Iterator[None]:
    """This project's loop."""
    cpu = devices.pick("cpu")
    recipe = resolve(Recipe, {
        "model.kind": "rnn", "model.layers": LAYERS, "model.width": WIDTH, "model.tied": False, "objective.context": CONTEXT,
        "train.batch": batch, "train.steps": steps + 1, "optim.kind": kind, "schedule.warmup": 2, "optim.learning_rate": 1e-3,
        "optim.table_rate": 1e-3, "optim.vector_rate": 1e-3,
    })  # fmt: skip
    objective = Causal(Samples(store, CONTEXT, 1), recipe.objective)
    for _ in train(begin(recipe, vocabulary, cpu), objective, recipe.train, recipe.schedule, cpu):
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=6, help="counted steps of each side")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--vocabulary", type=int, default=65, help="rows of embedding and head; the text has 65 characters")
    chosen = parser.parse_args()
    store, _, _ = character_stores(shakespeare())
    steps = chosen.steps + WARM
    sides = {
        "plain": plain(store, chosen.vocabulary, chosen.batch),
        "ours-adamw": ours("adamw", store, chosen.vocabulary, chosen.batch, steps),
        "ours-muon": ours("muon", store, chosen.vocabulary, chosen.batch, steps),
    }
    clock: dict[str, list[float]] = {side: [] for side in sides}
    processor: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(steps):
        for side, loop in sides.items():
            began, used = time.perf_counter(), time.process_time()
            next(loop)
            clock[side].append(time.perf_counter() - began)
            processor[side].append(time.process_time() - used)
    tokens = chosen.batch * CONTEXT
    speed = {side: tokens / statistics.median(seconds[WARM:]) for side, seconds in clock.items()}
    used_speed = {side: tokens / statistics.median(seconds[WARM:]) for side, seconds in processor.items()}
    record(
        "recurrent_cpu",
        {
            "batch": chosen.batch,
            "vocabulary": chosen.vocabulary,
            "tokens_per_second": {side: round(v) for side, v in speed.items()},
            "tokens_per_processor_second": {side: round(v) for side, v in used_speed.items()},
            "ratio": round(speed["ours-adamw"] / speed["plain"], 2),
            "ratio_of_processor_time": round(used_speed["ours-adamw"] / used_speed["plain"], 2),
            "ratio_muon_of_processor_time": round(used_speed["ours-muon"] / used_speed["plain"], 2),
            "load_average": round(os.getloadavg()[0], 1),
            "seconds": clock,
            "processor_seconds": processor,
        },
    )


if __name__ == "__main__":
    main()
