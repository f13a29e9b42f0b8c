"""The plan of a run: what will fit, how long it takes, how big a model, and what is wrong with the data.

1. `size.derive` proposes settings from the time, the data and the measured speed of this machine.
2. A trial runs the first steps of just that training, compiling included, and is thrown away: it gives the true seconds a step and the
   true memory, from which the number of steps follows.
3. `preflight` looks at the tokens for what would spoil the run.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from zhixing import device as devices
from zhixing import objectives
from zhixing.config import Result, resolve
from zhixing.console import count, duration, say
from zhixing.errors import SettingError
from zhixing.files import human_bytes
from zhixing.models import Model, build, parameters
from zhixing.objectives import Objective, with_marks
from zhixing.store import Samples, Store
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.train import preflight, size
from zhixing.train.loop import State, train, validate
from zhixing.train.optim import Optimizer
from zhixing.train.recipe import Recipe, usual_kind

SHARE_OF_VALIDATION = 0.04
"""Share of a run's time that validations may take."""
FINISH = 0.06
"""Share of a run's time kept for the last checkpoint, the evaluation of the validation part and the samples."""
TRIAL_STEPS, TRIAL_SECONDS = 12, 5.0


class Plan(Result):
    """What will be trained here, and what it will take."""

    parameters: int
    vocabulary: int
    tokens: int
    """Tokens that the run will read."""
    steps: int
    batch_tokens: int
    epochs: float
    tokens_per_parameter: float
    seconds: float
    """The whole run: compiling, training, validation, checkpoints, final evaluation."""
    step_seconds: float
    startup_seconds: float
    """The first step: compiling included."""
    memory_bytes: int
    """Highest memory of the process."""
    available_bytes: int
    tokens_per_second: float
    flops_per_token: float
    peak_flops: float
    mfu: float
    """Model FLOP utilisation: share of the measured peak of a matrix product that the training step reaches."""
    expected_bits_per_byte: float | None
    """None where the objective is not to write text from left to right."""
    device: str
    precision: str
    warnings: list[str]
    settings: dict[str, Any]
    """The resolved recipe."""

    def lines(self) -> Iterator[str]:
        """The plan for the terminal."""
        model, bits = self.settings["model"], self.expected_bits_per_byte
        layers = " + ".join(str(model[name]) for name in ("layers", "encoder_layers", "decoder_layers") if name in model)
        yield f"objective   {self.settings['objective']['kind']}"
        shape = f"{model['kind']}, {layers} layers x {model['width']}" if layers else f"{model['kind']}, {model['width']} wide"
        yield f"model       {shape}, {count(self.parameters)} parameters, vocabulary {self.vocabulary}"
        yield f"training    {self.steps} steps of {self.batch_tokens} tokens, {count(self.tokens)} tokens in all"
        rate = self.tokens_per_parameter
        yield f"data        {self.epochs:.2f} epochs, {rate:{'.1f' if rate >= 0.1 else '.1g'}} tokens a parameter"
        yield f"time        {duration(self.seconds)} ({self.step_seconds:.3g} s a step, {count(self.tokens_per_second)} tokens/s)"
        yield f"memory      {human_bytes(self.memory_bytes)} of {human_bytes(self.available_bytes)} available"
        yield f"machine     {self.device} in {self.precision}: {count(self.peak_flops)}FLOP/s measured, {self.mfu:.0%} of it used"
        if bits is not None:
            yield f"expected    about {bits:.2f} bits per byte"
        yield from (f"warning     {text}" for text in self.warnings)


@dataclass(frozen=True)
class Trial:
    """What the first steps of a training took."""

    first_seconds: float
    step_seconds: float
    validation_seconds: float
    """For one row of a held-out batch."""
    memory: int


Base = Callable[[Recipe, int], Model]
"""Makes the model to start from, given the recipe and how many ids it is to know."""


def make(
    train_store: Store,
    valid_store: Store,
    tokenizer: Tokenizer,
    minutes: float | None,
    device: torch.device,
    chosen: Mapping[str, Any],
    base: Base | None = None,
    learnt: bool = False,
    spent: float = 0.0,
) -> tuple[Plan, Recipe, Tokenizer]:
    """Derive, try out and forecast; returns the plan, its recipe, and the tokenizer with the marks that the objective needs.

    minutes: for the whole run, of which `spent` seconds are gone; None where `train.steps` is among the settings in `chosen`.
    base: makes the model to start from, where there is one; learnt: whether all of its weights have learnt already.
    """
    began = time.perf_counter()
    minutes = _asked(minutes, chosen)
    refuse_mistakes(chosen)
    context = int(chosen.get("objective.context", 256))
    if "objective.context" in chosen:
        for store in (train_store, valid_store):
            Samples(store, context, 0)  # complains of a text shorter than a window
    say("planning: measuring this machine and trying out the first steps")
    number = devices.dtype(str(chosen.get("train.precision", "auto")), device)
    peak = devices.matmul_peak(device, number)
    memory = devices.available_memory(device)
    rate = cache(lambda: size.measure_rate(device, number, context))
    data = size.Data(train_store.tokens, tokenizer.vocabulary)
    seconds = minutes * 60 if minutes is not None else 600.0
    derived = size.derive(chosen, rate, seconds, data, device, memory, learnt)
    if minutes is None:
        derived["schedule.warmup"] = min(40, int(chosen["train.steps"]) // 10)
    draft = resolve(Recipe, chosen, {"train.steps": 1 << 30, **derived})
    tokenizer = with_marks(draft.objective, tokenizer)
    vocabulary = tokenizer.vocabulary
    refuse_too_large(draft, vocabulary, memory)
    objective = objectives.make(draft.objective, train_store, draft.train.seed, tokenizer)
    held_out = objectives.make(draft.objective, valid_store, 0, tokenizer)
    trial = attempt(draft, objective, held_out, vocabulary, device, base)
    seen = preflight.look(train_store, valid_store)

    rows_validated = max(1, min(draft.train.validate_tokens // draft.objective.context, held_out.samples.per_epoch))
    validation = rows_validated * trial.validation_seconds
    spent += time.perf_counter() - began
    paced, total = _pace(minutes, draft.train.steps, trial, validation, spent)
    recipe = resolve(Recipe, chosen, derived | paced)
    row, context = recipe.objective.row, recipe.objective.context
    batch = round(recipe.train.batch * row.tokens)
    weights = parameters(recipe.model, vocabulary, recipe.shape)
    flops = size.work(recipe.model, vocabulary, context, recipe.shape, row)
    tokens = recipe.train.steps * batch
    text = recipe.train.steps * recipe.train.batch * context
    bits = size.expected_bits_per_byte(flops / 6, text * train_store.bytes / max(1, train_store.tokens), train_store.bytes)
    plan = Plan(
        parameters=weights,
        vocabulary=vocabulary,
        tokens=tokens,
        steps=recipe.train.steps,
        batch_tokens=batch,
        epochs=text / train_store.tokens,
        tokens_per_parameter=tokens / weights,
        seconds=total,
        step_seconds=trial.step_seconds,
        startup_seconds=trial.first_seconds,
        memory_bytes=trial.memory,
        available_bytes=memory,
        tokens_per_second=batch / trial.step_seconds,
        flops_per_token=flops,
        peak_flops=peak,
        mfu=flops * batch / trial.step_seconds / peak,
        expected_bits_per_byte=bits if recipe.objective.kind == "causal" else None,
        device=str(device),
        precision={torch.float32: "fp32", torch.bfloat16: "bf16"}[number],
        warnings=[*_too_few(minutes, recipe.train.steps, total), *preflight.findings(train_store, valid_store, seen, text, weights)],
        settings=recipe.model_dump(),
    )
    return plan, recipe, tokenizer


def refuse_mistakes(chosen: Mapping[str, Any]) -> None:
    """Raise `SettingError` for what the user has set and cannot be, before anything is measured or read."""
    usual = usual_kind(chosen)
    sizes = size.likely(str(chosen.get("model.kind", usual.get("model.kind", "llama"))), chosen)
    objectives.refuse_pairs(resolve(Recipe, chosen, {"schedule.warmup": 0, **usual, **sizes}).objective)


def _asked(minutes: float | None, chosen: Mapping[str, Any]) -> float | None:
    """The minutes, 10 by default; None where steps say how long to train. Raises `SettingError` for both, and for minutes that are none."""
    if minutes is None:
        return None if "train.steps" in chosen else 10.0
    if "train.steps" in chosen:
        raise SettingError("train.steps", "cannot be given together with --minutes: both say how long to train; give one of them")
    if not (math.isfinite(minutes) and minutes > 0):
        raise SettingError("minutes", f"must be a positive number, not {minutes}")
    return minutes


def _pace(minutes: float | None, steps: int, trial: Trial, validation: float, spent: float) -> tuple[dict[str, int], float]:
    """How many steps there are, and how often is validated and saved in them, by dotted names; and the seconds that all of it takes.

    validation: seconds of one. spent: seconds that are gone. steps: as many as there are where no minutes are given.
    """
    save_every = int(60 / trial.step_seconds)
    begun = spent + trial.first_seconds
    if minutes is None:
        pace = {"train.validate_every": max(1, steps // 10), "train.save_every": max(1, min(steps, save_every))}
        return pace, (begun + steps * trial.step_seconds + 10 * validation) / (1 - FINISH)
    left = minutes * 60 * (1 - FINISH) - begun
    validations = int(max(2, min(20, SHARE_OF_VALIDATION * left / max(validation, 1e-9))))
    steps = max(10, int((left - validations * validation) / trial.step_seconds))
    pace = {
        "train.steps": steps,
        "train.validate_every": max(1, -(-steps // validations)),
        "train.save_every": max(1, min(steps, save_every)),
        "schedule.warmup": min(40, steps // 10),
    }
    return pace, max(minutes * 60, begun + steps * trial.step_seconds)


def _too_few(minutes: float | None, steps: int, total: float) -> list[str]:
    """The warning where the fewest steps there are take longer than the minutes that were given."""
    if minutes is None or total < 1.05 * minutes * 60:
        return []
    return [f"too few minutes: even {steps} steps take about {duration(total)}; give it more, or set a smaller model or train.batch"]


def refuse_too_large(recipe: Recipe, vocabulary: int, memory: int) -> None:
    """Raise `SettingError` when settings made by hand need more memory than there is, by an estimate from below."""
    weights = size.trained_numbers(recipe.model, vocabulary, recipe.shape) * 12  # weight, gradient and one moment, four bytes each
    if weights > memory:
        raise SettingError(
            "model.width", f"asks, with its like, for {human_bytes(weights)} of memory, of which there are {human_bytes(memory)}"
        )
    rows = -(-recipe.train.batch // recipe.train.accumulate)
    context = recipe.objective.context
    batch = max(rows * context * recipe.model.layers * recipe.model.width * 8, recipe.train.batch * context * 8)
    if weights + batch > memory:
        raise SettingError(
            "train.batch",
            f"= {recipe.train.batch} in {recipe.train.accumulate} parts needs {human_bytes(batch)} of memory, of which there are "
            f"{human_bytes(memory)}; set a smaller one, or a larger train.accumulate",
        )


def attempt(recipe: Recipe, objective: Objective, held_out: Objective, vocabulary: int, device: torch.device, base: Base | None) -> Trial:
    """Run the first steps of a training for some seconds and throw them away."""
    devices.forget_peak_memory(device)  # what measuring the machine took is not the training's
    state = begin(recipe, vocabulary, device, base)
    began = time.perf_counter()
    times: list[float] = []
    for step in itertools.islice(train(state, objective, recipe.train, recipe.schedule, device), TRIAL_STEPS):
        times.append(step.seconds)
        if len(times) >= 3 and time.perf_counter() - began - times[0] > TRIAL_SECONDS:
            break
    rows = min(recipe.train.batch, 16)
    start = time.perf_counter()
    validate(state, held_out, recipe.train, device, rows, 1)
    validation = (time.perf_counter() - start) / rows
    usual = sorted(times[1:])[len(times[1:]) // 2] if len(times) > 1 else times[0]
    return Trial(times[0], usual, validation, devices.peak_memory(device))


def begin(recipe: Recipe, vocabulary: int, device: torch.device, base: Base | None = None) -> State:
    """A training before its first step: initial weights from the recipe's seed, or those of `base`."""
    torch.manual_seed(recipe.train.seed)
    if base is None:
        with torch.device(device):
            model = build(recipe.model, vocabulary, recipe.shape)
    else:
        model = base(recipe, vocabulary).to(device)
    return State.new(model, Optimizer(model, recipe.optim), averages=recipe.train.averages)
