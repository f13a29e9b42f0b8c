"""Translations against references: BLEU, chrF, TER, METEOR; numbers that got through; length.

1. `tokenizer` chooses how the target language is cut into words: Chinese as BLEU's `zh` does, Japanese and Korean by MeCab, languages
   that write no spaces into characters, others as `13a` does. BLEU of one and the same Chinese output is 35.8, 2.2 or 1.5 by tokenizer.
2. `measure` checks the shapes, and gives metrics and rows [N, K]: each metric's own statistics, side by side.
3. BLEU and chrF are sacrebleu's (Post 2018) in every detail: its statistics of a sentence, its score of their sums, its signature. TER is
   `ter.py`'s, equal to sacrebleu's and many times faster. METEOR is `meteor.py`'s.

    metric          scale     statistics of a sentence
    bleu            0-100     lengths of both, matched and all n-grams up to 4
    chrf, chrf++    0-100     character n-grams up to 6 (and words up to 2) of both, matched
    ter             0-100+    edits, length of the reference
    meteor          0-1       see `meteor.py`
    number_match    0-1       numbers in the source, and those of them that stand in the translation
    length_ratio    1 = even  words of the translation, of the nearest reference
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zhixing.console import progress, warn
from zhixing.corpus.codes import short
from zhixing.errors import MissingPackage, SettingError
from zhixing.metrics import Columns, Metric, Rows, meteor, numbers, ratio, side_by_side, ter

NAMES = ("bleu", "chrf", "chrf++", "ter", "meteor", "meteor_jieba", "number_match", "length_ratio")
"""All metrics of translations."""
USUAL = ("bleu", "chrf", "ter", "meteor", "number_match", "length_ratio")
"""Those that are given unless others are asked for; `number_match` needs the source."""

_WITHOUT_SPACES = ("th", "lo", "km", "my", "bo", "dz")
_MECAB = {"ja": ("ja-mecab", "mecab-python3"), "ko": ("ko-mecab", "mecab-ko")}
_SCRIPTS = (("\u3040", "\u30ff", "ja"), ("\uac00", "\ud7a3", "ko"), ("\u4e00", "\u9fff", "zh"), ("\u0e00", "\u0e7f", "th"))


def language_of(texts: Sequence[str]) -> str:
    """`zh`, `ja`, `ko` or `th` by the script of the texts; `other` for any script in which words are parted by spaces."""
    sample = "".join(texts[:2000])[:200_000]
    counts = {language: sum(low <= c <= high for c in sample) for low, high, language in _SCRIPTS}
    letters = max(1, sum(c.isalpha() for c in sample))
    if counts["ja"] > 0.1 * letters:  # kana among Chinese characters
        return "ja"
    language = max(counts, key=lambda one: counts[one])
    return language if counts[language] > 0.3 * letters else "other"


def tokenizer(language: str) -> str:
    """The name of sacrebleu's tokenizer for a language (`zh`, `zh-TW`, `en_GB`, ...). Raises `MissingPackage` for Japanese and Korean."""
    code = short(language)
    if code == "zh":
        return "zh"
    if code in _MECAB:
        import importlib.util

        name, package = _MECAB[code]
        if importlib.util.find_spec({"ja": "MeCab", "ko": "mecab_ko"}[code]) is None:
            raise MissingPackage(package, code, f"cutting {language} into words")
        return name
    return "char" if code in _WITHOUT_SPACES else "13a"


def measure(
    translations: Sequence[str],
    references: Sequence[Sequence[str]],
    language: str,
    *,
    sources: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    synsets: Callable[[str], frozenset[str]] | None = None,
) -> tuple[tuple[Columns, ...], Rows]:
    """Metrics and the statistics [N, K] of N translations into a language.

    `references`: one list of N sentences for each reference, as sacrebleu has it; an empty sentence is none, but one must be there.
    `synsets`: of English words, for METEOR (`english.wordnet`). Raises `ValueError` for other shapes, which would give figures without
    sense, `SettingError` for a metric that there is not.
    """
    check_shapes(translations, references, sources)
    asked = list(names) if names is not None else [name for name in USUAL if name != "number_match" or sources is not None]
    for name in asked:
        if name not in NAMES:
            raise SettingError("metric", f"there is no {name}; translations have {', '.join(NAMES)}")
    if "number_match" in asked and sources is None:
        raise SettingError("metric", "number_match compares with the source, which is not given")
    made: list[tuple[Metric, Rows]] = []
    for name in dict.fromkeys(asked):
        match name:
            case "bleu" | "length_ratio":
                metric, rows = sacrebleu("bleu", translations, references, language)
                made.append((metric, rows) if name == "bleu" else (LengthRatio(metric.signature), rows))
            case "chrf" | "chrf++":
                made.append(sacrebleu(name, translations, references, language))
            case "ter":
                made.append(ter.measure(translations, references, asian=tokenizer(language) != "13a"))
            case "meteor" | "meteor_jieba":
                judge = _meteor(language, name == "meteor_jieba", synsets)
                made.append((judge, judge.rows(translations, references)))
            case _:
                assert sources is not None
                made.append((numbers.NumberMatch(), numbers.rows(sources, translations)))
    return side_by_side(made)


def check_shapes(translations: Sequence[str], references: Sequence[Sequence[str]], sources: Sequence[str] | None = None) -> None:
    """Raise `ValueError` unless there is one sentence of each reference, and of the source, for each translation."""
    count = len(translations)
    if count == 0:
        raise ValueError("there are no translations")
    if not references:
        raise ValueError("there are no references")
    if isinstance(references, str) or any(isinstance(reference, str) for reference in references):
        raise ValueError("references must be a list of lists of sentences, one for each reference, not a list of sentences")
    lengths = [len(reference) for reference in references]
    if len(references) == count and len(set(lengths)) == 1 and lengths[0] != count:
        raise ValueError(f"references are transposed: {count} lists of {lengths[0]}, where {lengths[0]} lists of {count} are wanted")
    for number, length in enumerate(lengths, start=1):
        if length != count:
            raise ValueError(f"reference {number} has {length} sentences, and there are {count} translations")
    if sources is not None and len(sources) != count:
        raise ValueError(f"the source has {len(sources)} sentences, and there are {count} translations")
    for place, sentences in enumerate(zip(*references, strict=True), start=1):
        if not any(sentence.strip() for sentence in sentences):
            raise ValueError(f"sentence {place} has no reference: it is blank")


@dataclass(frozen=True)
class Sacrebleu:
    """BLEU or chrF, as sacrebleu has it."""

    name: str
    signature: str
    judge: Any = field(repr=False)
    """sacrebleu's object."""
    lower_is_better: bool = False

    def score(self, totals: Rows) -> Rows:
        """[..., K] -> [...]."""
        flat = totals.reshape(-1, totals.shape[-1])
        scores = [self.judge._compute_score_from_stats(one).score for one in flat.tolist()]
        return np.array(scores).reshape(totals.shape[:-1])


@dataclass(frozen=True)
class LengthRatio:
    """Words of the translations for a word of the references, from the statistics of BLEU."""

    bleu: str
    name: str = "length_ratio"
    lower_is_better: bool = False

    @property
    def signature(self) -> str:
        """With BLEU's, whose words and references it counts."""
        return f"length_ratio|v1|of:{self.bleu}"

    def score(self, totals: Rows) -> Rows:
        """[..., K] -> [...]."""
        return ratio(totals[..., 0], totals[..., 1])


def sacrebleu(name: str, translations: Sequence[str], references: Sequence[Sequence[str]], language: str) -> tuple[Sacrebleu, Rows]:
    """`bleu`, `chrf` or `chrf++`, with the statistics of sentences [N, K]."""
    from sacrebleu.metrics import BLEU, CHRF

    judge = BLEU(tokenize=tokenizer(language)) if name == "bleu" else CHRF(word_order=2 if name == "chrf++" else 0)
    shown = {"bleu": "BLEU", "chrf": "chrF2", "chrf++": "chrF2++"}[name]
    given = [[sentence if sentence.strip() else None for sentence in reference] for reference in references]
    with _quiet(), progress(shown, total=len(translations), unit="sentences") as bar:
        rows = []
        for start in range(0, len(translations), 1000):
            part = slice(start, start + 1000)
            rows += judge._extract_corpus_statistics(list(translations[part]), [reference[part] for reference in given])
            bar.advance(len(translations[part]))
    judge.num_refs = len(given) if all(sentence is not None for reference in given for sentence in reference) else -1
    return Sacrebleu(name, f"{shown}|{judge.get_signature()}", judge), np.array(rows, dtype=np.float64)


@contextmanager
def _quiet() -> Iterator[None]:
    """sacrebleu says on its own stream that texts look tokenized; here that is one warning."""
    said: list[str] = []
    logger = logging.getLogger("sacrebleu")
    listener = logging.Handler()
    listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    handlers, propagate = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [listener], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate
    if any("tokenized period" in message for message in said):
        warn("a hundred translations or more end in a tokenized stop (' .'): BLEU wants text as people write it")


def _meteor(language: str, jieba: bool, synsets: Callable[[str], frozenset[str]] | None) -> meteor.Meteor:
    if jieba:
        import rjieba

        if tokenizer(language) != "zh":
            raise SettingError("metric", f"meteor_jieba is for Chinese, not {language}")
        cut = meteor.other(lambda text: [word for word in rjieba.cut(text) if word.strip()], "jieba")
        return meteor.named(cut, "meteor_jieba")
    if short(language) == "en":
        return meteor.english(synsets)
    if synsets is not None:
        raise SettingError("wordnet", f"is for English, not {language}")
    from sacrebleu.metrics.bleu import _get_tokenizer

    name = tokenizer(language)
    cut_text = _get_tokenizer(name)()
    return meteor.other(lambda text: str(cut_text(text)).split(), name)


def worst_first(metrics: Sequence[Columns], rows: Rows) -> list[int]:
    """Numbers of the sentences, the worst first, by the first of chrF, METEOR, BLEU, TER that is there."""
    for name in ("chrf", "chrf++", "meteor", "meteor_jieba", "bleu", "ter"):
        for metric in metrics:
            if metric.name == name:
                scores = metric.score(rows)
                return [int(place) for place in np.argsort(-scores if metric.lower_is_better else scores, kind="stable")]
    return list(range(len(rows)))
