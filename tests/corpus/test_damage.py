"""Files of every kind with bytes changed, cut out and put in: reading gives documents, rejects or one line, and never anything else."""

import bz2
import csv
import gzip
import io
import json
import lzma
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from zhixing.corpus.document import Document
from zhixing.corpus.pipeline import CorpusSettings, run, stages
from zhixing.corpus.readers import ReadSettings, expand, read
from zhixing.errors import InputError

TEXTS = ['The quick brown fox, "jumps".', "知行合一，止于至善。", "naïve café", "line\nbreak", ""] * 20


def whole_files() -> dict[str, bytes]:
    lines = "\n".join(TEXTS)
    rows, parquet = io.StringIO(), io.BytesIO()
    csv.writer(rows).writerows([("id", "text"), *enumerate(TEXTS)])
    pq.write_table(pa.table({"id": list(range(len(TEXTS))), "text": TEXTS}), parquet)
    made = {
        ".txt": lines.encode(),
        ".gb18030.txt": lines.encode("gb18030"),
        ".utf-16.txt": lines.encode("utf-16"),
        ".utf-32.txt": lines.encode("utf-32"),
        ".jsonl": "\n".join(json.dumps({"id": i, "text": t}, ensure_ascii=i % 2 == 0) for i, t in enumerate(TEXTS)).encode(),
        ".csv": rows.getvalue().encode(),
        ".tsv": lines.encode(),
        ".parquet": parquet.getvalue(),
    }
    packers = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstandard.compress}
    return made | {kind + suffix: pack(made[kind]) for kind in (".txt", ".jsonl") for suffix, pack in packers.items()}


def damaged(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 3, 20])):
        place = draw.randrange(len(changed) + 1)
        match draw.randrange(4):
            case 0:
                changed[place : place + 1] = draw.randbytes(1)
            case 1:
                changed[place:] = b""
            case 2:
                changed[place:place] = draw.randbytes(draw.randrange(50))
            case 3:
                changed[place : place + draw.randrange(100)] = b""
    return bytes(changed)


@pytest.mark.parametrize("suffix", whole_files())
def test_damage_of_any_kind(suffix: str, tmp_path: Path) -> None:
    data, draw, path = whole_files()[suffix], random.Random(suffix), tmp_path / f"file{suffix}"
    for _ in range(40):
        path.write_bytes(damaged(data, draw))
        settings = ReadSettings(
            document=draw.choice(["auto", "file", "line", "paragraph"]),
            text_field=draw.choice([None, None, "text", 1, "absent"]),
            encoding=draw.choice([None, None, None, "utf-8", "utf-16", "big5"]),
        )
        try:
            for item in run(read(expand([path]), settings), stages(CorpusSettings())):
                if isinstance(item, Document):
                    item.text.encode("utf-8")
        except InputError as error:
            assert "\n" not in str(error) and str(path) in str(error)
