"""The report of a classification run: `report.html`."""

from __future__ import annotations

import math
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from zhixing.console import count, duration
from zhixing.evaluate.report import plots
from zhixing.evaluate.report.page import (
    Absent,
    both,
    duration_zh,
    figure,
    numbers,
    page,
    piece,
    read,
    read_lines,
    section,
    table,
    tree,
)
from zhixing.files import write_text

RESULT, LOG = "result.json", "metrics.jsonl"
MAIN = {
    "accuracy": ("accuracy", "准确率"),
    "subset_accuracy": ("whole sets right", "整组全对率"),
    "f1_macro": ("macro F1", "宏平均 F1"),
    "f1_micro": ("micro F1", "微平均 F1"),
    "mse": ("mean squared error", "均方误差"),
    "pearson": ("Pearson's correlation", "皮尔逊相关"),
}
NAMES: dict[str, tuple[str, str]] = {
    **MAIN,
    "precision_macro": ("macro precision", "宏平均精确率"),
    "recall_macro": ("macro recall", "宏平均召回率"),
    "f1_weighted": ("weighted F1", "加权 F1"),
    "precision_micro": ("micro precision", "微平均精确率"),
    "recall_micro": ("micro recall", "微平均召回率"),
    "mcc": ("Matthews' correlation", "马修斯相关系数"),
    "log_loss": ("log loss", "对数损失"),
    "brier": ("Brier score", "布赖尔分数"),
    "ece": ("calibration error", "校准误差"),
    "roc_auc": ("ROC-AUC", "ROC 曲线下面积"),
    "pr_auc": ("PR-AUC", "PR 曲线下面积"),
    "mae": ("mean absolute error", "平均绝对误差"),
    "spearman": ("Spearman's correlation", "斯皮尔曼相关"),
    "exact_match": ("exact match", "完全匹配率"),
    "answer_f1": ("answer F1", "答案 F1"),
    "has_answer_exact": ("exact match where there is an answer", "有答案时的完全匹配率"),
    "has_answer_f1": ("F1 where there is an answer", "有答案时的 F1"),
    "no_answer_accuracy": ("share of unanswerable questions told", "无答案问题识别率"),
}


def write_classifier_report(run: Path) -> None:
    """Write `report.html` into a classification run."""
    body = [
        piece(partial(_headline, run)),
        section("About the data", "关于数据", lambda: _warnings(read(run, "data_report.json"))),
        section("On the validation texts", "验证集结果", lambda: scores(read(run, RESULT)["metrics"]), lambda: _spread(read(run, RESULT))),
        section("Learning", "学习过程", partial(_learning, run)),
        section("Settings", "设置", lambda: tree(read(run, "config.json"))),
        section("Lineage", "谱系", lambda: tree(read(run, "lineage.json"))),
        section("Environment", "环境", lambda: tree(read(run, "environment.json"))),
    ]
    write_text(run / "report.html", page(f"run · {run.name}", both("A classifier's training", "分类模型训练报告"), body))


def _headline(run: Path) -> str:
    try:
        result = read(run, RESULT)
    except Absent:
        return f"<p>{both('This run has not finished yet.', '训练尚未结束。')}</p>"
    entries = []
    for name, m in result["metrics"].items():
        if name in MAIN:
            english, chinese = MAIN[name]
            low, high = f"{m['low']:.3f}", f"{m['high']:.3f}"
            entries.append((f"{m['value']:.3f}", f"{english}, validation, {low} to {high}", f"{chinese}（验证集，{low} 至 {high}）"))
    entries += [
        (f"{result['train_texts']:,}", "texts trained on", "训练文本"),
        (f"{result['valid_texts']:,}", "validation texts", "验证文本"),
        (count(result["parameters"]), "parameters", "参数"),
        (both(duration(result["seconds"]), duration_zh(result["seconds"])), "of training", "训练用时"),
    ]
    return numbers(entries)


def _warnings(report: dict[str, Any]) -> str:
    link = both(
        'All about the texts is in <a href="data_report.html">data_report.html</a>.',
        '文本详情见 <a href="data_report.html">data_report.html</a>。',
    )
    return "".join(f'<p class="warning">{escape(text)}</p>' for text in report["warnings"]) + f"<p>{link}</p>"


def scores(metrics: dict[str, dict[str, Any]]) -> str:
    """Metrics with their intervals and signatures."""
    rows = [[both(*NAMES.get(n, (escape(n), escape(n)))), m["value"], m["low"], m["high"], m["signature"]] for n, m in metrics.items()]
    return table([("metric", "指标"), ("value", "数值"), ("low", "下限"), ("high", "上限"), ("signature", "签名")], rows)


def _spread(result: dict[str, Any]) -> str:
    if not result.get("spread"):
        return ""
    rows = [
        [both(*NAMES.get(n, (escape(n), escape(n)))), s["mean"], s["deviation"], s["lowest"], s["highest"]]
        for n, s in result["spread"].items()
    ]
    said = both(f"Over {len(result['runs'])} runs.", f"共 {len(result['runs'])} 次训练。")
    head = [("metric", "指标"), ("mean", "均值"), ("deviation", "标准差"), ("lowest", "最低"), ("highest", "最高")]
    return f"<p>{said}</p>" + table(head, rows)


def points(rows: list[dict[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """Steps and values of the rows of a log that have a number under `key`."""
    pairs = [(row["step"], row[key]) for row in rows if isinstance(row.get(key), int | float) and math.isfinite(row[key])]
    return [step for step, _ in pairs], [value for _, value in pairs]


def _learning(run: Path) -> str:
    rows = read_lines(run, LOG)
    parts = []
    for name, (english, chinese) in MAIN.items():
        x, y = points(rows, name)
        if len(x) > 1:
            parts.append(
                figure(plots.lines([("", x, y)], half=True), f"{english}, validation, by step", f"{chinese}（验证集）随步数的变化")
            )
    x, y = points(rows, "valid_loss")
    if len(x) > 1:
        parts.append(figure(plots.lines([("", x, y)], half=True), "Loss on the validation texts, by step.", "验证集损失随步数的变化。"))
    x, y = points(rows, "loss")
    if len(x) > 1:
        drawn = plots.lines([("", plots.thin(x), plots.thin(plots.smooth(y, 0.9)))], half=True)
        parts.append(figure(drawn, "Training loss, smoothed, by step.", "训练损失（平滑）随步数的变化。"))
    return f'<div class="pair">{"".join(parts)}</div>' if parts else ""
