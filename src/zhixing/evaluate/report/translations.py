"""The report of an evaluation of a translator: `report.html`, drawn from its `report.json` and `examples.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from zhixing.evaluate.report.metrics import NAMES, figures, metrics_table, named
from zhixing.evaluate.report.page import both, numbers, page, piece, read, read_lines, section, table, wide
from zhixing.files import write_text

REPORT, EXAMPLES = "report.json", "examples.jsonl"
HEADLINE = ("bleu", "chrf", "meteor")
_SHOWN = 30


def write_translations_report(folder: Path, name: str) -> None:
    """Write `report.html` into the folder of an evaluation; `name`: of what it was evaluated on."""
    report = partial(read, folder, REPORT)
    body = [
        piece(lambda: _evaluated(report())),
        section("Scores", "得分", lambda: metrics_table(report()["metrics"])),
        section("By length of the source", "按原文长度", lambda: _by_length(report()["by_length"])),
        section("By domain", "按领域", lambda: _by_domain(report()["by_domain"])),
        section("The worst translations", "最差的译文", lambda: _worst(folder)),
    ]
    write_text(folder / "report.html", page(f"evaluation · {name}", both("A translator, evaluated", "翻译模型评测报告"), body))


def _evaluated(report: Mapping[str, Any]) -> str:
    said = numbers([*figures(report["metrics"], HEADLINE), (f"{report['texts']:,}", "sentence pairs", "句对")])
    if aside := report["set_aside"]:
        english = f"{aside:,} lines are no pair with two sides and are set aside."
        said += f'<p class="warning">{both(english, f"有 {aside:,} 行不是两边齐全的句对，已剔除。")}</p>'
    return said


def _by_length(found: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for entry in found for name in entry["scores"]))
    rows = []
    for entry in found:
        low, high = entry["characters"]
        size = both(f"{low} to {high}", f"{low} 至 {high}") if high is not None else both(f"from {low}", f"{low} 以上")
        rows.append([size, entry["texts"], *(entry["scores"].get(name) for name in names)])
    return table([("characters", "字符"), ("pairs", "句对"), *((_name(name, 0), _name(name, 1)) for name in names)], rows)


def _by_domain(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    rows = [
        [domain, named(name), score["value"], score["low"], score["high"]]
        for domain, scores in found.items()
        for name, score in scores.items()
        if name in HEADLINE
    ]
    return table([("domain", "领域"), ("metric", "指标"), ("value", "值"), ("low", "下限"), ("high", "上限")], rows)


def _worst(folder: Path) -> str:
    examples = list(read_lines(folder, EXAMPLES, _SHOWN))
    names = [name for name in ("chrf", "meteor", "bleu") if examples and name in examples[0]["scores"]][:1]  # by which they are sorted
    several = len({row["file"] for row in examples}) > 1
    rows = [
        [
            f"{Path(row['file']).name}:{row['line']}" if several else row["line"],
            *(row["scores"][name] for name in names),
            *(wide(row[side] or "–") for side in ("source", "translation", "reference")),
        ]
        for row in examples
    ]
    head = [("line", "行"), *((_name(name, 0), _name(name, 1)) for name in names)]
    return table([*head, ("source", "原文"), ("translation", "译文"), ("reference", "参考译文")], rows)


def _name(metric: str, language: int) -> str:
    return NAMES.get(metric, (escape(metric), escape(metric)))[language]
