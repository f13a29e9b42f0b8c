"""Plots as small inline SVG: thin lines, direct labels, the browser's own fonts and the page's own colours, light or dark."""

from __future__ import annotations

import io
import math
import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from zhixing.console import count

ACCENT, INK, SOFT, BAR = "#a8321e", "#1c1c1a", "#8b8a84", "#c9c6bb"
_VARIABLES = {ACCENT: "var(--accent)", INK: "var(--ink)", SOFT: "var(--soft)", BAR: "var(--bar)"}
_STYLE = {"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "zhixing", "text.parse_math": False}
_LABEL = 24  # characters of a name that fit beside a bar
Series = tuple[str, Sequence[float], Sequence[float]]


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # only measured with this font; the browser draws the text
        yield


def _new(height: float = 2.1, width: float = 5.0) -> tuple[Any, Any]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(SOFT)
    axes.tick_params(colors=SOFT, labelsize=8.5)
    return figure, axes


def _svg(figure: Any) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d+\.\d{2})\d+", r"\1", tag[0]), text)  # coordinates, not labels
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return re.sub(r"font: ([\d.]+px) [^;\"]+", r"font: \1 system-ui, sans-serif", text)


def lines(series: Sequence[Series], levels: Sequence[tuple[str, float]] = (), *, half: bool = False) -> str:
    """Curves; the last one is the accented one. `levels` are labelled horizontal lines to compare with; `half`: for two side by side."""
    with _style():
        figure, axes = _new(2.0, 3.6) if half else _new()
        for number, (label, x, y) in enumerate(series, start=1):
            last = number == len(series)
            colour = ACCENT if last else SOFT
            axes.plot(x, y, color=colour, linewidth=1.6 if last else 0.7, alpha=1 if last else 0.6)
            if label and len(x):
                axes.annotate(label, (x[-1], y[-1]), xytext=(4, 0), textcoords="offset points", fontsize=8.5, color=colour)
        for label, value in levels:
            axes.axhline(value, color=SOFT, linewidth=0.8, linestyle=(0, (4, 4)))
            where = {"xytext": (-3, 3), "textcoords": "offset points", "ha": "right"}
            axes.annotate(label, (1, value), xycoords=("axes fraction", "data"), fontsize=8.5, color=SOFT, **where)
        axes.xaxis.get_major_locator().set_params(integer=True)
        return _svg(figure)


def bars(entries: Sequence[tuple[str, float]], *, accented: str = "") -> str:
    """Horizontal bars with their values; nothing if no value can be drawn."""
    shown = [(name, value) for name, value in entries if math.isfinite(value)][::-1]
    if not shown:
        return ""
    with _style():
        figure, axes = _new(0.35 + 0.28 * len(shown))
        colours = [ACCENT if name == accented else BAR for name, _ in shown]
        drawn = axes.barh(range(len(shown)), [value for _, value in shown], color=colours, height=0.62)
        axes.set_yticks(range(len(shown)), [name if len(name) <= _LABEL else name[: _LABEL - 1] + "…" for name, _ in shown])
        axes.bar_label(
            drawn, [f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" for _, value in shown], padding=4, fontsize=8.5, color=INK
        )
        axes.margins(x=0.12)
        axes.tick_params(length=0, labelcolor=INK)
        axes.xaxis.set_visible(False)
        axes.spines[["left", "bottom"]].set_visible(False)
        return _svg(figure)


def law(found: Mapping[str, Any], sign: int) -> str:
    """Points of (x, y) on logarithmic axes, and y = factor * x^(sign * exponent) through those that it was fitted to; of half width."""
    with _style():
        figure, axes = _new(2.2, 3.6)
        x, y = zip(*found["points"], strict=True)
        fitted = [found["from"], found["to"]]
        values = [found["factor"] * n ** (sign * found["exponent"]) for n in fitted]
        axes.plot(x, y, color=SOFT, linewidth=0, marker=".", markersize=4)
        axes.plot(fitted, values, color=ACCENT, linewidth=1.2)
        for scale, axis in ((axes.set_xscale, axes.xaxis), (axes.set_yscale, axes.yaxis)):
            scale("log")
            axis.set_major_formatter(lambda value, place: count(value))
            axis.minorticks_off()
        return _svg(figure)


def histogram(entries: Sequence[tuple[float, float]], width: float) -> str:
    """Upright bars over intervals that begin at the given values; nothing without any. The last interval is open."""
    if not entries:
        return ""
    with _style():
        figure, axes = _new(1.7)
        axes.bar([lower for lower, _ in entries], [number for _, number in entries], width * 0.86, color=BAR, align="edge")
        axes.yaxis.set_major_formatter(lambda value, place: count(value))
        return _svg(figure)


def words(points: Sequence[tuple[str, float, float]]) -> str:
    """Words at their places in the plane, the first ones first: what would lie over an earlier one is a dot; nothing without any."""
    if not points:
        return ""
    with _style():
        figure, axes = _new(4.4)
        axes.axis("off")
        axes.plot([x for _, x, _ in points], [y for _, _, y in points], linewidth=0)
        figure.draw_without_rendering()  # places the axes
        taken: list[tuple[float, float, float, float]] = []
        for word, x, y in points:
            across, up = axes.transData.transform((x, y))
            width = sum(9 if unicodedata.east_asian_width(c) in "WF" else 5.2 for c in word)
            box = (across - width / 2, up - 6, across + width / 2, up + 6)
            if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
                axes.plot([x], [y], color=BAR, marker=".", markersize=3)
                continue
            taken.append(box)
            axes.annotate(word, (x, y), fontsize=8.5, color=INK, ha="center", va="center", annotation_clip=False)
        return _svg(figure)


def intervals(entries: Sequence[tuple[str, float, float, float]], *, accented: str = "") -> str:
    """Values with their intervals (name, value, low, high), one below the other; nothing without entries."""
    if not entries:
        return ""
    with _style():
        figure, axes = _new(0.5 + 0.3 * len(entries))
        for place, (name, value, low, high) in enumerate(reversed(entries)):
            colour = ACCENT if name == accented else SOFT
            axes.plot([low, high], [place, place], color=colour, linewidth=1.6)
            axes.plot([value], [place], "o", color=colour, markersize=4)
            axes.annotate(f"{value:.3f}", (high, place), xytext=(5, 0), textcoords="offset points", fontsize=8.5, color=INK, va="center")
        axes.set_yticks(range(len(entries)), [name for name, *_ in reversed(entries)])
        axes.margins(x=0.15, y=0.1)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.spines[["left"]].set_visible(False)
        return _svg(figure)


def smooth(values: Sequence[float], weight: float = 0.95) -> list[float]:
    """Exponential moving average, corrected for its start."""
    found, mean, norm = [], 0.0, 0.0
    for value in values:
        mean, norm = weight * mean + (1 - weight) * value, weight * norm + 1 - weight
        found.append(mean / norm)
    return found


def thin(values: Sequence[Any], most: int = 500) -> list[Any]:
    """At most so many of the values, evenly spaced, and the last one."""
    if len(values) <= most:
        return list(values)
    step = len(values) / most
    return [values[int(i * step)] for i in range(most)] + [values[-1]]
