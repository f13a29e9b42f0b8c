import bz2
import io
import tracemalloc
from pathlib import Path

import pytest

from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.readers import ReadSettings, expand, read
from zhixing.corpus.wiki import articles
from zhixing.errors import InputError

HEAD = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="zh"><siteinfo><sitename>W</sitename></siteinfo>'
)


def page(title: str, text: str, ns: int = 0, more: str = "", model: str = "wikitext") -> str:
    revision = f"<revision><id>1</id><contributor><username>n</username></contributor><model>{model}</model><text>{text}</text></revision>"
    return f"<page><title>{title}</title><ns>{ns}</ns><id>7</id>{more}{revision}</page>"


def found(written: str | bytes, longest: int = 10**6) -> list[Document | Dropped]:
    return list(articles(io.BytesIO(written if isinstance(written, bytes) else written.encode()), "dump.xml", longest))


def test_articles_with_their_markup_and_the_rest_with_a_reason() -> None:
    pages = [
        page("知行", "'''知行合一''' &lt;ref&gt;x&lt;/ref&gt; &amp;amp;"),
        page("Talk:知行", "nonsense", ns=1),
        page("行知", "text", more='<redirect title="知行" />'),
        page("合一", "#重定向 [[知行]]"),
        page("Style", "a {}", model="css"),
        page("Empty", " "),
        page("Long", "x" * 2000),
        page("Revised", "old</text></revision><revision><model>wikitext</model><text>new"),
    ]
    assert found(HEAD + "".join(pages) + "</mediawiki>", 1000) == [
        Document("'''知行合一''' <ref>x</ref> &amp;", "dump.xml", record="知行", form="wiki"),
        Dropped("dump.xml", None, "wiki", "a page of another namespace than articles", "nonsense", "Talk:知行"),
        Dropped("dump.xml", None, "wiki", "a redirect", "text", "行知"),
        Dropped("dump.xml", None, "wiki", "a redirect", "#重定向 [[知行]]", "合一"),
        Dropped("dump.xml", None, "wiki", "a page that is not written in wikitext", "a {}", "Style"),
        Dropped("dump.xml", None, "wiki", "an empty page", " ", "Empty"),
        Dropped("dump.xml", None, "read", "longer than read.max_record = 1000 characters", "", "Long"),
        Document("new", "dump.xml", record="Revised", form="wiki"),
    ]


@pytest.mark.parametrize("end", ["", "<page><title>cut", "</wrong>", "<page>\0</page></mediawiki>", "<page>&undefined;</page>", "\ud8ff"])
def test_what_comes_before_damage_is_read(end: str) -> None:
    first, last = found((HEAD + page("A", "text") + end).encode("utf-8", "surrogatepass"))
    assert isinstance(first, Document) and first.text == "text"
    assert isinstance(last, Dropped) and "its XML is damaged" in last.reason and last.record and last.record.startswith("byte ")


def test_entities_that_expand_without_end_are_refused() -> None:
    bomb = '<!DOCTYPE m [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><mediawiki>' + page("A", "&b;") + "</mediawiki>"
    [item] = found(bomb)
    assert isinstance(item, Dropped) and "defines XML entities" in item.reason


def test_memory_does_not_grow_with_the_dump() -> None:
    class Long(io.RawIOBase):
        left = 3000
        block = page("A", "x" * 10_000).encode()

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return HEAD.encode() if self.left == 2999 else self.block if self.left > 0 else b"</mediawiki>" if self.left == 0 else b""

    tracemalloc.start()
    assert sum(isinstance(item, Document) for item in articles(Long(), "dump.xml", 10**6)) == 2998
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6, "of 30 MB"


def test_dumps_are_known_by_their_beginning(tmp_path: Path) -> None:
    path = tmp_path / "zhwiki-latest-pages-articles.xml.bz2"
    path.write_bytes(bz2.compress((HEAD + page("A", "text") + "</mediawiki>").encode()))
    (tmp_path / "other.xml").write_text("<?xml version='1.0'?><other/>")
    items = list(read(expand([tmp_path]), ReadSettings()))
    assert [(type(item).__name__, item.text or getattr(item, "reason", "")) for item in items] == [
        ("Dropped", "is XML that is no MediaWiki dump"),
        ("Document", "text"),
    ]
    with pytest.raises(InputError, match=r"other.xml: nothing readable in this file: is XML that is no MediaWiki dump"):
        list(read(expand([tmp_path / "other.xml"]), ReadSettings()))
