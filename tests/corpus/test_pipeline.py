from pathlib import Path

import pytest

from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.pipeline import BATCH, BATCH_CHARACTERS, CorpusSettings, Processor, batches, run, stages
from zhixing.corpus.readers import ReadSettings, expand, read
from zhixing.corpus.rows import table

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


def test_batches_are_bounded_by_number_and_by_size() -> None:
    assert [len(b) for b in batches(["x"] * (2 * BATCH + 1), len)] == [BATCH, BATCH, 1]
    long = "x" * (BATCH_CHARACTERS // 2)
    assert [len(b) for b in batches([long] * 5, len)] == [2, 2, 1]
    assert list(batches([], len)) == []


def test_the_pipeline_is_lazy_and_loses_nothing() -> None:
    asked = 0

    def items():
        nonlocal asked
        for number in range(10 * BATCH):
            asked += 1
            yield Document(f" {number % 1000} \r\n" if number % 7 else " ", "f", number)
            if number % 100 == 0:
                yield Dropped("f", number, "read", "broken")

    found = run(items(), stages(CorpusSettings()))
    next(found)
    assert asked <= BATCH
    rest = list(found)
    dropped = [item for item in rest if isinstance(item, Dropped)]
    assert 1 + len(rest) == 10 * BATCH + 26
    assert {d.reason for d in dropped} == {"broken", "empty"}
    assert [int(d.text) for d in rest if isinstance(d, Document)] == [n % 1000 for n in range(10 * BATCH) if n % 7][
        -len(rest) + len(dropped) :
    ]


def test_rows_come_back_in_order_with_ids_and_reasons() -> None:
    items = [Document(" one ", "f", 1), Dropped("f", 2, "read", "broken", "x"), Document("\ud800 ", "f", 3, "r"), Document("two", "f", 4)]
    done = Processor(CorpusSettings())(table((7, item) for item in items))
    assert done["file"].to_pylist() == [7] * 4
    assert done["text"].to_pylist() == [" one", "x", "", "two"]
    assert done["reason"].to_pylist() == [None, "broken", "empty", None]
    assert done["id"].to_pylist() == [bytes.fromhex(Document(" one", "f").id), None, None, bytes.fromhex(Document("two", "f").id)]
    assert done["record"].to_pylist() == [None, None, "r", None]


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_real_text_goes_through_with_nothing_lost() -> None:
    sources = expand([DATA / "lm_en", DATA / "lm_zh"])
    for item in run(read(sources, ReadSettings()), stages(CorpusSettings())):
        assert isinstance(item, Document), item
    for source in sources:
        whole = source.path.read_bytes().decode("utf-8").replace("\r\n", "\n")
        assert "".join(d.text for d in read([source], ReadSettings()) if isinstance(d, Document)) == whole
