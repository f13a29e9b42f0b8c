"""What is required of a translation: found in the source, read from a glossary, spelt in tokens."""

import pytest
from tiny import tokenizer

from zhixing.decode.constrained import Phrase
from zhixing.errors import InputError, SettingError
from zhixing.tasks.translation.terms import KEPT, Required, Speller, Terms, contains, read_glossary

EVERYTHING = Terms({}, tuple(KEPT))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("It has 1,200 rows and 3.5 more, at 12:30.", ["1,200", "3.5", "12:30"]),
        ("MP3 and 5th and v2 are words; 2 is none", ["2"]),
        ("see https://a.io/x?y=1&z=2, or www.b.org.", ["https://a.io/x?y=1&z=2", "www.b.org"]),
        ("mail a.b+c@d-e.org now", ["a.b+c@d-e.org"]),
        ("call `f(x, 3)` twice", ["`f(x, 3)`"]),
        ("Hello {name}, {0:.2f} of %d (%s, %(total)s)", ["{name}", "{0:.2f}", "%d", "%s", "%(total)s"]),
        ("%1$d of ${HOME} {{x}}", ["%1$d", "${HOME}", "{{x}}"]),
        ("a <b>bold</b> &nbsp; 1 < 2 and 5 % sure, 100%", ["<b>", "</b>", "&nbsp;", "1", "2", "5", "100"]),
        ("共有120个，见第3章", ["120", "3"]),
        ("nothing here", []),
    ],
)  # fmt: skip
def test_spans_of_any_kind(text, kept):
    assert [one.text for one in EVERYTHING.of(text)] == kept
    assert contains(" ".join(kept), EVERYTHING.of(text))
    assert not kept or not contains(" ".join(kept[1:]), EVERYTHING.of(text))


def test_terms_are_words_and_longer_ones_come_first():
    terms = Terms({"neural network": "神经网络", "network": "网络", "AI": "人工智能", "Windows 11": "Windows 11"}, ("number",))
    assert [one.text for one in terms.of("A Neural Network is no network; AI, not ai, on Windows 11 and 12")] == [
        "神经网络", "网络", "人工智能", "Windows 11", "12",
    ]  # fmt: skip
    assert [one.text for one in terms.of("networks, network, network")] == ["网络"]
    assert terms.of("MAIN Windows 112") == [Required("112", True)]
    for text in ("ISTANBUL", "İstanbul", "ıstanbul", "istanbul"):  # all of which `re.IGNORECASE` takes for one
        assert [one.text for one in Terms({"istanbul": "伊斯坦布尔"}).of(f"to {text}")] == ["伊斯坦布尔"], text


def test_each_thing_required_has_a_place_of_its_own():
    two = [Required("2", True), Required("2024", True)]
    assert contains("2024年2月", two)
    assert not contains("2024", two)
    assert not contains("2 or 20240", two)
    assert contains("cats", [Required("cat", False)])
    assert not contains("cat", [Required("cat", False), Required("cat", False)])


def test_a_glossary_is_read_and_its_mistakes_are_named(tmp_path):
    path = tmp_path / "g.tsv"
    path.write_text("neural network\t神经网络\n\nAI\t人工智能 \nAI\t人工智能\n", encoding="utf-8")
    assert read_glossary(path) == {"neural network": "神经网络", "AI": "人工智能"}
    for text, said in (
        ("a\tb\nc\n", r"g.tsv:2: is not a term, a tab"),
        ("a\tb\na\tc\n", r"g.tsv:2: gives 'a' another"),
        ("\n", "holds no terms"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=said):
            read_glossary(path)
    with pytest.raises(InputError, match="no such file"):
        read_glossary(tmp_path / "no.tsv")
    with pytest.raises(SettingError, match="is all, or some of code, url"):
        Terms({}, ("numbers",))


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char"])
def test_phrases_are_written_by_tokens_that_read_as_they_do(kind):
    speller = Speller(tokenizer(kind, None))
    for text in ("知是行之始", "dogs", "龘https://a.io/?x=1", "`a b`", "1,234"):
        phrase = speller.phrase(Required(text, True))
        assert isinstance(phrase, Phrase)
        assert [speller.tokenizer.decode(list(way)) for way in phrase.ways] == [text, f" {text}"]
