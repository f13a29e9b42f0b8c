"""Every block of code in the READMEs runs, in order, in one folder; only what takes minutes or the network is made small, as said here."""

import inspect
import json
import random
import re
import shlex
from pathlib import Path

import pytest

import zhixing
from zhixing import cli
from zhixing.corpus import fetch
from zhixing.files import new_folder

ROOT = Path(__file__).parents[2]
TINY = ["train.steps=6", "train.compile=false", "train.batch=4", "model.width=32", "model.layers=2", "objective.context=32"]
TRANSLATOR = ["train.steps=4", "model.width=32", "model.encoder_layers=1", "model.decoder_layers=1"]
CLASSIFIER = ["train.steps=4", "model.width=32", "model.layers=1"]
SMALLER = {
    "--rungs ngram --rungs gru": "--rungs ngram --rungs gru " + " ".join([*TINY[:-2], "model.layers=1", "objective.context=32"]),
    "--rungs linear,fasttext": "--rungs linear,fasttext train.steps=4",
    "--minutes 5 objective": "train.steps=4 train.batch=2 train.compile=false objective",
    "--minutes 60": " ".join(TRANSLATOR),
    "--base minilm --out runs/qa": f"--out runs/qa {' '.join(CLASSIFIER)} model.heads=2",
    "--base minilm": " ".join(CLASSIFIER),
    "--minutes 10": " ".join(TINY),
    "minutes=10": f"settings={TINY}",
    "width = 256": "width = 32",
    "steps = 2000": 'steps = 6\nbatch = 4\ncompile = false\n\n[objective]\ncontext = 32',
}  # fmt: skip


def blocks(name: str) -> list[tuple[str, str]]:
    """(language, code) of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def smaller(code: str) -> str:
    for usual, small in SMALLER.items():
        code = code.replace(usual, small)
    return code


def squad(texts: int, who: str = "He") -> dict:
    """Questions on that many texts, in the form of SQuAD 2.0; every second has no answer."""
    data = []
    for n in range(texts):
        answers = [[{"text": str(1900 + n), "answer_start": len(who) + 13}], []]
        asked = [
            {"id": f"{who}{n}{i}", "question": f"{word}?", "answers": answers[i], "is_impossible": not answers[i]}
            for i, word in enumerate(("When", "Where"))
        ]
        data.append({"title": f"{n}", "paragraphs": [{"context": f"{who} wrote it in {1900 + n}.", "qas": asked}]})
    return {"version": "v2.0", "data": data}


def documents() -> list[str]:
    """Some real text: this project's own."""
    pages = [ROOT / "README.zh-CN.md", ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "src/zhixing").glob("*.py"))]
    return [part for page in pages for part in page.read_text(encoding="utf-8").split("\n## ")]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with texts, and corpora in the cache as `get` leaves them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZHIXING_CACHE", str(tmp_path / "cache"))
    texts = documents()
    Path("my-texts").mkdir()
    for number, text in enumerate(texts):
        Path(f"my-texts/{number}.txt").write_text(text, encoding="utf-8")
    good, bad = ("a lovely film", "真好看", "what a joy"), ("a dull film", "太难看了", "what a bore")
    reviews = [f"{text}, number {n}\t{label}\n" for n in range(40) for label, kind in enumerate((bad, good)) for text in kind]
    draw, words = random.Random(0), dict(zip("one two three four red blue tea cat dog sun".split(), "一二三四红蓝茶猫狗日", strict=True))  # noqa: SIM905
    drawn = [draw.choices(list(words), k=draw.randrange(3, 9)) for _ in range(400)]
    pairs = [f"{' '.join(one)}.\t{''.join(words[word] for word in one)}。\n" for one in drawn]
    for name, lines in (
        ("reviews.tsv", reviews),
        ("reviews-test.tsv", [line.replace("number", "take") for line in reviews[:30]]),
        ("texts.txt", ["a lovely day\n", "太难看\n"]),
        ("pairs.tsv", pairs),
        ("pairs-test.tsv", pairs[:30]),
        ("terms.tsv", ["cat\t猫\n"]),
        ("in.en", ["red cat.\n", "one dog.\n"]),
        ("ref.zh", ["红猫。\n", "一狗。\n"]),
        ("squad.json", [json.dumps(squad(40))]),
        ("squad-test.json", [json.dumps(squad(10, "She"))]),
    ):
        Path(name).write_text("".join(lines), encoding="utf-8")
    for name in ("shakespeare", "people-daily"):
        with new_folder(fetch.place(name), "corpus", extra={"text": "documents.jsonl"}) as folder:
            lines = (json.dumps({"text": f"{name}: {text}"}) + "\n" for text in texts)
            (folder / "documents.jsonl").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def test_the_blocks_of_the_readme_run(place, capsys):
    found = blocks("README.md")
    for language, code in found:
        if language == "toml":
            Path(re.match(r"# (\S+)\n", code)[1]).write_text(smaller(code), encoding="utf-8")
    ran = []
    for language, code in found:
        if language == "sh":
            for line in smaller(code).splitlines():
                program, *words = shlex.split(line, comments=True)
                if program == "zhixing":
                    assert cli.run(words) == 0, line
                    assert capsys.readouterr().out.strip(), line
                    ran.append(words[0])
        elif language == "python":
            exec(compile(smaller(code), "README.md", "exec"), {})
    assert set(ran) == set(zhixing.VERBS)


def test_what_the_blocks_install_and_make_is_there():
    pyproject, makefile = (ROOT / "pyproject.toml").read_text(), (ROOT / "Makefile").read_text()
    lines = [line.partition("#")[0].split() for language, code in blocks("README.md") if language == "sh" for line in code.splitlines()]
    for program, *words in lines:
        match program, words:
            case "make", [target]:
                assert f"\n{target}: " in makefile
            case "pip", ["install", what]:
                assert all(f"\n{extra} = [" in pyproject for extra in re.findall(r"\[(\w+)\]", what))
            case _:
                assert program == "zhixing"


def test_both_languages_show_the_same_commands():
    def bare(code: str) -> str:
        return re.sub(r'"[^"]*"|\s*#.*', "", code)

    english, chinese = blocks("README.md"), blocks("README.zh-CN.md")
    assert [(language, bare(code)) for language, code in english[:-1]] == [(language, bare(code)) for language, code in chinese[:-1]]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_it_ends_with_the_tree_of_files(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    _, tree = blocks(name)[-1]
    assert text.endswith(f"```\n{tree}```\n")
    lines = [(len(line) - len(line.lstrip()), line.split()[0]) for line in tree.splitlines()]
    package = [path for depth, path in lines if depth]
    assert all((ROOT / path).exists() for depth, path in lines if not depth)
    there = {p.name + "/" if p.is_dir() else p.name for p in (ROOT / "src/zhixing").iterdir() if not p.name.startswith(("_", "."))}
    assert set(package) == there - {"py.typed"}


def test_the_order_of_the_tree_is_that_of_the_layers():
    layers = re.search(r"layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL)[1]
    rows = [row.split(" | ") for row in re.findall(r'"([^"]+)"', layers)][::-1]
    names = [
        line.split()[0].removesuffix("/").removesuffix(".py") for line in blocks("README.md")[-1][1].splitlines() if line.startswith("    ")
    ]
    assert sorted(names, key=lambda name: next(i for i, row in enumerate(rows) if name in row)) == names


@pytest.mark.parametrize("page", [p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text(encoding="utf-8")):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_settings_and_flags_that_are_named_exist(name, capsys):
    text, known, flags = (ROOT / name).read_text(encoding="utf-8"), set(), {"extra-index-url", "help", "settings", "json"}
    for command in cli_commands():
        parameters = inspect.signature(cli.function(command)).parameters
        flags |= {parameter.strip("_").replace("_", "-") for parameter in parameters}
        if "settings" in parameters:
            assert cli.run([*command.split(), "--settings"]) == 0
            known |= set(re.findall(r"^  ([a-z_.0-9]+) = ", capsys.readouterr().out, re.MULTILINE))
    named = set(re.findall(r"\b([a-z]+(?:\.[a-z_0-9]+)+)=", text)) - {"dotted.key"}
    assert len(named) > 15 and named <= known, named - known
    told = set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", text))
    assert len(told) > 30 and told <= flags, told - flags


def cli_commands() -> list[str]:
    """Every command, as `finetune classify`."""
    tasks = [f"{verb} {task}" for verb, names in zhixing.TASKS.items() for task in names]
    return [*(verb for verb in zhixing.VERBS if verb not in zhixing.TASKS or verb == "ladder"), *tasks]


def test_both_languages_name_the_same_settings_flags_and_figures():
    """Beside the blocks, too: what one language tells, the other does."""

    def told(name: str) -> dict[str, set[str]]:
        text = (ROOT / name).read_text(encoding="utf-8")
        table = text[text.index("0.8 M parameters" if name == "README.md" else "80 万参数") :].partition("```")[0]
        return {
            "settings": set(re.findall(r"\b[a-z]+(?:\.[a-z_]+)+=\S*?(?=`)", text)),
            "flags": set(re.findall(r"--[a-z][a-z-]+", text)),
            "figures": set(re.findall(r"\d+\.\d{2,}|\d{1,3}(?:,\d{3})+(?! 万)\b", table)),
        }

    english, chinese = told("README.md"), told("README.zh-CN.md")
    for what, names in english.items():
        assert names == chinese[what] and len(names) > 9, (what, names ^ chinese[what])
