"""Translators in other programs' formats: what is exported says the same there, or as well, or is not exported."""

import pytest
import torch
import translators

import zhixing as zx
from zhixing.errors import ArtifactError, SettingError, UserError, ZhixingError
from zhixing.export import pairs
from zhixing.models import MarianSettings, RNNSettings
from zhixing.pretrained import marian

SMALL = {"encoder_layers": 1, "decoder_layers": 1, "width": 48, "heads": 4, "hidden": 64}
SOURCES = ["red cat", "one two 37 tea", "blue"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return translators.write(tmp_path_factory.mktemp("run") / "en-zh")


@pytest.fixture(scope="module")
def exported(run):
    return zx.export(run, to="ctranslate2", quantization="float32", tolerance=1.0).folder


def said(folder, **more):
    return [row["translation"] for row in zx.translate(folder, text=SOURCES, **more).translations]


def agree(run, folder):
    """Greedily, where no way to stop matters, both say the same with the same scores; with beams nearly always."""
    ours, theirs = (zx.Translator.open(one) for one in (run, folder))
    texts = [source for source, _ in translators.pairs(60, seed=3)]
    greedy = ours.recipe.decode.model_copy(update={"beams": 1})
    for a, b in zip(ours(texts, greedy), theirs(texts, greedy), strict=True):
        assert a.text == b.text
        assert a.score == pytest.approx(b.score, rel=2e-3)
    beams = zip(ours(texts), theirs(texts), strict=True)
    return sum(a.text == b.text for a, b in beams) / len(texts)


def test_transformers_says_the_same(run):
    transformers = pytest.importorskip("transformers")
    result = zx.export(run)
    assert (result.family, result.same) == ("MarianMTModel", "translations") and result.difference < 1e-4
    model = transformers.MarianMTModel.from_pretrained(result.folder)
    source = transformers.AutoTokenizer.from_pretrained(result.folder / "source")
    target = transformers.AutoTokenizer.from_pretrained(result.folder)
    rows = source(SOURCES, return_tensors="pt", padding=True, return_token_type_ids=False)
    assert target.batch_decode(model.generate(**rows), skip_special_tokens=True) == said(run)


def test_greedy_translations_may_part_where_rounding_chooses(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    run = translators.write(tmp_path / "run", steps=0)
    translator = zx.Translator.open(run)
    translator.recipe = translator.recipe.model_copy(update={"decode": translator.recipe.decode.model_copy(update={"beams": 1})})
    for matrix in (translator.model.head.matrix, translator.model.head.bias):
        matrix.data.zero_()  # every token is as probable as every other
    write, size = marian.write, len(translator.model.head.bias)

    def moved(by):
        return lambda *parts: write(*parts) | {"final_logits_bias": torch.zeros(1, size).index_fill(1, torch.tensor(size // 2), by)}

    monkeypatch.setattr(marian, "write", moved(1e-5))  # theirs writes that one
    assert pairs.write(tmp_path / "near", run, translator).difference > 0
    translator.model.head.bias.data[-1] = 0.1  # no longer a tie
    with pytest.raises(ZhixingError, match=r"transformers translates .* otherwise"):
        pairs.write(tmp_path / "far", run, translator)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["near", "run"]


def test_ctranslate2_says_the_same_with_the_same_numbers(run, exported):
    pytest.importorskip("ctranslate2")
    assert exported.name == "en-zh-ctranslate2"
    assert agree(run, exported) > 0.8
    best = zx.translate(exported, text=["red cat"], best=3).translations[0]
    assert len(best["alternatives"]) == 2
    assert best["translation"] == "红猫"


@pytest.mark.parametrize(
    "settings",
    [
        {"norm": "pre", "decoder_heads": 2, "activation": "silu"},
        {"norm": "pre", "tied": False, "scaled": False, "wavelengths": "closed", "position_offset": 2},
    ],
)
def test_ctranslate2_takes_what_transformers_has_no_name_for(tmp_path, settings):
    run = translators.write(tmp_path / "run", MarianSettings(**SMALL, **settings), steps=10)
    with pytest.raises(UserError, match=r"no model that computes this one .*--to ctranslate2"):
        zx.export(run)
    agree(run, zx.export(run, to="ctranslate2", quantization="float32", tolerance=1.0).folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run-ctranslate2"]


def test_an_export_is_evaluated_like_a_run(run, exported, tmp_path):
    sacrebleu = pytest.importorskip("sacrebleu")
    pairs = translators.pairs(40, seed=8)
    data = tmp_path / "t.tsv"
    data.write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    for model in (run, exported):
        written = [one.text for one in zx.Translator.open(model)([source for source, _ in pairs])]
        expected = sacrebleu.corpus_bleu(written, [[target for _, target in pairs]], tokenize="zh").score
        assert zx.evaluate(model, data=[str(data)]).metrics["bleu"].value == pytest.approx(expected, abs=1e-6)


def test_m2m100_where_the_vocabulary_is_one(tmp_path):
    settings = MarianSettings(**SMALL, norm="pre", wavelengths="closed", position_offset=2)
    run = translators.write(tmp_path / "run", settings, steps=10, joint=True)
    assert zx.export(run).family == "M2M100ForConditionalGeneration"
    agree(run, zx.export(run, to="ctranslate2", quantization="float32", tolerance=1.0).folder)


def test_an_export_that_loses_too_much_is_not_written(run, exported, tmp_path):
    result = zx.export(run, to="ctranslate2", out=tmp_path / "int8", quantization="int8", tolerance=100)
    assert (tmp_path / "int8/model.bin").stat().st_size < (exported / "model.bin").stat().st_size
    assert said(tmp_path / "int8")
    lost = result.own_bleu - result.bleu
    if lost <= 0:
        pytest.skip("this processor's int8 loses nothing here")
    with pytest.raises(ZhixingError, match=f"falls from {result.own_bleu:.2f} to {result.bleu:.2f}, more than --tolerance"):
        zx.export(run, to="ctranslate2", out=tmp_path / "no", tolerance=lost / 2)
    assert [path.name for path in tmp_path.iterdir()] == ["int8"]


def test_damage_and_refusals(exported, run, tmp_path):
    with pytest.raises(SettingError, match="float32 or int8"):
        zx.export(run, to="ctranslate2", quantization="int4")
    with pytest.raises(UserError, match="take the run that it was made of"):
        zx.export(exported, out=tmp_path / "again", to="ctranslate2")
    recurrent = translators.write(tmp_path / "rnn", RNNSettings(layers=1, width=16, attention="multiplicative"), steps=1)
    for to in ("hf", "ctranslate2"):
        with pytest.raises(UserError, match="its model is of kind rnn, "):
            zx.export(recurrent, to=to)
    weights = exported / "model.bin"
    whole = bytearray(weights.read_bytes())
    weights.write_bytes(whole[:-4] + bytes(byte ^ 1 for byte in whole[-4:]))
    with pytest.raises(ArtifactError, match="do not match their SHA-256"):
        zx.translate(exported, text=["red"])
    weights.write_bytes(whole)
