"""The page that all reports share: bilingual text, tables, figures, one style sheet.

Whatever a folder lacks, or holds damaged, is said where it would stand: a report never fails the work that it reports on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from zhixing.console import duration
from zhixing.errors import InputError
from zhixing.evaluate.report.reasons import in_chinese
from zhixing.files import read_json

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1a; --soft: #6b6a64; --line: #e2e0d8; --paper: #fdfcf9; --panel: #f5f3ec; --bar: #c9c6bb;
  --accent: #a8321e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9e7e0; --soft: #a09e95; --line: #3a3935; --paper: #191917; --panel: #23221f; --bar: #55534c;
    --accent: #e5816c; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.4rem 1.2rem 5rem; max-width: 56rem; background: var(--paper); color: var(--ink); text-size-adjust: 100%;
  font: 16px/1.6 Georgia, "Noto Serif CJK SC", "Source Han Serif SC", "Songti SC", SimSun, serif; }
h1 { font-size: 1.9rem; line-height: 1.25; margin: 0.2rem 0 0.4rem; font-weight: normal; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 0.8rem; padding-top: 0.8rem; border-top: 1px solid var(--line); }
p, li { max-width: 42rem; } small, .soft { color: var(--soft); }
.numbers { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 0.6rem; margin: 1.4rem 0; }
.numbers div { background: var(--panel); padding: 0.6rem 0.9rem; border-radius: 4px; }
.numbers b { display: block; font-size: 1.35rem; font-weight: normal; font-variant-numeric: tabular-nums; }
.numbers div > span { color: var(--soft); font-size: 0.85rem; line-height: 1.35; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: lining-nums tabular-nums; margin: 0.6rem 0; }
th, td { padding: 0.3rem 1.4rem 0.3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
td { min-width: 3.5rem; max-width: 30rem; overflow-wrap: break-word; } th { font-weight: normal; color: var(--soft); white-space: nowrap; }
td.n, th.n { text-align: right; white-space: nowrap; }
figure { margin: 1rem 0 1.4rem; } figure svg { width: 100%; max-width: 38rem; height: auto; display: block; }
figcaption { color: var(--soft); font-size: 0.85rem; max-width: 42rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 0 2rem; }
.pair figure { margin: 0.4rem 0; min-width: 0; } .wide { min-width: 10rem; } .whole { white-space: nowrap; }
.example { margin: 0 0 0.5rem 1rem; font-size: 0.85rem; overflow-wrap: anywhere; max-width: 46rem; }
.lists { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(14rem, 100%), 1fr)); gap: 0.6rem 2rem; }
.lists p { margin: 0.6rem 0 0; }
.ranking { width: 100%; } .ranking td { padding: 0.12rem 0.6rem 0.12rem 0; border: 0; min-width: 0; } .ranking td:last-child { width: 35%; }
.ranking i { display: block; height: 0.5rem; margin-top: 0.5rem; background: var(--bar); }
blockquote { margin: 0.8rem 0; padding: 0.7rem 1rem; background: var(--panel); border-left: 3px solid var(--accent); white-space: pre-wrap;
  overflow-wrap: anywhere; max-width: 46rem; }
blockquote b { color: var(--accent); font-weight: normal; }
code, .piece { font-family: ui-monospace, Menlo, Consolas, "Noto Sans Mono CJK SC", monospace; font-size: 0.82rem; }
.piece { display: inline-block; max-width: 100%; overflow-wrap: anywhere; padding: 0 0.2rem; margin: 0.1rem; background: var(--panel);
  border-radius: 2px; white-space: pre-wrap; }
.warning { border-left: 3px solid var(--accent); padding: 0.2rem 0 0.2rem 0.8rem; }
nav { text-align: right; font-size: 0.9rem; } nav label { cursor: pointer; color: var(--accent); padding: 0.2rem 0.4rem; }
#zh { position: absolute; opacity: 0; } #zh:focus-visible + nav label { outline: 2px solid var(--accent); }
[lang=zh] { display: none; } #zh:checked ~ * [lang=zh] { display: inline; } #zh:checked ~ * [lang=en] { display: none; }
@media print { nav { display: none; } section { break-inside: avoid-page; } }
"""

PARTS = {"train": ("training", "训练"), "valid": ("validation", "验证"), "test": ("test", "测试")}
LANGUAGES = {"zh": ("Chinese", "中文"), "en": ("English", "英文"), "other": ("other", "其他")}


class Html(str):
    """Text that is markup already and is not escaped again."""


class Absent(Exception):
    """A file of the folder is not there; its name."""


def read(folder: Path, name: str, kind: type = dict) -> Any:
    """What a JSON file of the folder holds. Raises `Absent`, or `InputError` when it is damaged."""
    if not (folder / name).is_file():
        raise Absent(name)
    value = read_json(folder / name)
    if not isinstance(value, kind):
        raise InputError(name, f"does not hold a JSON {'object' if kind is dict else 'list'}")
    return value


def read_lines(folder: Path, name: str, most: int | None = None) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file, up to the first line that is still being written. Raises `Absent`."""
    if not (folder / name).is_file():
        raise Absent(name)
    found: list[dict[str, Any]] = []
    with open(folder / name, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                found.append(dict(json.loads(line)))
            except (TypeError, ValueError):
                break
            if len(found) == most:
                break
    return found


def both(english: str, chinese: str) -> Html:
    """A text in both languages (HTML), of which the page shows one."""
    return Html(f'<span lang="en">{english}</span><span lang="zh">{chinese}</span>')


UNFINISHED = f"<p>{both('This run has not finished yet.', '训练尚未结束。')}</p>"
ORDINARY = f"<p>{both('Nothing out of the ordinary was found.', '未发现异常。')}</p>"
NONE = f"<p>{both('None.', '无。')}</p>"


def part_name(name: str) -> Html:
    """The name of a part of the data."""
    return both(*PARTS.get(name, (name, name)))


def warnings(texts: Iterable[str]) -> str:
    """What should be looked at; nothing without any."""
    return "".join(f'<p class="warning">{told(str(text))}</p>' for text in texts)


def told(reason: str) -> Html:
    """A reason or a warning of a record, in both languages as far as there is a translation."""
    return both(escape(reason), escape(in_chinese(reason)))


def page(title: str, subtitle: str, parts: Iterable[str]) -> str:
    """A whole page. A reader whose browser asks for Chinese gets Chinese first; the switch needs no script."""
    chosen = "if((navigator.language||'').startsWith('zh'))document.getElementById('zh').checked=true"
    return (
        '<!doctype html><html lang="en-GB"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        '<input type="checkbox" id="zh" aria-label="中文"><nav><label for="zh">' + both("中文", "English") + "</label></nav>"
        f"<main><h1>{escape(title)}</h1><p class=soft>{subtitle}</p>{''.join(parts)}</main><script>{chosen}</script></body></html>\n"
    )


def section(english: str, chinese: str, *pieces: Callable[[], str]) -> str:
    """A heading and what stands under it; nothing if that is empty."""
    body = "".join(piece(make) for make in pieces)
    return f"<section><h2>{both(english, chinese)}</h2>{body}</section>" if body else ""


def piece(make: Callable[[], str]) -> str:
    """What `make` draws, or one line that says why it cannot."""
    try:
        return make()
    except Absent as absent:
        name = f"<code>{escape(str(absent))}</code>"
        return f"<p class=soft>{both(f'{name} is not there (yet).', f'{name} 尚不存在。')}</p>"
    except InputError as error:
        return f'<p class="warning">{both(escape(str(error)), f"文件已损坏：{escape(str(error))}")}</p>'
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, OSError) as error:
        what = escape(f"{type(error).__name__}: {error}"[:200])
        english, chinese = "What the folder holds here cannot be shown", "此处的内容无法显示"
        return f'<p class="warning">{both(f"{english} ({what}).", f"{chinese}（{what}）。")}</p>'


def numbers(entries: Iterable[tuple[str, str, str]]) -> str:
    """Large figures: (value, English caption, Chinese caption)."""
    return '<div class="numbers">' + "".join(f"<div><b>{show(v)}</b>{both(e, z)}</div>" for v, e, z in entries) + "</div>"


def table(head: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]]) -> str:
    """A table; head entries are (English, Chinese), numbers are set to the right."""
    body = list(rows)
    if not body:
        return ""
    right = [all(isinstance(row[i], int | float) and not isinstance(row[i], bool) for row in body) for i in range(len(head))]
    cells = "".join(f"<th{' class=n' if r else ''}>{both(*h)}</th>" for h, r in zip(head, right, strict=True))
    lines = "".join(
        "<tr>" + "".join(f"<td{' class=n' if r else ''}>{show(v)}</td>" for v, r in zip(row, right, strict=True)) + "</tr>" for row in body
    )
    return f'<div class="scroll"><table><tr>{cells}</tr>{lines}</table></div>'


def ranking(entries: Sequence[Sequence[Any]]) -> str:
    """A list of (words, number) with bars as long as the numbers."""
    most = max((number for _, number in entries), default=1) or 1
    rows = ""
    for words, number in entries:
        shown = f"{number:.2f}" if isinstance(number, float) else show(number)
        bar = f'<i style="width: {number / most:.1%}"></i>'
        rows += f"<tr><td>{show(words)}</td><td class=n>{shown}</td><td>{bar}</td></tr>"
    return f'<table class="ranking">{rows}</table>' if rows else ""


def show(value: Any) -> str:
    """A value as people read it; HTML."""
    match value:
        case Html():
            return value
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float() if math.isfinite(value):
            return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return escape(str(value))


def wide(text: str) -> Html:
    """A table's cell for running text, which is not squeezed on a narrow screen."""
    return Html(f'<div class="wide">{escape(text)}</div>')


def duration_zh(seconds: float) -> str:
    """A time span for people who read Chinese: `42 秒`, `3 分 05 秒`, `2 小时 10 分`."""
    said = duration(seconds)
    for english, chinese in (("min", "分"), ("h", "小时"), ("s", "秒")):
        said = said.replace(english, chinese)
    return said


def figure(svg: str, english: str, chinese: str) -> str:
    """A drawing with its caption; nothing without a drawing."""
    return f"<figure>{svg}<figcaption>{both(english, chinese)}</figcaption></figure>" if svg else ""


def tree(values: dict[str, Any]) -> str:
    """Nested settings as a table of dotted names."""
    rows = [(Html(f"<code>{escape(name)}</code>"), Html(f"<code>{escape(value)}</code>")) for name, value in _flat(values, "")]
    return table([("setting", "设置"), ("value", "值")], rows)


def _flat(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield (
                f"{prefix}{name}",
                "–" if value is None or value == {} else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
            )


def record(run: Path) -> list[str]:
    """The last sections of a run's page: what decided it, what it comes from, and on what machine it began."""
    return [
        section("Settings", "设置", lambda: tree(read(run, "config.json"))),
        section("Lineage", "溯源", lambda: tree(read(run, "lineage.json"))),
        section("Environment", "环境", lambda: tree(read(run, "environment.json"))),
    ]
