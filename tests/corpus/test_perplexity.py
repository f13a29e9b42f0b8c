import math
import random
from collections import Counter

import numpy as np
import pytest

from zhixing.corpus.document import Document
from zhixing.corpus.perplexity import Model, Perplexity, PerplexitySettings, Table, train
from zhixing.errors import SettingError

SENTENCE = "the committee met on Tuesday and agreed that the bridge over the river should be closed for repairs 知 行 合一 止于 至善"
WORDS = SENTENCE.split()


def prose(seed: int, words: int = 400) -> str:
    draw = random.Random(seed)
    return " ".join(draw.choice(WORDS) for _ in range(words)) + ".\n"


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [prose(seed) for seed in range(20)]


@pytest.fixture(scope="module")
def model(texts: list[str]) -> Model:
    return train(texts, PerplexitySettings(order=4))


def slow(texts: list[str], order: int, text: str) -> list[float]:
    """Interpolated Kneser-Ney with dictionaries of strings."""
    grams: dict[int, Counter[str]] = {n: Counter() for n in range(1, order + 1)}
    for n in grams:
        longer = set()
        for one in texts:
            padded = "\n" * order + one
            for end in range(order + 1, len(padded) + 1):
                if n == order:
                    grams[n][padded[end - n : end]] += 1
                else:
                    longer.add(padded[end - n - 1 : end])
        grams[n].update(gram[1:] for gram in longer)
    totals: Counter[tuple[int, str]] = Counter()
    types: Counter[tuple[int, str]] = Counter()
    for n, counts in grams.items():
        for gram, count in counts.items():
            totals[n, gram[:-1]] += count
            types[n, gram[:-1]] += 1
    found = []
    padded = "\n" * order + text
    for end in range(order + 1, len(padded) + 1):
        probability = 1 / 0x110000
        for n in range(1, order + 1):
            gram = padded[end - n : end]
            ones, twos = (sum(count == wanted for count in grams[n].values()) for wanted in (1, 2))
            discount = ones / (ones + 2 * twos) if ones else 0.5
            if total := totals[n, gram[:-1]]:
                probability = (max(grams[n][gram] - discount, 0) + discount * types[n, gram[:-1]] * probability) / total
        found.append(-math.log2(probability))
    return found


@pytest.mark.parametrize("order", [1, 2, 4])
def test_surprise_is_that_of_the_slow_obvious_version(texts: list[str], order: int) -> None:
    model = train(texts, PerplexitySettings(order=order))
    learned = [text for number, text in enumerate(texts) if number % 10 != 9]
    for text in ("the river met 知行, and xyz", texts[9][:60], "的"):
        assert model.surprise(text).tolist() == pytest.approx(slow(learned, order, text))


def test_probabilities_sum_to_one(model: Model) -> None:
    # What was never seen shares the rest: 0x110000 - n characters of equal probability.
    for before in ("", "the riv", "合", "zz"):
        seen = sorted(set("".join(WORDS)) | set(" .\n"))
        known = sum(2 ** -model.surprise(before + character)[-1] for character in seen)
        unseen = 2 ** -model.surprise(before + "ꙮ")[-1]
        assert known + (0x110000 - len(seen)) * unseen == pytest.approx(1)


def test_tables_find_what_is_in_them_and_nothing_else() -> None:
    draw = np.random.default_rng(0)
    keys = np.unique(draw.integers(0, 1 << 63, 5000).astype(np.uint64) * np.uint64(2))
    keys = np.unique(np.concatenate([keys, np.arange(300, dtype=np.uint64), np.uint64(2**64 - 1) - np.arange(5, dtype=np.uint64)]))
    values = np.arange(1, len(keys) + 1, dtype=np.uint32)
    wanted = np.concatenate([keys[::3], draw.integers(0, 1 << 63, 500).astype(np.uint64), np.array([301, 2**64 - 1], np.uint64)])
    known = dict(zip(keys.tolist(), values.tolist(), strict=True))
    assert Table.of(keys, values).found(wanted)[0].tolist() == [known.get(key, 0) for key in wanted.tolist()]


def test_prose_stays_and_noise_goes(model: Model) -> None:
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=500))
    code = "for (int i = 0; i < n; ++i) { x[i] += y[i] * 2; } // loop\n" * 10
    batch = [Document(text, "f", line, number=line) for line, text in enumerate([prose(99), noise, prose(98, 40), code])]
    stage = Perplexity(PerplexitySettings(), model)
    kept, dropped = stage(batch)
    assert [d.line for d in kept] == [0, 2]
    assert {(d.line, d.stage, d.reason) for d in dropped} == {
        (line, "perplexity", f"needs more than {2.5 * model.bits:.2f} bits a byte under the reference") for line in (1, 3)
    }
    assert model.bits == pytest.approx(model.bits_a_byte(prose(97)), rel=0.1)


def test_long_texts_are_judged_by_three_pieces(model: Model) -> None:
    text = "".join(prose(seed, 100) for seed in range(40))
    middle = (len(text) - 1000) // 2
    assert model.bits_a_byte(text) == model.bits_a_byte(text[:1000] + text[middle : middle + 1000] + text[-1000:])


def test_one_large_text_is_cut_and_too_little_is_one_line(texts: list[str]) -> None:
    whole = train(["".join(texts)], PerplexitySettings(order=3))
    assert whole.characters == len("".join(texts)) * 9 // 10 and 0.5 < whole.bits < 4
    assert train(texts * 10, PerplexitySettings(order=1, characters=20_000)).characters < 20_000
    with pytest.raises(SettingError, match=r"filter.perplexity.reference: names only 5 characters of text, and 10000 are the least"):
        train(["short!"], PerplexitySettings())
