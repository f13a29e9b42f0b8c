"""A small data folder for tests of what comes after `prepare`."""

import random
from pathlib import Path

from zhixing.files import new_folder
from zhixing.store import StoreWriter

VOCABULARY = 50


def documents(count: int, seed: int = 0) -> list[list[int]]:
    """Token ids of documents with a pattern that a model can learn: each id is followed by one of two others."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        ids = [draw.randrange(2, VOCABULARY)]
        for _ in range(draw.randrange(5, 60)):
            ids.append(2 + (ids[-1] * 7 + draw.randrange(2)) % (VOCABULARY - 2))
        made.append([*ids, 0])
    return made


def data_folder(path: Path, train: int = 80, valid: int = 8, shard_tokens: int = 1000) -> Path:
    """A data folder of such documents, with several shards."""
    with new_folder(path, "data", extra={"fingerprint": "f" * 64}) as folder:
        for split, count, seed in (("train", train, 1), ("valid", valid, 2)):
            with StoreWriter(folder, split, VOCABULARY, shard_tokens) as store:
                for ids in documents(count, seed):
                    store.add(ids, 3 * len(ids), 2 * len(ids))
    return path
