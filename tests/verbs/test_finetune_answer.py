"""`finetune answer`, and `predict`, `evaluate` and `compare` of readers: through real folders and the command line."""

import json
import random
import shutil

import pytest

import zhixing as zx
from zhixing import cli
from zhixing.errors import ArtifactError, InputError, SettingError
from zhixing.files import write_json

SMALL = {
    "model.layers": 2, "model.width": 32, "model.heads": 2, "model.dropout": 0.0, "objective.window": 64, "objective.dropout": 0.0,
    "optim.weight_decay": 0.0, "train.batch": 16, "train.precision": "fp32", "train.steps": 100, "train.validate_every": 50,
}  # fmt: skip
ANIMALS, NUMBERS = ("cat", "dog", "fox", "猫", "狗"), ("11", "22", "33", "44", "55")
FILL = ("it is so", "they say", "and then", "with them", "他们说", "是的")


def squad(path, count, seed, impossible=True):
    """Questions that ask for the number or the animal of a text, or for one where there is none."""
    draw, data = random.Random(seed), []
    for i in range(count):
        words = [draw.choice(FILL) for _ in range(draw.randrange(2, 7))]
        there = {"number": draw.choice(NUMBERS), "animal": draw.choice(ANIMALS)}
        kinds = [kind for kind in there if not impossible or draw.random() < 0.75] or ["number"]
        for kind in kinds:
            words.insert(draw.randrange(len(words) + 1), there[kind])
        context = f"{' '.join(words)} {seed}x{i}"
        asked = []
        for kind in there:
            none = kind not in kinds
            answers = [] if none else [{"text": there[kind], "answer_start": context.index(there[kind])}]
            asked.append({"id": f"{seed}-{i}-{kind}", "question": f"which {kind}?", "answers": answers, "is_impossible": none})
        data.append({"title": f"{seed} {i}", "paragraphs": [{"context": context, "qas": asked}]})
    path.write_text(json.dumps({"version": "v2.0", "data": data}, ensure_ascii=False), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answer")
    squad(folder / "train.json", 160, 1)
    squad(folder / "dev.json", 40, 2)
    return folder


@pytest.fixture(scope="module")
def trained(place):
    result = zx.finetune.answer(data=[str(place / "train.json")], valid=[str(place / "dev.json")], out=place / "run", settings=SMALL)
    return place / "run", result


def test_a_run_is_an_artifact_that_has_learnt(trained):
    run, result = trained
    for name in ("config.json", "lineage.json", "environment.json", "tokenizer.json", "task.json", "model.safetensors", "training.npy",
                 "data_report.json", "data_report.html", "faults.jsonl", "metrics.jsonl", "result.json", "report.html"):  # fmt: skip
        assert (run / name).is_file(), name
    assert not (run / "checkpoints").exists()
    assert (result.train_questions, result.valid_questions, result.set_aside, result.steps) == (320, 80, 0, 100)
    assert result.metrics["answer_f1"].value > 0.9
    assert result.metrics["no_answer_accuracy"].value > 0.7
    assert result.threshold is not None
    assert "cannot be shown" not in (run / "report.html").read_text() + (run / "data_report.html").read_text()


def test_strings_in_answers_out(trained):
    reader = zx.Reader.open(trained[0])
    text = "It is so. 他们说 there was a 猫 with 33 of them. They say so."
    found = reader([("which animal?", text), ("which number?", text), ("", text), ("which animal?", " "), ("why " * 40, text)])
    assert [one.answer for one in found[:2]] == ["猫", "33"]
    for one in found[:2]:
        assert text[one.start : one.end] == one.answer
        assert one.sentence == "他们说 there was a 猫 with 33 of them."
        assert 0 < one.score <= 1
        assert sum(p.score for p in one.best) + one.no_answer == pytest.approx(1)
    assert [one.problem for one in found[2:4]] == ["the question is empty", "the text is empty"]
    assert "more than objective.question = 16" in found[4].problem
    [alone] = reader([("which animal?", text)])
    assert (alone.answer, alone.score) == (found[0].answer, pytest.approx(found[0].score, abs=1e-4))
    assert [one.answer for one in reader.stream(iter([("which animal?", text)] * 5), 2)] == ["猫"] * 5


def test_evaluate_and_compare(trained, place, tmp_path):
    run, result = trained
    found = zx.evaluate(run, data=[str(place / "dev.json")])
    assert found.script == "squad2.0"
    assert {n: m.value for n, m in found.metrics.items()} == {n: pytest.approx(m.value) for n, m in result.metrics.items()}
    assert found.metrics["answer_f1"].low <= found.metrics["answer_f1"].value <= found.metrics["answer_f1"].high
    assert "threshold:" in found.metrics["answer_f1"].signature
    assert set(found.by_answer) == {"answerable", "unanswerable"}
    assert sum(one["questions"] for one in found.by_answer.values()) == found.questions == 80
    assert sum(one["questions"] for one in found.by_length) == found.by_answer["answerable"]["questions"]
    assert found.best_f1 >= found.metrics["answer_f1"].value - 1e-9
    assert (found.in_training, found.texts_in_training) == (0, 0)
    lines = [json.loads(line) for line in (run / "eval" / "dev" / "examples.jsonl").read_text().splitlines()]
    assert [line["answer_f1"] for line in lines] == sorted(line["answer_f1"] for line in lines)
    assert "cannot be shown" not in (run / "eval" / "dev" / "report.html").read_text()
    assert zx.evaluate(run, data=[str(place / "train.json")], out=tmp_path / "seen").in_training == 320

    (tmp_path / "silent.json").write_text(json.dumps({line["id"]: "" for line in lines}))
    against = zx.compare(run, tmp_path / "silent.json", data=[str(place / "dev.json")])
    assert against.verdict.startswith("A is better: answer_f1")
    assert against.metrics["no_answer_accuracy"].b == 1
    assert {m.p for m in zx.compare(run, run, data=[str(place / "dev.json")]).metrics.values()} == {1.0}
    with pytest.raises(SettingError, match="data: is needed"):
        zx.evaluate(run)


def test_predict_a_file_and_score_it(trained, place, tmp_path):
    run, _ = trained
    said = zx.predict(run, in_=place / "dev.json", out=tmp_path / "said.jsonl", best=2)
    lines = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    assert (said.texts, said.problems, len(lines)) == (80, 0, 80)
    assert said.unanswered == sum(line["answer"] is None for line in lines) > 0
    assert len(lines[0]["best"]) == 2
    scored = zx.score(hyp=[str(tmp_path / "said.jsonl")], ref=[str(place / "dev.json")], task="answer")
    evaluated = zx.evaluate(run, data=[str(place / "dev.json")])
    assert scored.metrics["answer_f1"].value == pytest.approx(evaluated.metrics["answer_f1"].value)
    rows = [
        {"question": "which animal?", "context": "a fox, they say"},
        {"question": "which animal?"},
        {"id": "z", "question": "", "context": "x"},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "no json\n")
    zx.predict(run, in_=tmp_path / "in.jsonl", out=tmp_path / "few.jsonl")
    few = [json.loads(line) for line in (tmp_path / "few.jsonl").read_text().splitlines()]
    assert few[0]["answer"] == "fox"
    assert [line.get("problem") for line in few[1:3]] == ["the text is no text", "the question is empty"]
    assert "problem" in few[3]
    shown = zx.predict(run, in_=tmp_path / "in.jsonl")
    assert (shown.out, shown.predictions) == (None, few)
    assert [line.get("id") for line in few] == ["1", "2", "z", None]


def test_predict_goes_on_where_it_stopped(trained, place, tmp_path, monkeypatch):
    from zhixing.tasks.answer import lines

    run, calls = trained[0], []
    zx.predict(run, in_=place / "dev.json", out=tmp_path / "whole.jsonl")
    monkeypatch.setattr(lines, "WINDOW", 30)

    def stops(*arguments, of=lines.answered):
        calls.append(arguments)
        if len(calls) == 3:
            raise MemoryError
        return of(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(lines, "answered", stops)
        with pytest.raises(MemoryError):
            zx.predict(run, in_=place / "dev.json", out=tmp_path / "out.jsonl")
    result = zx.predict(run, in_=place / "dev.json", out=tmp_path / "out.jsonl")
    assert (result.texts, result.continued) == (80, 60)
    said, whole = ([json.loads(line) for line in (tmp_path / name).read_text().splitlines()] for name in ("out.jsonl", "whole.jsonl"))
    assert [(one["id"], one["answer"], one["start"]) for one in said] == [(one["id"], one["answer"], one["start"]) for one in whole]


def test_minutes_say_how_long(tmp_path):
    data, settings = (
        squad(tmp_path / "x.json", 30, 4),
        {k: v for k, v in SMALL.items() if not k.startswith("train.v") and k != "train.steps"},
    )
    result = zx.finetune.answer(data=[data], out=tmp_path / "run", minutes=0.01, settings=settings)
    assert 1 <= result.steps <= 30 * 4
    assert json.loads((tmp_path / "run" / "lineage.json").read_text())["minutes"] == 0.01


def test_a_folder_of_documents_is_asked(trained, tmp_path):
    run, _ = trained
    (tmp_path / "docs").mkdir()
    farm, city = "Here is the farm.\n\nAt the farm, they say, a dog with 44 of them.", "The city has a fox and 11 more."
    (tmp_path / "docs" / "farm.txt").write_text(farm, encoding="utf-8")
    (tmp_path / "docs" / "city.txt").write_text(city, encoding="utf-8")
    for question, answer, name, text in (("farm: which number?", "44", "farm.txt", farm), ("city: which animal?", "fox", "city.txt", city)):
        [found] = zx.predict(run, question=[question], documents=[str(tmp_path / "docs")], passages=1).predictions
        assert (found["answer"], found["document"]) == (answer, str(tmp_path / "docs" / name))
        assert text[found["start"] : found["end"]] == answer
        assert found["sentence"] in text
    (tmp_path / "asked.txt").write_text("farm: which animal?\nxyzzy\n", encoding="utf-8")
    done = zx.predict(run, in_=tmp_path / "asked.txt", out=tmp_path / "out.jsonl", documents=[str(tmp_path / "docs")])
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert (done.texts, done.problems, lines[0]["answer"]) == (2, 1, "dog")
    [wide] = zx.predict(run, question=["city, farm: which number?"], documents=[str(tmp_path / "docs")], best=9).predictions
    texts = {str(path): path.read_text(encoding="utf-8") for path in (tmp_path / "docs").iterdir()}
    assert all(texts[p["document"]][p["start"] : p["end"]] == p["answer"] for p in wide["best"])
    assert {p["document"] for p in wide["best"]} == set(texts)
    assert lines[1]["problem"] == "no document holds a word of the question"


def test_the_command_line(trained, place, tmp_path, capsys):
    run, _ = trained
    assert cli.run(["predict", str(run), "--question", "which number?", "--text", "with 22 of them", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"][0]["answer"] == "22"
    assert cli.run(["finetune", "answer", "--data", str(place / "train.json"), "--valid", str(place / "dev.json"), "--out", str(run)]) == 0
    seen = capsys.readouterr()
    assert "answer_f1" in seen.out
    assert "is finished already" in seen.err


def test_a_finished_run_is_of_the_data_that_is_given(trained, place, tmp_path):
    with pytest.raises(ArtifactError, match="was begun with other data"):
        zx.finetune.answer(data=[squad(tmp_path / "other.json", 20, 9)], valid=[str(place / "dev.json")], out=trained[0], settings=SMALL)


def test_a_reader_is_a_base_and_v1_always_answers(trained, tmp_path):
    data = squad(tmp_path / "v1.json", 20, 3, impossible=False)
    result = zx.finetune.answer(data=[data], base=str(trained[0]), out=tmp_path / "more", settings={"train.steps": 2, "train.batch": 8})
    assert result.threshold is None
    assert result.valid_questions == 4
    assert result.metrics["answer_f1"].value > 0.5  # its head has come along
    [found] = zx.Reader.open(tmp_path / "more")([("which animal?", "it is so")])
    assert found.answer is not None
    assert found.no_answer is None
    with pytest.raises(SettingError, match="cannot be set together with --base"):
        zx.finetune.answer(data=[data], base=str(trained[0]), out=tmp_path / "x", settings={"model.layers": 2})


def test_golden_answers_are_checked_at_each_load(trained, tmp_path):
    run = shutil.copytree(trained[0], tmp_path / "run")
    task = json.loads((run / "task.json").read_text())
    task["golden"][0]["score"] = -9.0
    write_json(run / "task.json", task)
    with pytest.raises(ArtifactError, match=r"does not say of .* what it said when it was made"):
        zx.Reader.open(run)
    (run / "model.safetensors").write_bytes(b"x" + (run / "model.safetensors").read_bytes()[1:])
    with pytest.raises(ArtifactError, match="do not match their SHA-256"):
        zx.Reader.open(run)


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [
        ({"minutes": 0}, {}, "minutes: must be a positive number"),
        ({"minutes": 1}, {"train.steps": 5}, "both say how long to train"),
        ({}, {"train.steps": 5, "objective.epochs": 2}, "both say how long to train"),
        ({"metric": "bleu"}, {}, "metric: is one of answer_f1"),
        ({}, {"objective.overlap": 380}, "leave no room in a window"),
        ({}, {"objective.windw": 380}, "did you mean objective.window?"),
        ({}, {"model.kind": "llama"}, "model.kind: = llama is no encoder"),
        (
            {},
            {"model.kind": "bert", "model.positions": 64, "objective.window": 128},
            "is more than the 64 that the model has positions for",
        ),
    ],
)
def test_mistakes_leave_nothing(arguments, settings, says, place, tmp_path):
    with pytest.raises(SettingError, match=says):
        zx.finetune.answer(data=[str(place / "dev.json")], out=tmp_path / "run", settings=settings, **arguments)
    assert not any(p.name == "manifest.json" for p in tmp_path.rglob("*"))


def test_mistakes_of_questions_to_a_reader(trained, place, tmp_path):
    run = trained[0]
    for arguments, says in (
        ({}, "one of them says what to ask"),
        ({"question": ["q"]}, "one of them says where to look"),
        ({"question": ["q"], "text": ["t"], "out": tmp_path / "x"}, "out: goes with --in"),
        ({"in_": place / "dev.json", "out": tmp_path / "x", "text": ["t"]}, "goes with --question"),
        ({"question": ["q"], "text": ["t"], "precision": "fp8"}, "precision: is fp32"),
        ({"question": ["q", "q", "q"], "text": ["t", "u"]}, "one for each"),
        ({"question": ["q"], "documents": ["d"], "passages": 0}, "passages: must be at least 1"),
    ):
        with pytest.raises(SettingError, match=says):
            zx.predict(run, **arguments)
    with pytest.raises(InputError, match="no such file"):
        zx.predict(run, in_=tmp_path / "no.json", out=tmp_path / "x")
    with pytest.raises(InputError, match="has an answer to learn from"):
        (tmp_path / "x.jsonl").write_text('{"question": "q", "context": "c"}\n')
        zx.finetune.answer(data=[str(tmp_path / "x.jsonl")], out=tmp_path / "run")
