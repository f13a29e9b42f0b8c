"""What stands around texts: whose marks of languages are found by which name, what is tagged, what nobody trained."""

import pytest
import tiny
from folders import m2m100_folder, marian_folder

from zhixing import pretrained
from zhixing.errors import ArtifactError, SettingError
from zhixing.tasks.translation.marks import Marks, with_tags

PLAIN = Marks.plain(("en", "zh"), tiny.tokenizer(), tiny.tokenizer())


def tagged(languages=(("en", "zh"),), domains=(), back=False, joint=False, words=None, base=None):
    source, target = words or (tiny.tokenizer(), tiny.tokenizer("bpe", None))
    plain = Marks.plain(("en", "zh"), source, target)
    return with_tags(plain, source, target, languages=languages, domains=domains, back=back, joint=joint, base=base)


def test_one_pair_of_languages_needs_no_marks():
    marks, source, target = tagged()
    assert marks.before_source(("en", "zh")) == marks.before_target("zh") == []
    assert marks.rows == (source.vocabulary, target.vocabulary) == (tiny.tokenizer().vocabulary, tiny.tokenizer("bpe", None).vocabulary)


def test_tags_stand_before_the_source_in_their_order():
    marks, source, target = tagged([("en", "zh"), ("en", "de")], ["law", "talk show"], back=True)
    before = marks.before_source(("en", "de"), "talk show", made=True)
    assert source.pieces(before) == ["<|back|>", "<|to:de|>", "<|domain:talk show|>"]
    assert marks.before_target("de") == []
    assert marks.rows == (source.vocabulary, target.vocabulary) == (tiny.tokenizer().vocabulary + 5, target.vocabulary)
    assert source.segmentation == tiny.tokenizer().segmentation
    text = "a <|to:de|> b"
    assert source.decode(source.encode(text)) == text and not {*before} & {*source.encode(text)}
    again, same, _ = with_tags(
        marks, source, target, languages=[("en", "fr"), ("en", "zh")], domains=["law", "news"], back=True, joint=False
    )
    assert again.to_marks.items() > marks.to_marks.items() and again.back == marks.back
    assert again.domain_marks["law"] == marks.domain_marks["law"] and again.domain_marks["news"] == same.vocabulary - 1


def test_a_joint_vocabulary_grows_on_both_sides():
    words = tiny.tokenizer()
    marks, source, target = tagged(domains=["law"], joint=True, words=(words, words))
    assert source is target and marks.rows == (words.vocabulary + 1, words.vocabulary + 1)


def test_what_was_not_trained_is_named():
    marks, *_ = tagged([("en", "zh"), ("en", "de")], ["law"])
    with pytest.raises(SettingError, match="to: = fr is no language that was trained; these were: de, zh"):
        marks.before_source(("en", "fr"))
    with pytest.raises(SettingError, match="domain: = news is no domain that was trained; these were: law"):
        marks.before_source(None, "news")
    with pytest.raises(SettingError, match="none was"):
        PLAIN.before_source(None, "news")
    with pytest.raises(SettingError, match="zh is the only one"):
        PLAIN.before_target("de")


def test_marks_of_models_that_were_trained_elsewhere(tmp_path):
    many = pretrained.load(m2m100_folder(tmp_path / "m2m"))
    words = many.source_tokenizer, many.tokenizer
    marks, source, _ = tagged([("en", "zh"), ("de", "zh-CN")], words=words, base=tmp_path / "m2m")
    assert source.pieces(marks.before_source(("de", "zh-CN"))) == ["__de__"]
    assert source.pieces(marks.before_target("zh")) == source.pieces(marks.before_target("zh-CN")) == ["__zh__"]
    with pytest.raises(ArtifactError, match="knows no language fr; its marks are __en__, __zh__, __de__"):
        tagged([("en", "fr")], words=words, base=tmp_path / "m2m")
    nllb = pretrained.load(m2m100_folder(tmp_path / "nllb", ("eng_Latn", "zho_Hans")))
    marks, source, _ = tagged([("en", "zh")], words=(nllb.source_tokenizer, nllb.tokenizer), base=tmp_path / "nllb")
    assert source.pieces([*marks.before_source(("en", "zh")), *marks.before_target("zh")]) == ["eng_Latn", "zho_Hans"]
    marian = pretrained.load(marian_folder(tmp_path / "marian", languages=("cmn_Hans", "yue")))
    words = marian.source_tokenizer, marian.tokenizer
    marks, source, _ = tagged([("en", "zh")], words=words, base=tmp_path / "marian")
    assert source.pieces(marks.before_source(("en", "zh"))) == [">>cmn_Hans<<"] and marks.before_target("zh") == []
    assert source.pieces(tagged([("en", "yue")], words=words, base=tmp_path / "marian")[0].before_source(("en", "yue"))) == [">>yue<<"]
    with pytest.raises(ArtifactError, match="knows no language de; its marks are >>cmn_Hans<<, >>yue<<"):
        tagged([("en", "de")], words=words, base=tmp_path / "marian")
