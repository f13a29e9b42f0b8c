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
