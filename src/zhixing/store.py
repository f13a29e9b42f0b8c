"""The token store: what `prepare` leaves and training reads. Memory-mapped, so that its size is bounded by the disk alone.

    train-00000.bin ...     token ids, little-endian uint16 (uint32 above 65,536 ids), cut into shards
    train.documents.npy     one row a document: where it begins, its bytes and characters of text
    train.json              tokens, documents, vocabulary, shard size

1. `StoreWriter` appends whole documents, each ending with the `end` token.
2. `Store` reads any range of the stream, across shards.
3. `Samples` turns the stream into windows. Which window comes when is a pure function of (seed, epoch, step): nothing is shuffled in
   memory, nothing is replayed after a resume, and any number of processes reads the same order.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import numpy as np
from numpy.typing import NDArray

from zhixing.errors import ArtifactError, InputError
from zhixing.files import open_folder, read_json, write_json

Split = Literal["train", "valid"]
Ids = NDArray[np.int64]

SHARD_TOKENS = 1 << 27
"""Tokens in a shard: 256 MiB of uint16."""

_DOCUMENT = np.dtype([("start", "<i8"), ("bytes", "<i8"), ("characters", "<i8")])


def number_type(vocabulary: int) -> np.dtype[np.uint16] | np.dtype[np.uint32]:
    """The smallest number format that holds every id."""
    return np.dtype("<u2") if vocabulary <= 1 << 16 else np.dtype("<u4")


class StoreWriter:
    """Append documents to one split of a store; complete when the `with` block ends well.

    What was written up to the last `commit` is taken up again by the next writer of the same split: `documents` says how far it had come.
    """

    def __init__(self, folder: Path, split: Split, vocabulary: int, shard_tokens: int = SHARD_TOKENS) -> None:
        self.folder, self.split, self.vocabulary, self.shard_tokens = folder, split, vocabulary, shard_tokens
        self.dtype = number_type(vocabulary)
        self._table, self._journal = folder / f".{split}.documents.raw", folder / f".{split}.journal.json"
        journal = read_json(self._journal) if self._journal.is_file() else {"documents": 0, "tokens": 0}
        self.documents, self.tokens = int(journal["documents"]), int(journal["tokens"])
        self._open = contextlib.ExitStack()
        self._rows = self._at(self._table, self.documents * _DOCUMENT.itemsize)
        number = max(0, self.tokens - 1) // shard_tokens  # a full shard stays open until there is something for the next
        self._file = self._at(self._shard(number), (self.tokens - number * shard_tokens) * self.dtype.itemsize)

    def _shard(self, number: int) -> Path:
        return self.folder / f"{self.split}-{number:05d}.bin"

    def _at(self, path: Path, size: int) -> BinaryIO:
        """A file to append to, cut to its first `size` bytes."""
        file = self._open.enter_context(open(path, "r+b" if size else "w+b"))  # noqa: SIM115
        file.truncate(size)
        file.seek(size)
        return file

    def add(self, ids: Ids | list[int], byte_count: int, character_count: int) -> None:
        """Append one document: its ids (the last one is the `end` token), and the size of its text."""
        array = np.asarray(ids, dtype=np.int64)
        if array.size and not 0 <= array.min() <= array.max() < self.vocabulary:
            raise ValueError(f"token ids outside 0..{self.vocabulary - 1}")
        self._rows.write(np.array((self.tokens, byte_count, character_count), _DOCUMENT).tobytes())
        self.documents += 1
        self.tokens += len(array)
        while len(array):
            room = self.shard_tokens - self._file.tell() // self.dtype.itemsize
            if room == 0:
                self._file.close()
                self._file = self._at(self._shard((self.tokens - len(array)) // self.shard_tokens), 0)
                room = self.shard_tokens
            self._file.write(array[:room].astype(self.dtype).tobytes())
            array = array[room:]

    def commit(self) -> None:
        """Make what is written so far survive a kill."""
        self._rows.flush()
        self._file.flush()
        write_json(self._journal, {"documents": self.documents, "tokens": self.tokens})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()
        if kind is None:
            table = np.memmap(self._table, _DOCUMENT, "r") if self.documents else np.empty(0, _DOCUMENT)
            np.save(self.folder / f"{self.split}.documents.npy", table)
            record = {"tokens": self.tokens, "documents": self.documents, "vocabulary": self.vocabulary}
            write_json(self.folder / f"{self.split}.json", {**record, "shard_tokens": self.shard_tokens})
            self._table.unlink()
            self._journal.unlink(missing_ok=True)


class Store:
    """One split of a token store, opened for reading."""

    def __init__(self, folder: Path, split: Split) -> None:
        self.folder, self.split = folder, split
        try:
            self._open(read_json(folder / f"{split}.json"))
        except (OSError, KeyError, TypeError, ValueError, EOFError) as error:
            raise ArtifactError(folder, f"is damaged: its {split} part cannot be read ({type(error).__name__}: {error!s:.80})") from None

    def _open(self, record: dict[str, Any]) -> None:
        folder, split = self.folder, self.split
        self.tokens, self.documents, self.vocabulary = int(record["tokens"]), int(record["documents"]), int(record["vocabulary"])
        self.shard_tokens = int(record["shard_tokens"])
        table = np.load(folder / f"{split}.documents.npy", allow_pickle=False)
        self.offsets: Ids = np.append(table["start"], self.tokens).astype(np.int64)
        """Where each document begins, and the end of the last: [documents + 1]."""
        self.document_bytes: Ids = table["bytes"]
        """UTF-8 bytes of each document's text."""
        self.document_characters: Ids = table["characters"]
        """Characters of each document's text."""
        dtype = number_type(self.vocabulary)
        shards = range(-(-self.tokens // self.shard_tokens))
        self._shards = [np.memmap(folder / f"{split}-{n:05d}.bin", dtype=dtype, mode="r") for n in shards]
        if sum(map(len, self._shards)) != self.tokens:
            raise ArtifactError(folder, f"is damaged: its {split} shards hold {sum(map(len, self._shards))} tokens, not {self.tokens}")

    @classmethod
    def open(cls, folder: Path, split: Split = "train", *, verify: bool = True) -> Store:
        """Open a split of a data folder; `verify` checks the hashes of all that will be read.

        Raises `ArtifactError` when the folder is absent, foreign, newer than this program or damaged.
        """
        folder = Path(folder)
        names = [p.name for p in folder.glob(f"{split}*") if p.is_file()] if verify and folder.is_dir() else []
        open_folder(folder, "data", verify=names)
        return cls(folder, split)

    @property
    def fingerprint(self) -> str:
        """Hash of the tokenizer and all tokens of the data folder, as `prepare` wrote it down."""
        return str(open_folder(self.folder, "data", verify=False)["fingerprint"])

    @property
    def bytes(self) -> int:
        """UTF-8 bytes of all documents' text."""
        return int(self.document_bytes.sum())

    @property
    def characters(self) -> int:
        """Characters of all documents' text."""
        return int(self.document_characters.sum())

    def read(self, start: int, stop: int) -> Ids:
        """Tokens `start` to `stop` of the stream."""
        first, last = start // self.shard_tokens, max(start, stop - 1) // self.shard_tokens
        if first == last:
            base = first * self.shard_tokens
            return self._shards[first][start - base : stop - base].astype(np.int64)
        pieces = []
        for number in range(first, last + 1):
            base = number * self.shard_tokens
            pieces.append(self._shards[number][max(0, start - base) : stop - base])
        return np.concatenate(pieces).astype(np.int64)

    def document(self, index: int) -> Ids:
        """Tokens of one document, its `end` included."""
        return self.read(int(self.offsets[index]), int(self.offsets[index + 1]))


@dataclass(frozen=True)
class Samples:
    """Windows of `context` + 1 tokens, cut from the stream anew in each epoch and read in an order that looks random.

    In epoch e the stream is cut from token offset(e) on, so that window borders fall elsewhere each time; window number p(i) is read
    as the i-th, p being a pseudo-random permutation that is computed, not stored. Neighbouring windows share one token: the target of
    the first's last position is the second's first input.
    """

    store: Store
    context: int
    seed: int
    document_mask: bool = False

    def __post_init__(self) -> None:
        if self.store.tokens < self.context + 2:
            raise InputError(
                self.store.folder,
                f"its {self.store.split} text has only {self.store.tokens} tokens, fewer than one window of objective.context = "
                f"{self.context}; prepare more text or set a smaller context",
            )

    @property
    def per_epoch(self) -> int:
        """Windows in an epoch."""
        return max(1, (self.store.tokens - 1 - self._spread) // self.context)

    @property
    def _spread(self) -> int:
        """Largest offset of an epoch: a window's length, or what the stream has to spare."""
        return min(self.context - 1, self.store.tokens - 1 - self.context)

    def start(self, number: int) -> int:
        """Where in the stream the window begins that is read as the `number`-th of all."""
        epoch, index = divmod(number, self.per_epoch)
        offset = _mix(self.seed, 2 * epoch) % (self._spread + 1)
        return offset + permuted(index, self.per_epoch, _mix(self.seed, 2 * epoch + 1)) * self.context

    @staticmethod
    def numbers(step: int, size: int, rank: int = 0, world: int = 1) -> range:
        """Which windows, of all that are ever read, this process reads in update `step`."""
        return range(step * size + rank * size // world, step * size + (rank + 1) * size // world)

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> tuple[Ids, NDArray[np.int32] | None]:
        """Windows [b, context + 1] of update `step`, and with document masks the document that each input belongs to [b, context].

        The `size` windows of a step are dealt out to `world` processes in runs; together they are the same windows in the same order,
        whatever `world` is.
        """
        starts = [self.start(number) for number in self.numbers(step, size, rank, world)]
        windows = (
            np.stack([self.store.read(s, s + self.context + 1) for s in starts]) if starts else np.empty((0, self.context + 1), np.int64)
        )
        if not self.document_mask:
            return windows, None
        positions = np.array(starts, dtype=np.int64)[:, None] + np.arange(self.context)
        # An input belongs to the document of the token that it predicts: the `end` of one document opens the next, as in evaluation.
        owner = np.searchsorted(self.store.offsets, positions + 1, side="right") - 1
        return windows, (owner - owner[:, :1]).astype(np.int32)


def permuted(index: int, count: int, key: int) -> int:
    """Where `index` goes in a pseudo-random permutation of range(count): a Feistel network, walked until it lands inside.

    A network of four rounds over 2k bits is a permutation of range(4^k) whatever its round function (Luby & Rackoff 1988); following
    it from an index below `count` until it is below `count` again permutes range(count) (Black & Rogaway 2002).
    """
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = index >> half, index & mask
        for round_number in range(4):
            left, right = right, left ^ (_mix(key + round_number, right) & mask)
        index = left << half | right
        if index < count:
            return index


def _mix(a: int, b: int) -> int:
    """64 well-mixed bits of two numbers (the finaliser of SplitMix64, Steele et al. 2014)."""
    z = (a * 0x9E3779B97F4A7C15 + b * 0xD1B54A32D192ED03 + 0x8CB92BA72F3D8DD7) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return z ^ z >> 31
