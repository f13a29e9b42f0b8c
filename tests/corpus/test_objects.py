import json
import tracemalloc
from pathlib import Path

import pytest

from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.readers import Item, ReadSettings, expand, read
from zhixing.errors import InputError


def items(path: Path, content: str | bytes, **settings: object) -> list[Item]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read(expand([path]), ReadSettings.model_validate(settings)))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_arrays_of_objects_and_of_texts(indent: int | None, encoding: str, tmp_path: Path) -> None:
    objects = [{"id": i, "text": f"知行合一，止于至善。{i}", "more": {"text": [1.5, None]}} for i in range(3)]
    for values in (objects, [value["text"] for value in objects]):
        written = json.dumps(values, ensure_ascii=False, indent=indent).encode(encoding)
        assert items(tmp_path / "a.json", written) == [
            Document(str(objects[i]["text"]), str(tmp_path / "a.json"), record=f"value {i + 1}") for i in range(3)
        ]


def test_objects_one_by_one_and_over_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert [item.text for item in items(path, '{\n  "text": "one"\n}\n{"text":\n"two"}')] == ["one", "two"]
    assert [(item.text, item.line) for item in items(path, '{"text": "one"}\n{"text": "two"}\n')] == [("one", 1), ("two", 2)]
    assert [item.text for item in items(path, '{"text": "one"}')] == ["one"]
    assert [item.text for item in items(path, '{"body": "one", "titel": "x"}', text_field="titel")] == ["x"]


def test_values_that_are_no_text(tmp_path: Path) -> None:
    found = items(tmp_path / "a.json", '[{"text": "one"}, 5, null, ["x"], {"text": 1.5}, {"id": 3}, {"text": "two"}]')
    assert [item.text for item in found if isinstance(item, Document)] == ["one", "two"]
    assert [(item.record, item.reason) for item in found if isinstance(item, Dropped)] == [
        ("value 2", "not a JSON object but int"),
        ("value 3", "not a JSON object but NoneType"),
        ("value 4", "not a JSON object but list"),
        ("value 5", "its field text is Decimal, not text"),
        ("value 6", "has no text field"),
    ]
    with pytest.raises(InputError, match=r"a.json: no field named text, .*; its fields are version, data: .*set read.text_field"):
        items(tmp_path / "a.json", '{\n"version": 1,\n"data": []}')


@pytest.mark.parametrize("end", ["", ', {"text": "thr', ", {broken}]", "]]", "] trailing", ", \0]", ', "\\x"]'])
def test_what_comes_before_damage_is_read(end: str, tmp_path: Path) -> None:
    long_enough_to_be_text = '[{"text": "one"},' + " " * 100 + '{"text": "two"}'  # with a NUL in it
    first, second, last = items(tmp_path / "a.json", long_enough_to_be_text + end)
    assert (first.text, second.text) == ("one", "two")
    assert isinstance(last, Dropped) and "not valid JSON" in last.reason and "\n" not in last.reason


@pytest.mark.parametrize("level", ["[", '{"key":', '[1, {"key":'])
def test_values_that_are_nested_to_exhaust_the_memory(level: str, tmp_path: Path) -> None:
    tracemalloc.start()
    first, last = items(tmp_path / "a.json", '[{"text": "one"}, ' + level * 100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert first.text == "one"
    assert isinstance(last, Dropped) and last.reason == "values nested more than 500 levels deep; what came before is read"
    assert peak < 20e6


def test_arrays_and_objects_one_after_the_other(tmp_path: Path) -> None:
    found = items(tmp_path / "a.json", '[{"text": "one"}, "two"]\n{"text": "three",\n"more": [[], {}]}\n[]"four"')
    assert [(item.text, item.record) for item in found] == [(t, f"value {i}") for i, t in enumerate(["one", "two", "three", "four"], 1)]


def test_broken_bytes_set_their_value_aside(tmp_path: Path) -> None:
    found = items(tmp_path / "a.json", '["知行合一，止于至善", "'.encode() + b"\xff" + '破", "知行"]'.encode())
    assert [(type(item).__name__, item.record) for item in found] == [
        ("Document", "value 1"),
        ("Dropped", "value 2"),
        ("Document", "value 3"),
    ]


def test_memory_holds_one_value_and_no_value_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with open(path, "w") as file:
        file.write("[")
        for i in range(3000):
            file.write(json.dumps({"text": f"{i} " * 1000}) + ",\n")
        file.write('"' + "x" * 8_000_000 + '"]')
    tracemalloc.start()
    count, last = 0, None
    for item in read(expand([path]), ReadSettings(max_record=1_000_000)):
        count, last = count + isinstance(item, Document), item
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 3000 and isinstance(last, Dropped)
    assert last.reason == "a value of more than read.max_record = 1000000 bytes; what came before is read"
    assert peak < 8e6, "of 24 MB"
