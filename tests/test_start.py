"""How a run knows the models again that it was begun with."""

import shutil

import pytest
import tiny

from zhixing import checkpoint
from zhixing.errors import ArtifactError
from zhixing.files import new_folder, write_json
from zhixing.models import LlamaSettings
from zhixing.start import Bases
from zhixing.train.loop import State
from zhixing.train.optim import Optimizer, OptimSettings


def a_run(folder, seed=1):
    """A run of one checkpoint; its manifest says nothing of the weights."""
    with new_folder(folder, "run") as made:
        write_json(made / "config.json", {})
    return checkpointed(folder, 1, seed)


def checkpointed(folder, step, seed=1):
    model = tiny.model(LlamaSettings(layers=1, width=16, heads=1), 20, seed=seed)
    checkpoint.save(folder, State.new(model, Optimizer(model, OptimSettings()), averages=False), 1.0, 5)
    return folder


def exported(folder, weights):
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


@pytest.mark.parametrize("role", ["whole", "encoder", "decoder"])
def test_a_run_goes_on_with_the_same_models_in_the_same_roles(tmp_path, role):
    base, out = exported(tmp_path / "base", b"one"), tmp_path / "out"
    record = Bases(**{role: base}).lineage()
    Bases(**{role: base}).refuse_other(record, out)
    option = "--base" if role == "whole" else f"--base-{role}"
    with pytest.raises(ArtifactError, match=f"was begun with {option} .*base; give the same"):
        Bases().refuse_other(record, out)
    with pytest.raises(ArtifactError, match=f"was begun without {option}; give the same"):
        Bases(**{role: base}).refuse_other(None, out)


def test_a_model_is_known_by_its_weights(tmp_path, monkeypatch):
    """Not by its shape, which another may have, nor by where one looks from."""
    monkeypatch.chdir(tmp_path)
    base, other, out = exported(tmp_path / "base", b"one"), exported(tmp_path / "other", b"two"), tmp_path / "out"
    record = Bases(whole=base.relative_to(tmp_path)).lineage()
    assert record["whole"]["path"] == str(base)
    shutil.copytree(base, tmp_path / "copy")
    Bases(whole=tmp_path / "copy").refuse_other(record, out)
    for used in (False, True):
        with pytest.raises(ArtifactError, match=r"was begun with --base .*base as it was then; give that"):
            Bases(whole=other).refuse_other(record, out)
        (out / "checkpoints/step-0000001").mkdir(parents=True, exist_ok=used)


def test_what_a_checkpoint_holds_may_have_changed_where_it_came_from(tmp_path):
    base, out = exported(tmp_path / "base", b"one"), tmp_path / "out"
    record = Bases(whole=base).lineage()
    (base / "model.safetensors").write_bytes(b"trained further")
    with pytest.raises(ArtifactError, match="as it was then"):
        Bases(whole=base).refuse_other(record, out)
    (out / "checkpoints/step-0000001").mkdir(parents=True)
    Bases(whole=base).refuse_other(record, out)
    shutil.rmtree(out / "checkpoints")
    write_json(out / "result.json", {})  # of a translator, whose checkpoints go when it is finished
    Bases(whole=base).refuse_other(record, out)


def test_a_run_that_was_trained_further_is_another_base(tmp_path):
    base = a_run(tmp_path / "base")
    record = Bases(whole=base).lineage()
    Bases(whole=base).refuse_other(record, tmp_path / "out")
    shutil.rmtree(base / "checkpoints")
    checkpointed(base, 1, seed=2)
    with pytest.raises(ArtifactError, match="as it was then"):
        Bases(whole=base).refuse_other(record, tmp_path / "out")
