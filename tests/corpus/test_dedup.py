import random
from collections.abc import Sequence

import numpy as np

from zhixing.corpus.dedup import DedupSettings, LineSettings, RepeatedLines, find
from zhixing.corpus.document import Document
from zhixing.corpus.near import NearSettings, Sketcher, banding, jaccard


class Held:
    """Documents in memory, with the interface of segments."""

    def __init__(self, texts: Sequence[str], near: NearSettings) -> None:
        self.texts = texts
        sketcher = Sketcher(near)
        self.bands = np.stack([sketcher.sketch(text) for text in texts], axis=1)

    def ids(self) -> np.ndarray:
        return np.frombuffer(b"".join(bytes.fromhex(Document(t, "x").id) for t in self.texts), "<u8").reshape(-1, 2)

    def band(self, number: int) -> np.ndarray:
        return self.bands[number]

    def text(self, document: int) -> str:
        return self.texts[document]


def copies(texts: Sequence[str], **near: object) -> list[int]:
    settings = DedupSettings(near=NearSettings.model_validate(near))
    return find(Held(texts, settings.near), settings).of.tolist()


def shingles_by_hand(text: str, size: int) -> set[str]:
    """The slow obvious version: what a shingle is, written down as text."""
    units: list[str] = []
    word = ""
    for c in text.lower() + " ":
        if "\u4e00" <= c <= "\u9fff":
            units += [word, c]
            word = ""
        elif c.isalnum():
            word += c
        else:
            units.append(word)
            word = ""
    units = [unit for unit in units if unit]
    return {" ".join(units[i : i + size]) for i in range(max(1, len(units) - size + 1))}


def words(draw: random.Random, count: int, chinese: bool) -> list[str]:
    return [chr(draw.randrange(0x4E00, 0x5E00)) if chinese else f"w{draw.randrange(3000)}" for _ in range(count)]


def edited(draw: random.Random, text: list[str], chinese: bool, edits: int) -> list[str]:
    text = list(text)
    for place in draw.sample(range(len(text)), edits):
        text[place] = words(draw, 1, chinese)[0]
    return text


def test_of_equal_documents_the_first_is_kept():
    assert copies(["one and two", "other", "one and two", "one and two"], on=False) == [-1, -1, 0, 0]


def test_exact_copies_can_stay():
    settings = DedupSettings(exact=False, near=NearSettings(on=False))
    assert find(Held(["a", "a"], settings.near), settings).of.tolist() == [-1, -1]


def test_similarity_is_that_of_the_slow_obvious_version():
    draw, sketcher = random.Random(3), Sketcher(NearSettings())
    for chinese in (False, True):
        for edits in (0, 1, 5, 40):
            first = words(draw, 80, chinese)
            second = edited(draw, first, chinese, edits)
            a, b = ("".join(first), "".join(second)) if chinese else (" ".join(first), " ".join(second))
            one, two = shingles_by_hand(a, 5), shingles_by_hand(b, 5)
            assert jaccard(sketcher.shingles(a), sketcher.shingles(b)) == len(one & two) / len(one | two)


def test_the_bands_keep_the_promised_chance():
    for settings in (
        NearSettings(),
        NearSettings(similarity=0.5, chance=0.9),
        NearSettings(similarity=0.95),
        NearSettings(permutations=16),
    ):
        bands, rows = banding(settings)
        assert bands * rows <= settings.permutations
        assert 1 - (1 - settings.similarity**rows) ** bands >= min(settings.chance, 1 - (1 - settings.similarity) ** settings.permutations)


def test_near_copies_are_those_of_at_least_the_similarity_and_no_others():
    draw = random.Random(5)
    texts, wanted = [], []
    for number in range(300):
        chinese = number % 2 == 1
        first = words(draw, 120, chinese)
        second = edited(draw, first, chinese, draw.randrange(6))
        joiner = "" if chinese else " "
        pair = joiner.join(first), joiner.join(second)
        one, two = (shingles_by_hand(text, 5) for text in pair)
        wanted += [-1, len(texts) if len(one & two) / len(one | two) >= 0.8 else -1]
        texts += pair
    assert sum(w >= 0 for w in wanted) > 50
    found = copies(texts)
    assert [f for f, w in zip(found, wanted, strict=True) if w < 0] == [-1] * wanted.count(-1)
    missed = sum(f != w for f, w in zip(found, wanted, strict=True))
    assert missed <= 3  # each has a chance of at least 0.99


def test_a_copy_of_a_copy_is_a_copy_of_the_first_or_stays():
    draw = random.Random(1)
    first = words(draw, 200, chinese=False)
    chain = [first]
    for _ in range(6):
        chain.append(edited(draw, chain[-1], False, 3))
    texts = [" ".join(text) for text in chain]
    found = copies(texts)
    sketcher = Sketcher(NearSettings())
    for number, of in enumerate(found):
        if of >= 0:
            assert found[of] == -1, "what a copy refers to is kept"
            assert jaccard(sketcher.shingles(texts[of]), sketcher.shingles(texts[number])) >= 0.8


def test_many_copies_of_one_document():
    draw = random.Random(2)
    first = words(draw, 150, chinese=False)
    texts = [" ".join(edited(draw, first, False, 1)) for _ in range(400)]
    found = copies(texts)
    assert found[0] == -1
    assert sum(of >= 0 for of in found) == 399


def test_texts_without_words_are_no_copies_of_each_other():
    assert copies(["!!!", "???", "...", "", "——"]) == [-1] * 5


def test_repeated_lines_go_but_for_the_first_time(tmp_path):
    menu, note = "Home | News | Sport | Contact us", "a line that two documents share"
    texts = [f"{menu}\nstory {i} is told here at length\n{note if i < 2 else 'x'}" for i in range(5)]
    repeated = RepeatedLines(LineSettings(on=True, times=3), texts, tmp_path / "lines")
    cleaned = [repeated.without(text) for text in texts]
    assert menu in cleaned[0]
    assert all(menu not in text for text in cleaned[1:])
    assert note in cleaned[1]
    assert all(f"story {i}" in text for i, text in enumerate(cleaned))


def test_lines_are_found_part_by_part_as_well(tmp_path):
    draw = random.Random(4)
    texts = ["\n".join(f"this is the line number {draw.randrange(40)}" for _ in range(9)) for _ in range(30)]
    whole = RepeatedLines(LineSettings(on=True), texts, tmp_path / "a")
    parts = RepeatedLines(LineSettings(on=True), texts, tmp_path / "b")
    parts._repeated[:] = False
    parts._mark(part=16)
    assert whole._repeated.sum() > 100
    assert (whole._repeated == parts._repeated).all()
