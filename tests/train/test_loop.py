"""The training loop."""

import itertools

import pytest
import torch
from data import VOCABULARY, data_folder

from zhixing.errors import SettingError, ZhixingError
from zhixing.models import LlamaSettings, RNNSettings, build
from zhixing.objectives.causal import Causal, CausalSettings
from zhixing.store import Samples, Store
from zhixing.train import loop
from zhixing.train.loop import PATIENCE, State, TrainSettings, averaged, check_steps, compile_layers, train, validate
from zhixing.train.optim import Optimizer, OptimSettings
from zhixing.train.schedule import ScheduleSettings

CPU = torch.device("cpu")
SMALL = LlamaSettings(layers=2, width=32, heads=2)
SCHEDULE = ScheduleSettings(warmup=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return data_folder(tmp_path_factory.mktemp("loop") / "data")


def objective(folder, **settings):
    chosen = CausalSettings(context=16, **settings)
    return Causal(Samples(Store.open(folder), 16, 1, chosen.document_mask), chosen)


def state(settings=SMALL, averages=False, optim=None):
    torch.manual_seed(1)
    model = build(settings, VOCABULARY)
    return State.new(model, Optimizer(model, optim or OptimSettings()), averages=averages)


def plain(**settings):
    return TrainSettings(**{"steps": 20, "batch": 8, "precision": "fp32", "compile": False, **settings})


def weights(state):
    return torch.cat([p.detach().flatten() for p in state.model.parameters()])


@pytest.mark.parametrize("settings", [SMALL, RNNSettings(cell="gru", layers=1, width=32)], ids=["llama", "gru"])
@pytest.mark.parametrize("kind", ["muon", "adamw", "sgd"])
def test_it_learns(folder, settings, kind):
    rates = {"sgd": 0.3}.get(kind, 0.01)
    optim = OptimSettings(kind=kind, learning_rate=rates, table_rate=rates, vector_rate=rates)
    steps = list(train(state(settings, optim=optim), objective(folder), plain(steps=40), SCHEDULE, CPU))
    assert [s.step for s in steps] == list(range(1, 41))
    assert steps[0].targets == 8 * 16
    assert steps[-1].loss < steps[0].loss - 0.3


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("accumulate", [2, 3, 8])
def test_accumulated_is_the_big_batch(folder, accumulate, mask):
    gradients, losses = [], []
    for pieces in (1, accumulate):
        one, task = state(), objective(folder, document_mask=mask)
        batch = task.batch(0, 8)
        losses.append(loop._gradients(one, task, batch, task.targets(batch), plain(accumulate=pieces), CPU, torch.float32))
        gradients.append(torch.cat([p.grad.flatten() for p in one.model.parameters()]))
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("how", [{"ema": 0.9}, {"tail": 0.9}], ids=["ema", "tail"])
def test_a_copy_at_rest_goes_on_with_the_same_bits(folder, how):
    dropped = LlamaSettings(layers=2, width=32, heads=2, dropout=0.2)
    settings = plain(**how)
    whole = state(dropped, averages=True)
    list(train(whole, objective(folder), settings, SCHEDULE, CPU))
    first = state(dropped, averages=True)
    list(itertools.islice(train(first, objective(folder), settings, SCHEDULE, CPU), 7))
    second = state(dropped, averages=True)
    second.model.load_state_dict(first.model.state_dict())
    second.optimizer.load(first.optimizer.tensors())
    second.mean, second.step = first.mean, first.step
    list(train(second, objective(folder), settings, SCHEDULE, CPU))
    assert torch.equal(weights(whole), weights(second))
    assert all(torch.equal(whole.mean[name], second.mean[name]) for name in whole.mean)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the compiler touches what PyTorch itself has deprecated
def test_the_twelfth_model_of_a_process_is_compiled_too():
    from torch._dynamo.utils import counters

    for width in range(16, 112, 8):
        model = build(LlamaSettings(layers=1, width=width, heads=2), VOCABULARY)
        compile_layers(model)
        before = counters["stats"]["unique_graphs"]
        model(torch.ones(2, 8, dtype=torch.long))
        assert counters["stats"]["unique_graphs"] == before + 1


def test_compiled_is_eager_within_tolerance(folder):
    results = []
    for compiled in (False, True):
        one = state()
        losses = [s.loss for s in train(one, objective(folder), plain(steps=5, compile=compiled), SCHEDULE, CPU)]
        results.append(losses)
    assert results[0] == pytest.approx(results[1], rel=1e-4)


def test_a_failing_compiler_does_not_end_the_run(folder, monkeypatch, capsys):
    def broken(self, **_):
        def fail(*_):
            raise RuntimeError("no compiler here")

        self._compiled_call_impl = fail

    monkeypatch.setattr(torch.nn.Module, "compile", broken)
    one, two = state(), state()
    compiled = [s.loss for s in train(one, objective(folder), plain(steps=3, compile=True), SCHEDULE, CPU)]
    assert "training goes on without it" in capsys.readouterr().err
    assert compiled == [s.loss for s in train(two, objective(folder), plain(steps=3), SCHEDULE, CPU)]


class Poisoned(Causal):
    """An objective whose loss is not a number at some steps."""

    def __init__(self, inner, bad):
        self.inner, self.bad, self.step = inner, bad, 0

    def batch(self, step, size, rank=0, world=1):
        self.step = step
        return self.inner.batch(step, size, rank, world)

    def loss(self, model, batch):
        return self.inner.loss(model, batch) * (float("nan") if self.step in self.bad else 1.0)


def test_a_poisoned_step_never_touches_the_weights(folder):
    one = state()
    before = {}
    for step in train(one, Poisoned(objective(folder), {3}), plain(steps=6), SCHEDULE, CPU):
        before[step.step] = weights(one).clone(), step.skipped
    assert [skipped for _, skipped in before.values()] == [False, False, False, True, False, False]
    assert torch.equal(before[3][0], before[4][0])
    assert not torch.equal(before[4][0], before[5][0])
    assert one.skipped == 1
    assert torch.isfinite(weights(one)).all()


def test_many_poisoned_steps_stop_the_run(folder):
    with pytest.raises(ZhixingError, match="not finite 20 steps in a row"):
        list(train(state(), Poisoned(objective(folder), set(range(100))), plain(steps=PATIENCE + 5), SCHEDULE, CPU))


class Greedy(Causal):
    """An objective that wants more memory than any machine has."""

    def __init__(self, inner):
        self.__dict__ = inner.__dict__

    def loss(self, model, batch):
        return super().loss(model, batch) + torch.empty(1 << 55).sum()


@pytest.mark.parametrize(("accumulate", "how"), [(1, "set train.accumulate=2"), (64, "set a shorter objective.context")])
def test_too_little_memory_is_one_line_that_says_what_to_change(folder, accumulate, how):
    with pytest.raises(SettingError, match=rf"train.batch: = \d+ takes more memory than cpu has free; {how}"):
        list(train(state(), Greedy(objective(folder)), plain(accumulate=accumulate), SCHEDULE, CPU))


def test_moving_average_is_used_in_validation_alone(folder):
    one = state(averages=True)
    list(train(one, objective(folder), plain(ema=0.5), SCHEDULE, CPU))
    raw = weights(one).clone()
    mean = torch.cat([one.mean[name].flatten() for name, _ in one.model.named_parameters()])
    assert not torch.equal(raw, mean)
    with averaged(one):
        assert torch.equal(weights(one), mean)
    assert torch.equal(weights(one), raw)
    validate(one, objective(folder), plain(), CPU, 4, 2)
    assert torch.equal(weights(one), raw)


@pytest.mark.parametrize(("tail", "last"), [(0.25, 5), (0.001, 1), (1.0, 20)])
def test_the_mean_of_the_tail_is_the_mean_of_its_steps(folder, tail, last):
    one, seen = state(averages=True), []
    for step in train(one, objective(folder), plain(tail=tail), SCHEDULE, CPU):
        seen.append(weights(one).double())
        mean = torch.cat([one.mean[name].flatten() for name, _ in one.model.named_parameters()])
        begun = max(0, step.step - (20 - last))
        assert torch.allclose(mean.double(), torch.stack(seen[-max(1, begun) :]).mean(0), atol=1e-6)
    assert len(seen) == 20


def test_two_ways_to_average_are_refused():
    with pytest.raises(ValueError, match=r"train\.ema and train\.tail are two ways"):
        check_steps(plain(ema=0.9, tail=0.1), SCHEDULE)


def test_bf16_learns_as_fp32_does(folder):
    ends = []
    for precision in ("fp32", "bf16"):
        steps = list(train(state(), objective(folder), plain(steps=40, precision=precision), SCHEDULE, CPU))
        ends.append(sum(s.loss for s in steps[-5:]) / 5)
    assert ends[0] == pytest.approx(ends[1], rel=0.05)


@pytest.mark.parametrize("mask", [False, True])
def test_packed_with_masks_is_unpacked(folder, mask):
    """Every document of a packed window gets the loss that it would have alone, and only with masks."""
    one = state()
    torch.manual_seed(3)
    with torch.no_grad():
        for p in one.model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    task = objective(folder, document_mask=mask)
    batch = task.batch(2, 6)
    packed = task.loss(one.model, batch).item()
    segments = objective(folder, document_mask=True).batch(2, 6)["segments"]
    alone = 0.0
    for row in range(6):
        for number in segments[row].unique():
            where = segments[row] == number
            part = {name: batch[name][row, where][None] for name in ("ids", "targets")}
            alone += task.loss(one.model, part).item()
    if mask:
        assert packed == pytest.approx(alone, rel=1e-5)
    else:
        assert packed != pytest.approx(alone, rel=1e-5)
