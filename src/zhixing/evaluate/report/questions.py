"""The report of questions, before anything is trained on them: `data_report.html` of a run, drawn from its `data_report.json`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from zhixing.evaluate.report.page import (
    LANGUAGES,
    NONE,
    ORDINARY,
    PARTS,
    both,
    numbers,
    page,
    part_name,
    piece,
    read,
    section,
    table,
    warnings,
    wide,
)
from zhixing.evaluate.report.reasons import FAULTS
from zhixing.files import write_text

DATA = "data_report.json"
_COUNTS = {
    "questions": ("questions", "问题"),
    "texts": ("texts", "原文"),
    "articles": ("articles", "文章"),
    "unanswerable": ("questions without an answer", "无答案的问题"),
    "windows": ("windows", "窗口"),
    "windows_with_answer": ("windows that hold the answer", "含答案的窗口"),
    "several_windows": ("questions whose text takes several windows", "原文跨多个窗口的问题"),
    "cut_answers": ("answers that no window holds whole", "任何窗口都装不下的答案"),
    "inexact_answers": ("answers that the tokens cannot cut out exactly", "词元无法精确切出的答案"),
}
_LENGTHS = {
    "characters": ("text, characters", "原文（字符）"),
    "question_characters": ("question, characters", "问题（字符）"),
    "answer_characters": ("answer, characters", "答案（字符）"),
    "tokens": ("window, tokens", "窗口（词元）"),
}
_QUANTILES = {"least": "最小", "median": "中位数", "most": "最大"}
_SHOWN = 20


def write_questions_report(run: Path, shown_as: Path | None = None) -> None:
    """Write `data_report.html` into a run folder; `shown_as`: where the folder is going to lie."""
    report = partial(read, run, DATA)
    body = [
        piece(lambda: _sizes(report())),
        section("To look at first", "请先看", lambda: warnings(report()["warnings"]) or ORDINARY),
        section("Faults", "数据问题", lambda: _faults(report())),
        section("Questions and windows", "问题与窗口", lambda: _parts(report())),
        section("Lengths", "长度", lambda: _lengths(report())),
        section("Languages", "语言", lambda: _languages(report()["languages"])),
        section("Texts on both sides", "训练集与验证集共有的原文", lambda: _overlap(report()["overlap"])),
    ]
    write_text(run / "data_report.html", page(f"data · {(shown_as or run).name}", both("Questions on texts", "阅读理解问题"), body))


def _sizes(report: Mapping[str, Any]) -> str:
    entries = [(f"{part['questions']:,}", f"{PARTS[name][0]} questions", f"{PARTS[name][1]}问题") for name, part in report["parts"].items()]
    return numbers([*entries, (f"{report['set_aside']:,}", "questions set aside", "剔除的问题")])


def _faults(report: Mapping[str, Any]) -> str:
    if not report["faults"] and not report["too_long"]:
        return NONE
    rows = [
        [
            both(escape(fault["reason"]), FAULTS.get(kind, escape(fault["reason"]))),
            both("mended or passed over", "已修正或放过") if fault["mended"] else both("set aside", "剔除"),
            fault["questions"],
            wide(", ".join(fault["ids"][:8]) + (", ..." if fault["questions"] > 8 else "")),
        ]
        for kind, fault in report["faults"].items()
    ]
    said = table([("fault", "问题"), ("what became of it", "处理"), ("times", "次数"), ("questions", "问题编号")], rows)
    examples = [[row["id"], row["source"], wide(row["text"])] for row in report["fault_examples"][:_SHOWN]]
    long = [[row["id"], row["reason"], ""] for row in report["too_long"][:_SHOWN]]
    head = [("question", "问题编号"), ("where", "位置"), ("text", "文本")]
    note = both(
        'All are in <a href="faults.jsonl">faults.jsonl</a>.',
        '完整列表见 <a href="faults.jsonl">faults.jsonl</a>。',
    )
    return f"{said}<p>{note}</p>{table(head, [*examples, *long])}"


def _parts(report: Mapping[str, Any]) -> str:
    parts = report["parts"]
    rows = [[both(*name), *(part[key] for part in parts.values())] for key, name in _COUNTS.items()]
    return table([("", ""), *(PARTS[name] for name in parts)], rows)


def _lengths(report: Mapping[str, Any]) -> str:
    rows = []
    for key, name in _LENGTHS.items():
        rows += [[part_name(side), both(*name), *found[key].values()] for side, found in report["parts"].items() if found[key]]
    quantiles = list(report["parts"]["train"]["characters"])
    return table([("part", "部分"), ("length of", "长度"), *((q, _QUANTILES.get(q, q)) for q in quantiles)], rows)


def _languages(found: Mapping[str, Mapping[str, int]]) -> str:
    rows = [[part_name(side), both(*LANGUAGES[name]), number] for side, counts in found.items() for name, number in counts.items()]
    return table([("part", "部分"), ("language of texts", "原文语言"), ("questions", "问题")], rows)


def _overlap(found: Mapping[str, Any]) -> str:
    if not found["questions"]:
        return NONE
    shared = found["questions"]
    english = f"{shared:,} validation questions are on texts that are trained on, too."
    return f'<p class="warning">{both(english, f"有 {shared:,} 个验证问题的原文也在训练集中。")}</p>'
