"""The driver of a run: best and last checkpoints, early stopping by any figure, the log, and going on where a run stopped."""

import json
import math

import pytest
import torch
from data import VOCABULARY, data_folder

from zhixing.checkpoint import PROGRESS, checkpoints
from zhixing.errors import Interrupted, SettingError
from zhixing.models import LlamaSettings, build
from zhixing.objectives.causal import Causal, CausalSettings
from zhixing.session import Session, Validation, read_log, usual_rate
from zhixing.store import Samples, Store
from zhixing.train.loop import State, TrainSettings, validate
from zhixing.train.optim import Optimizer, OptimSettings
from zhixing.train.schedule import ScheduleSettings

CPU = torch.device("cpu")
PLAIN = {"steps": 12, "batch": 4, "precision": "fp32", "compile": False, "validate_every": 2, "save_every": 3}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return data_folder(tmp_path_factory.mktemp("session") / "data")


def session(out, data, validation, **settings):
    torch.manual_seed(1)
    model = build(LlamaSettings(layers=1, width=16, heads=2, dropout=0.1), VOCABULARY)
    chosen = TrainSettings(**{**PLAIN, **settings})
    out.mkdir(exist_ok=True)
    objective = Causal(Samples(Store.open(data), 16, 1), CausalSettings(context=16))
    state = State.new(model, Optimizer(model, OptimSettings()), averages=chosen.averages)
    return Session(out, state, objective, chosen, ScheduleSettings(warmup=2), validation, CPU)


def figures(*values, name="accuracy"):
    """A validation whose figure takes these values in turn."""
    left = list(values)
    return lambda state: {"valid_loss": 1.0, name: left.pop(0)}


@pytest.mark.parametrize("lower", [True, False])
def test_the_best_is_what_the_figure_says(tmp_path, data, lower):
    values = [0.5, 0.7, 0.6, 0.8, 0.75, 0.65]
    one = session(tmp_path, data, Validation(figures(*values), "accuracy", lower), keep_last=1)
    one.go()
    assert one.best["accuracy"] == (0.5 if lower else 0.8)
    assert one.history["best_step"] == (2 if lower else 8)
    kept = {int(p.name[5:]) for p in checkpoints(tmp_path)}
    assert kept == {one.history["best_step"], 12}
    costs = {p.name: json.loads((p / PROGRESS).read_text())["cost"] for p in checkpoints(tmp_path)}
    assert costs == ({"step-0000002": 0.5, "step-0000012": 0.65} if lower else {"step-0000008": -0.8, "step-0000012": -0.65})


def test_it_stops_early_when_the_figure_no_longer_rises(tmp_path, data, capsys):
    one = session(tmp_path, data, Validation(figures(0.5, 0.9, 0.8, math.nan), "accuracy", lower_is_better=False), patience=2)
    one.go()
    assert one.state.step == 8
    assert one.history["stopped_early"]
    assert one.best == {"valid_loss": 1.0, "accuracy": 0.9}
    assert "stopped early at step 8" in capsys.readouterr().err
    again = session(tmp_path, data, Validation(figures(), "accuracy", lower_is_better=False), patience=2)
    again.go()
    assert again.state.step == 8


def test_the_log_has_steps_and_validations_and_no_nan(tmp_path, data):
    session(tmp_path, data, Validation(figures(1, 1, math.inf, 1, 1, 1), "accuracy")).go()
    text = (tmp_path / "metrics.jsonl").read_text()
    assert "NaN" not in text and "Infinity" not in text
    rows = read_log(tmp_path)
    assert [r["step"] for r in rows if "loss" in r] == list(range(1, 13))
    assert [r["tokens"] for r in rows if "loss" in r] == [4 * 16 * step for step in range(1, 13)]
    assert [r["accuracy"] for r in rows if "accuracy" in r] == [1, 1, None, 1, 1, 1]
    assert usual_rate(tmp_path) > 0


def test_interrupted_and_continued_is_uninterrupted(tmp_path, data):
    """The figure of the validation is measured for real; the run is stopped between two checkpoints."""

    def measure(state):
        held_out = Causal(Samples(Store.open(data, "valid"), 16, 0), CausalSettings(context=16))
        return {"valid_loss": validate(state, held_out, TrainSettings(**PLAIN), CPU, 4, 2)["loss"]}

    whole = session(tmp_path / "whole", data, Validation(measure), ema=0.9)
    whole.go()

    class Stop(Exception):
        pass

    def stopping(state):
        if state.step == 8:
            raise Stop
        return measure(state)

    with pytest.raises(Stop):
        session(tmp_path / "run", data, Validation(stopping), ema=0.9).go()
    assert read_log(tmp_path / "run")[-1]["step"] == 8
    second = session(tmp_path / "run", data, Validation(measure), ema=0.9)
    assert second.state.step == 6
    assert read_log(tmp_path / "run")[-1]["step"] == 6
    second.go()
    assert second.best == whole.best
    assert second.history["tokens"] == whole.history["tokens"]
    for a, b in zip(whole.state.model.parameters(), second.state.model.parameters(), strict=True):
        assert torch.equal(a, b)
    losses = [[r["loss"] for r in read_log(tmp_path / name) if "loss" in r] for name in ("whole", "run")]
    assert losses[0] == losses[1]


def test_a_signal_saves_and_says_how_to_go_on(tmp_path, data):
    import os
    import signal

    def measure(state):
        os.kill(os.getpid(), signal.SIGINT)
        return {"valid_loss": 1.0}

    with pytest.raises(Interrupted, match=r"stopped at step 2 of 12; saved: the same command continues"):
        session(tmp_path, data, Validation(measure)).go()
    assert checkpoints(tmp_path)[-1].name == "step-0000002"


def test_too_little_memory_is_said_with_what_can_be_done_about_a_folder_whose_settings_stay(tmp_path, data, monkeypatch):
    """The same command goes on once there is more; what else is advised is refused in this folder."""
    one = session(tmp_path / "run", data, Validation(lambda state: {"valid_loss": 1.0}))
    real = Causal.loss

    def greedy(self, model, batch):
        return real(self, model, batch) + (torch.empty(1 << 55).sum() if one.state.step == 4 else 0)  # more than any machine has

    monkeypatch.setattr(Causal, "loss", greedy)
    said = r"batch: = 4 takes more .* cpu has free; free some, and the same command continues .*run; or, with another --out, set train.acc"
    with pytest.raises(SettingError, match=said):
        one.go()
    monkeypatch.setattr(Causal, "loss", real)
    again = session(tmp_path / "run", data, Validation(lambda state: {"valid_loss": 1.0}))
    again.go()
    assert again.state.step == 12
