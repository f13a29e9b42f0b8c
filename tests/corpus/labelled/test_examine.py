"""What is said of labelled texts before training."""

import json

import pytest

from zhixing.corpus.document import Dropped
from zhixing.corpus.labelled import Example, Labelled
from zhixing.corpus.labelled.examine import examine, look_alikes, refuse_untrainable
from zhixing.errors import InputError

TRAIN = [
    Example("A good film.", "positive", "t.tsv", 1),
    Example("a GOOD film", "positive", "t.tsv", 2),
    Example("so so", "positive", "t.tsv", 3),
    Example("So so!", "negative", "t.tsv", 4),
    Example("12345 !!", "negative", "t.tsv", 5),
    Example("很好看的电影", "postive", "t.tsv", 6),
    *(Example(f"this is text number {n}, and it is long", "positive", "t.tsv", 7 + n) for n in range(40)),
]
VALID = [Example("a good  film", "positive", "v.tsv", 1), Example("another one", "negative", "v.tsv", 2)]


@pytest.fixture(scope="module")
def report():
    dropped = [Dropped("t.tsv", 99, "label", "its text is empty"), Dropped("t.tsv", 100, "label", "its text is empty")]
    found = Labelled("single", TRAIN, dropped, ["something was found out"])
    tokens = {"train": [9] * 45 + [500], "valid": [3, 3]}
    return examine(
        {"train": TRAIN, "valid": VALID}, found, tokens=tokens, window=128, dropped=[Dropped("v.tsv", 3, "label", "its label 'x' is odd")]
    )


def test_it_is_json(report):
    assert json.loads(json.dumps(report)) == report


def test_classes_and_lengths(report):
    assert report["classes"]["positive"] == {"train": 43, "valid": 1}
    assert report["parts"]["train"] == {"texts": 46, "sources": ["t.tsv"]}
    assert report["tokens"]["train"]["100%"] == 500
    assert report["truncated"]["train"] == {"window": 128, "texts": 1, "share": 1 / 46, "longest": [{"where": "t.tsv:46", "tokens": 500}]}


def test_copies_contradictions_and_overlap(report):
    assert report["duplicates"]["texts"] == 1
    assert [row["where"] for row in report["duplicates"]["examples"][0]["rows"]] == ["t.tsv:1", "t.tsv:2", "v.tsv:1"]
    assert report["conflicts"]["examples"][0]["rows"] == [
        {"where": "t.tsv:3", "label": "positive"},
        {"where": "t.tsv:4", "label": "negative"},
    ]
    assert report["overlap"]["valid"]["examples"] == [{"where": "v.tsv:1", "in_training": "t.tsv:1", "text": "a good  film"}]


def test_oddities(report):
    assert report["without_letters"] == {"texts": 1, "examples": [{"where": "t.tsv:5", "text": "12345 !!"}]}
    assert report["look_alikes"] == [{"labels": ["positive", "postive"], "texts": [43, 1]}]
    assert report["languages"]["train"] == {"en": 44, "other": 1, "zh": 1}
    assert report["set_aside"]["rows"] == 3
    assert report["set_aside"]["reasons"] == {"its text is empty": 2, "its label … is odd": 1}


def test_the_warnings_say_it_in_lines(report):
    text = "\n".join(report["warnings"])
    for says in (
        "3 rows are set aside; the first is t.tsv:99: its text is empty",
        "label 'postive' (1 texts) may be meant to be 'positive' (43 texts)",
        "1 text has different labels in different rows; the first: t.tsv:3 (positive), t.tsv:4 (negative)",
        "classes are uneven: the largest has 43 texts to train on, the smallest 1",
        "2.2% of the train texts are longer than the 128 tokens",
        "1 of the valid texts (50.0%) stand in the training data too, v.tsv:1 at t.tsv:1",
        "1 text has no letters; the first is t.tsv:5",
    ):
        assert says in text


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["positive"] * 50 + ["Positive"] * 20, [["positive", "Positive"]]),
        (["1"] * 9 + ["1.0"] * 8, [["1", "1.0"]]),
        (["cat"] * 50 + ["car"], []),
        (["class10"] * 50 + ["class11"], []),
        (["sports"] * 50 + ["sport"] * 40, []),  # both frequent: two classes
        (["sports"] * 50 + ["sport"] * 3, [["sports", "sport"]]),
    ],
)
def test_look_alikes(names, expected):
    assert [pair["labels"] for pair in look_alikes(names)] == expected


@pytest.mark.parametrize(
    ("examples", "kind", "says"),
    [
        ([Example(f"text {i}", "a", "t.tsv", i) for i in range(9)], "single", r"all texts \(9\) have the label 'a'"),
        ([Example(f"text {i}", 1.0, "t.tsv", i) for i in range(9)], "number", r"all texts \(9\) have the number 1.0"),
        ([Example(f"text {i}", (), "t.tsv", i) for i in range(9)], "multi", "no text has a label"),
        ([Example(f"text {i}", str(i / 3), "t.tsv", i) for i in range(90)], "single", "90 different labels, which look like no classes"),
    ],
)
def test_nothing_to_learn(examples, kind, says):
    with pytest.raises(InputError, match=says):
        refuse_untrainable(examples, kind)
