"""Reports: whole, bilingual and self-contained; and of damaged or unfinished folders too."""

import json
import re
from html.parser import HTMLParser

import pytest

from zhixing.evaluate.report import (
    plots,
    write_data_report,
    write_evaluation_report,
    write_run_report,
    write_statistics_report,
    write_vectors_report,
)
from zhixing.evaluate.report.metrics import interval
from zhixing.evaluate.report.page import both, duration_zh, page, section, show, table, tree
from zhixing.evaluate.report.score import _scores

LAW = {"exponent": 0.9, "factor": 100.0, "explained": 0.99, "from": 1, "to": 50, "points": [[n, 100 // n] for n in range(1, 80)]}
TEXT = {
    "sentences": 40,
    "words": 800,
    "different": 80,
    "once": 30,
    "unlisted": 0,
    "sentence_words": {"mean": 20.0, "quantiles": {"5%": 3, "50%": 18}, "histogram": {"0": 3, "5": 12, "10": 25}},
    "frequent": {"words": [["<的>", 90], ["了", 30]], "pairs": [["我 的", 9]], "triples": []},
    "lost": {"pairs": 0, "triples": 12},
    "zipf": LAW,
    "heaps": LAW,
}
STATISTICS = {
    "documents": {"read": 12, "kept": 10, "dropped": 2},
    "duplicates": 1,
    "dropped": {"filter: empty": 1, "dedup: exact copy": 1},
    "stages": [
        {
            "stage": stage,
            "dropped": 1,
            "reasons": [{"reason": why, "documents": 1, "examples": [{"where": "a.txt:3", "text": "<script>alert(1)</script>"}]}],
        }
        for stage, why in (("filter", "empty"), ("dedup", "exact copy"), ("one <more>", "another"))
    ],
    "sample": {"documents": 5, "characters": 500, "share": 0.5},
    "text": {"zh": TEXT, "en": {**TEXT, "zipf": None, "heaps": None}},
    "parts": {
        "train": {"documents": 8, "characters": 900, "words": 700, "bytes": 2000, "tokens": 600},
        "valid": {"documents": 2, "characters": 100, "words": 80, "bytes": 230, "tokens": 70},
    },
    "languages": {
        "zh": {"documents": 6, "characters": 500, "words": 400, "bytes": 1500},
        "en": {"documents": 4, "words": 380, "bytes": 730},
    },
    "sources": {f"texts/{i}.txt": {"documents": 1, "bytes": 100} for i in range(25)},
    "lengths": {"64": 3, "128": 7},
    "valid_share": 0.2,
}
TOKENIZER = {
    "kind": "bpe",
    "vocabulary": 320,
    "languages": {"zh": {"tokens_per_byte": 0.3, "tokens_per_character": 0.8, "bytes": 900}},
    "unknown_rate": 0.0,
    "never_used": 3,
    "longest": ["知行合一"],
    "most_frequent": [{"token": "<b>", "count": 3}],
    "samples": {"zh": ["知", "行", "\n"]},
}
METRIC = {"value": 1.9, "low": 1.8, "high": 2.0, "signature": "bits_per_byte|v1|window:16|stride:8"}
EVALUATION = {
    "model": "runs/lm",
    "documents": 2,
    "bytes": 230,
    "tokens": 70,
    "unknown_tokens": 4,
    "metrics": {"bits_per_byte": METRIC, "bits_per_character": METRIC, "perplexity": METRIC},
}
EXAMPLES = [{"source": f"{i % 2}.txt", "nats": 70.0 + i, "bytes": 90, "characters": 40, "tokens": 30, "text": f"<i>{i}"} for i in range(14)]
STEPS = [
    {
        "step": i,
        "loss": None if i == 7 else 5 / i,
        "learning_rate": 0.001 * i,
        "gradient_norm": None if i == 7 else 1.0,
        "tokens_per_second": 9000.0 + i,
    }
    for i in range(1, 40)
]
CHECKS = [{"step": i, "valid_loss": 5 / i, "bits_per_byte": 3 / i} for i in (10, 20, 39)]
PLAN = {"parameters": 1000, "seconds": 60.0, "memory_bytes": 10**8, "tokens_per_second": 9000.0, "warnings": ["too <little> data"]}
RESULT = {"seconds": 65.0, "planned_seconds": 60.0, "tokens": 5000, "mfu": 0.4, "memory_bytes": 2 * 10**8, "tokens_per_second": 9001.0}


def write(folder, files):
    for name, value in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in value) if name.endswith(".jsonl") else json.dumps(value)
        (folder / name).write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture
def data(tmp_path):
    return write(
        tmp_path / "data",
        {
            "statistics.json": STATISTICS,
            "tokenizer_report.json": TOKENIZER,
            "baselines.json": {"ngram5": {"bits_per_byte": 1.9}, "xz": {"bits_per_byte": 2.4}},
            "config.json": {"split": {"valid": None, "seed": 0}, "clean": {"unicode": "NFC"}},
            "lineage.json": {"inputs": [{"path": "a.txt", "bytes": 3, "sha256": "f" * 64}]},
            "dropped.jsonl": [{"source": "a.txt", "line": 3, "reason": "empty", "text": "<script>alert(1)</script>"}],
        },
    )


@pytest.fixture
def run(tmp_path):
    return write(
        tmp_path / "语言 $x$ <lm>",
        {
            "metrics.jsonl": [*STEPS, *CHECKS],
            "plan.json": PLAN,
            "result.json": RESULT,
            "baselines.json": {"ngram5": {"bits_per_byte": 1.9}, "xz": {"bits_per_byte": 2.4}},
            "samples.json": [{"prompt": "<b>知", "text": "行合一", "language": "zh"}],
            "eval/valid/report.json": EVALUATION,
            "eval/valid/examples.jsonl": EXAMPLES,
            "statistics.json": STATISTICS,
            "config.json": {"model": {"kind": "llama"}},
            "lineage.json": {"data": {"path": "data"}, "base": None},
            "environment.json": {"gpus": []},
        },
    )


class Check(HTMLParser):
    """Elements that are opened are closed, in order, and nothing is fetched."""

    VOID = ("meta", "input", "wbr", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        for name, value in attrs:
            assert name not in ("src", "srcset", "background")
            assert name not in ("href", "xlink:href") or value.startswith("#")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    seen = Check(text).seen
    assert text.count('lang="en"') == text.count('lang="zh"') > 5
    assert not re.search(r"@import|url\((?!#)", text)
    assert len(text) < 300_000
    return text, seen


def test_of_data(data):
    write_data_report(data, shown_as=data.with_name("mine"))
    text, seen = checked(data)
    assert "data · mine" in text
    assert "&lt;script&gt;alert" in text
    assert "one &lt;more&gt;" in text
    assert "and 5 more" in text
    assert seen.count("svg") == 2 + 4  # lengths, baselines; two laws, sentences of both languages
    assert "Counted in a sample of 50.0% of the text" in text
    assert "too low by at most 12" in text
    assert "<td>&lt;的&gt;</td><td class=n>90</td>" in text
    assert "not there" not in text
    assert "cannot be shown" not in text


def test_of_statistics(data):
    write_statistics_report(data, "mine")
    text, seen = checked(data)
    assert "statistics · mine" in text
    assert "Heaps' law: exponent 0.900" in text
    assert "希普斯定律：指数 0.900" in text
    assert seen.count("svg") == 1 + 4
    assert "cannot be shown" not in text


@pytest.fixture
def vectors(tmp_path):
    points = [
        [{"word": f"<{c}>", "x": i / 9, "y": i % 3} for i, c in enumerate("天地人和道理文心词句")],
        [{"word": "w", "x": 0, "y": 0}] * 3,
    ]
    result = {"vectors": "v", "words": 900, "width": 16, "unit": "word", "nearest": {"<天>": [["地", 0.9], ["人", -0.1]]}, "seconds": 65.0}
    result |= {
        "text_words": 5000,
        "words_per_second": 77.0,
        "analogy": {"a": "<king>", "b": "man", "c": "woman", "found": [["queen", 0.7]]},
    }
    return write(
        tmp_path / "vectors",
        {
            "result.json": result,
            "picture.json": points,
            "config.json": {"vectors": {"width": 16}, "picture": {"method": "tsne"}},
            "lineage.json": {"inputs": [{"path": "data/x", "manifest": "f" * 64}]},
        },
    )


def test_of_vectors(vectors):
    write_vectors_report(vectors, "mine")
    text, seen = checked(vectors)
    assert "vectors · mine" in text
    assert "What is to <b>woman</b> as <b>&lt;king&gt;</b> is to <b>man</b>?" in text
    assert "<td>queen</td><td class=n>0.70</td>" in text
    assert seen.count("svg") == 2
    assert text.count("&lt;地&gt;") == 1
    assert "cannot be shown" not in text
    (vectors / "picture.json").write_text("[]")
    write_vectors_report(vectors, "mine")
    assert "Words in the plane" not in checked(vectors)[0]


def test_of_a_run(run):
    write_run_report(run)
    text, seen = checked(run)
    assert seen.count("svg") == 6
    assert "too &lt;little&gt; data" in text
    assert "<b>&lt;b&gt;知</b>行合一" in text
    assert "1 分 05 秒" in text
    assert "not there" not in text
    assert "cannot be shown" not in text


def test_of_an_evaluation(run):
    write_evaluation_report(run / "eval/valid", "valid")
    text, seen = checked(run / "eval/valid")
    assert seen.count("svg") == 1
    assert "4 tokens are unknown" in text
    assert "Worst predicted" in text
    assert "&lt;i&gt;13" in text


@pytest.mark.parametrize("damage", [None, "{", "[]", '{"parts": 3, "metrics": [], "parameters": "x"}', "\x00\xff"])
@pytest.mark.parametrize("kind", ["data", "run", "statistics", "vectors"])
def test_what_is_absent_or_damaged_is_said_and_stops_nothing(kind, damage, request):
    folder = request.getfixturevalue("data" if kind == "statistics" else kind)
    write_report = {
        "data": write_data_report,
        "run": write_run_report,
        "statistics": lambda folder: write_statistics_report(folder, "mine"),
        "vectors": lambda folder: write_vectors_report(folder, "mine"),
    }[kind]
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        whole = file.read_bytes()
        if damage is None:
            file.unlink()
        else:
            file.write_bytes(damage.encode("latin-1"))
        write_report(folder)
        checked(folder)
        file.write_bytes(whole)


def test_of_folders_that_hold_nothing(tmp_path):
    write_data_report(tmp_path)
    text, _ = checked(tmp_path)
    assert "<code>statistics.json</code> is not there" in text
    write_run_report(tmp_path)
    text, _ = checked(tmp_path)
    assert "This run has not finished yet." in text
    write_evaluation_report(tmp_path, tmp_path.name)
    assert "<code>report.json</code> is not there" in checked(tmp_path)[0]


def test_a_log_that_is_being_written_is_read_to_its_last_whole_line(run):
    with open(run / "metrics.jsonl", "a", encoding="utf-8") as log:
        log.write('{"step": 40, "lo')
    write_run_report(run)
    assert checked(run)[1].count("svg") == 6


def test_plots_keep_labels_and_follow_the_page():
    drawn = plots.lines([("", range(30), [i / 1000 for i in range(30)])])
    assert ">0.005<" in drawn
    assert "var(--accent)" in drawn
    assert "#a8321e" not in drawn
    assert drawn == plots.lines([("", range(30), [i / 1000 for i in range(30)])]), "the same values, the same bytes"
    assert plots.bars([("nothing", float("nan"))]) == ""
    assert ">" + "n" * 23 + "…<" in plots.bars([("n" * 60, 1.0)])


def test_words_that_would_lie_on_one_another_are_dots():
    drawn = plots.words([("here", 0, 0), ("there", 1, 1), ("there too", 1, 1), ("知行", 0, 1)])
    assert [word for word in ("here", "there", "there too", "知行") if f">{word}<" in drawn] == ["here", "there", "知行"]
    assert plots.words([]) == ""


def test_histograms_and_laws_follow_the_page():
    assert plots.histogram([], 5) == ""
    assert "var(--bar)" in plots.histogram([(0, 3), (5, 1)], 5)
    drawn = plots.law({"exponent": 1.0, "factor": 1e6, "from": 1, "to": 10_000, "points": [[10**n, 10 ** (6 - n)] for n in range(5)]}, -1)
    assert ">10 k<" in drawn
    assert "var(--accent)" in drawn


def test_series_are_thinned_and_smoothed():
    assert plots.thin(range(10_000), 100)[-1] == 9_999
    assert len(plots.thin(range(10_000), 100)) == 101
    assert plots.smooth([2.0] * 5) == pytest.approx([2.0] * 5)


def test_settings_are_shown_as_they_were_written():
    assert "[&quot;知行&quot;]" in tree({"words": ["知行"]})


def test_values_as_people_read_them():
    shown = [show(v) for v in (None, True, 1234567, 0.123456, 12345.6, float("nan"), "<&>", both("a", "b"))]
    assert shown[:-1] == ["–", "true", "1,234,567", "0.1235", "12,346", "nan", "&lt;&amp;&gt;"]
    assert shown[-1].startswith("<span")
    assert table([("a", "甲")], []) == ""
    assert section("a", "甲", lambda: "") == ""
    assert duration_zh(7800) == "2 小时 10 分"
    assert "<title>&lt;x&gt;</title>" in page("<x>", "", [])


def test_numbers_that_belong_together_are_not_torn_apart():
    """An interval stands whole under its value, a metric of an example whole in its line."""
    metric = {"value": 0.88, "low": 0.8383, "high": 0.912}
    assert interval(metric) == '0.8800<br><small class="whole">[0.8383, 0.9120]</small>'
    assert interval(None) == "–"
    lines = _scores([{"bleu": 0.4, "ter": 1780.0}, {"bleu": None, "ter": 2.0}]).split("<br>")
    assert lines == [f'<span class="whole">{name} {said}</span>' for name, said in (("bleu", "0.4 / –"), ("ter", "1,780 / 2"))]
    assert ".whole { white-space: nowrap; }" in page("x", "", [])
