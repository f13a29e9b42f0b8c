"""Cutting long texts: joined again they are the text, pieces fit, layout stays."""

import random

import pytest

from zhixing.tasks.translation.sentences import cut, sentences

TEXT = """  First line, short.

Dr. Smith went home. He was tired! "Was he?" Yes... and so on (e.g. at 3.14 p.m.).
\tA last line without an end，中文也有。第二句！第三句？“引文。”完

"""


def test_sentences_end_where_they_do():
    assert sentences("Dr. Smith went home. He was tired! \"Was he?\" Yes. It is 3.5 m.") == [
        "Dr. Smith went home. ", "He was tired! ", "\"Was he?\" ", "Yes. ", "It is 3.5 m.",
    ]  # fmt: skip
    assert sentences("第一句。“第二句！”第三句？完") == ["第一句。", "“第二句！”", "第三句？", "完"]
    assert sentences("no end") == ["no end"]
    assert sentences("") == []


@pytest.mark.parametrize("longest", [5, 12, 40, 1000])
def test_pieces_fit_and_are_the_text(longest):
    pieces = cut(TEXT, lambda text: len(text) <= longest)
    assert all(0 < len(piece.text) <= longest for piece in pieces.pieces)
    assert "".join(pieces.lead + "".join(p.text + p.gap for p in pieces.pieces)).split() == TEXT.split() or longest < 40
    same = pieces.lead + "".join(p.text + p.gap for p in pieces.pieces)
    assert "".join(same.split()) == "".join(TEXT.split())
    assert same.count("\n") == TEXT.count("\n")


def test_what_fits_is_not_cut_and_keeps_its_layout():
    pieces = cut(TEXT, lambda text: len(text) <= 1000)
    assert pieces.forced == 0
    assert pieces.lead + "".join(p.text + p.gap for p in pieces.pieces) == TEXT
    assert pieces.joined([f"<{n}>" for n in range(len(pieces.pieces))], spaced=False) == "  <0>\n\n<1>\n\t<2>\n\n"


def test_cuts_inside_a_clause_are_counted():
    assert cut("Short. " + "X" * 50, lambda text: len(text) <= 20).forced == 2
    assert cut("short one. another one. and a third.", lambda text: len(text) <= 24).forced == 0


def test_sentences_are_joined_as_their_language_is_written():
    pieces = cut("One is here. Two is there. Three.", lambda text: len(text) <= 14)
    assert pieces.joined(["一。", "二。", "三。"], spaced=False) == "一。二。三。"
    pieces = cut("一在这里。二在那里。三。", lambda text: len(text) <= 5)
    assert pieces.joined(["One.", "Two.", "Three."], spaced=True) == "One. Two. Three."


def test_blank_texts_stay():
    for text in ("", "  ", "\n\n"):
        assert cut(text, lambda text: True).joined([], spaced=True) == text


def test_any_text_comes_back():
    draw = random.Random(0)
    for _ in range(300):
        text = "".join(draw.choices("ab .,!?\n\t。，中", k=draw.randrange(60)))
        longest = draw.randrange(1, 30)
        pieces = cut(text, lambda part, most=longest: len(part) <= most)
        same = pieces.lead + "".join(p.text + p.gap for p in pieces.pieces)
        assert "".join(same.split()) == "".join(text.split())
        assert all(len(p.text) <= longest and p.text.strip() for p in pieces.pieces)


def test_markers_of_lists_are_not_translated():
    text = "# Title\n\n- one thing\n  * a second\n1. third. And more.\n（二）第四\n> said 3. No list\n-5 degrees\n"
    pieces = cut(text, lambda text: len(text) <= 15)
    assert [piece.text for piece in pieces.pieces] == [
        "Title", "one thing", "a second", "third.", "And more.", "第四", "said 3. No list", "-5 degrees",
    ]  # fmt: skip
    assert pieces.joined_source == text
    assert pieces.joined([str(n) for n in range(8)], spaced=True) == "# 0\n\n- 1\n  * 2\n1. 3 4\n（二）5\n> 6\n7\n"


def test_latin_words_do_not_touch_where_chinese_sentences_do():
    pieces = cut("One. Two. Three.", lambda text: len(text) <= 6)
    assert pieces.joined(["一 OK.", "No 二。", "三 OK"], spaced=False) == "一 OK. No 二。三 OK"
