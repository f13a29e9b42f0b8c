"""Read MediaWiki dumps: the articles of an XML export, in a stream, with their markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers import expat

from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.encoding import Readable

_REDIRECT = re.compile(r"\s*#\s*(redirect|重定向|重新導向)\b", re.I)


class _Entities(Exception):
    """The file defines entities: no dump does, and what they expand to could fill any memory."""


class _Pages:
    """Collects pages from the events of the parser; of several revisions of a page the last one stays."""

    def __init__(self, source: str, longest: int) -> None:
        self.source, self.longest = source, longest
        self.done: list[Document | Dropped] = []
        self._fields: dict[str, str] = {}
        self._pieces: list[str] | None = None
        self._size = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match name:
            case "page":
                self._fields = {}
            case "title" | "ns" | "text" | "model":
                self._pieces, self._size = [], 0
            case "redirect":
                self._fields["redirect"] = attributes.get("title", "")

    def data(self, piece: str) -> None:
        if self._pieces is not None:
            self._size += len(piece)
            if self._size <= self.longest:
                self._pieces.append(piece)

    def end(self, name: str) -> None:
        if self._pieces is not None and name in ("title", "ns", "text", "model"):
            self._fields[name] = "".join(self._pieces)
            if name == "text":
                self._fields["long"] = "yes" if self._size > self.longest else ""
            self._pieces = None
        elif name == "page":
            self.done.append(self._page())
            self._fields = {}

    def _page(self) -> Document | Dropped:
        of = self._fields.get
        title, text = of("title") or None, of("text", "")
        why, stage = "", "wiki"
        if (of("ns") or "0").strip() != "0":
            why = "a page of another namespace than articles"
        elif "redirect" in self._fields or _REDIRECT.match(text):
            why = "a redirect"
        elif of("model", "wikitext") != "wikitext":
            why = "a page that is not written in wikitext"
        elif of("long"):
            why, stage = f"longer than read.max_record = {self.longest} characters", "read"
        elif not text.strip():
            why = "an empty page"
        if why:
            return Dropped(self.source, None, stage, why, text[:200], title)
        return Document(text, self.source, record=title, form="wiki")


def articles(file: Readable, source: str, longest: int) -> Iterator[Document | Dropped]:
    """Articles of a dump (namespace 0); redirects and pages of other namespaces are set aside in the stage "wiki".

    `longest`: characters of the longest page. Where the XML is damaged reading ends; what came before is read.
    """
    pages = _Pages(source, longest)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = pages.start
    parser.EndElementHandler = pages.end
    parser.CharacterDataHandler = pages.data
    parser.EntityDeclHandler = _refuse
    problem = ""
    while not problem:
        block = file.read(1 << 16)
        try:
            parser.Parse(block, not block)
        except expat.ExpatError as error:
            problem = f"its XML is damaged ({expat.ErrorString(error.code)}); what came before is read"
        except _Entities:
            problem = "it defines XML entities, which no dump does; what came before is read"
        except (ValueError, LookupError) as error:  # a declared encoding that nobody knows
            problem = f"its XML is damaged ({error!s:.60}); what came before is read"
        yield from pages.done
        pages.done.clear()
        if not block:
            break
    if problem:
        yield Dropped(source, None, "read", problem, record=f"byte {max(0, parser.ErrorByteIndex)}")


def _refuse(*_: object) -> None:
    raise _Entities
