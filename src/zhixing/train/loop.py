"""The training loop: a generator of steps. Whoever iterates decides when to log, validate, save, prune or stop.

    for step in train(state, objective, settings, schedule):
        ...

1. The objective makes the batch of step s: a pure function of (seed, s). So are dropout masks: torch is seeded from (seed, s) at each step.
2. The batch is cut into micro-batches; their summed losses are divided by the number of targets of the *whole* batch, so that
   accumulation gives the gradient of the big batch, whatever the micro-batches hold.
3. A loss or gradient that is not finite is noticed before it can touch the weights: the update is skipped and said.
4. `state` is at rest whenever the generator yields: saving it there and going on from the copy gives the same bits.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from zhixing import device as devices
from zhixing.config import Settings
from zhixing.console import warn
from zhixing.errors import SettingError, ZhixingError
from zhixing.objectives import Batch, Objective, cut, move, rows
from zhixing.train.optim import Optimizer
from zhixing.train.schedule import ScheduleSettings, factor

PATIENCE = 20
"""Skipped updates in a row after which training gives up: the weights themselves must be beyond repair."""


class TrainSettings(Settings):
    """How long, in what portions and in which number format to train."""

    steps: int = Field(default=1000, ge=1, le=1 << 40)
    """Updates of the weights."""
    batch: int = Field(default=32, ge=1)
    """Rows (windows) an update."""
    accumulate: int = Field(default=1, ge=1)
    """Micro-batches that a batch is cut into to save memory; changes nothing but rounding."""
    clip: float = Field(default=1.0, gt=0)
    """Gradients longer than this are shortened to it."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Number format of products; weights and optimizer are fp32. auto: bf16 where the hardware has it."""
    compile: bool = True
    """Whether torch.compile makes kernels for the model's layers; if it fails, training goes on without."""
    seed: int = Field(default=1, ge=0)
    """Seed of initial weights, order of samples and dropout."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, which is then what is validated and used; 0 is off."""
    tail: float = Field(default=0.0, ge=0, le=1)
    """Share of the steps, the last ones, over which the weights are averaged, each step alike; the mean is then what is validated and used.
    0 is off. (Polyak & Juditsky 1992; known as averaging of checkpoints, of which it takes every step instead of a few.)"""
    validate_every: int = Field(default=100, ge=1)
    """Steps between validations."""
    validate_tokens: int = Field(default=65_536, ge=1)
    """Tokens a validation looks at (the same ones each time)."""
    save_every: int = Field(default=200, ge=1)
    """Steps between checkpoints."""
    keep_last: int = Field(default=2, ge=1)
    """Checkpoints that are kept, newest first; the best one by validation is kept beside them."""
    patience: int = Field(default=0, ge=0)
    """Early stopping: validations in a row without a new best after which training stops; 0 is off."""

    @property
    def averages(self) -> bool:
        """Whether a mean of the weights is kept beside them."""
        return self.ema > 0 or self.tail > 0


def check_steps(train: TrainSettings, schedule: ScheduleSettings) -> None:
    """What the validators of recipes ask of both parts together. Raises `ValueError`."""
    if train.accumulate > train.batch:
        raise ValueError(f"train.accumulate = {train.accumulate} cuts a batch of only train.batch = {train.batch} rows")
    if train.ema > 0 and train.tail > 0:
        raise ValueError("train.ema and train.tail are two ways to average the weights; set one of them")
    if schedule.warmup >= train.steps:
        raise ValueError(f"schedule.warmup = {schedule.warmup} leaves nothing of train.steps = {train.steps}")


@dataclass
class State:
    """A training at rest between two steps: all that a resumed run needs besides its settings and data."""

    model: nn.Module
    optimizer: Optimizer
    mean: dict[str, Tensor] | None
    """Of the weights over steps, where one is kept."""
    step: int = 0
    skipped: int = 0

    @classmethod
    def new(cls, model: nn.Module, optimizer: Optimizer, *, averages: bool) -> State:
        """A training that has not begun; averages: whether it keeps a mean of the weights."""
        return cls(model, optimizer, {name: p.detach().clone() for name, p in model.named_parameters()} if averages else None)


@dataclass(frozen=True)
class Step:
    """What happened in one update."""

    step: int
    """Updates done, this one included."""
    loss: float
    """Mean loss of the batch, in nats a target."""
    gradient_norm: float
    learning_rate: float
    """Factor of the schedule times the matrices' peak rate."""
    targets: int
    """Predictions that the loss counts."""
    tokens: int
    """Tokens that the model has read."""
    seconds: float
    skipped: bool
    """Whether the update was skipped because loss or gradient was not finite."""


class TooLittleMemory(SettingError):
    """A batch takes more memory than there is; `how` says what to change."""

    def __init__(self, batch: int, device: torch.device, how: str) -> None:
        super().__init__("train.batch", f"= {batch} takes more memory than {device} has free; {how}")
        self.batch, self.device, self.how = batch, device, how


def train(state: State, objective: Objective, settings: TrainSettings, schedule: ScheduleSettings, device: torch.device) -> Iterator[Step]:
    """Train from where `state` rests to `settings.steps`, yielding after each update.

    Raises `ZhixingError` after 20 updates in a row whose loss or gradient is not finite, `TooLittleMemory` for a batch that takes too much.
    """
    number = devices.dtype(settings.precision, device)
    if settings.compile:
        compile_layers(state.model)
    first, in_a_row = True, 0
    while state.step < settings.steps:
        began = time.perf_counter()
        torch.manual_seed(settings.seed * 1_000_003 + state.step)
        state.model.train()
        batch = objective.batch(state.step, settings.batch)
        targets = max(1, objective.targets(batch))  # of a few short texts, none may be hidden
        if first:
            try:
                loss = _gradients(state, objective, batch, targets, settings, device, number)
            except RuntimeError as error:
                if not settings.compile:
                    raise
                warn(f"torch.compile failed ({type(error).__name__}); training goes on without it, more slowly")
                uncompile_layers(state.model)
                torch.manual_seed(settings.seed * 1_000_003 + state.step)
                loss = _gradients(state, objective, batch, targets, settings, device, number)
            first = False
        else:
            loss = _gradients(state, objective, batch, targets, settings, device, number)
        norm = nn.utils.clip_grad_norm_(state.model.parameters(), settings.clip).item()
        mean = loss.item()
        rate = factor(state.step, settings.steps, schedule)
        finite = math.isfinite(mean) and math.isfinite(norm)
        if finite:
            state.optimizer.step(rate)
            _average(state, settings)
        state.optimizer.zero_grad()
        in_a_row = 0 if finite else in_a_row + 1
        state.skipped += not finite
        state.step += 1
        if in_a_row >= PATIENCE:
            raise ZhixingError(
                f"loss or gradient was not finite {PATIENCE} steps in a row up to step {state.step}; "
                "lower optim.learning_rate and optim.table_rate, or set train.precision=fp32, and start again from an earlier checkpoint"
            )
        seconds = time.perf_counter() - began
        yield Step(state.step, mean, norm, rate * state.optimizer.rate, targets, objective.tokens(batch), seconds, skipped=not finite)


def _gradients(
    state: State, objective: Objective, batch: Batch, targets: int, settings: TrainSettings, device: torch.device, number: torch.dtype
) -> Tensor:
    """Leave the gradient of the mean loss of the whole batch in the parameters; return that loss.

    Raises `TooLittleMemory` where that takes more than there is.
    """
    try:
        return _summed(state, objective, batch, targets, settings, device, number)
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
    parts = min(settings.accumulate, rows(batch))
    smaller = f"set train.accumulate={2 * parts}, which cuts it into smaller parts, or a smaller batch"
    how = smaller if parts < rows(batch) else "set a shorter objective.context, or a smaller model"
    raise TooLittleMemory(settings.batch, device, how)


def _summed(
    state: State, objective: Objective, batch: Batch, targets: int, settings: TrainSettings, device: torch.device, number: torch.dtype
) -> Tensor:
    """Leave the gradient of the mean loss of the whole batch in the parameters; return that loss."""
    state.optimizer.zero_grad()
    total = torch.zeros((), device=device)
    for part in cut(batch, min(settings.accumulate, rows(batch))):
        with torch.autocast(device.type, number, enabled=number != torch.float32):
            loss = objective.loss(state.model, move(part, device)) / targets
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    return total


def _average(state: State, settings: TrainSettings) -> None:
    """Let the step that `state` has just taken into its mean of the weights."""
    if state.mean is None:
        return
    if settings.tail:
        before = settings.steps - max(1, round(settings.tail * settings.steps))
        share = 1 / max(1, state.step + 1 - before)  # 1 before the tail begins: the mean is then the weights themselves
    else:
        # A short memory at first, or the average would remember the random start for 1 / (1 - decay) steps.
        share = 1 - min(settings.ema, (1 + state.step) / (10 + state.step))
    torch._foreach_lerp_(list(state.mean.values()), [p.detach() for p in state.model.parameters()], share)


@torch.no_grad()
def validate(
    state: State, objective: Objective, settings: TrainSettings, device: torch.device, size: int, batches: int
) -> dict[str, float]:
    """Means over the targets of the first `batches` batches, of `size` rows, of a held-out objective: `loss` in nats and what else the
    objective sums up. With the averaged weights if there are any.
    """
    number = devices.dtype(settings.precision, device)
    totals, targets = dict[str, float](), 0
    with averaged(state), uncompiled(state.model):
        state.model.eval()
        for step in range(batches):
            batch = objective.batch(step, size)
            targets += objective.targets(batch)
            with torch.autocast(device.type, number, enabled=number != torch.float32):
                for name, value in objective.sums(state.model, move(batch, device)).items():
                    totals[name] = totals.get(name, 0.0) + float(value)
    return {name: total / max(1, targets) for name, total in totals.items()}


@contextmanager
def averaged(state: State) -> Iterator[None]:
    """While the block runs, the model holds its averaged weights (if it has any)."""
    swap_average(state)
    try:
        yield
    finally:
        swap_average(state)


def swap_average(state: State) -> None:
    """Exchange the weights and their moving average."""
    if state.mean is not None:
        for name, p in state.model.named_parameters():
            p.data, state.mean[name] = state.mean[name], p.data


def compile_layers(model: nn.Module) -> None:
    """Let torch.compile make kernels for the model's repeated layers at their next call; those of the first serve all.

    In a process it makes eight of a function, for as many shapes, and none for the ninth: a process that trains many models lets go of the
    kernels of former ones in time. A run takes two calls, its trial and itself, which share theirs.

    Embedding and head stay outside: the compiled CPU kernel of an embedding's gradient adds in no fixed order, and training is repeatable.
    """
    if next(_COMPILED) % 4 == 0:
        torch.compiler.reset()
    for layer in _layers(model):
        layer.compile(dynamic=False)


_COMPILED = itertools.count()
"""Models that this process has compiled."""


def uncompile_layers(model: nn.Module) -> None:
    """Go back to plain calls."""
    for layer in _layers(model):
        layer._compiled_call_impl = None


@contextmanager
def uncompiled(model: nn.Module) -> Iterator[None]:
    """While the block runs, calls are plain: a few batches of another shape are not worth minutes of compiling."""
    kept = [(layer, layer._compiled_call_impl) for layer in _layers(model)]
    uncompile_layers(model)
    try:
        yield
    finally:
        for layer, call in kept:
            layer._compiled_call_impl = call


def _layers(model: nn.Module) -> list[nn.Module]:
    repeated = getattr(model, "repeated", None)
    return list(repeated()) if repeated is not None else []
