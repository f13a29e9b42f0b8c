import gzip
import io
import random
import zlib
from pathlib import Path

import brotli
import pytest

from zhixing.corpus.crawl import records
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.readers import ReadSettings, expand, read
from zhixing.errors import InputError

PAGE = "<p>知行合一，止于至善。</p>"


def record(body: bytes, kind: str = "response", content: str = "application/http; msgtype=response", url: str = "http://x.org/") -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Record-ID: <urn:uuid:1>\r\nContent-Type: {content}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"\r\n\r\n"


def response(body: bytes, *, content: str = "text/html", status: str = "200 OK", url: str = "http://x.org/", **headers: str) -> bytes:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return record(f"HTTP/1.1 {status}\r\nContent-Type: {content}\r\n{more}\r\n".encode() + body, url=url)


def found(data: bytes, longest: int = 10**6) -> list[Document | Dropped]:
    return list(records(io.BytesIO(data), "a.warc", longest))


def texts(data: bytes, longest: int = 10**6) -> list[str]:
    return [item.text for item in found(data, longest) if isinstance(item, Document)]


def test_pages_keep_their_markup_and_their_place() -> None:
    first, second = response(PAGE.encode(), url="http://x.org/1"), response(b"plain", content="text/plain", url="http://x.org/2")
    about = record(b"a: b", "warcinfo", "application/warc-fields") + record(
        b"GET / HTTP/1.1\r\n\r\n", "request", "application/http; msgtype=request"
    )
    assert found(about + first + second) == [
        Document(PAGE, "a.warc", record=f"byte {len(about)}, http://x.org/1", form="html"),
        Document("plain", "a.warc", record=f"byte {len(about + first)}, http://x.org/2"),
    ]


def test_packed_record_by_record_or_as_a_whole() -> None:
    pages = [response(f"<p>{i}</p>".encode()) for i in range(3)]
    packed = [gzip.compress(page) for page in pages]
    by_record = found(b"".join(packed))
    assert [item.text for item in by_record] == ["<p>0</p>", "<p>1</p>", "<p>2</p>"]
    assert by_record[1].record == f"byte {len(packed[0])}, http://x.org/"
    assert texts(gzip.compress(b"".join(pages))) == ["<p>0</p>", "<p>1</p>", "<p>2</p>"]


def test_what_is_no_page_is_set_aside_with_its_reason() -> None:
    data = [
        response(b"%PDF", content="application/pdf"),
        response(b"gone", status="404 Not Found"),
        response(b" \n"),
        record(b"", "revisit", "application/http; msgtype=response"),
        record(b"127.0.0.1", "response", "text/dns"),
        record(b'{"Envelope": {}}', "metadata", "application/json"),
        record(b"fetchTimeMs: 3", "metadata", "application/warc-fields"),
        response(b"x" * 2000),
        response(bytes(range(256)) * 9, content="text/plain"),
    ]
    assert [(item.stage, item.reason) for item in found(b"".join(data), longest=1000) if isinstance(item, Dropped)] == [
        ("crawl", "content of type application/pdf"),
        ("crawl", "a response of another status than 2xx"),
        ("crawl", "an empty page"),
        ("crawl", "a page that was fetched before (revisit)"),
        ("crawl", "a response that is not HTTP but text/dns"),
        ("crawl", "metadata about a page (WAT), not its text"),
        ("read", "longer than read.max_record = 1000 bytes"),
        ("read", "longer than read.max_record = 1000 bytes"),
    ]
    assert found(data[-1])[0].reason == "is binary, not text"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(PAGE.encode(), mtime=0), {"Content_Encoding": "gzip"}),
        (zlib.compress(PAGE.encode()), {"Content_Encoding": "deflate"}),
        (brotli.compress(PAGE.encode()), {"Content_Encoding": "br"}),
        (
            b"10\r\n" + PAGE.encode()[:16] + b"\r\n%x\r\n" % len(PAGE.encode()[16:]) + PAGE.encode()[16:] + b"\r\n0\r\n\r\n",
            {"Transfer_Encoding": "chunked"},
        ),
        # headers that crawlers leave when they have undone the coding
        *((PAGE.encode(), {"Content_Encoding": coding}) for coding in ("gzip", "deflate", "br", "klingon")),
        (PAGE.encode(), {"Transfer_Encoding": "chunked", "Content_Encoding": "gzip"}),
    ],
)  # fmt: skip
def test_codings_of_http(body: bytes, headers: dict[str, str]) -> None:
    assert texts(2 * response(body, **headers)) == [PAGE, PAGE]


def test_a_page_that_expands_without_end_is_not_unpacked_to_its_end() -> None:
    bomb = gzip.compress(bytes(10**8))
    [item] = found(response(bomb, Content_Encoding="gzip"))
    assert item.reason == "longer than read.max_record = 1000000 bytes"


@pytest.mark.parametrize(("charset", "encoding"), [("gbk", "gb18030"), ("utf-8", "gb18030"), ("iso-8859-1", "utf-8"), ("big5", "gb18030")])
def test_charsets_declared_rightly_and_wrongly(charset: str, encoding: str) -> None:
    written = PAGE * 5
    assert texts(response(written.encode(encoding), content=f"text/html; charset={charset}")) == [written]


def test_after_damage_reading_goes_on_with_the_next_record() -> None:
    pages = [response(f"<p>{i} {'x' * 100}</p>".encode()) for i in range(5)]
    places = [sum(map(len, pages[:i])) for i in range(5)]

    def outcome(data: bytes) -> tuple[str, list[str | None]]:
        items = found(data)
        good = "".join(item.text[3] for item in items if isinstance(item, Document))
        return good, [item.record for item in items if isinstance(item, Dropped) and "a damaged record" in item.reason]

    whole = b"".join(pages)
    assert outcome(whole) == ("01234", [])
    assert outcome(whole[:-60]) == ("0123", [f"byte {places[4]}"]), "cut short"
    assert outcome(whole.replace(b"Content-Length: 1", b"Content-Length: 9991", 1)) == ("1234", ["byte 0"]), "a length that is too large"
    assert outcome(pages[0] + b"junk " * 50 + whole) == ("001234", ["byte 0"])
    assert outcome(pages[0] + pages[1].replace(b"WARC/", b"XARC/") + b"".join(pages[2:])) == ("0234", ["byte 0"])
    packed = [bytearray(gzip.compress(page)) for page in pages]
    starts = [sum(map(len, packed[:i])) for i in range(5)]
    packed[2][-30] ^= 255
    assert outcome(b"".join(packed)) == ("0134", [f"byte {starts[2]}"])
    packed[1][:4] = b"junk"
    assert outcome(b"".join(packed))[0] == "034"


def test_damage_of_any_kind_is_one_reject_not_an_error() -> None:
    draw = random.Random(2)
    pages = [response(f"<p>{draw.randbytes(50).hex()}</p>".encode()) for _ in range(20)]
    for data in (b"".join(pages), b"".join(map(gzip.compress, pages)), gzip.compress(b"".join(pages))):
        for _ in range(60):
            broken = bytearray(data)
            for _ in range(draw.choice([1, 3, 10])):
                place = draw.randrange(len(broken))
                broken[place : place + draw.randrange(3)] = draw.randbytes(draw.randrange(3))
            found(bytes(broken))


def test_a_crawl_of_which_nothing_is_text_is_no_mistake(tmp_path: Path) -> None:
    wat, junk, text = tmp_path / "a.wat", tmp_path / "b.warc", tmp_path / "c.txt"
    wat.write_bytes(record(b'{"Envelope": {}}', "metadata", "application/json"))
    junk.write_bytes(b"junk" * 99)
    text.write_text("text")
    assert [item.text for item in read(expand([wat, text]), ReadSettings()) if isinstance(item, Document)] == ["text"]
    with pytest.raises(InputError, match=r"b.warc: nothing readable in this file: a damaged record \(Invalid WARC header\)"):
        list(read(expand([junk, text]), ReadSettings()))
