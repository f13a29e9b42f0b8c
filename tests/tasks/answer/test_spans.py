"""Best spans against a slow obvious search over everything, thresholds against trying them all, and sentences by hand."""

import numpy as np
import pytest

from zhixing.tasks.answer.spans import BEST, Found, Span, best_spans, decode, sentence_around, threshold


def drawn(seed, tokens=40):
    """A window's log-probabilities and characters: a question of six tokens, gaps in the text, a mark at the end."""
    rng = np.random.default_rng(seed)
    said = rng.normal(size=(tokens, 2)).astype(np.float32)
    said -= np.log(np.exp(said).sum(0))
    spans = np.zeros((tokens, 2), np.int32)
    place = int(rng.integers(0, 5))
    for token in range(6, tokens - 1):
        if rng.random() < 0.85:
            size = int(rng.integers(1, 5))
            spans[token] = place, place + size
            place += size + int(rng.integers(0, 2))
    return said, spans


def slow(said, spans, longest):
    """Every span, one by one."""
    found = []
    for i in range(len(spans)):
        for j in range(i, min(len(spans), i + longest)):
            if spans[i, 0] < spans[i, 1] and spans[j, 0] < spans[j, 1]:
                found.append((float(said[i, 0]) + float(said[j, 1]), int(spans[i, 0]), int(spans[j, 1])))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("longest", [1, 3, 30, 100])
def test_best_spans_are_those_of_a_search_over_everything(longest):
    for seed in range(20):
        said, spans = drawn(seed)
        fast, wanted = best_spans(said, spans, longest), slow(said, spans, longest)[:BEST]
        assert [(s.start, s.end) for s in fast] == [(start, end) for _, start, end in wanted]
        np.testing.assert_allclose([s.score for s in fast], [score for score, _, _ in wanted], rtol=1e-6)
    assert best_spans(said, np.zeros_like(spans), longest) == []


def test_over_several_windows_each_span_counts_once_with_its_best_score():
    windows = [drawn(seed) for seed in range(9)]
    owner = [0, 0, 0, 1, 3, 3, 3, 3, 3]
    found = decode([w[0] for w in windows], [w[1] for w in windows], owner, 4, 30)
    for number, one in enumerate(found):
        mine = [w for w, o in zip(windows, owner, strict=True) if o == number]
        best = {}
        for said, spans in mine:
            for score, start, end in slow(said, spans, 30):
                best[start, end] = max(score, best.get((start, end), -np.inf))
        ordered = sorted(best.items(), key=lambda item: -item[1])[:BEST]
        assert [(s.start, s.end) for s in one.best] == [place for place, _ in ordered]
        assert one.none == pytest.approx(min((float(said[0].sum()) for said, _ in mine), default=0.0))
    assert found[2].answer(None) is None


def test_probabilities_by_hand():
    found = Found((Span(0, 1, np.log(0.6)), Span(2, 3, np.log(0.2))), float(np.log(0.2)))
    assert found.probabilities(none=True) == (pytest.approx([0.6, 0.2]), pytest.approx(0.2))
    assert found.probabilities(none=False) == (pytest.approx([0.75, 0.25]), 0.0)
    assert found.margin == pytest.approx(np.log(0.2) - np.log(0.6))
    assert found.answer(None) == found.best[0]
    assert found.answer(-1.0) == found.best[0]
    assert found.answer(-1.2) is None


def test_the_threshold_is_as_good_as_any():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        count = int(rng.integers(1, 15))
        margins = rng.choice([-2.0, -1.0, 0.5, 1.5, *rng.normal(size=9)], count)
        said, silent = rng.random(count), rng.integers(0, 2, count).astype(float)
        limit = threshold(margins.tolist(), said.tolist(), silent.tolist())

        def score(t, margins=margins, said=said, silent=silent):
            return np.where(margins > t, silent, said).mean()

        everything = [*margins, *(margins - 1e-6), -1e9, 1e9]
        assert score(limit) == pytest.approx(max(score(t) for t in everything))
    assert threshold([1.0, 2.0], [1.0, 1.0], [0.0, 0.0]) == 3.0
    assert threshold([-3.0, 2.0], [1.0, 0.0], [0.0, 1.0]) == 0.0


@pytest.mark.parametrize(
    ("text", "answer", "sentence"),
    [
        ("It is so. Dr. Lu wrote it in 1921! Who knows?", "1921", "Dr. Lu wrote it in 1921!"),
        ("It is so. Dr. Lu wrote it in 1921! Who knows?", "It", "It is so."),
        ("It is so. Dr. Lu wrote it in 1921! Who knows?", "so. Dr. Lu", "It is so. Dr. Lu wrote it in 1921!"),
        ("It is so. Dr. Lu wrote it in 1921! Who knows?", "knows", "Who knows?"),
        ("他走了。鲁迅写了《阿Q正传》。“谁知道？”", "鲁迅", "鲁迅写了《阿Q正传》。"),
        ("a title\nThe line. Another.\n\nmore", "Another", "Another."),
        ("one line\nanother line", "line\nanother", "one line\nanother line"),
        ("no end", "no", "no end"),
    ],
)
def test_the_sentence_around(text, answer, sentence):
    start = text.index(answer)
    assert sentence_around(text, start, start + len(answer)) == sentence
