"""Translators that begin with other models, that are told languages and domains apart, and that learn from what models make."""

import json
import random
import re
import shutil

import pytest
import tiny
import torch
from folders import german, m2m100_folder, marian_folder, pairs

import zhixing as zx
from zhixing import checkpoint, files, pretrained
from zhixing.decode.beam import BeamSearch, BeamSettings
from zhixing.errors import ArtifactError, SettingError, UserError
from zhixing.files import read_json, sha256
from zhixing.objectives import with_marks
from zhixing.pairs import Pairs
from zhixing.tasks.translation import synthetic
from zhixing.tasks.translation.recipe import BackSettings
from zhixing.tasks.translation.search import Manner
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.train.loop import State
from zhixing.train.optim import Optimizer
from zhixing.train.recipe import Recipe
from zhixing.verbs.finetune import translate_synthetic

SMALL = {
    "model.width": 32, "model.heads": 2, "model.encoder_layers": 1, "model.decoder_layers": 1, "train.batch": 8, "objective.context": 32,
    "vocabulary.size": 300, "train.precision": "fp32", "model.dropout": 0.0, "objective.smoothing": 0.0, "train.steps": 3,
    "decode.beams": 1,
}  # fmt: skip
BASED = {"train.batch": 8, "train.precision": "fp32", "train.steps": 2, "objective.context": 32, "decode.beams": 1}
STILL = {**BASED, "optim.learning_rate": 1e-12, "optim.table_rate": 1e-12, "optim.vector_rate": 1e-12}
"""Training that changes nothing, so that what comes out is what was there."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("begun")
    rows = pairs(260)
    (place / "train.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in rows[:240]), encoding="utf-8")
    (place / "valid.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in rows[240:]), encoding="utf-8")
    return place


def train(place, name, settings=SMALL, **how):
    how = {"data": [str(place / "train.tsv")], "valid": [str(place / "valid.tsv")], **how}
    return zx.finetune.translate(out=place / name, settings=settings, **how)


BACKWARDS = {"source_language": "zh", "target_language": "en", "source_column": "1", "target_column": "0"}


@pytest.fixture(scope="module")
def reverse(place):
    """A translator from Chinese to English that has learnt something."""
    train(place, "zh-en", {**SMALL, "train.batch": 16, "train.steps": 110}, **BACKWARDS)
    return place / "zh-en"


TEXTS = ["red cat", "one two three", "blue tea seven"]


def test_a_marian_folder_is_what_it_was_and_learns(place):
    folder = marian_folder(place / "marian")
    train(place, "still", STILL, base=folder)
    found = pretrained.load(folder)
    settings = BeamSettings.model_validate(found.decoding).model_copy(update={"beams": 1})
    known = read_json(place / "still/config.json")["decode"]
    assert known["force_end"] and known["banned"] == [found.tokenizer.pad] and known["tokens"] == 39
    search = BeamSearch(found.model, settings, begin=found.begin, end=found.tokenizer.end, pad=found.source_tokenizer.pad)
    expected = [
        found.tokenizer.decode(one[0].tokens).strip()
        for one in search([[*found.source_tokenizer.encode(text), found.source_tokenizer.end] for text in TEXTS])
    ]
    assert [one.text for one in zx.Translator.open(place / "still")(TEXTS)] == expected
    result = train(place, "learnt", {**BASED, "train.steps": 30, "optim.learning_rate": 3e-3, "optim.table_rate": 3e-3}, base=folder)
    before = read_json(place / "still/result.json")["valid_loss"]
    assert result.valid_loss < before - 0.5
    assert zx.evaluate(place / "learnt", data=[str(place / "valid.tsv")]).texts == len(pairs(260)) - 240
    # A translator trained here begins another one; a tag is added to its vocabulary.
    tagged = place / "tagged.tsv"
    tagged.write_text("".join(f"{a}\t{b}\ttalk\n" for a, b in pairs(60)), encoding="utf-8")
    again = train(place, "again", STILL, data=[str(tagged)], domain_column="2", valid=None, base=place / "learnt")
    assert again.vocabularies[0] == result.vocabularies[0] + 1
    one, other = zx.Translator.open(place / "learnt"), zx.Translator.open(place / "again")
    assert [t.text for t in other(TEXTS)] == [t.text for t in one(TEXTS)]
    rows = other.model.encoder.embedding.weight
    assert torch.allclose(rows[-1], rows[:-1].mean(0), atol=1e-5)


def test_rdrop_is_refused_where_the_base_drops_nothing(place):
    folder = marian_folder(place / "undropped")
    assert pretrained.load(folder).model.settings.dropout == 0
    with pytest.raises(SettingError, match=r"objective.rdrop: compares two passes .* model.dropout = 0; set model.dropout=0.1"):
        train(place, "no", {**BASED, "objective.rdrop": 1}, base=folder)
    assert not (place / "no").exists()
    train(place, "dropped", {**BASED, "objective.rdrop": 1, "model.dropout": 0.1}, base=folder)


def test_an_m2m100_folder_keeps_its_marks_of_languages(place):
    folder = m2m100_folder(place / "m2m")
    rows = [(a, b, "zh") for a, b in pairs(40)] + [(a, german(a), "de") for a, _ in pairs(40, seed=2)]
    random.Random(0).shuffle(rows)
    data = place / "languages.jsonl"
    data.write_text("".join(json.dumps({"source": a, "target": b, "to": c}) + "\n" for a, b, c in rows), encoding="utf-8")
    train(place, "many", STILL, data=[str(data)], valid=None, base=folder, target_language_column="to")
    found = pretrained.load(folder)
    words = found.tokenizer
    translator = zx.Translator.open(place / "many")
    for to in ("zh", "de"):
        settings = BeamSettings(beams=1, first=(words.need([f"__{to}__"]),), banned=(words.pad,), ratio=3.0)
        search = BeamSearch(found.model, settings, begin=words.end, end=words.end, pad=words.pad)
        expected = search([[words.need(["__en__"]), *words.encode(text), words.end] for text in TEXTS])
        assert [one.text for one in translator.speaking(to)(TEXTS)] == [words.decode(one[0].tokens).strip() for one in expected]
    with pytest.raises(ArtifactError, match="knows no language fr"):
        train(place, "no", BASED, base=folder, target_language="fr")
    assert not (place / "no").exists()


def test_nllbs_older_order_of_marks_is_kept(place):
    folder = m2m100_folder(place / "nllb", ("eng_Latn", "zho_Hans", "deu_Latn"), behind=True)
    train(place, "behind", {**STILL, "vocabulary.dropout": 0.1}, base=folder)
    run, found = place / "behind", pretrained.load(folder)
    words = found.tokenizer
    written = Pairs.open(run / "pairs", "train")
    assert {tuple(words.pieces(written.source(n)[-2:])) for n in range(len(written))} == {("</s>", "eng_Latn")}
    settings = BeamSettings(beams=1, first=(words.need(["zho_Hans"]),), banned=(words.pad,), ratio=3.0)
    search = BeamSearch(found.model, settings, begin=words.end, end=words.end, pad=words.pad)
    expected = search([[*words.encode(text), words.end, words.need(["eng_Latn"])] for text in TEXTS])
    translator = zx.Translator.open(run)
    assert [one.text for one in translator(TEXTS)] == [words.decode(one[0].tokens).strip() for one in expected]
    links = translator(["red cat"], Manner(translator.recipe.decode, align=True))[0].links
    assert {"red cat"[slice(*one.source)] for one in links} <= {"red", "cat"}
    zx.export(run, to="hf", out=place / "behind-hf")
    again = pretrained.load(place / "behind-hf")
    assert again.behind and again.source_tokenizer.encode("red cat") == words.encode("red cat")


def pretrained_run(folder, objective, width):
    """A run of one step's standing, as `pretrain` leaves it, without its planning."""
    words = with_marks(recipe_of(objective, width).objective, tiny.tokenizer())
    recipe = recipe_of(objective, width)
    with files.new_folder(folder, "run") as made:
        files.write_json(made / "config.json", recipe.model_dump())
        files.write_json(made / "lineage.json", {})
        words.save(made / "tokenizer.json")
    model = tiny.model(recipe.model, words.vocabulary, shape=recipe.shape)
    checkpoint.save(folder, State.new(model, Optimizer(model, recipe.optim), averages=False), 1.0, 1)
    return folder


def recipe_of(objective, width):
    model = {"kind": "marian", "width": width, "heads": 2, "encoder_layers": 1, "decoder_layers": 1}
    return Recipe.model_validate({"model": model, "objective": {"kind": objective, "context": 32}})


def test_runs_of_monolingual_text_warm_either_side(place):
    for name, objective, width in (("masked", "masked", 32), ("spans", "denoise", 32), ("narrow", "masked", 16)):
        pretrained_run(place / name, objective, width)
    train(place, "warm", STILL, base_encoder=place / "masked")
    warm, masked = zx.Translator.open(place / "warm"), checkpoint.open_model(place / "masked", "cpu")
    assert warm.source.fingerprint == masked.tokenizer.fingerprint != warm.target.fingerprint
    assert torch.allclose(warm.model.encoder.embedding.weight, masked.model.encoder.embedding.weight, atol=1e-6)
    assert torch.allclose(warm.model.encoder.trunk.blocks[0].mlp.up.weight, masked.model.encoder.trunk.blocks[0].mlp.up.weight, atol=1e-6)
    train(place, "both", STILL, base_encoder=place / "masked", base_decoder=place / "spans")
    spans = checkpoint.open_model(place / "spans", "cpu").model
    both = zx.Translator.open(place / "both").model
    assert torch.allclose(both.decoder.trunk.blocks[0].cross.kv.weight, spans.decoder.trunk.blocks[0].cross.kv.weight, atol=1e-6)
    train(place, "whole", STILL, base=place / "spans")
    for how, said in (
        ({"base_encoder": place / "masked", "base_decoder": place / "narrow"}, "narrow: cannot stand beside .* model.width = 16"),
        ({"base": place / "masked"}, "is a model of shape encoder"),
        ({"base": place / "spans", "base_encoder": place / "masked"}, "is a whole model"),
    ):
        with pytest.raises(UserError, match=said):
            train(place, "no", BASED, **how)
    with pytest.raises(SettingError, match=r"model\.width.*--base"):
        train(place, "no", {**BASED, "model.width": 64}, base_encoder=place / "masked")
    assert not (place / "no").exists()


def test_domains_and_languages_are_told_apart(place):
    """The same sources have another translation in each domain and language: only the tags can say which."""
    rows = [(a, b, "zh", "plain") for a, b in pairs(150)] + [(a, b[::-1], "zh", "back") for a, b in pairs(150)]
    rows += [(a, german(a), "de", "plain") for a, _ in pairs(150)]
    random.Random(0).shuffle(rows)
    data = place / "tags.tsv"
    data.write_text("source\ttarget\tto\tkind\n" + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    columns = {"target_language_column": "to", "domain_column": "kind"}
    train(place, "tags", {**SMALL, "train.steps": 3}, data=[str(data)], valid=None, **columns)
    run = place / "tags"
    report = read_json(run / "pair_report.json")
    assert set(report["domains"]) == {"plain", "back"} and set(report["languages"]) == {"en-zh", "en-de"}
    marks, words = read_json(run / "marks.json"), Tokenizer.load(run / "source_tokenizer.json")
    written = Pairs.open(run / "pairs", "train")
    heads = [words.pieces(written.source(n)[:2]) for n in range(len(written))]
    tagged = [head[1] for head in heads if head[1].startswith("<|domain:")]
    assert {head[0] for head in heads} == {"<|to:zh|>", "<|to:de|>"} and set(tagged) == {"<|domain:plain|>", "<|domain:back|>"}
    assert 0.8 < len(tagged) / len(heads) < 1  # some go without, so that one may leave it out
    assert set(marks["to_marks"]) == {"zh", "de"}
    said = zx.translate(run, text=["red cat"], to="de", domain="plain").translations
    assert len(said) == 1
    for how, said in (({"to": "fr"}, "to: = fr is no language"), ({"domain": "law"}, "domain: = law is no domain .* back, plain")):
        with pytest.raises(SettingError, match=said):
            zx.translate(run, text=["red cat"], **how)
    test = place / "test.tsv"
    test.write_text("source\ttarget\tkind\n" + "".join(f"{a}\t{b}\tplain\n{a}\t{b[::-1]}\tback\n" for a, b in pairs(12)), encoding="utf-8")
    result = zx.evaluate(run, data=[str(test)], domain_column="kind")
    assert set(result.by_domain) == {"plain", "back"}
    score = result.by_domain["plain"]["chrf"]
    assert score.low <= score.value <= score.high and "domain:plain|of:12" in score.signature
    shown = (run / "eval/test/report.html").read_text(encoding="utf-8")
    assert "<td>plain</td>" in shown and "<td>back</td>" in shown and "cannot be shown" not in shown
    examples = [json.loads(line) for line in (run / "eval/test/examples.jsonl").read_text(encoding="utf-8").splitlines()]
    lines, worst = test.read_text(encoding="utf-8").split("\n"), examples[0]
    assert all(lines[one["line"] - 1].split("\t")[:2] == [one["source"], one["reference"]] for one in examples)  # as an editor counts them
    assert re.search(rf"<td class=n>{worst['line']}</td>.*{re.escape(worst['source'])}.*{re.escape(worst['reference'])}", shown, re.DOTALL)
    assert shown.count('lang="en"') == shown.count('lang="zh"') > 10
    assert "chrF" in (run / "eval/valid/report.html").read_text(encoding="utf-8")
    with pytest.raises(SettingError, match="to: = fr"):
        zx.evaluate(run, data=[str(test)], to="fr")


def test_a_reverse_model_of_several_languages_writes_the_one_that_is_asked_for(place):
    run = place / "several"
    rows = [(a, b, "zh") for a, b in pairs(100)] + [(a, german(a), "de") for a, _ in pairs(100)]
    (place / "several.tsv").write_text("source\ttarget\tto\n" + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    train(place, "several", {**SMALL, "train.steps": 40}, data=[str(place / "several.tsv")], valid=None, target_language_column="to")
    (place / "de-en.tsv").write_text("".join(f"{german(a)}\t{a}\n" for a, _ in pairs(200)), encoding="utf-8")
    (place / "en.txt").write_text("".join(f"{a}\n" for a, _ in pairs(40, seed=9)), encoding="utf-8")
    how = {"data": [str(place / "de-en.tsv")], "valid": None, "source_language": "de", "target_language": "en"}
    train(place, "de-en", {**SMALL, "back.ratio": 0.2, "back.search": "sampling"}, monolingual=[str(place / "en.txt")], reverse=run, **how)
    texts = [json.loads(line) for line in (place / "de-en/monolingual.jsonl").read_text(encoding="utf-8").splitlines()]
    made = [json.loads(line) for line in (place / "de-en/synthetic.jsonl").read_text(encoding="utf-8").splitlines()]
    with pytest.raises(SettingError, match=r"reverse: .*several translates from en to zh, and one from zh to de is needed"):
        train(place, "no", SMALL, monolingual=[str(place / "en.txt")], reverse=run, **{**how, "target_language": "zh"})
    translator = zx.Translator.open(run)
    assert made == synthetic.by_drawing(translator.speaking("de"), 1)(texts) != synthetic.by_drawing(translator, 1)(texts)


def test_an_export_is_a_teacher_too(place, reverse):
    pytest.importorskip("ctranslate2")
    exported = zx.export(reverse, to="ctranslate2", out=place / "zh-en-ct2", quantization="float32", tolerance=100).folder
    result = train(place, "taught", SMALL, teacher=exported, **BACKWARDS)
    assert result.made["teacher"]["parameters"] is None and result.made["teacher"]["targets"] > 0
    assert "zh-en-ct2 (an export)" in "\n".join(result.lines())
    (place / "few.txt").write_text("".join(f"{b}\n" for _, b in pairs(40, seed=5)), encoding="utf-8")
    with pytest.raises(SettingError, match=r"reverse: .*is an export, which can search but not draw; set back\.search=beam"):
        train(place, "no", {**SMALL, "back.search": "sampling"}, monolingual=[str(place / "few.txt")], reverse=exported)
    settings = {**SMALL, "back.ratio": 0.1}
    assert train(place, "searched", settings, monolingual=[str(place / "few.txt")], reverse=exported).made["back"]["pairs"] > 0


def test_a_run_goes_on_with_what_it_was_begun_with(place):
    asked = {"valid": [str(place / "valid.tsv")], "size": "tiny"}
    settings = {name: value for name, value in SMALL.items() if not name.startswith("model.")}
    train(place, "same", settings, **asked)
    for changed, said in (
        ({"valid": None}, "was begun with --valid .*valid.tsv; give the same"),
        ({"size": "small"}, "was begun with --size tiny"),
        ({"source_column": "0"}, "was begun with --source-column left out; give the same"),
        ({"domain_column": "0"}, "was begun with --domain-column left out"),
        ({"source_language": "de"}, "was begun with --source-language en"),
        ({"size": None, "base": place / "same"}, "was begun with --(size tiny|base left out)"),
        ({"data": [str(place / "valid.tsv")]}, "was begun with --data .*train.tsv"),
    ):
        with pytest.raises(ArtifactError, match=said):
            train(place, "same", settings, **{**asked, **changed})
    assert train(place, "same", settings, **asked).steps == 3


def test_validation_pairs_are_of_what_is_trained_on_and_cleaned_like_it(place, capsys):
    rows = [(a, b, "plain") for a, b in pairs(150)]
    (place / "domains.tsv").write_text("source\ttarget\tkind\n" + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    other = [(a, b, "law") for a, b in pairs(30, seed=3)]
    mixed = [*other, ("ｒｅｄ one\u2028two three", "红一二三", "plain"), *((a, b, "plain") for a, b in pairs(20, seed=4))]
    for name, content in (("law.tsv", other), ("mixed.tsv", mixed)):
        (place / name).write_text("source\ttarget\tkind\n" + "".join("\t".join(row) + "\n" for row in content), encoding="utf-8")
    how = {"data": [str(place / "domains.tsv")], "domain_column": "kind"}
    settings = {**SMALL, "pairs.clean.unicode": "NFKC", "decode.force_end": True}
    with pytest.raises(UserError, match=r"law\.tsv: has no validation pair of a language and a domain that are trained on"):
        train(place, "kinds", settings, valid=[str(place / "law.tsv")], **how)
    assert not (place / "kinds").exists()
    train(place, "kinds", settings, valid=[str(place / "mixed.tsv")], **how)
    assert f"{len(other)} validation pairs are of a language or a domain" in capsys.readouterr().err
    kept = [json.loads(line)["source"] for line in (place / "kinds/valid.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
    assert kept[0].startswith("red one")
    # Its validation pairs may hold any end of a line, and CTranslate2 has no forced ends.
    pytest.importorskip("ctranslate2")
    zx.export(place / "kinds", to="ctranslate2", quantization="float32", tolerance=100)
    assert not read_json(place / "kinds-ctranslate2/recipe.json")["decode"]["force_end"]
    assert zx.translate(place / "kinds-ctranslate2", text=["red cat"]).translations


def test_a_reverse_model_is_trained_once_and_its_work_taken_up_again(place, monkeypatch):
    sentences = [b for _, b in pairs(90, seed=5)]
    text = [*sentences, "", "English words that are no Chinese", pairs(260)[240][1]]
    (place / "zh.txt").write_text("\n".join(text) + "\n", encoding="utf-8")
    settings = {**SMALL, "back.steps": 2, "back.ratio": 0.25, "train.steps": 3}
    real, calls = synthetic.Translator.__call__, []

    def dying(self, texts, how=None):
        calls.append(len(texts))
        if len(texts) == 16 and calls.count(16) == 3:
            raise KeyboardInterrupt
        return real(self, texts, how)

    monkeypatch.setattr(synthetic, "WINDOW", 16)
    with monkeypatch.context() as patch, pytest.raises(zx.ZhixingError, match="32 sentences are done and kept"):
        patch.setattr(synthetic.Translator, "__call__", dying)
        train(place, "back", settings, monolingual=[str(place / "zh.txt")])
    weights = sha256(place / "back/reverse/model.safetensors")
    result = train(place, "back", settings, monolingual=[str(place / "zh.txt")])
    assert sha256(place / "back/reverse/model.safetensors") == weights, "it was not trained again"
    report = read_json(place / "back/pair_report.json")["monolingual"]
    assert (report["read"], report["blank"], report["script"], report["kept"]) == (len(sentences) + 3, 1, 1, 60)
    assert report["overlap"] >= 1, "a held-out target is not trained on"
    assert result.made["back"]["translated"] == 60 and len((place / "back/synthetic.jsonl").read_text(encoding="utf-8").split("\n")) == 61
    assert read_json(place / "back/reverse/result.json")["languages"] == ["zh", "en"]


def test_a_run_that_goes_on_makes_pairs_as_it_was_asked_at_first(place, monkeypatch):
    """Settings and minutes that are left out when it goes on are those of its beginning, for the reverse model, too."""
    (place / "text.txt").write_text("".join(f"{b}\n" for _, b in pairs(90, seed=5)), encoding="utf-8")
    settings = {name: value for name, value in SMALL.items() if name != "train.steps"} | {"back.ratio": 0.25, "train.batch": 4}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(translate_synthetic, "_reverse", interrupted)
        train(place, "later", settings, monolingual=[str(place / "text.txt")], minutes=0.1)
    train(place, "later", {}, monolingual=[str(place / "text.txt")])
    record = read_json(place / "later/reverse/lineage.json")
    assert record["minutes"] == pytest.approx(0.1 * BackSettings().share * translate_synthetic.TRAINING)
    assert record["settings"] == {name: value for name, value in settings.items() if not name.startswith("back.")}


def interrupted(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("role", ["teacher", "reverse"])
def test_models_that_make_pairs_are_the_same_when_a_run_goes_on(place, reverse, role, monkeypatch):
    helper, name = place / f"the-{role}", f"with-{role}"
    shutil.copytree(reverse, helper)
    (place / "some.txt").write_text("".join(f"{b}\n" for _, b in pairs(90, seed=5)), encoding="utf-8")
    how = {role: helper} | ({"monolingual": [str(place / "some.txt")]} if role == "reverse" else BACKWARDS)
    settings = {**SMALL, "back.ratio": 0.25}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(translate_synthetic, "read_pairs", interrupted)
        train(place, name, settings, **how)
    shutil.rmtree(helper)
    train(place, f"the-{role}", SMALL, **BACKWARDS)
    with pytest.raises(ArtifactError, match=f"was begun with --{role} .*the-{role} as it was then"):
        train(place, name, settings, **how)
    shutil.rmtree(helper)
    shutil.copytree(reverse, helper)
    assert train(place, name, settings, **how).steps == 3


def test_synthetic_pairs_are_tagged_and_say_about_the_same(place, reverse):
    right = {b: a for a, b in pairs(90, seed=5)}
    (place / "more.txt").write_text("\n".join(right) + "\n", encoding="utf-8")
    settings = {**SMALL, "back.ratio": 0.25, "back.beams": 2}
    result = train(place, "more", settings, monolingual=[str(place / "more.txt")], reverse=reverse)
    back, words = result.made["back"], Tokenizer.load(place / "more/source_tokenizer.json")
    assert back["reverse"] == str(reverse) and not (place / "more/reverse").exists()
    written, target = Pairs.open(place / "more/made", "train"), Tokenizer.load(place / "more/tokenizer.json")
    added = [n for n in range(len(written)) if words.pieces(written.source(n)[:1]) == ["<|back|>"]]
    assert len(added) == back["pairs"] >= 40 and len(written) - len(added) == result.made["pairs"]
    pieces = [(words.decode(written.source(n)), right[target.decode(written.target(n))]) for n in added]
    common = sum(len(set(a.split()) & set(b.split())) for a, b in pieces) / sum(len(set(b.split())) for _, b in pieces)
    assert common > 0.4, "the reverse model has learnt something: what it writes for a target is about its source"
    drawn = synthetic.by_drawing(zx.Translator.open(reverse), seed=1)
    some = [*right][:12]
    texts = drawn(some)
    assert texts == [drawn([text])[0] for text in some] != synthetic.by_search(zx.Translator.open(reverse), 1)(some)
    assert synthetic.by_drawing(zx.Translator.open(reverse), seed=2)(some) != texts and drawn(["一" * 400]) == [""]


def test_a_student_learns_what_its_teacher_writes(place, reverse):
    settings = {**SMALL, "model.width": 16, "distil.beams": 2}
    result = train(place, "student", settings, teacher=reverse, **BACKWARDS)
    teacher = zx.Translator.open(reverse)
    assert result.made["teacher"]["parameters"] == sum(p.numel() for p in teacher.model.parameters()) > result.parameters
    assert "times those of the student" in "\n".join(result.lines())
    words, written = Tokenizer.load(place / "student/tokenizer.json"), Pairs.open(place / "student/made", "train")
    sources = Tokenizer.load(place / "student/source_tokenizer.json")
    texts = [sources.decode(written.source(n)) for n in range(0, len(written), 9)]
    said = [one.text for one in teacher(texts, teacher.recipe.decode.model_copy(update={"beams": 2}))]
    learnt = [words.decode(written.target(n)) for n in range(0, len(written), 9)]
    own = {b: a for a, b in pairs(260)}
    assert all(a in (b, own[text]) for a, b, text in zip(learnt, said, texts, strict=True))
    assert sum(a == b for a, b in zip(learnt, said, strict=True)) >= 0.5 * len(said)
    assert result.made["teacher"]["targets"] + result.made["teacher"]["kept_as_they_were"] == len(written)
    shutil.copytree(place / "student", place / "copy")
    (place / "copy/result.json").unlink()
    with pytest.raises(ArtifactError, match="was begun with --teacher"):
        train(place, "copy", settings, **BACKWARDS)
    with pytest.raises(SettingError, match="translates from zh to en, and one from en to zh is needed"):
        train(place, "no", teacher=reverse)
    with pytest.raises(SettingError, match="translates from zh to en, and one from de to en is needed"):  # what it reads counts, too
        train(place, "no", teacher=reverse, **{**BACKWARDS, "source_language": "de"})
    assert not (place / "no").exists()


def test_other_cuts_and_r_drop_are_resumed_with_the_same_weights(place):
    from zhixing import session

    settings = {
        **SMALL, "vocabulary.dropout": 0.2, "objective.rdrop": 1.0, "model.dropout": 0.1, "train.steps": 6, "train.save_every": 3,
        "train.validate_every": 6,
    }  # fmt: skip
    train(place, "whole-cuts", settings)
    real = session.save

    def dying(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(session, "save", dying)
        train(place, "parts-cuts", settings)
    train(place, "parts-cuts", settings)
    assert sha256(place / "whole-cuts/model.safetensors") == sha256(place / "parts-cuts/model.safetensors")
