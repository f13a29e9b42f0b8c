"""The token store and the order of samples."""

import collections

import numpy as np
import pytest
from data import VOCABULARY, data_folder, documents
from hypothesis import given
from hypothesis import strategies as st

from zhixing.errors import ArtifactError, InputError
from zhixing.store import Samples, Store, StoreWriter, permuted


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return data_folder(tmp_path_factory.mktemp("store") / "data")


def test_documents_come_back_across_shards(folder):
    store = Store.open(folder, "train")
    made = documents(80, 1)
    assert store.documents == 80
    assert store.tokens == sum(map(len, made))
    assert len(list(folder.glob("train-*.bin"))) == -(-store.tokens // 1000) > 1
    for i in (0, 1, 40, 79):
        assert store.document(i).tolist() == made[i]
    assert store.read(0, store.tokens).tolist() == [t for ids in made for t in ids]
    assert store.bytes == 3 * store.tokens
    assert store.characters == 2 * store.tokens


def test_wide_vocabulary_is_stored_whole(tmp_path):
    with StoreWriter(tmp_path, "train", 100_000) as writer:
        writer.add([99_999, 65_536, 1], 3, 3)
    assert Store(tmp_path, "train").document(0).tolist() == [99_999, 65_536, 1]
    with pytest.raises(ValueError, match="outside"), StoreWriter(tmp_path, "valid", 10) as writer:
        writer.add([10], 1, 1)


@given(st.integers(1, 300), st.integers(0, 2**40))
def test_permutation_is_a_permutation(count, key):
    assert sorted(permuted(i, count, key) for i in range(count)) == list(range(count))


def test_permutations_of_different_keys_differ():
    orders = {tuple(permuted(i, 50, key) for i in range(50)) for key in range(20)}
    assert len(orders) == 20


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_order_does_not_depend_on_the_number_of_processes(folder, world, mask):
    samples = Samples(Store.open(folder), 16, seed=3, document_mask=mask)
    for step in (0, 7, 40):
        whole, segments = samples.batch(step, 8)
        parts = [samples.batch(step, 8, rank, world) for rank in range(world)]
        assert np.array_equal(np.concatenate([ids for ids, _ in parts]), whole)
        if mask:
            assert np.array_equal(np.concatenate([s for _, s in parts]), segments)


def test_an_epoch_reads_every_window_once_and_the_next_in_another_order(folder):
    samples = Samples(Store.open(folder), 16, seed=3)
    n = samples.per_epoch
    first, second = [samples.start(i) for i in range(n)], [samples.start(n + i) for i in range(n)]
    for starts in (first, second):
        assert sorted(starts) == list(range(min(starts), min(starts) + 16 * n, 16))
    assert first != second
    assert first != sorted(first)


def test_windows_match_a_slow_obvious_version(folder):
    store = Store.open(folder)
    samples = Samples(store, 16, seed=5, document_mask=True)
    stream = [(token, number) for number, ids in enumerate(documents(80, 1)) for token in ids]
    for step in range(5):
        windows, segments = samples.batch(step, 4)
        for row in range(4):
            start = samples.start(step * 4 + row)
            assert windows[row].tolist() == [t for t, _ in stream[start : start + 17]]
            owners = [d for _, d in stream[start + 1 : start + 17]]  # an input belongs to the document of the token it predicts
            assert segments[row].tolist() == [d - owners[0] for d in owners]


def test_steps_are_a_pure_function_of_seed_and_step(folder):
    store = Store.open(folder)
    a, b = Samples(store, 16, seed=5), Samples(store, 16, seed=5)
    late = b.batch(100, 4)[0]
    for step in range(101):
        walked = a.batch(step, 4)[0]
    assert np.array_equal(walked, late)
    assert not np.array_equal(Samples(store, 16, seed=6).batch(100, 4)[0], late)


def test_tokens_are_read_about_equally_often(folder):
    store = Store.open(folder)
    samples = Samples(store, 16, seed=1)
    counts = collections.Counter(s + i for n in range(20 * samples.per_epoch) for s in [samples.start(n)] for i in range(1, 17))
    inner = [counts[i] for i in range(16, store.tokens - 40)]
    assert min(inner) >= 18
    assert max(inner) <= 20


def test_text_shorter_than_a_window_is_said(folder):
    with pytest.raises(InputError, match="fewer than one window"):
        Samples(Store.open(folder, "valid"), 100_000, seed=1)


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "newer", "foreign"])
def test_damage_is_noticed(tmp_path, harm):
    folder = data_folder(tmp_path / "data")
    shard = folder / "train-00001.bin"
    if harm == "flip":
        data = bytearray(shard.read_bytes())
        data[100] ^= 1
        shard.write_bytes(bytes(data))
    elif harm == "cut":
        shard.write_bytes(shard.read_bytes()[:-2])
    elif harm == "remove":
        shard.unlink()
    elif harm == "newer":
        path = folder / "manifest.json"
        path.write_text(path.read_text().replace('"format": 1', '"format": 99'))
    else:
        (folder / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match={"newer": "newer version", "foreign": "not a Zhixing"}.get(harm, "damaged")):
        Store.open(folder, "train")


def test_vocabulary_is_kept(folder):
    assert Store.open(folder).vocabulary == VOCABULARY


def test_a_writer_goes_on_from_the_last_commit(tmp_path):
    rng = np.random.default_rng(3)
    documents = [rng.integers(0, 300, n).tolist() for n in rng.integers(1, 40, 60)]

    def write(folder, numbers, *, stop=None, commit=None):
        folder.mkdir(exist_ok=True)
        try:
            with StoreWriter(folder, "train", 300, shard_tokens=100) as store:
                assert store.documents == numbers[0]
                for number in numbers:
                    store.add(documents[number], 7, 5)
                    if number == commit:
                        store.commit()
                    if number == stop:
                        raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass

    write(tmp_path / "whole", range(60))
    write(tmp_path / "cut", range(60), commit=20, stop=33)
    write(tmp_path / "cut", range(21, 60), commit=40, stop=40)
    write(tmp_path / "cut", range(41, 60))
    files = sorted(p.name for p in (tmp_path / "whole").iterdir())
    assert files == sorted(p.name for p in (tmp_path / "cut").iterdir())
    assert all((tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes() for name in files)
    store = Store(tmp_path / "cut", "train")
    assert [store.document(i).tolist() for i in range(60)] == documents
