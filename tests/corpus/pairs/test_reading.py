"""Reading sentence pairs: every form, both sides together, line ends that are none, and what is wrong with a file."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zhixing.corpus.document import Dropped
from zhixing.corpus.pairs import Pair, read
from zhixing.errors import InputError, SettingError, UserError

EN = ["Hello, world.", "How are you?", "I like tea.\u2028Really.", "Good night."]
ZH = ["你好，世界。", "你好吗？", "我喜欢茶。\x0c真的。", "晚安。"]
PAIRS = list(zip(EN, ZH, strict=True))


def sides(names, languages=("en", "zh"), **columns) -> list[tuple[str, str]]:
    return [(p.source, p.target) for p in read([str(n) for n in names], languages, **columns) if isinstance(p, Pair)]


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_tables(tmp_path):
    body = "\n".join("\t".join(pair) for pair in PAIRS)
    assert sides([write(tmp_path / "a.tsv", body)]) == PAIRS
    assert sides([write(tmp_path / "b.tsv", body.replace("\n", "\r\n") + "\r\n")]) == PAIRS
    assert sides([write(tmp_path / "c.tsv", "zh\ten\n" + "\n".join(f"{b}\t{a}" for a, b in PAIRS))]) == PAIRS
    assert sides([write(tmp_path / "d.tsv", "id\tsrc\ttgt\n" + "\n".join(f"7\t{a}\t{b}" for a, b in PAIRS))]) == PAIRS
    for spelled in ("zh-CN\teng_Latn", "cmn\teng", "id\tzho_Hans\ten"):
        rows = "\n".join("\t".join([*["7"] * (spelled.count("\t") - 1), b, a]) for a, b in PAIRS)
        assert sides([write(tmp_path / "l.tsv", f"{spelled}\n{rows}")]) == PAIRS, spelled
    assert sides([write(tmp_path / "l.tsv", "zh\tzh_TW\ten\n" + "\n".join(f"{b}\tx\t{a}" for a, b in PAIRS))]) == PAIRS
    assert sides([write(tmp_path / "e.csv", '"a ""b"", c",你\n"d",好\n')]) == [('a "b", c', "你"), ("d", "好")]
    path = tmp_path / "f.tsv.gz"
    path.write_bytes(gzip.compress(body.encode("gb18030")))
    assert sides([path]) == PAIRS
    assert sides([write(tmp_path / "g.tsv", "\n".join(f"x\t{b}\t{a}" for a, b in PAIRS))], source_column=2, target_column=1) == PAIRS
    assert sides([write(tmp_path / "h.tsv", 'He said "no.\t他说“不。\n')]) == [('He said "no.', "他说“不。")], "TSV has no quotes"


def test_objects_and_parquet(tmp_path):
    for number, made in enumerate(
        (
            [{"source": a, "target": b} for a, b in PAIRS],
            [{"en": a, "zh": b} for a, b in PAIRS],
            [{"translation": {"zh": b, "en": a}} for a, b in PAIRS],
            [{"translation": {"zho_Hans": b, "eng_Latn": a}} for a, b in PAIRS],
        )
    ):
        assert sides([write(tmp_path / f"{number}.jsonl", "\n".join(map(json.dumps, made)))]) == PAIRS
    pq.write_table(pa.table({"zh": ZH, "n": [1, 2, 3, 4], "en": EN}), tmp_path / "a.parquet")
    assert sides([tmp_path / "a.parquet"]) == PAIRS


def test_aligned_files(tmp_path):
    write(tmp_path / "train.en", "\n".join(EN) + "\n")
    write(tmp_path / "train.zh", "\n".join(ZH), "utf-16")
    assert sides([tmp_path / "train"]) == PAIRS
    write(tmp_path / "a.txt", "\n".join(EN))
    write(tmp_path / "b.txt", "\n".join(ZH))
    assert sides([tmp_path / "a.txt"], targets=[str(tmp_path / "b.txt")]) == PAIRS


def test_a_lone_carriage_return_shifts_nothing(tmp_path):
    write(tmp_path / "x.en", "one\rstill one\ntwo\n")
    write(tmp_path / "x.zh", "一\n二\n")
    assert sides([tmp_path / "x"]) == [("one\rstill one", "一"), ("two", "二")]


def test_files_of_different_length_say_where_they_part(tmp_path):
    numbers = [n * 7919 % 1000 for n in range(200)]
    en = [f"The number of this line is {n}, " + "more or less " * (n % 5) for n in numbers]
    zh = [f"这一行的数字是{n}，" + "差不多" * (n % 5) for n in numbers]
    del zh[120]
    write(tmp_path / "x.en", "\n".join(en))
    write(tmp_path / "x.zh", "\n".join(zh))
    with pytest.raises(InputError, match=r"x\.en: has 200 lines, and .*x\.zh has 199; they seem to part at line (\d+)") as error:
        list(read([str(tmp_path / "x")], ("en", "zh")))
    assert abs(int(str(error.value).rpartition(" ")[2]) - 121) <= 6


def test_tmx(tmp_path):
    unit = '<tu><tuv xml:lang="EN-US"><seg>{}</seg></tuv><tuv xml:lang="zh-CN"><seg>{}<bpt i="1">\\b</bpt></seg></tuv></tu>'
    body = "".join(unit.format(a.replace("\x0c", ""), b.replace("\x0c", "")) for a, b in PAIRS)
    other = '<tu><tuv xml:lang="en"><seg>alone</seg></tuv><tuv xml:lang="fr"><seg>seul</seg></tuv></tu>'
    path = write(tmp_path / "a.tmx", f'<?xml version="1.0"?><tmx version="1.4"><header/><body>{body}{other}</body></tmx>')
    assert sides([path]) == [(a, b.replace("\x0c", "")) for a, b in PAIRS]
    [aside] = [item for item in read([str(path)], ("en", "zh")) if isinstance(item, Dropped)]
    assert aside.line == 5 and "no text in zh, only in en, fr" in aside.reason
    nllb = write(tmp_path / "n.tmx", path.read_text(encoding="utf-8").replace("EN-US", "eng_Latn").replace("zh-CN", "zho-Hans-CN"))
    assert sides([nllb]) == sides([path])
    assert sides([path], ("eng_Latn", "zho_Hans")) == sides([path])
    with pytest.raises(InputError, match=r"b\.tmx:1: is not valid XML"):
        sides([write(tmp_path / "b.tmx", "<tmx><body><tu>")])


def test_gettext(tmp_path):
    pytest.importorskip("babel", reason="needs the extra translate")
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    text = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n' + "".join(
        f'msgid "{a}"\nmsgstr "{b}"\n\n' for a, b in (("Open", "打开"), ("Save %s", "保存 %s"), ("Empty", ""))
    )
    text += '#, fuzzy\nmsgid "Maybe"\nmsgstr "也许"\n'
    po = write(tmp_path / "a.po", text)
    assert sides([po]) == [("Open", "打开"), ("Save %s", "保存 %s")]
    with open(po, "rb") as file, open(tmp_path / "a.mo", "wb") as out:
        write_mo(out, read_po(file))
    assert sides([tmp_path / "a.mo"]) == [("Open", "打开"), ("Save %s", "保存 %s")]


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("a.tsv", "", "holds no sentence pair"),
        ("a.tsv", "only one column\nagain\n", r"a\.tsv:1: has only 1 column, and a pair needs two"),
        ("a.jsonl", '{"en": "x", "fr": "y"}\n', r"a\.jsonl:1: has none of the fields zh, target"),
        ("a.jsonl", "[1]\n", r"holds no sentence pair; .*a\.jsonl:1: is a JSON list"),
        ("a.docx", "x", r"files of type \.docx hold no pairs"),
        ("a.parquet", "PAR1", "not a readable Parquet file"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, name, text, said):
    with pytest.raises(InputError, match=said):
        sides([write(tmp_path / name, text)])


def test_mistakes_in_what_is_asked_for(tmp_path):
    path = write(tmp_path / "a.tsv", "a\tb\n")
    for call, said in (
        (lambda: sides([tmp_path / "absent"]), "no such file, nor are there two files absent.en and absent.zh"),
        (lambda: sides([tmp_path]), "is a folder"),
        (lambda: sides([path], source_column="x"), r"a\.tsv:1: no column x"),
        (lambda: sides([path], source_column=1, target_column=1), "both column 1"),
        (lambda: sides([path], targets=["a", "b"]), "2 files of targets are given for 1"),
        (lambda: list(read([str(path)], ("English", "zh"))), "are codes such as en and zh"),
    ):
        with pytest.raises(UserError, match=said):
            call()
    with pytest.raises(SettingError):
        list(read([str(path)], ("", "zh")))


def test_what_is_no_pair_is_set_aside_with_its_line(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"en": "x", "zh": "某"}\nnot json\n{"en": 3, "zh": "三"}\n{"en": "y", "zh": null}\n')
    aside = [(d.line, d.reason) for d in read([str(path)], ("en", "zh")) if isinstance(d, Dropped)]
    assert [line for line, _ in aside] == [2, 3, 4]
    assert "int, not text" in aside[1][1] and "missing" in aside[2][1]
    path.with_suffix(".tsv").write_bytes("好\t好好的一天\n".encode() * 20 + b"bad\t\xff\xfe\n")
    [wrong] = [d for d in read([str(path.with_suffix(".tsv"))], ("en", "zh")) if isinstance(d, Dropped)]
    assert wrong.line == 21 and "not in the file's encoding" in wrong.reason
