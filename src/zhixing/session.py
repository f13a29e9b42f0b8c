"""The driver of a run, whatever is trained in it: iterates the training loop, and logs, validates, saves and stops. There is no other.

    session = Session(out, state, objective, settings, schedule, validation, device)
    session.go()

1. `out` is a run folder that a verb has made. What a killed process left half-written is removed, `state` is brought to the newest whole
   checkpoint, and the log is cut back to there: the same call begins a run and continues it.
2. Each step is a row of `metrics.jsonl`; so are the figures of each validation, every `validate_every` steps and after the last.
3. A checkpoint is written every `save_every` steps, at each new best validation, at the end, and when SIGINT or SIGTERM comes.
4. One of the figures says which validation is the best one, and whether it is time to stop early.

What is in the folder beside log and checkpoints, and what is done with the best weights afterwards, is the verb's affair.
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from zhixing.checkpoint import clear_partial, restore, save
from zhixing.console import count, progress, say, warn
from zhixing.errors import Interrupted
from zhixing.files import write_text
from zhixing.objectives import Objective
from zhixing.train.loop import State, Step, TooLittleMemory, TrainSettings, train
from zhixing.train.schedule import ScheduleSettings

LOG = "metrics.jsonl"
SPIKE = 1.0
"""Nats a target above the smoothed loss from which on a step's loss is a spike."""


@dataclass(frozen=True)
class Validation:
    """How a run is judged on its way."""

    measure: Callable[[State], Mapping[str, float]]
    """Figures of the model as it stands between two steps, by name; leaves the state as it found it (`train.loop.averaged` helps)."""
    metric: str = "valid_loss"
    """The figure that says which validation is the best, and when to stop early."""
    lower_is_better: bool = True

    def cost(self, figures: Mapping[str, float]) -> float:
        """The figure as a number of which less is better; infinite where it is no number, or does not exist."""
        value = figures.get(self.metric, math.nan) * (1 if self.lower_is_better else -1)
        return value if math.isfinite(value) else math.inf


class Session:
    """One stretch of a run in one process: from the step where it rests to the end, or to a signal."""

    def __init__(
        self,
        out: Path,
        state: State,
        objective: Objective,
        settings: TrainSettings,
        schedule: ScheduleSettings,
        validation: Validation,
        device: torch.device,
        *,
        spent: float = 0.0,
        peak_rate: float | None = None,
    ) -> None:
        """spent: seconds that the run has taken before its first step. peak_rate: tokens a second that would use all of the machine's
        measured peak, where that is known; the log then says which share of it is used.

        Raises `ArtifactError` when the run has checkpoints, but none that is whole.
        """
        self.out, self.state, self.objective, self.settings, self.schedule = out, state, objective, settings, schedule
        self.validation, self.device, self.peak_rate = validation, device, peak_rate
        clear_partial(out)
        begun: dict[str, Any] = {
            "seconds": spent,
            "tokens": 0,
            "best": {},
            "best_step": 0,
            "since_best": 0,
            "spikes": 0,
            "stopped_early": False,
        }
        self.history = begun | restore(out, state)
        write_text(out / LOG, "".join(json.dumps(row) + "\n" for row in read_log(out) if row["step"] <= state.step))
        self._began, self._before = time.perf_counter(), float(self.history["seconds"])
        self._usual: float | None = None  # smoothed loss, for telling spikes
        if state.step:
            say(f"continuing {out} from step {state.step} of {settings.steps}")

    @property
    def seconds(self) -> float:
        """Seconds that the run has taken, in this process and those before it."""
        return self._before + time.perf_counter() - self._began

    def summary(self) -> dict[str, Any]:
        """What every result says of the training: steps, which of them was the best, seconds, speed, whether it stopped early."""
        return {
            "steps": self.state.step,
            "best_step": self.history["best_step"],
            "seconds": self.seconds,
            "tokens_per_second": usual_rate(self.out),
            "stopped_early": bool(self.history["stopped_early"]),
        }

    @property
    def best(self) -> dict[str, float]:
        """The figures of the best validation so far; empty before the first."""
        return dict(self.history["best"])

    def go(self) -> None:
        """Train to the end. Raises `Interrupted` after SIGINT or SIGTERM, with a checkpoint saved."""
        settings, steps = self.settings, self.settings.steps
        if self.history["stopped_early"]:
            return
        with _signals() as stop, open(self.out / LOG, "a", encoding="utf-8", buffering=1) as log:
            with progress("training", total=steps, unit="steps") as bar:
                bar.advance(self.state.step)
                for step in self._steps():
                    log.write(json.dumps(self._row(step)) + "\n")
                    bar.note(f"loss {step.loss:.3f}  {self._best_so_far()}{count(step.tokens / step.seconds)} tok/s")
                    bar.advance()
                    last = step.step == steps
                    figures = None
                    if last or step.step % settings.validate_every == 0:
                        figures = self._validate()
                        log.write(json.dumps({"step": step.step, "seconds": round(self.seconds, 3), **_finite(figures)}) + "\n")
                    better = figures is not None and step.step == self.history["best_step"]
                    due = last or better or stop.is_set() or step.step % settings.save_every == 0
                    if due or self.history["stopped_early"]:
                        cost = None if figures is None else self.validation.cost(figures)
                        save(self.out, self.state, cost, settings.keep_last, {**self.history, "seconds": self.seconds})
                    if self.history["stopped_early"]:
                        say(f"stopped early at step {step.step}: no better validation in {settings.patience} validations")
                        return
                    if stop.is_set():
                        raise Interrupted(f"stopped at step {step.step} of {steps}; saved: the same command continues {self.out}")

    def _steps(self) -> Iterator[Step]:
        """Those of the training, from where it rests. Raises `TooLittleMemory` with what can be done, as the settings of a folder stay."""
        try:
            yield from train(self.state, self.objective, self.settings, self.schedule, self.device)
        except TooLittleMemory as error:
            how = f"free some, and the same command continues {self.out}; or, with another --out, {error.how}"
            raise TooLittleMemory(error.batch, error.device, how) from None

    def _row(self, step: Step) -> dict[str, Any]:
        """What the log says of a step; moves the counters."""
        if step.skipped:
            warn(f"step {step.step}: the loss or its gradient is not finite; the update is skipped")
        elif self._usual is not None and step.loss > self._usual + SPIKE:
            self.history["spikes"] += 1
        if not step.skipped:
            self._usual = step.loss if self._usual is None else 0.9 * self._usual + 0.1 * step.loss
        self.history["tokens"] += step.tokens
        rate = step.tokens / step.seconds
        row = {
            "step": step.step,
            "tokens": self.history["tokens"],
            "seconds": round(self.seconds, 3),
            "learning_rate": step.learning_rate,
            "tokens_per_second": round(rate, 1),
            "skipped": step.skipped,
            **_finite({"loss": step.loss, "gradient_norm": step.gradient_norm}),
        }
        return row if self.peak_rate is None else {**row, "mfu": round(rate / self.peak_rate, 4)}

    def _validate(self) -> dict[str, float]:
        """The figures of the model as it stands; moves the counters of best and patience."""
        figures, history = dict(self.validation.measure(self.state)), self.history
        best = self.validation.cost(self.best) if self.best else math.inf
        if self.validation.cost(figures) < best:
            history |= {"best": figures, "best_step": self.state.step, "since_best": 0}
        else:
            history["since_best"] += 1
        history["stopped_early"] = 0 < self.settings.patience <= history["since_best"]
        return figures

    def _best_so_far(self) -> str:
        name = self.validation.metric
        return f"{name.replace('_', ' ')} {self.best[name]:.3f}  " if self.best else ""


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    """Figures as JSON has them: null for what is no number."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def read_log(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's `metrics.jsonl`; a last line that a kill cut short is left out."""
    rows = []
    for line in (run / LOG).read_text(encoding="utf-8").splitlines() if (run / LOG).is_file() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def usual_rate(run: Path) -> float:
    """Median tokens a second of the steps of a run."""
    rates = sorted(row["tokens_per_second"] for row in read_log(run) if "tokens_per_second" in row)
    return float(rates[len(rates) // 2]) if rates else 0.0


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; a second one ends the process as usual."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def stop(number: int, frame: FrameType | None) -> None:
        event.set()
        say("stopping after this step; once more to stop at once")
        signal.signal(number, kept[number])

    kept: dict[int, Any] = {int(number): signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
