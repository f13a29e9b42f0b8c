"""Batches of like lengths, in an order that seed and step alone decide."""

import numpy as np
import pytest

from zhixing.tasks.buckets import Buckets, by_length

LENGTHS = np.random.default_rng(1).integers(3, 200, size=1003)


@pytest.mark.parametrize("size", [1, 16, 32, 1003, 5000])
def test_an_epoch_holds_every_example_once(size):
    order = Buckets(LENGTHS, 7)
    for epoch in range(2):
        steps = order.steps(size)
        rows = [order.batch(epoch * steps + step, size) for step in range(steps)]
        assert sorted(np.concatenate(rows).tolist()) == list(range(1003))
        assert all(len(r) <= size for r in rows)


def test_the_order_is_a_function_of_seed_and_step():
    one, two = Buckets(LENGTHS, 7), Buckets(LENGTHS, 7)
    steps = list(range(100))
    ahead = {step: one.batch(step, 16).tolist() for step in reversed(steps)}
    assert [two.batch(step, 16).tolist() for step in steps] == [ahead[step] for step in steps]
    assert Buckets(LENGTHS, 8).batch(0, 16).tolist() != ahead[0]
    assert sorted(ahead[0]) != sorted(ahead[63])  # the next epoch makes other batches


def test_hardly_anything_is_padded():
    order = Buckets(LENGTHS, 7)
    batches = [LENGTHS[order.batch(step, 16)] for step in range(order.steps(16))]
    padded, real = sum(len(b) * b.max() for b in batches), LENGTHS.sum()
    assert padded < 1.1 * real
    shuffled = [LENGTHS[i : i + 16] for i in range(0, 1003, 16)]
    assert sum(len(b) * b.max() for b in shuffled) > 1.6 * real


def test_batches_for_use_hold_about_so_many_tokens():
    batches = by_length(LENGTHS, 512)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1003))
    assert all(len(b) * LENGTHS[b].max() <= 512 or len(b) == 1 for b in batches)
    assert by_length(np.zeros(0, dtype=np.int64), 512) == []
