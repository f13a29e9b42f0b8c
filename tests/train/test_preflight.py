"""What is found in the tokens before a run: on real stores, held against plain sets."""

import numpy as np
import pytest

from zhixing.store import Store, StoreWriter
from zhixing.train import preflight


def stores(place, train, valid, vocabulary=50):
    for name, ids in (("train", train), ("valid", valid)):
        with StoreWriter(place, name, vocabulary, shard_tokens=60_000) as writer:
            writer.add(ids, len(ids), len(ids))
    return Store(place, "train"), Store(place, "valid")


def passages(ids):
    return {tuple(ids[i : i + preflight.GRAM]) for i in range(len(ids) - preflight.GRAM + 1)}


def test_shared_passages_are_those_of_the_sets(tmp_path):
    """Passages lie across borders of blocks and shards, too; tokens 40 to 49 never occur."""
    draw = np.random.default_rng(1)
    train = draw.integers(0, 40, 150_000)
    valid = np.concatenate([train[32_700:32_900], draw.integers(0, 40, 300), train[59_900:60_100], train[-40:]])
    expected = len(passages(valid) & passages(train)) / len(passages(valid))
    seen = preflight.look(*stores(tmp_path, train, valid))
    assert seen == preflight.Look(150_000, 10, pytest.approx(expected))
    found = preflight.findings(*(Store(tmp_path, name) for name in ("train", "valid")), seen, 150_000, 1000)
    assert any(f"{expected:.1%} of the validation part's passages of 16 tokens also stand in the training part: " in line for line in found)
    assert any("10 of 50 tokens never occur in the training part; " in line for line in found)


def test_of_much_text_a_part_is_looked_at_which_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "MOST", 1 << 17)
    draw = np.random.default_rng(1)
    train = draw.integers(0, 50, 1 << 19)
    train, valid = stores(tmp_path, train, train[: 1 << 15])
    reads, read = [], train.read
    monkeypatch.setattr(train, "read", lambda start, stop: reads.append(stop - start) or read(start, stop))
    seen = preflight.look(train, valid)
    assert seen.tokens == 1 << 17 and sum(reads) < 1.01 * (1 << 17)
    assert 0 < seen.shared <= 1
    [said] = [line for line in preflight.findings(train, valid, seen, 1 << 19, 1000) if "passages" in line]
    assert "also stand in 131 k of the training part's 524 k tokens, and more in all of it: its figures flatter" in said


def test_a_text_shorter_than_a_passage_shares_none(tmp_path):
    assert preflight.look(*stores(tmp_path, np.arange(30), np.arange(10))).shared == 0
    (tmp_path / "other").mkdir()
    assert preflight.look(*stores(tmp_path / "other", np.arange(10), np.arange(30))).shared == 0
