"""What is left in text of the page that it stood on: tags and entities of HTML, addresses, signs that are no writing."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import cache
from html.entities import html5

_BLOCKS = (
    "address|article|aside|blockquote|body|br|caption|center|dd|div|dl|dt|figcaption|figure|footer|form|h[1-6]|head|header|hr|html|li|main"
)
_BLOCKS += "|nav|ol|option|p|pre|section|summary|table|tbody|tfoot|thead|title|tr|ul"
_INLINE = (
    "a|abbr|acronym|audio|b|big|button|canvas|cite|code|col|colgroup|del|details|dfn|em|embed|fieldset|font|frame|frameset|i|iframe|img"
)
_INLINE += (
    "|input|ins|kbd|label|legend|link|map|mark|meta|noscript|object|param|picture|q|s|samp|select|small|source|span|strike|strong|sub|sup"
)
_INLINE += "|svg|td|textarea|th|time|tt|u|var|video|wbr|o:p|v:[a-z]+|w:[a-z]+"
_FLAGS = "async|autoplay|checked|controls|defer|disabled|hidden|loop|multiple|muted|nowrap|open|readonly|required|selected"
_REST = rf"""(?:\s+(?:[\w:.@-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>]+)|{_FLAGS}))*\s*/?>"""  # `a<b and c>d` is no tag
_UNSEEN = ((re.compile("<!--"), "-->"), *((re.compile(rf"<{name}\b[^<>]*>", re.I), f"</{name}>") for name in ("script", "style")))
_SINGLE = re.compile(r"<!doctype\b[^<>]*>|<\?xml\b[^<>]*>|<!\[CDATA\[|\]\]>", re.I)
_BLOCK = re.compile(rf" ?</?(?:{_BLOCKS}){_REST} ?", re.I)
_TAG = re.compile(rf"</?(?:{_INLINE}){_REST}", re.I)
_ENTITY = re.compile(
    r"&(?:(?:amp|#0{0,5}38|#[xX]0{0,4}26);)*(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});|&nbsp\b", re.I
)
_AMPERSANDS = re.compile(r"^&(?:(?:amp|#0{0,5}38|#[xX]0{0,4}26);)+", re.I)


def without_html(text: str) -> str:
    """The text without HTML's tags and comments, and with characters for its entities: what ends a line in a page ends one here."""
    if "<" in text and ">" in text:
        for opening, closing in _UNSEEN:
            text = _without(text, opening, closing)
        text = _TAG.sub("", _BLOCK.sub("\n", _SINGLE.sub("", text)))
    return _ENTITY.sub(_character, text) if "&" in text else text


def _without(text: str, opening: re.Pattern[str], closing: str) -> str:
    """The text without what stands between an opening and the next closing; in one pass, however many are never closed."""
    pieces, at, low = [], 0, text.lower()
    while (found := opening.search(text, at)) and (end := low.find(closing, found.end())) >= 0:
        pieces.append(text[at : found.start()])
        at = end + len(closing)
    return "".join([*pieces, text[at:]])


def _character(entity: re.Match[str]) -> str:
    """`&amp;` again and again, which grows by each careless copy, is taken off at once; names are those of HTML5."""
    inner = _AMPERSANDS.sub("&", entity[0])
    if inner == "&":
        return inner
    name = inner[1:].rstrip(";") + ";"
    return html.unescape(inner) if name[0] == "#" else html5.get(name, inner)


ADDRESS = re.compile(r"(?<![A-Za-z0-9@.])(?:(?:https?|ftp)://|www\.)[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*[A-Za-z0-9\-_~/#=&%+$*@]", re.I)
URL = "<URL>"
"""Stands for an address that is masked."""


def addresses(text: str, instead: str) -> str:
    """The text with `instead` for each address of the Web; marks of the sentence behind it stay."""
    if "://" not in text and "www." not in text.lower():
        return text
    return ADDRESS.sub(instead, text) if instead else re.sub(f" ?{ADDRESS.pattern}", "", text, flags=re.I)


_KEPT_SYMBOLS = "°©®™℃℉№"


_JOINED = "\u200d\u20e3\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"  # what makes one picture of several


def without_symbols(text: str) -> str:
    """The text without pictures (emoji, dingbats, boxes, arrows that are no mathematics), and without characters that mean nothing:
    private, unassigned, U+FFFD. Currencies, mathematics, and the signs ° © ® ™ ℃ ℉ № stay."""
    if text.isascii() or not (unwanted := [c for c in sorted(set(text)) if _is_symbol(c)]):
        return text
    return re.sub(f"[{''.join(unwanted)}][{_JOINED}]*", "", text)


@cache
def _is_symbol(character: str) -> bool:
    return character > "\x7f" and character not in _KEPT_SYMBOLS and unicodedata.category(character) in ("So", "Co", "Cn")
