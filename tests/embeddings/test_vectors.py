import numpy as np
import pytest
import tiny
from gensim.models import KeyedVectors
from gensim.models.fasttext_inner import compute_ngrams_bytes, ft_hash_bytes

from zhixing.embeddings.initial import initial, rows
from zhixing.embeddings.picture import plane, telling
from zhixing.embeddings.settings import PictureSettings
from zhixing.embeddings.vectors import Ngrams, Vectors, of_tokens
from zhixing.errors import ArtifactError, InputError
from zhixing.files import new_folder

DRAW = np.random.default_rng(1)


def made(words, width=6, **more):
    return Vectors(words, DRAW.normal(size=(len(words), width)).astype(np.float32), np.arange(len(words), 0, -1), **more)


def written(vectors, folder, **more):
    with new_folder(folder, "vectors") as partial:
        vectors.save(partial, **more)
    return Vectors.open(folder)


def test_what_is_written_is_read(tmp_path):
    ngrams = Ngrams(DRAW.normal(size=(50, 6)).astype(np.float32), 2, 5)
    vectors = made(["the", "知行", "line\nend", "the"], ids=np.array([5, 3, 9, 1]), ngrams=ngrams, about={"tokenizer": "abc"})
    again = written(vectors, tmp_path / "a")
    for name in ("words", "about"):
        assert getattr(again, name) == getattr(vectors, name)
    for name in ("matrix", "counts", "ids"):
        assert np.array_equal(getattr(again, name), getattr(vectors, name))
    assert np.array_equal(again.ngrams.buckets, ngrams.buckets)
    assert np.array_equal(again.vector("nothing like it"), vectors.vector("nothing like it"))
    assert again.numbers["the"] == 0


def test_the_text_format_is_read_by_gensim(tmp_path):
    vectors = made(["the", "知行", "a b"])
    written(vectors, tmp_path / "a", text=True)
    found = KeyedVectors.load_word2vec_format(str(tmp_path / "a/vectors.txt"))
    assert found.index_to_key == ["the", "知行", "a▁b"]
    assert np.array_equal(found.vectors, vectors.matrix)
    assert not (written(vectors, tmp_path / "b") and (tmp_path / "b/vectors.txt").exists())


def test_ngrams_are_hashed_as_fasttext_does():
    ngrams = Ngrams(np.arange(1000, dtype=np.float32)[:, None].repeat(2, 1), 1, 4)
    for word in ("a", "word", "知行合一", "naïve", "𠀀"):
        places = [ft_hash_bytes(ngram) % 1000 for ngram in compute_ngrams_bytes(word, 1, 4)]
        assert ngrams.vector(word)[0] == pytest.approx(np.mean(places))
    assert Ngrams(ngrams.buckets, 5, 6).vector("ab") is None


def test_words_without_a_vector():
    vectors = made(["king", "queen", "国王"], about={"lower": True})
    assert np.array_equal(vectors.vector("KING"), vectors.matrix[0])
    with pytest.raises(InputError, match=r"word 'kings': is not among the 3 that have vectors; did you mean king\?"):
        vectors.nearest("kings")
    with pytest.raises(InputError, match=r"word '皇后': is not among the 3 that have vectors$"):
        vectors.analogy("king", "皇后", "queen")
    assert vectors.analogy("king", "queen", "国王") == []
    assert [word for word, _ in vectors.nearest("king", 50)] == sorted(["queen", "国王"], key=lambda w: -_cosine(vectors, "king", w))


def _cosine(vectors, a, b):
    a, b = vectors.vector(a), vectors.vector(b)
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(ArtifactError, match="no such vectors folder"):
        Vectors.open(tmp_path / "absent")
    with new_folder(tmp_path / "data", "data"):
        pass
    with pytest.raises(ArtifactError, match="of kind data, and one of kind vectors"):
        Vectors.open(tmp_path / "data")
    written(made(["a"]), tmp_path / "a")
    (tmp_path / "a/vectors.safetensors").write_bytes(b"x" * (tmp_path / "a/vectors.safetensors").stat().st_size)
    with pytest.raises(ArtifactError, match="do not match its SHA-256"):
        Vectors.open(tmp_path / "a")


def test_tokens_that_are_words_begin_with_their_vectors():
    tokenizer = tiny.tokenizer()
    pieces = tokenizer.pieces(range(tokenizer.vocabulary))
    vectors = made(["doing", "行", "is", "knowing", "absent"], about={"lower": True})
    table = DRAW.normal(0, 0.02, size=(tokenizer.vocabulary, 6)).astype(np.float32)
    found, share = initial(vectors, tokenizer, table)
    known = [i for i, piece in enumerate(pieces) if piece.strip().lower() in ("doing", "行", "is", "knowing")]
    assert len(known) >= 3
    assert share == len(known) / len(pieces)
    scale = found[known[0]] / vectors.vector(pieces[known[0]].strip())
    for i in range(len(pieces)):
        if i in known:
            assert found[i] == pytest.approx(scale * vectors.vector(pieces[i].strip()), rel=1e-4)
        else:
            assert np.array_equal(found[i], table[i])
    assert found[known].std() == pytest.approx(table.std(), rel=1e-4)
    nothing, none = initial(made(["absent"]), tokenizer, table)
    assert none == 0
    assert np.array_equal(nothing, table)


def test_capitals_find_their_own_vector_first():
    tokenizer = tiny.tokenizer("word", None)
    pieces = [piece.strip() for piece in tokenizer.pieces(range(tokenizer.vocabulary))]
    place = pieces.index("Knowing")
    assert rows(made(["knowing", "Knowing"]), tokenizer)[place] == 1
    assert rows(made(["knowing"]), tokenizer)[place] == -1
    assert rows(made(["knowing"], about={"lower": True}), tokenizer)[place] == 0


def test_vectors_of_tokens_go_to_those_tokens():
    tokenizer = tiny.tokenizer()
    vectors = of_tokens(made(["7", "300", "12"]), tokenizer)
    assert vectors.words == tokenizer.pieces([7, 300, 12])
    found = rows(vectors, tokenizer)
    assert {i: found[i] for i in (7, 300, 12)} == {7: 0, 300: 1, 12: 2}
    assert (found >= 0).sum() == 3
    with pytest.raises(ArtifactError, match="of another tokenizer"):
        rows(vectors, tiny.tokenizer("char", 300))


def test_words_that_say_something():
    common = [f"the{i}" for i in range(100)]
    words = [*common, *(f"{a}{b}" for a in "天地人和" for b in "道理文心"), "的", "ab", "1234", *(f"word{c}" for c in "abcdefghijkl")]
    chinese, others = telling([*words, *common * 3], 12)
    assert chinese == [f"天{b}" for b in "道理文心"] + ["地道", "地理"]
    assert others == [f"word{c}" for c in "abcdef"]
    assert telling(["alpha", "beta"], 12) == ([], ["alpha", "beta"])
    assert telling([], 12) == ([], [])


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_the_picture_keeps_neighbours_together(method):
    words = [f"{a}{b}" for a in "天地人和山水" for b in "道理文心"] + [f"word{c}" for c in "abcdefghijkl"]
    vectors = made(words, width=16)
    for number in range(len(words)):  # two groups in each language, far apart
        vectors.matrix[number] = vectors.matrix[number] * 0.05 + np.eye(16)[number % 2]
    chinese, others = plane(vectors, PictureSettings(method=method, words=24))
    assert len(chinese) + len(others) == 24
    for points in (chinese, others):
        places = np.array([[p["x"], p["y"]] for p in points])
        group = np.array([words.index(p["word"]) % 2 for p in points])
        assert np.abs(places).max() == 1
        centres = [places[group == g].mean(axis=0) for g in (0, 1)]
        nearer = [np.argmin([np.linalg.norm(p - c) for c in centres]) for p in places]
        assert (nearer == group).all()
    assert plane(made(["only", "four", "words", "here"]), PictureSettings()) == []
