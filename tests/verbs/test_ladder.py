"""`ladder`: rungs of seconds, through the real data folder and the real runs."""

import json
import math
import signal
import subprocess
import sys
import time

import pytest
import tiny

import zhixing as zx
from zhixing.errors import ArtifactError, SettingError
from zhixing.models import RNNSettings, parameters
from zhixing.session import read_log
from zhixing.verbs.ladder.language import ENCODERS, RUNGS, fitted

SMALL = {
    "model.layers": 1, "model.width": 32, "objective.context": 16, "train.batch": 4, "train.steps": 12, "train.compile": False,
    "train.validate_tokens": 500, "train.validate_every": 6, "train.save_every": 6,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    place = tmp_path_factory.mktemp("ladder")
    text = "".join(f"{i}. {sentence} {i * 37 % 101}\n" for i in range(60) for sentence in tiny.SENTENCES[:4])
    (place / "text.txt").write_text(text, encoding="utf-8")
    settings = {"read.document": "line", "split.valid": 0.1, "dedup.near.on": False}
    zx.prepare([str(place / "text.txt")], out=place / "data", vocabulary=400, settings=settings)
    return place / "data"


@pytest.fixture(scope="module")
def climbed(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("climbed") / "ladder"
    return out, zx.ladder(data, out=out, rungs=["ngram", "gru"], settings=SMALL)


def test_table_and_report(climbed):
    out, result = climbed
    assert [rung.name for rung in result.rungs] == ["ngram", "gru"]
    for rung in result.rungs:
        assert rung.low < rung.value < rung.high
        assert min(rung.parameters, rung.tokens, rung.tokens_per_second, rung.memory_bytes, rung.seconds) > 0
        assert f"documents:{result.documents}" in rung.signature
    assert result.rungs[1].tokens == 12 * 4 * 16
    assert json.loads((out / "result.json").read_text())["rungs"][1]["name"] == "gru"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "每字节比特数" in page
    assert "5-gram" in page
    assert 'href="gru/report.html"' in page
    assert (out / "gru" / "report.html").is_file()
    assert len(list(result.lines())) == 4


def test_the_ngram_rung_is_measured_as_the_networks_are(data, climbed):
    from zhixing.evaluate.documents import validation
    from zhixing.models.ngram import NGram
    from zhixing.store import Store
    from zhixing.tokenizer.tokenizer import Tokenizer

    out, result = climbed
    report = json.loads((out / "gru/eval/valid/report.json").read_text())
    store, tokenizer = Store.open(data, "train"), Tokenizer.load(data / "tokenizer.json")
    model = NGram(store.vocabulary, 5).fit(store.read(0, store.tokens))
    nats = size = tokens = 0
    for text in validation(data):
        ids = [tokenizer.end, *tokenizer.encode(text.text), tokenizer.end]
        nats += sum(model.nats(ids[: i + 1])[-1] for i in range(1, len(ids)))
        size += len(text.text.encode())
        tokens += len(ids) - 1
    assert result.rungs[0].value == pytest.approx(nats / math.log(2) / size)
    assert report["tokens"] == tokens
    assert report["bytes"] == size


def test_encoders_are_measured_by_what_they_find(data, tmp_path):
    result = zx.ladder(data, out=tmp_path / "ladder", rungs=["bert"], settings={**SMALL, "objective.kind": "masked"})
    assert result.metric == "masked_accuracy"
    (rung,) = result.rungs
    assert 0 <= rung.low <= rung.value <= rung.high <= 1
    lines = [json.loads(line) for line in (tmp_path / "ladder/bert/eval/valid/examples.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rung.value == pytest.approx(sum(line["right"] for line in lines) / sum(line["hidden"] for line in lines))
    page = (tmp_path / "ladder" / "report.html").read_text(encoding="utf-8")
    assert "掩码词元的准确率" in page
    assert "5-gram" not in page


def test_it_grows_and_climbs_nothing_twice(data, climbed, capsys):
    out, before = climbed
    stamp = (out / "gru" / "result.json").stat().st_mtime_ns
    result = zx.ladder(data, out=out, rungs=["gru,cnn"], settings=SMALL)
    assert [rung.name for rung in result.rungs] == ["ngram", "gru", "cnn"]
    assert result.rungs[:2] == before.rungs
    assert (out / "gru" / "result.json").stat().st_mtime_ns == stamp
    assert "gru: finished already" in capsys.readouterr().err


def test_another_ladder_is_refused(data, climbed):
    with pytest.raises(ArtifactError, match="was begun with settings"):
        zx.ladder(data, out=climbed[0], settings={**SMALL, "train.steps": 13})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rungs": ["lstm,bert"]}, "rungs: does not know 'bert'; there are ngram, rnn"),
        (
            {"rungs": ["ngram"], "settings": {"objective.kind": "masked"}},
            "rungs: does not know 'ngram'; there are rnn, lstm, gru, cnn, bert",
        ),
        ({"settings": {"objective.kind": "denoise"}}, "objective.kind: = denoise has no ladder"),
        ({"settings": {"model.kind": "llama"}}, "model.kind: is what tells the rungs"),
        ({"parameters": 10_000, "settings": {"model.width": 8}}, "model.width: cannot be set together with --parameters"),
        ({"parameters": 0}, "parameters: must be at least 1, not 0"),
        ({"minutes": 0, "rungs": ["ngram"]}, "minutes: must be a positive number"),
        ({"minutes": 1, "settings": {"train.steps": 5}}, "train.steps: cannot be given together with --minutes"),
        ({"rungs": ["ngram", "gru"], "settings": {"train.stepz": 5}}, "train.stepz: unknown setting; did you mean train.steps"),
        ({"rungs": ["ngram", "gru"], "settings": {"model.kv_heads": 2}}, "model.kv_heads: is no setting of model.kind = rnn"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(data, tmp_path, given, said):
    with pytest.raises(SettingError, match=said):
        zx.ladder(data, out=tmp_path / "ladder", **given)
    assert not (tmp_path / "ladder").exists()


NETWORKS = [(rung, {}) for rung in RUNGS.values() if rung] + [(rung, {"objective.kind": "masked"}) for rung in ENCODERS.values()]


@pytest.mark.parametrize(("rung", "objective"), NETWORKS)
def test_sizes_are_fitted_to_a_number_of_parameters(rung, objective):
    from pydantic import TypeAdapter

    from zhixing.models import Architecture

    for wanted in (300_000, 5_000_000):
        found = fitted({**rung, **objective}, wanted, 1000)
        tree = {name.removeprefix("model."): value for name, value in found.items()}
        settings = TypeAdapter(Architecture).validate_python(tree)
        assert abs(parameters(settings, 1000, "encoder" if objective else "decoder") / wanted - 1) < 0.35
        assert isinstance(settings, RNNSettings) == (rung["model.kind"] == "rnn")


@pytest.mark.slow
def test_a_stopped_ladder_goes_on(data, tmp_path):
    out = tmp_path / "ladder"
    words = [f"{name}={json.dumps(value)}" for name, value in {**SMALL, "train.steps": 400, "train.validate_every": 400}.items()]
    command = [sys.executable, "-m", "zhixing", "ladder", str(data), "--out", str(out), "--rungs", "gru", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    log = out / "gru" / "metrics.jsonl"
    while process.poll() is None and not (log.is_file() and log.stat().st_size):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    assert "stopped in gru; the same command continues" in said
    stopped_at = len(read_log(out / "gru"))
    assert stopped_at < 400
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert f"continuing {out / 'gru'} from step" in done.stderr
    assert json.loads((out / "result.json").read_text())["rungs"][0]["tokens"] == 400 * 4 * 16
