"""Questions of SQuAD, CMRC and JSON lines: what is read, what is mended, what is set aside, and malformed files."""

import json
from pathlib import Path

import pytest

from zhixing.corpus.questions import Answer, Question, placed, read, split
from zhixing.errors import InputError

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CONTEXT = "Lu Xun wrote 阿Q正传 in 1921. In 1936 Lu Xun died."


def squad(path, questions, context=CONTEXT, **more):
    path.write_text(
        json.dumps({"data": [{"title": "t", "paragraphs": [{"context": context, "qas": questions}], **more}]}), encoding="utf-8"
    )
    return path


def question(name, text="1921", start=21, **more):
    return {"id": name, "question": "When?", "answers": [{"text": text, "answer_start": start}], **more}


def test_the_three_forms_say_the_same(tmp_path):
    one = squad(tmp_path / "a.json", [question("q", "阿Q正传", 13)])
    two = tmp_path / "b.json"
    two.write_text(json.dumps([{"context_id": "c", "context_text": CONTEXT, "title": "t",
                                "qas": [{"query_id": "q", "query_text": "When?", "answers": ["阿Q正传"]}]}]), encoding="utf-8")  # fmt: skip
    three = tmp_path / "c.jsonl"
    three.write_text(json.dumps({"id": "q", "question": "When?", "context": CONTEXT, "title": "t",
                                 "answers": {"text": ["阿Q正传"], "answer_start": [13]}}) + "\n", encoding="utf-8")  # fmt: skip
    found = [read([path]) for path in (one, two, three)]
    for one_read in found:
        [q] = one_read.questions
        assert (q.id, q.question, q.context, q.answers, q.title) == ("q", "When?", CONTEXT, (Answer("阿Q正传", 13),), "t")
        assert q.context[slice(*q.span)] == "阿Q正传"
    assert [[f.kind for f in r.faults] for r in found] == [[], ["searched"], []]


@pytest.mark.parametrize(
    ("text", "start", "place", "fault"),
    [
        ("Lu Xun", 0, 0, None),
        ("Lu Xun", 35, 35, None),
        ("Lu Xun", 30, 35, "moved"),  # the nearest of two places
        ("Lu Xun", 3, 0, "moved"),
        ("Lu Xun", -1, 0, "searched"),
        ("Lu Xun", None, 0, "searched"),
        ("Lu Xun", True, 0, "searched"),
        (" Lu Xun ", 34, 35, None),  # spaces at its ends are no part of it
        ("Lu Xun", 10_000, 35, "moved"),
        ("Mao Dun", 3, None, "absent"),
    ],
)
def test_where_an_answer_stands(text, start, place, fault):
    assert placed(CONTEXT, text, start) == (Answer(text.strip(), place), fault)


def test_faults_are_listed_with_their_ids_and_nothing_is_lost_silently(tmp_path):
    path = squad(
        tmp_path / "x.json",
        [
            question("good"),
            question("moved", start=20),
            question("absent", "1922"),
            question("good"),
            {**question("blank"), "question": "  "},
            {"question": "no id?", "answers": []},
            {"id": "none", "question": "Who?", "answers": [], "is_impossible": True},
            {"id": "silent", "question": "Who?", "answers": []},
            question("both", is_impossible=True),
            question("empty", "  "),
            {"id": "odd", "question": "Who?", "answers": 5},
            {"id": "half", "question": "\ud83d?", "answers": []},
            "no question",
        ],
    )
    found = read([path], 1.0)
    assert [q.id for q in found.questions] == ["good", "moved", "absent", "none", "silent"]
    faults = {fault.id: fault.kind for fault in found.faults}
    assert faults == {
        "moved": "moved", "absent": "absent", "good": "id", "blank": "question", "data[0].paragraphs[0].qas[5]": "form",
        "silent": "silent", "both": "contradiction", "empty": "answer", "odd": "form", "half": "surrogate",
        "data[0].paragraphs[0].qas[12]": "form",
    }  # fmt: skip
    assert (found.total, found.unanswerable, len(found.set_aside)) == (13, 2, 8)
    assert len(found.questions) + len(found.set_aside) == found.total
    for_training = read([path], 1.0, spans=True)
    assert [q.id for q in for_training.questions] == ["good", "moved", "none", "silent"]
    assert next(f for f in for_training.set_aside if f.kind == "nowhere").id == "absent"
    with pytest.raises(InputError, match=r"8 of 13 questions are of no use, more than data\.bad = 0\.1 allows; the first is good"):
        read([path], 0.1)


def test_the_answer_of_most_annotators_is_trained_on():
    answers = (Answer("a", 5), Answer("b", 2), Answer("b", 2), Answer("zz", None))
    assert Question("q", "?", "xxbxxa", answers).span == (2, 3)
    assert Question("q", "?", "xxbxxa", answers[:2]).span == (5, 6)
    assert Question("q", "?", "xxbxxa", answers[3:]).span is None


@pytest.mark.parametrize("titles", [True, False])
def test_no_text_is_on_both_sides(titles):
    questions = [
        Question(f"{i}", "?", f"text {i // 3 if i % 31 else 0}", (Answer("text", 0),), f"title {i // 9}" if titles else "")
        for i in range(300)
    ]
    train, valid = split(questions, 0.1, 0)
    assert len(train) + len(valid) == 300
    assert 5 <= len(valid) <= 60
    assert not {q.context for q in train} & {q.context for q in valid}
    assert split(questions, 0.1, 0) == (train, valid)
    assert split(questions, 0.1, 1)[1] != valid
    if titles and "0" not in {q.id for q in valid}:
        assert not {q.title for q in train if q.context != "text 0"} & {q.title for q in valid if q.context != "text 0"}
    with pytest.raises(InputError, match="on a single text"):
        split(questions[:1], 0.1, 0)


MALFORMED = {
    "empty.json": b"",
    "nothing.json": b"{}",
    "text.json": b"hello",
    "cut.json": b'{"data": [{"paragraphs": [',
    "number.json": b"5",
    "string.json": b'"data"',
    "null.json": b"null",
    "no-list.json": b'{"data": {"paragraphs": []}}',
    "no-records.json": b'{"data": []}',
    "records.json": b'{"data": [5, "x", null]}',
    "no-paragraphs.json": b'{"data": [{"title": "t"}]}',
    "paragraphs.json": b'{"data": [{"paragraphs": 7}]}',
    "paragraph.json": b'{"data": [{"paragraphs": [[]]}]}',
    "no-qas.json": b'{"data": [{"paragraphs": [{"context": "c"}]}]}',
    "no-context.json": b'{"data": [{"paragraphs": [{"qas": [{"id": "1", "question": "q", "answers": []}]}]}]}',
    "context.json": b'{"data": [{"paragraphs": [{"context": 5, "qas": [{"id": "1", "question": "q", "answers": []}]}]}]}',
    "no-question.json": b'{"data": [{"paragraphs": [{"context": "c", "qas": [{"id": "1", "answers": []}]}]}]}',
    "latin.json": '{"data": ["é"]}'.encode("latin-1"),
    "utf16.json": '{"data": []}'.encode("utf-16"),
    "deep.json": b"[" * 100_000,
    "digits.json": b"9" * 5000,
    "nul.json": b"\0\0\0",
    "lines.jsonl": b'{"question": "q"}\n',
    "not.jsonl": b"what is this\n",
    "array.jsonl": b"[1, 2]\n",
    "blank.jsonl": b"\n\n",
    "none.jsonl": b"",
    "table.csv": b"question,context\nq,c\n",
    "text.txt": b"Who wrote it?\n",
    "packed.json.gz": b"\x1f\x8b\x08",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_one_line(name, tmp_path):
    (tmp_path / name).write_bytes(MALFORMED[name])
    with pytest.raises(InputError) as caught:
        read([tmp_path / name], 1.0)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_and_absent_files(tmp_path):
    path = squad(tmp_path / "x.json", [question("q")])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read([path]).questions[0].span == (21, 25)
    with pytest.raises(InputError, match="no such file"):
        read([tmp_path / "y.json"])
    with pytest.raises(InputError, match="is a folder"):
        read([tmp_path])


@pytest.mark.parametrize(
    ("name", "questions", "faults"),
    [
        ("cmrc2018_dev75.json", 2400, {"absent": 143}),
        ("cmrc2018_trial.json", 1000, {"moved": 5, "question": 2}),
        ("drcd_dev_trad.json", 3524, {}),
    ],
)
def test_chinese_sets_load_whole(name, questions, faults):
    path = DATA / "qa_zh" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    found = read([path], spans=True)
    kinds = [fault.kind for fault in found.faults]
    assert {kind: kinds.count(kind) for kind in kinds} == faults
    assert len(found.questions) == questions
    assert all(q.context[slice(*q.span)] in q.texts for q in found.questions)
