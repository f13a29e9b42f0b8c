"""Models as ONNX graphs: onnxruntime, called by itself, computes what they compute; translations are ours; what differs is not written."""

import json
import shutil
import sys

import numpy as np
import pytest
import tiny
import torch
import translators

import zhixing as zx
from zhixing import pretrained
from zhixing.corpus.labelled import Example
from zhixing.errors import ArtifactError, MissingPackage, SettingError, UserError, ZhixingError
from zhixing.export import onnx as writer
from zhixing.files import new_folder, write_json
from zhixing.models import BertSettings, GPT2Settings, LlamaSettings, MarianSettings, RNNSettings
from zhixing.tasks.classify import artifact
from zhixing.tasks.classify.objective import ClassifySettings, Targets, classifier
from zhixing.tasks.classify.recipe import ClassifyRecipe
from zhixing.tasks.translation.search import Manner
from zhixing.tasks.translation.terms import Terms

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

PRE = MarianSettings(
    encoder_layers=1, decoder_layers=1, width=48, heads=4, decoder_heads=2, hidden=64, norm="pre", tied=False, activation="silu"
)  # fmt: skip
TEXTS = [source for source, _ in translators.pairs(30, seed=3)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return translators.write(tmp_path_factory.mktemp("run") / "en-zh", PRE, steps=30)


@pytest.fixture(scope="module")
def exported(run):
    return zx.export(run, to="onnx").folder


@pytest.fixture(scope="module")
def both(run, exported):
    return zx.Translator.open(run), zx.Translator.open(exported)


def session(file):
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def nothing(graph, **lengths):
    """The `past` inputs before the first token."""
    return {
        one.name: np.zeros([size if isinstance(size, int) else lengths[size] for size in one.shape], dtype=np.float32)
        for one in graph.get_inputs()
        if one.name.startswith("past.")
    }


def answer(graph, **values):
    """All outputs by name, and what of them is the past of the next call."""
    found = dict(zip([one.name for one in graph.get_outputs()], graph.run(None, values), strict=True))
    return found, {name.replace("present", "past"): value for name, value in found.items() if name.startswith("present")}


@torch.no_grad()
def agree(ours, folder):
    """Token by token, three beams of each of four sentences at once, the graphs give the logits of a whole reading."""
    source, mask = translators.padded([[3, 4, 5, 6, 7, 8], [9, 8], [5], [4, 4, 9]], 0)
    beams = torch.randint(3, 9, (4, 3, 5), generator=torch.Generator().manual_seed(0))
    encoder, decoder = session(folder / "encoder.onnx"), session(folder / "decoder.onnx")
    memory, _ = answer(encoder, source=source.numpy(), source_mask=mask.numpy())
    past = nothing(decoder, batch=4, beams=3, past=0)
    for place in range(5):
        step, past = answer(decoder, ids=beams[:, :, place].numpy(), source_mask=mask.numpy(), **memory, **past)
        for beam in range(3):
            expected = ours.head(ours(source, beams[:, beam, : place + 1], mask))[:, -1]
            assert np.abs(step["logits"][:, beam] - expected.numpy()).max() < 1e-4


def test_a_translator_in_two_graphs(both, exported):
    agree(both[0].model, exported)
    assert sorted(path.name for path in exported.iterdir()) == [
        "decoder.onnx", "encoder.onnx", "manifest.json", "recipe.json", "source_tokenizer.json", "task.json", "tokenizer.json",
    ]  # fmt: skip


def test_translations_are_ours_in_every_manner(both):
    ours, theirs = both
    search = ours.recipe.decode
    for manner in (
        Manner(search.model_copy(update={"beams": 1})),
        Manner(search.model_copy(update={"beams": 4, "best": 3})),
        Manner(search, Terms({"red": "红"}, ("number",))),
        Manner(search, mbr=4),
    ):
        for a, b in zip(ours(TEXTS, manner), theirs(TEXTS, manner), strict=True):
            assert (a.text, a.alternatives) == (b.text, b.alternatives)
            assert a.score == pytest.approx(b.score, rel=1e-4)


def test_a_translation_does_not_depend_on_its_batch_mates(both):
    theirs = both[1]
    together = theirs(TEXTS)
    assert [theirs([text])[0] for text in TEXTS[:5]] == together[:5]
    assert theirs(TEXTS[::-1]) == together[::-1]


@pytest.fixture
def made_before(exported, monkeypatch):
    """The run's graphs are taken from its export instead of being made again, which takes seconds."""
    monkeypatch.setattr(writer, "_graph", lambda module, inputs, outputs, file, *_: shutil.copy(exported / file.name, file))


@pytest.mark.usefixtures("made_before")
def test_int8_is_judged_by_its_translations(run, exported, tmp_path):
    result = zx.export(run, to="onnx", out=tmp_path / "int8", quantization="int8", tolerance=100)
    assert (result.to, result.quantization) == ("onnx", "int8")
    assert "ONNX, int8" in "".join(result.lines())
    for name in ("encoder.onnx", "decoder.onnx"):
        assert (tmp_path / "int8" / name).stat().st_size < 0.8 * (exported / name).stat().st_size
        kinds = [node.op_type for node in onnx.load(tmp_path / "int8" / name).graph.node]
        assert kinds.count("MatMulNBits") == {"encoder.onnx": 5, "decoder.onnx": 7}[name]  # all matrices, the head's too
    said = zx.Translator.open(tmp_path / "int8")
    assert [said([text])[0] for text in TEXTS[:5]] == said(TEXTS)[:5]
    if (lost := result.own_bleu - result.bleu) > 0:
        with pytest.raises(ZhixingError, match="more than --tolerance"):
            zx.export(run, to="onnx", out=tmp_path / "no", quantization="int8", tolerance=lost / 2)
    assert [path.name for path in tmp_path.iterdir()] == ["int8"]


@pytest.mark.slow
def test_post_norm_and_one_vocabulary(tmp_path):
    run = translators.write(tmp_path / "run", translators.MARIAN, steps=5, joint=True)
    result = zx.export(run, to="onnx")
    assert result.same == 1 and result.bleu == result.own_bleu
    agree(zx.Translator.open(run).model, result.folder)


def test_a_graph_that_computes_otherwise_is_not_written(run, exported, tmp_path, monkeypatch):
    def tampered(module, inputs, outputs, file, *_):
        graph = onnx.load(exported / file.name)
        for weight in graph.graph.initializer:
            if len(weight.dims) == 2:
                values = onnx.numpy_helper.to_array(weight) * np.float32(1.1)
                weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        onnx.save(graph, file)

    monkeypatch.setattr(writer, "_graph", tampered)
    with pytest.raises(ZhixingError, match=r"not exported: logits of onnxruntime differ by .*, more than 0\.001"):
        zx.export(run, to="onnx", out=tmp_path / "no")
    assert not list(tmp_path.iterdir())


def language_model(folder, settings):
    folder.mkdir()
    pretrained.save(folder, tiny.model(settings, tiny.tokenizer().vocabulary), settings, tiny.tokenizer(), 32)
    return folder


@pytest.mark.parametrize(
    "settings",
    [
        LlamaSettings(layers=1, width=32, heads=4, kv_heads=2, window=5),
        pytest.param(
            LlamaSettings(layers=2, width=32, heads=4, window=5, full_layers=1, qk_norm=False, attention_bias=True), marks=pytest.mark.slow
        ),
        pytest.param(GPT2Settings(layers=1, width=32, heads=2, positions=32), marks=pytest.mark.slow),
    ],
    ids=lambda settings: settings.kind,
)
@torch.no_grad()
def test_a_language_model_in_one_graph(tmp_path, settings):
    run = language_model(tmp_path / "lm", settings)
    result = zx.export(run, to="onnx")
    assert result.difference <= 1e-3 and result.folder.name == "lm-onnx"
    model, graph = pretrained.load(run).model, session(result.folder / "model.onnx")
    ids = torch.randint(300, (3, 14), generator=torch.Generator().manual_seed(0))
    expected, past, found = model.head(model(ids)[0]).numpy(), nothing(graph, batch=3, past=0), []
    for start, end in ((0, 4), (4, 5), (5, 6), (6, 14)):
        step, past = answer(graph, ids=ids[:, start:end].numpy(), **past)
        found.append(step["logits"])
    assert np.abs(np.concatenate(found, axis=1) - expected).max() < 1e-4
    told = json.loads((result.folder / "settings.json").read_text())
    assert told["context"] == 32 and told["end"] == tiny.tokenizer().end and (result.folder / "tokenizer.json").is_file()


def write_classifier(folder, settings, *, kind, paired, pooling):
    """A classifier that has learnt nothing, in its run folder."""
    words = tiny.tokenizer("wordpiece", None)
    shape = "decoder" if isinstance(settings, LlamaSettings) else "encoder"
    labels = [(label,) if kind == "multi" else label for label in ("a", "b", "c", "b")]
    examples = [Example(text, label, "t.tsv", 1, "so" if paired else None) for text, label in zip(tiny.SENTENCES, labels, strict=False)]
    targets = Targets.of(examples, kind)
    recipe = ClassifyRecipe(model=settings, objective=ClassifySettings(pooling=pooling, window=40))
    made = classifier(tiny.model(settings, words.vocabulary, shape=shape), targets.classes, recipe.objective).eval()
    torch.nn.init.normal_(made.head.matrix, std=0.3)
    with new_folder(folder, "run") as place:
        words.save(place / "tokenizer.json")
        write_json(place / "config.json", recipe.model_dump(mode="json"))
    artifact.write(folder, made, words, targets, recipe, examples, examples, temperature=1.5, paired=paired)
    return folder


@pytest.mark.slow  # following a model takes the exporter seconds
@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        (BertSettings(layers=1, width=32, heads=2), {"kind": "single", "paired": True, "pooling": "mean"}),
        (LlamaSettings(layers=1, width=32, heads=2), {"kind": "multi", "paired": False, "pooling": "last"}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_classifier_in_one_graph(tmp_path, settings, chosen):
    run = write_classifier(tmp_path / "run", settings, **chosen)
    result = zx.export(run, to="onnx")
    assert result.difference <= 1e-3
    opened, graph = artifact.open_classifier(run), session(result.folder / "model.onnx")
    texts = ["one", "Knowing is the beginning of doing", "行是知之成" * 9]
    pairs = ["", "two", "a dog"] if chosen["paired"] else None
    batch = artifact.Inputs(opened.tokenizer, texts, pairs, opened.task.window).batch(np.arange(3))
    found, _ = answer(graph, **{name: value.numpy() for name, value in batch.items()})
    assert np.abs(found["probabilities"] - opened.outputs(texts, pairs)).max() < 1e-5
    told = json.loads((result.folder / "settings.json").read_text())
    assert told["labels"] == list(opened.task.labels) and told["kind"] == chosen["kind"]


def test_damage_and_refusals(run, exported, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="take the run that it was made of"):
        zx.export(exported, out=tmp_path / "again", to="onnx")
    with pytest.raises(SettingError, match="align: is not known to an ONNX export"):
        zx.translate(exported, text=["red"], align=True)
    recurrent = translators.write(tmp_path / "rnn", RNNSettings(layers=1, width=16), steps=1)
    with pytest.raises(UserError, match="its model is of kind rnn; of translators, Transformers"):
        zx.export(recurrent, to="onnx")
    lm = language_model(tmp_path / "lm", LlamaSettings(layers=1, width=32, heads=2))
    with pytest.raises(SettingError, match="int8 is for translators"):
        zx.export(lm, to="onnx", quantization="int8")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnxscript", None)
        with pytest.raises(MissingPackage, match=r"needs the package onnxscript; install it with: pip install 'zhixing\[onnx\]'"):
            zx.export(run, to="onnx", out=tmp_path / "x")
    weights = exported / "decoder.onnx"
    whole = bytearray(weights.read_bytes())
    weights.write_bytes(whole[:-4] + bytes(byte ^ 1 for byte in whole[-4:]))
    with pytest.raises(ArtifactError, match=r"encoder\.onnx and decoder\.onnx do not match their SHA-256"):
        zx.translate(exported, text=["red"])
    weights.write_bytes(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lm", "rnn"]
