"""What the user leaves open, decided: batch, learning rates, schedule, how long to train, how often to look."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zhixing.config import resolve
from zhixing.console import say, warn

if TYPE_CHECKING:
    import torch
    from torch import nn

    from zhixing.models import Architecture
    from zhixing.objectives import Objective
    from zhixing.tasks.classify.material import Material
    from zhixing.tasks.classify.recipe import ClassifyRecipe
    from zhixing.tasks.classify.start import Start
    from zhixing.tokenizer.tokenizer import Tokenizer
    from zhixing.train.loop import State, TrainSettings
    from zhixing.train.schedule import ScheduleSettings
    from zhixing.verbs.finetune.classify import Wish

BATCH = 32
PRETRAINED: dict[str, Any] = {
    "optim.kind": "adamw",
    "optim.learning_rate": 1.5e-4,
    "optim.table_rate": 1e-3,
    "optim.vector_rate": 1.5e-4,
    "optim.layer_decay": 0.9,
    "optim.weight_decay": 0.01,
    "optim.beta2": 0.98,
    "schedule.kind": "linear",
}
"""For a model that has read much already. Its embeddings stay as they are: few texts hold few of the words, and the others would drift
apart from them; and half of a small model's numbers need neither gradient nor moments. `table_rate` is then that of the new head alone."""
LORA: dict[str, Any] = {"optim.learning_rate": 1e-3, "optim.layer_decay": 1.0}
"""With thin matrices beside the trained ones, which stay: these begin at nothing, and need larger steps."""
NEW: dict[str, Any] = {
    "optim.kind": "adamw",
    "optim.learning_rate": 1e-3,
    "optim.table_rate": 1e-3,
    "optim.vector_rate": 1e-3,
    "optim.weight_decay": 0.05,
    "objective.epochs": 6.0,
    "model.dropout": 0.2,
    "schedule.kind": "linear",
}
"""For a model that knows nothing."""
YOUNG: dict[str, Any] = {**NEW, "optim.learning_rate": 3e-4, "optim.table_rate": 3e-4, "optim.vector_rate": 3e-4}
"""For an encoder of one's own minutes: every weight moves, and less far than where nothing was learnt before."""
_TRANSFORMER: dict[str, Any] = {"model.layers": 2, "model.width": 192, "model.heads": 4}
KINDS: dict[str, dict[str, Any]] = {
    "bag": {"model.dropout": 0.0, "optim.table_rate": 2e-3, "optim.weight_decay": 1.0},
    "cnn": {"model.layers": 1, "model.windows": [3, 4, 5], "model.activation": "relu", "model.width": 256},
    "rnn": {"model.layers": 1, "model.width": 192},
    "marian": {"model.encoder_layers": 2, "model.width": 192, "model.heads": 4},
    **dict.fromkeys(("bert", "modernbert", "gpt2", "llama"), _TRANSFORMER),
}
"""New models of each kind that learn from thousands of texts in a minute or two: one layer of convolutions as Kim (2014) has it, fastText's
rates, small recurrent models and transformers."""
OF_CHARACTERS: dict[str, dict[str, Any]] = {"bag": {"model.ngrams": 3}, "cnn": {"model.windows": [2, 3, 4]}}
"""Where tokens are characters, which Chinese words have two or three of."""
MOST = {True: 10.0, False: 40.0}
"""Epochs that minutes are spent on at most, pre-trained or not: what comes after no longer helps."""
UNKNOWN = 0.1
"""Share of unknown tokens from which on it is said that a base does not suit the texts."""
FINISH = 0.08
"""Share of the minutes kept for validation, saving and measuring."""


def derive(wish: Wish, start: Start, material: Material, device: torch.device) -> dict[str, Any]:
    """Settings by dotted names, for what the user has not set."""
    from zhixing.tasks.classify.recipe import ClassifyRecipe

    known = start.base is not None and not start.young
    usual = PRETRAINED if known else YOUNG if start.young else {**NEW, **_of_kind(wish, start)}
    derived: dict[str, Any] = {"train.batch": BATCH, "train.compile": False, **usual, **start.settings}
    if start.base is not None and known:
        derived["optim.frozen"] = embeddings(start.base)
    elif start.young and "model.dropout" in start.settings:
        derived["model.dropout"] = NEW["model.dropout"]
    elif not (start.base is None and _has_dropout(wish)):
        derived.pop("model.dropout", None)
    if wish.chosen.get("lora.rank"):
        derived |= LORA
    chosen = {**derived, **wish.chosen}
    per_epoch = math.ceil(len(material.train) / int(chosen["train.batch"]))
    if "train.steps" in wish.chosen:
        steps = int(wish.chosen["train.steps"])
    elif wish.minutes is None:
        draft = resolve(ClassifyRecipe, wish.chosen, {**derived, "schedule.warmup": 0})
        steps = math.ceil(draft.objective.epochs * per_epoch)
    else:
        draft = resolve(ClassifyRecipe, wish.chosen, {**derived, "schedule.warmup": 0})
        state, objective = _beginning(draft, start, material, device)
        timed = trial(state, objective, draft.train, draft.schedule, device)
        steps = affordable(wish.minutes, timed, per_epoch, MOST[known], f"{draft.train.batch} texts")
    return derived | paced(steps, min(steps - 1, max(1, steps // 10)), math.ceil(min(per_epoch, steps) / 2))


def affordable(minutes: float, timed: tuple[float, float], per_epoch: int, epochs: float, batch: str) -> int:
    """Steps that fit into the minutes, `timed` being what `trial` has measured; no more than so many epochs of them."""
    first, each = timed
    steps = max(1, min(int((minutes * 60 * (1 - FINISH) - first) / each), math.ceil(epochs * per_epoch)))
    say(f"{each:.3g} s a step of {batch}: {steps} steps, {steps / per_epoch:.1f} epochs")
    return steps


def paced(steps: int, warmup: int, validate_every: int) -> dict[str, Any]:
    """The settings of a training of so many steps: how often is validated and saved in it."""
    return {
        "train.steps": steps,
        "schedule.warmup": warmup,
        "train.validate_every": max(1, validate_every),
        "train.save_every": max(1, min(steps, 500)),
        "train.keep_last": 1,
    }


def embeddings(model: nn.Module) -> list[str]:
    """The beginnings of the names of a model's embeddings."""
    from torch import nn

    return [f"{name}." for name, part in model.named_modules() if isinstance(part, nn.Embedding) and not name.startswith("head")]


def warn_of_unknown(base: str, tokenizer: Tokenizer, texts: Iterable[str]) -> None:
    """Say it where a base has not read the language of the texts, by the tokens of the first thousand that it does not know."""
    ids = [token for row in tokenizer.encode_batch(list(itertools.islice(texts, 1000))) for token in row]
    share = ids.count(tokenizer.unknown) / max(1, len(ids)) if tokenizer.unknown is not None else 0.0
    if share > UNKNOWN:
        warn(f"{share:.0%} of the tokens of these texts are unknown to {base}: take a base that has read their language, or none")


def _has_dropout(wish: Wish) -> bool:
    """Whether the new model's architecture can drop."""
    return "dropout" in type(_new_model(wish)).model_fields


def _new_model(wish: Wish) -> Architecture:
    """The new model that is asked for, as far as it is."""
    from zhixing.tasks.classify.recipe import drafted

    return drafted(wish.chosen).model


def _of_kind(wish: Wish, start: Start) -> dict[str, Any]:
    """Settings of a new model that depend on its kind and its tokens."""
    from zhixing.train.size import fitting_heads

    kind = _new_model(wish).kind
    taken = {**start.settings, **wish.chosen}
    characters = taken.get("tokenizer.kind") == "char"
    usual = {**KINDS[kind], **(OF_CHARACTERS.get(kind, {}) if characters else {})}
    sized = {"model.width", "model.kv_heads", "model.head_width"} & taken.keys()
    width = {"model.width": usual["model.width"]} if "model.width" in usual else {}
    return {**usual, **(fitting_heads(kind, {**width, **taken}) if sized else {})}


def _beginning(recipe: ClassifyRecipe, start: Start, material: Material, device: torch.device) -> tuple[State, Objective]:
    """A training that is thrown away."""
    from zhixing.tasks.classify.objective import Classification
    from zhixing.tasks.classify.start import begin

    objective = Classification(
        material.train, material.targets, start.tokenizer, recipe.objective, recipe.train.seed, paired=material.paired
    )
    return begin(start, recipe, material.targets.classes, device), objective


def trial(
    state: State, objective: Objective, settings: TrainSettings, schedule: ScheduleSettings, device: torch.device
) -> tuple[float, float]:
    """Seconds of the first step of a training that is thrown away, and of each of those after it."""
    from zhixing.train.loop import train

    settings = settings.model_copy(update={"steps": 1 << 30})
    began = time.perf_counter()
    times: list[float] = []
    for step in itertools.islice(train(state, objective, settings, schedule, device), 12):
        times.append(step.seconds)
        if time.perf_counter() - began > 8 and len(times) >= 3:
            break
    return times[0], sum(times[1:]) / max(1, len(times) - 1)
