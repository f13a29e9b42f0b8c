"""`embed`, and `pretrain --vectors`: through a real data folder."""

import builtins
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from gensim.models import KeyedVectors

import zhixing as zx
from zhixing import cli, session
from zhixing.corpus.prepared import documents
from zhixing.embeddings.vectors import Vectors
from zhixing.errors import ArtifactError, InputError, MissingPackage, SettingError, UserError
from zhixing.files import open_folder, read_json
from zhixing.store import Store
from zhixing.tokenizer.tokenizer import Tokenizer

TEXTS = [
    *(f"The {a} fox number {n} jumps. It likes {b} dogs, the {a} fox." for n in range(60) for a, b in (("quick", "lazy"), ("sly", "old"))),
    *(f"{a}君子以自强不息第{n}回。知行合一，天下太平！" for a in ("天行健", "地势坤") for n in range(60)),
]
FEW = {"vectors.width": 16, "vectors.epochs": 2, "picture.method": "pca"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embed")
    (folder / "text.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    zx.prepare([str(folder / "text.txt")], out=folder / "data", vocabulary=340, settings={"read.document": "line", "dedup.near.on": False})
    return folder


@pytest.fixture(scope="module")
def words(place):
    """Vectors of the words of a data folder, and what the verb says of them."""
    result = zx.embed(
        [str(place / "data")], out=place / "words", analogy=("quick", "sly", "lazy"), text_format=True, workers=1, settings=FEW
    )
    return place / "words", result


def test_all_that_is_written_agrees(place, words):
    folder, result = words
    open_folder(folder, "vectors")
    vectors = Vectors.open(folder)
    assert (result.words, result.width, result.unit) == (len(vectors.words), 16, "word")
    assert {"fox", "dogs", "君子", "天下太平" if "天下太平" in vectors.words else "天下"} <= set(vectors.words)
    found = KeyedVectors.load_word2vec_format(str(folder / "vectors.txt"))
    assert np.array_equal(found.vectors, vectors.matrix)
    assert result.analogy.found == vectors.analogy("quick", "sly", "lazy")
    assert result.nearest
    assert all(near == vectors.nearest(word) for word, near in result.nearest.items())
    assert read_json(folder / "result.json") == json.loads(result.model_dump_json())
    lineage = read_json(folder / "lineage.json")
    assert lineage["inputs"][0]["path"] == str(place / "data")
    assert lineage["workers"] == 1
    assert set(read_json(folder / "config.json")) == {"unit", "words", "vectors", "picture"}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "What is to" in page
    assert "cannot be shown" not in page
    assert not list(place.glob(".*work"))


def test_the_words_of_the_training_part_alone_are_read(place, words):
    counts = Vectors.open(words[0])
    number = read_json(place / "data/statistics.json")["parts"]["train"]["documents"]
    texts = [d.text for d in documents(place / "data", "train")]
    assert len(texts) == number
    english = sum(text.count("fox") for text in texts)
    assert counts.counts[counts.numbers["fox"]] == english


def test_texts_give_vectors_too_and_the_same_ones_again(place, tmp_path):
    first = zx.embed(
        [str(place / "text.txt")], out=tmp_path / "a", nearest=["fox"], workers=1, settings={**FEW, "vectors.kind": "fasttext"}
    )
    again = zx.embed(
        [str(place / "text.txt")], out=tmp_path / "b", nearest=["fox"], workers=1, settings={**FEW, "vectors.kind": "fasttext"}
    )
    assert (tmp_path / "a/vectors.safetensors").read_bytes() == (tmp_path / "b/vectors.safetensors").read_bytes()
    assert list(first.nearest) == ["fox"]
    assert first.nearest == again.nearest
    assert "split" not in read_json(tmp_path / "a/config.json")
    assert Vectors.open(tmp_path / "a").vector("foxes").shape == (16,)


def test_a_folder_of_vectors_can_be_asked(words, capsys):
    folder, _ = words
    before = sorted(os.listdir(folder))
    assert cli.run(["embed", str(folder), "--analogy", "quick", "sly", "lazy", "--nearest", "Fox", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    vectors = Vectors.open(folder)
    assert answer["nearest"] == {"Fox": [list(entry) for entry in vectors.nearest("fox")]}
    assert answer["analogy"]["found"] == [list(entry) for entry in vectors.analogy("quick", "sly", "lazy")]
    assert answer["seconds"] is None
    assert sorted(os.listdir(folder)) == before
    assert cli.run(["embed", str(folder)]) == 0
    assert "words of 16 numbers" in capsys.readouterr().out


def test_tokens_of_the_data_folder(place, tmp_path):
    result = zx.embed([str(place / "data")], out=tmp_path / "tokens", workers=1, settings={**FEW, "unit": "token", "vectors.min_count": 1})
    vectors, store = Vectors.open(tmp_path / "tokens"), Store.open(place / "data", "train")
    counts = np.bincount(store.read(0, store.tokens), minlength=340)
    assert result.unit == "token"
    assert sorted(vectors.ids.tolist()) == np.flatnonzero(counts).tolist()
    assert np.array_equal(counts[vectors.ids], vectors.counts)
    tokenizer = Tokenizer.load(place / "data/tokenizer.json")
    assert vectors.words == tokenizer.pieces(vectors.ids.tolist())
    assert vectors.about == {"tokenizer": tokenizer.fingerprint}


def test_a_run_that_was_killed_goes_on_to_the_same_vectors(place, tmp_path):
    settings = {**FEW, "vectors.epochs": 40}
    zx.embed([str(place / "data")], out=tmp_path / "whole", workers=1, settings=settings)
    words = ["embed", str(place / "data"), "--out", str(tmp_path / "killed"), "--workers", "1"]
    words += [f"{name}={value}" for name, value in settings.items()]
    script = f"from zhixing.embeddings import train\ntrain.SAVE_SECONDS = 0.0\nfrom zhixing.cli import main\nmain({words!r})"
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    while not (saved := (tmp_path / ".killed.work/training.safetensors").is_file()) and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert saved
    assert not (tmp_path / "killed").exists()
    zx.embed([str(place / "data")], out=tmp_path / "killed", workers=1, settings=settings)
    assert (tmp_path / "killed/vectors.safetensors").read_bytes() == (tmp_path / "whole/vectors.safetensors").read_bytes()


TINY = {
    "model.layers": 1, "objective.context": 16, "train.batch": 4, "train.compile": False, "train.steps": 6, "train.validate_tokens": 200,
    "train.save_every": 2,
}  # fmt: skip


def embedding(run, step):
    from safetensors.numpy import load_file

    [weights] = [load_file(path) for path in (run / "checkpoints" / step).glob("model.safetensors")]
    return next(value for name, value in weights.items() if name.endswith("decoder.embedding.weight"))


def test_pretrain_begins_with_the_vectors(place, words, tmp_path, capsys, monkeypatch):
    folder = shutil.copytree(words[0], tmp_path / "vectors")
    started = []
    real = session.Session

    def watched(out, state, *rest, **more):
        started.append(state.model.decoder.embedding.weight.detach().clone().numpy())
        return real(out, state, *rest, **more)

    monkeypatch.setattr(session, "Session", watched)
    zx.pretrain(place / "data", out=tmp_path / "with", vectors=folder, settings={**TINY, "train.seed": 3})
    said = capsys.readouterr().err
    zx.pretrain(place / "data", out=tmp_path / "without", settings={**TINY, "train.seed": 3, "model.width": 16, "model.heads": 1})
    with_vectors, without = started
    tokenizer, vectors = Tokenizer.load(place / "data/tokenizer.json"), Vectors.open(folder)
    pieces = [piece.strip() for piece in tokenizer.pieces(range(tokenizer.vocabulary))]
    known = np.array([piece in vectors.numbers or piece.lower() in vectors.numbers for piece in pieces])
    assert 5 < known.sum() < len(pieces)
    assert np.array_equal(with_vectors[~known], without[~known])
    assert with_vectors[known].std() == pytest.approx(without.std(), rel=1e-3)
    cosines = [
        row @ vectors.vector(piece) / np.linalg.norm(row) / np.linalg.norm(vectors.vector(piece))
        for row, piece in zip(with_vectors[known], np.array(pieces, object)[known], strict=True)
    ]
    assert cosines == pytest.approx([1.0] * len(cosines), abs=1e-4)
    assert read_json(tmp_path / "with/lineage.json")["base"]["vectors"]["path"] == str(folder)
    assert f"vectors: {known.mean():.1%} of the tokens start from one" in said
    assert read_json(tmp_path / "with/config.json")["model"]["width"] == 16
    whole = embedding(tmp_path / "with", "step-0000006")
    for name in ("result.json", "checkpoints/step-0000004", "checkpoints/step-0000006"):  # as a kill after the second step leaves it
        path = tmp_path / "with" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    zx.pretrain(place / "data", out=tmp_path / "with")  # what a checkpoint holds is not laid over again, and the vectors not asked for
    assert np.array_equal(embedding(tmp_path / "with", "step-0000006"), whole)
    (tmp_path / "with/result.json").unlink()
    other = shutil.copytree(words[0], tmp_path / "other")
    (other / "manifest.json").write_text(json.dumps({**read_json(other / "manifest.json"), "note": "another"}), encoding="utf-8")
    for begun in ("with a checkpoint", "without one"):
        with pytest.raises(ArtifactError, match=r"was begun with --vectors .*vectors as it was then; give that"):
            zx.pretrain(place / "data", out=tmp_path / "with", vectors=other)
        shutil.rmtree(tmp_path / "with/checkpoints", ignore_errors=begun == "without one")
    shutil.rmtree(folder)
    with pytest.raises(ArtifactError, match=r"no longer holds the vectors that .*with was begun with"):
        zx.pretrain(place / "data", out=tmp_path / "with")


def test_vectors_that_do_not_fit_a_run(place, words, tmp_path):
    folder, _ = words
    with pytest.raises(SettingError, match=r"model.width: is 32, and the vectors of .*words have 16 numbers"):
        zx.pretrain(place / "data", out=tmp_path / "run", vectors=folder, settings={**TINY, "model.width": 32})
    with pytest.raises(SettingError, match="vectors: begin the embedding of a new model"):
        zx.pretrain(place / "data", out=tmp_path / "run", vectors=folder, base=place / "data", settings=TINY)
    with pytest.raises(ArtifactError, match="no such vectors folder"):
        zx.pretrain(place / "data", out=tmp_path / "run", vectors=tmp_path / "absent", settings=TINY)
    with pytest.raises(ArtifactError, match="is a folder of kind data"):
        zx.pretrain(place / "data", out=tmp_path / "run", vectors=place / "data", settings=TINY)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "error", "why"),
    [
        ({"settings": {"vectors.min_count": 10_000}}, SettingError, r"vectors.min_count: = 10000 leaves no word: the most frequent of"),
        ({"analogy": ("fox", "dogs", "cat")}, InputError, "word 'cat': is not among the"),
        ({"nearest": ["foxx"]}, InputError, r"word 'foxx': is not among the .* did you mean fox\?"),
        ({"settings": {"vectors.dimension": 5}}, SettingError, "vectors.dimension: unknown setting"),
        ({"settings": {"vectors.shortest": 7}}, SettingError, "vectors.longest = 6 is less than vectors.shortest = 7"),
        ({"settings": {"clean.unicode": "NFKC"}}, SettingError, "clean.unicode: has no effect on .*data, which is prepared already"),
        ({"settings": {"unit": "token", "words.lower": False}}, SettingError, "words.lower: has no effect on tokens"),
        ({"settings": {"unit": "token", "vectors.kind": "fasttext"}}, SettingError, "vectors.kind: = fasttext needs unit=word"),
        ({"settings": {"unit": "letter"}}, SettingError, "setting unit: "),
        ({"workers": 0}, SettingError, "workers: should be between 1"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_and_leaves_nothing(given, error, why, place, tmp_path):
    with pytest.raises(error, match=why) as caught:
        zx.embed([str(place / "data")], out=tmp_path / "new/out", **given)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists() or not os.listdir(tmp_path / "new")


def test_texts_that_cannot_be(place, words, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "digits.txt").write_text("1234 5678\n")
    for name, why in (("empty.txt", "is empty"), ("digits.txt", "digits.txt: holds no words"), ("absent.txt", "no such file or folder")):
        with pytest.raises(InputError, match=why):
            zx.embed([str(tmp_path / name)], out=tmp_path / "out")
    with pytest.raises(SettingError, match="unit: = token needs a data folder"):
        zx.embed([str(place / "text.txt")], out=tmp_path / "out", settings=["unit=token"])
    with pytest.raises(UserError, match="a data folder is given alone"):
        zx.embed([str(place / "data"), str(place / "text.txt")], out=tmp_path / "out")
    with pytest.raises(UserError, match="say with --out where to write"):
        zx.embed([str(place / "data")])
    with pytest.raises(SettingError, match=r"vectors.width: has no effect on"):
        zx.embed([str(words[0])], settings=["vectors.width=5"])
    with pytest.raises(ArtifactError, match="exists already"):
        zx.embed([str(place / "data")], out=words[0])
    assert sorted(os.listdir(tmp_path)) == ["digits.txt", "empty.txt"]


def test_a_missing_package_is_said_before_anything_is_read(place, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("gensim"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackage, match=r"word embeddings needs the package gensim; install it with: pip install 'zhixing\[embed\]'"):
        zx.embed([str(place / "data")], out=tmp_path / "out")
    assert os.listdir(tmp_path) == []
