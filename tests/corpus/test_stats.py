import pytest

from zhixing.corpus import stats
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.stats import EXAMPLES, Statistics, StatisticsSettings, han_characters, language, words


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
    assert found["copies"] == {"exact": 2, "near": 0}
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


def test_stages_come_in_order_with_their_first_examples():
    statistics = Statistics()
    for stage, number in (("dedup", 1), ("overlap", 2), ("filter", 5), ("read", 3)):
        for line in range(number):
            statistics.dropped(
                Dropped("f", line + 1, stage, "why" if line % 2 else "why not", f"text {line}", record="r" if line else None)
            )
    found = statistics.summary()["stages"]
    assert [(s["stage"], s["dropped"]) for s in found] == [("read", 3), ("filter", 5), ("overlap", 2), ("dedup", 1)]
    assert [(r["reason"], r["documents"]) for r in found[1]["reasons"]] == [("why not", 3), ("why", 2)]
    assert found[1]["reasons"][0]["examples"] == [
        {"where": "f:1", "text": "text 0"},
        {"where": "f:3 (r)", "text": "text 2"},
        {"where": "f:5 (r)", "text": "text 4"},
    ]
    assert all(len(r["examples"]) <= EXAMPLES for s in found for r in s["reasons"])


def test_reasons_without_end_are_counted_together(monkeypatch):
    monkeypatch.setattr(stats, "REASONS", 4)
    statistics = Statistics()
    for number in range(50):
        statistics.dropped(Dropped("f", number, "read", f"has only {number % 10} columns"))
    found = statistics.summary()["dropped"]
    assert found == {"read: other reasons": 30, **{f"read: has only {n} columns": 5 for n in range(4)}}


@pytest.mark.parametrize("wanted", [0, 1000, 30_000, 10_000_000])
def test_the_sample_is_bounded_and_spread_evenly(wanted, monkeypatch):
    monkeypatch.setattr(stats, "SAMPLED", 500)
    texts = [f"{'even' if n % 2 else 'odd'} " * (20 + n % 7) for n in range(400)]
    texts.insert(100, "long " * 1000)
    whole = sum(map(len, texts))
    statistics = Statistics(StatisticsSettings(sample=wanted), whole)
    for text in texts:
        statistics.kept(Document(text, "f"), "train")
    found = statistics.summary()
    assert found["sample"]["characters"] == min(wanted, whole)
    assert found["sample"]["share"] == min(wanted, whole) / whole
    assert found["parts"]["train"]["characters"] == whole
    if wanted >= whole:
        assert found["text"]["en"]["words"] == sum(len(text.split()) for text in texts)
    elif wanted == 30_000:
        counts = dict(map(tuple, found["text"]["en"]["frequent"]["words"]))
        assert 0.8 < counts["even"] / counts["odd"] < 1.25
        assert 0 < counts["long"] <= 100  # not more than SAMPLED characters of it
    elif wanted == 0:
        assert found["text"] == {}
