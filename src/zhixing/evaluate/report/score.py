"""The report of outputs that were scored: figures, and what a person wants to look at: the worst sentences side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from zhixing.evaluate.report import plots
from zhixing.evaluate.report.metrics import metrics_table, named, signature
from zhixing.evaluate.report.page import Html, both, figure, numbers, page, read, read_lines, section, show, table, wide
from zhixing.files import write_text

_SHOWN = 30
_CLASSES = 30
_TASKS = {
    "translate": ("Translations", "译文评分"),
    "classify": ("Labels", "分类评分"),
    "multilabel": ("Sets of labels", "多标签分类评分"),
    "regress": ("Numbers", "数值预测评分"),
    "answer": ("Answers to questions", "问答评分"),
}


def write_score_report(folder: Path, name: str) -> None:
    """Write `report.html` beside the `report.json` and `examples.jsonl` of outputs that were scored."""
    report = read(folder, "report.json")
    compared = "verdict" in report
    body = [
        section("Scores", "得分", lambda: _headline(report), lambda: _compared(report) if compared else _scored(report)),
        section("Confusion", "混淆矩阵", lambda: _confusion(report)),
        section("Calibration", "校准", lambda: _reliability(report)),
        section("Worst first", "最差的例子", lambda: _examples(report, read_lines(folder, "examples.jsonl"))),
    ]
    write_text(folder / "report.html", page(f"score · {name}", both(*_TASKS[report["task"]]), body))


def _systems(report: Mapping[str, Any]) -> list[str]:
    return [report["a"], report["b"]] if "verdict" in report else [report["hyp"]]


def _headline(report: Mapping[str, Any]) -> str:
    systems = ", ".join(f"<code>{escape(s)}</code>" for s in _systems(report))
    references = ", ".join(f"<code>{escape(r)}</code>" for r in report["ref"])
    counted = [(f"{report['examples']:,}", "examples", "例")]
    blank = report["blank_hypotheses"]
    for count in blank if isinstance(blank, list) else [blank]:
        if count:
            counted.append((f"{count:,}", "blank outputs", "空白输出"))
    return f"<p>{both(f'{systems} against {references}', f'{systems}，参照 {references}')}</p>{numbers(counted)}"


def _scored(report: Mapping[str, Any]) -> str:
    note = both(
        "Low and high bound the 95 % interval: by resampling examples (bootstrap), for rates by Wilson's formula.",
        "上下限为 95% 区间：对例子重抽样（自助法）得到，比率用 Wilson 公式。",
    )
    return metrics_table(report["metrics"], note)


def _compared(report: Mapping[str, Any]) -> str:
    head = [("metric", "指标"), ("A", "A"), ("B", "B"), ("B − A", "B − A"), ("low", "下限"), ("high", "上限"), ("p", "p")]
    rows = [[named(name), m["a"], m["b"], m["difference"], m["low"], m["high"], m["p"]] for name, m in report["metrics"].items()]
    said = both(
        f"A is <code>{escape(report['a'])}</code>, B is <code>{escape(report['b'])}</code>. {escape(report['verdict'])}.",
        f"A 为 <code>{escape(report['a'])}</code>，B 为 <code>{escape(report['b'])}</code>。{_verdict_zh(report['verdict'])}。",
    )
    signatures = [[named(name), signature(m["signature"])] for name, m in report["metrics"].items()]
    return f"<p>{said}</p>{table(head, rows)}{table([('metric', '指标'), ('signature', '签名')], signatures)}"


def _verdict_zh(verdict: str) -> str:
    for english, chinese in (
        ("no significant difference: take the cheaper one", "差异不显著：选成本更低的"),
        (" is better by ", " 更好，依据："),
        ("; ", "；"),
        (", ", "、"),
    ):
        verdict = verdict.replace(english, chinese)
    return escape(re.sub(r" \(only (\d+) examples: take it with caution\)", r"（仅 \1 例，结论须谨慎看待）", verdict))


def _confusion(report: Mapping[str, Any]) -> str:
    labels = report.get("labels", [])
    matrices = report.get("confusion", [])
    if not matrices or len(labels) > _CLASSES:
        return ""
    said = both("Rows: gold labels. Columns: predicted labels.", "行为标准标签，列为预测标签。")
    drawn = "".join(
        f"<p class=soft><code>{escape(system)}</code></p>"
        + table(
            [("", ""), *((escape(one), escape(one)) for one in labels)], [[label, *row] for label, row in zip(labels, matrix, strict=True)]
        )
        for system, matrix in zip(_systems(report), matrices, strict=True)
    )
    return f"<p class=soft>{said}</p>{drawn}"


def _reliability(report: Mapping[str, Any]) -> str:
    curves = report.get("reliability", [])
    if not curves:
        return ""
    series = [("", [0.0, 1.0], [0.0, 1.0])]
    for system, bins in zip("AB" if len(curves) > 1 else [""], curves, strict=True):
        series.append((system, [b["confidence"] for b in bins], [b["accuracy"] for b in bins]))
    return figure(
        plots.lines(series),
        "Share of right labels over the mean probability of the label, bin by bin; the straight line is perfect calibration.",
        "各区间内标签正确的比例与其平均概率；直线为完全校准。",
    )


def _examples(report: Mapping[str, Any], examples: Sequence[Mapping[str, Any]]) -> str:
    worst = [examples[i] for i in report["worst"][:_SHOWN] if i < len(examples)]
    if not worst:
        return ""
    sourced = any("source" in e for e in worst)
    systems = ["A", "B"] if "verdict" in report else [""]
    head = [("line", "行"), *([("source", "原文")] if sourced else []), ("should be", "参考")]
    head += [(f"output {s}".strip(), f"输出 {s}".strip()) for s in systems] + [("scores", "得分")]
    rows = []
    for e in worst:
        shown = [e.get("line", e.get("id")), *([wide(str(e.get("source", "")))] if sourced else [])]
        shown.append(wide(" / ".join(map(str, e["references"])) or "–"))
        shown += [wide("–" if h is None else str(h)) for h in e["hypotheses"]]
        shown.append(_scores(e["scores"]))
        rows.append(shown)
    return table(head, rows)


def _scores(scores: Sequence[Mapping[str, float | None]]) -> Html:
    """A metric a line, with its value for each system."""
    names = [name for name in dict.fromkeys(name for one in scores for name in one) if any(one.get(name) is not None for one in scores)]
    return Html(
        "<br>".join(f'<span class="whole">{escape(name)} {" / ".join(show(one.get(name)) for one in scores)}</span>' for name in names)
    )
