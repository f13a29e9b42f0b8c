"""Pairs of texts as token ids: written once, memory-mapped, so that their number is bounded by the disk alone.

    train.source.bin  train.target.bin    token ids of all sources and of all targets, one after the other, little-endian uint16 or uint32
    train.pairs.npy                       where each pair's source and target begin, and the ends of the last: [N + 1, 2]
    train.pairs.json                      pairs, vocabularies

1. `PairWriter` appends pairs; a marks-free sequence a side.
2. `Pairs` reads them by number. `Pairs.of` holds a list in memory behind the same face.
3. `Buckets` says which pairs make up which batch: a pure function of (seed, epoch, step), so that any run resumes exactly.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from zhixing.errors import ArtifactError, InputError
from zhixing.files import read_json, write_json
from zhixing.store import Ids, number_type

_SIDES = ("source", "target")


class PairWriter:
    """Append pairs to one part of a folder; complete when the `with` block ends well."""

    def __init__(self, folder: Path, split: str, source_vocabulary: int, target_vocabulary: int) -> None:
        self.folder, self.split, self.vocabularies = folder, split, (source_vocabulary, target_vocabulary)
        self._open = contextlib.ExitStack()
        self._files = [self._open.enter_context(open(folder / f"{split}.{side}.bin", "wb")) for side in _SIDES]  # noqa: SIM115
        self._rows = self._open.enter_context(open(folder / f".{split}.pairs.raw", "w+b"))  # noqa: SIM115
        self._ends = [0, 0]
        self.pairs = 0

    def add(self, source: Sequence[int] | Ids, target: Sequence[int] | Ids) -> None:
        """Append one pair. Raises `ValueError` for an id that is none of the vocabulary."""
        self._rows.write(np.array(self._ends, "<i8").tobytes())
        for side, ids in enumerate((source, target)):
            array, vocabulary = np.asarray(ids, dtype=np.int64), self.vocabularies[side]
            if array.size and not 0 <= array.min() <= array.max() < vocabulary:
                raise ValueError(f"token ids outside 0..{vocabulary - 1}")
            self._files[side].write(array.astype(number_type(vocabulary)).tobytes())
            self._ends[side] += len(array)
        self.pairs += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        raw = self.folder / f".{self.split}.pairs.raw"
        if kind is None:
            self._rows.write(np.array(self._ends, "<i8").tobytes())
            self._rows.flush()
            np.save(self.folder / f"{self.split}.pairs.npy", np.memmap(raw, "<i8", "r").reshape(-1, 2))
            write_json(self.folder / f"{self.split}.pairs.json", {"pairs": self.pairs, "vocabularies": list(self.vocabularies)})
        self._open.close()
        raw.unlink(missing_ok=True)


class Pairs:
    """Pairs of token sequences by number."""

    def __init__(self, streams: Sequence[NDArray[np.unsignedinteger] | Ids], offsets: Ids) -> None:
        """streams: all sources and all targets, one after the other; offsets: [N + 1, 2] where each begins."""
        self._streams, self.offsets = tuple(streams), offsets

    @classmethod
    def of(cls, pairs: Iterable[tuple[Sequence[int], Sequence[int]]]) -> Pairs:
        """Pairs that are held in memory."""
        rows = list(pairs)
        sides = [[np.asarray(row[side], dtype=np.int64) for row in rows] for side in (0, 1)]
        offsets = np.stack([np.cumsum([0, *map(len, side)]) for side in sides], axis=1)
        return cls([np.concatenate([np.empty(0, np.int64), *side]) for side in sides], offsets)

    @classmethod
    def open(cls, folder: Path, split: str = "train") -> Pairs:
        """One part of a folder that a `PairWriter` filled. Raises `ArtifactError` when it is absent or damaged."""
        try:
            record = read_json(folder / f"{split}.pairs.json")
            offsets = np.load(folder / f"{split}.pairs.npy", allow_pickle=False)
            streams = [
                np.memmap(folder / f"{split}.{side}.bin", number_type(int(v)), "r") if offsets[-1, place] else np.empty(0, np.int64)
                for place, (side, v) in enumerate(zip(_SIDES, record["vocabularies"], strict=True))
            ]
            sound = len(offsets) == record["pairs"] + 1 and [len(s) for s in streams] == offsets[-1].tolist()
        except (OSError, KeyError, TypeError, ValueError, EOFError, IndexError, InputError) as error:
            raise ArtifactError(folder, f"is damaged: its {split} pairs cannot be read ({type(error).__name__}: {error!s:.80})") from None
        if not sound:
            raise ArtifactError(folder, f"is damaged: its {split} pairs are not as many as it says")
        return cls(streams, offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ids:
        """Tokens of each source and target: [N, 2]."""
        return np.diff(self.offsets, axis=0)

    def source(self, number: int) -> Ids:
        """Tokens of a source."""
        return self._read(0, number)

    def target(self, number: int) -> Ids:
        """Tokens of a target."""
        return self._read(1, number)

    def _read(self, side: int, number: int) -> Ids:
        return self._streams[side][self.offsets[number, side] : self.offsets[number + 1, side]].astype(np.int64)


@dataclass(frozen=True)
class _Bucket:
    members: Ids
    """Numbers of the pairs whose longer side has about the same length."""
    rows: int
    """Pairs of a batch: as many as fit when all are as long as the longest of the bucket."""

    @property
    def batches(self) -> int:
        return -(-len(self.members) // self.rows)


class Buckets:
    """Batches of pairs of like length, filled to a budget of tokens.

    Pairs are sorted by the length of their longer side and cut into buckets in which it differs by at most a tenth. In each epoch a bucket
    is shuffled, runs of `POOL` batches are sorted by how much longer the source is than the target, so that either side needs little
    padding, and cut into batches; then the batches of all buckets are shuffled. The number of batches is the same in every epoch, so that
    which batch comes when can be told without looking at the epochs before.
    """

    POOL = 16

    def __init__(self, lengths: Ids, budget: int, seed: int) -> None:
        """lengths: [N, 2], of sources and targets, at least 1 on one side. budget: tokens that the longer side of a batch may have, its
        padding counted; a pair that is longer by itself is a batch of its own.
        """
        self.lengths, self.seed = lengths, seed
        longer = lengths.max(axis=1)
        order = np.argsort(longer, kind="stable")
        self.buckets: list[_Bucket] = []
        start = 0
        while start < len(order):
            most = max(int(longer[order[start]] * 1.1), int(longer[order[start]]) + 1)
            stop = int(np.searchsorted(longer[order], most, side="right"))
            rows = max(1, budget // int(longer[order[stop - 1]]))
            self.buckets.append(_Bucket(order[start:stop], rows))
            start = stop
        self.per_epoch = sum(bucket.batches for bucket in self.buckets)
        self._epoch: tuple[int, list[Ids]] = (-1, [])

    def batch(self, step: int) -> Ids:
        """Numbers of the pairs in update `step`."""
        epoch, index = divmod(step, self.per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = epoch, self._batches(epoch)
        return self._epoch[1][index]

    def _batches(self, epoch: int) -> list[Ids]:
        draw = np.random.default_rng((self.seed, epoch))
        found: list[Ids] = []
        for bucket in self.buckets:
            members = bucket.members[draw.permutation(len(bucket.members))]
            slant = self.lengths[members, 0] - self.lengths[members, 1]
            pool = np.arange(len(members)) // (bucket.rows * self.POOL)
            members = members[np.lexsort((slant, pool))]
            found += [members[i : i + bucket.rows] for i in range(0, len(members), bucket.rows)]
        return [found[i] for i in draw.permutation(len(found))]
