"""Labelled data files that cannot be used, each with what has to be said of it: (bytes, the line that is named or None, words of it).

Twenty good rows make one bad row too many to be set aside (five in a hundred, where one in a hundred may be).
"""

import bz2
import csv
import gzip
import io
import json
import lzma
import pickle
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

Case = tuple[bytes, int | None, str]
GOOD = [(f"this film is {word} in {n} ways", label) for n in range(10) for word, label in (("good", "pos"), ("bad", "neg"))]
CHINESE = [(f"这部电影的第{n}集{word}", label) for n in range(10) for word, label in (("很好看", "pos"), ("很难看", "neg"))]
PLACES = {"first": 0, "middle": 10, "last": 20}


def tsv(rows, header=None):
    return "".join("\t".join(map(str, row)) + "\n" for row in ([header] if header else []) + list(rows)).encode()


def comma(rows, header=("text", "label"), **options):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", **options).writerows(([header] if header else []) + list(rows))
    return out.getvalue().encode()


def jsonl(rows):
    return "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows).encode()


def objects(rows=GOOD, text="text", label="label"):
    return [{text: a, label: b} for a, b in rows]


def parquet(columns):
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def put(rows, place, row):
    return [*rows[: PLACES[place]], row, *rows[PLACES[place] :]]


CELLS = {
    "no-text": ("", "pos", "its text is empty"),
    "spaces": ("   ", "pos", "its text is empty"),
    "no-break-spaces": ("\u00a0\u3000", "pos", "its text is empty"),
    "zero-width": ("\u200b\ufeff\u200b", "pos", "its text is empty"),
    "no-label": ("a film", "", "its label is empty"),
    "blank-label": ("a film", "  ", "its label is empty"),
    "nan-text": ("NaN", "pos", "its text is missing (null or NaN)"),
    "nan-label": ("a film", "nan", "its label is missing"),
}
VALUES = {
    "number-text": (7, "pos", "its text is a number, not a string"),
    "fraction-text": (7.5, "pos", "its text is a number, not a string"),
    "truth-text": (True, "pos", "its text is a truth value, not a string"),
    "list-text": (["a"], "pos", "its text is a list, not a string"),
    "object-text": ({"a": 1}, "pos", "its text is an object, not a string"),
    "null-text": (None, "pos", "its text is missing"),
    "nan-text": (float("nan"), "pos", "its text is"),
    "null-label": ("a film", None, "its label is missing"),
    "nan-label": ("a film", float("nan"), "its label is missing"),
    "object-label": ("a film", {"a": 1}, "its label is an object"),
    "list-label": ("a film", ["pos"], "data.kind=multi"),
    "empty-text": ("", "pos", "its text is empty"),
    "empty-label": ("a film", "", "its label is empty"),
}
LINES = {
    "open": '{"text": "a", "label": "pos"',
    "single-quotes": "{'text': 'a', 'label': 'pos'}",
    "trailing-comma": '{"text": "a", "label": "pos",}',
    "two": '{"text": "a", "label": "pos"} {"text": "b", "label": "neg"}',
    "bare": "text: a, label: pos",
    "open-string": '{"text": "a',
    "deep": "[" * 5000,
}
NO_OBJECTS = {"list": "[1, 2]", "string": '"a film"', "number": "17", "null": "null", "truth": "true"}
BINARY = {
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
    "picture.jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 4,
    "paper.pdf": b"%PDF-1.7\n" + bytes(range(256)) * 4,
    "program.bin": b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 4,
    "numbers.npy": b"\x93NUMPY\x01\x00" + np.arange(500).tobytes(),
    "table.pkl": pickle.dumps(GOOD) * 3 + bytes(range(256)) * 4,
    "base.sqlite": b"SQLite format 3\x00" + bytes(range(256)) * 4,
    "noise.tsv": np.random.default_rng(0).bytes(4000),
    "noise.csv": np.random.default_rng(1).bytes(4000),
    "noise.jsonl": np.random.default_rng(2).bytes(4000),
    "noise.json": np.random.default_rng(3).bytes(4000),
    "noise.txt": np.random.default_rng(4).bytes(4000),
    "zeros.tsv": bytes(4000),
}


def _zip(name):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x" * 500)
    return out.getvalue()


def cases() -> dict[str, Case]:
    """By file name."""
    found: dict[str, Case] = {}
    for place, number in PLACES.items():
        for name, (text, label, says) in CELLS.items():
            found[f"{name}-{place}.tsv"] = tsv(put(GOOD, place, (text, label)), ("text", "label")), number + 2, says
            found[f"{name}-{place}.csv"] = comma(put(GOOD, place, (text, label))), number + 2, says
        for name, line in LINES.items():
            found[f"{name}-{place}.jsonl"] = jsonl(put(objects(), place, line)), number + 1, "is not valid JSON"
        for name, line in NO_OBJECTS.items():
            found[f"{name}-{place}.jsonl"] = jsonl(put(objects(), place, line)), number + 1, "is not a JSON object but"
    for name, (text, label, says) in VALUES.items():
        found[f"value-{name}.jsonl"] = jsonl(put(objects(), "middle", {"text": text, "label": label})), 11, says
        found[f"value-{name}.json"] = json.dumps(put(objects(), "last", {"text": text, "label": label})).encode(), 21, says
    for name, content in BINARY.items():
        found[name] = content, None, "is binary, not text"
    found |= _structure() | _encodings() | _packed() | _meaning()
    return found


def _structure() -> dict[str, Case]:
    wide = [(*row, "x") for row in GOOD]
    table = {"text": [a for a, _ in GOOD], "label": [b for _, b in GOOD]}
    return {
        "empty.tsv": (b"", None, "is empty"),
        "empty.csv": (b"", None, "is empty"),
        "empty.jsonl": (b"", None, "is empty"),
        "empty.json": (b"", 1, "is not valid JSON"),
        "empty.txt": (b"", None, "is empty"),
        "empty.parquet": (b"", None, "is not a readable Parquet file"),
        "blank-lines.tsv": (b"\n \n\n\t\n", 2, "has only one column"),
        "only-header.tsv": (b"text\tlabel\n", None, "holds no rows"),
        "only-header.csv": (b"text,label\n", None, "holds no rows"),
        "one-column.tsv": (tsv([(a,) for a, _ in GOOD]), 1, "only one column"),
        "one-column.csv": (comma([(a,) for a, _ in GOOD], ("text",)), 1, "has only one column"),
        "more-cells.tsv": (tsv(put(GOOD, "middle", ("a", "b", "c"))), 11, "has 3 cells, and the others have 2"),
        "fewer-cells.tsv": (tsv(put(GOOD, "middle", ("alone",))), 11, "has 1 cells, and the others have 2"),
        "more-cells.csv": (comma(put(GOOD, "last", ("a", "b", "c"))), 22, "has 3 cells, and the others have 2"),
        "fewer-cells.csv": (comma(put(GOOD, "last", ("alone",))), 22, "has 1 cells, and the others have 2"),
        "bare-comma.csv": (b"text,label\n" + b"good, very good,pos\n" + b"bad,neg\n" * 9, 2, "quote a text"),
        "twin-labels.csv": (comma(wide, ("text", "label", "label")), 1, "2 columns named label"),
        "twin-texts.csv": (comma(wide, ("text", "text", "label")), 1, "2 columns named text"),
        "strange-names.jsonl": (jsonl([{"a": a, "b": b, "c": 1} for a, b in GOOD]), 1, "--text-column"),
        "no-label-name.jsonl": (jsonl([{"text": a} for a, _ in GOOD]), 1, "has no column left for the label"),
        "no-text-name.jsonl": (jsonl([{"label": b} for _, b in GOOD]), 1, "has no column left for the text"),
        "label-goes.jsonl": (jsonl(put(objects(), "middle", {"text": "a"})), 11, "its label is missing"),
        "text-goes.jsonl": (jsonl(put(objects(), "middle", {"label": "pos"})), 11, "its text is missing"),
        "open-quote.csv": (b'text,label\n"never closed,pos\n' + comma(GOOD, None), 2, "a quote is opened and never closed"),
        "open-quote-last.csv": (comma(GOOD) + b'"never closed,pos\n', 22, "a quote is opened and never closed"),
        "open-quote.tsv": (b'"never closed\tpos\n' + b'fine\t"neg\n', None, "too few different texts"),
        "object.json": (b'{"text": "a", "label": "pos"}', None, "at least two classes"),
        "number.json": (b"17", None, "holds no list of objects but a number"),
        "string.json": (b'"a film"', None, "holds no list of objects but a text"),
        "null.json": (b"null", None, "holds no list of objects but null"),
        "two-lists.json": (json.dumps({"train": objects(), "test": objects()}).encode(), 1, "its text is a list, not a string"),
        "cut.json": (json.dumps(objects(), indent=1).encode()[:-20], 80, "is not valid JSON"),
        "deep.json": (b"[" * 100_000, None, "is nested too deeply"),
        "empty-list.json": (b"[]", None, "is empty"),
        "lists.json": (json.dumps([list(row) for row in GOOD]).encode(), 1, "is not a JSON object but a list"),
        "plain.txt": ("".join(a + "\n" for a, _ in GOOD).encode(), 1, "has neither a tab nor __label__"),
        "marks.txt": (b"__label__pos\n__label__neg\n", 1, "its text is empty"),
        "page.html": (b"<html><body>x</body></html>", None, "holds html"),
        "fake.parquet": (b"PAR1" + b"nothing of the kind" * 9 + b"PAR1", None, "is not a readable Parquet file"),
        "text.parquet": (tsv(GOOD), None, "is not a readable Parquet file"),
        "cut.parquet": (parquet(table)[:-60], None, "is not a readable Parquet file"),
        "one-column.parquet": (parquet({"text": table["text"]}), 1, "has no column left for the label"),
        "numbers.parquet": (parquet({"text": list(range(20)), "label": table["label"]}), 1, "its text is a number, not a string"),
        "nulls.parquet": (parquet({**table, "text": [None, *table["text"][1:]]}), 1, "its text is missing"),
        "null-labels.parquet": (parquet({**table, "label": [*table["label"][:-1], None]}), 20, "its label is missing"),
        "no-rows.parquet": (parquet({"text": pa.array([], pa.string()), "label": pa.array([], pa.string())}), None, "is empty"),
    }


def _encodings() -> dict[str, Case]:
    chinese = tsv(CHINESE)
    gb = chinese.decode().encode("gb18030")
    return {
        "utf8-then-gb.tsv": (chinese + gb, 21, "mixes encodings"),
        "gb-then-utf8.tsv": (gb + chinese, 21, "mixes encodings"),
        "utf8-then-big5.tsv": (chinese + "這部電影很好看\tpos\n".encode("big5") * 20, 21, "mixes encodings"),
        "utf8-then-latin.tsv": (chinese + "café très bien\tpos\n".encode("latin-1") * 20, 21, "mixes encodings"),
        "nul.tsv": (tsv(put(GOOD, "middle", ("a\0film", "pos"))), 11, "NUL"),
        "nul.csv": (comma(GOOD) + b"a\0film,pos\n", 22, "NUL"),
        "nul.jsonl": (jsonl(put(objects(), "middle", '{"text": "a\0b", "label": "pos"}')), 11, "NUL"),
    }


def _packed() -> dict[str, Case]:
    whole = tsv(GOOD * 40)
    packers = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard.ZstdCompressor().compress}
    found: dict[str, Case] = {}
    for suffix, pack in packers.items():
        packed = pack(whole)
        found[f"cut.tsv.{suffix}"] = packed[: len(packed) // 2], None, "its compressed data is damaged"
        found[f"not-packed.tsv.{suffix}"] = whole, None, "its compressed data is damaged"
        found[f"header-only.tsv.{suffix}"] = packed[:6], None, "its compressed data is damaged"
        found[f"one-class.tsv.{suffix}"] = pack(tsv([(a, "pos") for a, _ in GOOD])), None, "at least two classes"
    found["archive.zip"] = _zip("a.tsv"), None, "holds"
    found["table.xlsx"] = _zip("xl/workbook.xml"), None, "holds"
    found["letter.docx"] = _zip("word/document.xml"), None, "holds"
    return found


def _meaning() -> dict[str, Case]:
    return {
        "one-class.tsv": (tsv([(a, "pos") for a, _ in GOOD]), None, "at least two classes"),
        "one-class.csv": (comma([(a, "pos") for a, _ in GOOD]), None, "at least two classes"),
        "one-class.jsonl": (jsonl(objects([(a, "pos") for a, _ in GOOD])), None, "at least two classes"),
        "one-row.tsv": (tsv(GOOD[:1]), None, "at least two classes"),
        "one-text-each.tsv": (tsv(GOOD[:2]), None, "too few different texts"),
        "one-text-twice.tsv": (tsv([("the same", "pos"), ("other", "neg")] * 10), None, "too few different texts"),
        "all-different.tsv": (tsv([(a, f"label {n}") for n, (a, _) in enumerate(GOOD * 3)]), None, "look like no classes"),
        "no-labels.jsonl": (jsonl([{"text": a, "labels": []} for a, _ in GOOD]), None, "no text has a label"),
    }
