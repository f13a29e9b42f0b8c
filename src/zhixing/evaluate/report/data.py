"""The report of a data folder."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from zhixing.evaluate.report import plots
from zhixing.evaluate.report.page import Html, both, figure, numbers, page, piece, read, read_lines, section, table, tree, wide
from zhixing.files import human_bytes, write_text

_LANGUAGES = {"zh": ("Chinese", "中文"), "en": ("English", "英文"), "other": ("other", "其他")}
_PARTS = {"train": ("training", "训练"), "valid": ("validation", "验证")}


def write_data_report(folder: Path, shown_as: Path | None = None) -> None:
    """Write `report.html` into a data folder; `shown_as`: where the folder is going to lie."""
    statistics, tokenizer = partial(read, folder, "statistics.json"), partial(read, folder, "tokenizer_report.json")
    body = [
        piece(lambda: _headline(statistics())),
        section("Parts", "划分", lambda: _parts(statistics()["parts"]), lambda: _share(statistics())),
        section("Languages", "语言", lambda: _languages(statistics()["languages"])),
        section("Left out", "剔除", lambda: _dropped(folder, statistics()["dropped"])),
        section("To beat", "基线", lambda: _baselines(read(folder, "baselines.json"))),
        section("Tokenizer", "分词器", lambda: _tokenizer(tokenizer())),
        section("Document lengths", "文档长度", lambda: _lengths(statistics()["lengths"])),
        section("Sources", "来源", lambda: _sources(statistics()["sources"])),
        section("Settings", "设置", lambda: tree(read(folder, "config.json"))),
        section("Lineage", "谱系", lambda: _lineage(read(folder, "lineage.json"))),
    ]
    title = f"data · {(shown_as or folder).name}"
    write_text(folder / "report.html", page(title, both("Prepared text", "整理好的文本"), body))


def _headline(statistics: dict[str, Any]) -> str:
    parts = statistics["parts"].values()
    total = {key: sum(part.get(key, 0) for part in parts) for key in ("bytes", "characters", "words", "tokens", "documents")}
    return numbers(
        [
            (f"{total['documents']:,}", "documents kept", "保留的文档"),
            (human_bytes(total["bytes"]), "of text", "文本"),
            (f"{total['words']:,}", "words (a Chinese character counts as one)", "词数（每个汉字计一）"),
            (f"{total['characters']:,}", "characters", "字符"),
            (f"{total['tokens']:,}", "tokens", "词元"),
        ]
    )


def _share(statistics: dict[str, Any]) -> str:
    share = statistics.get("valid_share", 0.0)
    said = both(
        f"{share:.2%} of documents, chosen by the hash of their text, are held out for validation.",
        f"按文本哈希值抽出 {share:.2%} 的文档作为验证集。",
    )
    return f"<p class=soft>{said}</p>"


def _parts(parts: dict[str, dict[str, int]]) -> str:
    keys = ("documents", "bytes", "characters", "words", "tokens")
    head = [("part", "部分"), ("documents", "文档"), ("bytes", "字节"), ("characters", "字符"), ("words", "词"), ("tokens", "词元")]
    return table(head, [[both(*_PARTS.get(n, (n, n))), *(part.get(key, 0) for key in keys)] for n, part in parts.items()])


def _languages(languages: dict[str, dict[str, int]]) -> str:
    head = [("language", "语言"), ("documents", "文档"), ("bytes", "字节"), ("words", "词")]
    return table(head, [[both(*_LANGUAGES.get(n, (n, n))), c["documents"], c["bytes"], c["words"]] for n, c in languages.items()])


def _dropped(folder: Path, reasons: dict[str, int]) -> str:
    if not reasons:
        return f"<p>{both('Nothing was left out.', '没有剔除任何文档。')}</p>"
    examples = read_lines(folder, "dropped.jsonl", 8)
    rows = [[f"{e['source']}:{e['line']}" if e["line"] else e["source"], e["reason"], wide(e["text"][:80])] for e in examples]
    note = both(
        "All of them, with reasons, are in <code>dropped.jsonl</code>. The first:",
        "全部记录及原因见 <code>dropped.jsonl</code>，开头几条：",
    )
    counts = table([("reason", "原因"), ("documents", "文档")], list(reasons.items()))
    return counts + f"<p>{note}</p>" + table([("where", "位置"), ("reason", "原因"), ("text", "文本")], rows)


def _baselines(found: dict[str, dict[str, Any]]) -> str:
    """A chart of the bits per byte of models that need no training run."""
    return figure(
        plots.bars([(name, entry["bits_per_byte"]) for name, entry in found.items()]),
        "Bits per byte of the validation part: 5-gram model with Kneser-Ney smoothing, and compressors that have read the training part.",
        "验证集的每字节比特数：采用 Kneser-Ney 平滑的五元模型，以及读过训练集的压缩程序。",
    )


def _tokenizer(report: dict[str, Any]) -> str:
    rows = [
        [both(*_LANGUAGES.get(name, (name, name))), entry["tokens_per_byte"], entry["tokens_per_character"], entry["bytes"]]
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


def _pieces(pieces: list[str]) -> Html:
    return Html(" ".join(f'<span class="piece">{escape(p).replace(chr(10), "⏎")}</span>' for p in pieces))


def _lengths(lengths: dict[str, int]) -> str:
    entries = [(f"{int(lower):,}+", float(number)) for lower, number in lengths.items()]
    return figure(plots.bars(entries), "Documents by number of characters.", "按字符数统计的文档数。") if entries else ""


def _sources(sources: dict[str, dict[str, int]]) -> str:
    rows = [[name, c["documents"], c["bytes"]] for name, c in list(sources.items())[:20]]
    more = both(f"and {len(sources) - 20:,} more", f"另有 {len(sources) - 20:,} 个")
    note = f"<p class=soft>{more}</p>" if len(sources) > 20 else ""
    return table([("source", "来源"), ("documents", "文档"), ("bytes", "字节")], rows) + note


def _lineage(lineage: dict[str, Any]) -> str:
    rows = [[entry["path"], entry.get("bytes", 0), entry.get("sha256", "")[:16]] for entry in lineage["inputs"][:20]]
    return table([("input", "输入"), ("bytes", "字节"), ("SHA-256", "SHA-256")], rows)
