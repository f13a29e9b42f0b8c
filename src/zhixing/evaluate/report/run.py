"""The report of a run folder. What a run does not have (yet) is left out, so that an unfinished run can be looked at too."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from zhixing.console import count, duration
from zhixing.evaluate.report import plots
from zhixing.evaluate.report.page import both, figure, numbers, page, section, table, tree
from zhixing.files import human_bytes, read_json, write_text

_METRICS = {
    "bits_per_byte": ("bits per byte", "每字节比特数"),
    "bits_per_character": ("bits per character", "每字符比特数"),
    "perplexity": ("perplexity", "困惑度"),
}


def write_run_report(run: Path) -> None:
    """Write `report.html` into a run folder."""
    log = _log(run / "metrics.jsonl")
    steps, checks = [r for r in log if "loss" in r and r["loss"] is not None], [r for r in log if "valid_loss" in r]
    result, plan = _json(run / "result.json"), _json(run / "plan.json")
    evaluation = _json(run / "eval" / "valid" / "report.json")
    against = {name: entry["bits_per_byte"] for name, entry in _json(run / "baselines.json").items()}
    body = [
        _headline(result, plan, evaluation),
        section("Warnings", "警告", "".join(f'<p class="warning">{escape(w)}</p>' for w in plan.get("warnings", []))),
        section("Against the baselines", "与基线比较", _against(evaluation, checks, against)),
        section("Learning", "学习过程", _learning(steps, checks, against)),
        section("Samples", "样例", _samples(run / "samples.json")),
        section("Evaluation", "评测", _evaluation(evaluation)),
        section("Speed", "速度", _speed(steps, result, plan)),
        section("Data", "数据", _data(_json(run / "statistics.json"))),
        section("Settings", "设置", tree(_json(run / "config.json"))),
        section("Lineage", "谱系", tree(_json(run / "lineage.json"))),
        section("Environment", "环境", tree(_json(run / "environment.json"))),
    ]
    write_text(run / "report.html", page(f"run · {run.name}", both("A language model's training", "语言模型训练报告"), body))


def _json(path: Path) -> dict[str, Any]:
    return dict(read_json(path)) if path.is_file() else {}


def _log(path: Path) -> list[dict[str, Any]]:
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:  # a line that is being written
            break
    return rows


def _headline(result: dict[str, Any], plan: dict[str, Any], evaluation: dict[str, Any]) -> str:
    entries = []
    if metrics := evaluation.get("metrics"):
        m = metrics["bits_per_byte"]
        entries.append((f"{m['value']:.3f}", f"bits per byte, validation, 95 % interval {m['low']:.3f} to {m['high']:.3f}",
                        f"验证集每字节比特数，95% 区间 {m['low']:.3f} 至 {m['high']:.3f}"))  # fmt: skip
    if plan:
        entries.append((count(plan["parameters"]), "parameters", "参数"))
    if result:
        entries.append((count(result["tokens"]), "tokens read", "读过的词元"))
        entries.append(
            (
                duration(result["seconds"]),
                f"of {duration(result['planned_seconds'])} planned",
                f"（计划 {duration(result['planned_seconds'])}）",
            )
        )
        entries.append((f"{result['mfu']:.0%}", "of the measured peak (MFU)", "实测峰值利用率（MFU）"))
    return numbers(entries) if entries else f"<p>{both('This run has not finished yet.', '训练尚未结束。')}</p>"


def _against(evaluation: dict[str, Any], checks: list[dict[str, Any]], baselines: dict[str, float]) -> str:
    if not checks and not evaluation:
        return ""
    metrics = evaluation.get("metrics", {})
    own = metrics["bits_per_byte"]["value"] if metrics else min(r["bits_per_byte"] for r in checks)
    return figure(
        plots.bars([*baselines.items(), ("this model", own)], accented="this model"),
        "Bits per byte on the validation part; fewer is better.",
        "验证集每字节比特数，越小越好。",
    )


def _learning(steps: list[dict[str, Any]], checks: list[dict[str, Any]], baselines: dict[str, float]) -> str:
    parts = []
    if len(checks) > 1:
        levels = [(name, value) for name, value in baselines.items() if name.startswith("ngram")]
        curve = ("", [r["step"] for r in checks], [r["bits_per_byte"] for r in checks])
        parts.append(
            figure(plots.lines([curve], levels), "Bits per byte of the validation part, by step.", "验证集每字节比特数随步数的变化。")
        )
    if len(steps) > 1:
        x, y = [r["step"] for r in steps], [r["loss"] for r in steps]
        series = [("", plots.thin(x), plots.thin(y)), ("", plots.thin(x), plots.thin(plots.smooth(y)))]
        parts.append(
            figure(
                plots.lines(series),
                "Training loss in nats a token, by step; the line is smoothed.",
                "训练损失（奈特/词元）随步数的变化，粗线为平滑值。",
            )
        )
        rates = ("", plots.thin(x), plots.thin([r["learning_rate"] for r in steps]))
        norms = ("", plots.thin(x), plots.thin(plots.smooth([r["gradient_norm"] or 0.0 for r in steps], 0.8)))
        parts.append('<div class="pair">')
        parts.append(figure(plots.lines([rates]), "Learning rate.", "学习率。"))
        parts.append(figure(plots.lines([norms]), "Length of the gradient, smoothed.", "梯度范数（平滑）。"))
        parts.append("</div>")
    return "".join(parts)


def _samples(path: Path) -> str:
    if not path.is_file():
        return ""
    return "".join(f"<blockquote><b>{escape(s['prompt'])}</b>{escape(s['text'])}</blockquote>" for s in read_json(path))


def _evaluation(evaluation: dict[str, Any]) -> str:
    head = [("metric", "指标"), ("value", "值"), ("low", "下限"), ("high", "上限"), ("signature", "签名")]
    rows = [
        [_METRICS.get(name, (name, name))[0], m["value"], m["low"], m["high"], m["signature"]]
        for name, m in evaluation.get("metrics", {}).items()
    ]
    return table(head, rows)


def _speed(steps: list[dict[str, Any]], result: dict[str, Any], plan: dict[str, Any]) -> str:
    if len(steps) < 2:
        return ""
    rows = []
    if result and plan:
        rows = [
            ["time 时间", duration(plan["seconds"]), duration(result["seconds"])],
            ["memory 内存", human_bytes(plan["memory_bytes"]), human_bytes(result["memory_bytes"])],
            ["tokens/s 词元/秒", count(plan["tokens_per_second"]), count(result["tokens_per_second"])],
        ]
    speed = ("", plots.thin([r["step"] for r in steps]), plots.thin(plots.smooth([r["tokens_per_second"] for r in steps], 0.8)))
    drawn = figure(plots.lines([speed]), "Tokens a second, smoothed.", "每秒词元数（平滑）。")
    return drawn + table([("", ""), ("forecast", "预计"), ("measured", "实测")], rows)


def _data(statistics: dict[str, Any]) -> str:
    parts = statistics.get("parts", {})
    head = [("part", "部分"), ("documents", "文档"), ("bytes", "字节"), ("words", "词"), ("tokens", "词元")]
    return table(head, [[name, p["documents"], p["bytes"], p["words"], p.get("tokens", 0)] for name, p in parts.items()])
