"""Other wordings of a text."""

from collections import Counter

import pytest

from zhixing.errors import InputError
from zhixing.tasks.classify.augment import AugmentSettings, read_synonyms, vary, words

ENGLISH, CHINESE = "a quick brown fox jumps over the lazy dog", "今天天气很好，我们去公园散步吧"


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, "mixed 中文 text,  with spaces ", ""])
def test_words_joined_are_the_text(text):
    assert "".join(words(text)) == text


def test_nothing_asked_for_changes_nothing():
    assert vary(ENGLISH, AugmentSettings(), {}, "seed") == ENGLISH


def test_the_same_seed_gives_the_same_wording():
    settings = AugmentSettings(drop=0.3, swap=0.2)
    assert vary(ENGLISH, settings, {}, "1") == vary(ENGLISH, settings, {}, "1")
    assert len({vary(ENGLISH, settings, {}, str(i)) for i in range(20)}) > 10


def test_about_so_many_words_are_dropped_and_one_stays():
    settings = AugmentSettings(drop=0.3)
    kept = [len(vary(ENGLISH, settings, {}, str(i)).split()) for i in range(400)]
    assert 0.65 < sum(kept) / (9 * 400) < 0.75
    assert all(vary("one two", AugmentSettings(drop=0.99), {}, str(i)) for i in range(50))
    assert all(vary(CHINESE, AugmentSettings(drop=0.9), {}, str(i)) for i in range(50))


def test_swapping_keeps_all_words():
    for i in range(20):
        assert Counter(vary(ENGLISH, AugmentSettings(swap=0.5), {}, str(i)).split()) == Counter(ENGLISH.split())


def test_synonyms(tmp_path):
    (tmp_path / "s.tsv").write_text("quick\tfast\tspeedy\n好\t不错\n\n", encoding="utf-8")
    synonyms = read_synonyms(tmp_path / "s.tsv")
    found = {vary("a Quick one", AugmentSettings(replace=0.99), synonyms, str(i)) for i in range(40)}
    assert {"a fast one", "a speedy one"} <= found
    (tmp_path / "c.tsv").write_text("quick\tfast, speedy\n好\t不错、很棒，佳\n", encoding="utf-8")
    synonyms = read_synonyms(tmp_path / "c.tsv")
    assert synonyms["quick"] == ["fast", "speedy"]
    assert synonyms["佳"] == ["好", "不错", "很棒"]
    found = {vary("天气好", AugmentSettings(replace=0.99), synonyms, str(i)) for i in range(40)}
    assert {"天气不错", "天气很棒", "天气佳"} <= found
    (tmp_path / "bad.tsv").write_text("a\tb\nalone\n")
    with pytest.raises(InputError, match=r"bad\.tsv:2: has only one word"):
        read_synonyms(tmp_path / "bad.tsv")
    with pytest.raises(InputError, match="cannot be read"):
        read_synonyms(tmp_path / "absent.tsv")
