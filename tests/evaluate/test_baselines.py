"""Baselines: what compressors and the n-gram model say of text whose content is known."""

import lzma
import random
import sys

import pytest
from data import data_folder

from zhixing.evaluate.baselines import baselines
from zhixing.store import Store


def test_baselines_rank_texts_as_they_should(tmp_path):
    folder = data_folder(tmp_path / "data")
    draw = random.Random(1)
    words = ["know", "do", "learn", "read", "知", "行"]
    train = [" ".join(draw.choice(words) for _ in range(400)) for _ in range(5)]
    valid = [" ".join(draw.choice(words) for _ in range(400))]
    noise = ["".join(chr(draw.randrange(33, 126)) for _ in range(2000))]
    stores = Store.open(folder, "train"), Store.open(folder, "valid")
    easy, hard = baselines(*stores, train, valid), baselines(*stores, train, noise)
    assert set(easy) == {"ngram5", "xz", "zstd"}
    for name in ("xz", "zstd"):
        assert 0.2 < easy[name]["bits_per_byte"] < 1.5
        assert hard[name]["bits_per_byte"] > 5
    assert easy["ngram5"]["bits_per_byte"] < 2.0
    assert easy["xz"]["after_bytes"] == len("\n".join(train).encode())


def test_the_text_that_passes_the_limit_is_cut_not_dropped(tmp_path, monkeypatch):
    folder = data_folder(tmp_path / "data")
    for name in ("VALID_BYTES", "PREFIX_BYTES"):
        monkeypatch.setattr(sys.modules[baselines.__module__], name, 1000)
    stores = Store.open(folder, "train"), Store.open(folder, "valid")
    found = baselines(*stores, ["a" * 10, "知行合一。" * 500], ["学而时习之。" * 500])
    assert (found["xz"]["after_bytes"], found["xz"]["bytes"]) == (998, 999)  # 10 + 1 + 3 * 329, and 3 * 333


def test_xz_is_what_the_validation_text_adds(tmp_path):
    folder = data_folder(tmp_path / "data")
    train, valid = ["知行合一。" * 50], ["学而时习之。" * 50]
    found = baselines(Store.open(folder, "train"), Store.open(folder, "valid"), train, valid)["xz"]
    prefix, text = train[0].encode(), valid[0].encode()
    expected = 8 * (len(lzma.compress(prefix + text)) - len(lzma.compress(prefix))) / len(text)
    assert found["bits_per_byte"] == pytest.approx(expected)
