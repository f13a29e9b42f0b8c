"""Which column holds the text, which the label, which the second text of a pair; and whether the first row is a header.

1. Columns that are named, or numbered from 0, are taken as said.
2. Else usual names are looked for in the header, in English and Chinese.
3. Else, without a header, the first column is the text and the second the label, or the other way round where the values clearly say so:
   labels are short and come again and again, texts are long and hardly ever do.
What was found out, and not said by the user, is told (`Columns.said`); what cannot be told is an error that lists the columns.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from zhixing.corpus.labelled.records import Record
from zhixing.errors import InputError

TEXTS = (
    "text", "sentence", "content", "review", "comment", "document", "body", "message", "tweet", "utterance", "title", "query", "question",
    "文本", "内容", "评论", "评价", "句子", "正文", "标题", "问题",
)  # fmt: skip
LABELS = (
    "label", "labels", "class", "category", "sentiment", "target", "intent", "topic", "rating", "stars", "score", "tag", "tags",
    "标签", "类别", "分类", "情感", "评分",
)  # fmt: skip
PAIRS = (
    ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("text1", "text2"), ("text_a", "text_b"),
    ("question", "sentence"), ("query", "passage"), ("句子1", "句子2"),
)  # fmt: skip
LOOKED_AT = 500
"""Rows by which columns are told apart."""


@dataclass(frozen=True)
class Columns:
    """Where in a row things stand: by number in tables, by name where rows name their cells."""

    text: int | str
    label: int | str | None
    pair: int | str | None
    header: bool
    """Whether the first row names the columns."""
    width: int | None
    """Cells of a row; None where rows name their cells."""
    said: tuple[str, ...] = ()
    """What was found out without having been told."""


@dataclass
class Wanted:
    """What the user said about the columns."""

    text: str | int | None = None
    label: str | int | None = None
    pair: str | int | None = None
    header: bool | None = None
    labelled: bool = True
    paired: bool = False
    """Whether there must be a second text."""


@dataclass
class _Looks:
    """What the values of a column are like."""

    values: list[str] = field(default_factory=list)

    @property
    def length(self) -> float:
        return sum(map(len, self.values)) / max(1, len(self.values))

    @property
    def distinct(self) -> float:
        return len(set(self.values)) / max(1, len(self.values))

    @property
    def kinds(self) -> int:
        return len(set(self.values))


def find(first: Sequence[Record], wanted: Wanted) -> Columns:
    """The columns of a file, from its first rows. Raises `InputError` when they cannot be told."""
    source = first[0].where
    if isinstance(first[0].cells, dict):
        return _named(source, first, wanted)
    rows = [record.cells for record in first if isinstance(record.cells, list)]
    width = Counter(map(len, rows)).most_common(1)[0][0]
    names = [str(cell).strip() for cell in rows[0]]
    least = 1 + wanted.labelled + (wanted.paired or wanted.pair is not None)
    if width < least and len(names) < least:
        what = "a text and a label" if wanted.labelled else "a pair of texts"
        raise InputError(source, f"has {_count(width)}, and {what} need {least}; csv parts them with commas, tsv with tabs")
    by_name = [str(w).strip() for w in (wanted.text, wanted.label, wanted.pair) if w is not None and not str(w).isdecimal()]
    header = wanted.header
    if header is None:
        header = bool(by_name) or _is_header(rows, width, wanted)
    if header:
        _refuse_twins(source, names)
        width = len(names)
        rows = rows[1:]
    found = _choose(source, names if header else [str(i) for i in range(width)], rows, wanted, named=header)
    text, label, pair, said = found
    if header and wanted.header is None and not by_name:
        said = (f"the first row is taken as names of columns: {', '.join(names)[:100]}", *said)
    return Columns(text, label, pair, header, width, tuple(said))


def _count(width: int) -> str:
    return "only one column" if width == 1 else f"only {width} columns"


def _refuse_twins(source: str, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1 and name:
            raise InputError(source, f"has {count} columns named {name}, so that it cannot be told which is meant; rename one")


def _is_header(rows: list[list[Any]], width: int, wanted: Wanted) -> bool:
    """Whether the first row holds names: usual ones, or cells that are unlike all that stand below them."""
    first = [str(cell).strip() for cell in rows[0]]
    usual = {*TEXTS, *LABELS, *(name for pair in PAIRS for name in pair), "id", "idx", "index", "domain", "language", ""}
    if len({_plain(cell) for cell in first} & usual) >= min(2, len(first)):
        return True
    below = [row for row in rows[1:] if len(row) == len(first)]
    if len(below) < 6 or any(len(cell) > 30 for cell in first):
        return False
    for place, cell in enumerate(first):
        values = [str(row[place]).strip() for row in below]
        numbers = sum(_is_number(v) for v in values)
        if numbers == len(values) and cell and not _is_number(cell):
            return True
        counts = Counter(values)
        if cell not in counts and min(counts.values()) >= 2 and len(counts) <= 0.5 * len(values) and _plain(cell) in usual:
            return True
    return False


def _plain(name: str) -> str:
    return name.strip().strip("\ufeff").lower()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _named(source: str, first: Sequence[Record], wanted: Wanted) -> Columns:
    """Columns of rows that name their cells."""
    rows = [record.cells for record in first if isinstance(record.cells, dict)]
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    cells = [[row.get(name) for name in names] for row in rows]
    text, label, pair, said = _choose(source, names, cells, wanted, named=True)
    return Columns(names[text], None if label is None else names[label], None if pair is None else names[pair], True, None, tuple(said))


def _choose(
    source: str, names: list[str], rows: list[list[Any]], wanted: Wanted, *, named: bool
) -> tuple[int, int | None, int | None, Sequence[str]]:
    """Numbers of the columns of text, label and pair, and what was found out."""
    text, label, pair = (_place(source, names, w, flag) for w, flag in _asked(wanted))
    said: list[str] = []
    plain = [_plain(name) for name in names]
    if named and text is None and pair is None and (wanted.labelled or wanted.paired):
        for one, two in PAIRS:
            if one in plain and two in plain:
                text, pair = plain.index(one), plain.index(two)
                said.append(f"texts are pairs, of {names[text]} and {names[pair]}")
                break
    if wanted.paired and pair is None:
        text, pair = _both(source, names, text)
    if named:
        if text is None:
            text = next((plain.index(n) for n in TEXTS if n in plain and plain.index(n) not in (label, pair)), None)
        if label is None and wanted.labelled:
            label = next((plain.index(n) for n in LABELS if n in plain and plain.index(n) not in (text, pair)), None)
    left = [i for i in range(len(names)) if i not in (text, label, pair) and any(str(row[i] or "") for row in rows if i < len(row))]
    if named and not wanted.labelled:  # what has a label's name is none of the texts
        left = [i for i in left if plain[i] not in LABELS] or left
    looks = {i: _Looks([_shown(row[i]) for row in rows if i < len(row)]) for i in left}
    if text is None and label is None and wanted.labelled:
        text, label = _by_their_looks(source, names, left, looks, said, named)
    elif text is None:
        text = _only(source, names, left, looks, "text", lambda one: -one.length)
    elif label is None and wanted.labelled:
        label = _only(source, names, left, looks, "label", lambda one: one.distinct)
    used = [place for place in (text, label, pair) if place is not None]
    if len(set(used)) < len(used):
        raise InputError(source, "the same column cannot be two of text, label and pair")
    assert text is not None
    return text, label, pair, said


def _both(source: str, names: list[str], text: int | None) -> tuple[int, int]:
    """The columns of the two texts of a pair, of which no name tells: of more than two, which is a label is a guess."""
    if len(names) < 2:
        raise InputError(source, f"has {_count(len(names))}, and a pair of texts need 2")
    if len(names) > 2:
        raise InputError(source, f"its columns are {_list(names)}: say which hold the two texts with --text-column and --pair-column")
    return (1, 0) if text else (0, 1)


def _asked(wanted: Wanted) -> tuple[tuple[str | int | None, str], ...]:
    label = wanted.label if wanted.labelled else None
    return (wanted.text, "--text-column"), (label, "--label-column"), (wanted.pair, "--pair-column")


def _place(source: str, names: list[str], wanted: str | int | None, flag: str) -> int | None:
    """The number of a column that was asked for by name or number."""
    if wanted is None:
        return None
    name = _plain(str(wanted))
    plain = [_plain(n) for n in names]
    if name in plain:
        return plain.index(name)
    if name.isdecimal() and int(name) < len(names):
        return int(name)
    raise InputError(source, f"has no column {wanted} ({flag}); its columns are {_list(names)}")


def _list(names: list[str]) -> str:
    if all(name == str(i) for i, name in enumerate(names)):
        return f"numbered 0 to {len(names) - 1}"
    return ", ".join(name[:30] for name in names[:12])


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _by_their_looks(
    source: str, names: list[str], left: list[int], looks: dict[int, _Looks], said: list[str], named: bool
) -> tuple[int, int]:
    """Text and label among columns of which nothing is known but their values."""
    if len(left) < 2:
        raise InputError(
            source, f"has only one column with something in it; its columns are {_list(names)}, and a text and a label are needed"
        )
    first, second = left[:2]
    if _is_label(looks[first], looks[second]) and (len(left) == 2 or all(looks[i].length < looks[second].length / 2 for i in left[2:])):
        said.append(f"column {names[second]} is taken as the text and column {names[first]} as the label, as their values suggest")
        return second, first
    if len(left) == 2 or (not named and _is_label(looks[second], looks[first])):
        if named:
            said.append(f"column {names[first]} is taken as the text and column {names[second]} as the label")
        return first, second
    raise InputError(source, f"its columns are {_list(names)}: say which are text and label with --text-column and --label-column")


def _is_label(one: _Looks, other: _Looks) -> bool:
    """Whether the values of a column look like labels beside another's, which look like texts."""
    again = len(one.values) < 8 or one.distinct <= 0.5
    return again and one.length <= 40 and 2 * one.length < other.length and one.kinds < other.kinds


def _only(source: str, names: list[str], left: list[int], looks: dict[int, _Looks], what: str, order: Any) -> int:
    """The column that is left, or the one that clearly looks the part."""
    if not left:
        raise InputError(source, f"has no column left for the {what}; its columns are {_list(names)}")
    ranked = sorted(left, key=lambda i: order(looks[i]))
    if len(ranked) > 1 and what == "label" and looks[ranked[1]].distinct <= 0.5:
        raise InputError(source, f"its columns are {_list(names)}: say which is the label with --label-column")
    if len(ranked) > 1 and what == "text" and looks[ranked[1]].length > 0.5 * looks[ranked[0]].length:
        raise InputError(source, f"its columns are {_list(names)}: say which is the text with --text-column")
    return ranked[0]
