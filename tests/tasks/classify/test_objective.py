"""Pooling, losses and batches of classification, against torch, scikit-learn and hand-worked numbers."""

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F

from zhixing.corpus.labelled import Example
from zhixing.errors import SettingError
from zhixing.models import BertSettings, LlamaSettings, build
from zhixing.objectives import cut
from zhixing.tasks.classify.objective import (
    Classification,
    ClassifySettings,
    Inputs,
    Targets,
    class_weights,
    classifier,
    inputs,
    logits,
    losses,
    pooled,
    probabilities,
)

CPU = torch.device("cpu")
TEXTS = [s[: 5 + 3 * i] for i, s in enumerate(tiny.SENTENCES)]
EXAMPLES = [Example(text, "abc"[i % 3], "x.tsv", i + 1) for i, text in enumerate(TEXTS)]
LOGITS = torch.tensor([[1.0, -1.0, 0.5], [0.2, 0.3, -2.0], [0.0, 2.0, 1.0]])
GOLD = torch.tensor([0, 2, 1])


def model(settings=None, classes=3, **chosen):
    torch.manual_seed(0)
    made = build(settings or BertSettings(layers=2, width=32, heads=2), 320, "encoder" if settings is None else "decoder")
    made = classifier(made, classes, ClassifySettings(dropout=0.0, **chosen))
    with torch.no_grad():
        for p in made.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    return made.eval()


def objective(examples=EXAMPLES, kind="single", **chosen):
    return Classification(examples, Targets.of(examples, kind), tiny.tokenizer(), ClassifySettings(**chosen), 1, paired=False)


def test_pooling():
    states = torch.arange(24.0).view(2, 4, 3)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]).bool()
    assert torch.equal(pooled(states, mask, "first"), states[:, 0])
    assert torch.equal(pooled(states, mask, "last"), torch.stack([states[0, 3], states[1, 1]]))
    assert torch.equal(pooled(states, mask, "mean"), torch.stack([states[0].mean(0), states[1, :2].mean(0)]))
    assert torch.equal(pooled(states, mask, "max"), torch.stack([states[0].amax(0), states[1, :2].amax(0)]))


@pytest.mark.parametrize("pooling", ["first", "last", "mean", "max"])
@pytest.mark.parametrize("settings", [None, LlamaSettings(layers=2, width=32, heads=2)], ids=["encoder", "decoder"])
def test_what_else_is_in_the_batch_changes_nothing(settings, pooling):
    if settings is not None and pooling == "first":
        with pytest.raises(SettingError, match="where a decoder has read nothing yet"):
            model(settings, pooling=pooling)
        return
    made = model(settings, pooling=pooling)
    read = inputs(EXAMPLES, tiny.tokenizer(), 64, paired=False)
    together = logits(made, read, CPU, torch.float32, tokens=10_000)
    alone = torch.cat([logits(made, inputs([e], tiny.tokenizer(), 64, paired=False), CPU, torch.float32) for e in EXAMPLES])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert together.std(0).min() > 1e-4


def test_losses_are_those_of_torch():
    plain = ClassifySettings()
    torch.testing.assert_close(losses(LOGITS, GOLD, "single", plain), F.cross_entropy(LOGITS, GOLD, reduction="none"))
    smooth = losses(LOGITS, GOLD, "single", ClassifySettings(smoothing=0.1)).mean()
    torch.testing.assert_close(smooth, F.cross_entropy(LOGITS, GOLD, label_smoothing=0.1))
    hot = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 1]])
    torch.testing.assert_close(losses(LOGITS, hot, "multi", plain).mean(), F.binary_cross_entropy_with_logits(LOGITS, hot))
    numbers = torch.tensor([0.5, -1.0, 2.0])
    torch.testing.assert_close(losses(LOGITS[:, :1], numbers, "number", plain).mean(), F.mse_loss(LOGITS[:, 0], numbers))


def test_focal_loss_by_hand():
    found = losses(LOGITS, GOLD, "single", ClassifySettings(focal=2.0))
    right = LOGITS.softmax(1)[torch.arange(3), GOLD]
    torch.testing.assert_close(found, -((1 - right) ** 2) * right.log())


def test_class_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    gold = torch.tensor([0] * 12 + [1] * 3 + [2])
    targets = Targets("single", ("a", "b", "c"))
    balanced = class_weights(gold, targets, "balanced")
    np.testing.assert_allclose(balanced, compute_class_weight("balanced", classes=np.arange(3), y=gold.numpy()), rtol=1e-6)
    for how in ("balanced", "root"):
        assert float(class_weights(gold, targets, how)[gold].mean()) == pytest.approx(1)
    assert class_weights(gold, targets, "none") is None


def test_targets():
    examples = [Example("t", label, "x") for label in ("10", "9", "b", "a")]
    targets = Targets.of(examples, "single")
    assert targets.names == ("9", "10", "a", "b")
    assert targets.tensor(examples).tolist() == [1, 0, 3, 2]
    many = Targets.of([Example("t", ("x", "y"), "x"), Example("t", (), "x")], "multi")
    assert many.tensor([Example("t", ("y",), "x")]).tolist() == [[0, 1]]
    numbers = Targets.of([Example("t", 1.0, "x"), Example("t", 3.0, "x")], "number")
    assert (numbers.mean, numbers.deviation) == (2.0, 1.0)
    assert numbers.tensor([Example("t", 5.0, "x")]).tolist() == [3.0]
    assert probabilities(torch.tensor([[3.0]]), numbers).tolist() == [[5.0]]


def test_probabilities_and_temperature():
    targets = Targets("single", ("a", "b", "c"))
    torch.testing.assert_close(probabilities(LOGITS, targets, 2.0), (LOGITS.double() / 2).softmax(1))
    torch.testing.assert_close(probabilities(LOGITS, Targets("multi", ("a", "b", "c"))), LOGITS.double().sigmoid())


def test_micro_batches_have_the_gradient_of_the_batch():
    made, task = model(), objective(weights="balanced", smoothing=0.1)
    batch = task.batch(0, 9)
    gradients = []
    for pieces in (1, 4):
        made.zero_grad()
        for part in cut(batch, pieces):
            (task.loss(made, part) / task.targets(batch)).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in made.parameters() if p.grad is not None]))
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def test_processes_share_a_batch():
    task = objective()
    whole = task.batch(1, 8)
    parts = [task.batch(1, 8, rank, 3) for rank in range(3)]
    assert sorted(torch.cat([p["gold"] for p in parts]).tolist()) == sorted(whole["gold"].tolist())
    assert sum(task.tokens(p) for p in parts) == task.tokens(whole)


def test_long_texts_are_cut_to_the_window_and_counted():
    read = Inputs(tiny.tokenizer(), ["word " * 50, "word"], None, 16)
    assert read.lengths.max() == 16
    assert read.full[0] > 50
    assert read.full[1] == read.lengths[1]


def test_pairs_have_kinds():
    read = Inputs(tiny.tokenizer(), ["one text", "知行"], ["another", "合一"], 32)
    batch = read.batch(np.arange(2))
    assert set(batch) == {"ids", "mask", "kinds"}
    for kinds, mask in zip(batch["kinds"], batch["mask"], strict=True):
        there = kinds[mask].tolist()
        assert there == sorted(there)
        assert set(there) == {0, 1}


def test_augmented_batches_are_repeatable_and_change_with_the_epoch():
    task, again = objective(augment={"drop": 0.3}), objective(augment={"drop": 0.3})
    assert torch.equal(task.batch(3, 4)["ids"], again.batch(3, 4)["ids"])
    whole = len(EXAMPLES)
    first, second = (
        {tuple(ids[m].tolist()) for ids, m in zip(b["ids"], b["mask"], strict=True)} for b in (task.batch(0, whole), task.batch(1, whole))
    )
    assert len(first & second) < whole / 2


@pytest.mark.parametrize("kind", ["single", "multi", "number"])
def test_it_learns(kind):
    from zhixing.train.loop import State, TrainSettings, train
    from zhixing.train.optim import Optimizer, OptimSettings
    from zhixing.train.schedule import ScheduleSettings

    labels = {"single": lambda i: "ab"[i % 2], "multi": lambda i: ("a", "b")[: i % 3], "number": lambda i: float(i % 2)}[kind]
    examples = [Example(f"{('knowing', 'doing', '天行健')[i % 3 if kind == 'multi' else i % 2]} {i}", labels(i), "x") for i in range(48)]
    task = objective(examples, kind, dropout=0.0)
    torch.manual_seed(1)
    made = classifier(
        build(BertSettings(layers=1, width=32, heads=2), 320, "encoder"),
        task.gold.ndim and Targets.of(examples, kind).classes,
        ClassifySettings(dropout=0.0),
    )
    rates = OptimSettings(kind="adamw", learning_rate=0.01, table_rate=0.01, vector_rate=0.01)
    state = State.new(made, Optimizer(made, rates), averages=False)
    settings = TrainSettings(steps=40, batch=16, precision="fp32", compile=False)
    steps = list(train(state, task, settings, ScheduleSettings(warmup=2), CPU))
    assert steps[-1].loss < 0.3 * steps[0].loss
