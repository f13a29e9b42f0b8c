import gzip
import json
import random
import re
from pathlib import Path

import pytest

import zhixing as zx
from zhixing.corpus.decontaminate import Decontaminate, EvaluationSettings, counted, overlaps
from zhixing.corpus.document import Document
from zhixing.errors import InputError, SettingError

QUESTION = "Which of the two bridges over the river was closed for repairs before the winter of 1998, and why?"
CHINESE = "会议在星期二举行，代表们一致认为这座桥应当关闭维修，并希望在冬天以前完工。"
HAN = "[\u4e00-\u9fff]"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    squad = {"data": [{"paragraphs": [{"context": f"A bridge.\n{CHINESE}", "qas": [{"question": QUESTION, "id": 1}]}]}]}
    (tmp_path / "squad.json").write_text(json.dumps(squad), encoding="utf-8")
    (tmp_path / "pairs.tsv").write_text(f"{QUESTION}\t{CHINESE}\nshort one\t短句\n", encoding="gb18030")
    (tmp_path / "lines.jsonl.gz").write_bytes(gzip.compress(json.dumps({"q": [QUESTION]}).encode()))
    return [str(tmp_path / name) for name in ("squad.json", "pairs.tsv", "lines.jsonl.gz")]


def stage(files: list[str], **chosen: object) -> Decontaminate:
    settings = EvaluationSettings.model_validate({"files": files, **chosen})
    return Decontaminate(settings, overlaps(settings, lambda documents: (one.text for one in documents)))


def test_overlaps_in_any_file_are_found_whatever_stands_around_them(files: list[str]) -> None:
    found = stage(files).found
    assert found(f"He asked: “{QUESTION.upper()}” and left.") == files
    assert found("which of the two bridges / over the river was closed -- for repairs before") == files, "13 words"
    assert found("which of the two bridges over the river was closed for repairs") == [], "12 words"
    assert found(f"据报道：{CHINESE}") == files[:2]
    assert found("代表们一致认为这座桥应当关闭维修，并希望在冬天") == files[:2], "22 characters"
    assert found("代表们一致认为这座桥应当关闭维修，并希望在冬") == [], "21"
    assert found("A text of its own, without anything that was in one of the files that are named above.") == []


def test_lengths_are_settings(files: list[str]) -> None:
    assert stage(files, words=8).found("which of the two bridges over the river end") == files
    assert stage(files, characters=8).found("这座桥应当关闭维修了") == files[:2]
    assert stage(files, characters=8).found("which of the two bridges over the river end") == []


def test_runs_are_those_of_the_slow_obvious_version(tmp_path: Path) -> None:
    draw = random.Random(3)

    def runs(text: str) -> set[tuple[str, ...]]:
        units = re.findall(f"{HAN}|[^\\W_\u4e00-\u9fff]+", text.lower())
        every = {size: [tuple(units[i : i + size]) for i in range(len(units) - size + 1)] for size in (3, 5)}
        return {run for run in every[3] if not re.search(HAN, "".join(run))} | {run for run in every[5] if re.search(HAN, "".join(run))}

    def text(length: int) -> str:
        return "".join(draw.choice(["a ", "B ", "c, ", "d. ", "知", "行", "合 ", "一。", "x1 "]) for _ in range(length))

    names = [str(tmp_path / f"{number}.txt") for number in range(3)]
    known = [text(40) for _ in names]
    for name, content in zip(names, known, strict=True):
        Path(name).write_text(content, encoding="utf-8")
    found = stage(names, words=3, characters=5).found
    hits = 0
    for _ in range(200):
        here = text(8)
        want = [name for name, content in zip(names, known, strict=True) if runs(content) & runs(here)]
        assert found(here) == want, here
        hits += bool(want)
    assert 10 < hits < 190


def test_the_stage_names_all_files_and_counts_each(files: list[str]) -> None:
    batch = [Document(text, "f", line, number=line) for line, text in enumerate([QUESTION, "Something else.", CHINESE, QUESTION + CHINESE])]
    kept, dropped = stage(files)(batch)
    assert [d.line for d in kept] == [1]
    assert [(d.line, d.stage, d.reason) for d in dropped] == [
        (0, "evaluation", f"overlaps with {' + '.join(files)}"),
        (2, "evaluation", f"overlaps with {files[0]} + {files[1]}"),
        (3, "evaluation", f"overlaps with {' + '.join(files)}"),
    ]
    reasons = {f"{d.stage}: {d.reason}": 1 for d in dropped} | {"filter: empty": 5}
    reasons[f"evaluation: overlaps with {' + '.join(files)}"] = 2
    assert counted(reasons, [*files, "other"]) == {files[0]: 3, files[1]: 3, files[2]: 2, "other": 0}


def test_files_that_are_of_no_use_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("too short to have a run\n", encoding="utf-8")
    with pytest.raises(SettingError, match=r"filter.evaluation.files: names .*short.txt, in which no text is as long as a run \(13 words"):
        stage([str(tmp_path / "short.txt")])
    with pytest.raises(InputError, match=r"absent.json: no such file"):
        stage([str(tmp_path / "absent.json")])
    (tmp_path / "broken.json").write_text('{"a": "x"', encoding="utf-8")
    with pytest.raises(InputError, match=r"broken.json: is not valid JSON"):
        stage([str(tmp_path / "broken.json")])
    (tmp_path / "deep.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(InputError, match=r"deep.json: has values nested more than 500 levels deep"):
        stage([str(tmp_path / "deep.json")])


def test_evaluation_texts_are_cleaned_as_the_texts_are(tmp_path: Path) -> None:
    """Traditional characters, of which the training text is made free, are the same text."""
    simplified = "会议在星期二举行，代表们一致认为这座桥应当关闭维修，并希望在冬天以前完工。"
    traditional = "會議在星期二舉行，代表們一致認為這座橋應當關閉維修，並希望在冬天以前完工。"
    (tmp_path / "test + one.tsv").write_text(f"1\t{traditional}\n", encoding="utf-8")
    (tmp_path / "page.html").write_text(f"<html><body><p>{QUESTION.replace('river', '<b>river</b>')}</p></body></html>", encoding="utf-8")
    names = [str(tmp_path / "test + one.tsv"), str(tmp_path / "page.html")]
    texts = [traditional, simplified, QUESTION, "另外一篇文章，与上面的毫无关系，讲的是春天的花和秋天的月亮。"]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts * 3), encoding="utf-8")
    settings = {"filter.evaluation.files": names, "clean.chinese": "simplified", "dedup.exact": False, "dedup.near.on": False}
    result = zx.prepare([str(tmp_path / "texts.jsonl")], out=tmp_path / "out", settings=settings)
    assert result.documents == {"read": 12, "kept": 3, "dropped": 9}
    assert counted(result.reasons, names) == {names[0]: 6, names[1]: 3}
