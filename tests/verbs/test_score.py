"""The verb `score`: figures of plain files, comparisons, and more than sixty files that do not do."""

import json
import math

import pytest
import sacrebleu

from zhixing import cli
from zhixing.errors import ArtifactError, InputError, SettingError, UserError
from zhixing.evaluate.outputs import first_shift, read_lines
from zhixing.files import new_folder
from zhixing.verbs.score import score

ZH = ["今天天气很好，我们去公园玩。", "他昨天买了3本书。", "这家公司成立于1998年。", "请把门关上。", "我不知道他在哪里。"] * 5
EN = ["Fine weather, off to the park.", "He bought 3 books.", "The company was founded in 1998.", "Close the door.", "Where is he?"] * 5
ANSWERS = {f"q{i}": text for i, text in enumerate(["the cat", "1998", "a dog", "Rome"])}
QUESTIONS = [{"id": name, "question": f"question {name}", "answers": [{"text": text}]} for name, text in ANSWERS.items()]
SQUAD = {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": "c", "qas": QUESTIONS}]}]}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("ref.zh", *ZH)
    write("a.zh", *(line.replace("公园", "花园").replace("昨天", "昨日") for line in ZH))
    write("b.zh", *(line[: len(line) // 2] for line in ZH))
    write("src.en", *EN)
    write("gold.txt", *["pos", "neg", "pos", "neu"] * 10)
    write("pred.txt", *["pos", "neg", "neg", "neu"] * 10)
    (tmp_path / "gold.json").write_text(json.dumps(SQUAD), encoding="utf-8")
    (tmp_path / "pred.json").write_text(json.dumps({"q0": "cat", "q1": "in 1998", "q2": "dog", "q3": "Paris"}), encoding="utf-8")
    return tmp_path


def write(name, *lines, end="\n"):
    with open(name, "w", encoding="utf-8", newline="") as file:
        file.write("".join(line + end for line in lines))


def test_a_folder_that_zhixing_wrote_is_not_written_into(place):
    with new_folder(place / "run", "run"):
        pass
    with pytest.raises(ArtifactError, match=r"run: is a folder that zhixing wrote"):
        score(hyp="absent.zh", ref="ref.zh", lang="zh", out="run")
    assert [p.name for p in (place / "run").iterdir()] == ["manifest.json"]


def test_translations(place, capsys):
    result = score(hyp="a.zh", ref="ref.zh", source="src.en", lang="zh", out=place / "out")
    assert set(result.metrics) == {"bleu", "chrf", "ter", "meteor", "number_match", "length_ratio"}
    expected = sacrebleu.corpus_bleu(read_lines("a.zh"), [ZH], tokenize="zh").score
    assert result.metrics["bleu"].value == pytest.approx(expected)
    assert result.metrics["bleu"].signature.startswith("BLEU|nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:")
    assert result.metrics["meteor"].signature.startswith("METEOR-1.5|lang:other|tok:zh|a:.75|b:1.4|g:.7|")
    assert result.metrics["number_match"].value == 1
    for m in result.metrics.values():
        assert m.low <= m.value <= m.high
    assert (result.examples, result.language, result.blank_hypotheses) == (25, "zh", 0)
    report = json.loads((place / "out/report.json").read_text(encoding="utf-8"))
    assert report["metrics"] == result.model_dump()["metrics"]
    examples = [json.loads(line) for line in (place / "out/examples.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [e["references"][0] for e in examples] == ZH
    assert examples[3]["scores"][0]["chrf"] == 100
    page = (place / "out/report.html").read_text(encoding="utf-8")
    assert "最差的例子" in page
    assert "我们去花园玩" in page
    assert page.index("他昨日买了3本书。") < page.index("请把门关上。")  # the worse one first
    assert capsys.readouterr().err == ""


def test_the_command_line_prints_one_object(place, capsys):
    assert cli.run(["score", "--hyp", "a.zh", "--ref", "ref.zh", "--metric", "chrf", "--metric", "bleu", "--json"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 1
    found = json.loads(out)["metrics"]
    assert set(found) == {"bleu", "chrf"}
    assert set(found["bleu"]) == {"value", "low", "high", "signature"}
    assert cli.run(["score", "--hyp", "a.zh", "--ref", "ref.zh", "--ref", "b.zh", "--lang", "zh", "--metric", "bleu"]) == 0
    assert "nrefs:2" in capsys.readouterr().out


def test_what_does_not_exist_is_not_in_the_json(place, capsys):
    """Correlation with numbers that are all alike, and recall of a class that no text has."""
    write("same", *["1"] * 4)
    for words in (["--hyp", "same", "--ref", "same"], ["--hyp", "same", "--hyp", "same", "--ref", "same"]):
        assert cli.run(["score", "--task", "regress", *words, "--out", "out", "--json"]) == 0
        found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
        assert set(found["metrics"]) == {"mse", "mae"}
    write("odd", *["pos", "x"] * 20)
    assert cli.run(["score", "--task", "classify", "--metric", "per_class", "--hyp", "odd", "--ref", "gold.txt", "--json"]) == 0
    seen = capsys.readouterr()
    found = json.loads(seen.out, parse_constant=pytest.fail)
    assert "precision[x]" in found["metrics"]
    assert "recall[x]" not in found["metrics"]
    assert "precision[neg], precision[neu], recall[x] do not exist on these examples" in seen.err


@pytest.mark.parametrize("test", ["bootstrap", "permutation"])
def test_two_systems(place, test):
    result = score(hyp=["a.zh", "b.zh"], ref=["ref.zh"], metric=["chrf", "ter", "length_ratio"], test=test, out=place / "out")
    assert result.metrics["chrf"].difference < 0 < result.metrics["ter"].difference
    assert result.metrics["chrf"].p < 0.05
    assert result.verdict == "A is better by chrf, ter"
    back = score(hyp=["b.zh", "a.zh"], ref=["ref.zh"], metric=["chrf", "ter"], test=test)
    assert back.verdict == "B is better by chrf, ter"
    same = score(hyp=["a.zh", "a.zh"], ref=["ref.zh"], metric=["bleu", "chrf", "meteor"], test=test)
    assert all((m.difference, m.low, m.high, m.p) == (0, 0, 0, 1) for m in same.metrics.values())
    assert same.verdict == "no significant difference: take the cheaper one"
    assert "A 更好，依据：chrf、ter" in (place / "out/report.html").read_text(encoding="utf-8")
    write("few.zh", *ZH[:4])
    few = score(hyp=["few.zh", "few.zh"], ref="few.zh", metric=["bleu"], test=test, out=place / "few")
    assert few.verdict.endswith(" (only 4 examples: take it with caution)")
    assert "选成本更低的（仅 4 例，结论须谨慎看待）。" in (place / "few/report.html").read_text(encoding="utf-8")
    assert next(result.lines()) == "A = a.zh, B = b.zh against ref.zh: 25 examples, language zh"


def test_labels(place, capsys):
    result = score(hyp="pred.txt", ref="gold.txt", task="classify", out=place / "out")
    assert result.metrics["accuracy"].value == 0.75
    assert result.metrics["f1_macro"].value == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert {"precision_macro", "recall_macro", "f1_micro", "f1_weighted", "mcc"} < set(result.metrics)
    report = json.loads((place / "out/report.json").read_text(encoding="utf-8"))
    assert report["labels"] == ["neg", "neu", "pos"]
    assert report["confusion"] == [[[10, 0, 0], [0, 10, 0], [10, 0, 10]]]
    assert "混淆矩阵" in (place / "out/report.html").read_text(encoding="utf-8")
    assert set(score(hyp="pred.txt", ref="gold.txt", task="classify", metric=["per_class", "precision_weighted"]).metrics) == {
        "precision_weighted", *(f"{q}[{c}]" for q in ("precision", "recall", "f1") for c in ("neg", "neu", "pos")),
    }  # fmt: skip
    compared = score(hyp=["pred.txt", "gold.txt"], ref="gold.txt", task="classify", test="mcnemar")
    assert set(compared.metrics) == {"accuracy"}
    assert compared.metrics["accuracy"].p == pytest.approx(2 * 0.5**10)
    write("odd.txt", *["pos", "neg", "postive", "neu"] * 10)
    capsys.readouterr()
    score(hyp="odd.txt", ref="gold.txt", task="classify")
    assert "labels that no text of gold.txt has: postive (10)" in capsys.readouterr().err


def test_probabilities(place):
    sure = [("pos", 0.9), ("neg", 0.8), ("neg", 0.6), ("neu", 0.7)] * 10
    names = ["neg", "neu", "pos"]
    records = [{"label": one, "probabilities": {n: p if n == one else (1 - p) / 2 for n in names}} for one, p in sure]
    write("pred.jsonl", *map(json.dumps, records))
    result = score(hyp="pred.jsonl", ref="gold.txt", task="classify", out=place / "out")
    assert {"log_loss", "brier", "ece", "roc_auc", "pr_auc"} < set(result.metrics)
    assert result.metrics["log_loss"].value == pytest.approx(-(math.log(0.9) + math.log(0.8) + math.log(0.2) + math.log(0.7)) / 4)
    assert result.metrics["ece"].value == pytest.approx((0.1 + 0.2 + 0.6 + 0.3) / 4)
    assert "<svg" in (place / "out/report.html").read_text(encoding="utf-8")


def test_sets_of_labels_and_numbers(place):
    write("g", "a\tb", "", "c", "a")
    write("p", "b\ta", "", "c\ta", "a")
    result = score(hyp="p", ref="g", task="multilabel")
    assert result.metrics["subset_accuracy"].value == 0.75
    assert result.metrics["f1_micro"].value == pytest.approx(8 / 9)
    write("g", "1", "2", "3.5", "-4e0")
    write("p", "1", "2.5", "3.5", "-4")
    result = score(hyp="p", ref="g", task="regress")
    assert result.metrics["mae"].value == 0.125
    assert result.metrics["spearman"].value == 1


def test_sets_of_labels_and_numbers_as_predict_writes_them(place, capsys):
    write("g", "a\tb", "", "c", "a")
    write("p.jsonl", *(json.dumps({"labels": one, "probabilities": {}}) for one in (["b", "a"], [], ["c", "x"], ["a"])))
    result = score(hyp="p.jsonl", ref="g", task="multilabel")
    assert result.metrics["subset_accuracy"].value == 0.75
    assert "p.jsonl: labels that no text of g has: x (1)" in capsys.readouterr().err
    write("g.jsonl", *(json.dumps({"value": one}) for one in (1, 2, 3.5, -4)))
    write("p.jsonl", *(json.dumps({"value": one}) for one in (1.0, 2.5, 3.5, -4.0)))
    assert score(hyp="p.jsonl", ref="g.jsonl", task="regress").metrics["mae"].value == 0.125


@pytest.mark.parametrize(
    ("task", "line", "says"),
    [
        ("multilabel", '{"label": "a"}', 'p.jsonl:1: has no list of "labels"'),
        ("multilabel", '{"labels": "a"}', 'p.jsonl:1: has no list of "labels"'),
        ("regress", '{"label": "a"}', 'p.jsonl:1: has no number as "value"'),
        ("regress", '{"value": true}', 'p.jsonl:1: has no number as "value"'),
        ("regress", '{"value": NaN}', "p.jsonl:1: is no finite number"),
        ("regress", '{"value": 1' + "0" * 400 + "}", "p.jsonl:1: is no"),
        ("regress", '{"value": 1e200}', "p.jsonl:1: is too large a number"),
    ],
)
def test_sets_and_numbers_in_json_that_do_not_do(task, line, says, place):
    write("p.jsonl", line)
    with pytest.raises(InputError, match=says):
        score(hyp="p.jsonl", ref="p.jsonl", task=task)


def test_answers(place, capsys):
    result = score(hyp="pred.json", ref="gold.json", task="answer", out=place / "out")
    assert result.metrics["exact_match"].value == 0.5
    assert result.metrics["answer_f1"].value == pytest.approx((1 + 2 / 3 + 1 + 0) / 4)
    assert "script:squad1.1" in result.metrics["answer_f1"].signature
    for name in ("pred.json", "gold.json"):
        (place / f"marked-{name}").write_bytes(b"\xef\xbb\xbf" + (place / name).read_bytes())
    marked = score(hyp="marked-pred.json", ref="marked-gold.json", task="answer")
    assert marked.metrics == result.metrics
    write("pred.jsonl", json.dumps({"id": "q0", "answer": "cat"}), json.dumps({"id": "q9", "answer": "x"}))
    capsys.readouterr()
    assert score(hyp="pred.jsonl", ref="gold.json", task="answer").metrics["exact_match"].value == 0.25
    said = capsys.readouterr().err
    assert "3 of 4 questions have no answer there (q1, ...), and count as wrong" in said
    assert "1 answers are to questions that gold.json does not have (q9, ...)" in said
    chinese = json.loads(json.dumps(SQUAD).replace("the cat", "北京大学"))
    (place / "zh.json").write_text(json.dumps(chinese), encoding="utf-8")
    write("zh.jsonl", json.dumps({"id": "q0", "answer": "北京大学。"}))
    assert "script:cmrc2018" in score(hyp="zh.jsonl", ref="zh.json", task="answer", lang="zh").metrics["exact_match"].signature


def test_lines_end_at_line_feeds_only(place):
    odd = ["a\u2028b", "c\x0bd\x0ce", "f\rg", "h\x85i", ""]
    write("x", *odd)
    assert read_lines("x") == odd
    write("x", *odd, end="\r\n")
    assert read_lines("x") == odd
    (place / "x").write_bytes(b"\xef\xbb\xbfone\ntwo")
    assert read_lines("x") == ["one", "two"]


def test_blank_outputs_are_counted_and_said(place, capsys):
    write("a.zh", *("" if i in (3, 7) else line for i, line in enumerate(ZH)))
    assert score(hyp="a.zh", ref="ref.zh", metric=["chrf"]).blank_hypotheses == 2
    assert "a.zh: 2 of 25 lines are blank (the first: 4)" in capsys.readouterr().err


def test_meteor_asks_for_a_language_that_no_script_tells(place, capsys):
    for asked, says in (({}, True), ({"lang": "en"}, False), ({"lang": "other"}, False), ({"metric": ["bleu"]}, False)):
        score(hyp="src.en", ref="src.en", **asked)
        assert ("say which one it is with --lang" in capsys.readouterr().err) == says


def test_doubtful_requests_are_said(place, capsys):
    score(hyp="a.zh", ref="ref.zh", lang="en", metric=["bleu"])
    assert "the references look like zh, and --lang is en" in capsys.readouterr().err
    score(hyp="src.en", ref="ref.zh", metric=["chrf"])
    assert "src.en looks like other, and the references like zh" in capsys.readouterr().err
    score(hyp="ref.zh", ref="ref.zh", metric=["chrf"])
    assert "both what is measured and what it is measured against" in capsys.readouterr().err
    write("few", "a b")
    score(hyp="few", ref="few", metric=["chrf"])
    assert "only 1 sentences" in capsys.readouterr().err


@pytest.mark.parametrize("gone", [0, 11, 24])
def test_where_files_shift(gone):
    lines = [f"{word} number {i} {word[::-1]} {i * i}" for i, word in enumerate(["river", "mountain", "city", "garden", "ocean"] * 5)]
    changed = [line.replace("number", "no.") for line in lines]
    del changed[gone]
    found = first_shift(lines, changed)
    assert found == gone + 1 or (gone == 24 and found is None)  # a last line that is missing shifts nothing
    assert first_shift(changed, lines) == found
    assert first_shift(["a", "b"], ["x", "y", "z"]) is None


def files(**contents):
    for name, content in contents.items():
        with open(name, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode("utf-8"))


def record(label="pos", **probabilities):
    return json.dumps({"label": label, "probabilities": probabilities}) + "\n"


def squad(**changes):
    return json.dumps({**SQUAD, **changes})


def question(**changes):
    return squad(data=[{"paragraphs": [{"qas": [{"id": "q0", "answers": [{"text": "x"}], **changes}]}]}])


TWO, THREE = "one\ntwo\n", "one\ntwo\nthree\n"
T, C, M, R, Q = ({"task": task} for task in ("translate", "classify", "multilabel", "regress", "answer"))
MALFORMED = [
    # (contents of h and r, what is asked beside, what the line says)
    (TWO, THREE, T, "h: has 2 lines, and r has 3"),
    (THREE, TWO, T, "h: has 3 lines, and r has 2"),
    (TWO, THREE, C, "h: has 2 lines, and r has 3"),
    (TWO, THREE, M, "h: has 2 lines, and r has 3"),
    ("1\n2\n", "1\n", R, "h: has 2 lines, and r has 1"),
    ("\n".join(ZH[:9]) + "\n", "\n".join(ZH[:3] + ZH[4:9]) + "\n", T, "they seem to shift at line 4"),
    ("\n".join(ZH[:2] + ZH[3:9]) + "\n", "\n".join(ZH[:9]) + "\n", T, "they seem to shift at line 3"),
    ("", TWO, T, "h: is empty"),
    (TWO, "", T, "r: is empty"),
    ("", "", C, "r: is empty"),
    ("", "1\n2\n", R, "h: is empty"),
    ("", squad(), Q, "h: is empty"),
    (TWO, "\n\n", T, "r:1: is blank: the sentence has no reference"),
    (TWO, "one\n\n", T, "r:2: is blank: the sentence has no reference"),
    (TWO, "one\n \t\u3000\n", T, "r:2: is blank: the sentence has no reference"),
    (b"one\ntw\xff\n", TWO, T, "h:2: is not UTF-8 (byte 0xff, the 3. of the line)"),
    (TWO, b"\xe4one\ntwo\n", T, "r:1: is not UTF-8"),
    ("今天天气很好\n我们去公园\n".encode("gb18030"), TWO, T, "it looks like gb18030, which iconv -f GB18030 -t UTF-8 converts"),
    ("今天天氣很好，我們去公園\n這是我的\n".encode("big5"), TWO, T, "h:1: is not UTF-8"),
    ("one\ntwo\n".encode("utf-16"), TWO, T, "h: is UTF-16, not UTF-8"),
    ("one\ntwo\n".encode("utf-16-le"), TWO, T, "h:1: holds a NUL"),
    (b"\x7fELF\x00\x01\n", "one\n", T, "h:1: holds a NUL"),
    (b"one\ntwo\xe4\xb8", TWO, T, "h:2: is not UTF-8"),
    (TWO, TWO, {"lang": ""}, "setting lang: is empty"),
    (TWO, TWO, {"metric": ["rouge"]}, "setting metric: there is no rouge"),
    (TWO, TWO, {"metric": ["BLEU"]}, "setting metric: there is no BLEU"),
    (TWO, TWO, {"metric": ["accuracy"]}, "setting metric: there is no accuracy"),
    (TWO, TWO, {"metric": ["number_match"]}, "number_match compares with the source, which is not given"),
    (TWO, TWO, {"metric": ["meteor_jieba"], "lang": "en"}, "meteor_jieba is for Chinese, not en"),
    (TWO, TWO, {"wordnet": "nowhere", "lang": "en"}, "cannot be read (No such file or directory); a WordNet folder holds"),
    (TWO, TWO, {"source": "nowhere"}, "nowhere: no such file"),
    (TWO, TWO, {"source": "three"}, "h: has 2 lines, and three has 3"),
    (TWO, TWO, {"task": "summarise"}, "setting task: should be one of translate, classify"),
    (TWO, TWO, {"test": "t-test"}, "setting test: should be one of bootstrap"),
    (TWO, TWO, {"hyp": ["h", "h", "h"]}, "setting hyp: should be given once, or twice"),
    (TWO, TWO, {"hyp": []}, "setting hyp: should be given once, or twice"),
    (TWO, TWO, {"ref": []}, "setting ref: there is nothing to measure against"),
    (TWO, TWO, {"hyp": ["-", "-"]}, "setting hyp: standard input (-) can be read only once"),
    (TWO, TWO, {"hyp": ["nowhere"]}, "nowhere: no such file"),
    (TWO, TWO, {"hyp": ["."]}, ".: cannot be read (Is a directory)"),
    (TWO, TWO, {"ref": ["r", "three"]}, "h: has 2 lines, and three has 3"),
    (TWO, TWO, {"hyp": ["h", "three"]}, "three: has 3 lines, and r has 2"),
    (TWO, TWO, {"hyp": ["h", "r"], "test": "mcnemar"}, "setting test: mcnemar is for accuracy"),
    (TWO, TWO, {**C, "ref": ["r", "r"]}, "setting ref: task classify has one file of references, not 2"),
    (TWO, TWO, {**C, "source": "h"}, "setting source: is for task translate, not classify"),
    (TWO, TWO, {**C, "wordnet": "h"}, "setting wordnet: is for task translate, not classify"),
    (TWO, TWO, {**C, "lang": "zh"}, "setting lang: is for the tasks translate and answer"),
    (TWO, TWO, {**C, "metric": ["bleu"]}, "setting metric: there is no bleu here; there are accuracy"),
    (TWO, TWO, {**C, "metric": ["roc_auc"]}, "setting metric: there is no roc_auc here"),
    (TWO, TWO, {**C, "hyp": ["h", "r"], "test": "mcnemar", "metric": ["f1_macro"]}, "not for f1_macro"),
    ("one\n\n", TWO, C, "h:2: has no label"),
    (TWO, "\ntwo\n", C, "r:1: has no label"),
    ("one\t0.5\ntwo\n", TWO, C, "h:1: has several columns; wanted is one label a line"),
    ("\n\n", "\n\n", M, "r: holds no label"),
    ("1\nx\n", "1\n2\n", R, "h:2: is no number ('x')"),
    ("1\n\n", "1\n2\n", R, "h:2: is blank"),
    ("1\nnan\n", "1\n2\n", R, "h:2: is no finite number (nan)"),
    ("1\n2\n", "1\n-inf\n", R, "r:2: is no finite number (-inf)"),
    ("{}", TWO, Q, "r:1: is not valid JSON"),
    ("{}", "[]", Q, 'r: is not in the form of SQuAD: a JSON object with a list "data"'),
    ("{}", "{}", Q, "r: is not in the form of SQuAD"),
    ("{}", squad(data=[]), Q, "r: holds no question"),
    ("{}", squad(data=[3]), Q, 'something has no list "paragraphs"'),
    ("{}", squad(data=[{"paragraphs": [{}]}]), Q, 'something has no list "qas"'),
    ("{}", squad(data=[{"paragraphs": [{"qas": ["x"]}]}]), Q, 'question 1 has no "id"'),
    ("{}", question(id=None), Q, 'question 1 has no "id"'),
    ("{}", question(answers=None), Q, 'something has no list "answers"'),
    ("{}", question(answers=[{"text": 3}]), Q, 'question q0: an answer has no "text"'),
    ("{}", question(answers=["x"]), Q, 'question q0: an answer has no "text"'),
    ("{}", squad(data=SQUAD["data"] * 2), Q, "question q0 is there twice"),
    ("{}", squad(), Q, "h: answers no question of r"),
    ('{"other": "x"}', squad(), Q, "h: answers no question of r"),
    ('{"q0": 3}', squad(), Q, "h: should be a JSON object of answers"),
    ('["x"]', squad(), Q, "h: should be a JSON object of answers"),
    ('{"q0": "x"', squad(), Q, "h:1: is not valid JSON"),
    ("[" * 100_000, squad(), Q, "h: is nested too deeply"),
    (b'{"q0": "\xff"}', squad(), Q, "h:1: is not UTF-8 (byte 0xff"),
    ('{"q0": "x"}', squad(), {**Q, "metric": ["bleu"]}, "setting metric: there is no bleu here; there are exact_match, answer_f1"),
]  # fmt: skip
JSON_LINES = [
    ("pos\n", "h.jsonl:1: is not valid JSON"),
    ("[1]\n", "h.jsonl:1: is no JSON object"),
    ("{}\n", 'h.jsonl:1: has no "label"'),
    ('{"label": ""}\n', 'h.jsonl:1: has no "label"'),
    ('{"label": true}\n', 'h.jsonl:1: has no "label"'),
    (record(pos=0.6, neg=0.6), 'its "probabilities" are not from 0 to 1 with a sum of 1'),
    (record(pos=1.5, neg=-0.5), 'its "probabilities" are not from 0 to 1 with a sum of 1'),
    (record(pos="x"), 'its "probabilities" are no object of numbers by label'),
    ('{"label": "pos", "probabilities": {"pos": NaN}}\n', 'its "probabilities" are not from 0 to 1'),
    ('{"label": "pos", "probabilities": [1]}\n', 'its "probabilities" are no object of numbers by label'),
    (record(pos=0.6, neg=0.4) + '{"label": "pos"}\n', 'h.jsonl:2: has no "probabilities", as other lines have'),
    ('{"label": "pos"}\n' + record(pos=0.6, neg=0.4), 'h.jsonl:2: has "probabilities", unlike others'),
    (record(pos=0.6, neg=0.4) + record(pos=0.6, neu=0.4), "h.jsonl:2: has probabilities of other labels than line 1 (neg, neu)"),
    (record(pos=0.6, neg=0.4) + record(pos=0.4, neg=0.6), "h.jsonl:2: its label is not the most probable one"),
]


@pytest.mark.parametrize(("hyp", "ref", "asked", "says"), MALFORMED, ids=[f"{i}" for i in range(len(MALFORMED))])
def test_what_does_not_do_is_one_line(hyp, ref, asked, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files(h=hyp, r=ref, three=THREE)
    words = {"hyp": ["h"], "ref": ["r"], "out": tmp_path / "out", **asked}
    if "wordnet" in words:
        words["wordnet"] = tmp_path / str(words["wordnet"])
    with pytest.raises(UserError) as caught:
        score(**words)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, InputError | SettingError)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["h", "r", "three"]


@pytest.mark.parametrize(("content", "says"), JSON_LINES)
def test_json_lines_that_do_not_do(content, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files(**{"h.jsonl": content, "r": "pos\n" * content.count("\n")})
    with pytest.raises(InputError) as caught:
        score(hyp="h.jsonl", ref="r", task="classify")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("x\n", "is not valid JSON"),
        ('{"id": "q0"}\n', 'p.jsonl:1: should have "id" and "answer"'),
        ('{"id": "q0", "answer": "x"}\n{"id": "q0", "answer": "y"}\n', "p.jsonl:2: question q0 is there twice"),
    ],
)
def test_answers_that_do_not_do(content, says, place):
    files(**{"p.jsonl": content})
    with pytest.raises(InputError, match=says):
        score(hyp="p.jsonl", ref="gold.json", task="answer")


def test_the_command_line_says_it_in_one_line(place, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["score", "--hyp", "a.zh", "--ref", "src.en", "--ref", "gold.txt", "--json"])
    seen = capsys.readouterr()
    assert (caught.value.code, seen.out) == (2, "")
    assert seen.err == "zhixing: error: a.zh: has 25 lines, and gold.txt has 40\n"
    with pytest.raises(SystemExit) as caught:
        cli.main(["score", "--hyp", "a.zh", "--ref", "ref.zh", "--test", "t"])
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
