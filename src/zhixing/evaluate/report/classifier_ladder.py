"""The report of a ladder of classifiers: what each is worth, what it costs, and which to take."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from zhixing.console import count, duration
from zhixing.evaluate.report import plots
from zhixing.evaluate.report.metrics import NAMES as METRICS
from zhixing.evaluate.report.metrics import bounded, interval
from zhixing.evaluate.report.page import Html, both, duration_zh, figure, page, read, section, table
from zhixing.files import human_bytes, write_text

NAMES = {
    "majority": ("commonest label", "最常见标签"),
    "linear": ("TF-IDF and a linear model", "TF-IDF 加线性模型"),
    "fasttext": ("bag of n-grams, as fastText", "n 元组词袋（同 fastText）"),
    "cnn": ("text CNN", "文本卷积网络"),
    "lstm": ("LSTM", "长短期记忆网络（LSTM）"),
    "transformer": ("Transformer from scratch", "从零训练的 Transformer"),
    "pretrained": ("pre-trained encoder", "预训练编码器"),
}
COLUMNS = {
    "single": ("precision_macro", "recall_macro", "f1_macro"),
    "multi": ("precision_micro", "recall_micro", "f1_macro", "subset_accuracy"),
    "number": ("mae", "pearson", "spearman"),
}
"""Shown beside the metric that decides, by the kind of labels."""
SIGNIFICANT = 0.05


def write_rungs_report(folder: Path) -> None:
    """Write `report.html` beside the `result.json` of a ladder of classifiers."""
    body = [
        section("Advice", "建议", lambda: _advice(read(folder, "result.json"))),
        section("Scores", "得分", lambda: _plot(read(folder, "result.json")) + _scores(read(folder, "result.json"))),
        section("Prices", "成本", lambda: _prices(folder, read(folder, "result.json"))),
    ]
    title = both("Kinds of classifier on the same texts", "同一批文本上的各类分类器")
    write_text(folder / "report.html", page(f"ladder · {folder.name}", title, body))


def _advice(result: dict[str, Any]) -> str:
    taken, best = (NAMES[result[key]][1] for key in ("advised", "best"))
    if len(result["rungs"]) < 2:
        chinese = "只完成了一级，无从比较。"
    elif result["advised"] == result["best"]:
        chinese = f"采用“{taken}”：它得分最高，比它便宜的都显著更差。"
    else:
        chinese = f"“{taken}”与得分最高的“{best}”没有显著差异：采用更便宜的“{taken}”。"
    note = both(
        "The cheapest is advised, by its speed of prediction, that is not significantly worse than the best: McNemar's test of rates, else "
        "the paired bootstrap, at 5 % after Holm's correction. No significant difference does not say that there is none.",
        "建议采用与最优者无显著差异的各级中预测最快者：比率用 McNemar 检验，其余用配对自助法，经 Holm 校正后取 5% 水平。"
        "无显著差异不等于没有差异。",
    )
    return f"<p>{both(escape(result['advice'] + '.'), chinese)}</p><p class=soft>{note}</p>"


def _plot(result: dict[str, Any]) -> str:
    metric = result["metric"]
    entries = [(r["name"], *(r["metrics"][metric][key] for key in ("value", "low", "high"))) for r in result["rungs"]]
    english, chinese = METRICS.get(metric, (metric, metric))
    folds = result["folds"]
    how = f" in {folds} folds" if folds > 1 else ""
    how_zh = f"（{folds} 折交叉验证）" if folds > 1 else ""
    return figure(
        plots.intervals(entries, accented=result["advised"]),
        f"{english[:1].upper()}{english[1:]} on {result['test_texts']:,} texts{how}, with 95 % intervals; the advised rung is marked.",
        f"{result['test_texts']:,} 条文本上的{chinese}{how_zh}及 95% 置信区间；突出者为建议采用的一级。",
    )


def _scores(result: dict[str, Any]) -> str:
    metric, rungs = result["metric"], result["rungs"]
    shown = COLUMNS[result["kind"]]
    head = [("model", "模型"), *(METRICS.get(name, (name, name)) for name in (metric, *shown))]
    head += [("difference to the advised", "与建议者之差"), ("p (Holm)", "p（Holm 校正）")]
    rows = []
    for r in rungs:
        cells = [interval(r["metrics"].get(name)) for name in (metric, *shown)]
        if r["difference"] is None:
            rows.append([both(*NAMES[r["name"]]), *cells, "–", "–"])
            continue
        difference = bounded(f"{r['difference']:+.4f}", r, "+.4f")
        p = f"{r['p']:.4f}" if r["p"] >= 0.0001 else "< 0.0001"
        rows.append([both(*NAMES[r["name"]]), *cells, difference, Html(f"<b>{escape(p)}</b>") if r["p"] < SIGNIFICANT else p])
    return table(head, rows)


def _prices(folder: Path, result: dict[str, Any]) -> str:
    rows = []
    for r in result["rungs"]:
        name = both(*NAMES[r["name"]])
        linked = Html(f'<a href="{r["name"]}/report.html">{name}</a>') if (folder / r["name"] / "report.html").is_file() else name
        time = both(duration(r["seconds"]), duration_zh(r["seconds"]))
        rows.append([linked, time, human_bytes(r["bytes"]), count(r["parameters"]), count(r["texts_per_second"])])
    head = [
        ("model", "模型"),
        ("training", "训练用时"),
        ("size on disk", "磁盘占用"),
        ("parameters", "参数"),
        ("texts/s in prediction", "预测速度（条/秒）"),
    ]
    return table(head, rows)
