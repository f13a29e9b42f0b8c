import ast
import contextlib
import functools
import inspect
import json
import os
import re
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import zhixing
from zhixing import cli
from zhixing.errors import UserError

COMMANDS = ["ladder", *(f"{verb} {task}".strip() for verb in zhixing.VERBS for task in zhixing.TASKS.get(verb, ("",)))]
HEAVY = ("torch", "numpy", "pyarrow", "transformers", "tokenizers", "matplotlib", "scipy", "sklearn", "gensim", "rich.progress")


def command(*words, **changes):
    """The command line as a process of its own."""
    environment = os.environ | {"ZHIXING_CACHE": str(changes.pop("cache", "/nonexistent"))}
    return subprocess.run(
        [sys.executable, "-m", "zhixing", *map(str, words)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
        **changes,
    )


def fails(capsys, *words):
    """Run in this process; returns the exit code and the only line on stderr."""
    with pytest.raises(SystemExit) as caught:
        cli.main(list(map(str, words)))
    seen = capsys.readouterr()
    assert seen.out == ""
    assert len(seen.err.splitlines()) == 1
    assert seen.err.startswith("zhixing: error: ")
    return caught.value.code, seen.err.removeprefix("zhixing: error: ").strip()


@pytest.fixture(autouse=True)
def _signals_as_they_were():
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_exported_names_are_frozen():
    assert zhixing.__all__ == [
        "Predictor", "Reader", "Translator", "UserError", "ZhixingError", "__version__", "compare", "embed", "evaluate", "export",
        "finetune", "generate", "get", "ladder", "open_model", "plan", "predict", "prepare", "pretrain", "score", "stats", "translate",
    ]  # fmt: skip
    assert zhixing.VERBS == (
        "get", "stats", "prepare", "embed", "plan", "pretrain", "generate", "finetune", "predict", "translate", "evaluate", "compare",
        "score", "ladder", "export",
    )  # fmt: skip
    assert zhixing.TASKS == {"finetune": ("classify", "translate", "answer"), "ladder": ("classify",)}
    for name in zhixing.__all__:
        assert getattr(zhixing, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'pretend'"):
        _ = zhixing.pretend


def test_a_verb_is_a_function_whatever_has_been_imported():
    script = """
import zhixing as zx
import zhixing.evaluate.significance, zhixing.export, zhixing.verbs.plan
from zhixing.evaluate import documents
from zhixing import evaluate, export
assert all(callable(getattr(zx, verb)) for verb in zx.VERBS if verb != "finetune")
assert all(callable(getattr(getattr(zx, verb), task)) for verb, tasks in zx.TASKS.items() for task in tasks)
assert evaluate is zx.evaluate and export is zx.export and documents.__name__ == "zhixing.evaluate.documents"
"""
    subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", script], timeout=60, check=True)


def test_every_verb_is_a_file_and_every_file_a_verb():
    verbs = Path(zhixing.__file__).parent / "verbs"
    files = {p.stem for p in verbs.glob("*.py")} | {p.parent.name for p in verbs.glob("*/__init__.py")}
    assert files - {"__init__"} == set(zhixing.VERBS)


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["get", "--help"], ["finetune", "-h"], *([*command.split(), "-h"] for command in COMMANDS[1:])],
    ids=" ".join,
)
def test_help_loads_nothing_heavy(words):
    script = f"""
import sys
from zhixing.cli import run
run({words!r})
heavy = [name for name in {HEAVY!r} if name in sys.modules]
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_overview_names_every_verb_with_its_summary(capsys):
    assert cli.run([]) == 0
    text = capsys.readouterr().out
    for verb in zhixing.VERBS:
        told = import_module(f"zhixing.verbs.{verb}") if verb in zhixing.TASKS else cli.function(verb)
        summary = inspect.getdoc(told).splitlines()[0]
        assert summary.endswith((".", ":"))
        assert f"  {verb:<10} {summary}" in text


def test_a_verb_with_tasks_lists_them(capsys):
    assert cli.run(["finetune"]) == 0
    text = capsys.readouterr().out
    assert "Usage: zhixing finetune TASK" in text
    assert f"  classify   {inspect.getdoc(zhixing.finetune.classify).splitlines()[0]}" in text
    with pytest.raises(UserError, match="no task 'clasify'; did you mean classify"):
        cli.run(["finetune", "clasify"])


def test_models_are_named_in_the_same_ways_everywhere():
    """Whatever opens a model opens a folder, a name and a hub id, and says so."""
    told = {
        f"{verb} {name}": parameter.annotation
        for verb in COMMANDS
        for name, parameter in inspect.signature(cli.function(verb), eval_str=False).parameters.items()
        if name in ("base", "a") or (name in ("model", "run") and verb not in ("predict", "translate"))
    }
    assert len(told) == 10
    assert [where for where, meaning in told.items() if "hub id" not in str(meaning)] == []


@pytest.mark.parametrize("verb", COMMANDS)
def test_help_shows_every_parameter_with_its_meaning(verb, capsys):
    assert cli.run([*verb.split(), "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Raises" not in text
    for name, parameter in inspect.signature(cli.function(verb)).parameters.items():
        if name in ("settings", "stream"):
            continue
        assert ("--" + name.rstrip("_").replace("_", "-") if parameter.kind is parameter.KEYWORD_ONLY else name) in text
        annotated = ast.parse(parameter.annotation, mode="eval").body
        meaning = annotated.slice.elts[1].value
        assert " ".join(meaning.split()) in text
    assert "--json" in text


@pytest.mark.parametrize(
    ("verb", "names"),
    [
        ("prepare", ["read.text_field", "tokenizer.kind"]),
        ("pretrain", ["model.layers", "optim.kind"]),
        ("finetune classify", ["data.bad_rows", "objective.pooling", "objective.augment.drop", "clean.unicode"]),
    ],
)
def test_settings_are_listed(verb, names, capsys):
    assert cli.run([*verb.split(), "--settings"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} = " in text for name in names)


def test_version(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"zhixing {zhixing.__version__}\n"
    assert command("-V").stdout == f"zhixing {zhixing.__version__}\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pretain"], "no command 'pretain'; did you mean pretrain?"),
        (["--jsn"], "no command '--jsn'; commands are get, stats, prepare"),
        (["prepare"], "missing"),
        (["prepare", "--out"], "--out"),
        (["prepare", "x.txt"], "--out"),
        (
            ["prepare", "x.txt", "--out", ""],
            "invalid value for '--out': an empty name; write . for the folder that you are in; see zhixing",
        ),
        (["prepare", "x.txt", "--out", "o", "--tokenizer="], "invalid value for '--tokenizer': an empty name"),
        (["prepare", "x.txt", "--out", "/proc/o"], "/proc/o: cannot be written"),
        (["prepare", "x.txt", "--out", "o", "--nonsense"], "--nonsense"),
        (["prepare", "x.txt", "--out", "o", "--vocabulary", "many"], "invalid value for '--vocabulary'"),
        (["pretrain", "data", "--out", "o", "--minutes", "ten"], "invalid value for '--minutes'"),
        (["generate", "a", "b"], "unexpected extra argument"),
        (["export", "x", "--to", "hff"], "setting to: "),
        (["prepare", "absent.txt", "--out", "o"], "absent.txt: no such file or folder"),
        (["pretrain", "absent", "--out", "o"], "absent: no such data folder"),
        (["prepare", "x.txt", "--out", "o", "Read.encoding=utf-8"], "setting Read.encoding: unknown setting; did you mean read.encoding?"),
    ],
)
def test_a_mistake_is_one_line(words, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.txt").write_text("some text")
    code, line = fails(capsys, *words)
    assert code == 2
    assert says in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.txt"]


@pytest.mark.parametrize(
    "words",
    [
        ["pretrain", "absent", "--out", "o"],
        ["pretrain", "absent", "--base", "absent", "--out", "o"],
        ["plan", "absent"],
        ["generate", "absent"],
        ["evaluate", "absent"],
        ["compare", "absent", "absent"],
        ["export", "absent", "--out", "o"],
        ["predict", "absent", "--text", "a"],
        ["translate", "absent", "--text", "a"],
        ["finetune", "classify", "--data", "x.tsv", "--base", "absent", "--out", "o"],
        ["finetune", "answer", "--data", "x.json", "--base", "absent", "--out", "o"],
        ["finetune", "translate", "--data", "x.tsv", "--base", "absent", "--out", "o"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_wrong_path_is_told_before_torch_is_imported(words, tmp_path):
    script = f"""
import sys
from zhixing.cli import main
try:
    main({words!r})
finally:
    assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert "absent: no such" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert not list(tmp_path.iterdir())


def test_settings_are_taken_from_wherever_they_stand(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a=b.txt").write_text("a file goes before a setting of its name\n\nand has two parts")
    Path("poems").mkdir()
    for number in range(30):
        Path(f"poems/{number}.txt").write_text(f"poem number {number}, {number * number} lines of it")
    assert (
        cli.run(["prepare", "tokenizer.kind=char", "a=b.txt", "read.document=paragraph", "poems", "--out", "d", "split.seed=3", "--json"])
        == 0
    )
    result = json.loads(capsys.readouterr().out)
    assert result["documents"]["kept"] == 32
    assert result["tokenizer"] == "char"


def test_json_is_exactly_one_object(tmp_path):
    done = command("get", "--json", cache=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
    names = [corpus["name"] for corpus in json.loads(done.stdout)["corpora"]]
    assert "shakespeare" in names
    failed = command("evaluate", tmp_path / "absent", "--json")
    assert (failed.returncode, failed.stdout) == (2, "")


def test_python_and_command_line_are_the_same_function(tmp_path, monkeypatch):
    monkeypatch.setenv("ZHIXING_CACHE", str(tmp_path))
    assert zhixing.get().model_dump() == json.loads(command("get", "--json", cache=tmp_path).stdout)


def test_chinese_gets_through_any_locale(tmp_path):
    for locale in ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "latin-1"}):
        environment = os.environ | locale
        words = [sys.executable, "-m", "zhixing", "prepare", "知行.txt", "--out", "o"]
        done = subprocess.run(words, capture_output=True, env=environment, cwd=tmp_path, timeout=60, check=False)
        assert done.returncode == 2
        assert "知行.txt: no such file or folder" in done.stderr.decode("utf-8")


def test_names_that_are_no_text_come_out_as_they_went_in(tmp_path):
    words = [sys.executable, "-m", "zhixing", "prepare", b"\xff.txt", "--out", b"\xfe"]
    done = subprocess.run(words, capture_output=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"zhixing: error: \xff.txt: no such file")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_stdout_is_said():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "zhixing", "get"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stderr) == (1, "zhixing: error: standard output: the disk is full\n")


def test_a_reader_that_has_seen_enough_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "zhixing", "get"], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("asked", "code"), [(["score", "--hyp", "few", "--ref", "few"], 0), (["score", "--hyp", "no", "--ref", "few"], 2)])
def test_a_reader_of_messages_that_has_seen_enough_stops_nothing(asked, code, tmp_path):
    (tmp_path / "few").write_text("a b\nc d\n")
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "zhixing", *asked, "--out", "scored", "--metric", "bleu"]
    done = subprocess.run(words, stderr=writer, stdout=subprocess.PIPE, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == code
    assert ("bleu" in done.stdout) == (tmp_path / "scored/report.json").is_file() == (code == 0)
    both = subprocess.run([*words[:-4], "--metric", "bleu"], stderr=writer, stdout=writer, timeout=60, check=False, cwd=tmp_path)
    assert both.returncode == code
    os.close(writer)


def test_a_pipe_that_breaks_elsewhere_is_an_error():
    program = (
        "import os, sys; from zhixing import cli\n"
        "def dies(words): raise BrokenPipeError(32, 'Broken pipe')\n"  # a process that work was given to, say
        "cli.run = dies; cli.main([])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "unexpected BrokenPipeError" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_leaves_nothing(number, tmp_path):
    words = [sys.executable, "-m", "zhixing", "prepare", "-", "--out", str(tmp_path / "d")]
    heard = functools.partial(signal.signal, number, signal.SIG_DFL)  # a shell's background jobs begin deaf to SIGINT
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, **pipes, text=True, preexec_fn=heard) as process:
        process.stdin.write("more than a pipe holds\n" * 20_000)  # returns when it is being read
        process.stdin.flush()
        assert list(tmp_path.glob(".d.work/request.json"))
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (1, "", "zhixing: error: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_what_fails_after_an_interrupt_that_was_swallowed_is_an_interrupt(capsys, monkeypatch):
    def swallows(words):
        with contextlib.suppress(KeyboardInterrupt):  # as torch does while it imports numpy
            signal.raise_signal(signal.SIGINT)
        raise ImportError("cannot load module more than once per process")

    monkeypatch.setattr(cli, "run", swallows)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert fails(capsys) == (1, "interrupted")


def test_a_fault_of_the_program_is_one_line_and_a_file(capsys, monkeypatch):
    def broken(words):
        raise AssertionError("this\ncannot be")

    monkeypatch.setattr(cli, "run", broken)
    code, line = fails(capsys, "get")
    assert code == 1
    assert line.startswith("unexpected AssertionError: this cannot be (this is a fault of the program; details in ")
    log = Path(re.search(r"details in (.*)\)$", line)[1])
    assert "Traceback" in log.read_text()
    log.unlink()


def test_usage_errors_are_users_errors():
    with pytest.raises(UserError):
        cli.run(["prepare"])
