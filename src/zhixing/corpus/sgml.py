"""Read SGML as the Linguistic Data Consortium writes it (Gigaword, TREC): many <DOC>s in a file, with headlines and paragraphs."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from zhixing.corpus.document import Document, Dropped

_EDGE = re.compile(r"(?=<DOC(?:\s[^<>]*)?>)|(?<=</DOC>)", re.I)
_BEGIN = re.compile(r"<DOC(?:\s[^<>]*)?>", re.I)
_END = re.compile(r"</DOC>", re.I)
_ID = re.compile(r"<DOC\s[^>]*?\bid\s*=\s*[\"']?([^\"'\s>]+)|<DOC(?:NO|ID)>\s*([^<]*?)\s*</?DOC", re.I)
_HEADLINE = re.compile(
    r"<(HEADLINE|HEAD|HL|TITLE)(?:\s[^<>]*)?>(.*?)(?=</?(?:HEADLINE|HEAD|HL|TITLE|DATELINE|TEXT|P|DOC)\b|\Z)", re.I | re.S
)
_TEXT = re.compile(r"<TEXT(?:\s[^<>]*)?>(.*?)(?=</TEXT|</DOC|\Z)", re.I | re.S)
_META = re.compile(
    r"<(DOCNO|DOCID|DOCTYPE|DATE_TIME|DATETIME|DATE|FILEID|SOURCE|KEYWORD|LANGUAGE|AUTHOR|DATELINE)\b[^<>]*>[^<]*(?:</\1\s*>)?", re.I
)
_PARAGRAPH = re.compile(r"</?(?:P|TURN|SEG|POST|QUOTE)(?:\s[^<>]*)?>", re.I)
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9_.-]*(?:\s[^<>]*)?/?>|<[!?][^<>]*>")
_WRAPPED = re.compile(r"[ \t\r]*\n[ \t]*")
_WIDE = "[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
_BETWEEN_WIDE = re.compile(f"(?<={_WIDE})\n(?={_WIDE})")


def articles(source: str, entries: Iterator[tuple[int, str] | Dropped], longest: int) -> Iterator[Document | Dropped]:
    """Documents of an SGML file from its numbered lines; lines that were set aside are passed on.

    A document ends at `</DOC>`, or where the next one begins, or with the file. `longest`: its characters at most.
    """
    held: list[str] = []
    first, size, inside = 0, 0, False
    for entry in entries:
        if isinstance(entry, Dropped):
            yield entry
            continue
        number, line = entry
        for part in _EDGE.split(line) if "<" in line else (line,):
            if _BEGIN.match(part):
                if inside:
                    yield _document(source, first, held, size, longest)
                held, first, size, inside = [], number, 0, True
            if not inside:
                if part.strip() and _TAG.sub("", part).strip():
                    yield Dropped(source, number, "read", "text outside of any <DOC>", part[:200])
                continue
            size += len(part)
            if size <= longest:
                held.append(part)
            if _END.search(part):
                yield _document(source, first, held, size, longest)
                held, inside = [], False
    if inside:
        yield _document(source, first, held, size, longest)


def _document(source: str, line: int, held: list[str], size: int, longest: int) -> Document | Dropped:
    written = "".join(held)
    found = _ID.search(written[:10_000])
    record = html.unescape(found[1] or found[2]) if found else None
    if size > longest:
        return Dropped(source, line, "read", f"longer than read.max_record = {longest} characters", written[:200], record)
    text = reduced(written)
    if not text:
        return Dropped(source, line, "read", "holds no text", written[:200], record)
    return Document(text, source, line, record)


def reduced(written: str) -> str:
    """The text of one <DOC>: headline and paragraphs, an empty line between them, lines of a paragraph joined."""
    headline = _HEADLINE.search(written)
    bodies = [match[1] for match in _TEXT.finditer(written)] or [_META.sub("", _HEADLINE.sub("", _BEGIN.sub("", written)))]
    paragraphs = [_flowing(headline[2])] if headline else []
    for body in bodies:
        marked = _PARAGRAPH.search(body)
        for paragraph in _PARAGRAPH.split(body) if marked else [body]:
            paragraphs.append(_flowing(paragraph) if marked else _plain(paragraph))
    return "\n\n".join(p for p in paragraphs if p)


def _plain(marked: str) -> str:
    return html.unescape(_TAG.sub("", marked)).strip()


def _flowing(marked: str) -> str:
    """A paragraph on one line: Chinese is joined without a space."""
    return _BETWEEN_WIDE.sub("", _WRAPPED.sub("\n", _plain(marked))).replace("\n", " ")
