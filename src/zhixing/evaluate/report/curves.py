"""What the log of a run says over its steps, drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from zhixing.evaluate.report import plots
from zhixing.evaluate.report.page import figure

Rows = Sequence[Mapping[str, Any]]


def points(rows: Rows, key: str) -> tuple[list[float], list[float]]:
    """Steps and the values at them, those left out that are no numbers."""
    pairs = [(row["step"], row[key]) for row in rows if isinstance(row.get(key), int | float) and math.isfinite(row[key])]
    return [step for step, _ in pairs], [value for _, value in pairs]


def curve(rows: Rows, key: str, weight: float, english: str, chinese: str, *, raw: bool = False, half: bool = False) -> str:
    """A value over the steps, smoothed; with the values themselves behind it if `raw`, of half width if `half`."""
    x, y = points(rows, key)
    if len(x) < 2:
        return ""
    behind = [("", plots.thin(x), plots.thin(y))] if raw else []
    return figure(plots.lines([*behind, ("", plots.thin(x), plots.thin(plots.smooth(y, weight)))], half=half), english, chinese)
