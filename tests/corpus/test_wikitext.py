import random
import time

import pytest

from zhixing.corpus.wikitext import reduced

PAGE = """{{Infobox person
| name = 王守仁
| image = [[File:x.jpg|thumb|{{nowrap|a b}}]]
}}
'''王守仁'''（{{lang|en|Wang}}，1472年－1529年），字''伯安''，[[浙江]][[绍兴府|绍兴]]人。<ref name="a">{{cite|title=明史}}</ref>
[[File:Wang.jpg|thumb|right|王守仁 [[画像]]]]
[[文件:王.jpg|缩略图|说明]]
== 生平 ==
* 心即理
** [[知行合一]]
# 一
: 缩进
{| class="wikitable"
! 年 !! 事
|-
| 1472 || {| inner
| x
|}
|}
见 [http://example.com 官网] 和 http://foo.org 。-{zh-hans:计算机;zh-hant:電腦}-，-{不变}-，-{H|zh:x}-<!-- 注 -->
<math>E=\\frac{{m}}{c}</math>，<nowiki>[[x]]</nowiki> &amp; &nbsp;<br/>末行
<gallery>
File:a.jpg|说明
</gallery>
=== 空节 ===
== 参考文献 ==
* 书
=== 注 ===
x
== 评价 ==
好。
[[en:Wang Yangming]] [[Category:明朝人物]] [[分类:哲学家|王]] [[:Category:儒学]]
__NOTOC__
"""


def test_a_page() -> None:
    assert reduced(PAGE).split("\n") == [
        *("王守仁（Wang，1472年－1529年），字伯安，浙江绍兴人。", "", "生平", "", "- 心即理", "- 知行合一", "- 一", "缩进", ""),
        *("见 官网 和 http://foo.org 。计算机，不变，", "$E=\\frac{{m}}{c}$，[[x]] &", "末行", "", "评价", "", "好。", "Category:儒学"),
    ]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("An [[apple]]s and [[Pear (fruit)|]] of '''''all''''' kinds", "An apples and Pear of all kinds"),
        ("[[File:a.jpg|thumb|The [[sun]] {{x}}]]After", "After"),
        ("[[Image:a.jpg]][[Category:B]][[de:C]][[zh-yue:D]]", ""),
        ("[[wikt:word|word]] [[Help:Contents]]", "word Help:Contents"),
        ("{{a|{{b|c}}|[[d]]}}x", "x"),
        ("{{lang-en|China}}, {{lang|fr|chat}}, {{nowrap|1 km}}, {{link-en|甲|A}}", "China, chat, 1 km, 甲"),
        ("before {{unclosed and [[link]] after", "before unclosed and link after"),
        ("stray }} and ]] and\n|}\nend", "stray and and\n\nend"),
        ("{|\n| cell\n| {{t\n|}}\n|}\nend", "end"),
        ("<ref>open and text", "open and text"),
        ("a<ref>x</ref>b<ref name=y />c<references />", "abc"),
        ("== Heading ==\ntext", "Heading\n\ntext"),
        ("== See also ==\n* x\n== Next ==\ny", "Next\n\ny"),
        ("=a=b", "=a=b"),
        ("1 &lt; 2 &#20013;", "1 < 2 中"),
        ("<syntaxhighlight lang=c>a[[1]] = {{0}};</syntaxhighlight>", "a[[1]] = {{0}};"),
        ("[https://x.org] [https://x.org name] [not a link]", "name [not a link]"),
        ("----\ntext<br>more", "text\nmore"),
        ("#REDIRECT [[x]]", "- REDIRECT x"),
        ("name（，）text ()", "nametext"),
        ("", ""),
    ],
)
def test_pieces(markup: str, text: str) -> None:
    assert reduced(markup) == text


@pytest.mark.parametrize(
    "piece",
    [
        "{{",
        "[[",
        "{|\n|",
        "''a'''b",
        "<ref>",
        "{{{|",
        "{{[[",
        "<!--",
        "-{a;",
        "-{a|",
        "=",
        "[http://a",
        "(",
        "{{a|",
        "<nowiki>",
        "|}",
        "<math",
        "[[",
    ],
)
def test_time_grows_no_faster_than_the_page(piece: str) -> None:
    start = time.perf_counter()
    reduced(piece * 20_000)
    reduced(piece * 20_000 + "}}]]" * 20_000)
    assert time.perf_counter() - start < 5


def test_pages_at_random() -> None:
    draw = random.Random(1)
    pieces = [
        "{{",
        "}}",
        "[[",
        "]]",
        "{|",
        "|}",
        "|",
        "\n",
        "'''",
        "==",
        "<ref>",
        "</ref>",
        "<!--",
        "-->",
        "-{",
        "}-",
        "a",
        "字",
        "*",
        "<br>",
        "File:",
        ":",
    ]
    for _ in range(3000):
        text = reduced("".join(draw.choices(pieces, k=draw.randrange(60))))
        assert "<ref>" not in text and "<!--" not in text and "\n\n\n" not in text
