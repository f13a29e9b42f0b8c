import random
import time
from pathlib import Path

import pytest

from zhixing.corpus.document import Document
from zhixing.corpus.markup import Extract, ExtractSettings, html_text

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"

ENGLISH = """<!doctype html><html><head><title>On tea</title><script>var a = "<p>script</p>";</script><style>p {color: red}</style></head>
<body>
<header><a href="/">Home</a> <a href="/about">About us</a></header>
<nav><ul><li><a href="/">Start</a></li><li>Where we are</li></ul></nav>
<div class="content"><h1><a href="/tea">On tea</a></h1>
<p>Tea is made of leaves, <b>hot</b> water and &lt;patience&gt;.<br>See <a href="/leaves">the leaves</a> for more of this.</p>
<ul><li>green</li><li>black<ul><li>smoked</li></ul></li></ul><ol><li>boil</li><li>wait</li></ol>
<table><tr><th>year</th><th>price</th></tr><tr><td>1900</td><td>2 d</td></tr></table>
<blockquote>A cup a day.</blockquote><pre>if tea:
    drink()</pre><p hidden>hidden</p></div>
<div class="sidebar"><h3>Popular</h3><p>Ten secrets of coffee</p></div>
<ul class="links"><li><a href="1">Another page</a></li><li><a href="2">And one more</a></li></ul>
<div id="SHARE">Share this</div><div style="display: none">unseen</div>
<p>Copyright 2024 by the company. All rights reserved.</p>
<footer>Imprint</footer></body></html>"""

CHINESE = """<html><head><meta charset="gbk"><title>知行合一</title></head><body>
<div class="nav"><a href="/">首页</a><a href="/n">新闻</a></div>
<div class="article"><h1>知行合一</h1><p>王守仁，幼名云，<a href="x">绍兴</a>人。因曾筑室于会稽山阳明洞，自号阳明子。</p><p>短段。</p>
<ul><li>心即理</li><li>致良知</li></ul></div>
<div class="recommend">热门推荐：十大新闻</div><div>版权所有 京ICP备12345678号</div></body></html>"""


def extracted(page: str, **settings: object) -> str:
    return html_text(page, ExtractSettings.model_validate(settings))


def test_content_stays_with_its_structure_and_boilerplate_goes() -> None:
    assert extracted(ENGLISH).split("\n") == [
        *("On tea", "", "Tea is made of leaves, hot water and <patience>.", "See the leaves for more of this.", ""),
        *("- green", "- black", "  - smoked", "  1. boil", "  2. wait"),
        *("year\tprice", "1900\t2 d", "A cup a day.", "if tea:", "    drink()"),
    ]
    assert extracted(CHINESE).split("\n") == [
        *("知行合一", "", "王守仁，幼名云，绍兴人。因曾筑室于会稽山阳明洞，自号阳明子。", "", "短段。", "", "- 心即理", "- 致良知"),
    ]


def test_on_request_everything_that_can_be_seen_stays() -> None:
    text = extracted(ENGLISH, boilerplate=True)
    for piece in ("About us", "Popular", "Imprint", "All rights reserved", "Another page"):
        assert piece in text
    for piece in ("script", "color", "hidden", "unseen"):
        assert piece not in text


def test_title_on_request() -> None:
    assert extracted("<title>Title</title><p>Text.</p>", title=True) == "Title\n\nText."
    assert extracted("<title>Title</title><p>Text.</p>") == "Text."
    assert extracted(ENGLISH, title=True).count("On tea") == 1, "it stands there already"


def test_main_content_that_is_marked_is_all_there_is() -> None:
    body = "<p>A sentence of the content.</p>" * 20
    text = extracted(f"<div>Stray words</div><main>{body}</main><div>More stray words</div>")
    assert "stray" not in text.lower() and text.count("content") == 20
    assert "Stray" in extracted("<div>Stray words</div><main>short</main>"), "a main part with next to nothing in it is not believed"


def test_a_page_that_stands_in_an_element_called_menu_is_not_lost() -> None:
    assert extracted("<body class=sidebar><div class=menu><p>All of the text.</p></div></body>") == "All of the text."


def test_lines_of_links() -> None:
    links = '<p><a href="a">one word</a> and <a href="b">another word</a></p>'
    assert extracted(links) == "" and extracted(links, max_link_share=1) == "one word and another word"
    sentence = "A whole sentence of more than forty characters, all of it in one link."
    assert extracted(f'<p><a href="a">{sentence}</a></p>') == sentence
    assert extracted("<p><a name=top>An anchor is no link</a></p>") == "An anchor is no link"
    assert extracted("<p><a href=x>never closed</p><p>text goes on in the next paragraph</p>") == "text goes on in the next paragraph"


@pytest.mark.parametrize(
    "page", ["", "text", "<", "<p", "a\0b", "\ud800", "<!--", "<a href=", "</a></a>", "&#0;&#x110000;", "<plaintext>x"]
)
def test_odd_pages(page: str) -> None:
    extracted(page).encode()


@pytest.mark.parametrize(
    "piece", ["<div>", "<a href=x>", "<a ", "<a href=x>t\n", "<table>", "<ul><li>", "<h1>", "<b>", "<main>", "<p>x", "<!--"]
)
def test_time_grows_no_faster_than_the_page(piece: str) -> None:
    start = time.perf_counter()
    extracted(piece * 20_000)
    assert time.perf_counter() - start < 5


def test_pages_at_random() -> None:
    draw = random.Random(3)
    pieces = [
        *(
            "<div>",
            "</div>",
            "<p>",
            "<table>",
            "<tr>",
            "<td>",
            "</table>",
            "<a href=x>",
            "</a>",
            "<b>",
            "<script>",
            "</script>",
            "<svg>",
            "<math>",
        ),
        *(
            "<template>",
            "</template>",
            "<select>",
            "<!--",
            "-->",
            "\0",
            "&amp",
            "\ud800",
            "😀",
            "<body>",
            "</html>",
            "<frameset>",
            "<li>",
            "<x y='",
        ),
        *('">', "text", "文字。", "<![CDATA[", "]]>", "<?x", "<form>", "<main>", "</main>", "<h1>", "\n", "\ue000", "\ue001", "<nav>"),
    ]
    for _ in range(2000):
        extracted("".join(draw.choices(pieces, k=draw.randrange(1, 100)))).encode()


def test_the_stage() -> None:
    stage = Extract(ExtractSettings(title=True))
    kept, dropped = stage(
        [
            Document("text <b>", "a.txt"),
            Document("<p>page</p>", "a.html", form="html"),
            Document("<nav>menu</nav>", "b.html", form="html"),
            Document("'''article''' {{x}}", "d.xml", record="Title", form="wiki"),
            Document("{{x}}", "d.xml", record="Empty", form="wiki"),
        ]
    )
    assert [(d.text, d.form, d.record) for d in kept] == [
        ("text <b>", "text", None),
        ("page", "text", None),
        ("Title\n\narticle", "text", "Title"),
    ]
    assert [(d.source, d.record, d.stage) for d in dropped] == [("b.html", None, "extract"), ("d.xml", "Empty", "extract")]
