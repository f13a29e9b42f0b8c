"""The report of a run folder; of an unfinished run it shows what is there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from zhixing.console import count, duration
from zhixing.errors import InputError
from zhixing.evaluate.report import plots
from zhixing.evaluate.report.curves import curve, points
from zhixing.evaluate.report.evaluation import OVER_DOCUMENTS
from zhixing.evaluate.report.metrics import metrics_table
from zhixing.evaluate.report.page import (
    UNFINISHED,
    Absent,
    Html,
    both,
    duration_zh,
    figure,
    numbers,
    page,
    part_name,
    piece,
    read,
    read_lines,
    record,
    section,
    table,
    warnings,
)
from zhixing.files import human_bytes, write_text

LOG, RESULT, PLAN, BASELINES = "metrics.jsonl", "result.json", "plan.json", "baselines.json"
CONFIG, SAMPLES = "config.json", "samples.json"
EVALUATION = "eval/valid/report.json"


def write_run_report(run: Path) -> None:
    """Write `report.html` into a run folder."""
    body = [
        piece(partial(_headline, run)),
        section("Warnings", "警告", partial(_warnings, run)),
        section("Against the baselines", "与基线比较", partial(_against, run)),
        section("Learning", "学习过程", partial(_learning, run)),
        *_what_it_says(run),
        section("Speed", "速度", partial(_speed, run), partial(_forecast, run)),
        section("Data", "数据", lambda: _data(read(run, "statistics.json"))),
        *record(run),
    ]
    write_text(run / "report.html", page(f"run · {run.name}", both("A language model's training", "语言模型训练报告"), body))


def _what_it_says(run: Path) -> list[str]:
    """Samples and evaluation, as far as the objective has them."""
    samples = section("Samples", "样例", partial(_samples, run))
    evaluation = section("Evaluation", "评测", lambda: metrics_table(read(run, EVALUATION)["metrics"], OVER_DOCUMENTS))
    if (run / SAMPLES).is_file() or not _of_other_shape(run):
        return [samples, evaluation]
    return [evaluation] if (run / EVALUATION).is_file() else []


def _of_other_shape(run: Path) -> bool:
    try:
        return bool(read(run, CONFIG)["objective"].get("kind", "causal") not in ("causal", "infill"))
    except (Absent, InputError, LookupError, AttributeError, TypeError):
        return False


def _headline(run: Path) -> str:
    entries: list[tuple[str, str, str]] = []
    for add in (_score, _size, _work):
        try:
            entries += add(run)
        except Absent:
            continue
    return (numbers(entries) if entries else "") + ("" if (run / RESULT).is_file() else UNFINISHED)


UNITS = {
    "bits_per_byte": ("bits per byte", "每字节比特数"),
    "masked_loss": ("nats a hidden token", "掩码词元的损失（奈特）"),
    "masked_accuracy": ("of hidden tokens right", "掩码词元的准确率"),
    "valid_loss": ("nats a predicted token", "每预测词元的损失（奈特）"),
}


def _figure(run: Path) -> str:
    """The figure of the log that says how good the model is: bits per byte, or the loss where the objective gives no such bits."""
    rows = read_lines(run, LOG)
    return "bits_per_byte" if any("bits_per_byte" in row for row in rows) or not any("valid_loss" in row for row in rows) else "valid_loss"


def _score(run: Path) -> list[tuple[str, str, str]]:
    found = []
    try:
        metrics = read(run, EVALUATION)["metrics"]
    except Absent:
        if _figure(run) == "valid_loss":
            result, (english, chinese) = read(run, RESULT), UNITS["valid_loss"]
            return [(f"{result['valid_loss']:.3f}", f"{english}, validation", f"验证集{chinese}")]
        raise
    for name in ("bits_per_byte", "masked_loss", "masked_accuracy"):
        if name in metrics:
            m, (english, chinese) = metrics[name], UNITS[name]
            low, high = f"{m['low']:.3f}", f"{m['high']:.3f}"
            found.append(
                (f"{m['value']:.3f}", f"{english}, validation, 95 % interval {low} to {high}", f"验证集{chinese}，95% 区间 {low} 至 {high}")
            )
    return found


def _size(run: Path) -> list[tuple[str, str, str]]:
    return [(count(read(run, PLAN)["parameters"]), "parameters", "参数")]


def _work(run: Path) -> list[tuple[str, str, str]]:
    result = read(run, RESULT)
    took, planned = result["seconds"], result["planned_seconds"]
    return [
        (count(result["tokens"]), "tokens read", "读过的词元"),
        (_time(took), f"of training, {duration(planned)} planned", f"训练用时（计划 {duration_zh(planned)}）"),
        (f"{result['mfu']:.0%}", "of the measured peak (MFU)", "实测峰值利用率（MFU）"),
    ]


def _time(seconds: float) -> Html:
    return both(duration(seconds), duration_zh(seconds))


def _warnings(run: Path) -> str:
    try:
        return warnings(read(run, PLAN).get("warnings", []))
    except Absent:
        return ""  # the section `Speed` says so


def _baselines(run: Path) -> dict[str, float]:
    try:
        return {name: float(entry[_figure(run)]) for name, entry in read(run, BASELINES).items()}
    except Absent:
        return {}


def _against(run: Path) -> str:
    figure_name = _figure(run)
    if figure_name == "valid_loss" and not (run / BASELINES).is_file():
        return ""
    try:
        own = read(run, EVALUATION)["metrics"]["bits_per_byte"]["value"] if figure_name == "bits_per_byte" else None
    except Absent:
        own = None
    if own is None:
        own = min(points(read_lines(run, LOG), figure_name)[1], default=math.nan)
    entries = sorted([*_baselines(run).items(), (run.name, float(own))], key=lambda entry: -entry[1])
    if figure_name == "valid_loss":
        return figure(
            plots.bars(entries, accented=run.name),
            f"Loss in nats at the same hidden tokens of the validation part; less is better. <b>{escape(run.name)}</b> is this model; the "
            "bigram model is told the true token to the left.",
            f"验证集相同掩码词元处的损失（奈特），越小越好。<b>{escape(run.name)}</b> 为本模型；二元模型可见左侧真实词元。",
        )
    return figure(
        plots.bars(entries, accented=run.name),
        f"Bits per byte of the validation part; fewer is better. <b>{escape(run.name)}</b> is this model; ngram5 is a 5-gram model with "
        "Kneser-Ney smoothing; xz and zstd are compressors that have read the training part.",
        f"验证集的每字节比特数，越小越好。<b>{escape(run.name)}</b> 为本模型；"
        "ngram5 为采用 Kneser-Ney 平滑的五元模型；xz 与 zstd 为读过训练集的压缩程序。",
    )


def _learning(run: Path) -> str:
    rows = read_lines(run, LOG)
    name = _figure(run)
    checked, bits = points(rows, name)
    parts = []
    if len(checked) > 1:
        levels = [(level, value) for level, value in _baselines(run).items() if level.endswith("gram") or level.startswith("ngram")]
        english, chinese = UNITS[name]
        drawn = plots.lines([("", checked, bits)], levels)
        parts.append(figure(drawn, f"{english.capitalize()} of the validation part, by step.", f"验证集{chinese}随步数的变化。"))
    right = points(rows, "accuracy")
    if len(right[0]) > 1:
        drawn = plots.lines([("", *right)])
        parts.append(figure(drawn, "Share of the hidden tokens that are the most probable one.", "掩码词元的准确率随步数的变化。"))
    english, chinese = (
        "Training loss in nats a predicted token, by step; the line is smoothed.",
        "训练损失（奈特/词元）随步数的变化，粗线为平滑值。",
    )
    parts.append(curve(rows, "loss", 0.9, english, chinese, raw=True))
    pair = curve(rows, "learning_rate", 0.0, "Learning rate.", "学习率。", half=True)
    pair += curve(rows, "gradient_norm", 0.8, "Length of the gradient, smoothed.", "梯度范数（平滑）。", half=True)
    return "".join(parts) + (f'<div class="pair">{pair}</div>' if pair else "")


def _samples(run: Path) -> str:
    return "".join(
        f"<blockquote><b>{escape(sample['prompt'])}</b>{escape(sample['text'])}</blockquote>" for sample in read(run, SAMPLES, list)
    )


def _speed(run: Path) -> str:
    return curve(read_lines(run, LOG), "tokens_per_second", 0.8, "Tokens a second, smoothed.", "每秒词元数（平滑）。")


def _forecast(run: Path) -> str:
    plan = read(run, PLAN)
    try:
        result: Mapping[str, Any] = read(run, RESULT)
    except Absent:
        result = {}
    rows: list[tuple[Html, str, str | None]] = [
        (both("time", "时间"), _time(plan["seconds"]), _time(result["seconds"]) if result else None),
        (both("memory", "内存"), human_bytes(plan["memory_bytes"]), human_bytes(result["memory_bytes"]) if result else None),
        (both("tokens a second", "每秒词元"), count(plan["tokens_per_second"]), count(result["tokens_per_second"]) if result else None),
    ]
    return table([("", ""), ("forecast", "预计"), ("measured", "实测")], rows)


def _data(statistics: dict[str, Any]) -> str:
    head = [("part", "部分"), ("documents", "文档"), ("bytes", "字节"), ("words", "词"), ("tokens", "词元")]
    rows = [[part_name(n), *(p.get(key, 0) for key, _ in head[1:])] for n, p in statistics["parts"].items()]
    return table(head, rows)
