"""From what a reader says of the tokens of all windows to the best answers, and whether there is one at all.

    score(i, j) = ln p(begin at i) + ln p(end at j)          i <= j < i + longest, both in the text, in one window
    none        = min over windows of ln p(begin at the mark) + ln p(end at the mark)

Every span of every window is looked at; of one that stands in several windows (they overlap) the best score counts. A question has no
answer where `none` is above the best score by more than a threshold, which is chosen on validation questions (Devlin et al. 2019, 4.3).
Probabilities are the softmax over the best answers and, where a reader knows unanswerable questions, none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhixing.tasks.answer.windows import NOWHERE, Spans
from zhixing.tasks.translation.sentences import sentences

Outputs = NDArray[np.float32]
"""Log-probabilities of beginning and ending at each token [T, 2]."""
BEST = 20
"""Answers that are kept of a question, and over which probabilities are taken."""


@dataclass(frozen=True)
class Span:
    """A possible answer."""

    start: int
    """Its first character in the text."""
    end: int
    """The character behind its last one."""
    score: float
    """Sum of two log-probabilities, in nats."""


@dataclass(frozen=True)
class Found:
    """What a reader says of a question."""

    best: tuple[Span, ...]
    """The best answers, the best first; none where the text has no token."""
    none: float
    """The score of there being no answer."""

    @property
    def margin(self) -> float:
        """By how much no answer is better than the best one."""
        return self.none - self.best[0].score if self.best else float("inf")

    def answer(self, threshold: float | None) -> Span | None:
        """The best answer, or None where no answer is better by more than the threshold; a threshold of None: there always is one."""
        if not self.best or (threshold is not None and self.margin > threshold):
            return None
        return self.best[0]

    def probabilities(self, *, none: bool) -> tuple[list[float], float]:
        """Those of the best answers, and of there being none, which is left out of the sum unless `none`."""
        scores = np.array([span.score for span in self.best] + ([self.none] if none else []), dtype=np.float64)
        if not len(scores):
            return [], 1.0
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        return shares[: len(self.best)].tolist(), float(shares[-1]) if none else 0.0


def best_spans(outputs: Outputs, spans: Spans, longest: int, count: int = BEST) -> list[Span]:
    """The best spans of a window, of at most `longest` tokens, the best first."""
    places = np.flatnonzero(spans[:, 0] < spans[:, 1])
    if not len(places):
        return []
    reach = min(longest, int(places[-1] - places[0]) + 1)
    begin = np.full(int(places[-1]) + 1, -np.inf, dtype=np.float64)
    end = np.full(len(begin) + reach, -np.inf, dtype=np.float64)
    begin[places], end[places] = outputs[places, 0], outputs[places, 1]
    ahead = np.lib.stride_tricks.sliding_window_view(end, reach)[: len(begin)]
    scores = (begin[:, None] + ahead).ravel()  # [first token, tokens from there to the last one]
    taken = min(count, len(scores))
    order = np.argpartition(-scores, taken - 1)[:taken]
    found = []
    for place in order[np.lexsort((order, -scores[order]))].tolist():
        first, ahead_by = divmod(place, reach)
        if np.isfinite(scores[place]):
            found.append(Span(int(spans[first, 0]), int(spans[first + ahead_by, 1]), float(scores[place])))
    return found


def decode(outputs: Sequence[Outputs], spans: Sequence[Spans], owner: Sequence[int], questions: int, longest: int) -> list[Found]:
    """What is found for each of so many questions, from all of their windows."""
    best: list[dict[tuple[int, int], float]] = [{} for _ in range(questions)]
    none = [0.0] * questions
    for said, where, number in zip(outputs, spans, owner, strict=True):
        none[number] = min(none[number], float(said[NOWHERE].sum()))
        mine = best[number]
        for span in best_spans(said, where, longest):
            place = (span.start, span.end)
            if span.score > mine.get(place, -np.inf):
                mine[place] = span.score
    found = []
    for mine, nothing in zip(best, none, strict=True):
        ordered = sorted(mine.items(), key=lambda item: (-item[1], item[0]))[:BEST]
        found.append(Found(tuple(Span(start, end, score) for (start, end), score in ordered), nothing))
    return found


def threshold(margins: Sequence[float], said: Sequence[float], silent: Sequence[float]) -> float:
    """The threshold with the best mean score over validation questions.

    margins: of each question; said, silent: its score if it is answered, and if it is not. As in the script of SQuAD 2.0, but halfway
    between two questions. Of equally good thresholds the one nearest to 0 is taken.
    """
    order = np.argsort(np.asarray(margins, dtype=np.float64), kind="stable")
    sorted_margins = np.asarray(margins, dtype=np.float64)[order]
    # Answering the k questions with the smallest margins, for each k.
    gain = (np.asarray(said, dtype=np.float64) - np.asarray(silent, dtype=np.float64))[order]
    totals = np.concatenate([[0.0], np.cumsum(gain)])
    low, high = np.concatenate([[-np.inf], sorted_margins]), np.concatenate([sorted_margins, [np.inf]])
    possible = low < high  # between two equal margins nothing can be put
    candidates = [
        0.0 if a <= 0 < b else float(a + 1.0 if b == np.inf else b - 1.0 if a == -np.inf else (a + b) / 2)
        for a, b in zip(low, high, strict=True)
    ]
    best = totals[possible].max()
    good = [c for c, total, there in zip(candidates, totals, possible, strict=True) if there and total >= best - 1e-9]
    return min(good, key=abs)


def sentence_around(text: str, start: int, end: int) -> str:
    """The sentence, or sentences, of a text that hold the characters from `start` to before `end`."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    line = text[first : last if last >= 0 else len(text)]
    low, high, place = 0, len(line), 0
    for sentence in sentences(line):
        if place + len(sentence) <= start - first:
            low = place + len(sentence)
        elif place + len(sentence) >= end - first:
            high = place + len(sentence)
            break
        place += len(sentence)
    return line[low:high].strip()
