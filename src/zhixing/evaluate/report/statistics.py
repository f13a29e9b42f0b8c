"""The report of a folder of statistics, and the sections about text that the report of a data folder shows too."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from zhixing.evaluate.report import plots
from zhixing.evaluate.report.page import Html, both, figure, numbers, page, piece, ranking, read, section, show, table, told, tree
from zhixing.files import human_bytes, write_text

LANGUAGES = {"zh": ("Chinese", "中文"), "en": ("English", "英文"), "other": ("other languages", "其他语言")}
_PARTS = {"train": ("training", "训练"), "valid": ("validation", "验证"), "text": ("text", "文本")}
_STAGES = {
    "read": ("reading", "读取"),
    "extract": ("extraction from markup", "正文提取"),
    "clean": ("cleaning", "清洗"),
    "filter": ("filter", "过滤"),
    "language": ("language", "语言"),
    "gopher": ("quality rules (MassiveText)", "质量规则（MassiveText）"),
    "c4": ("quality rules (C4)", "质量规则（C4）"),
    "perplexity": ("perplexity", "困惑度"),
    "evaluation": ("overlap with evaluation texts", "与评测文本重合"),
    "dedup": ("copies", "去重"),
}
_RUNS = {"words": ("Words", "词"), "pairs": ("Two words", "两词相连"), "triples": ("Three words", "三词相连")}
_SHOWN = 20  # words in a list
_REASONS = 12  # of a stage


def write_statistics_report(folder: Path, name: str) -> None:
    """Write `report.html` into a folder of statistics that is going to be called `name`."""
    statistics = partial(read, folder, "statistics.json")
    body = [
        piece(lambda: _headline(statistics())),
        section("Parts", "划分", lambda: parts(statistics())),
        section("Languages", "语言", lambda: languages(statistics())),
        section("Left out", "剔除", lambda: left_out(statistics())),
        piece(lambda: "".join(words(statistics()))),
        section("Document lengths", "文档长度", lambda: lengths(statistics())),
        section("Sources", "来源", lambda: sources(statistics())),
        section("Settings", "设置", lambda: tree(read(folder, "config.json"))),
        section("Lineage", "溯源", lambda: lineage(read(folder, "lineage.json"))),
    ]
    write_text(folder / "report.html", page(f"statistics · {name}", both("What a text consists of", "文本统计"), body))


def _headline(statistics: dict[str, Any]) -> str:
    found = statistics["parts"].values()
    total = {key: sum(part.get(key, 0) for part in found) for key in ("bytes", "characters", "words", "documents")}
    return numbers(
        [
            (f"{total['documents']:,}", "documents", "文档"),
            (human_bytes(total["bytes"]), "of text", "文本"),
            (f"{total['characters']:,}", "characters", "字符"),
            (f"{total['words']:,}", "words (a Chinese character counts as one)", "词数（每个汉字计一）"),
            (f"{statistics['duplicates']:,}", "copies left out", "剔除的重复文档"),
        ]
    )


def language(name: str) -> Html:
    """A language's name."""
    return _named(name, LANGUAGES)


def _named(name: str, names: dict[str, tuple[str, str]]) -> Html:
    return both(*names.get(name, (escape(name), escape(name))))


def parts(statistics: dict[str, Any]) -> str:
    """Sizes of the parts."""
    head = [("part", "部分"), ("documents", "文档"), ("bytes", "字节"), ("characters", "字符"), ("words", "词")]
    keys = ["documents", "bytes", "characters", "words"]
    if any("tokens" in part for part in statistics["parts"].values()):
        head, keys = [*head, ("tokens", "词元")], [*keys, "tokens"]
    rows = [[_named(n, _PARTS), *(part.get(key, 0) for key in keys)] for n, part in statistics["parts"].items()]
    return table(head, rows)


def languages(statistics: dict[str, Any]) -> str:
    """Sizes by language."""
    head = [("language", "语言"), ("documents", "文档"), ("bytes", "字节"), ("words", "词")]
    return table(head, [[language(n), c["documents"], c["bytes"], c["words"]] for n, c in statistics["languages"].items()])


def left_out(statistics: dict[str, Any]) -> str:
    """What each stage left out and why, with examples."""
    read_in_all = statistics["documents"]["read"]
    if not statistics["stages"]:
        return f"<p>{both('Nothing was left out.', '没有剔除任何文档。')}</p>"
    head = [("stage", "阶段"), ("documents", "文档"), ("share of all", "占全部")]
    overview = table(head, [[_stage(s["stage"]), s["dropped"], f"{s['dropped'] / read_in_all:.2%}"] for s in statistics["stages"]])
    note = both(
        "All of them, with place and reason, are in <code>dropped.jsonl</code>. The first of each reason:",
        "全部记录及其位置和原因见 <code>dropped.jsonl</code>。各原因的首批示例：",
    )
    reasons = "".join(_reason(stage["stage"], entry) for stage in statistics["stages"] for entry in stage["reasons"][:_REASONS])
    return f"{overview}{_evaluation(statistics.get('evaluation', {}))}<p>{note}</p>{reasons}"


def _reason(stage: str, entry: dict[str, Any]) -> str:
    """Why something was left out, how often, and the first examples."""
    examples = "".join(
        f'<p class="example"><span class=soft>{escape(example["where"])}</span><br>{escape(example["text"][:80])}</p>'
        for example in entry["examples"]
    )
    why = told(entry["reason"])
    return f"<p>{_stage(stage)}: {why} <span class=soft>({show(entry['documents'])})</span></p>{examples}"


def _evaluation(counts: dict[str, int]) -> str:
    """Documents left out for their overlap with each evaluation file."""
    return table([("evaluation text", "评测文本"), ("documents that overlap", "重合文档")], list(counts.items()))


def _stage(name: str) -> Html:
    return _named(name, _STAGES)


def words(statistics: dict[str, Any]) -> Iterator[str]:
    """For each language a section on words, runs of words, sentences, and both laws."""
    for name, found in statistics["text"].items():
        english, chinese = LANGUAGES.get(name, (escape(name), escape(name)))
        pieces = [partial(_counts, found, statistics["sample"]), partial(_lists, found), partial(_laws, found), partial(_sentences, found)]
        yield section(f"Words: {english}", f"词汇：{chinese}", *pieces)


def _counts(found: dict[str, Any], sample: dict[str, Any]) -> str:
    said = ""
    if sample["share"] < 1:
        share = f"{sample['share']:.1%}"
        english, chinese = f"Counted in a sample of {share} of the text, spread evenly over it.", f"以下统计取自均匀抽取的 {share} 文本。"
        said = f"<p class=soft>{both(english, chinese)}</p>"
    if lost := max(found["lost"].values()):
        english = f"Counts of two and three words may be too low by at most {lost:,}: the rarest were forgotten on the way."
        said += f"<p class=soft>{both(english, f'两词、三词的计数可能偏低，至多低 {lost:,}：途中舍去了最罕见者。')}</p>"
    spread = found["sentence_words"]
    return said + numbers(
        [
            (f"{found['words']:,}", "words", "词"),
            (f"{found['different']:,}", "different words", "不同的词"),
            (f"{found['once'] / max(1, found['different']):.0%}", "of them occur once", "只出现一次"),
            (f"{found['sentences']:,}", "sentences", "句子"),
            (f"{spread['mean']:.1f}", "words in a sentence", "平均句长（词）"),
        ]
    )


def _lists(found: dict[str, Any]) -> str:
    lists = "".join(
        f"<div><p class=soft>{both(*title)}</p>{ranking(found['frequent'][size][:_SHOWN])}</div>" for size, title in _RUNS.items()
    )
    return f'<div class="lists">{lists}</div>'


def _laws(found: dict[str, Any]) -> str:
    zipf, heaps = found["zipf"], found["heaps"]
    drawn = ""
    if zipf:
        english = f"Occurrences of a word by its rank. Zipf's law: exponent {zipf['exponent']:.3f}, R² {zipf['explained']:.3f}"
        chinese = f"词频随排名的变化。齐普夫定律：指数 {zipf['exponent']:.3f}，R² {zipf['explained']:.3f}"
        drawn += figure(
            plots.law(zipf, -1),
            f"{english} (ranks {zipf['from']:,} to {zipf['to']:,}).",
            f"{chinese}（第 {zipf['from']:,} 至 {zipf['to']:,} 位）。",
        )
    if heaps:
        english = f"Different words among the first so many. Heaps' law: exponent {heaps['exponent']:.3f}, R² {heaps['explained']:.3f}."
        chinese = f"词汇量随词数的增长。希普斯定律：指数 {heaps['exponent']:.3f}，R² {heaps['explained']:.3f}。"
        drawn += figure(plots.law(heaps, 1), english, chinese)
    return f'<div class="pair">{drawn}</div>' if drawn else ""


def _sentences(found: dict[str, Any]) -> str:
    spread = found["sentence_words"]
    entries = [(int(lower), number) for lower, number in spread["histogram"].items()]
    quantiles = ", ".join(f"{share}: {length}" for share, length in spread["quantiles"].items())
    return figure(
        plots.histogram(entries, 5),
        f"Sentences by number of words, in fives; the last bar is open. Quantiles: {quantiles}.",
        f"按词数统计的句子数，每五词一组，末组含更长者。分位数：{quantiles}。",
    )


def lengths(statistics: dict[str, Any]) -> str:
    """Documents by their length."""
    entries = [(f"{int(lower):,}+", float(number)) for lower, number in statistics["lengths"].items()]
    return figure(plots.bars(entries), "Documents by number of characters.", "按字符数统计的文档数。") if entries else ""


def sources(statistics: dict[str, Any]) -> str:
    """Sizes by source."""
    found = statistics["sources"]
    rows = [[name, c["documents"], c["bytes"]] for name, c in list(found.items())[:20]]
    more = both(f"and {len(found) - 20:,} more", f"另有 {len(found) - 20:,} 个")
    note = f"<p class=soft>{more}</p>" if len(found) > 20 else ""
    return table([("source", "来源"), ("documents", "文档"), ("bytes", "字节")], rows) + note


def lineage(found: dict[str, Any]) -> str:
    """The inputs and their hashes."""
    rows = [[entry["path"], entry.get("bytes"), entry.get("sha256", entry.get("manifest", ""))[:16]] for entry in found["inputs"][:20]]
    return table([("input", "输入"), ("bytes", "字节"), ("SHA-256", "SHA-256")], rows)
