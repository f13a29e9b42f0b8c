"""The report of a ladder: what kinds of model have learnt of the same text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zhixing.console import count, duration
from zhixing.evaluate.report import plots
from zhixing.evaluate.report.page import Html, both, duration_zh, figure, page, read, section, table
from zhixing.files import human_bytes, write_text

NAMES = {
    "ngram": ("5-gram, Kneser-Ney", "五元模型（Kneser-Ney 平滑）"),
    "rnn": ("simple RNN", "简单循环网络"),
    "lstm": ("LSTM", "长短期记忆网络（LSTM）"),
    "gru": ("GRU", "门控循环单元（GRU）"),
    "cnn": ("gated convolutions", "门控卷积网络"),
    "gpt2": ("GPT-2", "GPT-2"),
    "llama": ("Llama", "Llama"),
    "bert": ("BERT", "BERT"),
    "modernbert": ("ModernBERT", "ModernBERT"),
}
_METRICS = {
    "bits_per_byte": ("bits per byte", "每字节比特数", "fewer are better", "越小越好", min),
    "masked_accuracy": ("share of hidden tokens that are found", "掩码词元的准确率", "more is better", "越大越好", max),
}
"""What is measured, in both languages; which is better, and how the best is found."""


def write_ladder_report(folder: Path) -> None:
    """Write `report.html` beside the `result.json` of a ladder."""
    body = [
        section("What each has learnt", "各自学到多少", lambda: _plot(read(folder, "result.json"))),
        section("The rungs", "各级模型", lambda: _table(read(folder, "result.json"))),
    ]
    write_text(
        folder / "report.html", page(f"ladder · {folder.name}", both("Kinds of model on the same text", "同一文本上的各类模型"), body)
    )


def _plot(result: dict[str, Any]) -> str:
    rungs = result["rungs"]
    name, name_zh, better, better_zh, best_of = _METRICS[result["metric"]]
    best = best_of(rungs, key=lambda rung: float(rung["value"]))["name"] if rungs else ""
    drawn = plots.intervals([(r["name"], r["value"], r["low"], r["high"]) for r in rungs], accented=best)
    minutes = result["minutes"]
    english = f"{name.capitalize()} of {result['documents']:,} validation documents, with 95 % intervals; {better}."
    chinese = f"{result['documents']:,} 篇验证文档的{name_zh}及 95% 置信区间；{better_zh}。"
    if minutes:
        english, chinese = f"{english} Every network had {minutes:g} minutes.", f"{chinese}每个网络训练 {minutes:g} 分钟。"
    return figure(drawn, english, chinese)


def _name(rung: str) -> Html:
    name = both(*NAMES[rung])
    return name if rung == "ngram" else Html(f'<a href="{rung}/report.html">{name}</a>')


def _table(result: dict[str, Any]) -> str:
    rows = [
        [
            _name(r["name"]),
            f"{r['value']:.4f}",
            f"{r['low']:.4f} – {r['high']:.4f}",
            count(r["parameters"]),
            count(r["tokens"]),
            count(r["tokens_per_second"]),
            human_bytes(r["memory_bytes"]),
            both(duration(r["seconds"]), duration_zh(r["seconds"])),
        ]
        for r in result["rungs"]
    ]
    head = [
        ("model", "模型"),
        _METRICS[result["metric"]][:2],
        ("95 % interval", "95% 区间"),
        ("parameters", "参数"),
        ("tokens read", "读过的词元"),
        ("tokens/s", "词元/秒"),
        ("memory", "内存"),
        ("time", "用时"),
    ]
    note = both(
        "Of the 5-gram model, the parameters are the n-grams it has counted, and the time is that of counting them.",
        "五元模型的“参数”为其统计到的 n 元组数目，用时为统计所需时间。",
    )
    counted = any(r["name"] == "ngram" for r in result["rungs"])
    return table(head, rows) + (f"<p class=soft>{note}</p>" if counted else "")
