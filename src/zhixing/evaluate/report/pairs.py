"""The report of sentence pairs, before anything is trained on them: `pair_report.html` of a run, drawn from its `pair_report.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from zhixing.evaluate.report import plots
from zhixing.evaluate.report.page import Html, both, figure, numbers, page, piece, read, section, table, told, wide
from zhixing.evaluate.report.reasons import KINDS
from zhixing.files import write_text

PAIRS = "pair_report.json"
_SIDES = {"source": ("source", "原文"), "target": ("target", "译文")}
_SCRIPTS = {"simplified": ("Simplified", "简体"), "traditional": ("Traditional", "繁体"), "mixed": ("both in one line", "同行混用")}
_LINES = 60


def write_pairs_report(run: Path, shown_as: Path | None = None) -> None:
    """Write `pair_report.html` into a run folder; `shown_as`: where the folder is going to lie."""
    report = partial(read, run, PAIRS)
    body = [
        piece(lambda: _headline(report())),
        section("What was found", "发现的问题", lambda: _findings(report())),
        section("Where, with examples", "位置与示例", lambda: _examples(report())),
        section("One source, several targets", "一句多译", lambda: _repeated(report()["many_targets"])),
        section("One target, several sources", "多句同译", lambda: _repeated(report()["many_sources"])),
        section("Chinese scripts", "简繁体", lambda: _chinese(report()["chinese"])),
        section("Domains and languages", "领域与语言", lambda: _tags(report())),
        section("Monolingual text", "单语文本", lambda: _monolingual(report().get("monolingual"))),
        section("Files", "文件", lambda: table([("file", "文件"), ("pairs kept", "保留的句对")], list(report()["files"].items()))),
    ]
    write_text(run / "pair_report.html", page(f"pairs · {(shown_as or run).name}", both("Sentence pairs", "平行句对"), body))


def _headline(report: Mapping[str, Any]) -> str:
    characters = report["characters"]
    return numbers(
        [
            (f"{report['read']:,}", "pairs read", "读入的句对"),
            (f"{report['kept']:,}", "pairs to train on", "用于训练的句对"),
            (f"{characters['source']:,}", "characters of sources", "原文字符"),
            (f"{characters['target']:,}", "characters of targets", "译文字符"),
            (f"{math.exp(report['usual_ratio']):.2f}", "usual length of a target, source = 1 (Chinese characters count three)",
             "译文与原文的通常长度比（每个汉字计三）"),
        ]
    )  # fmt: skip


def _name(kind: str) -> Html:
    return both(*KINDS.get(kind, (escape(kind), escape(kind))))


def _findings(report: Mapping[str, Any]) -> str:
    found = report["findings"]
    judged = "" if report["alignment_judged"] else both(
        "Too few pairs to tell which of them do not translate each other.", "句对太少，无法判断哪些并非互译。"
    )  # fmt: skip
    note = f"<p class=soft>{judged}</p>" if judged else ""
    if not found:
        return f"<p>{both('Nothing out of the ordinary was found.', '未发现异常。')}</p>{note}"
    counts = {kind: float(one["count"]) for kind, one in found.items()}
    drawn = both(plots.bars(list(counts.items())), plots.bars([(KINDS.get(kind, (kind, kind))[1], n) for kind, n in counts.items()]))
    rows = [[_name(kind), one["count"], f"{one['share']:.2%}"] for kind, one in found.items()]
    head = [("what", "问题"), ("pairs", "句对"), ("share", "占比")]
    left_out = both("All pairs that were left out stand, with their reasons, in dropped.jsonl.", "所有被剔除的句对及原因见 dropped.jsonl。")
    return figure(drawn, "Pairs of each kind.", "各类问题的句对数。") + table(head, rows) + f"<p class=soft>{left_out}</p>" + note


def _examples(report: Mapping[str, Any]) -> str:
    made = []
    for kind, one in report["findings"].items():
        rows = [[e["where"], told(e["reason"]), wide(e["source"]), wide(e["target"])] for e in one["examples"]]
        head = [("where", "位置"), ("reason", "原因"), ("source", "原文"), ("target", "译文")]
        lines, more = one["lines"][:_LINES], one["count"] - _LINES
        rest = f" {both(f'and {more:,} more', f'另有 {more:,} 处')}" if more > 0 else ""
        made.append(f"<p>{_name(kind)}</p>{table(head, rows)}<p class=example>{escape(', '.join(lines))}{rest}</p>")
    return "".join(made)


def _repeated(found: Mapping[str, Any]) -> str:
    if not found["count"]:
        return f"<p>{both('None.', '无。')}</p>"
    rows = [
        [wide(e["text"]), Html(f'<div class="wide">{"<br>".join(map(escape, e["partners"]))}</div>'), ", ".join(e["lines"])]
        for e in found["examples"]
    ]
    count = found["count"]
    said = both(f"{count:,} texts.", f"共 {count:,} 条。")
    return f"<p>{said}</p>" + table([("text", "文本"), ("its partners", "对应文本"), ("where", "位置")], rows)


def _chinese(found: Mapping[str, Mapping[str, int]]) -> str:
    rows = [[both(*_SIDES[side]), *(counts[name] for name in _SCRIPTS)] for side, counts in found.items() if any(counts.values())]
    return table([("side", "侧"), *_SCRIPTS.values()], rows)


def _tags(report: Mapping[str, Any]) -> str:
    return "".join(
        table([(name, chinese), ("pairs", "句对")], [[one, number] for one, number in report.get(f"{name}s", {}).items()])
        for name, chinese in (("domain", "领域"), ("language", "语言"))
    )


def _monolingual(found: Mapping[str, int] | None) -> str:
    if not found:
        return ""
    known = {"read": ("lines read", "读入的行"), "kept": ("to be translated back", "用于回译")}
    return table([("lines", "行"), ("number", "数目")], [[both(*known.get(k, KINDS.get(k, (k, k)))), n] for k, n in found.items()])
