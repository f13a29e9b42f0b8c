"""Checkpoints: whole or absent, checked, found by looking."""

import itertools
import shutil
from pathlib import Path

import pytest
import tiny
import torch
from data import VOCABULARY, data_folder

from zhixing import pretrained
from zhixing.checkpoint import MODEL, checkpoints, clear_partial, open_model, restore, save
from zhixing.corpus import fetch
from zhixing.errors import ArtifactError
from zhixing.files import new_folder
from zhixing.models import BertSettings, LlamaSettings, build
from zhixing.objectives.causal import Causal, CausalSettings
from zhixing.store import Samples, Store
from zhixing.train.loop import State, TrainSettings, train
from zhixing.train.optim import Optimizer, OptimSettings
from zhixing.train.schedule import ScheduleSettings

SETTINGS = TrainSettings(steps=12, batch=4, precision="fp32", compile=False, ema=0.9)


def fresh():
    torch.manual_seed(1)
    model = build(LlamaSettings(layers=1, width=16, heads=2, dropout=0.1), VOCABULARY)
    return State.new(model, Optimizer(model, OptimSettings()), averages=SETTINGS.averages)


@pytest.fixture
def objective(tmp_path):
    return Causal(Samples(Store.open(data_folder(tmp_path / "data")), 16, 1), CausalSettings(context=16))


def steps(state, objective, count=None):
    list(itertools.islice(train(state, objective, SETTINGS, ScheduleSettings(warmup=2), torch.device("cpu")), count))


def weights(state):
    return torch.cat([p.detach().flatten() for p in state.model.parameters()] + [v.flatten() for v in state.mean.values()])


def test_resumed_is_uninterrupted_bit_by_bit(tmp_path, objective):
    whole = fresh()
    steps(whole, objective)
    first = fresh()
    steps(first, objective, 5)
    save(tmp_path / "run", first, 1.5, 2, {"seconds": 7.5})
    second = fresh()
    assert restore(tmp_path / "run", second) == {"seconds": 7.5}
    assert second.step == 5
    steps(second, objective)
    assert torch.equal(weights(whole), weights(second))


def test_newest_whole_one_is_used_and_damage_is_said(tmp_path, objective, capsys):
    run, state = tmp_path / "run", fresh()
    for _ in range(3):
        steps(state, objective, 2)
        save(run, state, None, 3)
    assert [p.name for p in checkpoints(run)] == ["step-0000002", "step-0000004", "step-0000006"]
    file = checkpoints(run)[-1] / MODEL
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(bytes(data))
    found = fresh()
    restore(run, found)
    assert found.step == 4
    assert "SHA-256" in capsys.readouterr().err
    assert [p.name for p in checkpoints(run)] == ["step-0000002", "step-0000004"]
    for place in checkpoints(run):
        (place / MODEL).unlink()
    with pytest.raises(ArtifactError, match="none of its checkpoints is whole"):
        restore(run, fresh())


def test_a_run_without_checkpoint_starts_anew(tmp_path):
    state = fresh()
    assert restore(tmp_path, state) == {}
    assert state.step == 0


def test_last_ones_and_the_best_one_are_kept(tmp_path, objective):
    run, state = tmp_path / "run", fresh()
    for loss in (3.0, 1.0, 2.0, None, 2.5):
        steps(state, objective, 2)
        save(run, state, loss, 2)
    assert [p.name for p in checkpoints(run)] == ["step-0000004", "step-0000008", "step-0000010"]
    assert not list((run / "checkpoints").glob(".*"))


def test_what_a_kill_left_is_no_checkpoint(tmp_path, objective):
    run, state = tmp_path / "run", fresh()
    steps(state, objective, 2)
    place = save(run, state, 1.0, 2)
    half = run / "checkpoints" / ".step-0000004.partial-77"
    shutil.copytree(place, half)
    (half / "manifest.json").unlink()
    assert checkpoints(run) == [place]
    clear_partial(run)
    assert not half.exists()


def test_a_checkpoint_of_another_model_is_refused(tmp_path, objective):
    state = fresh()
    steps(state, objective, 2)
    save(tmp_path, state, 1.0, 2)
    model = build(LlamaSettings(layers=2, width=16, heads=2), VOCABULARY)
    other = State.new(model, Optimizer(model, OptimSettings()), averages=True)
    with pytest.raises(ArtifactError):
        restore(tmp_path, other)


def test_a_model_of_the_catalogue_is_opened_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("ZHIXING_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    words, settings = tiny.tokenizer("wordpiece", None), BertSettings(layers=1, width=16, heads=2)
    with new_folder(fetch.place("minilm"), "corpus") as folder:
        pretrained.save(folder, tiny.model(settings, words.vocabulary, shape="encoder"), settings, words, 512)
    loaded = open_model(Path("minilm"), "cpu")
    assert (loaded.model.shape, loaded.context, loaded.new_head) == ("encoder", 512, False)
    with pytest.raises(ArtifactError, match="is an encoder; generate needs a decoder"):
        loaded.decoder_for("generate")
    with pytest.raises(ArtifactError, match="minilm2: no such folder; check the path"):
        open_model(Path("minilm2"), "cpu")
    (tmp_path / "runs").mkdir()
    with pytest.raises(ArtifactError, match="runs/lm: no such folder; check the path"):  # and no model of an owner of that name
        open_model(Path("runs/lm"), "cpu")
