"""Translating in other manners than by search alone: what must appear does, draws follow their seed, words are aligned."""

import json
import math
import random

import pytest
import translators

import zhixing as zx
from zhixing.decode.sample import SampleSettings
from zhixing.errors import InputError, SettingError
from zhixing.tasks.translation.search import Manner
from zhixing.tasks.translation.terms import KEPT, Terms, contains

TEXTS = ["red cat {name}", "one 37 tea https://a.io/x", "blue three", "Two `x = 1` and 4 or 44 cats"]
TERMS = Terms({"red cat": "红毛猫", "tea": "龙井 tea", "blue": "蓝"}, tuple(KEPT))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return translators.write(tmp_path_factory.mktemp("run") / "en-zh")


@pytest.fixture(scope="module")
def translator(run):
    return zx.Translator.open(run, "cpu")


def test_terms_and_spans_are_in_every_translation(run, tmp_path):
    glossary, source, out = tmp_path / "g.tsv", tmp_path / "in.txt", tmp_path / "out.txt"
    glossary.write_text("".join(f"{a}\t{b}\n" for a, b in TERMS.glossary.items()), encoding="utf-8")
    source.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    zx.translate(run, in_=source, out=out, glossary=glossary, keep=["all"])
    for said, wanted in zip(
        out.read_text(encoding="utf-8").splitlines(),
        (["红毛猫", "{name}"], ["37", "龙井 tea", "https://a.io/x"], ["蓝"], ["`x = 1`", "4", "44"]),
        strict=True,
    ):
        assert all(one in said for one in wanted)
    [row] = zx.translate(run, text=TEXTS[:1], glossary=glossary, best=3).translations
    assert all("红毛猫" in said for said in [row["translation"], *row["alternatives"]])
    free = zx.translate(run, text=["blue three", "red tea"]).translations
    assert zx.translate(run, text=["blue three", "red tea"], keep=["number", "url"]).translations == free


def test_what_asks_for_nothing_or_has_it_already_keeps_its_translation(translator):
    texts = [source for source, _ in translators.pairs(20, seed=4)]
    free = translator(texts)
    asked = translator(texts, Manner(translator.recipe.decode, TERMS))
    for text, a, b in zip(texts, free, asked, strict=True):
        if contains(a.text, TERMS.of(text)):
            assert a == b


@pytest.mark.parametrize("manner", ["terms", "draws", "risk", "links"])
def test_batch_mates_change_nothing(translator, manner):
    beam, drawn = translator.recipe.decode, SampleSettings(temperature=1.5, seed=3)
    made = {
        "terms": Manner(beam, TERMS),
        "draws": Manner(beam.model_copy(update={"best": 2}), sample=drawn),
        "risk": Manner(beam, mbr=6, sample=drawn),
        "links": Manner(beam, align=True),
    }[manner]
    texts = [*TEXTS, *(source for source, _ in translators.pairs(8, seed=5))]
    together = translator(texts, made)
    order = random.Random(0).sample(range(len(texts)), len(texts))
    few = Manner(made.beam.model_copy(update={"batch": 2}), made.terms, made.sample, made.mbr, made.align)
    assert [translator([texts[n] for n in order], few)[order.index(n)] for n in range(2)] == together[:2]
    assert translator(texts[5:6], made) == together[5:6]


def test_draws_follow_their_seed_and_risk_chooses_among_them(run, translator):
    def said(**more):
        return [row["translation"] for row in zx.translate(run, text=["red six blue seven", *TEXTS], **more).translations]

    hot = {"sample": True, "temperature": 3.0}
    assert said(**hot) == said(**hot) != said(**hot, seed=1)
    manner = Manner(translator.recipe.decode.model_copy(update={"best": 8}), sample=SampleSettings(temperature=3.0))
    drawn = translator(["red six blue seven"], manner)[0]
    risk = translator(["red six blue seven"], Manner(translator.recipe.decode, sample=manner.sample, mbr=8))[0]
    assert risk.text in (drawn.text, *drawn.alternatives)
    assert len(zx.translate(run, text=["red cat"], mbr=4).translations[0]["translation"]) > 0


def test_words_are_aligned_and_places_are_those_of_characters(run, translator, tmp_path):
    pairs = [(a, b) for a, b in translators.pairs(150, seed=6) if len(set(a.split())) == len(a.split())]
    right = count = 0
    for (source, _), one in zip(pairs, translator([a for a, _ in pairs], Manner(translator.recipe.decode, align=True)), strict=True):
        assert one.source == source
        for link in one.links:
            word, said = source[slice(*link.source)], one.text[slice(*link.target)]
            assert word in source.split()
            assert said.strip() == said != ""
            assert 0 <= link.weight <= 1
            if said in translators.WORDS.values() or said.isdigit():
                count, right = count + 1, right + (translators.WORDS.get(word, word) == said)
    assert count > 50
    assert right / count > 0.45  # a guess among two to five words is right in a third
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("red cat\n\n- one two\n", encoding="utf-8")
    zx.translate(run, in_=source, out=out, align=True)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["source"] for row in rows] == ["red cat", "", "- one two"]
    assert all(start >= 2 for link in rows[2]["alignment"] for start in (link[0], link[2]))


def test_what_does_not_go_together_is_said(run, tmp_path):
    for more, said in (
        ({"keep": ["numbers"]}, "setting keep: is all, or some of"),
        ({"keep": ["all"], "mbr": 4}, "needs a search"),
        ({"mbr": -1}, "setting mbr: must be at least 0"),
        ({"mbr": 2, "best": 3}, "fewer than the 3"),
        ({"sample": True, "temperature": 0.0}, "setting temperature"),
        ({"sample": True, "temperature": math.inf}, "setting temperature"),
        ({"sample": True, "temperature": math.nan}, "setting temperature"),
    ):
        with pytest.raises(SettingError, match=said):
            zx.translate(run, text=["red"], **more)
    with pytest.raises(InputError, match="no such file"):
        zx.translate(run, text=["red"], glossary=tmp_path / "no.tsv")
    pytest.importorskip("ctranslate2")
    exported = zx.export(run, to="ctranslate2", out=tmp_path / "x", quantization="float32", tolerance=5.0).folder
    for more in ({"keep": ["number"]}, {"mbr": 4}, {"align": True}):
        with pytest.raises(SettingError, match="is not known to CTranslate2"):
            zx.translate(exported, text=["red"], **more)
