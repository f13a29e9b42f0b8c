import random

import pytest

from zhixing.corpus.document import Document
from zhixing.corpus.split import draw, split, usual_share


def parts(texts: list[str], share: float, seed: int = 0) -> dict[str, str]:
    found = [(document.text, part) for document, part in split((Document(t, "f") for t in texts), share, seed)]
    assert sorted(text for text, _ in found) == sorted(texts)
    return dict(found)


TEXTS = [f"document {i}" for i in range(2000)]


def test_the_part_depends_on_text_and_seed_alone() -> None:
    found = parts(TEXTS, 0.1)
    for seed in range(5):
        mixed = random.Random(seed).sample(TEXTS, len(TEXTS))
        assert parts(mixed, 0.1) == found
    assert parts(TEXTS, 0.1, seed=1) != found
    more = parts([*TEXTS, *(f"other {i}" for i in range(500))], 0.1)
    assert {text: more[text] for text in TEXTS} == found
    smaller = parts(TEXTS, 0.05)
    assert {t for t in TEXTS if smaller[t] == "valid"} < {t for t in TEXTS if found[t] == "valid"}


def test_the_share_is_about_right() -> None:
    assert 150 < list(parts(TEXTS, 0.1).values()).count("valid") < 250


@pytest.mark.parametrize("share", [1e-9, 0.05, 0.5, 1 - 1e-9])
@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_two_documents_make_two_parts(count: int, share: float, seed: int) -> None:
    texts = TEXTS[:count]
    found = parts(texts, share, seed)
    assert set(found.values()) == {"train", "valid"}
    assert parts(texts[::-1], share, seed) == found
    key = {text: draw(Document(text, "f").id, seed) for text in texts}
    assert max(key[t] for t in texts if found[t] == "valid") < min(key[t] for t in texts if found[t] == "train")


def test_one_document_and_none() -> None:
    assert len(parts(["alone"], 0.05)) == 1
    assert parts([], 0.05) == {}


def test_usual_share() -> None:
    assert usual_share(0) == usual_share(1000) == 0.05
    assert usual_share(10**9) == 0.002
