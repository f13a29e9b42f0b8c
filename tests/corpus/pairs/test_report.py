"""What is wrong with pairs: each fault by hand, near copies against the plain definition, alignment by planted slips."""

import itertools
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zhixing.corpus.pairs import Pair, PairSettings, alignment, examine, read
from zhixing.corpus.pairs.faults import fault
from zhixing.corpus.pairs.overlap import HeldOut
from zhixing.corpus.pairs.report import chinese_script
from zhixing.errors import InputError

LANGUAGES = ("en", "zh")
SETTINGS = PairSettings()


def pair(source: str, target: str, line: int = 1) -> Pair:
    return Pair(source, target, "x.tsv", line)


@pytest.mark.parametrize(
    "source, target, wanted",
    [
        ("Good morning, everybody.", "大家早上好。", None),
        ("", "大家早上好。", "blank"),
        ("Good morning.", " …\u3000", "blank"),
        ("大家早上好。", "Good morning, everybody.", "swapped"),
        ("Good morning, everybody.", "Good morning, everybody.", "copy"),
        ("PyTorch", "PyTorch", None),
        ("Python 3.12", "Python 3.12", None),
        ("Good morning, everybody.", "Guten Morgen an euch alle hier", "script"),
        ("Good morning, everybody.", "Доброе утро", "script"),
        ("See numpy.linalg.norm and scipy_special.", "参见 numpy.linalg.norm 和 scipy_special。", None),
        ("The end of it.", "完" * 200, "ratio"),
        ("word " * 500, "字" * 800, "long"),
        ("大家早上好，朋友们", "大家好", "script"),
    ],
)
def test_faults_of_one_pair(source, target, wanted):
    assert fault(pair(source, target), LANGUAGES, SETTINGS, 0.0) == wanted


def test_settings_allow_what_they_say():
    same = pair("Good morning, everybody.", "Good morning, everybody.")
    assert fault(same, LANGUAGES, PairSettings(copies=True), 0.0) is None
    assert fault(pair("Good day", "доброе утро"), LANGUAGES, PairSettings(scripts=False), 0.0) is None
    assert fault(pair("a b", "字" * 40), LANGUAGES, PairSettings(max_ratio=20), 0.0) is None


def test_near_copies_are_those_of_the_plain_definition():
    draw = random.Random(0)
    words = ["tea", "coffee", "water", "morning", "evening", "drinks", "likes", "Tom", "Mary", "never"]

    def sentence() -> str:
        return " ".join(draw.choices(words, k=draw.randint(1, 9)))

    def jaccard(a: str, b: str) -> float:
        one, other = ({t[i : i + 3] for i in range(max(1, len(t) - 2))} for t in (a.lower().replace(" ", ""), b.lower().replace(" ", "")))
        return len(one & other) / len(one | other)

    held = [pair(sentence(), sentence()) for _ in range(40)]
    asked = [pair(sentence(), sentence()) for _ in range(300)]
    found = HeldOut(held, 0.6).near(asked)
    for one, near in zip(asked, found, strict=True):
        best = max(max(jaccard(one.source, h.source), jaccard(one.target, h.target)) for h in held)
        assert (near is not None) == (best >= 0.6)
        assert near is None or near[1] == pytest.approx(best)
    assert sum(near is not None for near in found) > 20


def test_traditional_and_simplified_are_told_apart():
    assert [chinese_script(t) for t in ("我们说话", "我們說話", "我们說话", "你好", "hello")] == [
        "simplified", "traditional", "mixed", None, None,
    ]  # fmt: skip


def test_the_report_has_lines_and_examples():
    good = [pair(f"This is sentence number {n} of them.", f"这是其中的第{n}个句子。", n) for n in range(1, 201)]
    items = [*good, pair("", "空", 201), replace(good[4], line=202), pair("This is sentence number 7 of it.", "这是第七个", 203)]
    result = examine(items, LANGUAGES, SETTINGS, [pair("This is sentence number 7 of it!", "对", 1)])
    findings = result.report["findings"]
    assert findings["blank"]["lines"] == ["x.tsv:201"]
    assert findings["duplicate"]["examples"][0]["reason"] == "stands at x.tsv:5 already"
    assert "x.tsv:203" in findings["overlap"]["lines"] and findings["overlap"]["count"] < 40
    assert result.report["read"] == 203 and result.report["kept"] == len(result.pairs) == 203 - len(result.dropped)
    assert {record["line"] for record in result.dropped} >= {201, 202, 203}


def test_one_source_with_many_targets_is_counted():
    report = examine(
        [pair("Hello there", "你好啊", 1), pair("Hello there", "您好呀", 2), pair("Bye now", "再见了", 3)], LANGUAGES, SETTINGS
    ).report
    assert report["many_targets"]["count"] == 1 and report["many_targets"]["examples"][0]["lines"] == ["x.tsv:1", "x.tsv:2"]
    assert report["many_sources"]["count"] == 0 and not report["alignment_judged"]


def test_too_many_faults_stop_the_run():
    items = [pair("good old day", "good old day", n) for n in range(80)] + [pair("good day", "日安", n) for n in range(100)]
    with pytest.raises(
        InputError, match=r"x.tsv: 80 of 180 pairs are faulty, more than pairs.max_faulty = 0.3 .*x.tsv:0: both sides are the same"
    ):
        examine(items, LANGUAGES, SETTINGS)
    with pytest.raises(InputError, match="no pair is left: 1 a side is blank"):
        examine([pair("", "空")], LANGUAGES, SETTINGS)


def test_pairs_that_slipped_do_not_translate_each_other():
    path = Path(__file__).parents[4] / "shared/data/mt_en_zh/tatoeba_train.tsv"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    pairs = [p for p in read([str(path)], LANGUAGES) if isinstance(p, Pair)][14_000:20_000]
    slipped = range(1000, 1060)
    targets = [pairs[n + 1].target for n in slipped]
    for number, target in zip(slipped, targets, strict=True):
        pairs[number] = replace(pairs[number], target=target)
    lines = {pairs[n].line for n in slipped}
    found = examine(pairs, LANGUAGES, PairSettings(duplicates=True, alignment=True))
    doubtful = {record["line"] for record in found.dropped if record["kind"] == "alignment"}
    assert len(doubtful & lines) >= 0.95 * len(lines)
    assert len(doubtful - lines) < 0.01 * len(pairs)


def test_the_posterior_is_that_of_all_paths():
    """Forward-backward against the sum over every sequence of states."""
    draw = np.random.default_rng(0)
    odds, moves = draw.normal(size=(4, 6)) * 2, alignment._moves(0.02)
    assert moves.sum(axis=1) == pytest.approx(np.ones(6))
    found = np.zeros((4, 6))
    for path in itertools.product(range(6), repeat=4):
        chance = moves[0, path[0]] * np.prod([moves[a, b] for a, b in itertools.pairwise(path)])
        chance *= np.exp(sum(odds[place, state] for place, state in enumerate(path)))
        found[range(4), path] += chance
    assert alignment._posterior(odds, moves) == pytest.approx(found / found.sum(axis=1, keepdims=True))
