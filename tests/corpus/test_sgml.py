import gzip
import time
from pathlib import Path

import pytest

from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.readers import ReadSettings, expand, read
from zhixing.corpus.sgml import articles

GIGAWORD = """<DOC id="AFP_ENG_19940512.0001" type="story" >
<HEADLINE>
Tea &amp; coffee
</HEADLINE>
<DATELINE>
PARIS, May 12 (AFP)
</DATELINE>
<TEXT>
<P>
Tea rose on Thursday,
while coffee fell.
</P>
<P>
"So it is," said &lt;Smith&gt;.
</P>
</TEXT>
</DOC>
<DOC id="XIN_CMN_19910101.0002" type="story">
<HEADLINE>
知行合一
</HEADLINE>
<TEXT>
<P>
王守仁，幼名云，字伯安，
浙江绍兴人。
</P>
</TEXT>
</DOC>
<DOC id="AFP_ENG_19940512.0003" type="other">
<TEXT>
    a table      1.5
    another line 2.5
</TEXT>
</DOC>
"""
TREC = (
    "<DOC><DOCNO> WSJ-1 </DOCNO><DOCID>x</DOCID><HL>Head</HL><DD>1/1</DD><TEXT>\nBody of it.\n</TEXT></DOC>"
    "<DOC><DOCNO> WSJ-2 </DOCNO>bare text</DOC>\n"
)


def found(written: str, longest: int = 10**6) -> list[Document | Dropped]:
    lines = enumerate(written.splitlines(keepends=True), start=1)
    return list(articles("a.sgml", iter(list(lines)), longest))


def test_documents_with_headline_and_paragraphs() -> None:
    assert found(GIGAWORD) == [
        Document(
            'Tea & coffee\n\nTea rose on Thursday, while coffee fell.\n\n"So it is," said <Smith>.', "a.sgml", 1, "AFP_ENG_19940512.0001"
        ),
        Document("知行合一\n\n王守仁，幼名云，字伯安，浙江绍兴人。", "a.sgml", 18, "XIN_CMN_19910101.0002"),
        Document("a table      1.5\n    another line 2.5", "a.sgml", 29, "AFP_ENG_19940512.0003"),
    ]
    assert [(item.text, item.record) for item in found(TREC)] == [("Head\n\nBody of it.", "WSJ-1"), ("bare text", "WSJ-2")]


@pytest.mark.parametrize("tag", ["</P>", "</TEXT>", "</HEADLINE>", "</DOC>", "<P>"])
def test_tags_that_are_not_closed_do_no_harm(tag: str) -> None:
    items = found(GIGAWORD.replace(tag, ""))
    assert [item.record for item in items] == ["AFP_ENG_19940512.0001", "XIN_CMN_19910101.0002", "AFP_ENG_19940512.0003"]
    for item, piece in zip(items, ("Tea rose on Thursday", "王守仁", "another line 2.5"), strict=True):
        assert isinstance(item, Document) and piece in item.text and "Smith" not in items[1].text and "DOC" not in item.text


def test_what_is_no_document() -> None:
    assert [
        (item.line, item.reason) for item in found("stray\n<DOC id=1>\n<TEXT>\n</TEXT>\n</DOC>\n<DOC>" + "x" * 200 + "</DOC>\n", 100)
    ] == [
        (1, "text outside of any <DOC>"),
        (2, "holds no text"),
        (6, "longer than read.max_record = 100 characters"),
    ]


def test_files_without_suffix_are_known_by_their_beginning(tmp_path: Path) -> None:
    (tmp_path / "afp_eng_199405.gz").write_bytes(gzip.compress(GIGAWORD.encode()))
    (tmp_path / "xin_cmn_199101").write_bytes(GIGAWORD.encode("gb18030"))
    (tmp_path / "c.sgml").write_text('<?xml version="1.0"?>\n<!DOCTYPE GWENG SYSTEM "g.dtd">\n' + GIGAWORD)
    items = list(read(expand([tmp_path]), ReadSettings()))
    assert len(items) == 9 and all(isinstance(item, Document) for item in items)
    assert {item.text for item in items[3:6]} == {item.text for item in items[:3]} == {item.text for item in items[6:]}


@pytest.mark.parametrize("piece", ["<DOC>", "<DATE>", "<TEXT>", "<HEADLINE>", "<P>", "<!", "<x ", "<DOC", "&amp;", "<DOCNO>"])
def test_time_grows_no_faster_than_the_file(piece: str) -> None:
    start = time.perf_counter()
    found("<DOC>" + piece * 20_000)
    assert time.perf_counter() - start < 5
