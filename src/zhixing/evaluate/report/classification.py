"""The report of an evaluation of a classifier: `report.html`, drawn from its `report.json` and `examples.jsonl`."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from zhixing.evaluate.report import plots
from zhixing.evaluate.report.metrics import CLASSIFICATION, figures, interval, metrics_table, unseen
from zhixing.evaluate.report.page import LANGUAGES, Html, both, figure, numbers, page, piece, read, read_lines, section, table, wide
from zhixing.files import write_text

REPORT, EXAMPLES = "report.json", "examples.jsonl"
_SHOWN = 20

_UNSEEN = "Without the texts that stand in the training data:", "去除出现在训练集中的文本后："


def write_classification_report(folder: Path, name: str) -> None:
    """Write `report.html` into the folder of an evaluation; `name`: of what it was evaluated on."""
    report = partial(read, folder, REPORT)
    body = [
        piece(lambda: _headline(report())),
        section("Scores", "得分", lambda: metrics_table(report()["metrics"]), lambda: unseen(report()["unseen"], *_UNSEEN)),
        section("Classes", "各类别", lambda: _classes(report())),
        section("What was taken for what", "混淆矩阵", lambda: _confusion(report())),
        section("How far probabilities can be trusted", "概率校准", lambda: _calibration(report()["calibration"])),
        section("By length and language", "按长度与语言", lambda: _broken_down(report())),
        section("Surest errors", "最自信的错误", lambda: _errors(folder)),
        section("What moved a prediction", "预测依据", lambda: _explained(report()["explained"])),
    ]
    write_text(folder / "report.html", page(f"evaluation · {name}", both("A classifier, evaluated", "分类模型评测报告"), body))


def _headline(report: dict[str, Any]) -> str:
    entries = [*figures(report["metrics"], CLASSIFICATION), (f"{report['texts']:,}", "texts", "文本")]
    said = ""
    if seen := report["in_training"]:
        share = f"{seen / report['texts']:.1%}"
        english = f"{seen:,} of these texts ({share}) stand in the training data: scores on them say little."
        said = f'<p class="warning">{both(english, f"其中 {seen:,} 条（{share}）出现在训练集中，其得分意义不大。")}</p>'
    if cut := report["truncated"]:
        english = f"{cut:,} texts are longer than what the model sees; their ends were cut off."
        said += f'<p class="warning">{both(english, f"有 {cut:,} 条文本超过模型可见长度，尾部被截断。")}</p>'
    return numbers(entries) + said


def _classes(report: dict[str, Any]) -> str:
    rows = [
        [name, report["support"].get(name, 0), *(interval(found.get(q), 3) for q in ("precision", "recall", "f1"))]
        for name, found in report["classes"].items()
    ]
    head = [("class", "类别"), ("texts", "文本数"), ("precision", "精确率"), ("recall", "召回率"), ("F1", "F1")]
    return table(head, rows)


def _confusion(report: dict[str, Any]) -> str:
    """The matrix as a table, darker where more texts are; the largest confusions as a list where there are many classes."""
    matrix, names = report["confusion"], list(report["support"])
    if not matrix:
        return ""
    wrong = sorted(
        ((matrix[i][j], names[i], names[j]) for i in range(len(names)) for j in range(len(names)) if i != j and matrix[i][j]), reverse=True
    )
    head = [("texts", "文本数"), ("of class", "实为"), ("taken for", "判为")]
    listed = table(head, [list(entry) for entry in wrong[:_SHOWN]])
    if len(names) > _SHOWN:
        return listed
    cells = []
    for i, row in enumerate(matrix):
        inner = "".join(_cell(n, n / max(1, sum(row)), "bar" if i == j else "accent") for j, n in enumerate(row))
        cells.append(f"<tr><th>{escape(names[i])}</th>{inner}</tr>")
    top = "".join(f"<th class=n>{escape(name)}</th>" for name in names)
    note = both("Rows: what the texts are; columns: what they were taken for.", "行为真实类别，列为预测类别。")
    return f'<div class="scroll"><table><tr><th></th>{top}</tr>{"".join(cells)}</table></div><p class=soft>{note}</p>{listed}'


def _cell(texts: int, share: float, colour: str) -> str:
    return f'<td class=n style="background:color-mix(in srgb, var(--{colour}) {round(70 * share)}%, transparent)">{texts:,}</td>'


def _calibration(bins: list[dict[str, Any]]) -> str:
    filled = [b for b in bins if b["texts"]]
    if not filled:
        return ""
    x = [b["confidence"] for b in filled]
    drawn = plots.lines([("", [0.0, 1.0], [0.0, 1.0]), ("", x, [b["accuracy"] for b in filled])], half=True)
    rows = [[f"{b['low']:.2f} – {b['high']:.2f}", b["texts"], b["confidence"], b["accuracy"]] for b in filled]
    head = [("probability", "概率"), ("texts", "文本数"), ("mean probability", "平均概率"), ("share right", "正确率")]
    english = "Share of right predictions by their probability; on the thin line both are the same."
    return figure(drawn, english, "按概率统计的正确率；细线表示两者一致。") + table(head, rows)


def _broken_down(report: dict[str, Any]) -> str:
    key = "mae" if report["kind"] == "number" else "accuracy"
    head = [("", ""), ("texts", "文本数"), ("mean absolute error", "平均绝对误差") if key == "mae" else ("accuracy", "准确率")]
    lengths = [[_length(name), entry["texts"], entry[key]] for name, entry in report["by_length"].items()]
    languages = [[both(*LANGUAGES.get(name, (name, name))), entry["texts"], entry[key]] for name, entry in report["by_language"].items()]
    return table(head, lengths) + table(head, languages)


def _length(name: str) -> Html:
    number = name.split()[-2]
    return both(name, f"至多 {number} 个词元" if name.startswith("up") else f"超过 {number} 个词元")


def _errors(folder: Path) -> str:
    rows = [row for row in read_lines(folder, EXAMPLES) if row.get("right") is False]
    if not rows:
        return ""
    rows.sort(key=lambda row: -row.get("probability", 0))
    listed = [
        [row["where"], _name(row["label"]), _name(row["predicted"]), row.get("probability"), wide(row["text"][:200])]
        for row in rows[:_SHOWN]
    ]
    head = [("where", "位置"), ("is", "实为"), ("taken for", "判为"), ("probability", "概率"), ("text", "文本")]
    return table(head, listed)


def _name(label: Any) -> str:
    return ", ".join(map(str, label)) if isinstance(label, list) else str(label)


def _explained(explained: list[dict[str, Any]]) -> str:
    made = []
    for one in explained:
        most = max((abs(weight) for _, weight in one["parts"]), default=0) or 1
        spans = []
        for text, weight in one["parts"]:
            colour, share = ("accent", weight / most) if weight > 0 else ("bar", -weight / most)
            style = f"background:color-mix(in srgb, var(--{colour}) {round(60 * share)}%, transparent)"
            spans.append(f'<span style="{style}" title="{weight:+.3f}">{escape(text)}</span>' if weight else escape(text))
        said = both(f"is {escape(_name(one['label']))}, taken for", f"实为 {escape(_name(one['label']))}，判为")
        made.append(f"<blockquote><b>{said} {escape(_name(one['predicted']))}</b><br>{''.join(spans)}</blockquote>")
    note = both(
        "The stronger the red, the more the prediction rests on a word: its log-odds fall without it. Grey words speak against it.",
        "红色越深，预测越依赖该词（去掉它后对数几率下降越多）；灰色的词则与预测相悖。",
    )
    return f"<p class=soft>{note}</p>{''.join(made)}" if made else ""
