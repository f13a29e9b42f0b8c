"""The report of labelled texts, before anything is trained on them: `data_report.html` of a run, drawn from its `data_report.json`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from zhixing.evaluate.report import plots
from zhixing.evaluate.report.page import (
    LANGUAGES,
    NONE,
    ORDINARY,
    PARTS,
    Html,
    both,
    figure,
    numbers,
    page,
    part_name,
    piece,
    read,
    section,
    table,
    told,
    warnings,
    wide,
)
from zhixing.files import write_text

DATA = "data_report.json"
_SHOWN = 40


def write_labelled_report(run: Path, shown_as: Path | None = None) -> None:
    """Write `data_report.html` into a run folder; `shown_as`: where the folder is going to lie."""
    report = partial(read, run, DATA)
    body = [
        piece(lambda: _headline(report())),
        section("To look at first", "请先看", lambda: warnings(report()["warnings"]) or ORDINARY),
        section("Classes", "类别", lambda: _classes(report())),
        section("Lengths", "长度", lambda: _lengths(report()), lambda: _truncated(report())),
        section("Different labels for the same text", "同一文本标签冲突", lambda: _copies(report()["conflicts"])),
        section("Copies", "重复", lambda: _copies(report()["duplicates"])),
        section("In the training data too", "与训练集重叠", lambda: _overlap(report()["overlap"])),
        section("Labels that look alike", "相近的标签名", lambda: _look_alikes(report()["look_alikes"])),
        section("Without letters", "无文字的文本", lambda: _where(report()["without_letters"])),
        section("Languages", "语言", lambda: _languages(report()["languages"])),
        section("Set aside", "剔除", lambda: _set_aside(report()["set_aside"])),
        section("Found out", "自动判定", lambda: _found_out(report()["found_out"])),
    ]
    write_text(run / "data_report.html", page(f"data · {(shown_as or run).name}", both("Labelled texts", "标注文本"), body))


def _headline(report: Mapping[str, Any]) -> str:
    entries = [(f"{part['texts']:,}", f"{PARTS[name][0]} texts", f"{PARTS[name][1]}文本") for name, part in report["parts"].items()]
    if report["classes"]:
        entries.append((f"{len(report['classes']):,}", "classes", "类别"))
    entries.append((f"{report['set_aside']['rows']:,}", "rows set aside", "剔除的行"))
    return numbers(entries)


def _classes(report: Mapping[str, Any]) -> str:
    parts = list(report["parts"])
    if report["numbers"]:
        quantiles = list(next(iter(report["numbers"].values())))
        rows = [[part_name(name), *values.values()] for name, values in report["numbers"].items()]
        return table([("part", "部分"), *((q, q) for q in quantiles)], rows)
    classes: dict[str, dict[str, int]] = report["classes"]
    total = max(1, report["parts"]["train"]["texts"])
    rows = [
        [name, *(counts.get(part, 0) for part in parts), f"{counts.get('train', 0) / total:.1%}"]
        for name, counts in list(classes.items())[:_SHOWN]
    ]
    drawn = plots.bars([(name, float(counts.get("train", 0))) for name, counts in list(classes.items())[:_SHOWN]])
    more = len(classes) - _SHOWN
    note = f"<p class=soft>{both(f'and {more:,} more', f'另有 {more:,} 个')}</p>" if more > 0 else ""
    head = [("class", "类别"), *(PARTS[part] for part in parts), ("share", "占比")]
    return figure(drawn, "Training texts of each class.", "各类别的训练文本数。") + table(head, rows) + note


def _lengths(report: Mapping[str, Any]) -> str:
    rows: list[list[Any]] = []
    for unit, key in ((("characters", "字符"), "lengths"), (("tokens", "词元"), "tokens")):
        rows += [[part_name(name), both(*unit), *values.values()] for name, values in report[key].items()]
    quantiles = list(next(iter(report["lengths"].values())))
    return table([("part", "部分"), ("unit", "单位"), *((q, q) for q in quantiles)], rows)


def _truncated(report: Mapping[str, Any]) -> str:
    made = []
    for name, part in report["truncated"].items():
        english = (
            f"{part['texts']:,} {PARTS[name][0]} texts ({part['share']:.1%}) are longer than the {part['window']} tokens that are seen."
        )
        chinese = f"{PARTS[name][1]}集有 {part['texts']:,} 条文本（{part['share']:.1%}）超过 {part['window']} 个词元，超出部分不会被读到。"
        made.append(f"<p>{both(english, chinese)}</p>")
        made.append(table([("where", "位置"), ("tokens", "词元")], [[e["where"], e["tokens"]] for e in part["longest"]]))
    return "".join(made)


def _copies(found: Mapping[str, Any]) -> str:
    if not found["texts"]:
        return NONE
    rows = [
        [
            wide(group["text"]),
            Html("<br>".join(f"{escape(row['where'])}: {escape(row['label'])}" for row in group["rows"][:4])),
            group["count"],
        ]
        for group in found["examples"]
    ]
    said = both(
        f"{found['texts']:,} texts, {found['rows']:,} rows ({found['share']:.1%}).",
        f"{found['texts']:,} 条文本，{found['rows']:,} 行（{found['share']:.1%}）。",
    )
    return f"<p>{said}</p>" + table([("text", "文本"), ("where, with its label", "位置与标签"), ("rows", "行数")], rows)


def _overlap(found: Mapping[str, Any]) -> str:
    made = []
    for name, part in found.items():
        english = f"{part['texts']:,} of the {PARTS[name][0]} texts ({part['share']:.1%}) stand in the training data too."
        chinese = f"{PARTS[name][1]}集中有 {part['texts']:,} 条（{part['share']:.1%}）也出现在训练集中。"
        made.append(f"<p>{both(english, chinese)}</p>")
        rows = [[e["where"], e["in_training"], wide(e["text"])] for e in part["examples"]]
        made.append(table([("where", "位置"), ("in training", "训练集中"), ("text", "文本")], rows))
    return "".join(made)


def _look_alikes(found: list[dict[str, Any]]) -> str:
    rows = [[*pair["labels"], *pair["texts"]] for pair in found]
    head = [("label", "标签"), ("may be meant by", "可能误写为"), ("texts", "文本数"), ("texts", "文本数")]
    return table(head, rows) or NONE


def _where(found: Mapping[str, Any]) -> str:
    rows = [[e["where"], wide(e["text"])] for e in found["examples"]]
    return table([("where", "位置"), ("text", "文本")], rows)


def _languages(found: Mapping[str, Mapping[str, int]]) -> str:
    rows = [[part_name(side), both(*LANGUAGES[name]), count] for side, counts in found.items() for name, count in counts.items()]
    return table([("part", "部分"), ("language", "语言"), ("texts", "文本数")], rows)


def _set_aside(found: Mapping[str, Any]) -> str:
    if not found["rows"]:
        return f"<p>{both('Nothing was set aside.', '没有剔除任何行。')}</p>"
    rows = [[e["where"], told(e["reason"]), wide(e["text"])] for e in found["examples"]]
    counts = table([("reason", "原因"), ("rows", "行数")], [[told(why), rows] for why, rows in found["reasons"].items()])
    return counts + table([("where", "位置"), ("reason", "原因"), ("text", "文本")], rows)


def _found_out(said: list[str]) -> str:
    return "".join(f"<p>{told(text)}</p>" for text in said)
