"""Exact match and F1 of answers, against plain readings of the official scripts, and the official figures of real predictions."""

import json
import random
import re
import string
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from zhixing.metrics import answer as ours

SHARED = Path(__file__).parents[2] / "../shared/data"
WORDS = ["The", "a", "an", "cat", "Cat's", "U.S.", "3.5%", "co-op", "", "  ", "(dog)", "é", "the-cat", "one", "1,000", "—"]
CHINESE = [*"中国人民大学的是在，。《》", "NBA", " ", "mp3", "3.5", "-", "·", "U.S.", "A/B", "don't"]


def normal(text):
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def squad11(prediction, answers):
    def f1(said, wanted):
        same = sum((Counter(said) & Counter(wanted)).values())
        if same == 0:
            return 0
        precision, recall = same / len(said), same / len(wanted)
        return 2 * precision * recall / (precision + recall)

    return float(any(normal(prediction) == normal(a) for a in answers)), max(
        f1(normal(prediction).split(), normal(a).split()) for a in answers
    )


def squad20(prediction, answers):
    gold = [a for a in answers if normal(a)] or [""]
    exact = float(any(normal(prediction) == normal(a) for a in gold))
    f1 = max(
        float(normal(a) == normal(prediction)) if not (normal(a) and normal(prediction)) else squad11(prediction, [a])[1] for a in gold
    )
    return exact, f1


def cmrc(prediction, answers, tokenize):
    marks = ["-", ":", "_", "*", "^", "/", "\\", "~", "`", "+", "=", "，", "。", "：", "？", "！", "“", "”", "；", "’", "《", "》", "……",
             "·", "、", "「", "」", "（", "）", "－", "～", "『", "』"]  # fmt: skip

    def segments(text):
        found, latin = [], ""
        for c in text.lower().strip():
            if c in marks:
                continue
            if re.search("[\u4e00-\u9fa5]", c):
                found += [*tokenize(latin), c]
                latin = ""
            else:
                latin += c
        return found + tokenize(latin)

    def run(one, other):
        return max(
            (
                k
                for i in range(len(one))
                for j in range(len(other))
                for k in range(1, len(one) - i + 1)
                if one[i : i + k] == other[j : j + k]
            ),
            default=0,
        )

    def plain(text):
        return "".join(c for c in text.lower().strip() if c not in marks)

    f1s = []
    for a in answers:
        said, wanted = segments(prediction), segments(a)
        same = run(said, wanted)
        f1s.append(0 if same == 0 else 2 * same / (len(said) + len(wanted)))
    return float(any(plain(prediction) == plain(a) for a in answers)), max(f1s)


@pytest.mark.parametrize(("script", "theirs"), [("squad1.1", squad11), ("squad2.0", squad20)])
def test_english_as_the_scripts_have_it(script, theirs):
    draw = random.Random(1)
    for _ in range(1000):
        texts = [" ".join(draw.choices(WORDS, k=draw.randrange(5))) for _ in range(draw.randrange(2, 5))]
        assert ours.grade(texts[0], texts[1:], script) == pytest.approx(theirs(texts[0], texts[1:]))


def test_chinese_as_the_script_has_it():
    from nltk.tokenize import NLTKWordTokenizer

    draw, english = random.Random(2), NLTKWordTokenizer().tokenize
    for _ in range(400):
        texts = ["".join(draw.choices(CHINESE, k=draw.randrange(1, 9))) for _ in range(draw.randrange(2, 4))]
        if all(text.strip() and ours.chinese_segments(text) for text in texts):
            assert ours.grade(texts[0], texts[1:], "cmrc2018") == pytest.approx(cmrc(texts[0], texts[1:], english)), texts


def test_by_hand():
    assert ours.grade("The Denver Broncos!", ["Denver Broncos", "Carolina"], "squad1.1") == (1, 1)
    assert ours.grade("in 1999", ["1999"], "squad1.1") == (0, pytest.approx(2 / 3))
    assert ours.grade("", [], "squad2.0") == (1, 1)
    assert ours.grade("something", [], "squad2.0") == (0, 0)
    assert ours.grade("在北京大学", ["北京大学。"], "cmrc2018") == (0, pytest.approx(8 / 9))
    assert ours.chinese_segments("2008年NBA常规赛") == ["2008", "年", "nba", "常", "规", "赛"]


def test_parts_and_missing_predictions():
    rows = ours.rows(["a cat", "", None], [["cat"], [], ["dog"]], "squad2.0")
    found = {metric.name: float(metric.score(rows.sum(0))) for metric in ours.metrics("squad2.0")}
    assert found == pytest.approx(
        {"exact_match": 2 / 3, "answer_f1": 2 / 3, "has_answer_exact": 1 / 2, "has_answer_f1": 1 / 2, "no_answer_accuracy": 1}
    )
    assert np.isnan(ours.metrics("squad2.0")[-1].score(rows[[0, 2]].sum(0)))
    with pytest.raises(ValueError, match="same questions"):
        ours.rows(["a"], [])


@pytest.mark.skipif(not (SHARED / "metrics/squad11_public38").is_dir(), reason="no predictions of SQuAD beside the checkout")
def test_official_figures_of_real_predictions():
    expected = json.loads((SHARED / "metrics/squad11_public38/expected.json").read_text(encoding="utf-8"))
    gold = {}
    for name in ("squad11_train34", "squad11_dev4"):
        for article in json.loads((SHARED / f"qa_en/{name}.json").read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                gold |= {q["id"]: [a["text"] for a in q["answers"]] for q in paragraph["qas"]}
    for name, wanted in expected.items():
        predictions = json.loads((SHARED / "metrics/squad11_public38" / name).read_text(encoding="utf-8"))
        rows = ours.rows([predictions.get(question) for question in gold], list(gold.values()))
        exact, f1 = (100 * float(metric.score(rows.sum(0))) for metric in ours.metrics())
        assert (len(rows), round(exact, 3), round(f1, 3)) == (wanted["total"], wanted["exact"], wanted["f1"])
