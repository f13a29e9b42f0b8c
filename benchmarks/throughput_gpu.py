"""Training speed on a GPU: GPT-2-small shape (12 layers x 768, vocabulary 50,304), context 1,024, bf16: tokens/s and MFU of the peak.

Random tokens, for speed does not depend on them. On a machine without a GPU, `--tiny` runs the same code at a tiny size on the CPU.

    python benchmarks/throughput_gpu.py [--batch 32] [--accumulate 1] [--steps 30] [--optimizer muon|adamw] [--tiny]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import record

from zhixing import device as devices
from zhixing.config import resolve
from zhixing.files import new_folder, write_json
from zhixing.models import flops_per_token, parameters
from zhixing.objectives.causal import Causal
from zhixing.store import Samples, Store, StoreWriter
from zhixing.train.loop import train
from zhixing.train.plan import begin
from zhixing.train.recipe import Recipe


def random_store(vocabulary: int, tokens: int) -> Store:
    """A store of random tokens."""
    folder = Path(tempfile.mkdtemp()) / "data"
    with new_folder(folder, "data") as partial:
        with StoreWriter(partial, "train", vocabulary) as store:
            store.add(np.random.default_rng(0).integers(0, vocabulary, tokens), tokens, tokens)
        write_json(partial / "fingerprint.json", {"fingerprint": "random"})
    return Store.open(folder, "train")


def measure(settings: dict[str, Any], vocabulary: int, device: torch.device, tokens: int) -> dict[str, Any]:
    """Median speed of the steps after the first few."""
    recipe = resolve(Recipe, settings)
    objective = Causal(Samples(random_store(vocabulary, tokens), recipe.objective.context, 1), recipe.objective)
    number = devices.dtype(recipe.train.precision, device)
    peak = devices.matmul_peak(device, number)
    steps = list(train(begin(recipe, vocabulary, device), objective, recipe.train, recipe.schedule, device))
    counted = sorted(s.seconds for s in steps[len(steps) // 3 :])
    seconds = counted[len(counted) // 2]
    size = recipe.train.batch * recipe.objective.context
    flops = flops_per_token(recipe.model, vocabulary, recipe.objective.context)
    return {
        "parameters": parameters(recipe.model, vocabulary),
        "first_step_seconds": round(steps[0].seconds, 2),
        "step_seconds": round(seconds, 4),
        "tokens_per_second": round(size / seconds),
        "peak_tflops": round(peak / 1e12, 3),
        "mfu": round(flops * size / seconds / peak, 4),
        "memory_bytes": devices.peak_memory(device),
        "settings": recipe.model_dump(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--optimizer", default="muon")
    parser.add_argument("--tiny", action="store_true")
    chosen = parser.parse_args()
    device = devices.pick("cpu" if chosen.tiny else "cuda")
    settings = {
        "model.layers": 12, "model.width": 768, "model.heads": 12, "model.hidden": 2048, "model.tied": True, "objective.context": 1024,
        "train.batch": chosen.batch, "train.accumulate": chosen.accumulate, "train.steps": chosen.steps, "optim.kind": chosen.optimizer,
        "schedule.warmup": 2,
    }  # fmt: skip
    vocabulary = 50_304
    if chosen.tiny:
        settings |= {"model.layers": 2, "model.width": 32, "model.heads": 2, "model.hidden": 64, "objective.context": 32, "train.batch": 4,
                     "train.steps": 6, "train.compile": False}  # fmt: skip
        vocabulary = 128
    result = measure(settings, vocabulary, device, 2_000_000 if not chosen.tiny else 5_000)
    if chosen.tiny:
        print(result)
    else:
        record("throughput_gpu", result)


if __name__ == "__main__":
    main()
