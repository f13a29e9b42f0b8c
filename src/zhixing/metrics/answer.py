"""How well answers to questions match the gold ones: exact match and F1 as the scripts of SQuAD 1.1, SQuAD 2.0 and CMRC 2018 have them.

                articles, case, punctuation     F1 over                             no answer
    squad1.1    dropped                         words, as a bag                     -
    squad2.0    dropped                         words, as a bag                     right if both are empty
    cmrc2018    case and punctuation dropped    Chinese characters, other words;    right if both are empty
                                                the longest run they share

Of several gold answers the best one counts. Statistics of a question, K = 6: [1, exact, F1, answerable, exact and answerable, F1 where
answerable]. A question without a prediction counts as wrong (SQuAD 2.0's script leaves it out, and so rewards silence).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from zhixing.metrics import Metric, Rows, ratio

Script = Literal["squad1.1", "squad2.0", "cmrc2018"]
"""Whose rules count (Rajpurkar et al. 2016, 2018; Cui et al. 2019)."""

ONE, EXACT, F1, ANSWERABLE, EXACT_THERE, F1_THERE = range(6)

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
# The marks that its script drops; its "……" never matches a single character.
_CMRC_MARKS = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"
_CMRC_DROPPED = str.maketrans("", "", _CMRC_MARKS)
_CHINESE = re.compile("[\u4e00-\u9fa5]|[^\u4e00-\u9fa5]+")


def rows(predictions: Sequence[str | None], answers: Sequence[Sequence[str]], script: Script = "squad1.1") -> Rows:
    """Statistics [N, 6] of predictions (None: there is none) against the gold answers of each question (none: it has no answer)."""
    if len(predictions) != len(answers):
        raise ValueError(f"predictions and answers must be of the same questions, not {len(predictions)} and {len(answers)}")
    made = np.zeros((len(answers), 6))
    for row, prediction, gold in zip(made, predictions, answers, strict=True):
        exact, f1 = (0.0, 0.0) if prediction is None else grade(prediction, gold, script)
        there = float(any(gold))
        row[:] = 1, exact, f1, there, exact * there, f1 * there
    return made


def grade(prediction: str, answers: Sequence[str], script: Script) -> tuple[float, float]:
    """Exact match (0 or 1) and F1 (0 to 1) of one prediction against the gold answers."""
    if script == "cmrc2018":
        said, wanted = _plain_chinese(prediction), [_plain_chinese(a) for a in answers] or [""]
        segments = chinese_segments(prediction)
        f1 = max(_shared_run(segments, chinese_segments(a)) for a in answers or [""])
        return float(said in wanted), f1
    gold = list(answers)
    if script == "squad2.0":
        gold = [a for a in answers if normalize(a)] or [""]
    said, wanted = normalize(prediction), [normalize(a) for a in gold] or [""]
    return float(said in wanted), max(_shared_words(said.split(), w.split(), empty=script == "squad2.0") for w in wanted)


def normalize(answer: str) -> str:
    """English: lower case, without punctuation, articles and superfluous spaces."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def _shared_words(said: list[str], wanted: list[str], empty: bool) -> float:
    if empty and not (said and wanted):
        return float(said == wanted)
    same = sum((Counter(said) & Counter(wanted)).values())
    return 2 * same / (len(said) + len(wanted)) if same else 0.0


def _plain_chinese(answer: str) -> str:
    return answer.lower().strip().translate(_CMRC_DROPPED)


def chinese_segments(answer: str) -> list[str]:
    """Chinese characters one by one; between them words and marks as in the Penn Treebank."""
    found: list[str] = []
    for part in _CHINESE.findall(_plain_chinese(answer)):
        found += [part] if "\u4e00" <= part <= "\u9fa5" else _words(part)
    return found


_MARKS = re.compile(r"\.{3}|[;@#$%&?!()\[\]{}<>\"]|[,:](?!\d)")
_LAST_STOP = re.compile(r"(?<!\.)\.(?=[\])}>\"' ]*$)")
_ENDINGS = re.compile(r"(?<=\S)(?:n't|'(?:ll|re|ve|[smd])|')(?= |$)")


def _words(text: str) -> list[str]:
    """What NLTK's tokenizer makes of some English words in lower case, the rarest contractions aside."""
    for mark in (_MARKS, _LAST_STOP):
        text = mark.sub(r" \g<0> ", text)
    return _ENDINGS.sub(r" \g<0>", text).split()


def _shared_run(said: list[str], wanted: list[str]) -> float:
    """F1 by the longest run of segments that stands in both."""
    if not (said and wanted):
        return float(said == wanted)
    longest, before = 0, [0] * (len(wanted) + 1)
    for segment in said:
        now = [0] * (len(wanted) + 1)
        for place, other in enumerate(wanted):
            if segment == other:
                now[place + 1] = before[place] + 1
        longest, before = max(longest, *now), now
    return 2 * longest / (len(said) + len(wanted))


@dataclass(frozen=True)
class AnswerRate:
    """Share of questions that are answered exactly: of all (`exact_match`), of those with an answer, of those without."""

    name: str = "exact_match"
    script: Script = "squad1.1"
    lower_is_better: bool = False

    @property
    def signature(self) -> str:
        """With the script whose rules count."""
        return f"{self.name}|v1|script:{self.script}"

    def score(self, totals: Rows) -> Rows:
        """[..., 6] -> [...]; NaN where there is no such question."""
        match self.name:
            case "exact_match":
                return ratio(totals[..., EXACT], totals[..., ONE])
            case "has_answer_exact":
                return ratio(totals[..., EXACT_THERE], totals[..., ANSWERABLE])
        return ratio(totals[..., EXACT] - totals[..., EXACT_THERE], totals[..., ONE] - totals[..., ANSWERABLE])

    def hits(self, rows: Rows) -> Rows:
        """[N, 6] -> one outcome for each question of that kind."""
        match self.name:
            case "exact_match":
                return rows[:, EXACT]
            case "has_answer_exact":
                return np.asarray(rows[rows[:, ANSWERABLE] == 1, EXACT])
        return np.asarray(rows[rows[:, ANSWERABLE] == 0, EXACT])


@dataclass(frozen=True)
class AnswerF1:
    """Mean F1 of all questions (`answer_f1`), or of those that have an answer."""

    name: str = "answer_f1"
    script: Script = "squad1.1"
    lower_is_better: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)

    @property
    def signature(self) -> str:
        """With the script whose rules count."""
        return f"{self.name}|v1|script:{self.script}"

    def score(self, totals: Rows) -> Rows:
        """[..., 6] -> [...]; NaN where there is no such question."""
        if self.name == "answer_f1":
            return ratio(totals[..., F1], totals[..., ONE])
        return ratio(totals[..., F1_THERE], totals[..., ANSWERABLE])

    def examples(self, rows: Rows) -> float:
        """Questions that count."""
        return float(rows[:, ONE if self.name == "answer_f1" else ANSWERABLE].sum())


def metrics(script: Script = "squad1.1") -> tuple[Metric, ...]:
    """Exact match and F1; with SQuAD 2.0 also apart for questions with and without an answer."""
    found: tuple[Metric, ...] = (AnswerRate("exact_match", script), AnswerF1("answer_f1", script))
    if script == "squad2.0":
        found += (AnswerRate("has_answer_exact", script), AnswerF1("has_answer_f1", script), AnswerRate("no_answer_accuracy", script))
    return found
