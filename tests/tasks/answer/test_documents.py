"""Passages and BM25, by the formula."""

import math

import pytest

from zhixing.errors import InputError
from zhixing.tasks.answer.documents import K1, LONG, SHORT, B, Passage, Shelf, passages, words

TEXTS = ["The cat sat on the mat in 1921.", "The dog sat; the dog ran.", "猫坐在垫子上。狗跑了。", "Nothing else is here at all."]


def test_bm25_is_that_of_the_formula():
    shelf = Shelf([Passage(f"{i}", 0, text) for i, text in enumerate(TEXTS)])
    counted = [words(text) for text in TEXTS]
    mean = sum(map(len, counted)) / len(counted)
    for question in ("Where did the cat sit in 1921?", "the dog", "狗在哪里？"):
        wanted = []
        for number, mine in enumerate(counted):
            score = 0.0
            for word in words(question):
                having = sum(word in other for other in counted)
                tf = mine.count(word)
                if having:
                    idf = math.log(1 + (len(counted) - having + 0.5) / (having + 0.5))
                    score += idf * tf / (tf + K1 * (1 - B + B * len(mine) / mean))
            if score:
                wanted.append((score, number))
        wanted.sort(key=lambda entry: (-entry[0], entry[1]))
        found = shelf.search(question, 10)
        assert [p.document for p, _ in found] == [str(number) for _, number in wanted]
        assert [score for _, score in found] == pytest.approx([score for score, _ in wanted], rel=1e-5)
    assert shelf.search("xyzzy", 3) == []
    assert len(shelf.search("the", 1)) == 1


def test_words_are_cut_in_both_languages_and_numbers_count():
    assert words("Lu Xun's books, 1,921 pages running") == ["lu", "xun", "book", "page", "run", "1,921"]
    assert words("鲁迅写了小说") == ["鲁迅", "写", "了", "小说"]


@pytest.mark.parametrize("gap", ["\n\n", "\n", "\n \t\n\n"])
def test_passages_stand_where_they_say_and_nothing_is_lost(gap):
    text = gap.join(["heading", "a" * 300, "b" * (SHORT + 1), "c" * (2 * LONG + 5), "知" * 20, "end"]) + "\n"
    found = passages("x", text)
    assert all(text[p.start : p.start + len(p.text)] == p.text for p in found)
    assert "".join("".join(p.text.split()) for p in found) == "".join(text.split())
    assert all(len(p.text) <= LONG + SHORT for p in found)
    assert found[0].text.startswith("heading")
    assert "b" in found[0].text


def test_a_folder(tmp_path):
    (tmp_path / "one.txt").write_text("The cat sat.\n", encoding="utf-8")
    (tmp_path / "two.md").write_text("猫坐着。", encoding="utf-8")
    shelf = Shelf.read([str(tmp_path)])
    assert shelf.names == [str(tmp_path / "one.txt"), str(tmp_path / "two.md")]
    with pytest.raises(InputError):
        Shelf.read([str(tmp_path / "three")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        Shelf.read([str(tmp_path / "empty")])
