"""What every kind of tokenizer promises."""

import pytest
import tiny
import tokenizers

from zhixing.errors import InputError, SettingError
from zhixing.tokenizer.settings import TokenizerSettings, usual_vocabulary
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.tokenizer.train import train

KINDS = ("bpe", "unigram", "wordpiece", "char", "word")
LOSSLESS = [kind for kind in KINDS if kind != "wordpiece"]
TEXTS = (
    "",
    " ",
    "Knowing is doing.",
    "知行合一，不亦说乎？",
    "mixed 中文 and English混排text, 2026年１１月23日",
    "  spaces   and\ttabs \n\n\n lines\r\n end ",
    "emoji 👩‍👩‍👧‍👦 🇨🇳 and marks e\u0301 ñ",
    "𠀀𪚥 beyond the basic plane, 한국어 かな عربى",
    "\x00\x01 controls \x7f",
    "marks <|endoftext|> <|pad|> <unk> <0x41> </s> in a text",
    "'ll 've 's I'M",
    "知" * 300 + "a" * 300,
)
every = pytest.mark.parametrize("kind", KINDS)


@every
def test_file_is_whole_and_loads_in_the_library(kind, tmp_path):
    made = tiny.tokenizer(kind, None)
    made.save(tmp_path / "tokenizer.json")
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert (again.fingerprint, again.vocabulary, again.end, again.pad, again.kind) == (
        made.fingerprint, made.vocabulary, made.end, made.pad, kind,
    )  # fmt: skip
    for text in TEXTS:
        assert again.encode(text) == made.encode(text)
        if "<" not in text:
            assert theirs.encode(text, add_special_tokens=False).ids == made.encode(text)


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("text", TEXTS)
def test_nothing_is_lost(kind, text):
    tokenizer = tiny.tokenizer(kind, None)
    assert tokenizer.unknown is None
    assert tokenizer.decode(tokenizer.encode(text)) == text


@every
@pytest.mark.parametrize("text", TEXTS)
def test_a_stream_says_the_same_and_never_half_a_character(kind, text):
    tokenizer = tiny.tokenizer(kind, None)
    ids = tokenizer.encode(text)
    stream = tokenizer.stream()
    parts = [stream.push(one) for one in ids]
    assert not any("\ufffd" in part for part in parts)
    assert "".join(parts) + stream.flush() == tokenizer.decode(ids)


@every
def test_marks_in_a_text_are_text(kind):
    tokenizer = tiny.tokenizer(kind, None)
    ids = tokenizer.encode("a <|endoftext|> b <|pad|>")
    assert tokenizer.end not in ids
    assert tokenizer.pad not in ids
    assert all(0 <= i < tokenizer.vocabulary for i in ids)


@every
def test_batches_are_single_texts(kind):
    tokenizer = tiny.tokenizer(kind, None)
    assert tokenizer.encode_batch(TEXTS) == [tokenizer.encode(text) for text in TEXTS]


@pytest.mark.parametrize("kind", ["bpe", "char", "word"])  # the library breaks ties of unigram and wordpiece by chance
def test_training_is_repeatable(kind):
    made = [train(iter(tiny.SENTENCES), TokenizerSettings(kind=kind)).fingerprint for _ in range(2)]
    assert made[0] == made[1]


@pytest.mark.parametrize("kind", ["bpe", "unigram", "wordpiece", "word"])
def test_a_vocabulary_that_the_text_cannot_fill_is_refused(kind):
    with pytest.raises(SettingError, match=r"at most \d+"):
        train(iter(tiny.SENTENCES), TokenizerSettings(kind=kind, vocabulary=50_000))


@every
def test_half_a_surrogate_pair_is_refused(kind):
    with pytest.raises(InputError, match="surrogate"):
        tiny.tokenizer(kind, None).encode("a\ud800b")


@every
def test_no_text_is_said(kind):
    with pytest.raises(InputError, match="empty"):
        train(iter([]), TokenizerSettings(kind=kind))


def test_unknown_text_is_unknown_only_to_wordpiece():
    tokenizer = tiny.tokenizer("wordpiece", None)
    assert tokenizer.unknown in tokenizer.encode("龘")


def test_chinese_is_cut_into_words_and_no_merge_crosses_into_latin():
    texts = ["我们学习机器学习，机器学习很有用。", "人工智能与机器学习改变世界。"] * 50
    for kind in ("bpe", "unigram", "word"):
        tokenizer = train(iter(texts), TokenizerSettings(kind=kind))
        pieces = tokenizer.pieces(tokenizer.encode("机器学习改变world2026"))
        assert kind == "unigram" or "学习" in pieces or "机器学习" in pieces
        assert not any(any("\u4e00" <= c <= "\u9fff" for c in p) and any(c.isascii() for c in p) for p in pieces)
        assert [p for p in pieces if p.isdigit()] == list("2026")


def test_usual_vocabulary_grows_with_the_cube_root_of_the_text():
    assert usual_vocabulary(1_000_000) == 4096
    assert usual_vocabulary(8_000_000) == 8192
    assert usual_vocabulary(10) == 512
    assert usual_vocabulary(10**15) == 65536
