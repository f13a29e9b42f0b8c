"""Training speed on a CPU: 6 layers x 384, context 256, batch 16, next to transformers' Trainer in the same run.

Four sides, in turns, so that a machine that slows down slows all of them: transformers' Trainer with GPT-2 at its defaults (fp32), the same
with bf16=True, the Trainer with bf16 under this project's allocator setting (to tell what of the difference is memory), and ours (bf16,
AdamW; Muon is reported beside it). A turn is 8 steps, of which the first 3 are not counted; compiling happens before the first turn.

    python benchmarks/throughput_cpu.py [--turns 3]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

LAYERS, WIDTH, HEADS, CONTEXT, BATCH = 6, 384, 6, 256, 16
STEPS, WARM = 12, 4


def trainer(bf16: bool) -> list[float]:
    """Seconds of each counted step of transformers' Trainer."""
    import torch
    import transformers
    from measure import Windows, character_stores, shakespeare

    store, _, vocabulary = character_stores(shakespeare())
    times: list[float] = []

    class Watch(transformers.TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.perf_counter())

    config = transformers.GPT2Config(vocab_size=vocabulary, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS)
    config.bos_token_id = config.eos_token_id = 0
    torch.manual_seed(1)
    arguments = transformers.TrainingArguments(
        output_dir=tempfile.mkdtemp(), max_steps=STEPS, per_device_train_batch_size=BATCH, learning_rate=1e-3, report_to=[],
        save_strategy="no", use_cpu=True, disable_tqdm=True, logging_strategy="no", bf16=bf16,
    )  # fmt: skip
    model = transformers.GPT2LMHeadModel(config)
    transformers.Trainer(model=model, args=arguments, train_dataset=Windows(store, CONTEXT, STEPS * BATCH), callbacks=[Watch()]).train()
    return [b - a for a, b in itertools.pairwise(times)][WARM:]


def ours(kind: str) -> tuple[list[float], float, float]:
    """Seconds of each counted step, FLOP a step, and the measured peak."""
    import torch
    from measure import character_stores, shakespeare

    from zhixing import device as devices
    from zhixing.config import resolve
    from zhixing.models import flops_per_token
    from zhixing.objectives.causal import Causal
    from zhixing.store import Samples
    from zhixing.train.loop import train
    from zhixing.train.plan import begin
    from zhixing.train.recipe import Recipe

    cpu = devices.pick("cpu")
    store, _, vocabulary = character_stores(shakespeare())
    recipe = resolve(Recipe, {
        "model.layers": LAYERS, "model.width": WIDTH, "model.heads": HEADS, "model.hidden": 1024, "objective.context": CONTEXT,
        "train.batch": BATCH, "train.steps": STEPS, "optim.kind": kind, "schedule.warmup": 2, "optim.learning_rate": 1e-3,
        "optim.table_rate": 1e-3, "optim.vector_rate": 1e-3,
    })  # fmt: skip
    peak = devices.matmul_peak(cpu, torch.bfloat16)
    objective = Causal(Samples(store, CONTEXT, 1), recipe.objective)
    steps = list(train(begin(recipe, vocabulary, cpu), objective, recipe.train, recipe.schedule, cpu))
    return [s.seconds for s in steps[WARM + 1 :]], flops_per_token(recipe.model, vocabulary, CONTEXT) * BATCH * CONTEXT, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--side")
    chosen = parser.parse_args()
    if chosen.side:
        if chosen.side.startswith("ours"):
            seconds, flops, peak = ours(chosen.side.removeprefix("ours-"))
            print(json.dumps({"seconds": seconds, "flops": flops, "peak": peak}))
        else:
            if "kept" in chosen.side:
                from zhixing.device import keep_memory

                keep_memory()
            print(json.dumps({"seconds": trainer("bf16" in chosen.side)}))
        return

    sides = ("trainer-fp32", "trainer-bf16", "trainer-bf16-kept", "ours-adamw", "ours-muon")
    found: dict[str, list[list[float]]] = {side: [] for side in sides}
    told: dict[str, float] = {}
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": tempfile.mkdtemp()}
    for _ in range(chosen.turns):
        for side in sides:
            run = subprocess.run(
                [sys.executable, "-W", "ignore", __file__, "--side", side], capture_output=True, text=True, env=environment, check=False
            )
            if run.returncode:
                sys.exit(f"{side} failed:\n{run.stderr[-2000:]}")
            answer = json.loads(run.stdout.splitlines()[-1])
            found[side].append(answer["seconds"])
            if "peak" in answer:
                told = {"flops": answer["flops"], "peak": max(answer["peak"], told.get("peak", 0.0))}
            print(side, [round(s, 3) for s in answer["seconds"]], file=sys.stderr)

    from measure import record

    tokens = BATCH * CONTEXT
    speed = {side: tokens / sorted(s for turn in turns for s in turn)[len(turns) * len(turns[0]) // 2] for side, turns in found.items()}
    best = {side: tokens / min(s for turn in turns for s in turn) for side, turns in found.items()}
    record(
        "throughput_cpu",
        {
            "tokens_per_second_median": {side: round(v) for side, v in speed.items()},
            "tokens_per_second_best": {side: round(v) for side, v in best.items()},
            "ratio_to_bf16": round(speed["ours-adamw"] / speed["trainer-bf16"], 2),
            "ratio_to_default": round(speed["ours-adamw"] / speed["trainer-fp32"], 2),
            "peak_gflops": round(told["peak"] / 1e9),
            "mfu": round(speed["ours-adamw"] * told["flops"] / tokens / told["peak"], 3),
            "mfu_muon": round(speed["ours-muon"] * told["flops"] / tokens / told["peak"], 3),
            "seconds": found,
        },
    )


if __name__ == "__main__":
    main()
