"""The page that all reports share: bilingual text, tables, figures, one style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

STYLE = """
:root { --ink: #1c1c1a; --soft: #6b6a64; --line: #e2e0d8; --paper: #fdfcf9; --panel: #f5f3ec; --accent: #a8321e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9e7e0; --soft: #a09e95; --line: #3a3935; --paper: #191917; --panel: #23221f; --accent: #e5816c; }
  figure svg { filter: invert(0.9) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.2rem 5rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 16px/1.6 Georgia, "Noto Serif CJK SC", "Songti SC", SimSun, serif; }
h1 { font-size: 1.9rem; line-height: 1.25; margin: 0.2rem 0 0.4rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 0.8rem; padding-top: 0.8rem; border-top: 1px solid var(--line); }
p, li { max-width: 42rem; } small, .soft { color: var(--soft); }
.numbers { display: flex; flex-wrap: wrap; gap: 0.6rem; margin: 1.2rem 0; }
.numbers div { background: var(--panel); padding: 0.6rem 1rem; border-radius: 4px; min-width: 8rem; }
.numbers b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.numbers span { color: var(--soft); font-size: 0.85rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 1rem 0.3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: normal; color: var(--soft); } td.n, th.n { text-align: right; }
figure { margin: 1rem 0; } figure svg { width: 100%; height: auto; max-width: 46rem; display: block; }
figcaption { color: var(--soft); font-size: 0.85rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 0.5rem 2rem; }
blockquote { margin: 0.8rem 0; padding: 0.7rem 1rem; background: var(--panel); border-left: 3px solid var(--accent); white-space: pre-wrap;
  overflow-wrap: anywhere; }
blockquote b { color: var(--accent); font-weight: normal; }
code, pre, .piece { font-family: ui-monospace, Menlo, Consolas, "Noto Sans Mono CJK SC", monospace; font-size: 0.82rem; }
pre { background: var(--panel); padding: 0.8rem; overflow-x: auto; }
.piece { display: inline-block; padding: 0 0.2rem; margin: 0.1rem; background: var(--panel); border-radius: 2px; white-space: pre; }
.warning { border-left: 3px solid var(--accent); padding: 0.2rem 0 0.2rem 0.8rem; }
nav { text-align: right; font-size: 0.9rem; } nav label { cursor: pointer; color: var(--accent); padding: 0.2rem 0.4rem; }
#zh { position: absolute; opacity: 0; } #zh:focus-visible + nav label { outline: 2px solid var(--accent); }
[lang=zh] { display: none; } #zh:checked ~ * [lang=zh] { display: inline; } #zh:checked ~ * [lang=en] { display: none; }
"""


def both(english: str, chinese: str) -> str:
    """A text in both languages, of which the page shows one; HTML."""
    return f'<span lang="en">{english}</span><span lang="zh">{chinese}</span>'


def page(title: str, subtitle: str, parts: Iterable[str]) -> str:
    """A whole page. A reader whose browser asks for Chinese gets Chinese first; the switch needs no script."""
    chosen = "if((navigator.language||'').startsWith('zh'))document.getElementById('zh').checked=true"
    return (
        '<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        '<input type="checkbox" id="zh" aria-label="中文"><nav><label for="zh">' + both("中文", "English") + "</label></nav>"
        f"<main><h1>{escape(title)}</h1><p class=soft>{subtitle}</p>{''.join(parts)}</main><script>{chosen}</script></body></html>\n"
    )


def section(english: str, chinese: str, *parts: str) -> str:
    """A heading and what stands under it; nothing if that is empty."""
    body = "".join(parts)
    return f"<section><h2>{both(english, chinese)}</h2>{body}</section>" if body else ""


def numbers(entries: Iterable[tuple[str, str, str]]) -> str:
    """Large figures: (value, English caption, Chinese caption)."""
    return '<div class="numbers">' + "".join(f"<div><b>{escape(v)}</b><span>{both(e, z)}</span></div>" for v, e, z in entries) + "</div>"


def table(head: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]]) -> str:
    """A table; head entries are (English, Chinese), numbers are set to the right."""
    body = list(rows)
    if not body:
        return ""
    right = [all(isinstance(row[i], int | float) for row in body) for i in range(len(head))]
    cells = "".join(f"<th{' class=n' if r else ''}>{both(*h)}</th>" for h, r in zip(head, right, strict=True))
    lines = "".join(
        "<tr>" + "".join(f"<td{' class=n' if r else ''}>{show(v)}</td>" for v, r in zip(row, right, strict=True)) + "</tr>" for row in body
    )
    return f'<div class="scroll"><table><tr>{cells}</tr>{lines}</table></div>'


def show(value: Any) -> str:
    """A value as people read it; HTML."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return escape(str(value))


def figure(svg: str, english: str, chinese: str) -> str:
    """A drawing with its caption."""
    return f"<figure>{svg}<figcaption>{both(english, chinese)}</figcaption></figure>"


def tree(values: dict[str, Any]) -> str:
    """Nested settings as a table of dotted names."""
    return table([("setting", "设置"), ("value", "值")], _flat(values, ""))


def _flat(values: dict[str, Any], prefix: str) -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
