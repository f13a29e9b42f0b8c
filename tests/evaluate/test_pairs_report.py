"""The page of a pair report: what was found is on it, in both languages, with what the texts hold spelt out as text."""

import re

from zhixing.corpus.document import Dropped
from zhixing.corpus.pairs import Pair, PairSettings, examine
from zhixing.evaluate.report import write_pairs_report
from zhixing.files import write_json


def test_everything_found_is_shown(tmp_path):
    rows = [Pair(f"number {n} of the list", f"清单的第{n}个", "a.tsv", n, domain="<b>law") for n in range(1, 60)]
    rows += [rows[0], Pair("number 2 of the list", "第二", "a.tsv", 61), Pair("", "空", "a.tsv", 62)]
    rows += [Pair("same <script> words", "same <script> words", "a.tsv", 63)]
    examined = examine([*rows, Dropped("a.tsv", 64, "read", "not a pair", "x")], ("en", "zh"), PairSettings(max_faulty=1.0))
    report = {**examined.report, "monolingual": {"read": 90, "blank": 3, "kept": 80}}
    write_json(tmp_path / "pair_report.json", report)
    write_pairs_report(tmp_path)
    page = (tmp_path / "pair_report.html").read_text(encoding="utf-8")
    assert "<script> words" not in page and "same &lt;script&gt; words" in page and "&lt;b&gt;law" in page
    for said in ("a side is blank", "一侧为空", "both sides are the same text", "cannot be read", "a.tsv:62", "a.tsv:64", "第二", "回译"):
        assert said in page, said
    for kind, finding in report["findings"].items():
        assert finding["lines"][0] in page, kind
    assert re.findall(r"<b>(\d+)</b>", page)[:2] == [str(report["read"]), str(report["kept"])]
    assert "cannot be shown" not in page and 'class="warning"' not in page


def test_an_absent_report_is_said(tmp_path):
    write_pairs_report(tmp_path)
    assert "pair_report.json" in (tmp_path / "pair_report.html").read_text(encoding="utf-8")
