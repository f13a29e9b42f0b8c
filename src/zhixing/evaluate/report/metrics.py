"""Metrics as all reports name and show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from zhixing.evaluate.report.page import Html, both, table

NAMES = {
    "bits_per_byte": ("bits per byte", "每字节比特数"),
    "bits_per_character": ("bits per character", "每字符比特数"),
    "perplexity": ("perplexity", "困惑度"),
    "accuracy": ("accuracy", "准确率"),
    "subset_accuracy": ("whole sets right", "整组全对率"),
    "precision_macro": ("macro precision", "宏平均精确率"),
    "recall_macro": ("macro recall", "宏平均召回率"),
    "precision_micro": ("micro precision", "微平均精确率"),
    "recall_micro": ("micro recall", "微平均召回率"),
    "f1_macro": ("macro F1", "宏平均 F1"),
    "f1_micro": ("micro F1", "微平均 F1"),
    "f1_weighted": ("weighted F1", "加权 F1"),
    "mcc": ("Matthews' correlation", "马修斯相关系数"),
    "log_loss": ("log loss", "对数损失"),
    "brier": ("Brier score", "布赖尔分数"),
    "ece": ("calibration error", "校准误差"),
    "roc_auc": ("ROC-AUC", "ROC 曲线下面积"),
    "pr_auc": ("PR-AUC", "PR 曲线下面积"),
    "mse": ("mean squared error", "均方误差"),
    "mae": ("mean absolute error", "平均绝对误差"),
    "pearson": ("Pearson's correlation", "皮尔逊相关系数"),
    "spearman": ("Spearman's correlation", "斯皮尔曼相关系数"),
    "bleu": ("BLEU", "BLEU"),
    "chrf": ("chrF", "chrF"),
    "chrf++": ("chrF++", "chrF++"),
    "ter": ("TER (less is better)", "TER（越小越好）"),
    "meteor": ("METEOR", "METEOR"),
    "meteor_jieba": ("METEOR (jieba words)", "METEOR（结巴分词）"),
    "number_match": ("numbers kept", "数字保留率"),
    "length_ratio": ("length ratio", "长度比"),
    "exact_match": ("exact match", "完全匹配率"),
    "answer_f1": ("answer F1", "答案 F1"),
    "has_answer_exact": ("exact match where there is an answer", "有答案时的完全匹配率"),
    "has_answer_f1": ("F1 where there is an answer", "有答案时的 F1"),
    "no_answer_accuracy": ("share of unanswerable questions told", "无答案问题识别率"),
    "masked_loss": ("loss at hidden tokens, nats", "掩码词元的损失（奈特）"),
    "masked_accuracy": ("accuracy at hidden tokens", "掩码词元的准确率"),
}
CLASSIFICATION = ("accuracy", "subset_accuracy", "f1_macro", "f1_micro", "mse", "pearson")
ANSWERS = ("exact_match", "answer_f1")
"""What is said first of a classifier, and of a reader of questions, as far as it has them."""


def named(metric: str) -> Html:
    """The name of a metric."""
    return both(*NAMES.get(metric, (escape(metric), escape(metric))))


def metrics_table(metrics: Mapping[str, Mapping[str, Any]], note: str | None = None) -> str:
    """Scores with their intervals and signatures; `note`: what is said about them, HTML."""
    rows = [[named(name), m["value"], m["low"], m["high"], signature(m["signature"])] for name, m in metrics.items()]
    head = [("metric", "指标"), ("value", "值"), ("low", "下限"), ("high", "上限"), ("signature", "签名")]
    return table(head, rows) + (f"<p class=soft>{note}</p>" if note else "")


def unseen(metrics: Mapping[str, Mapping[str, Any]] | None, english: str, chinese: str) -> str:
    """Scores without what stands in the training data, where that makes a difference; the words say without what."""
    return f"<p>{both(english, chinese)}</p>" + metrics_table(metrics) if metrics else ""


def signature(text: str) -> Html:
    """A signature, which may be broken between its parts."""
    return Html(f'<div class="wide"><code>{escape(text).replace("|", "|<wbr>")}</code></div>')


def figures(
    metrics: Mapping[str, Mapping[str, float]], names: Iterable[str], english: str = "", chinese: str = ""
) -> list[tuple[str, str, str]]:
    """Entries of `page.numbers` for those of the names that were measured; english, chinese: on what, as in "validation, "."""
    found = []
    for name in names:
        if name in metrics:
            m, (e, z) = metrics[name], NAMES[name]
            low, high = f"{m['low']:.3f}", f"{m['high']:.3f}"
            found.append((f"{m['value']:.3f}", f"{e}, {english}95 % interval {low} to {high}", f"{z}（{chinese}95% 区间 {low} 至 {high}）"))
    return found


def interval(metric: Mapping[str, float] | None, digits: int = 4) -> Html:
    """A value with its bounds below it, in one cell."""
    return Html("–") if metric is None else bounded(f"{metric['value']:.{digits}f}", metric, f".{digits}f")


def bounded(value: str, bounds: Mapping[str, float], form: str) -> Html:
    """A value, and its `low` and `high` in a line below it."""
    return Html(f'{value}<br><small class="whole">[{bounds["low"]:{form}}, {bounds["high"]:{form}}]</small>')
