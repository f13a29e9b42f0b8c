r"""The files that `score` reads: outputs of any system, and what they are measured against.

Sentences, labels and numbers stand one a line; labels and numbers also in JSON lines, as `predict` writes them. Lines end at `\n` and
nowhere else: U+2028, form feeds and lone carriage returns are text. All is UTF-8. Every mistake is an `InputError` with file and line.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zhixing.console import warn
from zhixing.corpus.encoding import SAMPLE, detect
from zhixing.errors import InputError
from zhixing.files import parse_json, reason

_COMPARED = 20_000
"""Lines that are looked at for the place where two files shift."""
_WINDOW, _FARTHEST = 6, 5
_LARGEST = 1e100


@dataclass(frozen=True)
class Labelled:
    """The label of each text, and its probabilities where the file has them."""

    labels: list[str]
    probabilities: list[dict[str, float]] | None


@dataclass(frozen=True)
class Questions:
    """Gold answers by the names of the questions; a question without any has no answer."""

    answers: dict[str, list[str]]
    unanswerable: bool
    """Whether the file is of SQuAD 2.0's kind, where some questions have no answer."""
    texts: dict[str, str]
    """The questions themselves."""


def read_lines(path: str) -> list[str]:
    """The lines of a file (`-`: standard input), without their ends."""
    data = _bytes(path)
    for mark, name in ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")):
        if data.startswith(mark):
            raise InputError(path, f"is {name}, not UTF-8; convert it: iconv -f {name} -t UTF-8")
    parts = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if parts[-1] == b"":
        parts.pop()
    if not parts:
        raise InputError(path, "is empty")
    lines = []
    for number, part in enumerate(parts, start=1):
        if b"\0" in part:
            raise InputError(f"{path}:{number}", "holds a NUL: this is no text, or no UTF-8")
        try:
            lines.append(part.decode("utf-8").removesuffix("\r"))
        except UnicodeDecodeError as error:
            seen = detect(data[:SAMPLE])
            hint = f"; it looks like {seen}, which iconv -f {seen.upper()} -t UTF-8 converts" if seen and seen != "utf-8" else ""
            raise InputError(
                f"{path}:{number}", f"is not UTF-8 (byte 0x{part[error.start]:02x}, the {error.start + 1}. of the line){hint}"
            ) from None
    return lines


def _bytes(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        what = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({reason(error)})"
        raise InputError(path, what) from None


def same_length(path: str, lines: Sequence[str], other_path: str, others: Sequence[str]) -> None:
    """Raise `InputError` unless two files have as many lines; says where they seem to shift."""
    if len(lines) == len(others):
        return
    shift = first_shift(lines, others)
    where = f"; they seem to shift at line {shift}" if shift is not None else ""
    raise InputError(path, f"has {len(lines)} lines, and {other_path} has {len(others)}{where}")


def first_shift(lines: Sequence[str], others: Sequence[str]) -> int | None:
    """The first line from which two files are more alike when one is moved by some lines; None when that cannot be told."""
    longer, shorter = (lines, others) if len(lines) > len(others) else (others, lines)
    count = min(len(shorter), _COMPARED)
    pairs = [_pairs(line) for line in longer[: count + _FARTHEST]], [_pairs(line) for line in shorter[:count]]
    straight = [_alike(pairs[0][i], pairs[1][i]) for i in range(count)]
    found = None
    for offset in range(1, min(_FARTHEST, len(longer) - len(shorter)) + 1):
        moved = [_alike(pairs[0][i + offset], pairs[1][i]) if i + offset < len(pairs[0]) else 0.0 for i in range(count)]
        for i in range(count if found is None else found):
            here = slice(i, i + _WINDOW)
            size = len(straight[here])
            if moved[i] > straight[i] + 0.1 and (sum(moved[here]) - sum(straight[here])) / size > 0.15:
                found = i
                break
    return None if found is None else found + 1


def _pairs(line: str) -> set[str]:
    text = "".join(line.split()).lower()
    return {text[i : i + 2] for i in range(len(text) - 1)} or {text}


def _alike(one: set[str], other: set[str]) -> float:
    return 2 * len(one & other) / max(1, len(one) + len(other))


def read_labels(path: str) -> Labelled:
    """Labels one a line, or JSON lines with `label` and, if wanted, `probabilities` of all labels."""
    lines = read_lines(path)
    if not path.endswith(".jsonl"):
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                raise InputError(f"{path}:{number}", "has no label")
            if "\t" in line.strip():
                raise InputError(f"{path}:{number}", "has several columns; wanted is one label a line")
        return Labelled([line.strip() for line in lines], None)
    labels, probabilities = [], []
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        record = _record(where, line)
        label = record.get("label")
        if not isinstance(label, str | int) or isinstance(label, bool) or not str(label).strip():
            raise InputError(where, 'has no "label"')
        labels.append(str(label).strip())
        if "probabilities" in record:
            probabilities.append(_probabilities(where, record["probabilities"]))
        if len(probabilities) not in (0, number):
            missing = "probabilities" not in record
            raise InputError(where, 'has no "probabilities", as other lines have' if missing else 'has "probabilities", unlike others')
    if probabilities:
        known = set(probabilities[0])
        for number, one in enumerate(probabilities, start=1):
            if set(one) != known:
                raise InputError(
                    f"{path}:{number}", f"has probabilities of other labels than line 1 ({', '.join(sorted(set(one) ^ known)[:3])})"
                )
    return Labelled(labels, probabilities or None)


def _record(where: str, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise InputError(where, "is not valid JSON") from None
    if not isinstance(record, dict):
        raise InputError(where, "is no JSON object")
    return record


def _probabilities(where: str, value: object) -> dict[str, float]:
    if not isinstance(value, dict) or not value or not all(isinstance(p, int | float) and not isinstance(p, bool) for p in value.values()):
        raise InputError(where, 'its "probabilities" are no object of numbers by label')
    found = {label: float(p) for label, p in value.items()}
    if not all(0 <= p <= 1 for p in found.values()) or abs(sum(found.values()) - 1) > 1e-3:
        raise InputError(where, 'its "probabilities" are not from 0 to 1 with a sum of 1')
    return found


def warn_of_strange(path: object, said: Iterable[str], known: set[str], ref: str) -> None:
    """Warn of predicted labels that no text has: misspelt ones, say, which can never be right."""
    strange = Counter(label for label in said if label not in known)
    if strange:
        shown = ", ".join(f"{label} ({count})" for label, count in strange.most_common(3))
        warn(f"{path}: labels that no text of {ref} has: {shown}")


def read_label_sets(path: str) -> list[set[str]]:
    """Labels parted by tabs, the labels of one text a line (an empty line is a text without any), or JSON lines with `labels`."""
    lines = read_lines(path)
    if not path.endswith(".jsonl"):
        return [{label.strip() for label in line.split("\t") if label.strip()} for line in lines]
    found = []
    for number, line in enumerate(lines, start=1):
        labels = _record(f"{path}:{number}", line).get("labels")
        if not isinstance(labels, list) or not all(isinstance(one, str | int) and not isinstance(one, bool) for one in labels):
            raise InputError(f"{path}:{number}", 'has no list of "labels"')
        found.append({str(label).strip() for label in labels} - {""})
    return found


def read_numbers(path: str) -> list[float]:
    """Numbers one a line, or JSON lines with `value`."""
    found = []
    for number, line in enumerate(read_lines(path), start=1):
        where, given = f"{path}:{number}", line.strip()
        if path.endswith(".jsonl"):
            value = _record(where, line).get("value")
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise InputError(where, 'has no number as "value"')
            given = str(value)
        try:
            found.append(float(given))
        except ValueError:
            raise InputError(where, f"is no number ({given[:40]!r})" if given else "is blank") from None
        if not math.isfinite(found[-1]):
            raise InputError(where, f"is no finite number ({given})")
        if abs(found[-1]) > _LARGEST:
            raise InputError(where, f"is too large a number ({given}): the squares of such errors cannot be added up")
    return found


def read_questions(path: str) -> Questions:
    """Questions with their gold answers, in the JSON of SQuAD 1.1 and 2.0, CMRC 2018, DRCD."""
    tree = _json(path)
    if not isinstance(tree, dict) or not isinstance(tree.get("data"), list):
        raise InputError(path, 'is not in the form of SQuAD: a JSON object with a list "data" is wanted')
    answers: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    unanswerable = False
    for article in tree["data"]:
        for paragraph in _list(path, article, "paragraphs"):
            for question in _list(path, paragraph, "qas"):
                name = question.get("id") if isinstance(question, dict) else None
                if not isinstance(name, str | int):
                    raise InputError(path, f'question {len(answers) + 1} has no "id"')
                if str(name) in answers:
                    raise InputError(path, f"question {name} is there twice")
                gold = [a.get("text") if isinstance(a, dict) else None for a in _list(path, question, "answers")]
                if not all(isinstance(text, str) for text in gold):
                    raise InputError(path, f'question {name}: an answer has no "text"')
                unanswerable |= bool(question.get("is_impossible")) or not gold
                answers[str(name)] = [str(text) for text in gold]
                texts[str(name)] = str(question.get("question", ""))
    if not answers:
        raise InputError(path, "holds no question")
    return Questions(answers, unanswerable, texts)


def _list(path: str, record: object, name: str) -> list[Any]:
    found = record.get(name) if isinstance(record, dict) else None
    if not isinstance(found, list):
        raise InputError(path, f'is not in the form of SQuAD: something has no list "{name}"')
    return found


def _json(path: str) -> Any:
    return parse_json(path, "\n".join(read_lines(path)))


def read_answers(path: str) -> dict[str, str]:
    """Predicted answers by the names of the questions: a JSON object, as SQuAD's script wants it, or JSON lines with `id` and `answer`
    (null: there is none), as `predict` writes them."""
    if path.endswith(".jsonl"):
        found: dict[str, str] = {}
        for number, line in enumerate(read_lines(path), start=1):
            record = _record(f"{path}:{number}", line)
            name, answer = record.get("id"), record.get("answer", 0)
            if not isinstance(name, str | int) or not isinstance(answer, str | None):
                raise InputError(f"{path}:{number}", 'should have "id" and "answer"')
            if str(name) in found:
                raise InputError(f"{path}:{number}", f"question {name} is there twice")
            found[str(name)] = answer or ""  # null: there is none
        return found
    tree = _json(path)
    if not isinstance(tree, dict) or not all(isinstance(answer, str) for answer in tree.values()):
        raise InputError(path, "should be a JSON object of answers by the names of the questions")
    return tree
