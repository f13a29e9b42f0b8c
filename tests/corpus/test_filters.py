import pytest

from zhixing.config import resolve
from zhixing.corpus.document import Document
from zhixing.corpus.filters import FilterSettings, Lengths
from zhixing.corpus.pipeline import CorpusSettings
from zhixing.corpus.resources import named_files
from zhixing.errors import SettingError


def test_documents_by_length() -> None:
    batch = [Document(text, "f", number) for number, text in enumerate(["", " \n ", "ab", "知行合一", "abcdefgh"], start=1)]
    kept, dropped = Lengths(FilterSettings(min_characters=3, max_characters=6))(batch)
    assert [d.text for d in kept] == ["知行合一"]
    assert [(d.line, d.stage, d.reason) for d in dropped] == [
        (1, "filter", "empty"),
        (2, "filter", "empty"),
        (3, "filter", "shorter than filter.min_characters"),
        (5, "filter", "longer than filter.max_characters"),
    ]


@pytest.mark.parametrize("setting", ["filter.perplexity.reference", "filter.evaluation.files", "filter.c4.bad_words"])
def test_a_setting_that_names_no_file_is_named(setting: str) -> None:
    asked = resolve(CorpusSettings, {"filter.c4.on": True, setting: "nowhere" if "c4" in setting else ["nowhere"]})
    with pytest.raises(SettingError, match=f"setting {setting}: .*nowhere: no such file"):
        named_files(asked)
