import itertools
import random

import pytest

from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.sections import SECTION, Grouping, grouped


def documents(text: str, grouping: Grouping) -> list[Document]:
    found = list(grouped("f.txt", iter(enumerate(text.splitlines(keepends=True), start=1)), grouping))
    assert all(isinstance(d, Document) for d in found)
    return [d for d in found if isinstance(d, Document)]


def test_lines_paragraphs_and_files() -> None:
    text = "one\ntwo\n\n  \nthree\n"
    assert [(d.text, d.line) for d in documents(text, "line")] == [("one\n", 1), ("two\n", 2), ("three\n", 5)]
    assert [(d.text, d.line) for d in documents(text, "paragraph")] == [("one\ntwo\n", 1), ("three\n", 5)]
    assert [(d.text, d.line) for d in documents(text, "file")] == [(text, 1)]
    assert [(d.text, d.line) for d in documents(text, "auto")] == [(text, 1)]
    assert documents(" \n\n", "file") == documents("", "auto") == []


@pytest.mark.parametrize(
    "text",
    [
        "A sentence that says little. " * 6 + "\n",
        ("word " * 30 + "\n") * 5 + "\n",
        "".join(f"{i}\n" for i in range(9)) + "\n",
        "此句甚短。",
        "x",
    ],
    ids=["lines", "paragraphs", "short", "no line ends", "no place to cut"],
)
def test_long_files_are_cut_into_sections_that_make_up_the_file(text: str) -> None:
    text *= 100_000 // len(text)
    found = documents(text, "auto")
    assert "".join(d.text for d in found) == text
    assert len(found) > 4
    assert all(SECTION // 2 <= len(d.text) <= 2 * SECTION + 200 for d in found[:-1])
    starts = [0, *itertools.accumulate(len(d.text) for d in found)]
    assert [d.line for d in found] == [text[:start].count("\n") + 1 for start in starts[:-1]]


def test_sections_end_at_blank_lines_then_line_ends_then_sentences() -> None:
    paragraphs = documents(("word " * 30 + "\n") * 5 + "\n" * 1, "auto")
    assert len(paragraphs) == 1
    assert all(d.text.endswith("\n\n") for d in documents((("word " * 30 + "\n") * 5 + "\n") * 100, "auto"))
    assert all(d.text.endswith("\n") for d in documents(("word " * 30 + "\n") * 500, "auto"))
    assert all(d.text.endswith("。") for d in documents("此句甚短。" * 20_000, "auto"))
    assert all(d.text.endswith(" ") for d in documents("word " * 20_000, "auto"))


def test_what_was_set_aside_passes_through() -> None:
    aside = Dropped("f.txt", 2, "read", "too long")
    found = list(grouped("f.txt", iter([(1, "one\n"), aside, (3, "three\n")]), "file"))
    assert found == [aside, Document("one\nthree\n", "f.txt", 1)]


@pytest.mark.parametrize("end", ["\n", "\n\n"])
def test_a_copy_that_begins_elsewhere_is_soon_cut_at_the_same_places(end: str) -> None:
    draw = random.Random(5)
    text = "".join("".join(draw.choices("知行合一学而时习", k=draw.randrange(5, 80))) + end for _ in range(8000))
    whole = {d.text for d in documents(text, "auto")}
    for start in (700, 5_000, 16_000):
        copy = documents(text[text.index(end, start) + len(end) :], "auto")
        assert sum(d.text in whole for d in copy) >= 0.9 * len(copy)
