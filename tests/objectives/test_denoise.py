"""Texts that an encoder reads spoilt and a decoder writes whole."""

from collections import Counter

import pytest
import torch
from tiny import tokenizer

from zhixing.files import new_folder
from zhixing.objectives.denoise import Denoise, DenoiseSettings
from zhixing.store import Store, StoreWriter

WORDS = tokenizer().with_marks(["<|mask|>"])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    place, draw = tmp_path_factory.mktemp("denoise") / "data", torch.Generator().manual_seed(0)
    with new_folder(place, "data", extra={"fingerprint": "f" * 64}) as folder, StoreWriter(folder, "train", WORDS.vocabulary) as writer:
        for _ in range(40):
            ids = torch.randint(3, WORDS.vocabulary - 1, (300,), generator=draw).tolist()
            writer.add(ids, len(ids), len(ids))
    return Store.open(place, "train")


def test_of_a_spoilt_text_all_but_the_hidden_is_there(store):
    settings = DenoiseSettings(noise="text", context=128, ratio=0.3)
    task, mask = Denoise(store, settings, 1, WORDS), WORDS.mask
    hidden, lengths = 0, set()
    for step in range(8):
        batch = task.batch(step, 8)
        lengths.add(batch["source"].shape[1])
        assert batch["ids"][:, 1:].equal(batch["targets"][:, :-1]) and (batch["ids"][:, 0] == WORDS.end).all()
        for source, there, target in zip(batch["source"], batch["mask"], batch["targets"], strict=True):
            kept = Counter(token for token in source[there].tolist() if token != mask)
            assert not kept - Counter(target.tolist()) and (source[~there] == WORDS.pad).all()
            hidden += len(target) - kept.total()
    assert hidden == 8 * 8 * settings.counts[0]
    assert len(lengths) <= 3  # compiled layers are compiled for each
