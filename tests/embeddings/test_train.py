"""Against gensim called by hand."""

from itertools import pairwise

import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors, Word2Vec

from zhixing.embeddings import train
from zhixing.embeddings.lines import Lines, write_words
from zhixing.embeddings.settings import VectorSettings
from zhixing.errors import InputError, SettingError

WORDS = [f"{a}{b}" for a in ("north", "south", "天", "地") for b in ("wind", "rain", "行健", "势坤", "x")]
SENTENCES = [[WORDS[(i * k + k * k) % len(WORDS)] for k in range(3 + i % 9)] for i in range(300)]
FEW = {"width": 12, "epochs": 3, "min_count": 2, "buckets": 500}


@pytest.fixture
def lines(tmp_path):
    (tmp_path / "lines.txt").write_text("".join(" ".join(s) + "\n" for s in SENTENCES), encoding="utf-8")
    return Lines(tmp_path / "lines.txt")


def trained(lines, settings, saved, workers=1):
    model = train.begin(lines, settings, workers, "text")
    train.fit(model, lines, saved)
    return train.vectors(model, settings)


@pytest.mark.parametrize("loss", ["negative", "hierarchical"])
@pytest.mark.parametrize("algorithm", ["skipgram", "cbow"])
@pytest.mark.parametrize("kind", ["word2vec", "fasttext"])
def test_vectors_are_those_of_gensim_by_hand(kind, algorithm, loss, lines, tmp_path):
    found = trained(lines, VectorSettings(kind=kind, algorithm=algorithm, loss=loss, negative=4, seed=7, **FEW), tmp_path / "saved")
    choice = {"sg": int(algorithm == "skipgram"), "hs": int(loss == "hierarchical"), "negative": 4 if loss == "negative" else 0}
    more = {"bucket": 500} if kind == "fasttext" else {}
    by_hand = (FastText if kind == "fasttext" else Word2Vec)(
        SENTENCES, vector_size=12, epochs=3, min_count=2, seed=7, workers=1, **choice, **more
    ).wv
    assert found.words == by_hand.index_to_key
    assert np.array_equal(found.matrix, by_hand.vectors)
    assert [by_hand.get_vecattr(word, "count") for word in found.words] == found.counts.tolist()
    assert all(a >= b for a, b in pairwise(found.counts))
    if kind == "fasttext":
        for word in ("northern", "天行者", "q", "unrelated"):
            assert found.vector(word) == pytest.approx(by_hand[word], abs=1e-6)


def test_nearest_and_analogies_are_those_of_gensim(lines, tmp_path):
    found = trained(lines, VectorSettings(**FEW), tmp_path / "saved")
    reference = KeyedVectors(12)
    reference.add_vectors(found.words, found.matrix)

    def same(ours, theirs):
        assert [word for word, _ in ours] == [word for word, _ in theirs]
        assert [cosine for _, cosine in ours] == pytest.approx([cosine for _, cosine in theirs], abs=1e-5)

    a, b, c = found.words[:3]
    same(found.nearest(a, 7), reference.most_similar(a, topn=7))
    same(found.analogy(a, b, c, 6), reference.most_similar(positive=[a, c], negative=[b], topn=6))


def test_two_workers_train_on_all_words(lines, tmp_path):
    found = trained(lines, VectorSettings(**FEW), tmp_path / "saved", workers=2)
    seen = []
    lines.seen = seen.append
    assert len(list(lines)) == 300
    assert sum(seen) == sum(map(len, SENTENCES))
    assert np.isfinite(found.matrix).all()
    assert (np.abs(found.matrix).max(axis=1) > 0).all()


@pytest.mark.parametrize("loss", ["negative", "hierarchical"])
@pytest.mark.parametrize("kind", ["word2vec", "fasttext"])
def test_stopped_after_an_epoch_it_goes_on_to_the_same_vectors(kind, loss, lines, tmp_path, monkeypatch):
    settings = VectorSettings(kind=kind, loss=loss, **FEW)
    whole = trained(lines, settings, tmp_path / "never")
    assert not (tmp_path / "never").exists()  # it took less than a minute
    monkeypatch.setattr(train, "SAVE_SECONDS", 0.0)
    saving = train._Saves.on_epoch_end

    def interrupted(self, model):
        saving(self, model)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train._Saves, "on_epoch_end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(lines, settings, tmp_path / "saved")
    model = train.begin(lines, settings, 1, "text")
    epochs, _ = train.fit(model, lines, tmp_path / "saved")
    assert epochs == 2
    assert np.array_equal(train.vectors(model, settings).matrix, whole.matrix)


@pytest.mark.parametrize(
    ("text", "settings", "error", "why"),
    [
        ("", {}, InputError, "text: holds no words"),
        ("one two two\n", {}, SettingError, r"vectors.min_count: = 5 leaves no word: the most frequent of 2 different ones occurs 2 times"),
        ("one two\n", {"min_count": 1, "vocabulary": 1}, SettingError, "vectors.vocabulary: = 1 leaves no word"),
        ("one two\n", {"min_count": 1, "vocabulary": 1, "loss": "hierarchical"}, SettingError, "vectors.vocabulary: = 1 leaves no word"),
    ],
)
def test_too_little_text_is_said_in_one_line(text, settings, error, why, tmp_path):
    (tmp_path / "lines.txt").write_text(text)
    with pytest.raises(error, match=why):
        train.begin(Lines(tmp_path / "lines.txt"), VectorSettings(**settings), 1, "text")


def test_the_vocabulary_can_be_limited(lines):
    model = train.begin(lines, VectorSettings(vocabulary=5, **FEW), 1, "text")
    assert 1 <= len(model.wv) <= 5


def test_lines_are_sentences_and_can_be_skipped(tmp_path):
    from zhixing.corpus.words import WordSettings

    path = tmp_path / "lines.txt"
    write_words(["One two. Three.", "知行。"], WordSettings(chinese="characters"), path)
    lines = Lines(path)
    assert list(lines) == list(lines) == [["one", "two"], ["three"], ["知", "行"]]
    lines.skip = 1
    assert list(lines) == []
    assert len(list(lines)) == 3
