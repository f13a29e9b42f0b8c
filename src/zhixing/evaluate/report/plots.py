"""Plots as small inline SVG: thin lines, direct labels, the browser's own fonts."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

ACCENT, INK, SOFT = "#a8321e", "#1c1c1a", "#8b8a84"
Series = tuple[str, Sequence[float], Sequence[float]]


def _new(height: float = 2.6) -> tuple[Any, Any]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(SOFT)
    axes.tick_params(colors=SOFT, labelsize=8)
    return figure, axes


def _svg(figure: Any) -> str:
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "zhixing"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return re.sub(r"(\d+\.\d{2})\d+", r"\1", text)


def lines(series: Sequence[Series], levels: Sequence[tuple[str, float]] = (), *, log: bool = False) -> str:
    """Curves; the last one is the accented one. `levels` are labelled horizontal lines to compare with."""
    figure, axes = _new()
    for number, (label, x, y) in enumerate(series, start=1):
        last = number == len(series)
        axes.plot(x, y, color=ACCENT if last else SOFT, linewidth=1.6 if last else 0.8, alpha=1 if last else 0.7)
        if label and len(x):
            axes.annotate(label, (x[-1], y[-1]), xytext=(4, 0), textcoords="offset points", fontsize=8, color=ACCENT if last else SOFT)
    for label, value in levels:
        axes.axhline(value, color=SOFT, linewidth=0.8, linestyle=(0, (4, 4)))
        axes.annotate(
            label, (0, value), xycoords=("axes fraction", "data"), xytext=(3, 2), textcoords="offset points", fontsize=8, color=SOFT
        )
    if log:
        axes.set_yscale("log")
    return _svg(figure)


def bars(entries: Sequence[tuple[str, float]], *, accented: str = "") -> str:
    """Horizontal bars with their values."""
    figure, axes = _new(0.5 + 0.32 * len(entries))
    names, values = [n for n, _ in entries][::-1], [v for _, v in entries][::-1]
    drawn = axes.barh(names, values, color=[ACCENT if n == accented else SOFT for n in names], height=0.62)
    axes.bar_label(drawn, [f"{v:.3g}" for v in values], padding=3, fontsize=8, color=INK)
    axes.tick_params(length=0)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    return _svg(figure)


def smooth(values: Sequence[float], weight: float = 0.95) -> list[float]:
    """Exponential moving average, corrected for its start."""
    found, mean, norm = [], 0.0, 0.0
    for value in values:
        mean, norm = weight * mean + (1 - weight) * value, weight * norm + 1 - weight
        found.append(mean / norm)
    return found


def thin(values: Sequence[Any], most: int = 600) -> list[Any]:
    """At most so many of the values, evenly spaced, the last among them."""
    if len(values) <= most:
        return list(values)
    step = len(values) / most
    return [values[int(i * step)] for i in range(most)] + [values[-1]]
