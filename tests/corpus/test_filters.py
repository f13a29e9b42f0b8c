from zhixing.corpus.document import Document
from zhixing.corpus.filters import FilterSettings, Lengths


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
