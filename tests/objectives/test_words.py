"""Where words begin, held against words found in plain text; the table on the disk."""

import numpy as np
import pytest
import rjieba
import tiny

from zhixing.files import new_folder
from zhixing.objectives.words import Words, beginnings
from zhixing.store import Store, StoreWriter

TEXT = "The quick 学而时习之，不亦说乎？ jumped 1234 times; 君子以自强不息 and doing.\nKnowing"


@pytest.mark.parametrize("kind", ["bpe", "char", "word", "unigram"])
def test_words_are_those_of_the_text(kind):
    """Tokens of one word lie together: the text of the tokens from one beginning to the next is a word, a sign, or several of them."""
    own = tiny.tokenizer(kind, None)
    ids = own.encode(TEXT)
    texts = own.token_bytes()
    assert b"".join(texts[i] for i in ids).decode() == TEXT
    starts = np.flatnonzero(beginnings(texts, ids))
    words = [b"".join(texts[i] for i in piece).decode("utf-8", "replace") for piece in np.split(np.array(ids), starts[1:])]
    assert "".join(words) == TEXT
    if kind == "char":  # tokens never cross a border
        chinese = [*rjieba.cut("学而时习之"), "，", *rjieba.cut("不亦说乎"), "？"]
        tail = [" jumped", " ", "1234", " times", ";", " ", *rjieba.cut("君子以自强不息"), " and", " doing", ".", "\n", "Knowing"]
        assert words == ["The", " quick", " ", *chinese, *tail]


def test_wordpiece_words_keep_their_pieces():
    own = tiny.tokenizer("wordpiece", None)
    ids = own.encode("unquickly jumps 学而")
    begins = beginnings(own.token_bytes(), ids)
    inside = [name.startswith("##") for name in own.pieces(ids)]
    assert not (begins & np.array(inside)).any()
    assert begins[0]


def test_the_table_is_written_once_and_read_again(tmp_path, monkeypatch):
    own = tiny.tokenizer()
    with new_folder(tmp_path / "data", "data", extra={"fingerprint": "f" * 64}) as folder:
        with StoreWriter(folder, "train", own.vocabulary) as writer:
            for text in tiny.SENTENCES:
                writer.add([*own.encode(text), own.end], len(text.encode()), len(text))
    store = Store(tmp_path / "data", "train")
    first = Words(store, own)
    [file] = (tmp_path / "data").glob("train.words-*.npy")
    whole = first.read(0, store.tokens)
    document = beginnings(own.token_bytes(), store.document(3).tolist())
    assert (whole[store.offsets[3] : store.offsets[4]] == document).all()
    monkeypatch.setattr("zhixing.objectives.words.beginnings", None)  # cannot be computed again
    again = Words(store, own)
    for start, stop in ((0, store.tokens), (5, 6), (13, 90), (store.tokens - 3, store.tokens)):
        assert (again.read(start, stop) == whole[start:stop]).all()
    monkeypatch.undo()
    file.write_bytes(b"spoilt")
    assert (Words(store, own).read(0, store.tokens) == whole).all()
