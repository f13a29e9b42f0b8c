"""A corpus of pairs, examined: cleaned, judged pair by pair and as a whole, with the line numbers of everything that was found.

1. Both sides are cleaned.                                   4. Copies of earlier pairs and of held-out ones are found.
2. The usual ratio of lengths is taken from the corpus.      5. Pairs that do not seem to translate each other are found.
3. Each pair is judged by its own text (`faults`).           6. Encodings, scripts and repeated sources are counted.

What is left out keeps its reason. Too large a share of faults stops everything: then the files are not what they were taken for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from zhixing.corpus.clean import clean
from zhixing.corpus.document import Dropped
from zhixing.corpus.pairs import alignment, faults
from zhixing.corpus.pairs.overlap import HeldOut
from zhixing.corpus.pairs.pair import Pair, PairSettings
from zhixing.errors import InputError

ENOUGH = 100
LINES = 1000
"""Line numbers of a fault that the report lists; all of them are among what was left out."""
EXAMPLES = 5

OTHER_KINDS = {
    "read": "cannot be read",
    "duplicate": "occurred before",
    "overlap": "a copy or near copy of a held-out pair",
    "alignment": "the sides do not seem to translate each other",
}


@dataclass
class Finding:
    """All pairs with one fault."""

    count: int = 0
    lines: list[str] = field(default_factory=list)
    """`file:line` of the first thousand."""
    examples: list[dict[str, str]] = field(default_factory=list)

    def add(self, where: str, source: str, target: str, why: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.lines) < LINES:
            self.lines.append(where)
        if len(self.examples) < EXAMPLES:
            self.examples.append({"where": where, "source": source[:200], "target": target[:200], "reason": why})


@dataclass
class Examined:
    """What is left of a corpus, and what was found in it."""

    pairs: list[Pair]
    report: dict[str, Any]
    """JSON: counts, findings with lines and examples, the usual ratio of lengths, repeated sources, Chinese scripts."""
    dropped: list[dict[str, Any]]
    """A record for each pair that was left out: file, line, reason, both sides."""


def examine(items: Iterable[Pair | Dropped], languages: tuple[str, str], settings: PairSettings, held_out: Sequence[Pair] = ()) -> Examined:
    """Judge all pairs. Raises `InputError` when more of them than `max_faulty` are faulty, or none is left."""
    found: dict[str, Finding] = defaultdict(Finding)
    dropped: list[dict[str, Any]] = []
    read, pairs = 0, list[Pair]()

    def leave_out(kind: str, pair: Pair, why: str) -> None:
        found[kind].add(pair.where, pair.source, pair.target, why)
        dropped.append({"file": pair.file, "line": pair.line, "kind": kind, "reason": why, "source": pair.source, "target": pair.target})

    for item in items:
        read += 1
        if isinstance(item, Dropped):
            leave_out("read", Pair(item.text, "", item.source, item.line or 0), item.reason)
        else:
            pairs.append(replace(item, source=_line(item.source, settings), target=_line(item.target, settings)))
    if not pairs:
        raise InputError("the data", "holds no sentence pair")
    usual = faults.usual_ratio(pairs[:: max(1, len(pairs) // 20_000)])
    kept = []
    for pair in pairs:
        if kind := faults.fault(pair, pair.languages or languages, settings, usual):
            leave_out(kind, pair, faults.KINDS[kind])
        else:
            kept.append(pair)
    _refuse(read, found, settings)
    kept = list(_unlike(kept, HeldOut(held_out, settings.similarity), settings, leave_out)) if held_out else kept
    kept = list(_once(kept, settings, leave_out))
    doubtful = alignment.doubtful(kept)
    if doubtful is not None:
        for pair, doubt in zip(kept, doubtful, strict=True):
            if doubt:
                if settings.alignment:
                    leave_out("alignment", pair, OTHER_KINDS["alignment"])
                else:
                    found["alignment"].add(pair.where, pair.source, pair.target, OTHER_KINDS["alignment"])
        if settings.alignment:
            kept = [pair for pair, doubt in zip(kept, doubtful, strict=True) if not doubt]
    _refuse(read, found, settings)
    if not kept:
        raise InputError(pairs[0].file, "no pair is left: " + "; ".join(f"{f.count} {_meaning(kind)}" for kind, f in found.items()))
    report = {
        "read": read,
        "kept": len(kept),
        "usual_ratio": usual,
        "findings": {
            kind: {"meaning": _meaning(kind), "count": f.count, "share": f.count / read, "lines": f.lines, "examples": f.examples}
            for kind, f in sorted(found.items(), key=lambda item: -item[1].count)
        },
        "alignment_judged": doubtful is not None,
        "files": dict(Counter(pair.file for pair in kept)),
        "domains": dict(Counter(pair.domain for pair in kept if pair.domain is not None).most_common()),
        "languages": dict(Counter("-".join(pair.languages) for pair in kept if pair.languages is not None).most_common()),
        "characters": {side: sum(len(getattr(pair, side)) for pair in kept) for side in ("source", "target")},
        **_repeated(kept),
        "chinese": {side: _chinese(getattr(pair, side) for pair in kept) for side in ("source", "target")},
    }
    return Examined(kept, report, dropped)


def _meaning(kind: str) -> str:
    return {**faults.KINDS, **OTHER_KINDS}[kind]


def _line(text: str, settings: PairSettings) -> str:
    return clean(text, settings.clean).strip()


def _unlike(pairs: Sequence[Pair], held_out: HeldOut, settings: PairSettings, leave_out: Any) -> Iterator[Pair]:
    for start in range(0, len(pairs), 4096):
        batch = pairs[start : start + 4096]
        for pair, near in zip(batch, held_out.near(batch), strict=True):
            if near is not None and settings.overlap:
                leave_out("overlap", pair, f"{near[1]:.2f} like the held-out {held_out.pairs[near[0]].where}")
            else:
                yield pair


def _once(pairs: Sequence[Pair], settings: PairSettings, leave_out: Any) -> Iterator[Pair]:
    seen: dict[tuple[str, str], str] = {}
    for pair in pairs:
        first = seen.setdefault((pair.source, pair.target), pair.where)
        if first != pair.where and not settings.duplicates:
            leave_out("duplicate", pair, f"stands at {first} already")
        else:
            yield pair


def _refuse(read: int, found: dict[str, Finding], settings: PairSettings) -> None:
    faulty = {kind: f for kind, f in found.items() if kind not in ("duplicate", "overlap")}
    count = sum(f.count for f in faulty.values())
    if read >= ENOUGH and count > settings.max_faulty * read:
        examples = "; ".join(f"{f.lines[0]}: {_meaning(kind)} ({f.count} in all)" for kind, f in faulty.items())
        where = next(iter(faulty.values())).lines[0].rpartition(":")[0]
        raise InputError(
            where, f"{count} of {read} pairs are faulty, more than pairs.max_faulty = {settings.max_faulty:g} allows: {examples}"
        )


def _repeated(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Sources with several targets, and the other way round."""
    result = {}
    for name, one, other in (("many_targets", "source", "target"), ("many_sources", "target", "source")):
        partners: dict[str, set[str]] = defaultdict(set)
        places: dict[str, list[str]] = defaultdict(list)
        for pair in pairs:
            partners[getattr(pair, one)].add(getattr(pair, other))
            places[getattr(pair, one)].append(pair.where)
        many = {text: others for text, others in partners.items() if len(others) > 1}
        most = sorted(many, key=lambda text: -len(many[text]))[:EXAMPLES]
        result[name] = {
            "count": len(many),
            "examples": [{"text": text[:200], "partners": sorted(many[text])[:8], "lines": places[text][:8]} for text in most],
        }
    return result


def _chinese(texts: Iterable[str]) -> dict[str, int]:
    """Lines with characters of Traditional Chinese only, of Simplified only, and of both."""
    counts = {"traditional": 0, "simplified": 0, "mixed": 0}
    for text in texts:
        kind = chinese_script(text)
        if kind:
            counts[kind] += 1
    return counts


def chinese_script(text: str) -> str | None:
    """`traditional`, `simplified` or `mixed` by characters that only one of the two writes; None where there is none of these.

    A character belongs to Traditional Chinese alone where Big5 has it and GB 2312 has not, and the other way round.
    """
    if text.isascii():
        return None
    traditional = simplified = False
    for character in set(text):
        if "\u4e00" <= character <= "\u9fff":
            in_big5, in_gb = _encodes(character, "big5"), _encodes(character, "gb2312")
            traditional |= in_big5 and not in_gb
            simplified |= in_gb and not in_big5
    return "mixed" if traditional and simplified else "traditional" if traditional else "simplified" if simplified else None


_known: dict[tuple[str, str], bool] = {}


def _encodes(character: str, encoding: str) -> bool:
    key = character, encoding
    if key not in _known:
        try:
            character.encode(encoding)
            _known[key] = True
        except UnicodeEncodeError:
            _known[key] = False
    return _known[key]
