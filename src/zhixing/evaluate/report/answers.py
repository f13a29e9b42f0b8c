"""The report of an evaluation of a reader of questions: `report.html`, drawn from its `report.json` and `examples.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from zhixing.evaluate.report.metrics import ANSWERS, NAMES, figures, metrics_table, unseen
from zhixing.evaluate.report.page import both, numbers, page, piece, read, read_lines, section, table, wide
from zhixing.files import write_text

REPORT, EXAMPLES = "report.json", "examples.jsonl"
_SHOWN = 20

_UNSEEN = "Without questions on texts of the training data:", "去除原文出现在训练集中的问题后："


def write_answers_report(folder: Path, name: str) -> None:
    """Write `report.html` into the folder of an evaluation; `name`: of what it was evaluated on."""
    report = partial(read, folder, REPORT)
    body = [
        piece(lambda: _evaluated(report())),
        section("Scores", "得分", lambda: metrics_table(report()["metrics"]), lambda: unseen(report()["unseen"], *_UNSEEN)),
        section("With and without an answer", "有无答案", lambda: _by_answer(report()), lambda: _thresholds(report())),
        section("By length of the text", "按原文长度", lambda: _by_length(report()["by_length"])),
        section("By length of the answer", "按答案长度", lambda: _by_length(report()["by_answer_length"])),
        section("The worst answers", "最差的回答", lambda: _worst(folder)),
    ]
    write_text(folder / "report.html", page(f"evaluation · {name}", both("A reader, evaluated", "阅读理解模型评测报告"), body))


def _evaluated(report: Mapping[str, Any]) -> str:
    entries = [
        *figures(report["metrics"], ANSWERS),
        (f"{report['questions']:,}", "questions", "问题"),
        (f"{report['texts']:,}", "texts", "原文"),
    ]
    said = ""
    if seen := report["texts_in_training"]:
        share = f"{seen / report['questions']:.1%}"
        english = f"{seen:,} of these questions ({share}) are on texts of the training data: scores on them say little."
        said = f'<p class="warning">{both(english, f"其中 {seen:,} 个问题（{share}）的原文出现在训练集中，其得分意义不大。")}</p>'
    for key, english, chinese in (
        ("set_aside", "questions could not be read and are set aside.", "个问题无法读取，已剔除。"),
        ("mended", "answers have wrong or missing places.", "个答案的位置有误或缺失。"),
        ("too_long", "questions are longer than what the model takes; they count as unanswered.", "个问题过长，按未作答计。"),
    ):
        if number := report[key]:
            said += f'<p class="warning">{both(f"{number:,} {english}", f"有 {number:,} {chinese}")}</p>'
    return numbers(entries) + said


def _by_answer(report: Mapping[str, Any]) -> str:
    names = {"answerable": ("with an answer", "有答案"), "unanswerable": ("without an answer", "无答案")}
    rows = [
        [both(*names[name]), found["questions"], found["answered"], found["exact_match"], found["answer_f1"]]
        for name, found in report["by_answer"].items()
    ]
    head = [
        ("questions", "问题类型"),
        ("questions", "数量"),
        ("answered by the model", "模型作答数"),
        NAMES["exact_match"],
        NAMES["answer_f1"],
    ]
    return table(head, rows)


def _thresholds(report: Mapping[str, Any]) -> str:
    if report["best_threshold"] is None:
        return ""
    english = (
        f"Threshold of no answer: {report['threshold']:.3f}. On these very questions {report['best_threshold']:.3f} would have been best, "
        f"with an F1 of {report['best_f1']:.3f}."
    )
    chinese = (
        f"无答案阈值：{report['threshold']:.3f}。就这些问题而言，最佳阈值为 {report['best_threshold']:.3f}，F1 为 {report['best_f1']:.3f}。"
    )
    return f"<p>{both(english, chinese)}</p>"


def _by_length(found: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for entry in found:
        low, high = entry["characters"]
        name = both(f"{low} to {high}", f"{low} 至 {high}") if high is not None else both(f"from {low}", f"{low} 以上")
        rows.append([name, entry["questions"], entry["exact_match"], entry["answer_f1"]])
    return table([("characters", "字符"), ("questions", "问题"), NAMES["exact_match"], NAMES["answer_f1"]], rows)


def _worst(folder: Path) -> str:
    rows = [
        [row["id"], wide(row["question"][:200]), wide(" / ".join(row["answers"][:3]) or "–"), wide(row["answer"] or "–"), row["answer_f1"]]
        for row in read_lines(folder, EXAMPLES, _SHOWN)
    ]
    return table([("id", "编号"), ("question", "问题"), ("answers", "标准答案"), ("the model's", "模型的回答"), NAMES["answer_f1"]], rows)
