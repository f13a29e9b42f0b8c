import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhixing.corpus.clean import Clean, CleanSettings, clean
from zhixing.corpus.document import Document

USUAL = CleanSettings()
ODD = st.text(st.one_of(st.sampled_from("\r\n\t\v\f \u00a0\u3000\u0085\u2028\ufeff\u200b\u0301\u212bA\ud800\0é"), st.characters()))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("one\r\ntwo\rthree\u2028four\x0bfive", "one\ntwo\nthree\nfour\nfive"),
        ("\n\n  indented\n\n\n\nnext  \t\n\n", "  indented\n\nnext"),
        ("no\u00a0break\u2003em", "no break em"),
        ("　　全角缩进　\n下一行", "　　全角缩进\n下一行"),
        ("soft\u00adhyphen\u200b \ufeffmark\0null\x07bell", "softhyphen marknullbell"),
        ("e\u0301", "é"),
        ("ﬁ Ａ１，", "ﬁ Ａ１，"),
        ("family 👨\u200d👩\u200d👧 stays", "family 👨\u200d👩\u200d👧 stays"),
        ("half \ud83d of a pair", "half  of a pair"),
        ("tab\tstays", "tab\tstays"),
    ],
)
def test_usual_cleaning(before: str, after: str) -> None:
    assert clean(before, USUAL) == after


def test_each_part_can_be_left_out() -> None:
    text = "a\r\n\u200bＡ  \n\n\n\ne\u0301"
    assert clean(text, CleanSettings(unicode="none", controls=False, whitespace=False)) == text
    assert clean(text, CleanSettings(unicode="NFKC")) == "a\nA\n\né"
    assert clean(text, CleanSettings(whitespace=False)) == "a\r\nＡ  \n\n\n\né"
    assert clean(text, CleanSettings(controls=False, unicode="none")) == "a\n\u200bＡ\n\ne\u0301"


@given(ODD, st.sampled_from(["NFC", "NFKC", "none"]), st.booleans(), st.booleans())
def test_cleaning_again_changes_nothing(text: str, unicode: str, controls: bool, whitespace: bool) -> None:
    settings = CleanSettings.model_validate({"unicode": unicode, "controls": controls, "whitespace": whitespace})
    once = clean(text, settings)
    assert clean(once, settings) == once
    once.encode("utf-8")  # can be written down
    if unicode != "none":
        assert unicodedata.is_normalized(unicode, once)


def test_a_million_spaces_take_no_time() -> None:
    assert clean("a" + " " * 1_000_000 + "b", USUAL) == "a" + " " * 1_000_000 + "b"
    assert clean("a" + " \n" * 500_000 + "b", USUAL) == "a\n\nb"


def test_the_stage_keeps_all_and_leaves_clean_documents_as_they_are() -> None:
    tidy, untidy = Document("tidy", "f", 1), Document("un\rtidy ", "f", 2)
    kept, dropped = Clean(USUAL)([tidy, untidy])
    assert kept[0] is tidy and kept[1] == Document("un\ntidy", "f", 2) and not dropped
