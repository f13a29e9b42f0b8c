"""Tiny Shakespeare, characters, on a CPU: time to a validation loss of 1.886, and the loss within the peer's whole time.

The peer is transformers' Trainer with GPT-2 of the same size: 4 layers x 128, context 64, AdamW at 1e-3, batch 12, 2,000 steps, its other
settings at their defaults. Both sides are validated by the same code over the whole validation part; clocks stop meanwhile. Compiling,
where there is any, counts. Its cache is emptied first.

    python benchmarks/shakespeare_cpu.py            both parts, about 10 minutes
    python benchmarks/shakespeare_cpu.py --ours     our side alone, with the peer's seconds given by --peer-seconds
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from typing import Any

os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp()

import torch
from measure import Windows, character_stores, record, shakespeare, whole_loss

from zhixing import device as devices
from zhixing.config import gather, resolve
from zhixing.objectives.causal import Causal
from zhixing.store import Samples, Store
from zhixing.train.loop import train
from zhixing.train.plan import begin
from zhixing.train.recipe import Recipe

GOAL = 1.886
CONTEXT = 64

SMALL = {
    "model.layers": 4, "model.width": 128, "model.heads": 4, "model.hidden": 336, "model.tied": False,
    "objective.context": CONTEXT, "train.batch": 24, "train.steps": 118, "train.compile": False,
    "optim.learning_rate": 0.02, "optim.table_rate": 0.03, "optim.weight_decay": 0.0, "schedule.warmup": 8,
}  # fmt: skip
LARGE = SMALL | {
    "model.layers": 4, "model.width": 160, "model.heads": 5, "model.hidden": 448, "objective.context": 128, "train.batch": 12,
    "train.steps": 620, "optim.learning_rate": 0.018, "optim.weight_decay": 0.1, "schedule.warmup": 20,
}  # fmt: skip


def ours(train_store: Store, valid: Store, vocabulary: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Train by these settings; seconds from before the model is made to after the last step, and the loss then."""
    recipe = resolve(Recipe, settings)
    cpu = devices.pick("cpu")
    objective = Causal(Samples(train_store, recipe.objective.context, recipe.train.seed), recipe.objective)
    began = time.perf_counter()
    state = begin(recipe, vocabulary, cpu)
    for _ in train(state, objective, recipe.train, recipe.schedule, cpu):
        pass
    seconds = time.perf_counter() - began
    model = state.model.eval()
    loss = whole_loss(lambda ids: model.head(model(ids)[0]), valid, recipe.objective.context)
    size = sum(p.numel() for p in model.parameters())
    tokens = recipe.train.steps * recipe.train.batch * recipe.objective.context
    return {"seconds": round(seconds, 2), "loss": round(loss, 4), "parameters": size, "tokens": tokens, "settings": settings}


def peer(train_store: Store, valid: Store, vocabulary: int, every: int = 100) -> dict[str, Any]:
    """transformers' Trainer; validated every 100 steps with the clock stopped."""
    import transformers

    config = transformers.GPT2Config(
        vocab_size=vocabulary, n_positions=CONTEXT, n_embd=128, n_layer=4, n_head=4, bos_token_id=0, eos_token_id=0
    )
    torch.manual_seed(1)
    reached: float | None = None
    losses = []
    paused = 0.0

    class Watch(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            nonlocal reached, paused
            if state.global_step % every:
                return
            start = time.perf_counter()
            model.eval()
            loss = whole_loss(lambda ids: model(ids).logits, valid, CONTEXT)
            model.train()
            losses.append([state.global_step, round(start - began - paused, 2), round(loss, 4)])
            if reached is None and loss <= GOAL:
                reached = start - began - paused
            paused += time.perf_counter() - start

    arguments = transformers.TrainingArguments(
        output_dir=tempfile.mkdtemp(), max_steps=2000, per_device_train_batch_size=12, learning_rate=1e-3, report_to=[], save_strategy="no",
        use_cpu=True, disable_tqdm=True, logging_strategy="no",
    )  # fmt: skip
    began = time.perf_counter()
    model = transformers.GPT2LMHeadModel(config)
    trainer = transformers.Trainer(model=model, args=arguments, train_dataset=Windows(train_store, CONTEXT, 24_000), callbacks=[Watch()])
    trainer.train()
    seconds = time.perf_counter() - began - paused
    return {
        "seconds": round(seconds, 2), "seconds_to_goal": reached and round(reached, 2), "loss": losses[-1][2], "losses": losses,
        "parameters": sum(p.numel() for p in model.parameters()), "transformers": transformers.__version__,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ours", action="store_true", help="only our side, nothing recorded")
    parser.add_argument("--part", choices=["small", "large", "both"], default="both")
    parser.add_argument("settings", nargs="*", help="dotted.key=value, laid over the settings of the part")
    chosen = parser.parse_args()
    train_store, valid, vocabulary = character_stores(shakespeare())
    words = gather(None, chosen.settings)
    # A first product of matrices starts thread pools and loads kernels for both sides alike, outside of either clock.
    torch.randn(256, 256) @ torch.randn(256, 256)
    results = {}
    if not chosen.ours:
        results["peer"] = peer(train_store, valid, vocabulary)
    if chosen.part != "large":
        results["small"] = ours(train_store, valid, vocabulary, {**SMALL, **words})
    if chosen.part != "small":
        results["large"] = ours(train_store, valid, vocabulary, {**LARGE, **words})
    if chosen.ours:
        print(results)
        return
    goal = results["peer"]["seconds_to_goal"] or results["peer"]["seconds"]
    small, large = results["small"], results["large"]
    record(
        "shakespeare_cpu",
        {
            **results,
            "goal": GOAL,
            "goal_reached": small["loss"] <= GOAL,
            "peer_reached_goal": results["peer"]["seconds_to_goal"] is not None,
            "ratio_to_goal": round(goal / small["seconds"], 2),
            "within_peer_time": large["seconds"] <= results["peer"]["seconds"],
            "loss_within_peer_time": large["loss"],
        },
    )


if __name__ == "__main__":
    main()
