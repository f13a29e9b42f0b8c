"""Training speed of an LSTM on a CPU next to the plain loop that one writes by hand with torch.nn.LSTM, in the same run.

2 layers x 384, context 256, batch 16, characters. The plain loop is embedding, nn.LSTM, linear layer, cross-entropy, backward, clipping of the
gradient, AdamW; ours is the same model in the training loop of this project (residual stream and norms, chunked loss), with AdamW, and with
Muon beside it. Sides take turns in one process each, so that a machine that slows down slows all of them; the first steps are not counted.

    python benchmarks/recurrent_cpu.py [--turns 3] [--vocabulary 65|4096]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

LAYERS, WIDTH, CONTEXT, BATCH = 2, 384, 256, 16
STEPS, WARM = 7, 2


def plain(vocabulary: int) -> list[float]:
    """Seconds of each counted step of a loop by hand."""
    import torch
    from torch import nn

    store = characters()
    ids = torch.from_numpy(store.read(0, store.tokens))
    generator = torch.Generator().manual_seed(1)

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(vocabulary, WIDTH)
            self.lstm = nn.LSTM(WIDTH, WIDTH, LAYERS, batch_first=True)
            self.head = nn.Linear(WIDTH, vocabulary)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.lstm(self.embedding(x))[0])

    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    seconds = []
    for _ in range(STEPS):
        began = time.perf_counter()
        starts = torch.randint(len(ids) - CONTEXT - 1, (BATCH,), generator=generator)
        windows = torch.stack([ids[s : s + CONTEXT + 1] for s in starts])
        logits = model(windows[:, :-1])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - began)
    return seconds[WARM:]


def ours(kind: str, vocabulary: int) -> list[float]:
    """Seconds of each counted step of this project's loop."""
    from zhixing import device as devices
    from zhixing.config import resolve
    from zhixing.objectives.causal import Causal
    from zhixing.store import Samples
    from zhixing.train.loop import train
    from zhixing.train.plan import begin
    from zhixing.train.recipe import Recipe

    cpu = devices.pick("cpu")
    recipe = resolve(Recipe, {
        "model.kind": "rnn", "model.layers": LAYERS, "model.width": WIDTH, "model.tied": False, "objective.context": CONTEXT,
        "train.batch": BATCH, "train.steps": STEPS, "optim.kind": kind, "schedule.warmup": 2, "optim.learning_rate": 1e-3,
        "optim.table_rate": 1e-3, "optim.vector_rate": 1e-3,
    })  # fmt: skip
    objective = Causal(Samples(characters(), CONTEXT, 1), recipe.objective)
    steps = list(train(begin(recipe, vocabulary, cpu), objective, recipe.train, recipe.schedule, cpu))
    return [s.seconds for s in steps[WARM:]]


def characters() -> Any:
    from measure import character_stores, shakespeare

    return character_stores(shakespeare())[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--vocabulary", type=int, default=65, help="rows of embedding and head; the text has 65 characters")
    parser.add_argument("--side")
    chosen = parser.parse_args()
    if chosen.side:
        side = chosen.side
        print(json.dumps(plain(chosen.vocabulary) if side == "plain" else ours(side.removeprefix("ours-"), chosen.vocabulary)))
        return
    found: dict[str, list[list[float]]] = {side: [] for side in ("plain", "ours-adamw", "ours-muon")}
    for _ in range(chosen.turns):
        for side, turns in found.items():
            command = [sys.executable, "-W", "ignore", __file__, "--side", side, "--vocabulary", str(chosen.vocabulary)]
            run = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
            if run.returncode:
                sys.exit(f"{side} failed:\n{run.stderr[-2000:]}")
            turns.append(json.loads(run.stdout.splitlines()[-1]))
            print(side, [round(s, 3) for s in turns[-1]], file=sys.stderr)

    from measure import record

    tokens = BATCH * CONTEXT
    ordered = {side: sorted(s for turn in turns for s in turn) for side, turns in found.items()}
    speed = {side: tokens / seconds[len(seconds) // 2] for side, seconds in ordered.items()}
    record(
        "recurrent_cpu",
        {
            "vocabulary": chosen.vocabulary,
            "tokens_per_second_median": {side: round(v) for side, v in speed.items()},
            "tokens_per_second_best": {side: round(tokens / seconds[0]) for side, seconds in ordered.items()},
            "ratio": round(speed["ours-adamw"] / speed["plain"], 2),
            "ratio_muon": round(speed["ours-muon"] / speed["plain"], 2),
            "load_average": round(os.getloadavg()[0], 1),
            "seconds": found,
        },
    )


if __name__ == "__main__":
    main()
