"""Pairs on disk and in memory, and batches of them."""

import numpy as np
import pytest

from zhixing.errors import ArtifactError
from zhixing.pairs import Buckets, Pairs, PairWriter


def rows(count=50, seed=0):
    draw = np.random.default_rng(seed)
    return [
        (draw.integers(0, 300, draw.integers(0, 9)).tolist(), draw.integers(0, 70_000, draw.integers(1, 9)).tolist()) for _ in range(count)
    ]


def write(folder, pairs):
    with PairWriter(folder, "train", 300, 70_000) as writer:
        for source, target in pairs:
            writer.add(source, target)


def test_what_was_written_is_read(tmp_path):
    pairs = rows()
    write(tmp_path, pairs)
    for read in (Pairs.open(tmp_path), Pairs.of(pairs)):
        assert len(read) == 50
        assert [(read.source(i).tolist(), read.target(i).tolist()) for i in range(50)] == pairs
        assert read.lengths.tolist() == [[len(a), len(b)] for a, b in pairs]
    assert {p.name for p in tmp_path.iterdir()} == {"train.source.bin", "train.target.bin", "train.pairs.npy", "train.pairs.json"}


def test_damage_is_named(tmp_path):
    write(tmp_path, rows())
    file = tmp_path / "train.target.bin"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(ArtifactError, match="are not as many"):
        Pairs.open(tmp_path)
    with pytest.raises(ArtifactError, match="valid pairs cannot be read"):
        Pairs.open(tmp_path, "valid")
    with PairWriter(tmp_path, "other", 300, 300) as writer, pytest.raises(ValueError, match="outside"):
        writer.add([300], [1])


def test_every_epoch_reads_each_pair_once_in_full_batches():
    draw = np.random.default_rng(1)
    lengths = np.clip(np.round(draw.lognormal(2.8, 0.6, (20_000, 1)) * draw.lognormal(0, 0.2, (20_000, 2))), 1, 127).astype(np.int64)
    buckets = Buckets(lengths, budget=2048, seed=3)
    epochs = [[buckets.batch(epoch * buckets.per_epoch + i) for i in range(buckets.per_epoch)] for epoch in range(2)]
    for batches in epochs:
        assert np.sort(np.concatenate(batches)).tolist() == list(range(20_000))
        assert max(len(batch) * lengths[batch].max() for batch in batches) <= 2048
    assert [b.tolist() for b in epochs[0]] != [b.tolist() for b in epochs[1]]
    padded = sum(len(b) * (lengths[b].max(0)).sum() for b in epochs[0])
    assert lengths.sum() / padded > 0.9
    fresh = Buckets(lengths, budget=2048, seed=3)  # resuming in the middle
    assert fresh.batch(buckets.per_epoch + 7).tolist() == epochs[1][7].tolist()
    assert buckets.batch(5).tolist() == epochs[0][5].tolist()


def test_a_pair_longer_than_the_budget_is_a_batch_of_its_own():
    buckets = Buckets(np.array([[50, 3], [2, 2], [2, 3]]), budget=20, seed=1)
    assert sorted(sorted(buckets.batch(i).tolist()) for i in range(buckets.per_epoch)) == [[0], [1, 2]]
