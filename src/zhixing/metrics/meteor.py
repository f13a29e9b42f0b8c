"""METEOR 1.5: recall-weighted matches of words, stems and synonyms, less a penalty for fragmentation (Denkowski & Lavie 2014).

1. Both texts become words: by METEOR's own rules for English (`english.py`), else by the tokenizer of BLEU or jieba.
2. `alignment` pairs them. With several references the one with the best score of the sentence counts.
3. Statistics of a sentence, K = 17: words of the translation and of the reference, function words of both; for each of three matchers
   (exact, stem, synonym): matched content words of both, matched function words of both; chunks (none where all is right).
4. The score of their sums:

       P, R = sum over matchers of weight (delta content + (1 - delta) function) / the same of all words
       F    = 1 / ((1 - alpha) / P + alpha / R)
       METEOR = F (1 - gamma (chunks / matches)^beta), matches being the mean of both sides'

The program's paraphrase tables are not used; the signature names what is. How near this comes to the program, with the tests that say so:

    same words (cut by spaces, or as BLEU's `zh` does)     within 1e-9: 5 systems of WMT21 English-Chinese
    words of jieba                                         within 0.001 on the same: rjieba cuts a few words otherwise
    English, exact and stem                                within 1e-9 on nlg-eval's two sentences (0.2673)
    nlg-eval's METEOR, which has synonyms and paraphrases  within 0.03 on the same (0.2958)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from zhixing.console import progress
from zhixing.metrics import Rows, ratio
from zhixing.metrics.alignment import Alignment, align, candidates, chunks

TRANSLATION, REFERENCE, FUNCTION_T, FUNCTION_R, FIRST = range(5)
MATCHERS = ("exact", "stem", "synonym")
CHUNKS = FIRST + 4 * len(MATCHERS)
WIDTH = CHUNKS + 1

# Words that are more than a thousandth of English news text, as METEOR 1.5 has them.
_FREQUENT = """the , . to of and a in that for " is on 's it with was as said at he by be from have has are his but an this not i will ’
    they ) -rrb- ( -lrb- who their had we which were been more or s its would about new one after you : also up when there than $ all out
    her people she year two - can if last first “ over other ” into some what so -- no time years could ? 't — '"""
FUNCTION_WORDS = frozenset(_FREQUENT.split())


@dataclass(frozen=True)
class Parameters:
    """What METEOR is tuned by: for each language, to human judgements."""

    alpha: float
    """Weight of recall against precision."""
    beta: float
    gamma: float
    """Shape and size of the penalty for fragmentation."""
    delta: float
    """Weight of content words against function words."""
    weights: tuple[float, float, float]
    """Of matches by `MATCHERS`."""


ENGLISH = Parameters(0.85, 0.20, 0.60, 0.75, (1.0, 0.6, 0.8))
"""For English, tuned to rankings of WMT 2013 and before."""
OTHER = Parameters(0.75, 1.40, 0.70, 0.50, (1.0, 0.5, 0.5))
"""For other languages ("language-independent"): exact matches only, no function words."""


@dataclass(frozen=True)
class Meteor:
    """METEOR of one language with one tokenizer. Build it with `english` or `other`: synonyms go with stems."""

    language: str
    parameters: Parameters
    words: Callable[[str], Sequence[str]] = field(repr=False)
    """The words of a text."""
    tokenizer: str
    """Their maker's name, for the signature."""
    stem: Callable[[str], str] | None = field(default=None, repr=False)
    synsets: Callable[[str], frozenset[str]] | None = field(default=None, repr=False)
    function_words: frozenset[str] = frozenset()
    name: str = "meteor"
    lower_is_better: bool = False

    @property
    def signature(self) -> str:
        """`METEOR-1.5|lang:other|tok:zh|a:.75|b:1.4|g:.7|...`."""
        p = self.parameters
        shown = {"a": p.alpha, "b": p.beta, "g": p.gamma, **({"d": p.delta} if self.function_words else {})}
        numbers = "|".join(f"{key}:{value:g}".replace(":0.", ":.") for key, value in shown.items())
        used = ",".join(["exact", *(["stem"] if self.stem else []), *(["synonym"] if self.synsets else [])])
        return f"METEOR-1.5|lang:{self.language}|tok:{self.tokenizer}|{numbers}|modules:{used}"

    def rows(self, translations: Sequence[str], references: Sequence[Sequence[str]]) -> Rows:
        """Statistics [N, 17] of N translations and of their references, [references][N]; empty references do not count."""
        made = np.zeros((len(translations), WIDTH))
        with progress("METEOR", total=len(translations), unit="sentences") as bar:
            for row, translation, *others in zip(made, translations, *references, strict=True):
                ours = self.words(translation)
                found = np.stack([self._statistics(ours, self.words(other)) for other in others if other.strip() or len(others) == 1])
                row[:] = found[int(np.argmax(self.score(found)))]
                bar.advance()
        return made

    def align(self, translation: Sequence[str], reference: Sequence[str]) -> Alignment:
        """Which word of a reference is which of the translation, and by which matcher."""
        if translation == reference:
            return [(place, 0) for place in range(len(reference))]
        forms = [[list(translation)], [list(reference)]]
        if self.stem is not None:
            for words in forms:
                words.append([self.stem(word) for word in words[0]])
        synsets = {word: self.synsets(word) for word in {*translation, *reference}} if self.synsets is not None else {}
        return align(candidates(forms[0], forms[1], synsets))

    def _statistics(self, translation: Sequence[str], reference: Sequence[str]) -> Rows:
        row = np.zeros(WIDTH)
        function_t, function_r = ([word.lower() in self.function_words for word in words] for words in (translation, reference))
        row[:FIRST] = len(translation), len(reference), sum(function_t), sum(function_r)
        alignment = self.align(translation, reference)
        for place, pair in enumerate(alignment):
            if pair is not None:
                of_matcher = FIRST + 4 * pair[1]
                row[of_matcher + (2 if function_t[pair[0]] else 0)] += 1
                row[of_matcher + (3 if function_r[place] else 1)] += 1
        pieces = chunks(alignment)
        whole = pieces == 1 and None not in alignment and len(translation) == len(reference)
        row[CHUNKS] = 0 if whole else pieces  # a sentence that is right as a whole is not in pieces, alone or among others
        return row

    def score(self, totals: Rows) -> Rows:
        """[..., 17] -> [...]."""
        p = self.parameters
        matched = totals[..., FIRST:CHUNKS].reshape(*totals.shape[:-1], len(MATCHERS), 4)
        sides = []
        for side in (0, 1):
            length, function = totals[..., side], totals[..., FUNCTION_T + side]
            weighted = p.delta * matched[..., side] + (1 - p.delta) * matched[..., 2 + side]
            sides.append(ratio((weighted * np.array(p.weights)).sum(-1), p.delta * (length - function) + (1 - p.delta) * function, 0))
        precision, recall = sides
        mean = ratio(precision * recall, (1 - p.alpha) * recall + p.alpha * precision, 0)
        matches = [matched[..., side::2].sum((-1, -2)) for side in (0, 1)]
        broken = ratio(totals[..., CHUNKS], (matches[0] + matches[1]) / 2, 0)
        return np.maximum(0, mean * (1 - p.gamma * broken**p.beta))


def other(words: Callable[[str], Sequence[str]], tokenizer: str, language: str = "other") -> Meteor:
    """METEOR of a language other than English."""
    return Meteor(language, OTHER, words, tokenizer)


def english(synsets: Callable[[str], frozenset[str]] | None = None) -> Meteor:
    """METEOR of English: words and stems, and synonyms where synsets are given (`english.wordnet`)."""
    import snowballstemmer

    from zhixing.metrics.english import words

    stemmer, known = snowballstemmer.stemmer("english"), dict[str, str]()

    def stem(word: str) -> str:
        if word not in known:
            known[word] = stemmer.stemWord(word)
        return known[word]

    return Meteor("en", ENGLISH, words, "meteor-norm", stem, synsets, FUNCTION_WORDS)


def named(metric: Meteor, name: str) -> Meteor:
    """The same under another name."""
    return replace(metric, name=name)
