"""What the stages let through, on disk until the copies among it are known: files that appear whole, each with how far reading had come.

    00000.arrow       rows in the order in which they were read, those left out included
    00000.ids.npy     [documents, 2] the id of each document as two numbers
    00000.bands.npy   [bands, documents] its sketch

A killed run goes on behind the last whole segment.
"""

from __future__ import annotations

import io
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from zhixing.errors import ArtifactError
from zhixing.files import whole_file, writing

SEGMENT_BYTES = 16_000_000
"""Bytes of rows after which a segment is written: what a kill costs at most, and what is held in memory."""
_HELD = 16  # tables that `text` keeps at hand


@dataclass(frozen=True)
class Cursor:
    """How far reading has come: `rows` rows of source number `file` are done, and all of those before it."""

    file: int = 0
    rows: int = 0


class Segments:
    """The segments in a folder, oldest first. Raises `ArtifactError` where one before the last, or a part of one, is missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open()

    def _open(self) -> None:
        self.files = [self.folder / f"{number:05d}.arrow" for number in range(len(list(self.folder.glob("*.arrow"))))]
        parts = (path.with_suffix(suffix) for path in self.files for suffix in (".arrow", ".ids.npy", ".bands.npy"))
        if missing := next((part for part in parts if not part.is_file()), None):
            raise ArtifactError(missing, f"is missing, and what is kept cannot be gone on with; remove {self.folder.parent} and begin anew")
        self._starts: list[int] | None = None
        self._places: list[tuple[Path, int]] = []
        self._held: OrderedDict[int, pa.Table] = OrderedDict()

    @property
    def cursor(self) -> Cursor:
        """Where the next segment begins."""
        if not self.files:
            return Cursor()
        with pa.OSFile(str(self.files[-1])) as file:
            return Cursor(**json.loads(pa.ipc.open_file(file).schema.metadata[b"cursor"]))

    def write(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Put tables away in segments, and hand each on once its segment is on the disk."""
        held: list[pa.Table] = []
        size, cursor = 0, self.cursor
        for rows in tables:
            held.append(rows)
            size += rows.nbytes
            if size >= SEGMENT_BYTES:
                cursor = self._write(held, cursor)
                yield from held
                held, size = [], 0
        if held:
            self._write(held, cursor)
            yield from held

    def _write(self, held: list[pa.Table], cursor: Cursor) -> Cursor:
        number = len(self.files)
        last = int(held[-1]["file"][-1].as_py())
        here = sum(int(np.count_nonzero(rows["file"].to_numpy() == last)) for rows in held)
        cursor = Cursor(last, here + (cursor.rows if cursor.file == last else 0))
        ids = [id for rows in held for id in rows["id"].to_pylist() if id is not None]
        bands = [b for rows in held for b in rows["bands"].to_pylist() if b is not None]
        path = self.folder / f"{number:05d}.arrow"
        with writing(path):
            _save(path.with_suffix(".ids.npy"), np.frombuffer(b"".join(ids), "<u8").reshape(len(ids), 2))
            sketches = np.frombuffer(b"".join(bands), "<u8").reshape(len(bands), -1) if bands else np.empty((0, 0), "<u8")
            _save(path.with_suffix(".bands.npy"), np.ascontiguousarray(sketches.T))
            with whole_file(path) as partial:
                schema = held[0].drop_columns(["id", "bands"]).schema.with_metadata({"cursor": json.dumps(cursor.__dict__)})
                with pa.ipc.new_file(str(partial), schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as file:
                    for rows in held:
                        file.write_table(rows.drop_columns(["id", "bands"]).cast(schema))
        self.files.append(path)
        return cursor

    def tables(self) -> Iterator[pa.Table]:
        """All rows, a batch at a time."""
        for path in self.files:
            with pa.OSFile(str(path)) as file:
                reader = pa.ipc.open_file(file)
                for number in range(reader.num_record_batches):
                    yield pa.Table.from_batches([reader.get_batch(number)])

    def characters(self) -> NDArray[np.int64]:
        """The length of each document [documents]."""
        found = [np.empty(0, np.int64)]
        for rows in self.tables():
            lengths = pc.utf8_length(rows.filter(pc.is_null(rows["reason"]))["text"])
            found.append(lengths.to_numpy().astype(np.int64))
        return np.concatenate(found)

    def ids(self) -> NDArray[np.uint64]:
        """The id of each document [documents, 2]."""
        return np.concatenate([np.load(path.with_suffix(".ids.npy")) for path in self.files])

    def band(self, number: int) -> NDArray[np.uint64]:
        """One number of each document's sketch [documents]."""
        sketches = (np.load(path.with_suffix(".bands.npy"), mmap_mode="r") for path in self.files)
        return np.concatenate([np.array(sketch[number]) for sketch in sketches if sketch.size])

    def text(self, document: int) -> str:
        """The text of a document by its number."""
        if self._starts is None:
            self._starts = [0]
            for path in self.files:
                with pa.OSFile(str(path)) as file:
                    reader = pa.ipc.open_file(file)
                    for number in range(reader.num_record_batches):
                        self._places.append((path, number))
                        self._starts.append(self._starts[-1] + reader.get_batch(number)["reason"].null_count)
        index = int(np.searchsorted(self._starts, document, side="right")) - 1
        if index not in self._held:
            path, number = self._places[index]
            with pa.OSFile(str(path)) as file:
                batch = pa.ipc.open_file(file).get_batch(number)
            self._held[index] = batch.filter(pc.is_null(batch["reason"]))["text"]
            if len(self._held) > _HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(index)
        return str(self._held[index][document - self._starts[index]].as_py())


def _save(path: Path, numbers: NDArray[np.uint64]) -> None:
    """As `np.save` does, which does not say of a disk that it is full."""
    data = io.BytesIO()
    np.save(data, numbers)
    path.write_bytes(data.getbuffer())
