import pytest

from zhixing.corpus.c4 import C4, C4Settings
from zhixing.corpus.document import Document

USUAL = C4Settings(on=True)
PAGE = """Skip to content
The committee met on Tuesday in the town hall.
Read more...
It agreed that the bridge should be closed for repairs until the winter!
Please enable JavaScript to see the comments of our readers.
By using this site you accept our privacy policy and the rest.
Too short here.
"We hope that it will be quick," said one of the engineers.[1][citation needed]
Home | About | Contact
Will the buses leave ten minutes earlier than they usually do? They will, the company says."""
KEPT = """The committee met on Tuesday in the town hall.
It agreed that the bridge should be closed for repairs until the winter!
"We hope that it will be quick," said one of the engineers.
Will the buses leave ten minutes earlier than they usually do? They will, the company says."""
CHINESE = """首页 新闻 体育
会议在星期二举行，代表们一致认为这座桥应当关闭维修。
点击这里查看更多精彩内容和图片。
工程师说，有两个桥墩需要更换钢材，希望在冬天以前完工！
短句不留。
本网站版权所有，未经授权不得转载本站的任何内容。
“居民们表示理解。”一位代表说，“他们更关心的是工程的质量。”
他沉默了很久，什么话也没有说……
上一篇：桥梁维修工程今天正式开工
读者正在等待后面的内容…"""
CHINESE_KEPT = """会议在星期二举行，代表们一致认为这座桥应当关闭维修。
工程师说，有两个桥墩需要更换钢材，希望在冬天以前完工！
“居民们表示理解。”一位代表说，“他们更关心的是工程的质量。”
他沉默了很久，什么话也没有说……"""


def test_lines_that_stay() -> None:
    assert C4(USUAL).judged(PAGE) == (KEPT, None)
    assert C4(USUAL).judged(CHINESE) == (CHINESE_KEPT, None)
    for text in (KEPT, CHINESE_KEPT):
        assert C4(USUAL).judged(text) == (text, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PAGE + "\nLorem ipsum dolor sit amet.", "placeholder text (lorem ipsum)"),
        (PAGE + "\nif (x) { return; }", "a curly bracket"),
        (PAGE + "\nThis is a darned long sentence of words.", "a word of filter.c4.bad_words: darned"),
        (CHINESE + "\n这里有坏词语在句子中间。", "a word of filter.c4.bad_words: 坏词"),
        (
            "The committee met on Tuesday in town. It agreed at once on everything.\nMenu",
            "fewer than 3 sentences in lines that end like one",
        ),
        ("会议在星期二举行，代表们一致认为这座桥应当关闭维修。\n首页\n", "fewer than 3 sentences in lines that end like one"),
        (CHINESE_KEPT + "\n" + "2024-11-23 | 1,234.56 | 789 ; " * 20, "too few Chinese characters"),
    ],
)
def test_pages_that_do_not(text: str, reason: str) -> None:
    assert C4(USUAL, ("darned", "坏词")).judged(text)[1] == reason


def test_a_line_of_dots_is_looked_at_once() -> None:
    assert C4(C4Settings(on=True, terminal=False)).judged(PAGE + "\nThese are four words and " + "." * 200_000 + "x")[1] is None


def test_words_inside_words_are_not_bad() -> None:
    assert C4(USUAL, ("darn", "ridge")).judged(PAGE)[1] is None
    assert C4(USUAL, ("tuesday in",)).judged(PAGE)[1] == "a word of filter.c4.bad_words: tuesday in"


def test_each_rule_can_be_left_out() -> None:
    nothing = C4Settings(
        on=True, terminal=False, min_words=0, min_sentences=0, notices=False, citations=False, placeholders=False, brackets=False, min_han=0
    )
    text = PAGE + "\nLorem ipsum {x}"
    assert C4(nothing).judged(text) == (text, None)
    assert C4(C4Settings(on=True, min_words=3)).judged(PAGE)[0].count("\n") == KEPT.count("\n") + 1
    assert "\nRead more" not in C4(C4Settings(on=True, min_words=1)).judged(PAGE)[0]


def test_long_words_take_their_line_with_them() -> None:
    text = KEPT + "\nThis line has a word of " + "x" * 1001 + " characters in it."
    assert C4(USUAL).judged(text) == (KEPT, None)


def test_the_rules_agree_with_a_plain_reading_of_them() -> None:
    def plain(text: str) -> str | None:
        if "lorem ipsum" in text.lower() or "{" in text:
            return None
        lines = [line.strip() for line in text.split("\n")]
        lines = [line for line in lines if line[-1:] in tuple(".?!\"'") and not line.endswith("...") and len(line.split()) >= 5]
        notices = ("javascript", "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
        lines = [line for line in lines if not any(notice in line.lower() for notice in notices)]
        ends = sum(word.rstrip("\"'")[-1:] in tuple(".?!") for line in lines for word in line.split())
        return "\n".join(lines) if ends >= 3 else None

    for text in (
        KEPT,
        PAGE.replace("[1][citation needed]", ""),
        PAGE[:200].replace("[1]", ""),
        "One two three four five. Six?\nSeven eight nine ten eleven!",
    ):
        left, reason = C4(USUAL).judged(text)
        assert (None if reason else left) == plain(text)


def test_the_stage_keeps_what_it_rejects() -> None:
    kept, dropped = C4(USUAL)([Document(PAGE, "a", 1), Document("Menu", "b", 2, number=1)])
    assert [d.text for d in kept] == [KEPT]
    assert [(d.source, d.line, d.stage, d.number) for d in dropped] == [("b", 2, "c4", 1)]
