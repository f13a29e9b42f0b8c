"""From rows to examples: texts cleaned as they will be when the model is used, labels of one kind, bad rows set aside with the reason.

A few bad rows are set aside, counted and shown in the data report; more than `bad_rows` of all stop the work, before it has begun, with the
first of them.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from zhixing.config import Settings
from zhixing.corpus import fetch
from zhixing.corpus.clean import CleanSettings, clean
from zhixing.corpus.document import Dropped
from zhixing.corpus.labelled import columns
from zhixing.corpus.labelled.columns import Columns, Wanted
from zhixing.corpus.labelled.records import Record, records
from zhixing.corpus.sources import STDIN, Source, kind
from zhixing.corpus.stats import language
from zhixing.errors import InputError

Label = str | tuple[str, ...] | float
"""One name, any number of names, or a number."""
Kind = Literal["single", "multi", "number"]
_NOTHING = ("nan", "NaN", "NAN")
_PARTS = {"train", "training", "test", "testing", "valid", "validation", "dev", "eval"}
_SHOWN = 20


class LabelledSettings(Settings):
    """How labelled texts are read."""

    kind: Literal["auto", "single", "multi", "number"] = "auto"
    """single (one label a text), multi (any number of them) or number (a rating to be predicted as a number). auto: multi where a separator
    is set or labels are JSON lists, else single."""
    separator: str | None = None
    """multi: what stands between labels in a cell, `,` say."""
    header: bool | None = None
    """Whether tables begin with the names of their columns; found out when not given."""
    encoding: str | None = None
    """Encoding of the files; found out when not given."""
    bad_rows: float = Field(default=0.01, ge=0, le=1)
    """Share of rows that may be bad (empty, not readable, of the wrong type) and are set aside; with more, nothing is done."""
    duplicates: Literal["keep", "drop"] = "keep"
    """drop: of rows with the same text and label only the first is trained on. Copies never stand on both sides of a split in any case."""
    conflicts: Literal["keep", "drop"] = "keep"
    """drop: texts that have different labels in different rows are not trained on."""
    valid: float = Field(default=0.1, gt=0, lt=1)
    """Share of each class that is held out for validation where no validation data is given."""
    seed: int = Field(default=0, ge=0)
    """Another seed, another validation part and other folds."""


@dataclass(frozen=True)
class Example:
    """A text with what it is to be taken for."""

    text: str
    label: Label
    source: str
    line: int | None = None
    pair: str | None = None
    """The second text of a pair."""

    @property
    def where(self) -> str:
        """`file:line`."""
        return self.source if self.line is None else f"{self.source}:{self.line}"

    @cached_property
    def key(self) -> tuple[str, str]:
        """What two examples have in common that are the same to a reader: case, spaces and marks at the ends do not count."""
        return plain(self.text), plain(self.pair or "")

    @property
    def names(self) -> tuple[str, ...]:
        """Its labels, of whatever kind."""
        return self.label if isinstance(self.label, tuple) else (str(self.label),)


def mostly_chinese(examples: Sequence[Example]) -> bool:
    """Whether at least half of the first thousand texts are Chinese."""
    some = examples[:1000]
    return 2 * sum(language(example.text) == "zh" for example in some) >= len(some)


@dataclass
class Labelled:
    """What was read."""

    kind: Kind
    examples: list[Example] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """What was found out about columns and labels without having been told."""

    @property
    def paired(self) -> bool:
        """Whether texts are pairs."""
        return any(example.pair is not None for example in self.examples)

    def counts(self) -> Counter[str]:
        """How many examples have each label, the most frequent first."""
        return Counter(dict(Counter(name for example in self.examples for name in example.names).most_common()))


def read(
    names: Sequence[str | Path],
    settings: LabelledSettings,
    cleaning: CleanSettings,
    *,
    text: str | int | None = None,
    label: str | int | None = None,
    pair: str | int | None = None,
) -> Labelled:
    """All examples of files, folders of classes, catalogue names, URLs and hub data sets; columns by name or 0-based number.

    Raises `InputError` with file and line when columns cannot be told, when there is no example, or when more than `bad_rows` are bad.
    """
    wanted = Wanted(text, label, pair, settings.header)
    rows: list[tuple[Columns, Record]] = []
    found = Labelled("single")
    for name in fetch.resolve(names):
        for one in _sources(Path(name)):
            _take(one, wanted, settings, rows, found)
    if not rows:
        first = found.dropped[0] if found.dropped else None
        where = f"{first.source}:{first.line}" if first else ", ".join(map(str, names))
        raise InputError(where, f"nothing readable in this file: it {first.reason}" if first else "holds no rows")
    labels = [_cell(record, c.label) for c, record in rows if c.label is not None]
    found.kind = _kind(labels, settings)
    if found.kind == "multi" and settings.kind == "auto":
        found.said.append("texts have any number of labels each")
    for places, record in rows:
        made = _example(places, record, found.kind, settings, cleaning)
        if isinstance(made, Example):
            found.examples.append(made)
        else:
            found.dropped.append(Dropped(record.source, record.line, "label", made, record.shown))
    refuse_bad(found, settings)
    return _without_copies(found, settings)


def refuse_bad(found: Labelled, settings: LabelledSettings) -> None:
    """Raise `InputError` when too many rows were set aside."""
    bad, total = len(found.dropped), len(found.dropped) + len(found.examples)
    if not bad or bad <= settings.bad_rows * total:
        return
    first = min(found.dropped, key=lambda d: d.line or 0) if len({d.source for d in found.dropped}) == 1 else found.dropped[0]
    where = first.source if first.line is None else f"{first.source}:{first.line}"
    many = f" ({bad} of {total} rows are bad)" if bad > 1 else ""
    raise InputError(
        where, f"{first.reason}{many}; mend it, or let bad rows be set aside with data.bad_rows={math.ceil(100 * bad / total) / 100:g}"
    )


def _sources(path: Path) -> Iterator[tuple[Source, str | None, bool]]:
    """Files with the class that their place means, None where rows name it; and whether a file is one text."""
    if not path.is_dir():
        if str(path) != STDIN and not path.exists():
            raise InputError(path, "no such file or folder")
        yield Source(path, named=True), None, False
        return
    inside = sorted(p for p in path.iterdir() if not p.name.startswith(".") and p.name != "manifest.json")
    classes = [p for p in inside if p.is_dir()]
    if classes:
        if parts := [p.name for p in classes if p.name.lower() in _PARTS]:
            raise InputError(path, f"holds the parts {', '.join(parts)}; name one of them, {path / parts[0]} say")
        for folder in classes:
            files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
            if not files:
                raise InputError(folder, "is a class without a file")
            yield from ((Source(p, named=False), folder.name, True) for p in files)
        return
    tables = [p for p in inside if kind(p.name)[0] in ("csv", "tsv", "jsonl", "json", "parquet")]
    texts = [p for p in inside if kind(p.name)[0] == "text"]
    if not tables and len(texts) < 2:
        raise InputError(path, "holds neither tables nor classes (a folder, or a text file with a text on each line, for each class)")
    for file in tables or texts:
        yield Source(file, named=bool(tables)), None if tables else file.name.split(".")[0], False


def _take(place: tuple[Source, str | None, bool], wanted: Wanted, settings: LabelledSettings, rows: list[Any], found: Labelled) -> None:
    """The rows of a file with its columns; a file in a folder of classes is one text, a text file of a class has one a line."""
    source, meant, whole = place
    if meant is not None:
        _, items = records(source, settings.encoding, columns=False)
        entries = list(items)
        found.dropped += (entry for entry in entries if isinstance(entry, Dropped))
        lines = [(entry.line, str(entry.cells[0])) for entry in entries if isinstance(entry, Record) and isinstance(entry.cells, list)]
        if whole:
            lines = [(None, "\n".join(text for _, text in lines))]
        where = Columns("text", "label", None, True, None)
        rows += ((where, Record(source.name, n, {"text": t, "label": meant})) for n, t in lines if whole or t.strip())
        return
    _, items = records(source, settings.encoding)
    start = list(itertools.islice(items, columns.LOOKED_AT))
    first = [item for item in start if isinstance(item, Record)]
    if not first:
        found.dropped += (item for item in start if isinstance(item, Dropped))
        if not start:
            raise InputError(source.name, "is empty")
        return
    where = columns.find(first, wanted)
    found.said += (f"{source.name}: {text}" for text in where.said)
    skip = first[0] if where.header and where.width is not None else None
    for item in itertools.chain(start, items):
        if isinstance(item, Dropped):
            found.dropped.append(item)
        elif item is not skip:
            rows.append((where, item))


def _cell(record: Record, place: int | str | None) -> Any:
    if isinstance(record.cells, dict):
        return record.cells.get(str(place))
    assert isinstance(place, int)
    return record.cells[place] if place < len(record.cells) else None


def _kind(labels: list[Any], settings: LabelledSettings) -> Kind:
    if settings.kind != "auto":
        return settings.kind
    if settings.separator is not None:
        return "multi"
    lists = sum(
        isinstance(label, list) or (isinstance(label, str) and label.lstrip().startswith("[") and _is_list(label)) for label in labels
    )
    return "multi" if lists > 0.5 * len(labels) else "single"


def _is_list(label: str) -> bool:
    try:
        return isinstance(json.loads(label), list)
    except ValueError:
        return False


def _example(where: Columns, record: Record, kind: Kind, settings: LabelledSettings, cleaning: CleanSettings) -> Example | str:
    """The example that a row makes, or why it makes none."""
    if where.width is not None and len(record.cells) != where.width:
        more = "; quote a text that holds the separator" if len(record.cells) > where.width else ""
        return f"has {len(record.cells)} cells, and the others have {where.width}{more}"
    text = take_text(_cell(record, where.text), cleaning)
    if isinstance(text, Bad):
        return f"its text {text.why}"
    pair = None
    if where.pair is not None:
        second = take_text(_cell(record, where.pair), cleaning)
        if isinstance(second, Bad):
            return f"its second text {second.why}"
        pair = second
    label = _label(_cell(record, where.label), kind, settings)
    if isinstance(label, Bad):
        return f"its label {label.why}"
    return Example(text, label, record.source, record.line, pair)


@dataclass(frozen=True)
class Bad:
    """Why a cell is of no use."""

    why: str


def take_text(value: Any, cleaning: CleanSettings) -> str | Bad:
    """A cell as a cleaned text."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value in _NOTHING:
        return Bad("is missing (null or NaN)")
    if not isinstance(value, str):
        return Bad(f"is {_article(value)}, not a string")
    return clean(value, cleaning).strip() or Bad("is empty")


def _article(value: Any) -> str:
    return {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}.get(
        type(value), type(value).__name__
    )


def _label(value: Any, kind: Kind, settings: LabelledSettings) -> Label | Bad:
    if value is None or value in _NOTHING or (isinstance(value, float) and math.isnan(value)):
        return Bad("is missing (null or NaN)")
    match kind:
        case "number":
            try:
                number = float(value) if not isinstance(value, list | dict | bool) else math.nan
            except ValueError:
                number = math.nan
            return number if math.isfinite(number) else Bad(f"{str(value)!r:.40} is no number, as data.kind=number asks for")
        case "multi":
            return _labels(value, settings)
    if isinstance(value, list | dict):
        return Bad(f"is {_article(value)}; for any number of labels a text set data.kind=multi")
    return name(value) or Bad("is empty")


def _labels(value: Any, settings: LabelledSettings) -> Label | Bad:
    if isinstance(value, str) and settings.separator is None and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return Bad(f"{value!r:.40} is no JSON list")
    parts: Iterable[Any] = value if isinstance(value, list) else str(value).split(settings.separator) if settings.separator else [value]
    if any(isinstance(part, list | dict) or part is None for part in parts):
        return Bad(f"{str(value)!r:.40} is no list of names")
    return tuple(sorted({name(part) for part in parts} - {""}))


def name(value: Any) -> str:
    """A label as it is shown: `1` for the number 1 and for 1.0, `true` for the truth value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return " ".join(str(value).split())


def plain(text: str) -> str:
    """A text without what does not matter when it is looked for elsewhere."""
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'。，；：！？“”‘’…~")


def _without_copies(found: Labelled, settings: LabelledSettings) -> Labelled:
    """Without copies and contradictions, where that is asked for."""
    if settings.duplicates == settings.conflicts == "keep":
        return found
    meanings: dict[tuple[str, str], set[Label]] = {}
    for example in found.examples:
        meanings.setdefault(example.key, set()).add(example.label)
    seen: dict[tuple[tuple[str, str], Label], Example] = {}
    kept: list[Example] = []
    for example in found.examples:
        mark = example.key, example.label
        if settings.conflicts == "drop" and len(meanings[mark[0]]) > 1:
            found.dropped.append(_left_out(example, "has other labels in other rows"))
        elif settings.duplicates == "drop" and mark in seen:
            found.dropped.append(_left_out(example, f"is a copy of {seen[mark].where}"))
        else:
            seen.setdefault(mark, example)
            kept.append(example)
    found.examples = kept
    if not kept:
        raise InputError(found.dropped[0].source, "nothing is left when copies and contradictions are dropped")
    return found


def _left_out(example: Example, why: str) -> Dropped:
    return Dropped(example.source, example.line, "copies", why, example.text[:200])
