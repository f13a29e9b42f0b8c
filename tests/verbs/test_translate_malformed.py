"""Over a hundred malformed pair files, settings and models: each gets one line, exit code 2, and leaves nothing behind."""

import gzip
import io
import json
import re
import zipfile

import pytest
import translators

import zhixing as zx
from zhixing import cli
from zhixing.errors import UserError

ROWS = [(f"number {n} of the list and {n * 7} more", f"清单的第{n}个，另外还有{n * 7}个") for n in range(130)]
GOOD = "".join(f"{a}\t{b}\n" for a, b in ROWS)
FEW = "".join(f"{a}\t{b}\n" for a, b in ROWS[:6])


def objects(rows) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def tagged(tag: str) -> str:
    return "source\ttarget\ttag\n" + "".join(f"{a}\t{b}\t{tag}\n" for a, b in ROWS)


def tmx(body: str) -> str:
    return f'<?xml version="1.0"?><tmx version="1.4"><header/><body>{body}</body></tmx>'


def packed() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.txt", "nothing of use")
    return made.getvalue()


FILES = {
    # name of the case: (file, content, words of the line)
    "empty": ("a.tsv", "", "holds no sentence pair"),
    "line-ends": ("a.tsv", "\n\n\n\n", "holds no sentence pair.*empty line"),
    "header-alone": ("a.tsv", "source\ttarget\n", "holds no sentence pair"),
    "one-column": ("a.tsv", "only one\n" * 130, "has only 1 column.*separated by tabs"),
    "spaces-for-tabs": ("a.tsv", GOOD.replace("\t", "    "), "separated by tabs"),
    "commas-for-tabs": ("a.tsv", GOOD.replace("\t", ","), "separated by tabs"),
    "no-source": ("a.tsv", "".join(f"\t{b}\n" for _, b in ROWS), "a side is blank"),
    "no-target": ("a.tsv", "".join(f"{a}\t\n" for a, _ in ROWS), "a side is blank"),
    "dots-for-targets": ("a.tsv", "".join(f"{a}\t……\n" for a, _ in ROWS), "a side is blank"),
    "swapped": ("a.tsv", "".join(f"{b}\t{a}\n" for a, b in ROWS), "source and target are swapped"),
    "untranslated": ("a.tsv", "".join(f"{a}\t{a}\n" for a, _ in ROWS), "both sides are the same text"),
    "russian": ("a.tsv", "".join(f"{a}\tэто предложение номер {n}\n" for n, (a, _) in enumerate(ROWS)), "not in the script"),
    "chinese-sources": ("a.tsv", "".join(f"{b}\t{b}了\n" for _, b in ROWS), "not in the script"),
    "lengths-apart": (
        "a.tsv",
        "".join(f"{a}\t{'好' * 300 if n % 2 else b}\n" for n, (a, b) in enumerate(ROWS)),
        "longer than its partner",
    ),
    "all-long": ("a.tsv", "".join(f"{a * 90}\t{b * 90}\n" for a, b in ROWS), "longer than pairs.max_characters"),
    "half-blank": ("a.tsv", "".join(f"{a}\t{b if n % 2 else ''}\n" for n, (a, b) in enumerate(ROWS)), "more than pairs.max_faulty = 0.3"),
    "too-few": ("a.tsv", FEW, "validation pairs; give more pairs, or --valid"),
    "one-pair-repeated": ("a.tsv", f"{ROWS[0][0]}\t{ROWS[0][1]}\n" * 200, "pair"),
    "no-bytes-of-text": ("a.tsv", bytes(range(128, 256)) * 40, ""),
    "zeros": ("a.tsv", b"\0" * 5000, ""),
    "pdf": ("a.tsv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + b"stream\n" * 30, ""),
    "gzip-cut": ("a.tsv.gz", gzip.compress(GOOD.encode() * 20)[:300], "a.tsv.gz"),
    "gzip-of-garbage": ("a.tsv.gz", b"\x1f\x8b" + b"garbage" * 30, "a.tsv.gz"),
    "not-gzip": ("a.tsv.gz", b"plain", "a.tsv.gz"),
    "unknown-type": ("a.docx", GOOD, "files of type .docx hold no pairs"),
    "archive": ("a.zip", packed(), "a.zip"),
    "csv-one-column": ("a.csv", "only one\n" * 130, "has only 1 column"),
    "csv-open-quote": ("a.csv", '"never closed,好\n' * 130, ""),
    "json-garbage": ("a.jsonl", "{not json}\n" * 130, "not a readable JSON object"),
    "json-arrays": ("a.jsonl", objects([[a, b] for a, b in ROWS]), "is a JSON list, not an object"),
    "json-numbers": ("a.jsonl", objects(range(130)), "is a JSON int"),
    "json-other-fields": ("a.jsonl", objects({"english": a, "chinese": b} for a, b in ROWS), "has none of the fields en, source"),
    "json-no-target": ("a.jsonl", objects({"en": a} for a, _ in ROWS), "has none of the fields zh"),
    "json-null": ("a.jsonl", objects({"en": a, "zh": None} for a, _ in ROWS), "its target is missing"),
    "json-nested": ("a.jsonl", objects({"en": a, "zh": [b]} for a, b in ROWS), "its target is list, not text"),
    "json-empty-objects": ("a.jsonl", "{}\n" * 130, "has none of the fields"),
    "json-deep": ("a.jsonl", "[" * 100_000 + "\n", "not a readable JSON object"),
    "json-cut": ("a.jsonl", '{"en": "a", "zh": "好\n', "not a readable JSON object"),
    "json-half-surrogates": ("a.jsonl", '{"en": "a \\ud800 b", "zh": "\\udc00"}\n' * 130, "half of a surrogate pair"),
    "parquet-garbage": ("a.parquet", b"PAR1garbagePAR1", "not a readable Parquet file"),
    "parquet-empty": ("a.parquet", b"", "not a readable Parquet file"),
    "tmx-garbage": ("a.tmx", "this is no XML", "is not valid XML"),
    "tmx-cut": ("a.tmx", tmx("<tu><tuv xml:lang='en'><seg>a</seg></tuv></tu>")[:-30], "is not valid XML"),
    "tmx-empty": ("a.tmx", tmx(""), "holds no sentence pair"),
    "tmx-other-languages": ("a.tmx", tmx("<tu><tuv xml:lang='fr'><seg>un</seg></tuv></tu>" * 5), "has no text in en, only in fr"),
    "tmx-no-segments": ("a.tmx", tmx("<tu><tuv xml:lang='en'/><tuv xml:lang='zh'/></tu>"), "has no text in en"),
    "po-garbage": ("a.po", 'msgid "a\nmsgstr b\n', "is not a readable PO file|holds no sentence pair"),
    "tmx-no-target": ("a.tmx", tmx("<tu><tuv xml:lang='en'><seg>only English</seg></tuv></tu>" * 130), "has no text in zh, only in en"),
    "po-fuzzy": ("a.po", "".join(f'#, fuzzy\nmsgid "{a}"\nmsgstr "{b}"\n\n' for a, b in ROWS), "is marked as fuzzy"),
    "csv-quotes-not-closed": (
        "a.csv",
        "source,target\n" + "".join(f"{chr(34) * (n % 3 == 0)}{a},{b}\n" for n, (a, b) in enumerate(ROWS)),
        "cannot be read",
    ),
    "workbook": ("a.xlsx", packed(), "files of type .xlsx hold no pairs"),
    "po-untranslated": ("a.po", 'msgid "a word"\nmsgstr ""\n', "is not translated"),
    "po-empty": ("a.po", "", "holds no sentence pair"),
    "mo-garbage": ("a.mo", b"\xde\x12\x04\x95" + b"\xff" * 40, "is not a readable MO file"),
    "mo-empty": ("a.mo", b"", "a.mo"),
}
COLUMNS = {
    # (content, arguments, words)
    "no-such-column": (GOOD, {"source_column": "english"}, "no column english"),
    "column-too-far": (GOOD, {"target_column": "7"}, "no column 7"),
    "negative-column": (GOOD, {"target_column": "-1"}, "no column -1"),
    "column-twice-by-name": ("en\tzh\n" + GOOD, {"source_column": "en", "target_column": "en"}, "both column 0; set --source-column"),
    "source-column-is-the-targets": ("en\tzh\n" + GOOD, {"source_column": "zh"}, "both column 1; set --source-column"),
    "no-language-of-iso": (tagged("xx"), {"target_language_column": "tag"}, "no code such as en or zh"),
    "column-twice": (GOOD, {"source_column": "1", "target_column": "1"}, "both column 1"),
    "no-domain-column": (tagged("law"), {"domain_column": "kind"}, "no column kind; its columns are source, target, tag"),
    "blank-domains": (tagged(" "), {"domain_column": "tag"}, "domain or language is blank"),
    "long-domains": (tagged("x" * 60), {"domain_column": "tag"}, "no name of at most 40 letters"),
    "domains-with-bars": (tagged("a|>b"), {"domain_column": "tag"}, "no name of at most 40 letters"),
    "no-language-codes": (tagged("Chinese!"), {"target_language_column": "tag"}, "no code such as en or zh"),
    "same-languages": (tagged("en"), {"target_language_column": "tag"}, "both its sides are in en"),
    "other-languages": (tagged("ja"), {"target_language_column": "tag", "settings": {"pairs.scripts": False}}, "no pair is from en to it"),
    "from-other-languages": (
        tagged("fr"),
        {"source_language_column": "tag"},
        "no pair is from en to it; set both languages to one of fr-zh",
    ),
}
SETTINGS = {
    "objective.context": (1, "32x"), "objective.smoothing": (1, -0.1), "objective.rdrop": (-1,), "vocabulary.alpha": (-0.5,),
    "vocabulary.dropout": (1, -0.2), "vocabulary.size": (10, 1 << 20), "vocabulary.kind": ("char",), "vocabulary.joint": ("perhaps",),
    "model.kind": ("llama", "transformer"), "model.width": (0, 33), "model.heads": (0, 5), "model.encoder_layers": (0,),
    "model.norm": ("middle",), "train.steps": (0, "many"), "train.batch": (0,), "train.accumulate": (64,), "train.precision": ("fp8",),
    "train.ema": (1,), "optim.kind": ("adam",), "optim.learning_rate": (0, "nan"), "schedule.kind": ("step",), "schedule.warmup": (99,),
    "decode.beams": (0,), "decode.ratio": (0,), "back.share": (0, 0.95), "back.ratio": (0,), "back.search": ("greedy",), "back.beams": (0,),
    "back.steps": (0,), "distil.share": (1,), "distil.beams": (0,), "pairs.max_ratio": (1,), "pairs.similarity": (2,),
    "pairs.max_faulty": (0,), "pairs.max_characters": (0,), "pairs.maxratio": (3,), "distill.beams": (2,), "vocabulary": (300,),
}  # fmt: skip
"""Values that each of these settings refuses."""
WISHES = {
    "no-file": ({"data": ["no.tsv"]}, "no such file"),
    "a-folder": ({"data": ["folder"]}, "is a folder"),
    "one-aligned-file": ({"data": ["lonely"]}, "nor are there two files"),
    "no-name": ({"data": [""]}, "is no name of a file of pairs"),
    "aligned-swapped": ({"data": ["a.zh"], "target": ["a.en"]}, "source and target are swapped"),
    "aligned-twice-the-same": ({"data": ["a.en"], "target": ["a.en"]}, "both sides are the same text"),
    "aligned-blank": ({"data": ["a.en"], "target": ["blank.zh"]}, "a side is blank"),
    "aligned-one-lacks": ({"data": ["a.en"], "target": ["lacks.zh"]}, "has 130 lines, and .*lacks.zh has 129; they seem to part at line"),
    "valid-without-targets": ({"valid": ["untranslated.tsv"]}, "untranslated.tsv: holds no pair with two sides"),
    "valid-of-one-column": ({"valid": ["a.en"]}, "files of type .en hold no pairs"),
    "languages-swapped": ({"source_language": "zh", "target_language": "en"}, "source and target are swapped"),
    "language-of-nobody": ({"target_language": "xx"}, "are codes such as en and zh"),
    "aligned-unequal": ({"data": ["a.en"], "target": ["short.zh"]}, "has 130 lines, and .*short.zh has 3"),
    "aligned-count": ({"data": ["a.en", "a.en"], "target": ["a.zh"]}, "1 files of targets are given for 2"),
    "aligned-no-target": ({"data": ["a.en"], "target": ["no.zh"]}, "no.zh"),
    "aligned-tags": ({"data": ["a.en"], "target": ["a.zh"], "domain_column": "2"}, "has no columns"),
    "no-valid": ({"valid": ["no.tsv"]}, "no such file"),
    "empty-valid": ({"valid": ["empty.txt"]}, "holds no sentence pair"),
    "valid-is-the-data": ({"valid": ["good.tsv"]}, "no pair is left"),
    "minutes-zero": ({"minutes": 0}, "must be a positive number"),
    "minutes-nan": ({"minutes": float("nan")}, "must be a positive number"),
    "minutes-infinite": ({"minutes": float("inf")}, "must be a positive number"),
    "minutes-and-steps": ({"minutes": 1, "settings": {"train.steps": 3}}, "both say how long"),
    "same-language": ({"source_language": "zh"}, "the language to translate from"),
    "language-by-name": ({"target_language": "Chinese"}, "are codes such as en and zh"),
    "language-empty": ({"source_language": ""}, "are codes such as en and zh"),
    "device": ({"device": "tpu"}, "device"),
    "no-config": ({"config": "no.toml"}, "no.toml"),
    "bad-config": ({"config": "good.tsv"}, "is not valid TOML"),
    "word-without-value": ({"settings": ["train.steps"]}, "written dotted.key=value"),
    "alpha-of-bpe": ({"settings": {"vocabulary.alpha": 0.2}}, "varies what unigram tokenizers do"),
    "dropout-of-unigram": ({"settings": {"vocabulary.dropout": 0.2, "vocabulary.kind": "unigram"}}, "varies what bpe tokenizers do"),
    "more-tokens-than-text": ({"settings": {"vocabulary.size": 9000}}, "at most"),
    "nothing-fits": ({"settings": {"objective.context": 2}}, "see objective.context"),
    "rdrop-without-dropout": ({"settings": {"objective.rdrop": 1, "model.dropout": 0}}, "compares two passes"),
    "no-time-left": ({"settings": {"back.share": 0.6, "distil.share": 0.4}}, "leave no time to train"),
    "size": ({"size": "huge"}, "sizes are tiny, small, medium, large"),
    "size-of-rnn": ({"size": "small", "settings": {"model.kind": "rnn"}}, "names shapes of Transformers"),
    "size-and-base": ({"size": "small", "base": "marian"}, "cannot be set together with a base"),
    "no-base": ({"base": "no-such"}, "no-such"),
    "base-is-a-file": ({"base": "good.tsv"}, "good.tsv"),
    "base-is-empty": ({"base": "folder"}, "folder"),
    "base-of-another-family": ({"base": "t5"}, "is a model of type 't5'"),
    "base-is-an-encoder": ({"base": "bert"}, "bert"),
    "base-without-weights": ({"base": "marian"}, "marian"),
    "base-damaged": ({"base": "broken"}, "broken"),
    "base-and-shape": ({"base": "marian", "settings": {"model.width": 64}}, r"model\.width.*--base"),
    "base-and-vocabulary": ({"base": "marian", "settings": {"vocabulary.size": 400}}, r"vocabulary\.size.*--base"),
    "two-bases": ({"base": "marian", "base_encoder": "marian"}, "is a whole model"),
    "no-base-encoder": ({"base_encoder": "no-such"}, "no-such"),
    "no-base-decoder": ({"base_decoder": "folder"}, "folder"),
    "no-teacher": ({"teacher": "no-such"}, "no-such"),
    "teacher-is-none": ({"teacher": "marian"}, "marian"),
    "reverse-alone": ({"reverse": "folder"}, "makes sources for --monolingual"),
    "no-reverse": ({"reverse": "no-such", "monolingual": ["a.zh"]}, "no-such"),
    "no-monolingual": ({"monolingual": ["no.txt"]}, "no such file"),
    "empty-monolingual": ({"monolingual": ["empty.txt"]}, "holds no sentence of use"),
    "english-monolingual": ({"monolingual": ["a.en"]}, "130 script"),
    "monolingual-and-languages": ({"monolingual": ["a.zh"], "target_language_column": "2"}, "works with one pair of languages"),
    "out-is-a-file": ({"out": "good.tsv"}, "good.tsv"),
    "out-is-taken": ({"out": "marian"}, "exists already"),
    "out-in-a-file": ({"out": "good.tsv/run"}, "good.tsv"),
}
PLACES = ("out", "base", "base_encoder", "base_decoder", "teacher", "reverse", "config")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("malformed")
    (place / "good.tsv").write_text(GOOD, encoding="utf-8")
    (place / "a.en").write_text("".join(a + "\n" for a, _ in ROWS), encoding="utf-8")
    (place / "a.zh").write_text("".join(b + "\n" for _, b in ROWS), encoding="utf-8")
    (place / "short.zh").write_text("".join(b + "\n" for _, b in ROWS[:3]), encoding="utf-8")
    (place / "lacks.zh").write_text("".join(b + "\n" for n, (_, b) in enumerate(ROWS) if n != 60), encoding="utf-8")
    (place / "blank.zh").write_text("\n" * len(ROWS), encoding="utf-8")
    (place / "untranslated.tsv").write_text("".join(f"{a}\t\n" for a, _ in ROWS), encoding="utf-8")
    (place / "lonely.en").write_text("alone\n", encoding="utf-8")
    (place / "empty.txt").write_text("", encoding="utf-8")
    for name, config in (("t5", {"model_type": "t5"}), ("bert", {"model_type": "bert"}), ("marian", {"model_type": "marian"})):
        (place / name).mkdir()
        (place / name / "config.json").write_text(json.dumps(config))
    (place / "folder").mkdir()
    (place / "broken").mkdir()
    (place / "broken/config.json").write_text("{")
    return place


def refused(place, said, **how):
    """The one line of an error; everything in the folder is as it was."""
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}
    if "minutes" not in how and not isinstance(settings := how.get("settings", {}), list):
        how = {**how, "settings": {"train.steps": 1, **settings}}  # what is taken for good ends soon
    with pytest.raises(UserError, match=f"(?s){said}") as caught:
        zx.finetune.translate(**{"data": [str(place / "good.tsv")], "out": place / "run", **how})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700 and caught.value.exit_code == 2
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()} == before
    assert not (place / "run").exists()


@pytest.mark.parametrize("case", FILES)
def test_files(tmp_path, case):
    name, content, said = FILES[case]
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    refused(tmp_path, said, data=[str(tmp_path / name)])


@pytest.mark.parametrize("case", COLUMNS)
def test_columns(tmp_path, case):
    content, how, said = COLUMNS[case]
    (tmp_path / "a.tsv").write_text(content, encoding="utf-8")
    refused(tmp_path, said, data=[str(tmp_path / "a.tsv")], **how)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in SETTINGS.items() for value in values])
def test_settings(place, name, value):
    refused(place, f"^setting {name.replace('.', '[.]').split('[.]')[0]}|^settings: ", settings={name: value})


@pytest.mark.parametrize("case", WISHES)
def test_wishes(place, case):
    how, said = WISHES[case]
    placed = {name: place / value if name in PLACES else value for name, value in how.items()}
    for name in ("data", "target", "valid", "monolingual"):
        if name in placed:
            placed[name] = [str(place / value) if value else "" for value in placed[name]]
    refused(place, said, **placed)


@pytest.fixture(scope="module")
def finished(place):
    """A translator that has learnt nothing, and tables and texts to give it."""
    translators.write(place / "finished", steps=1)
    for name, text in (
        ("in.txt", "one two\n"), ("empty-side.tsv", "red cat\t\n"), ("no-term.tsv", "\t红猫\n"), ("three.tsv", "red\tcat\t红猫\n"),
        ("equals.tsv", "red cat=红猫\n"), ("two.tsv", "red cat\t红猫\nred cat\t小红猫\n"), ("header.tsv", "source\ttarget\n"),
    ):  # fmt: skip
        (place / name).write_text(text, encoding="utf-8")
    return place


USES = {
    # name of the case: (words of the command line, words of the line)
    "glossary-empty-side": (["translate", "finished", "--text", "red", "--glossary", "empty-side.tsv"], "empty-side.tsv:1: is not a term"),
    "glossary-no-term": (["translate", "finished", "--text", "red", "--glossary", "no-term.tsv"], "no-term.tsv:1: is not a term"),
    "glossary-three-columns": (["translate", "finished", "--text", "red", "--glossary", "three.tsv"], "three.tsv:1: is not a term"),
    "glossary-no-tab": (["translate", "finished", "--text", "red", "--glossary", "equals.tsv"], "equals.tsv:1: is not a term"),
    "glossary-contradicts": (["translate", "finished", "--text", "red", "--glossary", "two.tsv"], "two.tsv:2: gives 'red cat' another"),
    "glossary-empty": (["translate", "finished", "--text", "red", "--glossary", "empty.txt"], "empty.txt: holds no terms"),
    "glossary-folder": (["translate", "finished", "--text", "red", "--glossary", "folder"], "folder: is a folder"),
    "to-nobody": (["translate", "finished", "--text", "red", "--to", "xx"], "= xx is no language that was trained; zh is"),
    "domain-nobody": (["translate", "finished", "--text", "red", "--domain", "law"], "= law is no domain that was trained"),
    "in-is-out": (["translate", "finished", "--in", "in.txt", "--out", "in.txt"], "in.txt exists already"),
    "in-is-a-folder": (["translate", "finished", "--in", "folder", "--out", "o.txt"], "folder: is a folder"),
    "out-without-in": (["translate", "finished", "--text", "red", "--out", "o.txt"], "setting out: goes with --in"),
    "weights-for-run": (["translate", "finished/model.safetensors", "--text", "red"], "no such run folder"),
    "test-empty": (["evaluate", "finished", "--data", "empty.txt"], "empty.txt: holds no sentence pair"),
    "test-of-a-header": (["evaluate", "finished", "--data", "header.tsv"], "header.tsv: holds no sentence pair"),
    "test-without-references": (["evaluate", "finished", "--data", "untranslated.tsv"], "holds no pair with two sides"),
    "test-of-one-column": (["evaluate", "finished", "--data", "in.txt"], "has only 1 column"),
    "test-nobody": (["evaluate", "finished", "--data", "good.tsv", "--to", "xx"], "= xx is no language"),
    "no-test": (["evaluate", "finished"], "name the pairs to evaluate it on"),
    "compared-on-no-pairs": (["compare", "finished", "finished", "--data", "in.txt"], "in.txt"),
    "compared-with-nothing": (["compare", "finished", "nowhere", "--data", "good.tsv"], "nowhere"),
    "made-to-generate": (["generate", "finished", "--prompt", "red"], "is a translator"),
    "made-to-predict": (["predict", "finished", "--in", "in.txt", "--out", "o.txt"], "is no classification run"),
    "export-to-gguf": (["export", "finished", "--to", "gguf", "--out", "o"], "is one of hf, onnx, ctranslate2"),
    "references-blank": (["score", "--hyp", "a.zh", "--ref", "blank.zh"], "blank.zh:1: is blank"),
    "references-fewer": (["score", "--hyp", "a.zh", "--ref", "lacks.zh"], "a.zh: has 130 lines, and lacks.zh has 129"),
    "lang-of-nobody": (["score", "--hyp", "a.en", "--ref", "a.zh", "--lang", "xx"], "lang: = xx is the code of no language"),
    "lang-by-name": (["score", "--hyp", "a.en", "--ref", "a.zh", "--lang", "Chinese"], "lang: = Chinese is the code of no language"),
    "references-are-a-table": (["score", "--hyp", "a.zh", "--ref", "good.tsv"], "good.tsv:1: holds a tab"),
    "score-of-a-folder": (["score", "--hyp", "folder", "--ref", "a.zh"], "folder: cannot be read"),
}


@pytest.mark.parametrize("case", USES)
def test_uses(finished, case, monkeypatch, capsys):
    words, said = USES[case]
    monkeypatch.chdir(finished)
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit) as caught:
        cli.main([*words, "--json"])
    seen = capsys.readouterr()
    lines = [line for line in seen.err.splitlines() if not line.startswith("warning: ")]
    assert (caught.value.code, seen.out, len(lines)) == (2, "", 1), seen.err
    assert lines[0].startswith("zhixing: error: ") and re.search(said, lines[0]), lines[0]
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()} == before


def test_there_are_more_than_a_hundred():
    assert len(FILES) + len(COLUMNS) + sum(map(len, SETTINGS.values())) + len(WISHES) + len(USES) > 200
