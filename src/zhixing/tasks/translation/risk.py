"""Minimum Bayes risk: of many translations that a model may say, the one that is most like all of them.

The expected utility of a candidate is its mean chrF (Popović 2015) against draws from the model, which stand for references (Eikema & Aziz
2022, arXiv 2108.04718; Freitag et al. 2022, arXiv 2111.09388). chrF is sacrebleu's chrF2 of sentences in every detail; n-grams are counted
once a text, and all pairs are compared as rows of one matrix of counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ORDER, BETA = 6, 2
"""Longest n-grams, in characters without white space, and how much more recall counts than precision: sacrebleu's defaults."""


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """chrF [H, R] of each hypothesis against each reference, 0-100."""
    counts = [_ngrams(text) for text in (*hypotheses, *references)]
    names = {gram: None for count in counts for gram in count}
    columns = {gram: column for column, gram in enumerate(sorted(names, key=len))}
    matrix = np.zeros((len(counts), len(columns)), dtype=np.int32)
    for row, count in zip(matrix, counts, strict=True):
        row[[columns[gram] for gram in count]] = list(count.values())
    sizes = np.bincount([len(gram) for gram in columns], minlength=ORDER + 1)[1:]
    ends = np.cumsum(sizes)
    parts = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]  # columns of one order lie together
    ours, theirs = matrix[: len(hypotheses)], matrix[len(hypotheses) :]
    totals = [np.stack([side[:, part].sum(1) for part in parts], axis=1).astype(float) for side in (ours, theirs)]
    found = np.zeros((len(hypotheses), len(references)))
    for place, row in enumerate(ours):
        both = np.minimum(row, theirs)
        matched = np.stack([both[:, part].sum(1) for part in parts], axis=1)
        found[place] = _score(totals[0][place], totals[1], matched)
    return found


def _score(ours: NDArray[np.float64], theirs: NDArray[np.float64], matched: NDArray[np.int64]) -> NDArray[np.float64]:
    """From n-grams [6] of a hypothesis, [R, 6] of references, and those that match."""
    counted = (ours > 0) & (theirs > 0)  # orders that both texts are long enough for
    orders = np.maximum(counted.sum(1), 1)
    precision = (matched / np.maximum(ours, 1) * counted).sum(1) / orders
    recall = (matched / np.maximum(theirs, 1) * counted).sum(1) / orders
    below = BETA**2 * precision + recall
    return np.where(below > 0, 100 * (1 + BETA**2) * precision * recall / np.where(below > 0, below, 1), 0.0)


def _ngrams(text: str) -> Counter[str]:
    text = "".join(text.split())
    return Counter(text[start : start + size] for size in range(1, ORDER + 1) for start in range(len(text) - size + 1))


def ranked(drawn: Sequence[str]) -> list[tuple[int, float]]:
    """Draws, as the place of the first of equal ones and its expected utility, best first; of equals the one that was drawn more often."""
    times = Counter(drawn)
    places = {text: drawn.index(text) for text in times}
    texts = list(times)
    utilities = chrf(texts, texts) @ np.array([times[text] for text in texts], dtype=float) / len(drawn)
    order = sorted(range(len(texts)), key=lambda one: (-round(utilities[one], 9), -times[texts[one]], texts[one]))
    return [(places[texts[one]], float(utilities[one])) for one in order]
