"""The reports of question answering: of the questions before anything is trained on them, of a run, and of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from zhixing.console import count, duration
from zhixing.evaluate.report import plots
from zhixing.evaluate.report.classifier import NAMES, points, scores
from zhixing.evaluate.report.page import (
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
    section,
    table,
    tree,
    wide,
)
from zhixing.files import write_text

DATA, RESULT, LOG, REPORT, EXAMPLES = "data_report.json", "result.json", "metrics.jsonl", "report.json", "examples.jsonl"
MAIN = ("exact_match", "answer_f1")
PARTS = {"train": ("training", "训练"), "valid": ("validation", "验证")}
_LANGUAGES = {"zh": ("Chinese", "中文"), "en": ("English", "英文"), "other": ("other", "其他")}
_FAULTS = {
    "moved": "答案位置有误，已取最近的匹配位置",
    "searched": "答案缺少位置，已取首个匹配位置",
    "absent": "答案不在原文中",
    "silent": "没有答案且未标明 is_impossible，按无答案处理",
    "form": "不符合问题的格式",
    "question": "问题为空",
    "context": "原文为空",
    "surrogate": "含有半个代理对字符",
    "id": "问题编号重复",
    "answer": "答案为空",
    "contradiction": "标为无答案却给出了答案",
    "nowhere": "所有答案都不在原文中",
}
_COUNTS = {
    "questions": ("questions", "问题"),
    "texts": ("texts", "原文"),
    "articles": ("articles", "文章"),
    "unanswerable": ("questions without an answer", "无答案的问题"),
    "windows": ("windows", "窗口"),
    "windows_with_answer": ("windows that hold the answer", "含答案的窗口"),
    "several_windows": ("questions whose text takes several windows", "原文跨多个窗口的问题"),
    "cut_answers": ("answers that no window holds whole", "任何窗口都装不下的答案"),
    "inexact_answers": ("answers that the tokens cannot cut out exactly", "词元无法精确切出的答案"),
}
_LENGTHS = {
    "characters": ("text, characters", "原文（字符）"),
    "question_characters": ("question, characters", "问题（字符）"),
    "answer_characters": ("answer, characters", "答案（字符）"),
    "tokens": ("window, tokens", "窗口（词元）"),
}
_SHOWN = 20


def write_questions_report(run: Path, shown_as: Path | None = None) -> None:
    """Write `data_report.html` into a run folder; `shown_as`: where the folder is going to lie."""
    report = partial(read, run, DATA)
    body = [
        piece(lambda: _sizes(report())),
        section("To look at first", "请先看", lambda: _warnings(report())),
        section("Faults", "数据问题", lambda: _faults(report())),
        section("Questions and windows", "问题与窗口", lambda: _parts(report())),
        section("Lengths", "长度", lambda: _lengths(report())),
        section("Languages", "语言", lambda: _languages(report()["languages"])),
        section("Texts on both sides", "训练集与验证集共有的原文", lambda: _overlap(report()["overlap"])),
    ]
    write_text(run / "data_report.html", page(f"data · {(shown_as or run).name}", both("Questions on texts", "阅读理解问题"), body))


def _part(name: str) -> Html:
    return both(*PARTS.get(name, (name, name)))


def _sizes(report: Mapping[str, Any]) -> str:
    entries = [(f"{part['questions']:,}", f"{PARTS[name][0]} questions", f"{PARTS[name][1]}问题") for name, part in report["parts"].items()]
    return numbers([*entries, (f"{report['set_aside']:,}", "questions set aside", "剔除的问题")])


def _warnings(report: Mapping[str, Any]) -> str:
    if not report["warnings"]:
        return f"<p>{both('Nothing out of the ordinary was found.', '未发现异常。')}</p>"
    return "".join(f'<p class="warning">{escape(text)}</p>' for text in report["warnings"])


def _faults(report: Mapping[str, Any]) -> str:
    if not report["faults"] and not report["too_long"]:
        return f"<p>{both('None.', '无。')}</p>"
    rows = [
        [
            both(escape(fault["reason"]), _FAULTS.get(kind, escape(fault["reason"]))),
            both("mended or passed over", "已修正或放过") if fault["mended"] else both("set aside", "剔除"),
            fault["questions"],
            wide(", ".join(fault["ids"][:8]) + (", ..." if fault["questions"] > 8 else "")),
        ]
        for kind, fault in report["faults"].items()
    ]
    said = table([("fault", "问题"), ("what became of it", "处理"), ("times", "次数"), ("questions", "问题编号")], rows)
    examples = [[row["id"], row["source"], wide(row["text"])] for row in report["fault_examples"][:_SHOWN]]
    long = [[row["id"], row["reason"], ""] for row in report["too_long"][:_SHOWN]]
    head = [("question", "问题编号"), ("where", "位置"), ("text", "文本")]
    note = both(
        'All are in <a href="faults.jsonl">faults.jsonl</a>.',
        '完整列表见 <a href="faults.jsonl">faults.jsonl</a>。',
    )
    return f"{said}<p>{note}</p>{table(head, [*examples, *long])}"


def _parts(report: Mapping[str, Any]) -> str:
    parts = report["parts"]
    rows = [[both(*name), *(part[key] for part in parts.values())] for key, name in _COUNTS.items()]
    return table([("", ""), *(PARTS[name] for name in parts)], rows)


def _lengths(report: Mapping[str, Any]) -> str:
    rows = []
    for key, name in _LENGTHS.items():
        rows += [[_part(part), both(*name), *found[key].values()] for part, found in report["parts"].items() if found[key]]
    quantiles = list(report["parts"]["train"]["characters"])
    return table([("part", "部分"), ("length of", "长度"), *((q, q) for q in quantiles)], rows)


def _languages(found: Mapping[str, Mapping[str, int]]) -> str:
    rows = [[_part(part), both(*_LANGUAGES[name]), number] for part, counts in found.items() for name, number in counts.items()]
    return table([("part", "部分"), ("language of texts", "原文语言"), ("questions", "问题")], rows)


def _overlap(found: Mapping[str, Any]) -> str:
    if not found["questions"]:
        return f"<p>{both('None.', '无。')}</p>"
    shared = found["questions"]
    english = f"{shared:,} validation questions are on texts that are trained on, too."
    return f'<p class="warning">{both(english, f"有 {shared:,} 个验证问题的原文也在训练集中。")}</p>'


def write_reader_report(run: Path) -> None:
    """Write `report.html` into a question-answering run."""
    body = [
        piece(partial(_headline, run)),
        section("About the questions", "关于问题", lambda: _about_data(read(run, DATA))),
        section(
            "On the validation questions", "验证集结果", lambda: scores(read(run, RESULT)["metrics"]), lambda: _limit(read(run, RESULT))
        ),
        section("Learning", "学习过程", partial(_learning, run)),
        section("Settings", "设置", lambda: tree(read(run, "config.json"))),
        section("Lineage", "谱系", lambda: tree(read(run, "lineage.json"))),
        section("Environment", "环境", lambda: tree(read(run, "environment.json"))),
    ]
    write_text(run / "report.html", page(f"run · {run.name}", both("A reader's training", "阅读理解模型训练报告"), body))


def _headline(run: Path) -> str:
    try:
        result = read(run, RESULT)
    except Absent:
        return f"<p>{both('This run has not finished yet.', '训练尚未结束。')}</p>"
    return numbers(
        [
            *_figures(result["metrics"], "validation, ", "验证集，"),
            (f"{result['train_questions']:,}", "questions trained on", "训练问题"),
            (f"{result['valid_questions']:,}", "validation questions", "验证问题"),
            (count(result["parameters"]), "parameters", "参数"),
            (both(duration(result["seconds"]), duration_zh(result["seconds"])), "of training", "训练用时"),
        ]
    )


def _figures(metrics: Mapping[str, Mapping[str, float]], english: str, chinese: str) -> list[tuple[str, str, str]]:
    found = []
    for name in MAIN:
        if name in metrics:
            m, (e, z) = metrics[name], NAMES[name]
            low, high = f"{m['low']:.3f}", f"{m['high']:.3f}"
            found.append((f"{m['value']:.3f}", f"{e}, {english}95 % interval {low} to {high}", f"{z}（{chinese}95% 区间 {low} 至 {high}）"))
    return found


def _about_data(report: Mapping[str, Any]) -> str:
    link = both(
        'All about the questions is in <a href="data_report.html">data_report.html</a>.',
        '问题详情见 <a href="data_report.html">data_report.html</a>。',
    )
    return "".join(f'<p class="warning">{escape(text)}</p>' for text in report["warnings"]) + f"<p>{link}</p>"


def _limit(result: Mapping[str, Any]) -> str:
    limit = result["threshold"]
    if limit is None:
        english = "There were no questions without an answer to learn from: each question gets an answer."
        return f"<p>{both(english, '训练数据中没有无答案的问题，因此每个问题都会给出答案。')}</p>"
    english = f"No answer is given where it scores more than {limit:.3f} nats above the best answer; so the validation questions want it."
    return f"<p>{both(english, f'当“无答案”的得分高出最佳答案 {limit:.3f} 奈特以上时不作答；该阈值由验证集选定。')}</p>"


def _learning(run: Path) -> str:
    rows = read_lines(run, LOG)
    parts = []
    for name in MAIN:
        x, y = points(rows, name)
        if len(x) > 1:
            english, chinese = NAMES[name]
            parts.append(
                figure(plots.lines([("", x, y)], half=True), f"{english}, validation, by step", f"{chinese}（验证集）随步数的变化")
            )
    x, y = points(rows, "valid_loss")
    if len(x) > 1:
        parts.append(figure(plots.lines([("", x, y)], half=True), "Loss on the validation windows, by step.", "验证集损失随步数的变化。"))
    x, y = points(rows, "loss")
    if len(x) > 1:
        drawn = plots.lines([("", plots.thin(x), plots.thin(plots.smooth(y, 0.9)))], half=True)
        parts.append(figure(drawn, "Training loss, smoothed, by step.", "训练损失（平滑）随步数的变化。"))
    return f'<div class="pair">{"".join(parts)}</div>' if parts else ""


def write_answers_report(folder: Path, name: str) -> None:
    """Write `report.html` into the folder of an evaluation; `name`: of what it was evaluated on."""
    report = partial(read, folder, REPORT)
    body = [
        piece(lambda: _evaluated(report())),
        section("Scores", "得分", lambda: scores(report()["metrics"]), lambda: _unseen(report())),
        section("With and without an answer", "有无答案", lambda: _by_answer(report()), lambda: _thresholds(report())),
        section("By length of the text", "按原文长度", lambda: _by_length(report()["by_length"])),
        section("By length of the answer", "按答案长度", lambda: _by_length(report()["by_answer_length"])),
        section("The worst answers", "最差的回答", lambda: _worst(folder)),
    ]
    write_text(folder / "report.html", page(f"evaluation · {name}", both("A reader, evaluated", "阅读理解模型评测报告"), body))


def _evaluated(report: Mapping[str, Any]) -> str:
    entries = [
        *_figures(report["metrics"], "", ""),
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


def _unseen(report: Mapping[str, Any]) -> str:
    if not report["unseen"]:
        return ""
    return f"<p>{both('Without questions on texts of the training data:', '去除原文出现在训练集中的问题后：')}</p>" + scores(
        report["unseen"]
    )


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
