"""The report of a run of `finetune classify` or `finetune answer`: `report.html`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from zhixing.console import count, duration
from zhixing.evaluate.report import plots
from zhixing.evaluate.report.curves import curve, points
from zhixing.evaluate.report.metrics import ANSWERS, CLASSIFICATION, NAMES, figures, metrics_table, named
from zhixing.evaluate.report.page import (
    UNFINISHED,
    Absent,
    Html,
    both,
    duration_zh,
    figure,
    numbers,
    page,
    piece,
    read,
    read_lines,
    record,
    section,
    table,
    warnings,
)
from zhixing.files import write_text

DATA, RESULT, LOG = "data_report.json", "result.json", "metrics.jsonl"


def write_classifier_report(run: Path) -> None:
    """Write `report.html` into a classification run."""
    _write(run, both("A classifier's training", "分类模型训练报告"), CLASSIFICATION, "texts", "文本", lambda r: _alone(r) + _spread(r))


def write_reader_report(run: Path) -> None:
    """Write `report.html` into a question-answering run."""
    _write(run, both("A reader's training", "阅读理解模型训练报告"), ANSWERS, "questions", "问题", _threshold)


def _write(run: Path, title: Html, main: Sequence[str], unit: str, unit_zh: str, more: Callable[[dict[str, Any]], str]) -> None:
    """main: the metrics that are shown large and drawn; unit: what is trained on; more: what else there is to say of the result."""
    result = partial(read, run, RESULT)
    body = [
        piece(lambda: _headline(run, main, unit, unit_zh)),
        section(f"About the {unit}", f"关于{unit_zh}", lambda: _about_data(read(run, DATA)["warnings"], unit, unit_zh)),
        section(f"On the validation {unit}", "验证集结果", lambda: metrics_table(result()["metrics"]), lambda: more(result())),
        section("Learning", "学习过程", lambda: _learning(read_lines(run, LOG), main)),
        *record(run),
    ]
    write_text(run / "report.html", page(f"run · {run.name}", title, body))


def _headline(run: Path, main: Sequence[str], unit: str, unit_zh: str) -> str:
    try:
        result = read(run, RESULT)
    except Absent:
        return UNFINISHED
    return numbers(
        [
            *figures(result["metrics"], main, "validation, ", "验证集，"),
            (f"{result[f'train_{unit}']:,}", f"{unit} trained on", f"训练{unit_zh}"),
            (f"{result[f'valid_{unit}']:,}", f"validation {unit}", f"验证{unit_zh}"),
            (count(result["parameters"]), "parameters", "参数"),
            (both(duration(result["seconds"]), duration_zh(result["seconds"])), "of training", "训练用时"),
        ]
    )


def _about_data(found: Sequence[str], unit: str, unit_zh: str) -> str:
    link = '<a href="data_report.html">data_report.html</a>'
    return f"{warnings(found)}<p>{both(f'All about the {unit} is in {link}.', f'{unit_zh}详情见 {link}。')}</p>"


def _learning(rows: Sequence[dict[str, Any]], main: Sequence[str]) -> str:
    parts = []
    for name, (english, chinese) in ((name, NAMES[name]) for name in main):
        x, y = points(rows, name)
        if len(x) > 1:
            drawn = plots.lines([("", x, y)], half=True)
            parts.append(figure(drawn, f"{english[:1].upper()}{english[1:]}, validation, by step.", f"{chinese}（验证集）随步数的变化。"))
    parts.append(curve(rows, "valid_loss", 0.0, "Validation loss, by step.", "验证集损失随步数的变化。", half=True))
    parts.append(curve(rows, "loss", 0.9, "Training loss, smoothed, by step.", "训练损失（平滑）随步数的变化。", half=True))
    return f'<div class="pair">{"".join(parts)}</div>' if any(parts) else ""


def _alone(result: dict[str, Any]) -> str:
    """The two voices of a run with n-grams."""
    if not result.get("alone"):
        return ""
    voices = {"network": ("network alone", "仅神经网络"), "n-grams": ("n-grams alone", "仅 n 元组"), "": ("both", "两者合用")}
    values = {**result["alone"], "": {name: m["value"] for name, m in result["metrics"].items()}}
    rows = [[named(name), *(values[voice][name] for voice in voices)] for name in result["alone"]["network"] if name in values[""]]
    return table([("metric", "指标"), *voices.values()], rows)


def _spread(result: dict[str, Any]) -> str:
    if not result.get("spread"):
        return ""
    rows = [[named(n), s["mean"], s["deviation"], s["lowest"], s["highest"]] for n, s in result["spread"].items()]
    kept = Path(result["kept"]).name if result.get("kept") else ""
    english, chinese = (f" Kept: {kept}.", f"保留：{kept}。") if kept else ("", "")
    said = both(f"Over {len(result['runs'])} runs.{english}", f"共 {len(result['runs'])} 次训练。{chinese}")
    head = [("metric", "指标"), ("mean", "均值"), ("deviation", "标准差"), ("lowest", "最低"), ("highest", "最高")]
    return f"<p>{said}</p>" + table(head, rows)


def _threshold(result: dict[str, Any]) -> str:
    limit = result["threshold"]
    if limit is None:
        english = "There were no questions without an answer to learn from: each question gets an answer."
        return f"<p>{both(english, '训练数据中没有无答案的问题，因此每个问题都会给出答案。')}</p>"
    english = f"No answer is given where it scores more than {limit:.3f} nats above the best answer; so the validation questions want it."
    return f"<p>{both(english, f'当“无答案”的得分高出最佳答案 {limit:.3f} 奈特以上时不作答；该阈值由验证集选定。')}</p>"
