import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from messy import messy

from zhixing import stats
from zhixing.corpus.document import Dropped
from zhixing.corpus.labelled import Example, Labelled
from zhixing.corpus.labelled.examine import examine
from zhixing.corpus.pairs import faults as pair_faults
from zhixing.corpus.pairs.report import OTHER_KINDS
from zhixing.corpus.questions import FATAL, MENDED
from zhixing.evaluate.report.page import told, warnings
from zhixing.evaluate.report.reasons import FAULTS, KINDS, in_chinese
from zhixing.tasks.answer.material import _warnings
from zhixing.train import preflight


@pytest.fixture(scope="module")
def reasons(tmp_path_factory):
    """Why documents of a folder of messy text are left out, by stage."""
    place = tmp_path_factory.mktemp("messy")
    settings = messy(place, files=1, records=80)
    stats([str(place / "texts")], out=place / "stats", settings=settings)
    found = json.loads((place / "stats" / "statistics.json").read_text(encoding="utf-8"))
    return [(stage["stage"], reason["reason"]) for stage in found["stages"] for reason in stage["reasons"]], place / "stats"


def test_reasons_are_told_in_chinese(reasons):
    found, folder = reasons
    assert {stage for stage, _ in found} >= {"c4", "gopher", "language", "evaluation"}
    page = (folder / "report.html").read_text(encoding="utf-8")
    for stage, reason in found:
        if stage != "read":
            assert re.search("[一-鿿]", in_chinese(reason)), reason
            assert f'<span lang="zh">{in_chinese(reason)}</span>' in page


def test_numbers_and_names_are_kept():
    assert in_chinese("one run of 4 words too frequent") == "某个 4 词片段出现过于频繁"
    assert in_chinese("overlaps with a/b.json") == "与 a/b.json 重合"


def test_what_has_no_translation_is_told_as_it_is():
    assert in_chinese("gzip: CRC check failed") == "gzip: CRC check failed"


def test_what_prepare_says_of_files_is_told_in_chinese(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.jsonl").write_text("".join(json.dumps({"text": f"text {i}"}) + "\n" for i in range(9)), encoding="utf-8")
    (tmp_path / "texts/letter.pdf").write_bytes(b"%PDF-1.7\n")
    (tmp_path / "texts/picture.png").write_bytes(b"\x89PNG\0\0")
    (tmp_path / "texts/late.txt").write_bytes(b"a line of text\n" * 40_000 + b"\0\1\2" * 100_000)
    (tmp_path / "texts/table.csv").write_text("text,id\none,2\nhalf, of it,3\n", encoding="utf-8")
    stats([str(tmp_path / "texts")], out=tmp_path / "out")
    dropped = [json.loads(line) for line in (tmp_path / "out/dropped.jsonl").read_text(encoding="utf-8").splitlines()]
    told = {in_chinese(entry["reason"]) for entry in dropped if entry["stage"] == "read"}
    assert told == {
        "不读取 .pdf 类型的文件；请另存为文本、HTML 或 CSV",
        "不读取 .png 类型的文件",
        "是二进制文件，不是文本；此前的内容已读取",
        "有 3 列，而表头只有 2 列",
    }


def in_words(text):
    """Chinese, and no English left but names of settings, verbs, files and labels."""
    said = in_chinese(text)
    return re.search("[一-鿿]", said) and not re.search(r"\b(the|of|is|are|its|with|and)\b", said)


def test_warnings_of_a_plan_are_told_in_chinese(tmp_path, monkeypatch):
    (tmp_path / "statistics.json").write_text('{"duplicates": 5, "documents": {"read": 10}}', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    store = SimpleNamespace(tokens=100, vocabulary=100, folder=Path())
    for tokens in (100, 50):
        seen = preflight.Look(tokens, unseen=100, shared=0.5)
        found = preflight.findings(store, store, seen, 3000, 100_000)
        assert len(found) == 6 and all(map(in_words, found)), [*map(in_chinese, found)]
    place = "训练集 100 个词元里的 50 个（只看了一部分，全部之中更多）中"
    assert in_chinese(found[4]) == f"验证集中长 16 个词元的片段有 50.0% 也出现在{place}：各项指标偏乐观"
    assert in_chinese(preflight.findings(store, store, seen, 3000, 10**6)[1]).startswith("训练太短：每个参数只有 0.003 个词元")


def test_warnings_about_labelled_texts_are_told_in_chinese():
    train = [
        *(Example(f"a film, the number {n}", "positive", "t.tsv", n) for n in range(1, 40)),
        Example("A film, the number 1!", "positive", "t.tsv", 40),
        Example("a film, the number 2", "postive", "t.tsv", 41),
        Example("12345 !!", "bad", "t.tsv", 42),
    ]
    found = Labelled("single", train, [Dropped("t.tsv", 99, "label", "its label is missing (null or NaN)")])
    parts = {"train": train, "valid": [Example("a film, the number 3", "positive", "v.tsv", 1)]}
    report = examine(parts, found, tokens={"train": [500] * len(train), "valid": [3]}, window=128)
    assert len(report["warnings"]) == 8 and all(map(in_words, report["warnings"])), [*map(in_chinese, report["warnings"])]
    assert in_chinese(report["warnings"][0]) == "剔除了 1 行，第一处为 t.tsv:99：标签缺失（null 或 NaN）"


def test_warnings_about_questions_are_told_in_chinese():
    faults = [SimpleNamespace(id="a:1", reason=FATAL["id"], mended=False), SimpleNamespace(id="b", reason=MENDED["absent"], mended=True)]
    part = {"cut_answers": 2, "inexact_answers": 3, "questions": 9, "unanswerable": 0}
    report = {"set_aside": 1, "parts": {"train": part, "valid": {**part, "unanswerable": 1}}, "overlap": {"questions": 4}}
    found = _warnings(report, SimpleNamespace(found=[SimpleNamespace(total=10)], faults=faults))
    assert len(found) == 8 and all(map(in_words, found)), [*map(in_chinese, found)]
    assert in_chinese(found[0]) == "10 个问题中剔除了 1 个，第一个为 a:1：问题编号重复"


def test_faults_of_questions_and_pairs_all_have_a_translation():
    assert set(FAULTS) == {*FATAL, *MENDED}
    assert {kind: english for kind, (english, _) in KINDS.items()} == {**pair_faults.KINDS, **OTHER_KINDS}


def test_pages_show_both_languages():
    assert told("is empty") == '<span lang="en">is empty</span><span lang="zh">为空</span>'
    assert "为空" in warnings(["its text is empty"])
