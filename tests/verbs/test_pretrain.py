"""`pretrain` and `plan`: through a real data folder, with interruptions."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import tiny

import zhixing as zx
from zhixing.errors import ArtifactError, Interrupted, SettingError, UserError
from zhixing.evaluate.report.reasons import in_chinese
from zhixing.session import read_log

SMALL = {
    "model.layers": 1, "model.width": 32, "model.heads": 2, "model.dropout": 0.1, "objective.context": 16, "train.batch": 4,
    "train.compile": False, "train.validate_tokens": 500, "train.validate_every": 10, "train.save_every": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    place = tmp_path_factory.mktemp("pretrain")
    text = "".join(f"{i}. {sentence} {i * 37 % 101}\n" for i in range(60) for sentence in tiny.SENTENCES[:4])
    (place / "text.txt").write_text(text, encoding="utf-8")
    zx.prepare(
        [str(place / "text.txt")],
        out=place / "data",
        vocabulary=400,
        settings={"read.document": "line", "split.valid": 0.1, "dedup.near.on": False},
    )
    return place / "data"


def weights(run):
    last = sorted((run / "checkpoints").glob("step-*"))[-1]
    return last.name, {p.name: p.read_bytes() for p in last.glob("*.safetensors")}


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """An uninterrupted run of 30 steps."""
    run = tmp_path_factory.mktemp("whole") / "run"
    result = zx.pretrain(data, out=run, settings={**SMALL, "train.steps": 30, "train.ema": 0.9})
    return run, result


def test_a_run_folder_has_everything(whole):
    run, result = whole
    for name in ("config.json", "plan.json", "lineage.json", "environment.json", "tokenizer.json", "baselines.json", "samples.json",
                 "metrics.jsonl", "result.json", "report.html", "eval/valid/report.json", "manifest.json"):  # fmt: skip
        assert (run / name).is_file(), name
    rows = [r for r in read_log(run) if "loss" in r]
    assert [r["step"] for r in rows] == list(range(1, 31))
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert result.steps == 30
    assert result.skipped == 0
    report = json.loads((run / "eval/valid/report.json").read_text())["metrics"]["bits_per_byte"]
    assert report["low"] < report["value"] < report["high"]


def test_a_finished_run_is_not_trained_again(data, whole, capsys):
    run, result = whole
    again = zx.pretrain(data, out=run)
    assert again == result
    assert "finished already" in capsys.readouterr().err


def test_killed_and_continued_is_uninterrupted(data, whole, tmp_path):
    words = [f"{k}={str(v).lower()}" for k, v in {**SMALL, "train.steps": 30, "train.ema": 0.9}.items()]
    command = [sys.executable, "-m", "zhixing", "pretrain", str(data), "--out", str(tmp_path / "run"), *words]
    for checkpoint in (4, 12):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        began = time.monotonic()
        while not (tmp_path / "run" / "checkpoints" / f"step-{checkpoint:07d}").is_dir() and process.poll() is None:
            assert time.monotonic() - began < 120
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert weights(tmp_path / "run") == weights(whole[0])
    rows = [r["step"] for r in read_log(tmp_path / "run") if "loss" in r]
    assert rows == list(range(1, 31))


def test_a_signal_saves_and_says_so(data, tmp_path):
    def interrupt_soon():
        while not (tmp_path / "run" / "checkpoints").is_dir():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    import threading

    thread = threading.Thread(target=interrupt_soon)
    thread.start()
    with pytest.raises(Interrupted, match="the same command continues"):
        zx.pretrain(data, out=tmp_path / "run", settings={**SMALL, "train.steps": 5000})
    thread.join()
    step = read_log(tmp_path / "run")[-1]["step"]
    assert (tmp_path / "run" / "checkpoints" / f"step-{step:07d}").is_dir()


def test_a_run_keeps_its_settings_and_data(data, whole, tmp_path):
    run, _ = whole
    with pytest.raises(SettingError, match=r"train.batch: is 4 in this run"):
        zx.pretrain(data, out=run, settings={"train.batch": 8})
    with pytest.raises(SettingError, match=r"setting minutes: had none in this run"):
        zx.pretrain(data, out=run, minutes=2)
    with pytest.raises(ArtifactError, match=r"was begun without --base; give the same"):
        zx.pretrain(data, out=run, base=run)
    (tmp_path / "text.txt").write_text("another text\n" * 3 + "".join(f"line {i}\n" for i in range(300)), encoding="utf-8")
    other = zx.prepare([str(tmp_path / "text.txt")], out=tmp_path / "other", settings={"read.document": "line"})
    with pytest.raises(ArtifactError, match="is not the data that"):
        zx.pretrain(other.data, out=run)  # a finished run is no result of other data
    (run / "result.json").rename(tmp_path / "result.json")
    try:
        with pytest.raises(ArtifactError, match="is not the data that"):
            zx.pretrain(other.data, out=run)
    finally:
        (tmp_path / "result.json").rename(run / "result.json")


def test_two_processes_on_one_run_are_told_apart(data, whole):
    from zhixing.files import sole_user

    run, _ = whole
    code = f"import zhixing as zx; zx.pretrain({str(data)!r}, out={str(run)!r})"
    with sole_user(run):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "is in use by another process" in done.stderr


def test_continue_from_a_base(data, whole, tmp_path):
    run, result = whole
    # The run was cut short on purpose: further training from its weights starts near where it ended.
    more = zx.pretrain(data, out=tmp_path / "more", base=run, settings={"train.steps": 12, "train.batch": 4, "train.compile": False})
    first = next(r for r in read_log(tmp_path / "more") if "loss" in r)
    assert first["loss"] < result.valid_loss + 1.0
    assert more.parameters == result.parameters
    with pytest.raises(SettingError, match="cannot be set together with --base"):
        zx.pretrain(data, out=tmp_path / "x", base=run, settings={"model.width": 64})
    with pytest.raises(ArtifactError, match=r"was begun with --base .*; give the same"):
        zx.pretrain(data, out=tmp_path / "more")
    # Begun, and killed before its first checkpoint: it goes on with the same weights or not at all.
    (tmp_path / "more/result.json").unlink()
    shutil.rmtree(tmp_path / "more/checkpoints", ignore_errors=True)
    shutil.copytree(run, tmp_path / "base")
    manifest = json.loads((tmp_path / "base/manifest.json").read_text(encoding="utf-8"))
    (tmp_path / "base/manifest.json").write_text(json.dumps({**manifest, "note": "another"}), encoding="utf-8")
    with pytest.raises(ArtifactError, match="as it was then; give that"):
        zx.pretrain(data, out=tmp_path / "more", base=tmp_path / "base")


def test_early_stopping(data, tmp_path):
    chosen = {
        **SMALL,
        "train.steps": 400,
        "train.patience": 2,
        "train.validate_every": 5,
        "optim.learning_rate": 0.5,
        "optim.table_rate": 0.5,
    }
    result = zx.pretrain(data, out=tmp_path / "run", settings=chosen)
    assert result.stopped_early
    assert result.steps < 400
    assert result.best_step <= result.steps - 10


def test_recurrent_models_train_too(data, tmp_path):
    chosen = {"model.kind": "rnn", "model.cell": "gru", "model.layers": 1, "model.width": 32, "objective.context": 16}
    result = zx.pretrain(data, out=tmp_path / "run", settings={**chosen, "train.batch": 4, "train.steps": 12})
    assert result.steps == 12


@pytest.mark.parametrize(
    ("settings", "minutes", "message"),
    [
        ({"model.widht": 3}, None, "did you mean model.width"),
        ({"train.steps": 10}, 3.0, "both say how long"),
        ({"train.steps": 0}, None, "train.steps"),
        ({"optim.kind": "lion"}, None, "optim.kind"),
        ({"schedule.kind": "exponential", "train.steps": 100}, None, "schedule.final"),
        ({"train.accumulate": 9, "train.batch": 4, "train.steps": 100}, None, "train.accumulate"),
        ({}, -1.0, "minutes"),
        ({"model.width": 30, "model.heads": 4, "train.steps": 100}, None, "heads"),
    ],
)
def test_contradictions_are_said_before_anything_is_written(data, tmp_path, settings, minutes, message):
    with pytest.raises(UserError, match=message):
        zx.pretrain(data, out=tmp_path / "run", minutes=minutes, settings=settings)
    assert not (tmp_path / "run").exists()


def test_plan_writes_nothing_and_says_what_would_be(data):
    before = sorted(p.name for p in data.parent.iterdir())
    plan = zx.plan(data, settings={**SMALL, "train.steps": 50})
    assert sorted(p.name for p in data.parent.iterdir()) == before
    assert plan.steps == 50
    assert plan.tokens == 50 * 4 * 16
    assert plan.memory_bytes > 1e8
    assert plan.settings["model"]["width"] == 32
    assert any("epochs" in line for line in plan.lines())


def test_minutes_that_do_not_do_are_told(data):
    """A run has ten steps at least, which take longer than six hundredths of a second with all that comes before."""
    plan = zx.plan(data, minutes=0.001, settings=SMALL)
    assert plan.steps == 10 and plan.seconds > 0.06
    assert plan.warnings[0].startswith("too few minutes: even 10 steps take about ")
    assert in_chinese(plan.warnings[0]).startswith("时间太少：仅 10 步就要约 ")
    assert not any("minutes:" in line for line in zx.plan(data, settings={**SMALL, "train.steps": 2}).warnings)


@pytest.mark.parametrize("size", [{}, {"model.width": 128}, {"model.layers": 1}])
def test_shared_heads_set_by_hand_are_held_against_the_heads_that_are_chosen(data, size):
    """Four go into the six heads that a model has by default no more than into those of a width of 128."""
    plan = zx.plan(data, settings={**size, "model.kv_heads": 4, "train.steps": 1, "train.batch": 2, "train.compile": False})
    assert plan.settings["model"]["kv_heads"] == 4
    assert plan.settings["model"]["heads"] % 4 == 0 and (not size or plan.settings["model"]["heads"] == 4)


TINY = {
    "objective.context": 16,
    "train.batch": 4,
    "train.steps": 8,
    "train.compile": False,
    "train.validate_tokens": 300,
    "model.dropout": 0.1,
}
MASKED = {**TINY, "objective.kind": "masked", "model.layers": 1, "model.width": 32, "model.heads": 2}


@pytest.fixture(scope="module")
def encoder(data, tmp_path_factory):
    run = tmp_path_factory.mktemp("encoder") / "run"
    return run, zx.pretrain(data, out=run, settings=MASKED)


def test_an_encoder_learns_what_is_hidden(data, encoder):
    run, result = encoder
    config = json.loads((run / "config.json").read_text())
    assert (config["model"]["kind"], config["objective"]["kind"]) == ("modernbert", "masked")
    assert result.bits_per_byte is None
    assert 0 <= result.accuracy <= 1
    baselines = json.loads((run / "baselines.json").read_text())
    assert baselines["bigram"]["valid_loss"] < baselines["unigram"]["valid_loss"] < 7
    metrics = json.loads((run / "eval/valid/report.json").read_text())["metrics"]
    assert set(metrics) == {"masked_loss", "masked_accuracy"}
    assert metrics["masked_loss"]["low"] < metrics["masked_loss"]["value"] < metrics["masked_loss"]["high"]
    assert "|ratio:0.15|words:whole|mask:80/10/10|seed:1|" in metrics["masked_loss"]["signature"]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "nats a hidden token" in page and "bigram" in page and "bits per byte" not in page


def test_verbs_name_a_run_of_the_wrong_shape(encoder, tmp_path):
    run, _ = encoder
    for verb, words in ((zx.generate, {}), (zx.compare, {"b": run})):
        with pytest.raises(ArtifactError, match=r"is an encoder; (generate|compare) needs a decoder"):
            verb(run, **words)


def test_an_encoder_is_a_base_for_further_training(data, encoder, whole, tmp_path):
    run, result = encoder
    still = {"optim.learning_rate": 1e-9, "optim.table_rate": 1e-9, "optim.vector_rate": 1e-9, "train.steps": 1}
    more = zx.pretrain(data, out=tmp_path / "more", base=run, settings={**TINY, **still, "objective.kind": "masked"})
    assert more.parameters == result.parameters
    assert more.valid_loss == pytest.approx(result.valid_loss, abs=1e-4)
    zx.pretrain(data, out=tmp_path / "slow", base=run, settings={**TINY, "objective.kind": "masked", "train.steps": 1})
    rate = json.loads((tmp_path / "slow/config.json").read_text())["optim"]["learning_rate"]
    width = json.loads((run / "config.json").read_text())["model"]["width"]
    assert rate == pytest.approx(0.4 * 0.0085 * (128 / width) ** 0.5, rel=0.01)  # it has learnt
    with pytest.raises(SettingError, match=r"objective\.kind=masked"):
        zx.pretrain(data, out=tmp_path / "x", base=run, settings=TINY)
    with pytest.raises(
        SettingError, match=r"trains a model of shape encoder, and .* is one of shape decoder; set objective.kind=causal or infill"
    ):
        zx.pretrain(data, out=tmp_path / "x", base=whole[0], settings={"objective.kind": "masked", "train.steps": 2})


def test_new_marks_get_new_rows(data, whole, tmp_path):
    """A decoder that was trained without them learns to fill in: its vocabulary grows by three marks."""
    run, result = whole
    more = zx.pretrain(data, out=tmp_path / "more", base=run, settings={**TINY, "objective.kind": "infill", "train.steps": 2})
    assert more.parameters > result.parameters
    assert more.bits_per_byte is None
    assert zx.generate(tmp_path / "more", prompt="x", tokens=5).continuations[0].tokens <= 5


def test_an_encoder_decoder_may_take_one_role(data, tmp_path, capsys):
    small = {**TINY, "model.kind": "rnn", "model.layers": 1, "model.width": 32}
    zx.pretrain(data, out=tmp_path / "encoder", settings={**small, "objective.kind": "masked"})
    both = {**TINY, "objective.kind": "denoise", "train.steps": 2}
    result = zx.pretrain(data, out=tmp_path / "both", base_encoder=tmp_path / "encoder", settings=both)
    said = capsys.readouterr().err
    assert "parameters from" in said and "encoder:" in said
    assert result.steps == 2 and result.valid_loss > 0
    assert not (tmp_path / "both" / "eval").exists()
    with pytest.raises(ArtifactError, match="is an encoder-decoder; evaluate needs a decoder"):
        zx.evaluate(tmp_path / "both")
    with pytest.raises(SettingError, match="does not train an encoder-decoder"):
        zx.pretrain(data, out=tmp_path / "x", base_encoder=tmp_path / "encoder", settings=MASKED)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective.kind": "masked", "model.kind": "llama"}, "cannot be a model of shape encoder.*these can: rnn, cnn, bert, modernbert"),
        ({"objective.kind": "seq2seq"}, "learns from pairs"),
        ({"objective.kind": "masqued"}, "objective.kind"),
        ({"objective.kind": "masked", "objective.span": 3}, "objective.span"),
        ({"objective.kind": "masked", "model.kind": "bert", "objective.context": 600}, "model.positions = 512"),
        ({"optim.frozen": ["bert."]}, "with which no parameter begins"),
    ],
)
def test_objectives_and_models_that_do_not_fit(data, tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        zx.pretrain(data, out=tmp_path / "run", settings={"train.steps": 10, **settings})
    assert not (tmp_path / "run").exists()


def test_plan_sizes_every_shape(data):
    for kind, shape in (("masked", "modernbert"), ("denoise", "marian"), ("infill", "llama")):
        plan = zx.plan(data, minutes=0.5, settings={"objective.kind": kind, "train.compile": False})
        assert plan.settings["model"]["kind"] == shape
        assert plan.expected_bits_per_byte is None
        assert plan.parameters > 10_000 and 0 < plan.mfu < 1
        assert any(line.startswith("objective") for line in plan.lines())
