"""What people see while they wait. All of it goes to stderr; stdout belongs to results.

On a terminal: a rich progress bar with rate and time left. Elsewhere (a log file, CI): a plain line now and then.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO, TypeVar

T = TypeVar("T")

PLAIN_INTERVAL = 10.0
"""Seconds between plain progress lines where stderr is no terminal."""


class Progress(Protocol):
    """A running display: `advance` counts work done, `note` shows a short text beside the bar."""

    def advance(self, amount: float = 1) -> None:
        """Count work done."""
        ...

    def note(self, text: str) -> None:
        """Show a short text beside the bar."""
        ...


def say(text: str) -> None:
    """One line for people; where nobody reads it any more, the work goes on without."""
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        mute(sys.stderr)


def mute(stream: TextIO) -> None:
    """Let what is still to be written to a stream go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def warn(text: str) -> None:
    """One line about something that the user should know but that does not stop the work."""
    say(f"warning: {text}")


@contextmanager
def progress(description: str, total: float | None = None, unit: str = "") -> Iterator[Progress]:
    """Show the progress of work of `total` units (None: unknown) for as long as the block runs."""
    if not sys.stderr.isatty():
        yield _Plain(description, total, unit)
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[rate]}")]
    columns += [TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}", markup=False)]
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Rich(bars, description, total, unit)


class _Rich:
    def __init__(self, bars: object, description: str, total: float | None, unit: str) -> None:
        from rich.progress import Progress as Bars

        assert isinstance(bars, Bars)
        self.bars, self.unit = bars, unit
        self.task = bars.add_task(description, total=total, rate="", note="")
        self.began, self.done = time.monotonic(), 0.0

    def advance(self, amount: float = 1) -> None:
        self.done += amount
        rate = self.done / max(time.monotonic() - self.began, 1e-9)
        self.bars.update(self.task, advance=amount, rate=f"{count(rate)} {self.unit}/s")

    def note(self, text: str) -> None:
        self.bars.update(self.task, note=text)


class _Plain:
    def __init__(self, description: str, total: float | None, unit: str) -> None:
        self.description, self.total, self.unit, self.text = description, total, unit, ""
        self.began = self.shown = time.monotonic()
        self.done = 0.0

    def advance(self, amount: float = 1) -> None:
        self.done += amount
        now = time.monotonic()
        if now - self.shown >= PLAIN_INTERVAL:
            self.shown = now
            rate = self.done / (now - self.began)
            part = f"{count(self.done)} of {count(self.total)}" if self.total else count(self.done)
            left = f", {duration((self.total - self.done) / rate)} left" if self.total and rate > 0 else ""
            say(f"{self.description}: {part} {self.unit}, {count(rate)} {self.unit}/s{left} {self.text}".rstrip())

    def note(self, text: str) -> None:
        self.text = text


def track(items: Iterable[T], description: str, total: float | None = None, unit: str = "") -> Iterator[T]:
    """Yield the items while showing how many have gone by."""
    with progress(description, total, unit) as bar:
        for item in items:
            yield item
            bar.advance()


def count(number: float) -> str:
    """A number for people: `950`, `12.3 k`, `4.56 M`."""
    for limit, divisor, suffix in ((1e3, 1, ""), (1e6, 1e3, " k"), (1e9, 1e6, " M"), (1e12, 1e9, " G"), (float("inf"), 1e12, " T")):
        if abs(number) < 0.9995 * limit:  # three digits, rounded, still fit
            return f"{number / divisor:.3g}{suffix}"
    raise AssertionError("unreachable")


def duration(seconds: float) -> str:
    """A time span for people: `42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
