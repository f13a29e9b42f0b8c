"""In which languages a text is written, offline, and the filter that keeps some of them.

1. Chinese, Japanese and Korean are known by their characters: Chinese ones alone, with kana, Hangul. A Chinese character counts as two
   letters.
2. What is written in other letters is put to py3langid (140 languages; Lui and Baldwin 2012, "langid.py"), which gives a probability for
   each language, taking all to be equally common. They are not: the languages that are kept are given a share of the probability beforehand
   (Bayes' rule). Long texts outweigh that at once; lines of 20 letters do not, and would else be taken for one of 140 languages too easily.
3. A text is kept if the kept languages have enough of it together, so that a text in two of them passes.

Why py3langid, and how it and others do on short and on mixed lines: docs/decisions/2026-11-24-language-identification.md.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from pydantic import Field

from zhixing.config import Names, Settings
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.han import HAN
from zhixing.errors import MissingPackage, SettingError

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

PIECE = 200
"""Characters of the beginning, the middle and the end that are looked at."""

_HAN = re.compile(f"[{HAN}]")
_KANA = re.compile("[\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_EASTERN = re.compile(f"[{HAN}\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]+")
_LETTER = re.compile(r"[^\W\d_]")
_BY_CHARACTERS = frozenset(("zh", "ja", "ko"))
_SAME = {"wuu": "zh", "yue": "zh", "zxx": "none"}  # written as zh is; no language


class LanguageSettings(Settings):
    """Which languages are kept."""

    keep: Names = ()
    """ISO 639-1 codes, such as zh and en, of the languages that are kept; all where it is empty. Needs the extra `corpus` (py3langid)."""
    min_score: float = Field(default=0.5, ge=0, le=1)
    """Share of a text that the kept languages have together, at least."""
    prior: float = Field(default=0.1, gt=0, lt=1)
    """Probability, before a text is looked at, that it is in one of the kept languages. It matters for short lines alone: the larger, the
    more of them are kept, those of other languages too. Figures for 0.1 are in benchmarks/results/language-*.json."""


class Identifier:
    """Says how much of a text is in which language. Raises `MissingPackage`, and `SettingError` for a language that it does not know."""

    def __init__(self, settings: LanguageSettings) -> None:
        self._model = _model()
        labels = [str(label) for label in self._model.labels]
        known = {_SAME.get(label, label) for label in labels} | _BY_CHARACTERS
        if unknown := [code for code in settings.keep if code not in known]:
            raise SettingError("filter.language.keep", f"knows no language {unknown[0]!r}; it takes ISO 639 codes such as en, zh, fr")
        kept = [label for label in labels if label in settings.keep and label not in _BY_CHARACTERS]
        among = len(labels) - len(kept)
        self._weights = {label: settings.prior / len(kept) if label in kept else (1 - settings.prior) / among for label in labels}

    def shares(self, text: str) -> dict[str, float]:
        """Language codes, and the share of each in the text, the largest first; empty where there are no letters. They sum to 1."""
        text = _sample(text)
        han, kana, hangul = (len(pattern.findall(text)) if not text.isascii() else 0 for pattern in (_HAN, _KANA, _HANGUL))
        rest = _EASTERN.sub(" ", text) if han or kana or hangul else text
        others = len(_LETTER.findall(rest))
        total = 2 * (han + kana + hangul) + others
        if not total:
            return {}
        japanese = kana > 0.05 * (han + kana)
        found = {"ja" if japanese else "zh": 2 * (han + kana) / total, "ko": 2 * hangul / total}
        if others:
            for label, probability in self._probabilities(rest):
                found[label] = found.get(label, 0.0) + probability * others / total
        return dict(sorted(((label, share) for label, share in found.items() if share), key=lambda item: (-item[1], item[0])))

    def _probabilities(self, text: str) -> list[tuple[str, float]]:
        """Of the languages that are told by their words. One of the East Asian ones is not: its characters are not in this text."""
        ranked = [(_SAME.get(label, label), float(p) * self._weights[label]) for label, p in self._model.rank(text)]
        ranked = [(label, p) for label, p in ranked if label not in _BY_CHARACTERS]
        total = sum(p for _, p in ranked)
        return [(label, p / total) for label, p in ranked] if total else []


def _sample(text: str) -> str:
    if len(text) <= 3 * PIECE:
        return text
    middle = (len(text) - PIECE) // 2
    return f"{text[:PIECE]} {text[middle : middle + PIECE]} {text[-PIECE:]}"


@cache
def _model() -> LanguageIdentifier:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise MissingPackage("py3langid", "corpus", "filter.language") from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


class Language:
    """The stage that keeps chosen languages."""

    def __init__(self, settings: LanguageSettings) -> None:
        self.settings = settings
        self.identifier = Identifier(settings)

    def __call__(self, batch: list[Document]) -> tuple[list[Document], list[Dropped]]:
        """Documents in the chosen languages, and the others with the language that there is most of in them."""
        kept, dropped = [], []
        for document in batch:
            shares = self.identifier.shares(document.text)
            share = sum(shares.get(code, 0.0) for code in self.settings.keep)
            if round(share, 4) >= self.settings.min_score:  # rounded: the last bits depend on the processor
                kept.append(document)
            else:
                main = next(iter(shares), None)
                if main is None:
                    reason = "no letters to know a language by"
                elif main in self.settings.keep:
                    reason = f"too little of it is {main}, or that is not certain enough"
                else:
                    reason = f"is {main}"
                dropped.append(Dropped.of(document, "language", reason))
        return kept, dropped
