"""Sequence to sequence: R-drop next to its formula, and other cuts of the same text each time it is read."""

import math
import random

import pytest
import torch

from zhixing.models import MarianSettings, build
from zhixing.nn.losses import IGNORE
from zhixing.objectives.seq2seq import Ends, Seq2Seq, Seq2SeqSettings
from zhixing.pairs import Pairs

ENDS = Ends(source_end=1, start=1, end=1, source_pad=0, pad=0)
VOCABULARY = 20


def rows(count=40, seed=0):
    draw = random.Random(seed)
    return [tuple([draw.randrange(2, VOCABULARY) for _ in range(draw.randrange(4, 9))] for _ in range(2)) for _ in range(count)]


def objective(recut=None, seed=1, **how):
    return Seq2Seq(Pairs.of(rows()), Seq2SeqSettings(context=16, **how), seed, ENDS, recut)


def model(dropout):
    torch.manual_seed(0)
    made = build(MarianSettings(encoder_layers=1, decoder_layers=1, width=16, heads=2, dropout=dropout), VOCABULARY, "encoder-decoder")
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return made


def test_r_drop_is_its_formula():
    """Two passes with different dropout, token by token: half of both losses, and a quarter of the weight times both divergences."""
    weight, smoothing = 3.0, 0.1
    task, one = objective(rdrop=weight, smoothing=smoothing), model(0.3).train()
    batch = task.batch(0, 4)
    torch.manual_seed(5)
    loss = task.loss(one, batch)
    torch.manual_seed(5)
    states = one(torch.cat([batch["source"]] * 2), torch.cat([batch["ids"]] * 2), torch.cat([batch["mask"]] * 2))
    p, q = one.head(states).log_softmax(-1).double().detach().chunk(2)
    expected = divergence = 0.0
    for row, targets in enumerate(batch["targets"].tolist()):
        for place, target in enumerate(targets):
            if target == IGNORE:
                continue
            for logs in (p[row, place].tolist(), q[row, place].tolist()):
                expected -= 0.5 * ((1 - smoothing) * logs[target] + smoothing * sum(logs) / VOCABULARY)
            for a, b in ((p, q), (q, p)):
                divergence += sum(math.exp(x) * (x - y) for x, y in zip(a[row, place].tolist(), b[row, place].tolist(), strict=True))
    assert divergence > 0.1
    assert loss.item() == pytest.approx(expected + weight / 4 * divergence, rel=1e-4)
    plain = objective(smoothing=smoothing)
    assert task.loss(one.eval(), batch).item() == pytest.approx(plain.loss(one, batch).item(), rel=1e-5)
    same = model(0.0).train()
    assert task.loss(same, batch).item() == pytest.approx(plain.loss(same, batch).item(), rel=1e-5), "nothing differs without dropout"


def test_other_cuts_follow_from_seed_epoch_and_pair():
    seen = []

    def recut(ids, draw):
        seen.append(tuple(ids))
        return [*ids, 2 + int(draw.random() * (VOCABULARY - 2))]

    pairs = {tuple(source): tuple(target) for source, target in rows()}
    task = objective((recut, recut))
    per_epoch = task.buckets(2).per_epoch
    epochs = []
    for epoch in range(2):
        found = {}
        for step in range(epoch * per_epoch, (epoch + 1) * per_epoch):
            batch = task.batch(step, 2)
            for row in range(len(batch["source"])):
                source = batch["source"][row][batch["mask"][row]].tolist()
                target = [token for token in batch["targets"][row].tolist() if token != IGNORE]
                assert source[-1] == target[-1] == 1
                assert pairs[tuple(source[:-2])] == tuple(target[:-2])
                found[tuple(source[:-2]), tuple(target[:-2])] = source[-2], target[-2]
        epochs.append(found)
    assert set(epochs[0]) == set(epochs[1]) and sum(epochs[0][key] != epochs[1][key] for key in epochs[0]) > 20
    again, other = objective((recut, recut)), objective((recut, recut), seed=2)
    assert torch.equal(again.batch(per_epoch + 3, 2)["source"], task.batch(per_epoch + 3, 2)["source"])
    assert any(not torch.equal(other.batch(step, 2)["source"], task.batch(step, 2)["source"]) for step in range(4))
    parts = [task.batch(3, 4, rank, 2) for rank in range(2)]
    whole = task.batch(3, 4)
    rows_of = [tuple(row[row != IGNORE].tolist()) for part in parts for row in part["targets"]]
    assert sorted(rows_of) == sorted(tuple(row[row != IGNORE].tolist()) for row in whole["targets"])
    long = objective((lambda ids, draw: [5] * 99, lambda ids, draw: []))
    assert {tuple(row[mask].tolist()[:-1]) for row, mask in zip(long.batch(0, 4)["source"], long.batch(0, 4)["mask"], strict=True)} <= set(
        pairs
    )
