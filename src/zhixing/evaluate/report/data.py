"""The report of a data folder."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from zhixing.evaluate.report import plots, statistics
from zhixing.evaluate.report.page import Html, both, figure, numbers, page, piece, read, section, table, tree
from zhixing.files import human_bytes, write_text


def write_data_report(folder: Path, shown_as: Path | None = None) -> None:
    """Write `report.html` into a data folder; `shown_as`: where the folder is going to lie."""
    counts, tokenizer = partial(read, folder, "statistics.json"), partial(read, folder, "tokenizer_report.json")
    body = [
        piece(lambda: _headline(counts())),
        section("Parts", "划分", lambda: statistics.parts(counts()), lambda: _share(counts())),
        section("Languages", "语言", lambda: statistics.languages(counts())),
        section("Left out", "剔除", lambda: statistics.left_out(counts())),
        section("To beat", "基线", lambda: _baselines(read(folder, "baselines.json"))),
        section("Tokenizer", "分词器", lambda: _tokenizer(tokenizer())),
        piece(lambda: "".join(statistics.words(counts()))),
        section("Document lengths", "文档长度", lambda: statistics.lengths(counts())),
        section("Sources", "来源", lambda: statistics.sources(counts())),
        section("Settings", "设置", lambda: tree(read(folder, "config.json"))),
        section("Lineage", "溯源", lambda: statistics.lineage(read(folder, "lineage.json"))),
    ]
    title = f"data · {(shown_as or folder).name}"
    write_text(folder / "report.html", page(title, both("Prepared text", "整理好的文本"), body))


def _headline(found: dict[str, Any]) -> str:
    parts = found["parts"].values()
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


def _share(found: dict[str, Any]) -> str:
    share = found.get("valid_share", 0.0)
    said = both(
        f"{share:.2%} of documents, chosen by the hash of their text, are held out for validation.",
        f"按文本哈希值抽出 {share:.2%} 的文档作为验证集。",
    )
    return f"<p class=soft>{said}</p>"


def _baselines(found: dict[str, dict[str, Any]]) -> str:
    """A chart of the bits per byte of models that need no training run."""
    return figure(
        plots.bars([(name, entry["bits_per_byte"]) for name, entry in found.items()]),
        "Bits per byte of the validation part: 5-gram model with Kneser-Ney smoothing, and compressors that have read the training part.",
        "验证集的每字节比特数：采用 Kneser-Ney 平滑的五元模型，以及读过训练集的压缩程序。",
    )


def _tokenizer(report: dict[str, Any]) -> str:
    rows = [
        [statistics.language(name), entry["tokens_per_byte"], entry["tokens_per_character"], entry["bytes"]]
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
