"""The report of an evaluation of a language model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from zhixing.errors import InputError
from zhixing.evaluate.report import plots
from zhixing.evaluate.report.metrics import NAMES, metrics_table
from zhixing.evaluate.report.page import Absent, both, figure, numbers, page, read, read_lines, section, table, wide
from zhixing.files import human_bytes, write_text

OVER_DOCUMENTS = both(
    "Low and high bound the 95 % interval, by resampling documents (bootstrap). Fewer bits are better.",
    "上下限为对文档重抽样（自助法）得到的 95% 区间。比特数越小越好。",
)
_SHOWN = 5  # of the best and worst predicted documents
_SOURCES = 30


def write_evaluation_report(folder: Path, name: str) -> None:
    """Write `report.html` beside the `report.json` and `examples.jsonl` of the evaluation named `name`."""
    body = [
        section("Scores", "得分", lambda: _scores(read(folder, "report.json"))),
        *([] if _of_hidden(folder) else _by_text(folder)),
    ]
    write_text(folder / "report.html", page(f"evaluation · {name}", both("How well a model predicts a text", "模型对文本的预测能力"), body))


def _of_hidden(folder: Path) -> bool:
    try:
        return any("hidden" in example for example in read_lines(folder, "examples.jsonl")[:1])
    except (Absent, InputError):
        return False  # the sections say so


def _by_text(folder: Path) -> list[str]:
    return [
        section("By source", "按来源", lambda: _sources(read_lines(folder, "examples.jsonl"))),
        section("By document", "按文档", lambda: _documents(read_lines(folder, "examples.jsonl"))),
    ]


def _scores(report: dict[str, Any]) -> str:
    said = both(f"Model <code>{escape(report['model'])}</code>", f"模型 <code>{escape(report['model'])}</code>")
    size = [
        (f"{report['documents']:,}", "documents", "文档"),
        (human_bytes(report["bytes"]), "of text", "文本"),
        (f"{report['tokens']:,}", "tokens predicted", "预测的词元"),
    ]
    unknown = int(report.get("unknown_tokens", 0))
    warning = both(
        f"{unknown:,} tokens are unknown to the tokenizer: what they stand for is lost, and all figures are too good.",
        f"分词器不认识其中 {unknown:,} 个词元：其内容已丢失，各项指标都偏乐观。",
    )
    return (
        f"<p>{said}</p>{numbers(size)}"
        + (f'<p class="warning">{warning}</p>' if unknown else "")
        + metrics_table(report["metrics"], OVER_DOCUMENTS)
    )


def _bits(example: Mapping[str, Any]) -> float:
    return float(example["nats"] / math.log(2) / example["bytes"])


def _sources(examples: list[dict[str, Any]]) -> str:
    sums: dict[str, list[float]] = {}
    for e in examples:
        total = sums.setdefault(str(e["source"]), [0, 0, 0, 0])
        for i, value in enumerate((1, e["nats"], e["bytes"], e["characters"])):
            total[i] += value
    if len(sums) < 2:
        return ""
    rows = [
        [name, int(number), nats / math.log(2) / size, nats / math.log(2) / characters]
        for name, (number, nats, size, characters) in sorted(sums.items(), key=lambda item: -item[1][2])[:_SOURCES]
    ]
    return table([("source", "来源"), ("documents", "文档"), NAMES["bits_per_byte"], NAMES["bits_per_character"]], rows)


def _documents(examples: list[dict[str, Any]]) -> str:
    if not examples:
        return ""
    ordered = sorted(examples, key=_bits)
    values = [_bits(e) for e in ordered]
    points = plots.thin(range(len(values)))
    drawn = plots.lines([("", [i + 1 for i in points], [values[i] for i in points])]) if len(values) > 1 else ""
    curve = figure(
        drawn, "Bits per byte of each document, from the best to the worst predicted.", "各文档的每字节比特数，从预测最好到最差。"
    )
    head = [NAMES["bits_per_byte"], ("source", "来源"), ("text", "文本")]
    if len(ordered) <= 2 * _SHOWN:
        return curve + table(head, map(_row, ordered))
    best, worst = table(head, map(_row, ordered[:_SHOWN])), table(head, map(_row, ordered[: -_SHOWN - 1 : -1]))
    return (
        f"{curve}<p class=soft>{both('Best predicted', '预测最好')}</p>{best}<p class=soft>{both('Worst predicted', '预测最差')}</p>{worst}"
    )


def _row(example: Mapping[str, Any]) -> list[Any]:
    return [_bits(example), "/".join(Path(str(example["source"])).parts[-2:]), wide(str(example["text"])[:100])]
