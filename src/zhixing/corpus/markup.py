"""The stage that takes the text out of markup: HTML without what stands around the content of a page, and MediaWiki's.

HTML is parsed and laid out by Resiliparse; what is boilerplate is decided here, in three steps that do not depend on the language:
1. elements that are navigation, advertising and the like by their tag, role, class or id are left out;
2. if the page marks its main content, only that is taken;
3. lines that are links for the most part are left out (the link density of Kohlschütter, Fankhauser and Nejdl 2010, "Boilerplate detection
   using shallow text features"), and short lines that state rights.
"""

from __future__ import annotations

import re
from dataclasses import replace

from pydantic import Field

from zhixing.config import Settings
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.wikitext import reduced


class ExtractSettings(Settings):
    """How text is taken out of HTML and wiki markup."""

    boilerplate: bool = False
    """Whether navigation, footers, advertising and lists of links of HTML pages stay."""
    max_link_share: float = Field(default=0.5, ge=0, le=1)
    """Lines of an HTML page with a larger share of their characters in links are left out, headings and long sentences excepted.
    Kohlschütter et al. 2010 found a third for blocks of words; a half keeps encyclopaedic sentences, which are rich in links."""
    title: bool = False
    """Whether the title of the page or article stands above its text."""


_TAGS = ("nav", "footer", "aside", "dialog", "menu", "button", "select", "iframe", "object", "svg", "template", "noscript", "body > header")
_ROLES = ("navigation", "banner", "contentinfo", "search", "complementary", "menu", "menubar", "toolbar", "dialog", "alert")
_NAMES = (
    *("nav", "navbar", "navigation", "main-nav", "topnav", "topbar"),
    *("top-bar", "nav-bar", "menu", "main-menu", "mainmenu", "submenu", "sidebar"),
    *("side-bar", "sidenav", "breadcrumb", "breadcrumbs", "crumbs"),
    *("footer", "site-footer", "page-footer", "foot", "site-header", "masthead"),
    *("copyright", "share", "sharing", "share-buttons", "social", "social-share", "social-links", "related", "related-posts", "recommend"),
    *("recommended", "recommendations", "advertisement", "advert", "ads", "ad", "adsbygoogle", "sponsored", "promo", "cookie-banner"),
    *("cookie-consent", "cookie-notice", "popup", "modal", "newsletter"),
    *("subscribe", "pagination", "pager", "paginator", "page-nav", "toolbar"),
    *("toc", "table-of-contents", "skip-link", "mw-editsection", "mw-jump-link"),
    *("navbox", "catlinks", "printfooter", "noprint", "mw-indicators"),
)
_HIDDEN = ("[hidden]", "[aria-hidden=true]", '[style*="display:none" i]', '[style*="display: none" i]', '[style*="visibility:hidden" i]')
_BY_TAG = [*_TAGS, *(f"[role={role}]" for role in _ROLES), *_HIDDEN]
_BY_NAME = [*_BY_TAG, *(f':not(body)[{where} "{name}" i]'.replace(" ", "", 1) for name in _NAMES for where in ("class~=", "id="))]

# Where links begin and end is marked in the page itself, with characters of the private use area, which come through the layout.
_OPEN, _CLOSE = "\ue000", "\ue001"
_UNWANTED = re.compile("[\ud800-\udfff\ue000\ue001\0]")
_LINK = re.compile(r"<(/?)(a|h[1-6])\b([^<>]*)>", re.I)
_MARKED = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*)({_CLOSE}?)")
_LONGEST_LINK = 500

_SPACE = re.compile(r"\s")
_BULLET = re.compile(r"^(?:  )?( *)[•◦▪‣] ?", re.M)
_CELLS = re.compile(r" ?\t\t ?")
_SENTENCE = re.compile("[。！？!?.…][”’」』\"')）]*$")
_RIGHTS = re.compile(r"©|\(c\) ?\d{4}|copyright|all rights reserved|版权所有|版權所有|ICP备|公网安备|保留所有权利|保留一切權利", re.I)
_EMPTY_LINES = re.compile(r"\n{3,}")


def html_text(page: str, settings: ExtractSettings) -> str:
    """The text of an HTML page: an empty line between paragraphs, one line for an item of a list or row of a table (tabs between cells)."""
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    def laid_out(tree: HTMLTree, left_out: list[str]) -> str:
        return extract_plain_text(tree, preserve_formatting=True, alt_texts=False, list_bullets=True, skip_elements=left_out)

    page = _UNWANTED.sub("", page)
    if settings.boilerplate:
        tree = HTMLTree.parse(page)
        text = laid_out(tree, list(_HIDDEN))
    else:
        tree = HTMLTree.parse(_with_marks(page))
        inner = tree
        mains = tree.document.query_selector_all("main, [role=main]") if tree.document else []
        if len(mains) == 1 and len(mains[0].text or "") > 200:
            inner = HTMLTree.parse(mains[0].html)
        text = _without_links(laid_out(inner, _BY_NAME), settings.max_link_share)
        if not text.strip():  # the whole page stands in an element with the name of a menu, say
            text = _without_links(laid_out(tree, _BY_TAG), settings.max_link_share)
    text = _CELLS.sub("\t", _BULLET.sub(r"\1- ", text))
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    text = _EMPTY_LINES.sub("\n\n", text).strip("\n")
    title = _UNWANTED.sub("", tree.title or "").strip() if settings.title else ""
    return f"{title}\n\n{text}" if title and text and not text.startswith(title) else text


def _with_marks(page: str) -> str:
    """The page with its links marked, but for those in headings: that a headline is a link says nothing against it."""
    heading = False

    def mark(match: re.Match[str]) -> str:
        nonlocal heading
        if match[2] not in "aA":
            heading = not match[1]
        elif match[1]:
            return _CLOSE + match[0]
        elif not heading and "href" in match[3].lower():
            return match[0] + _OPEN
        return match[0]

    return _LINK.sub(mark, page)


def _without_links(text: str, most: float) -> str:
    """Lines that are no links for the most part, without the marks. A link that is never closed ends with its line, or at the next."""
    inside = [
        (match.start(), match.end(), bool(match[2]) and match.end() - match.start() <= _LONGEST_LINK) for match in _MARKED.finditer(text)
    ]
    kept: list[str] = []
    at, which = 0, 0
    for line in text.split("\n"):
        end, linked = at + len(line), 0
        while which < len(inside) and inside[which][0] < end:
            start, stop, closed = inside[which]
            linked += _visible(text[max(start, at) : min(stop, end)])
            if closed and stop > end:
                break
            which += 1
        at = end + 1
        plain = line.replace(_OPEN, "").replace(_CLOSE, "")
        size = _visible(plain)
        sentence = size >= 40 and _SENTENCE.search(plain.rstrip())
        if size and ((linked > most * size and not sentence) or (size < 100 and _RIGHTS.search(plain))):
            continue
        kept.append(plain)
    return "\n".join(kept)


def _visible(text: str) -> int:
    return sum(not c.isspace() and c not in (_OPEN, _CLOSE) for c in text)


class Extract:
    """The stage that turns HTML and wiki markup into text; documents that are text already pass."""

    def __init__(self, settings: ExtractSettings) -> None:
        self.settings = settings

    def __call__(self, batch: list[Document]) -> tuple[list[Document], list[Dropped]]:
        """The documents as text; those of which nothing is left are dropped."""
        kept: list[Document] = []
        dropped: list[Dropped] = []
        for document in batch:
            match document.form:
                case "text":
                    kept.append(document)
                    continue
                case "html":
                    text = html_text(document.text, self.settings)
                case "wiki":
                    text = reduced(document.text)
                    if self.settings.title and text and document.record:
                        text = f"{document.record}\n\n{text}"
            if text.strip():
                kept.append(replace(document, text=text, form="text"))
            else:
                dropped.append(Dropped.of(document, "extract", "no text is left without its markup and boilerplate"))
        return kept, dropped
