"""BLEU, chrF and TER against sacrebleu; shapes; numbers."""

import csv
import io
import random
import re
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.metrics.lib_ter import translation_edit_rate

from zhixing.errors import MissingPackage, SettingError
from zhixing.metrics import numbers, ter, translation

SHARED = Path(__file__).parents[2] / "../shared/data/metrics"
WORDS = ["the", "cat", "sat", "on", "mat", ",", "Mr.", "3.5", "北京", "大学", "很好", "。", "«", "résumé", "U.S.", "co-op", "-", "!"]


def score(name, translations, references, language, **more):
    metrics, rows = translation.measure(translations, references, language, names=[name], **more)
    return float(metrics[0].score(rows.sum(0))), metrics[0].signature


def corpora(count, seed):
    draw = random.Random(seed)
    for _ in range(count):
        size, references = draw.randrange(1, 4), draw.randrange(1, 4)
        gold = [[" ".join(draw.choices(WORDS, k=draw.randrange(1, 12))) for _ in range(size)] for _ in range(references)]
        said = [" ".join(w for w in text.split() if draw.random() < 0.8) for text in draw.choice(gold)]
        yield said, gold


@pytest.mark.parametrize(
    ("name", "language", "judge"),
    [
        ("bleu", "en", lambda: BLEU()),
        ("bleu", "zh", lambda: BLEU(tokenize="zh")),
        ("chrf", "zh", lambda: CHRF()),
        ("chrf++", "en", lambda: CHRF(word_order=2)),
        ("ter", "en", lambda: TER()),
        ("ter", "zh", lambda: TER(normalized=True, asian_support=True)),
    ],
)
def test_equal_to_sacrebleu(name, language, judge):
    for said, gold in corpora(170, 1):  # a thousand over all
        theirs = judge()
        expected = theirs.corpus_score(said, gold).score
        found, signature = score(name, said, gold, language)
        assert found == pytest.approx(expected, abs=1e-10), (said, gold)
        assert str(theirs.get_signature()) in signature


def test_edits_are_tercoms():
    draw = random.Random(2)
    for number in range(400):
        words = [str(i) for i in range(draw.choice([2, 3, 8, 30]))]
        reference = draw.choices(words, k=draw.randrange(16 if number % 50 else 60))
        moved = list(reference)
        for _ in range(draw.randrange(5)):
            if len(moved) > 2:
                start, length = draw.randrange(len(moved)), draw.randrange(1, 4)
                run = moved[start : start + length]
                del moved[start : start + length]
                place = draw.randrange(len(moved) + 1)
                moved[place:place] = run
                moved[draw.randrange(len(moved))] = draw.choice(words)
        said = draw.choices(words, k=draw.randrange(16)) if number % 3 == 0 else moved
        assert ter.edits(said, reference) == translation_edit_rate(said, reference)[0], (said, reference)


def test_edits_of_very_unequal_lengths_stay_in_the_band():
    one, other = list("ab" * 70), list("ba")
    assert ter.edits(one, other) == translation_edit_rate(one, other)[0]
    assert ter.edits(other, one) == translation_edit_rate(other, one)[0]


def test_the_tokenizer_makes_the_figure_and_is_named():
    said, gold = ["今天天气很好，我们去公园。"], [["今天天气很好，我们去公园吧。"]]
    chinese, signature = score("bleu", said, gold, "zh-CN")
    assert chinese > 70
    assert "|tok:zh|" in signature
    assert score("bleu", said, gold, "en")[0] < 10
    assert translation.tokenizer("zh_Hant") == translation.tokenizer("cmn") == "zh"
    assert translation.tokenizer("de") == translation.tokenizer("en-GB") == "13a"
    assert translation.tokenizer("th") == "char"


@pytest.mark.parametrize(("language", "package"), [("ja", "MeCab"), ("ko", "mecab_ko")])
def test_japanese_and_korean_need_mecab(language, package, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=rf"pip install 'zhixing\[{language}\]'"):
        translation.tokenizer(language)


@pytest.mark.parametrize(
    ("text", "language"),
    [("我们去公园。", "zh"), ("公園へ行きましょう。", "ja"), ("공원에 가자.", "ko"), ("Wir gehen.", "other"), ("", "other"),
     ("BLEU 分数 is good, they say", "other")],
)  # fmt: skip
def test_languages_are_told_by_script(text, language):
    assert translation.language_of([text]) == language


@pytest.mark.parametrize(
    ("references", "says"),
    [
        ([["a", "b"], ["c", "d"], ["e", "f"]], "transposed: 3 lists of 2"),
        ([["a", "b"]], "reference 1 has 2 sentences, and there are 3"),
        ([["a", "b", "c"], ["a"]], "reference 2 has 1"),
        (["a", "b", "c"], "list of lists"),
        ([], "no references"),
        ([["a", " ", "c"]], "sentence 2 has no reference"),
    ],
)
def test_references_of_other_shapes_are_refused(references, says):
    with pytest.raises(ValueError, match=says):
        translation.measure(["x", "y", "z"], references, "en")


def test_missing_references_are_none_where_another_is_there():
    said, gold = ["a b c d e", "f g h i j"], [["a b c d e", ""], ["a b c x y", "f g h i j"]]
    theirs = BLEU().corpus_score(said, [["a b c d e", None], ["a b c x y", "f g h i j"]])
    found, signature = score("bleu", said, gold, "en")
    assert found == pytest.approx(theirs.score)
    assert "nrefs:var" in signature


def test_what_there_is_not():
    with pytest.raises(SettingError, match="there is no rouge"):
        translation.measure(["a"], [["a"]], "en", names=["rouge"])
    with pytest.raises(SettingError, match="source"):
        translation.measure(["a"], [["a"]], "en", names=["number_match"])
    with pytest.raises(SettingError, match="for Chinese"):
        translation.measure(["a"], [["a"]], "en", names=["meteor_jieba"])
    with pytest.raises(ValueError, match="no translations"):
        translation.measure([], [[]], "en")


def test_metrics_share_one_matrix():
    metrics, rows = translation.measure(["a b 3", "c"], [["a b 3", "d"]], "en", sources=["x 3", "y"])
    assert [m.name for m in metrics] == ["bleu", "chrf", "ter", "meteor", "number_match", "length_ratio"]
    found = {m.name: float(m.score(rows.sum(0))) for m in metrics}
    assert found["number_match"] == found["length_ratio"] == 1
    assert found["ter"] == 25
    assert translation.worst_first(metrics, rows) == [1, 0]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1.2 million people", ["1200000"]),
        ("120万人", ["1200000"]),
        ("1,200,000", ["1200000"]),
        ("１２．５％ and 3.5亿", ["12.5", "350000000"]),
        ("2亿5千万", ["200000000", "50000000"]),
        ("in 2020, 10:30", ["2020", "10", "30"]),
        ("one or two", []),
        ("$5bn-6bn", ["5000000000", "6000000000"]),
        ("version 3.10.2", ["3.1", "2"]),
    ],
)
def test_numbers_by_value(text, values):
    assert numbers.values(text) == [Decimal(v).normalize() for v in values]


def test_each_number_serves_once():
    rows = numbers.rows(["3 and 3", "no number"], ["3", "7"])
    assert rows.tolist() == [[2, 1], [0, 0]]
    assert numbers.NumberMatch().score(rows.sum(0)) == 0.5
    assert np.isnan(numbers.NumberMatch().score(rows[1]))


def golden():
    with open(SHARED / "wmt21_en_zh/expected_scores.tsv", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def wmt21(part):
    return (SHARED / f"wmt21_en_zh/newstest2021.en-zh.{part}").read_text(encoding="utf-8").split("\n")[:-1]


def check(row):
    name, which = row["metric"].split("-")
    references = [wmt21(f"ref.{one}.zh") for one in ("AB" if which == "all" else which)]
    found, _ = score(name, wmt21(f"hyp.{row['system']}.zh"), references, "zh")
    assert round(found, 4) == round(float(row["score"]), 4), row


@pytest.mark.skipif(not (SHARED / "wmt21_en_zh").is_dir(), reason="no data of WMT 2021 beside the checkout")
def test_published_figures():
    for row in golden():
        if row["system"] == "ZengHuiMT" and row["metric"].endswith("-all"):
            check(row)


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "wmt21_en_zh").is_dir(), reason="no data of WMT 2021 beside the checkout")
def test_published_figures_of_all_systems():
    assert len(golden()) == 30, "five systems, two metrics, references A, B and both"
    for row in golden():
        check(row)


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "wmt21_en_zh").is_dir(), reason="no data of WMT 2021 beside the checkout")
def test_edits_of_all_systems_are_sacrebleus():
    """No TER is published for them, and sacrebleu takes a tenth of a second a sentence: some of each system."""
    references = [wmt21(f"ref.{one}.zh")[::50] for one in "AB"]
    for system in sorted({row["system"] for row in golden()}):
        said = wmt21(f"hyp.{system}.zh")[::50]
        expected = TER(normalized=True, asian_support=True).corpus_score(said, references).score
        assert score("ter", said, references, "zh")[0] == pytest.approx(expected, abs=1e-10), system


@pytest.mark.skipif(not (SHARED / "wmt15_eval_mteval13a.zip").is_file(), reason="no data of mteval-13a beside the checkout")
def test_mteval_13a():
    with zipfile.ZipFile(SHARED / "wmt15_eval_mteval13a.zip") as archive:
        read = lambda name: io.TextIOWrapper(archive.open(f"wmt15_eval/{name}"), encoding="utf-8").read()  # noqa: E731
        sides = [read(f"newstest2015-100sents-enru-{side}.ru.sgm") for side in ("google", "ref")]
        said, gold = (re.findall(r'<seg id="\d+">(.*?)</seg>', side) for side in sides)
        printed = read("mteval-13a.output")
    expected = float(re.search(r"BLEU score = ([\d.]+)", printed)[1])
    assert score("bleu", said, [gold], "ru")[0] / 100 == pytest.approx(expected, abs=5e-5)
    assert sacrebleu.__version__ in score("bleu", said, [gold], "ru")[1]
