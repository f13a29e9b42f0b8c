import json
import re

import pytest
from messy import messy

from zhixing import stats
from zhixing.evaluate.report.reasons import in_chinese


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
