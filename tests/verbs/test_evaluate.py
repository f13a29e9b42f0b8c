"""The verb `evaluate` on small Hugging Face folders: figures against transformers, files, mistakes."""

import json
import math

import pytest
import torch
from tiny import SENTENCES, model, tokenizer

from zhixing import pretrained
from zhixing.errors import ArtifactError, InputError, SettingError
from zhixing.files import new_folder, open_folder
from zhixing.models import LlamaSettings
from zhixing.verbs.evaluate import OWN, EvaluateResult, evaluate, folder_name, place_for, write_evaluation

SETTINGS = LlamaSettings(layers=1, width=32, heads=4, kv_heads=2)
CONTEXT = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("lm")
    pretrained.save(place, model(SETTINGS, tokenizer().vocabulary), SETTINGS, tokenizer(), CONTEXT)
    return place


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    place = tmp_path_factory.mktemp("texts") / "test.jsonl"
    place.write_text("".join(json.dumps({"text": s * n}) + "\n" for n in (1, 2, 3) for s in SENTENCES[:4]), encoding="utf-8")
    return place


@torch.no_grad()
def test_bits_per_byte_are_those_of_transformers(folder, text):
    transformers = pytest.importorskip("transformers")
    oracle = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    nats = size = tokens = 0
    for line in text.read_text(encoding="utf-8").splitlines():
        document = json.loads(line)["text"]
        ids = [tokenizer().end, *tokenizer().encode(document), tokenizer().end]
        size, tokens = size + len(document.encode()), tokens + len(ids) - 1
        for place in range(1, len(ids)):
            stop = CONTEXT if place <= CONTEXT else CONTEXT + -(-(place - CONTEXT) // 16) * 16
            begin = max(0, min(stop, len(ids) - 1) - CONTEXT)
            nats -= oracle(torch.tensor([ids[begin:place]])).logits[0, -1].log_softmax(0)[ids[place]].item()
    result = evaluate(folder, data=[str(text)], device="cpu")
    assert (result.documents, result.bytes, result.tokens) == (12, size, tokens)
    assert result.metrics["bits_per_byte"].value == pytest.approx(nats / math.log(2) / size, rel=1e-4)
    assert result.metrics["perplexity"].value == pytest.approx(math.exp(nats / tokens), rel=1e-3)


def test_what_is_printed_and_written(folder, text, tmp_path, capsys):
    before = sorted(p.name for p in folder.iterdir())
    result = evaluate(folder, data=[str(text)], window=16, device="cpu", out=tmp_path / "eval")
    assert set(result.metrics) == {"bits_per_byte", "bits_per_character", "perplexity"}
    for name, m in result.metrics.items():
        assert m.low < m.value < m.high
        assert m.signature.startswith(f"{name}|v1|window:16|stride:8|tok:{tokenizer().fingerprint[:8]}|start:end|documents:12")
    assert json.loads((tmp_path / "eval/report.json").read_text(encoding="utf-8")) == result.model_dump()
    examples = [json.loads(line) for line in (tmp_path / "eval/examples.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sum(e["nats"] for e in examples) / math.log(2) / result.bytes == pytest.approx(result.metrics["bits_per_byte"].value)
    assert "<svg" in (tmp_path / "eval/report.html").read_text(encoding="utf-8")
    assert "only 12 documents" in capsys.readouterr().err
    assert sorted(p.name for p in folder.iterdir()) == before, "an export stays as it was sealed"


def test_the_figures_do_not_depend_on_the_order_of_documents(folder, text, tmp_path):
    lines = text.read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "turned.jsonl").write_text("".join(lines[::-1]), encoding="utf-8")
    a, b = (evaluate(folder, data=[str(place)], device="cpu") for place in (text, tmp_path / "turned.jsonl"))
    assert a.metrics["bits_per_byte"].value == pytest.approx(b.metrics["bits_per_byte"].value, rel=1e-6)


@pytest.mark.parametrize(
    ("words", "named"),
    [({"window": 0}, "window"), ({"window": -3}, "window"), ({"stride": 0}, "stride"), ({"window": 8, "stride": 9}, "stride")],
)
def test_windows_that_cannot_be(folder, text, words, named):
    with pytest.raises(SettingError, match=f"setting {named}"):
        evaluate(folder, data=[str(text)], device="cpu", **words)


def test_mistakes_are_one_line_and_leave_nothing(folder, tmp_path):
    (tmp_path / "empty.txt").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"empty\.txt"):
        evaluate(folder, data=[str(tmp_path / "empty.txt")], device="cpu", out=tmp_path / "out")
    with pytest.raises(InputError, match="absent"):
        evaluate(folder, data=[str(tmp_path / "absent.txt")], device="cpu", out=tmp_path / "out")
    with pytest.raises(ArtifactError):
        evaluate(tmp_path / "nowhere", data=[str(tmp_path / "empty.txt")], device="cpu", out=tmp_path / "out")
    with pytest.raises(SettingError, match="setting data"):
        evaluate(folder, device="cpu", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_without_finite_predictions_is_named(text, tmp_path):
    broken = model(SETTINGS, tokenizer().vocabulary)
    with torch.no_grad():
        broken.head.matrix.fill_(float("nan"))
    pretrained.save(tmp_path, broken, SETTINGS, tokenizer(), CONTEXT)
    with pytest.raises(ArtifactError, match="not finite"):
        evaluate(tmp_path, data=[str(text)], device="cpu", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_verb_has_written_is_not_written_over(folder, text, tmp_path):
    """A report in a data folder took the place of its own, and the folder counted as damaged from then on."""
    with new_folder(tmp_path / "data", "data") as made:
        (made / "report.html").write_text("of the data", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"data: is a folder that zhixing wrote, whose own report.html this would replace"):
        evaluate(folder, data=[str(text)], device="cpu", out=tmp_path / "data")
    open_folder(tmp_path / "data", "data")
    with pytest.raises(ArtifactError, match=r"test.jsonl: is a file, and a folder is to be written"):
        evaluate(folder, data=["absent"], device="cpu", out=text)  # before anything is read
    assert evaluate(folder, data=[str(text)], device="cpu", out=str(tmp_path / "data" / "eval")).documents == 12


def test_texts_of_one_name_do_not_take_each_others_place(tmp_path):
    def evaluated(*data):
        place = place_for(tmp_path, list(data) or None)
        write_evaluation(place, EvaluateResult.model_construct(data=list(data) or OWN), [], lambda place, name: None)
        return place.name

    asked = [(), ("valid.txt",), ("other/valid.txt",), ("valid.txt",), (), ("other/valid.txt",), ("test.txt",)]
    assert [evaluated(*data) for data in asked] == ["valid", "valid-2", "valid-3", "valid-2", "valid", "valid-3", "test"]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (None, "valid"),
        (["-"], "stdin"),
        (["a/test.jsonl", "b/知行.txt"], "test_知行"),
        (["*.txt"], "texts"),
        (["../.."], "texts"),
        (["a" * 300], "a" * 80),
    ],
)
def test_folder_names(data, name):
    assert folder_name(data) == name
