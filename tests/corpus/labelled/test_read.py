"""Labelled texts: every form of file, columns found or named, bad rows, mistakes."""

import gzip
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zhixing.corpus.clean import CleanSettings
from zhixing.corpus.labelled import LabelledSettings, read
from zhixing.errors import InputError

ROWS = [(f"a film that is {word} in {n} ways", label) for n in range(6) for word, label in (("good", "pos"), ("bad", "neg"))]


def load(*names, columns=None, **settings):
    return read([str(n) for n in names], LabelledSettings(**settings), CleanSettings(), **(columns or {}))


def pairs(found):
    return [(e.text, e.label) for e in found.examples]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def tsv(rows):
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


FORMS = {
    "x.tsv": tsv(ROWS),
    "header.tsv": "text\tlabel\n" + tsv(ROWS),
    "swapped-header.tsv": "label\tsentence\n" + tsv((b, a) for a, b in ROWS),
    "more.tsv": "id\treview\tsentiment\n" + tsv((i, *row) for i, row in enumerate(ROWS)),
    "chinese.tsv": "评论\t情感\n" + tsv(ROWS),
    "x.csv": "text,label\n" + "".join(f'"{a}",{b}\n' for a, b in ROWS),
    "semicolon.csv": "text;label\n" + "".join(f"{a};{b}\n" for a, b in ROWS),
    "x.jsonl": "".join(json.dumps({"text": a, "label": b, "id": 1}) + "\n" for a, b in ROWS),
    "x.json": json.dumps([{"content": a, "class": b} for a, b in ROWS], indent=1),
    "inside.json": json.dumps({"version": 1, "data": [{"content": a, "class": b} for a, b in ROWS]}),
    "x.txt": tsv(ROWS),
    "fasttext.txt": "".join(f"__label__{b} {a}\n" for a, b in ROWS),
    "x.tsv.gz": gzip.compress(tsv(ROWS).encode()),
    "bom.tsv": b"\xef\xbb\xbf" + tsv(ROWS).encode(),
    "utf16.tsv": tsv(ROWS).encode("utf-16"),
    "windows.tsv": tsv(ROWS).replace("\n", "\r\n").encode(),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_examples(name, tmp_path):
    found = load(write(tmp_path / name, FORMS[name]))
    assert pairs(found) == ROWS
    assert not found.dropped
    assert found.kind == "single"


def test_parquet(tmp_path):
    pq.write_table(
        pa.table({"id": list(range(len(ROWS))), "text": [a for a, _ in ROWS], "label": [b for _, b in ROWS]}), tmp_path / "x.parquet"
    )
    assert pairs(load(tmp_path / "x.parquet")) == ROWS


def test_folders_and_files_of_classes(tmp_path):
    for number, (text, label) in enumerate(ROWS):
        write(tmp_path / "folders" / label / f"{number:02}.txt", f"{text}\nand more")
        with open(tmp_path / f"{label}.part", "a") as file:
            file.write(text + "\n\n")
    found = load(tmp_path / "folders")
    assert sorted(pairs(found)) == sorted((f"{a}\nand more", b) for a, b in ROWS)
    for label in ("pos", "neg"):
        (tmp_path / "files").mkdir(exist_ok=True)
        (tmp_path / f"{label}.part").rename(tmp_path / "files" / f"{label}.txt")
    found = load(tmp_path / "files")
    assert sorted(pairs(found)) == sorted(ROWS)
    assert found.examples[1].line == 3


def test_a_file_below_a_class_is_one_text(tmp_path):
    write(tmp_path / "pos" / "2023" / "a.txt", "one\ntwo\n")
    write(tmp_path / "neg" / "neg.txt", "three\nfour\n")
    assert sorted(pairs(load(tmp_path))) == [("one\ntwo", "pos"), ("three\nfour", "neg")]


def test_a_hub_data_set(tmp_path, monkeypatch):
    """Through the datasets library, from a folder instead of the network."""
    monkeypatch.setenv("ZHIXING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    write(tmp_path / "set" / "train.jsonl", FORMS["x.jsonl"])
    assert pairs(load(f"hf:{tmp_path / 'set'}")) == ROWS


@pytest.mark.parametrize(
    ("content", "columns", "expected"),
    [
        (tsv((b, a) for a, b in ROWS), {}, ROWS),  # clearly the other way round
        (tsv((b, a) for a, b in ROWS), {"text": 1, "label": 0}, ROWS),
        (tsv((7, b, a) for a, b in ROWS), {"text": "2", "label": "1"}, ROWS),
        ("a\tb\tc\n" + tsv((7, b, a) for a, b in ROWS), {"text": "c", "label": "B"}, ROWS),
        ("title\tbody\tlabel\n" + tsv((a, "x" * 50, b) for a, b in ROWS), {"text": "title"}, ROWS),
    ],
)
def test_columns(content, columns, expected, tmp_path):
    assert pairs(load(write(tmp_path / "x.tsv", content), columns=columns)) == expected


def test_what_was_found_out_is_said(tmp_path):
    found = load(write(tmp_path / "x.tsv", tsv((b, a) for a, b in ROWS)))
    assert found.said == [f"{tmp_path / 'x.tsv'}: column 1 is taken as the text and column 0 as the label, as their values suggest"]
    found = load(write(tmp_path / "x.tsv", FORMS["header.tsv"]))
    assert "the first row is taken as names of columns: text, label" in found.said[0]


def test_a_first_row_that_looks_like_a_row_is_one(tmp_path):
    assert pairs(load(write(tmp_path / "x.tsv", "label me\tpos\n" + tsv(ROWS))))[0] == ("label me", "pos")


def test_numbers_without_a_header_and_with_one(tmp_path):
    rows = [(a, n / 2) for n, (a, _) in enumerate(ROWS)]
    for header in ("", "essay\tgrade\n"):
        assert pairs(load(write(tmp_path / "x.tsv", header + tsv(rows)), kind="number")) == rows


def test_any_number_of_labels(tmp_path):
    rows = [("one text", "b|a"), ("two texts", "a"), ("three texts", "")]
    wanted = [("one text", ("a", "b")), ("two texts", ("a",)), ("three texts", ())]
    assert pairs(load(write(tmp_path / "x.tsv", tsv(rows)), separator="|")) == wanted
    lines = [{"text": a, "labels": b.split("|") if b else []} for a, b in rows]
    assert pairs(load(write(tmp_path / "x.jsonl", "".join(json.dumps(line) + "\n" for line in lines)))) == wanted
    quoted = "text,label\n" + "".join(f'{a},"{json.dumps(b.split("|") if b else []).replace(chr(34), chr(34) * 2)}"\n' for a, b in rows)
    assert pairs(load(write(tmp_path / "x.csv", quoted))) == wanted


def test_pairs(tmp_path):
    header = "sentence1\tsentence2\tlabel\n"
    found = load(write(tmp_path / "x.tsv", header + tsv((a, f"is it {a}?", b) for a, b in ROWS)))
    assert [(e.text, e.pair, e.label) for e in found.examples] == [(a, f"is it {a}?", b) for a, b in ROWS]
    found = load(write(tmp_path / "x.tsv", tsv((a, f"is it {a}?", b) for a, b in ROWS)), columns={"text": 0, "pair": 1, "label": 2})
    assert found.paired
    assert found.examples[0].pair == f"is it {ROWS[0][0]}?"


def test_labels_of_all_types_are_names(tmp_path):
    lines = [{"text": f"text {i}", "label": v} for i, v in enumerate([1, 1.0, True, " new  york ", "1"] * 3)]
    found = load(write(tmp_path / "x.jsonl", "".join(json.dumps(line) + "\n" for line in lines)))
    assert [e.label for e in found.examples[:5]] == ["1", "1", "true", "new york", "1"]


def test_texts_are_cleaned(tmp_path):
    found = load(write(tmp_path / "x.tsv", tsv([("  cafe\u0301\u00a0bar\u200b ", "a"), ("tea", "b")])))
    assert found.examples[0].text == "café bar"


def test_a_few_bad_rows_are_set_aside_with_line_and_reason(tmp_path):
    good = tsv((f"text number {n} of many", n % 2) for n in range(400))
    found = load(write(tmp_path / "x.tsv", good + "\tpos\nno label\t\n"))
    assert len(found.examples) == 400
    assert [(d.line, d.reason) for d in found.dropped] == [(401, "its text is empty"), (402, "its label is empty")]


LONG = "".join(f'{{"text": "text {i}", "label": {i % 2}}}\n' for i in range(20))
WRONG = {
    "empty.tsv": ("", "x", "is empty"),
    "blank.tsv": ("\n\n", "", "is empty"),
    "one-column.tsv": ("one\ntwo\nthree\n", ":1", "only one column"),
    "three.csv": ("a,b,c\nd,e,f\ng,h,i\n", ":1", "--text-column and --label-column"),
    "twins.csv": ("text,label,label\na,1,2\nb,2,1\n", ":1", "2 columns named label"),
    "quote.csv": ('text,label\n"never closed,1\nmore,2\n', ":2", "a quote is opened and never closed"),
    "cells.csv": ("text,label\ngood, very good,1\nbad,0\n", ":2", "has 3 cells, and the others have 2; quote a text"),
    "short.tsv": ("one\t1\ntwo\nthree\t0\n", ":2", "has 1 cells, and the others have 2"),
    "nan.csv": ("text,label\nfine,1\nnan,0\n", ":3", "its text is missing (null or NaN)"),
    "nan-label.csv": ("text,label\nfine,1\nbad,NaN\n", ":3", "its label is missing"),
    "no-label.csv": ("text,label\nfine,\nbad,1\n", ":2", "its label is empty"),
    "no-text.csv": ("text,label\n,1\nbad,1\n", ":2", "its text is empty"),
    "number.jsonl": (LONG + '{"text": 7, "label": 1}\n', ":21", "its text is a number, not a string"),
    "null.jsonl": (LONG + '{"text": null, "label": 1}\n', ":21", "its text is missing"),
    "list.jsonl": (LONG + '{"text": ["a"], "label": 1}\n', ":21", "its text is a list, not a string"),
    "missing.jsonl": (LONG + '{"text": "a"}\n', ":21", "its label is missing"),
    "object.jsonl": (LONG + '{"text": "a", "label": {"x": 1}}\n', ":21", "its label is an object"),
    "lists.jsonl": (LONG + '{"text": "a", "label": [1]}\n', ":21", "data.kind=multi"),
    "broken.jsonl": (LONG + '{"text": "a", \n', ":21", "is not valid JSON"),
    "array.jsonl": (LONG + "[1, 2]\n", ":21", "is not a JSON object but a list"),
    "fields.jsonl": ('{"a": "x", "b": "y", "c": "z"}\n' * 3, ":1", "--text-column"),
    "broken.json": ('[{"text": "a", "label": 1},\n{"text"]', ":2", "is not valid JSON"),
    "number.json": ("17", "", "holds no list of objects but a number"),
    "binary.tsv": (bytes(range(256)) * 8, "", "binary"),
    "picture.png": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, "", "is binary"),
    "mixed.tsv": ("这部电影很好看\t1\n".encode() * 20 + "这部电影很难看\t0\n".encode("gb18030") * 20, ":21", "mixes encodings"),
    "lines.txt": ("only a text\nanother\n", ":1", "has neither a tab nor __label__"),
    "page.html": ("<html><body>x</body></html>", "", "holds html"),
    "fake.parquet": (b"not parquet at all", "", "is not a readable Parquet file"),
    "damaged.tsv.gz": (gzip.compress(tsv(ROWS).encode() * 50)[:-20], "", "damaged"),
    "nul.tsv": (tsv(ROWS).replace("film", "f\0ilm", 1), ":1", "NUL"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line_with_file_and_line(name, tmp_path):
    content, line, says = WRONG[name]
    path = write(tmp_path / name, content)
    with pytest.raises(InputError) as caught:
        load(path)
    where = f"{path}{line}" if line.startswith(":") else f"{path}"
    assert str(caught.value).startswith(where)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"text": "body"}, "has no column body (--text-column); its columns are text, label"),
        ({"label": "7"}, "has no column 7 (--label-column)"),
        ({"text": "label", "label": "label"}, "the same column cannot be two"),
    ],
)
def test_columns_that_are_not_there(columns, says, tmp_path):
    with pytest.raises(InputError, match=re.escape(says)):
        load(write(tmp_path / "x.tsv", FORMS["header.tsv"]), columns=columns)


def test_numbers_must_be_numbers(tmp_path):
    with pytest.raises(InputError, match=r"x\.tsv:1: its label 'pos' is no number"):
        load(write(tmp_path / "x.tsv", FORMS["x.tsv"]), kind="number")


def test_folders_of_parts_and_without_classes(tmp_path):
    write(tmp_path / "a" / "train" / "pos" / "1.txt", "x")
    write(tmp_path / "a" / "test" / "pos" / "1.txt", "x")
    with pytest.raises(InputError, match="holds the parts test, train; name one of them"):
        load(tmp_path / "a")
    write(tmp_path / "b" / "one.txt", "x")
    with pytest.raises(InputError, match="neither tables nor classes"):
        load(tmp_path / "b")
    with pytest.raises(InputError, match="no such file or folder"):
        load(tmp_path / "absent.tsv")


def test_copies_and_contradictions_are_dropped_on_request(tmp_path):
    rows = [("Good film.", "pos"), ("good  film", "pos"), ("so so", "pos"), ("So so!", "neg"), ("bad film", "neg")]
    path = write(tmp_path / "x.tsv", tsv(rows))
    assert len(load(path).examples) == 5
    assert pairs(load(path, duplicates="drop")) == [rows[0], *rows[2:]]
    found = load(path, duplicates="drop", conflicts="drop")
    assert pairs(found) == [rows[0], rows[4]]
    assert [(d.line, d.reason) for d in found.dropped] == [
        (2, f"is a copy of {path}:1"), (3, "has other labels in other rows"), (4, "has other labels in other rows"),
    ]  # fmt: skip


SHARED = Path(__file__).parents[3].parent / "shared" / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there")
@pytest.mark.parametrize(
    ("name", "texts", "classes"),
    [
        ("sentiment_en/sst2_dev.tsv", 872, 2),
        ("sentiment_zh/chnsenticorp_dev.tsv", 1160, 2),
        ("news_en/agnews_6k_train.tsv", 6062, 4),
        ("news_zh/thucnews_titles_dev_as_train.tsv", 9991, 10),
        ("news_zh/tnews_fewshot_dev.tsv", 1098, 15),
    ],
)
def test_real_data(name, texts, classes):
    found = load(SHARED / name)
    assert (len(found.examples), len(found.counts()), found.dropped, found.said) == (texts, classes, [], [])
