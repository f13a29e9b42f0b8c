import random
from collections import Counter

import pytest

from zhixing.corpus.document import Document
from zhixing.corpus.gopher import Gopher, GopherSettings

PROSE = (
    "The committee met on Tuesday and agreed that the bridge over the river should be closed for repairs. Engineers have said that two of "
    "the supports need new steel, and they hope to finish before winter. Until then, drivers have to use the northern road, which is "
    "longer but safe; buses will leave ten minutes earlier than usual."
)
CHINESE = (
    "会议在星期二举行，代表们一致认为这座桥应当关闭维修。工程师说，有两个桥墩需要更换钢材，希望在冬天以前完工。在此期间，司机只能走北边的公路，"
    "那条路虽然远一些，却很安全；公共汽车会比平时早十分钟发车，车站的工作人员也会提醒乘客。居民们表示理解，他们更关心的是工程的质量。"
)
gopher = Gopher(GopherSettings(on=True))


def test_prose_passes_in_both_languages():
    assert gopher.reason(PROSE) is None
    assert gopher.reason(CHINESE) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The cat sat on the mat and that was it.", "too few words"),
        ("天气很好，我们去了公园。", "too few words"),
        ("", "too few words"),
        (PROSE.replace("e", "").replace("a", "").replace("o", "").replace("i", "").replace("t", ""), "words too short or too long"),
        (PROSE + " #" * 20, "hash signs or ellipses"),
        ("\n".join("- " + line for line in PROSE.split(". ") for _ in [0]) + "\n- and the end of it", "begin with a bullet"),
        (PROSE.replace(". ", " and so on...\n") + "\nthe end of it...", "end in an ellipsis"),
        (PROSE + " 12 345 6789 ---- 0.5 99% 1,000 77" * 4, "too few words with letters"),
        ("Lorem ipsum dolor sit amet consectetur adipiscing elit sed " * 9, "most common words"),
        ("桥梁工程施工图纸设计单位监理公司材料检测报告附件目录编号" * 6, "most common words"),
        ((PROSE[:90] + "\n") * 4 + PROSE, "too many repeated lines"),
        ("It was so.\n\nIt was so.\n\n" + PROSE.replace(", ", ",\n").replace(". ", ".\n"), "too many repeated paragraphs"),
        (PROSE + " " + PROSE[:200], "too much text in repeated runs of 5 words"),
        (CHINESE + "另外，" + CHINESE[:70], "too much text in repeated runs of 5 words"),
        (PROSE + " have to go" * 24, "one run of 2 words too frequent"),
    ],
)
def test_each_rule(text, reason):
    assert reason in str(gopher.reason(text))


def test_limits_are_settings():
    assert Gopher(GopherSettings(on=True, min_words=200)).reason(PROSE) == "too few words"
    assert Gopher(GopherSettings(on=True, min_words=1, min_stop_words=0)).reason("Short note here") is None
    assert Gopher(GopherSettings(on=True, repetition=False)).reason(PROSE + " " + PROSE) is None


def test_repeated_runs_are_those_of_the_slow_obvious_version():
    draw = random.Random(4)
    seen = set()
    for _ in range(150):
        words = [draw.choice(["river", "bridge", "the", "of", "and", "winter", f"w{draw.randrange(300)}"]) for _ in range(80)]
        cut = draw.randrange(40)
        words += words[cut : cut + draw.randrange(25)]
        text = " ".join(words)
        want = slow(words)
        got = Gopher(GopherSettings(on=True, min_word_length=0, min_stop_words=0)).reason(text)
        assert got == want
        seen.add(want)
    assert len(seen) > 3, "the cases meet several rules"


def slow(words: list[str]) -> str | None:
    total = sum(map(len, words))
    for n, share in ((2, 0.2), (3, 0.18), (4, 0.16)):
        runs = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
        most = max(runs.values())
        tops = {len("".join(run)) * number for run, number in runs.items() if number == most}
        assert most == 1 or len(tops) == 1 or all((t > share * total) == (min(tops) > share * total) for t in tops)
        if most > 1 and min(tops) > share * total:
            return f"one run of {n} words too frequent"
    for n, share in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1)):
        met, covered = set(), set()
        for i in range(len(words) - n + 1):
            run = tuple(words[i : i + n])
            if run in met:
                covered.update(range(i, i + n))
            met.add(run)
        if sum(len(words[i]) for i in covered) > share * total:
            return f"too much text in repeated runs of {n} words"
    return None


def test_the_stage_keeps_what_it_rejects():
    kept, dropped = gopher([Document(PROSE, "a", 1), Document("short", "b", 2, number=1)])
    assert [d.text for d in kept] == [PROSE]
    assert [(d.source, d.line, d.stage, d.reason, d.number) for d in dropped] == [("b", 2, "gopher", "too few words", 1)]
