"""The report of a data folder."""

from __future__ import annotations

import itertools
import json
from html import escape
from pathlib import Path
from typing import Any

from zhixing.evaluate.report import plots
from zhixing.evaluate.report.page import both, figure, numbers, page, section, table, tree
from zhixing.files import human_bytes, read_json, write_text

_LANGUAGES = {"zh": ("Chinese", "中文"), "en": ("English", "英文"), "other": ("other", "其他")}


def write_data_report(folder: Path, shown_as: Path | None = None) -> None:
    """Write `report.html` into a data folder."""
    name = (shown_as or folder).name
    statistics, tokenizer = read_json(folder / "statistics.json"), read_json(folder / "tokenizer_report.json")
    parts = statistics["parts"]
    total = {key: sum(part.get(key, 0) for part in parts.values()) for key in ("bytes", "characters", "words", "tokens", "documents")}
    body = [
        numbers(
            [
                (f"{total['documents']:,}", "documents kept", "保留的文档"),
                (human_bytes(total["bytes"]), "of text", "文本"),
                (f"{total['words']:,}", "words (a Chinese character counts as one)", "词数（每个汉字计一）"),
                (f"{total['tokens']:,}", "tokens", "词元"),
                (f"{tokenizer['vocabulary']:,}", "vocabulary", "词表大小"),
            ]
        ),
        section("Parts", "划分", _parts(parts), f"<p class=soft>{_share(statistics)}</p>"),
        section("Languages", "语言", _languages(statistics["languages"])),
        section("Left out", "剔除", _dropped(folder, statistics)),
        section("To beat", "基线", baselines(read_json(folder / "baselines.json"))),
        section("Tokenizer", "分词器", _tokenizer(tokenizer)),
        section("Document lengths", "文档长度", _lengths(statistics["lengths"])),
        section("Sources", "来源", table([("source", "来源"), ("documents", "文档"), ("bytes", "字节")], _sources(statistics["sources"]))),
        section("Settings", "设置", tree(read_json(folder / "config.json"))),
        section("Lineage", "谱系", _lineage(read_json(folder / "lineage.json"))),
    ]
    write_text(folder / "report.html", page(f"data · {name}", both("Prepared text", "整理好的文本"), body))


def _share(statistics: dict[str, Any]) -> str:
    share = statistics.get("valid_share", 0.0)
    return both(
        f"{share:.2%} of documents, chosen by the hash of their text, are held out for validation.",
        f"按文本哈希值抽出 {share:.2%} 的文档作为验证集。",
    )


def _parts(parts: dict[str, dict[str, int]]) -> str:
    keys = ("documents", "bytes", "characters", "words", "tokens")
    head = [("part", "部分"), ("documents", "文档"), ("bytes", "字节"), ("characters", "字符"), ("words", "词"), ("tokens", "词元")]
    return table(head, [[name, *(part.get(key, 0) for key in keys)] for name, part in parts.items()])


def _languages(languages: dict[str, dict[str, int]]) -> str:
    head = [("language", "语言"), ("documents", "文档"), ("bytes", "字节"), ("words", "词")]
    return table(head, [[_LANGUAGES.get(n, (n, n))[0], c["documents"], c["bytes"], c["words"]] for n, c in languages.items()])


def _dropped(folder: Path, statistics: dict[str, Any]) -> str:
    reasons = statistics["dropped"]
    if not reasons:
        return f"<p>{both('Nothing was left out.', '没有剔除任何文档。')}</p>"
    with open(folder / "dropped.jsonl", encoding="utf-8") as file:
        examples = [json.loads(line) for line in itertools.islice(file, 8)]
    rows = [[f"{e['source']}:{e['line']}" if e["line"] else e["source"], e["reason"], e["text"][:80]] for e in examples]
    note = both(
        "All of them, with reasons, are in <code>dropped.jsonl</code>. The first:",
        "全部记录及原因见 <code>dropped.jsonl</code>，开头几条：",
    )
    counts = table([("reason", "原因"), ("documents", "文档")], list(reasons.items()))
    return counts + f"<p>{note}</p>" + table([("where", "位置"), ("reason", "原因"), ("text", "文本")], rows)


def baselines(found: dict[str, dict[str, Any]]) -> str:
    """A chart of the bits per byte of models that need no training run."""
    if not found:
        return ""
    return figure(
        plots.bars([(name, entry["bits_per_byte"]) for name, entry in found.items()]),
        "Bits per byte of the validation part: 5-gram model with Kneser-Ney smoothing, and compressors that have read the training part.",
        "验证集的每字节比特数：采用 Kneser-Ney 平滑的五元模型，以及读过训练集的压缩程序。",
    )


def _tokenizer(report: dict[str, Any]) -> str:
    rows = [
        [_LANGUAGES.get(name, (name, name))[0], entry["tokens_per_byte"], entry["tokens_per_character"], entry["bytes"]]
        for name, entry in report["languages"].items()
    ]
    head = [("language", "语言"), ("tokens per byte", "词元/字节"), ("tokens per character", "词元/字符"), ("bytes looked at", "抽样字节")]
    said = both(
        f"{escape(report['kind'])}, {report['vocabulary']:,} tokens; {report['never_used']:,} never used in the sample; "
        f"unknown rate {report['unknown_rate']:.3%}.",
        f"{escape(report['kind'])}，{report['vocabulary']:,} 个词元；样本中未用到 {report['never_used']:,} 个；"
        f"未知率 {report['unknown_rate']:.3%}。",
    )
    samples = "".join(f"<p>{_pieces(pieces)}</p>" for pieces in report["samples"].values())
    longest = f"<p class=soft>{both('Longest', '最长')}</p><p>{_pieces(report['longest'])}</p>"
    frequent = f"<p class=soft>{both('Most frequent', '最常用')}</p><p>{_pieces([e['token'] for e in report['most_frequent']])}</p>"
    return f"<p>{said}</p>{table(head, rows)}<p class=soft>{both('Segmented', '切分示例')}</p>{samples}{longest}{frequent}"


def _pieces(pieces: list[str]) -> str:
    return " ".join(f'<span class="piece">{escape(p).replace(chr(10), "⏎")}</span>' for p in pieces)


def _lengths(lengths: dict[str, int]) -> str:
    entries = [(f"{int(lower):,}+", float(number)) for lower, number in lengths.items()]
    return figure(plots.bars(entries), "Documents by number of characters.", "按字符数统计的文档数。") if entries else ""


def _sources(sources: dict[str, dict[str, int]]) -> list[list[Any]]:
    return [[name, c["documents"], c["bytes"]] for name, c in list(sources.items())[:20]]


def _lineage(lineage: dict[str, Any]) -> str:
    rows = [[entry["path"], entry.get("bytes", 0), entry.get("sha256", "")[:16]] for entry in lineage["inputs"][:50]]
    return table([("input", "输入"), ("bytes", "字节"), ("SHA-256", "SHA-256")], rows)
