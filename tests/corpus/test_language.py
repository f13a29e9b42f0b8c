import sys
from pathlib import Path

import pytest

from zhixing.corpus import language as module
from zhixing.corpus.document import Document
from zhixing.corpus.language import Identifier, Language, LanguageSettings
from zhixing.errors import MissingPackage, SettingError

py3langid = pytest.importorskip("py3langid", reason="needs the extra corpus")
DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
BOTH = LanguageSettings(keep=("en", "zh"))


@pytest.fixture(scope="module")
def identifier() -> Identifier:
    return Identifier(BOTH)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The committee met on Tuesday and agreed that the bridge should be closed for repairs.", "en"),
        ("to be or not to be t", "en"),
        ("知行合一，止于至善。", "zh"),
        ("臺灣的學生們都很喜歡讀書", "zh"),
        ("手机 iPhone 15 Pro 的电池", "zh"),
        ("The word 知行 comes from the writings of Wang Yangming.", "en"),
        ("これは日本語の文章です。漢字もあります。", "ja"),
        ("이것은 한국어 문장입니다.", "ko"),
        ("Le comité s'est réuni mardi et a décidé de fermer le pont pour travaux.", "fr"),
        ("Der Ausschuss hat am Dienstag beschlossen, die Brücke wegen Reparaturen zu sperren.", "de"),
        ("Комитет собрался во вторник и решил закрыть мост на ремонт.", "ru"),
        ("12345 67.8 — !!", None),
        ("", None),
    ],
)
def test_languages(identifier: Identifier, text: str, language: str | None) -> None:
    shares = identifier.shares(text)
    assert next(iter(shares), None) == language
    assert not shares or sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_without_a_preference_probabilities_are_those_of_the_library() -> None:
    known = py3langid.langid.LanguageIdentifier.from_model_file(py3langid.langid.MODEL_FILE, norm_probs=True)
    text = "Il a décidé de fermer le pont"
    usual = {label: p for label, p in known.rank(text) if label not in ("zh", "wuu", "yue", "ja", "ko")}
    fair = Identifier(LanguageSettings(keep=("en",), prior=1 / len(known.labels)))
    total = sum(usual.values())
    for label in ("fr", "en", "it"):
        assert fair.shares(text)[label] == pytest.approx(usual[label] / total, rel=1e-4)


def test_the_prior_is_bayes_rule() -> None:
    text = "to be or not to be t"
    low, high = (Identifier(LanguageSettings(keep=("en",), prior=p)).shares(text)["en"] for p in (0.1, 0.5))
    assert high / (1 - high) == pytest.approx(9 * low / (1 - low), rel=1e-6)


def test_a_text_in_two_kept_languages_passes_and_one_in_another_does_not() -> None:
    mixed = "The word 知行合一 means that knowing and doing are one 知与行本是一件事。"
    french = "Le comité s'est réuni mardi et a décidé de fermer le pont. " * 3
    batch = [Document(text, "f", line, number=line) for line, text in enumerate([mixed, french, "42", "知行合一" + french])]
    kept, dropped = Language(BOTH)(batch)
    assert [d.line for d in kept] == [0]
    assert [(d.line, d.stage, d.reason) for d in dropped] == [
        (1, "language", "is fr"),
        (2, "language", "no letters to know a language by"),
        (3, "language", "is fr"),
    ]
    kept, dropped = Language(LanguageSettings(keep=("zh",), min_score=0.9))([Document(mixed * 2 + "知行" * 40, "f")])
    assert [d.reason for d in dropped] == ["too little of it is zh, or that is not certain enough"]


def test_of_long_texts_beginning_middle_and_end_are_looked_at(identifier: Identifier) -> None:
    english, chinese = "This is a sentence of plain English words. " * 200, "这是一句普通的中文。" * 200
    shares = identifier.shares(english + chinese)
    assert shares["zh"] > 0.2 and shares["en"] > 0.2


def test_what_is_not_known_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match=r"filter.language.keep: knows no language 'english'; it takes ISO 639 codes"):
        Identifier(LanguageSettings(keep=("english",)))
    module._model.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(MissingPackage, match=r"filter.language needs the package py3langid"):
        Language(BOTH)
    module._model.cache_clear()


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_lines_of_twenty_characters(identifier: Identifier) -> None:
    for language, name in (("en", "tinyshakespeare"), ("en", "wikitext2_valid"), ("zh", "sanguo"), ("zh", "people_daily_199801_train")):
        text = (DATA / f"lm_{language}/{name}.txt").read_text(encoding="utf-8")
        lines = [line.strip()[:20] for line in text.splitlines() if len(line.strip()) >= 20][:: 1 if language == "en" else 20][:400]
        right = sum(next(iter(identifier.shares(line)), None) == language for line in lines)
        assert right >= 0.98 * len(lines), (name, right)
