"""The tokenizer's report, by hand."""

import tiny

from zhixing.tokenizer.report import report


def test_counts_by_hand():
    tokenizer = tiny.tokenizer()
    texts = ["知行合一", "Knowing is doing."]
    found = report(tokenizer, texts)
    for language, text in zip(("zh", "en"), texts, strict=True):
        entry = found["languages"][language]
        assert entry["tokens"] == len(tokenizer.encode(text))
        assert entry["tokens_per_byte"] == entry["tokens"] / len(text.encode())
        assert entry["tokens_per_character"] == entry["tokens"] / len(text)
        assert "".join(found["samples"][language]).replace("�", "") in (text, "") or language == "zh"
    used = {i for text in texts for i in tokenizer.encode(text)}
    assert found["never_used"] == tokenizer.vocabulary - len(used)
    assert found["unknown_rate"] == 0
    assert sum(e["count"] for e in found["most_frequent"]) <= sum(e["tokens"] for e in found["languages"].values())


def test_unknown_rate_of_wordpiece():
    tokenizer = tiny.tokenizer("wordpiece", None)
    assert report(tokenizer, ["龘 is"])["unknown_rate"] == 0.5
