import pytest

from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.stats import Statistics, han_characters, language, words


@pytest.mark.parametrize(
    ("text", "han", "count", "kind"),
    [
        ("It isn't a well-known fact: 42 of them.", 0, 7, "en"),
        ("知行合一，止于至善。", 8, 8, "zh"),
        ("用 Python 写的程序", 5, 6, "zh"),
        ("a 中 in long English text, one character only", 1, 9, "en"),
        ("naïve café", 0, 2, "other"),
        ("naïveté is a word that English took from French and has kept", 0, 12, "en"),
        ("съешь ещё этих мягких булок", 0, 5, "other"),
        ("𠀀𠀁", 2, 2, "zh"),
        ("12345 67 ?!", 0, 0, "other"),
        ("", 0, 0, "other"),
    ],
)
def test_counts_of_a_text(text: str, han: int, count: int, kind: str) -> None:
    assert (han_characters(text), words(text), language(text)) == (han, count, kind)


def test_summary() -> None:
    statistics = Statistics()
    for number in range(1, 101):
        statistics.kept(Document("字" * number, f"f{number % 2}"), "valid" if number % 10 == 0 else "train")
    statistics.kept(Document("word " * 100, "f0"), "train")
    for reason, stage in (("empty", "filter"), ("exact copy", "dedup"), ("exact copy", "dedup")):
        statistics.dropped(Dropped("f", 1, stage, reason))
    found = statistics.summary()
    assert found["documents"] == {"read": 104, "kept": 101, "dropped": 3}
    assert found["duplicates"] == 2
    assert list(found["dropped"].items()) == [("dedup: exact copy", 2), ("filter: empty", 1)]
    assert found["parts"]["valid"] == {"documents": 10, "characters": 550, "words": 550, "bytes": 1650}
    assert found["languages"]["en"] == {"documents": 1, "characters": 500, "words": 100, "bytes": 500}
    assert [entry["documents"] for entry in found["sources"].values()] == [51, 50]
    assert sum(found["lengths"].values()) == 101
    assert found["lengths"]["64"] == 37
    for name, exact in (("5%", 6), ("50%", 51), ("95%", 96)):
        assert 0.93 * exact <= found["length_quantiles"][name] <= exact


def test_summary_of_nothing() -> None:
    assert Statistics().summary()["documents"] == {"read": 0, "kept": 0, "dropped": 0}
