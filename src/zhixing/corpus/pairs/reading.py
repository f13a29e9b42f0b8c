r"""Read sentence pairs, both sides of a pair at once, in constant memory.

1. A name is a table (TSV, CSV, JSON lines, Parquet), TMX, PO or MO; a corpus by name, URL or hub id; the beginning of the names of two
   aligned files (`train` for `train.en` and `train.zh`, as Moses and its successors name them); or a file beside one given as its target.
2. Lines end at `\n` and nowhere else: U+2028, a form feed or a lone `\r` inside a text is text, and shifts nothing.
3. What cannot be read as a pair is set aside with file and line; two files of different lengths are an error that says where they part.
"""

from __future__ import annotations

import io
import json
import re
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from zhixing.corpus import fetch, tables
from zhixing.corpus.codes import spelled
from zhixing.corpus.document import Dropped
from zhixing.corpus.encoding import BROKEN, broken, decode, lines
from zhixing.corpus.pairs.pair import Pair, TagColumns, known
from zhixing.corpus.pairs.shift import first_shift
from zhixing.corpus.sources import PACKED, STDIN, kind, packing_of
from zhixing.corpus.streams import Peeked, Unpacked, opened
from zhixing.errors import InputError, MissingPackage, SettingError
from zhixing.files import reason

Item = Pair | Dropped

SOURCES, TARGETS = ("source", "src"), ("target", "tgt", "translation", "trg")
"""Names under which columns are looked for, besides those of the languages."""
MAX_LINE = 1_000_000
MAX_EXPANSION = 200
_HALF = re.compile("[\ud800-\udfff]")
_FORMATS = (".tsv", ".csv", ".jsonl", ".parquet", ".tmx", ".po", ".mo", ".txt")


def read(
    names: Sequence[str],
    languages: tuple[str, str],
    *,
    targets: Sequence[str] = (),
    source_column: str | int | None = None,
    target_column: str | int | None = None,
    tags: TagColumns = TagColumns(),  # noqa: B008
) -> Iterator[Item]:
    """Pairs of all names in order. `languages` are codes such as ("en", "zh"); `targets` are files aligned with `names`, one each.

    tags: columns that say of which domain a pair is, and in which languages; where only one language has a column, the other is as in
    `languages`.

    Raises `InputError` for what cannot be read, or holds no pair at all.
    """
    for language in languages:
        if not known(language):
            raise SettingError("languages", f"are codes such as en and zh (ISO 639), not {language!r}")
    if targets and len(targets) != len(names):
        raise InputError(", ".join(targets), f"{len(targets)} files of targets are given for {len(names)} of sources")
    for number, name in enumerate(names):
        if not name.strip():
            raise InputError(repr(name), "is no name of a file of pairs")
        found, first = 0, None
        for item in _one(name, targets[number] if targets else None, languages, (source_column, target_column), tags):
            found += isinstance(item, Pair)
            first = first or (item if isinstance(item, Dropped) else None)
            yield item
        if not found:
            why = f"; {first.source}:{first.line}: {first.reason}" if first else ""
            raise InputError(name, f"holds no sentence pair{why}")


def _one(
    name: str, target: str | None, languages: tuple[str, str], columns: tuple[str | int | None, str | int | None], tags: TagColumns
) -> Iterator[Item]:
    if target is not None:
        _refuse_tags(name, tags)
        yield from aligned(name, target)
        return
    if fetch.remote(name):
        name = str(fetch.text(name))
    path = Path(name)
    if not path.is_file():
        both = [_beside(path, language) for language in languages]
        if both[0] and both[1]:
            _refuse_tags(name, tags)
            yield from aligned(str(both[0]), str(both[1]))
            return
        what = "is a folder; name its files" if path.is_dir() else "no such file"
        raise InputError(name, f"{what}, nor are there two files {path.name}.{languages[0]} and {path.name}.{languages[1]}")
    _, _, suffix = kind(path.name)
    if suffix in (".tmx", ".po", ".mo"):
        _refuse_tags(name, tags)
    match suffix:
        case ".tmx":
            yield from _tmx(name, languages)
        case ".po" | ".mo":
            yield from _catalogue(path, suffix)
        case ".parquet":
            yield from _parquet(name, languages, columns, tags)
        case ".jsonl" | ".ndjson" | ".json":
            yield from _objects(name, languages, columns, tags)
        case ".csv":
            yield from _table(name, "csv", languages, columns, tags)
        case ".tsv" | ".txt" | "":
            yield from _table(name, "tsv", languages, columns, tags)
        case _:
            raise InputError(name, f"files of type {suffix} hold no pairs that can be read; {', '.join(_FORMATS)} are, also packed")


def _refuse_tags(name: str, tags: TagColumns) -> None:
    if column := next((column for column in tags.named() if column is not None), None):
        raise InputError(name, f"has no columns, and so none named {column}; tables and JSON lines may have it")


def _tagged(item: Item, cells: Sequence[Any], languages: tuple[str, str]) -> Item:
    """A pair with what its tag columns say: domain and languages, None for what has no column."""
    if isinstance(item, Dropped):
        return item
    domain, *spoken = (None if cell is None else str(cell).strip() for cell in cells)
    for cell in (domain, *spoken):
        if cell == "":
            return Dropped(item.file, item.line, "read", "its domain or language is blank", item.source[:200])
    if domain is not None and (len(domain) > 40 or not domain.isprintable() or "|" in domain):
        return Dropped(item.file, item.line, "read", "its domain is no name of at most 40 letters", domain[:200])
    for language in spoken:
        if language is not None and not known(language):
            return Dropped(
                item.file, item.line, "read", f"its language is no code such as en or zh but {language[:20]!r}", item.source[:200]
            )
    both = (spoken[0] or languages[0], spoken[1] or languages[1]) if any(spoken) else None
    if both is not None and both[0] == both[1]:
        return Dropped(item.file, item.line, "read", f"both its sides are in {both[0]}", item.source[:200])
    return replace(item, domain=domain, languages=both)


def _beside(path: Path, language: str) -> Path | None:
    return next((p for end in ("", *PACKED) if (p := path.with_name(f"{path.name}.{language}{end}")).is_file()), None)


def _pieces(name: str) -> Iterator[str]:
    try:
        with opened(Path(name), len) as raw:
            start = Peeked(io.BufferedReader(raw, 1 << 18))
            unpacked = Unpacked(start, packing_of(start.start), MAX_EXPANSION)
            yield from decode(unpacked, name, newlines=False)
            if unpacked.damage:
                raise InputError(name, unpacked.damage)
    except OSError as error:
        raise InputError(name, f"cannot be read ({reason(error)})") from None


def text_lines(name: str) -> Iterator[tuple[int, str | None, str]]:
    r"""Lines without their ends, split at `\n` alone; None for one that is too long."""
    for number, line, start in lines(_pieces(name), MAX_LINE):
        yield number, None if line is None else line.removesuffix("\n").removesuffix("\r"), start


def aligned(source: str, target: str) -> Iterator[Item]:
    """Pairs of two files, line by line. Raises `InputError` where one ends before the other, with the place where they seem to part."""
    if STDIN in (source, target):
        raise InputError(STDIN, "aligned texts are read from two files")
    for count, (one, other) in enumerate(zip_longest(text_lines(source), text_lines(target)), start=1):
        if one is None or other is None:
            lengths = [sum(1 for _ in text_lines(name)) for name in (source, target)]
            place = first_shift([line or "" for _, line, _ in text_lines(source)], [line or "" for _, line, _ in text_lines(target)])
            hint = f"; they seem to part at line {place + 1}" if place is not None else ""
            raise InputError(source, f"has {lengths[0]} lines, and {target} has {lengths[1]}{hint}")
        yield _pair(source, count, one[1], other[1])


def _pair(file: str, number: int, source: Any, target: Any) -> Item:
    """A pair, or why it is none. Blank sides are left for the report to count."""
    for side, text in (("source", source), ("target", target)):
        if text is None:
            return Dropped(file, number, "read", f"its {side} is missing, or longer than {MAX_LINE} characters")
        if not isinstance(text, str):
            return Dropped(file, number, "read", f"its {side} is {type(text).__name__}, not text", str(text)[:200])
        if broken(text):
            return Dropped(
                file, number, "read", f"its {side} has bytes that are not in the file's encoding", text.replace(BROKEN, "\ufffd")[:200]
            )
        if _HALF.search(text):
            return Dropped(file, number, "read", f"its {side} has half of a surrogate pair, which no encoding can write", ascii(text)[:200])
    return Pair(source, target, file, number)


def _columns(
    where: str, names: Sequence[str], languages: tuple[str, str], wanted: tuple[str | int | None, str | int | None]
) -> tuple[tuple[int, int], bool]:
    """Which columns hold source and target, and whether this first row is a header. Raises `InputError` when it cannot be told."""
    known = [name.strip().lower() for name in names]
    found: list[int | None] = []
    header = False
    for language, usual, asked in zip(languages, (SOURCES, TARGETS), wanted, strict=True):
        candidates = [str(asked).strip().lower()] if asked is not None else [spelled(language, known) or language.lower(), *usual]
        place = next((known.index(name) for name in candidates if name in known), None)
        header = header or place is not None
        if place is None and asked is not None:
            if not str(asked).isdecimal() or int(asked) >= len(names):
                raise InputError(where, f"no column {asked}; its columns are {', '.join(name.strip()[:30] for name in names[:12])}")
            place = int(asked)
        found.append(place)
    first, second = found
    if first is None:
        first = 0 if second != 0 else 1
    if second is None:
        second = 1 if first != 1 else 0
    if max(first, second) >= len(names):
        raise InputError(where, f"has only {len(names)} column, and a pair needs two; columns of a TSV file are separated by tabs")
    if first == second:
        raise InputError(where, f"source and target are both column {first}; set --source-column and --target-column")
    return (first, second), header


def _table(
    name: str,
    form: Literal["csv", "tsv"],
    languages: tuple[str, str],
    wanted: tuple[str | int | None, str | int | None],
    tags: TagColumns,
) -> Iterator[Item]:
    places: tuple[int, int] | None = None
    others: list[int | None] = []
    for number, row in _rows(name, form):
        if isinstance(row, str):
            yield Dropped(name, number, "read", f"not a readable row ({row})")
            continue
        if not any(row):
            yield Dropped(name, number, "read", "an empty line")
            continue
        if places is None:
            places, header = _columns(f"{name}:{number}", row, languages, wanted)
            others, named = _places(f"{name}:{number}", row, tags)
            if header or named:
                continue
        if max(*places, *(place for place in others if place is not None)) >= len(row):
            yield Dropped(name, number, "read", f"has only {len(row)} column{'s' * (len(row) > 1)}", "\t".join(row)[:200])
        else:
            pair = _pair(name, number, row[places[0]], row[places[1]])
            yield _tagged(pair, [None if place is None else row[place] for place in others], languages) if tags else pair


def _places(where: str, names: Sequence[str], tags: TagColumns) -> tuple[list[int | None], bool]:
    """Where tag columns stand, and whether one of them was found by its name. Raises `InputError` where one is not there."""
    known = [name.strip().lower() for name in names]
    found, named = list[int | None](), False
    for column in tags.named():
        if column is None:
            found.append(None)
        elif column.strip().lower() in known:
            found.append(known.index(column.strip().lower()))
            named = True
        elif column.isdecimal() and int(column) < len(names):
            found.append(int(column))
        else:
            raise InputError(where, f"no column {column}; its columns are {', '.join(name.strip()[:30] for name in names[:12])}")
    return found, named


def _rows(name: str, form: Literal["csv", "tsv"]) -> Iterator[tuple[int, list[str] | str]]:
    """Rows as (line, cells), or (line, what is wrong with it). In TSV a tab ends a cell whatever it holds: there are no quotes."""
    if form == "csv":
        entries = ((number, line) for number, line, _ in lines(_pieces(name), MAX_LINE) if line is not None)
        yield from tables.parsed("csv", entries, MAX_LINE)
        return
    for number, line, _ in text_lines(name):
        yield number, f"longer than {MAX_LINE} characters" if line is None else line.split("\t")


def _objects(name: str, languages: tuple[str, str], wanted: tuple[str | int | None, str | int | None], tags: TagColumns) -> Iterator[Item]:
    """JSON lines: {"source", "target"}, {"en", "zh"}, or the hub's {"translation": {"en", "zh"}}."""
    for number, line, start in text_lines(name):
        if line is not None and not line.strip():
            continue
        try:
            record = json.loads(line or "")
        except (ValueError, RecursionError) as error:
            yield Dropped(name, number, "read", f"not a readable JSON object ({error!s:.60})", start)
            continue
        if isinstance(record, dict) and isinstance(record.get("translation"), dict):
            record = {**record, **record["translation"]}
        if not isinstance(record, dict):
            yield Dropped(name, number, "read", f"is a JSON {type(record).__name__}, not an object", start)
            continue
        sides = []
        for language, usual, asked in zip(languages, (SOURCES, TARGETS), wanted, strict=True):
            fields = [str(asked)] if asked is not None else [spelled(language, map(str, record)) or language, *usual]
            field = next((field for field in fields if field in record), None)
            if field is None:
                raise InputError(
                    f"{name}:{number}", f"has none of the fields {', '.join(fields)}; its fields are {', '.join(map(str, record))[:100]}"
                )
            sides.append(record[field])
        if missing := [column for column in tags.named() if column is not None and column not in record]:
            raise InputError(f"{name}:{number}", f"has no field {missing[0]}; its fields are {', '.join(map(str, record))[:100]}")
        cells = [None if column is None else record[column] for column in tags.named()]
        yield _tagged(_pair(name, number, *sides), cells, languages) if tags else _pair(name, number, *sides)


def _parquet(name: str, languages: tuple[str, str], wanted: tuple[str | int | None, str | int | None], tags: TagColumns) -> Iterator[Item]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(name) as table:
            names = table.schema_arrow.names
            places, header = _columns(name, names, languages, wanted)
            if not header:
                raise InputError(
                    name, f"no columns {' and '.join(languages)}, or source and target; its columns are {', '.join(names[:12])}"
                )
            others, _ = _places(name, names, tags)
            columns = list(dict.fromkeys(names[place] for place in (*places, *others) if place is not None))
            number = 0
            for batch in table.iter_batches(batch_size=1024, columns=columns):
                cells = {column: batch.column(column).to_pylist() for column in columns}
                for row in range(batch.num_rows):
                    number += 1
                    pair = _pair(name, number, cells[names[places[0]]][row], cells[names[places[1]]][row])
                    said = [None if place is None else cells[names[place]][row] for place in others]
                    yield _tagged(pair, said, languages) if tags else pair
    except (pa.ArrowException, OSError) as error:
        raise InputError(name, f"is not a readable Parquet file ({error!s:.80})") from None


def _tmx(name: str, languages: tuple[str, str]) -> Iterator[Item]:
    """Translation Memory eXchange 1.4: <tu> units with a <tuv xml:lang> for each language, its text in <seg>."""
    attribute = "{http://www.w3.org/XML/1998/namespace}lang"
    number = 0
    try:
        with opened(Path(name), len) as raw:
            start = Peeked(io.BufferedReader(raw, 1 << 18))
            parser = ElementTree.iterparse(_File(Unpacked(start, packing_of(start.start), MAX_EXPANSION)), events=("start", "end"))
            body = None
            for event, element in parser:
                if event == "start":
                    body = element if element.tag == "body" else body
                    continue
                if element.tag != "tu":
                    continue
                number += 1
                texts = {}
                for variant in element.iter("tuv"):
                    segment = variant.find("seg")
                    code = (variant.get(attribute) or variant.get("lang") or "").lower()
                    if segment is not None:
                        texts[code] = "".join(_spoken(segment))
                sides = [_variant(texts, language) for language in languages]
                if None in sides:
                    yield Dropped(name, number, "read", f"has no text in {languages[sides.index(None)]}, only in {', '.join(texts)[:60]}")
                else:
                    yield _pair(name, number, *sides)
                if body is not None:
                    body.clear()
    except ElementTree.ParseError as error:
        raise InputError(
            f"{name}:{error.position[0]}", f"is not valid XML ({error!s:.60}); {number} units before it could be read"
        ) from None
    except OSError as error:
        raise InputError(name, f"cannot be read ({reason(error)})") from None


class _File:
    """What the XML parser takes for a file."""

    def __init__(self, inner: Unpacked) -> None:
        self._inner = inner

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(1 << 16 if size < 0 else size)


def _spoken(segment: ElementTree.Element) -> Iterator[str]:
    """The text of a segment without the formatting codes of other programs (<bpt>, <ept>, <ph>, <it>), which hold no text."""
    yield segment.text or ""
    for inner in segment:
        if inner.tag in ("hi", "sub"):
            yield from _spoken(inner)
        yield inner.tail or ""


def _variant(texts: dict[str, str], language: str) -> str | None:
    """The text in a language: in the very one, else in a variety of it (`zh-cn` for `zh`), else in what it is a variety of."""
    return texts.get(spelled(language, texts) or "")


def _catalogue(path: Path, suffix: str) -> Iterator[Item]:
    """gettext's catalogues of messages; fuzzy and untranslated ones are left out, plurals give their forms."""
    try:
        from babel.messages.mofile import read_mo
        from babel.messages.pofile import PoFileError, read_po
    except ImportError:
        raise MissingPackage("babel", "translate", f"reading {path}") from None
    try:
        with open(path, "rb") as file:
            catalogue = read_po(file, abort_invalid=True) if suffix == ".po" else read_mo(file)
    except OSError as error:
        raise InputError(path, f"cannot be read ({reason(error) if error.errno else error!s:.80})") from None
    except (PoFileError, ValueError, UnicodeError, LookupError, struct.error) as error:
        raise InputError(path, f"is not a readable {suffix[1:].upper()} file ({' '.join(str(error).split()):.80})") from None
    for number, message in enumerate(catalogue, start=1):
        if not message.id:
            continue  # the header
        line = message.lineno or number
        ids = message.id if isinstance(message.id, (tuple, list)) else (message.id,)
        strings = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
        if message.fuzzy or not any(strings):
            yield Dropped(str(path), line, "read", "is marked as fuzzy" if message.fuzzy else "is not translated", str(ids[0])[:200])
            continue
        yield _pair(str(path), line, ids[-1], strings[-1])
