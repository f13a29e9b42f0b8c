"""The report of a folder of word vectors."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from zhixing.console import count, duration
from zhixing.evaluate.report import plots
from zhixing.evaluate.report.page import both, duration_zh, figure, numbers, page, piece, ranking, read, section, tree
from zhixing.evaluate.report.statistics import lineage
from zhixing.files import write_text

_METHODS = {"tsne": ("t-SNE: near words are alike, far ones need not be unlike", "t-SNE：相近的词相似，相距远的未必不相似"),
            "pca": ("the first two principal components", "前两个主成分")}  # fmt: skip


def write_vectors_report(folder: Path, name: str) -> None:
    """Write `report.html` into a folder of vectors that is going to be called `name`."""
    result, config = partial(read, folder, "result.json"), partial(read, folder, "config.json")
    body = [
        piece(lambda: _headline(result())),
        section("Analogy", "类比", lambda: _analogy(result()["analogy"])),
        section("Nearest words", "近义词", lambda: _nearest(result()["nearest"])),
        section("Words in the plane", "词的平面图", lambda: _picture(read(folder, "picture.json", list), config()["picture"]["method"])),
        section("Settings", "设置", lambda: tree(config())),
        section("Lineage", "溯源", lambda: lineage(read(folder, "lineage.json"))),
    ]
    write_text(folder / "report.html", page(f"vectors · {name}", both("Word embeddings", "词向量"), body))


def _headline(result: dict[str, Any]) -> str:
    units = {"word": ("words with a vector", "有向量的词"), "token": ("tokens with a vector", "有向量的词元")}[result["unit"]]
    return numbers(
        [
            (f"{result['words']:,}", *units),
            (f"{result['width']:,}", "numbers in each", "维数"),
            (count(result["text_words"]), "words in the text", "文本总词数"),
            (both(duration(result["seconds"]), duration_zh(result["seconds"])), "of training", "训练用时"),
            (count(result["words_per_second"]), "words a second", "每秒词数"),
        ]
    )


def _analogy(found: dict[str, Any] | None) -> str:
    """A question of the form a : b = ? : c, and its answers."""
    if found is None:
        return ""
    a, b, c = (f"<b>{escape(found[name])}</b>" for name in "abc")
    question = both(f"What is to {c} as {a} is to {b}?", f"{a} 之于 {b}，如何者之于 {c}？")
    return f'<p>{question}</p><div class="lists"><div>{_ranked(found["found"])}</div><div></div></div>'


def _nearest(found: dict[str, list[list[Any]]]) -> str:
    lists = "".join(f"<div><p><b>{escape(word.strip())}</b></p>{_ranked(near)}</div>" for word, near in found.items())
    note = both("Bars and numbers are the cosine of the two vectors.", "数字和条形为两个向量夹角的余弦。")
    return f'<p class=soft>{note}</p><div class="lists">{lists}</div>' if lists else ""


def _ranked(found: list[list[Any]]) -> str:
    return ranking([(word.strip(), round(max(0.0, cosine), 2)) for word, cosine in found])


def _picture(pictures: list[list[dict[str, Any]]], method: str) -> str:
    english, chinese = _METHODS[method]
    drawn = "".join(
        figure(
            plots.words([(point["word"].strip(), point["x"], point["y"]) for point in points]),
            f"Frequent words; {english}. A dot is a word that would have covered another.",
            f"常用词；{chinese}。圆点为会遮住他词的词。",
        )
        for points in pictures
    )
    return f'<div class="pair">{drawn}</div>' if len(pictures) > 1 else drawn
