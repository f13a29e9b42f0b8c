"""Codes of languages."""

import pytest

from zhixing.corpus.codes import short
from zhixing.corpus.pairs import faults
from zhixing.metrics.translation import tokenizer

CODES = [
    ("zh", "zh"), ("zh-CN", "zh"), ("zh_Hans", "zh"), ("zho_Hans", "zh"), ("cmn", "zh"), ("yue", "zh"),
    ("jpn", "ja"), ("eng_Latn", "en"), ("EN", "en"), ("rus", "ru"), ("nds", "nds"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "expected"), CODES)
def test_what_codes_have_in_common(code, expected):
    assert short(code) == expected
    assert faults.script(code).pattern == faults.script(expected).pattern


def test_chinese_by_any_code():
    for code, expected in CODES:
        if expected == "zh":
            assert tokenizer(code) == "zh"
            assert faults.script(code).search("中文") and not faults.script(code).search("word")
    assert tokenizer("tha") == tokenizer("th") == "char"
