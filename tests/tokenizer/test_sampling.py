"""Subword regularisation: the probabilities of Kudo 2018 by listing all segmentations, BPE-dropout by following all merges."""

import itertools
import math
import random
from collections import Counter

import pytest
import tiny

from zhixing.errors import SettingError
from zhixing.tokenizer.sampling import Sampler
from zhixing.tokenizer.tokenizer import Tokenizer

TEXTS = [*tiny.SENTENCES[:4], "Doing doing, 知行知 unknown ☃ 龘 12", " ", "\n\nknowing  is"]


def segmentations(word: str, pieces: dict[str, float]):
    """All ways to write a word in pieces, by brute force over the places to cut."""
    for count in range(len(word)):
        for cuts in itertools.combinations(range(1, len(word)), count):
            parts = [word[i:j] for i, j in itertools.pairwise((0, *cuts, len(word)))]
            if all(part in pieces for part in parts):
                yield tuple(parts), sum(pieces[part] for part in parts)


@pytest.mark.parametrize("how", [{"alpha": 0.3}, {"dropout": 0.2}], ids=["unigram", "bpe"])
def test_the_text_stays_and_so_do_marks(how):
    words = tiny.tokenizer("unigram" if "alpha" in how else "bpe", None)
    sampler = Sampler(words, **how)
    different = 0
    for number, text in enumerate(TEXTS):
        ids = words.encode(text)
        again = sampler(ids, random.Random(number))
        assert words.decode(again) == text
        assert again == sampler(ids, random.Random(number)), "a function of the seed"
        different += again != ids
    assert different >= 3
    marked = [words.end, *words.encode(TEXTS[0]), words.pad]
    again = sampler(marked, random.Random(3))
    assert (again[0], again[-1]) == (words.end, words.pad) and words.decode(again) == TEXTS[0]


def test_the_limits_are_the_usual_segmentation():
    for words, how in ((tiny.tokenizer("unigram", None), {"alpha": 200.0}), (tiny.tokenizer("bpe", None), {"dropout": 1e-12})):
        sampler = Sampler(words, **how)
        for text in TEXTS:
            assert sampler(words.encode(text), random.Random(1)) == words.encode(text)


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_segmentations_come_with_their_probabilities(alpha):
    words = tiny.tokenizer("unigram", None)
    pieces = {piece: score for piece, score in words.to_json()["model"]["vocab"] if not piece.startswith("<")}
    word = "beginning"
    exact = {parts: math.exp(alpha * score) for parts, score in segmentations(word, pieces)}
    total = sum(exact.values())
    assert len(exact) > 3
    sampler, drawn, count = Sampler(words, alpha=alpha), Counter(), 4000
    ids = words.encode(word)
    for seed in range(count):
        drawn[tuple(words.pieces(sampler(ids, random.Random(seed))))] += 1
    assert set(drawn) <= set(exact)
    for parts, weight in exact.items():
        p = weight / total
        assert abs(drawn[parts] / count - p) < 4.5 * math.sqrt(p * (1 - p) / count) + 1e-9, parts


def with_merges_left_out(word: str, ranks: dict[tuple[str, str], int], dropout: float) -> dict[tuple[str, ...], float]:
    """The probability of each result of algorithm 1 of Provilkov et al. 2020, by following all that may happen."""
    done, going = Counter(), {tuple(word): 1.0}
    while going:
        next_ones = Counter()
        for parts, p in going.items():
            possible = sorted((ranks[pair], place) for place, pair in enumerate(itertools.pairwise(parts)) if pair in ranks)
            for left_out, (_, place) in enumerate(possible):
                merged = (*parts[:place], parts[place] + parts[place + 1], *parts[place + 2 :])
                next_ones[merged] += p * dropout**left_out * (1 - dropout)
            done[parts] += p * dropout ** len(possible)
        going = next_ones
    return done


@pytest.mark.parametrize("dropout", [0.1, 0.3, 0.7])
def test_merges_are_left_out_with_their_probabilities(dropout):
    words = tiny.tokenizer("bpe", None)
    merges = [[piece.replace("\u0120", " ") for piece in pair] for pair in words.to_json()["model"]["merges"]]
    ranks = {tuple(pair): rank for rank, pair in enumerate(merges)}
    sampler, count = Sampler(words, dropout=dropout), 10_000
    for text in ("knowing", " made", " real"):
        ids, drawn = words.encode(text), Counter()
        for seed in range(count):
            drawn[tuple(words.pieces(sampler(ids, random.Random(seed))))] += 1
        exact = with_merges_left_out(text, ranks, dropout)
        assert len(exact) > 4 and set(drawn) <= set(exact)
        for parts, p in exact.items():
            assert abs(drawn[parts] / count - p) < 4.5 * math.sqrt(p * (1 - p) / count) + 1e-9, parts


def test_a_tokenizer_of_another_kind_is_refused():
    with pytest.raises(SettingError, match=r"vocabulary\.alpha.*kind bpe"):
        Sampler(tiny.tokenizer("bpe", None), alpha=0.2)
    with pytest.raises(SettingError, match=r"vocabulary\.dropout.*kind unigram"):
        Sampler(tiny.tokenizer("unigram", None), dropout=0.1)


def test_a_tokenizer_made_elsewhere(tmp_path):
    from folders import marian_folder, pairs

    from zhixing import pretrained

    found = pretrained.load(marian_folder(tmp_path / "marian"))
    found.source_tokenizer.save(tmp_path / "tokenizer.json")
    words = Tokenizer.load(tmp_path / "tokenizer.json")
    assert (words.end, words.pad, words.fingerprint) == (
        found.source_tokenizer.end,
        found.source_tokenizer.pad,
        found.source_tokenizer.fingerprint,
    )
    sampler, different = Sampler(words, alpha=0.2), 0
    for number, (text, _) in enumerate(pairs(20)):
        ids = words.encode(text)
        again = sampler(ids, random.Random(number))
        assert words.decode(again) == words.decode(ids) == text
        different += again != ids
    assert different >= 3
