"""What a person should know about labelled texts before training on them, with the lines to look at.

    classes      how many texts each has, and how uneven that is
    lengths      in characters and in tokens, and which texts the model will not see to their end
    duplicates   rows with the same text and label
    conflicts    rows with the same text and different labels: at most one of them can be right
    look-alikes  names of labels that are perhaps the same one, written differently
    overlap      texts of the validation or test data that stand in the training data: scores on them say little
    oddities     texts of digits and marks alone
    languages    by script, and where a class is of another language than the rest
    set aside    rows that could not be used, with the reason

Two texts are the same here if they are so without case, spaces, and marks at their ends.
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from zhixing.corpus.document import Dropped
from zhixing.corpus.labelled.examples import Example, Kind, Label, Labelled
from zhixing.corpus.stats import language
from zhixing.errors import InputError

SHOWN = 20
"""Cases of each finding that are listed."""
UNEVEN = 10
"""How many times as many texts the largest class may have as the smallest before that is said."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_LETTERS = re.compile(r"[^\W\d_]")


def examine(
    parts: Mapping[str, Sequence[Example]],
    found: Labelled,
    *,
    tokens: Mapping[str, Sequence[int]] | None = None,
    window: int | None = None,
    dropped: Sequence[Dropped] = (),
) -> dict[str, Any]:
    """The data report of parts (`train`, `valid`, `test`), as JSON can hold it.

    tokens: the number of tokens of each example of each part; window: how many of them the model will see.
    dropped: rows of other parts that were set aside, besides those of `found`.
    """
    train = parts["train"]
    everything = [example for part in parts.values() for example in part]
    report: dict[str, Any] = {
        "kind": found.kind,
        "pairs": any(example.pair is not None for example in everything),
        "found_out": found.said,
        "parts": {name: {"texts": len(part), "sources": sorted({e.source for e in part})[:SHOWN]} for name, part in parts.items()},
        "classes": _classes(parts) if found.kind != "number" else {},
        "numbers": _numbers(parts) if found.kind == "number" else {},
        "lengths": {name: _quantiles([len(e.text) + len(e.pair or "") for e in part]) for name, part in parts.items() if part},
        "tokens": {name: _quantiles(list(counts)) for name, counts in (tokens or {}).items() if counts},
        "truncated": _truncated(parts, tokens, window),
        "duplicates": _copies(everything, same_label=True),
        "conflicts": _copies(everything, same_label=False),
        "overlap": {name: overlap(train, part) for name, part in parts.items() if name != "train"},
        "look_alikes": look_alikes([name for e in train for name in e.names]) if found.kind != "number" else [],
        "without_letters": _listed([e for e in everything if not _LETTERS.search(e.text)]),
        "languages": _languages(parts),
        "set_aside": _set_aside([*found.dropped, *dropped]),
    }
    report["warnings"] = warnings(report)
    return report


def _classes(parts: Mapping[str, Sequence[Example]]) -> dict[str, dict[str, int]]:
    counts = {part: Counter(name for example in examples for name in example.names) for part, examples in parts.items()}
    names = [name for name, _ in sum(counts.values(), Counter()).most_common()]
    return {name: {part: counts[part][name] for part in parts} for name in names}


def _numbers(parts: Mapping[str, Sequence[Example]]) -> dict[str, dict[str, float]]:
    return {name: _quantiles([e.label for e in part if isinstance(e.label, float)]) for name, part in parts.items() if part}


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"{q:.0%}": ordered[max(0, math.ceil(q * len(ordered)) - 1)] for q in QUANTILES}


def _truncated(
    parts: Mapping[str, Sequence[Example]], tokens: Mapping[str, Sequence[int]] | None, window: int | None
) -> dict[str, dict[str, Any]]:
    if tokens is None or window is None:
        return {}
    found = {}
    for name, counts in tokens.items():
        longer = [(count, example) for count, example in zip(counts, parts[name], strict=True) if count > window]
        longer.sort(key=lambda pair: -pair[0])
        listed = [{"where": e.where, "tokens": count} for count, e in longer[:SHOWN]]
        found[name] = {"window": window, "texts": len(longer), "share": len(longer) / max(1, len(counts)), "longest": listed}
    return found


def _copies(examples: Sequence[Example], *, same_label: bool) -> dict[str, Any]:
    """Groups of rows with the same text: those whose labels are the same, or those that contradict each other."""
    groups: dict[tuple[str, str], dict[Label, list[Example]]] = defaultdict(lambda: defaultdict(list))
    for example in examples:
        groups[example.key][example.label].append(example)
    found: list[list[Example]] = []
    for by_label in groups.values():
        if same_label:
            found += (same for same in by_label.values() if len(same) > 1)
        elif len(by_label) > 1:
            found.append([example for same in by_label.values() for example in same])
    found.sort(key=lambda group: -len(group))
    extra = sum(len(group) - same_label for group in found)
    listed = [
        {"text": group[0].text[:100], "rows": [{"where": e.where, "label": _shown(e.label)} for e in group[:SHOWN]], "count": len(group)}
        for group in found[:SHOWN]
    ]
    return {"texts": len(found), "rows": extra, "share": extra / max(1, len(examples)), "examples": listed}


def _shown(label: Label) -> str:
    return ", ".join(label) if isinstance(label, tuple) else str(label)


def overlap(train: Sequence[Example], other: Sequence[Example]) -> dict[str, Any]:
    """Which of the other texts stand in the training data."""
    known: dict[tuple[str, str], Example] = {}
    for example in train:
        known.setdefault(example.key, example)
    twice = [(example, known[example.key]) for example in other if example.key in known]
    listed = [{"where": one.where, "in_training": two.where, "text": one.text[:100]} for one, two in twice[:SHOWN]]
    return {"texts": len(twice), "share": len(twice) / max(1, len(other)), "examples": listed}


def look_alikes(names: Sequence[str]) -> list[dict[str, Any]]:
    """Pairs of labels that may be one: the same but for case, spaces and marks, or one or two letters apart and one of them rare."""
    counts = Counter(names)
    known = sorted(counts)
    if len(known) > 2000:
        return []
    found: list[tuple[int, str, str]] = []
    for i, one in enumerate(known):
        for other in known[i + 1 :]:
            common, rare = (one, other) if counts[one] >= counts[other] else (other, one)
            if _bare(one) == _bare(other) or (_near(one, other) and counts[rare] <= 0.2 * counts[common]):
                found.append((counts[rare], common, rare))
    return [{"labels": [common, rare], "texts": [counts[common], few]} for few, common, rare in sorted(found)[:SHOWN]]


def _bare(name: str) -> str:
    """A label's name without what writing varies in; numbers keep their sign and point."""
    try:
        return str(float(name))
    except ValueError:
        return re.sub(r"[\W_]+", "", name.casefold()) or name


def _near(one: str, other: str) -> bool:
    """Whether a slip of the hand may lie between two names; short ones and numbers are too easily near."""
    if min(len(one), len(other)) < 4 or any(c.isdigit() for c in one + other):
        return False
    return difflib.SequenceMatcher(None, one.casefold(), other.casefold(), autojunk=False).ratio() >= 0.85


def _listed(examples: Sequence[Example]) -> dict[str, Any]:
    return {"texts": len(examples), "examples": [{"where": e.where, "text": e.text[:60]} for e in examples[:SHOWN]]}


def _languages(parts: Mapping[str, Sequence[Example]]) -> dict[str, dict[str, int]]:
    return {name: dict(Counter(language(e.text) for e in part).most_common()) for name, part in parts.items() if part}


def _set_aside(dropped: Sequence[Dropped]) -> dict[str, Any]:
    reasons = Counter(re.sub(r"'.*?'|\d+", "…", d.reason) for d in dropped)
    listed = [
        {"where": d.source if d.line is None else f"{d.source}:{d.line}", "reason": d.reason, "text": d.text[:80]} for d in dropped[:SHOWN]
    ]
    return {"rows": len(dropped), "reasons": dict(reasons.most_common(SHOWN)), "examples": listed}


def warnings(report: Mapping[str, Any]) -> list[str]:
    """What of a report should be read before anything is trained, a line each."""
    found = []
    if (rows := report["set_aside"]["rows"]) > 0:
        first = report["set_aside"]["examples"][0]
        found.append(f"{rows} row{' is' if rows == 1 else 's are'} set aside; the first is {first['where']}: {first['reason']}")
    for pair in report["look_alikes"]:
        (common, rare), (many, few) = pair["labels"], pair["texts"]
        found.append(f"label {rare!r} ({few} texts) may be meant to be {common!r} ({many} texts)")
    conflicts = report["conflicts"]
    if conflicts["texts"]:
        rows = ", ".join(f"{row['where']} ({row['label']})" for row in conflicts["examples"][0]["rows"][:2])
        who = f"{conflicts['texts']} text{'s have' if conflicts['texts'] > 1 else ' has'}"
        found.append(f"{who} different labels in different rows; the first: {rows}")
    if report["duplicates"]["share"] > 0.02:
        found.append(f"{report['duplicates']['rows']} rows ({report['duplicates']['share']:.1%}) are copies of others")
    counts = [by_part.get("train", 0) for by_part in report["classes"].values()]
    if report["kind"] == "single" and counts and max(counts) >= UNEVEN * max(1, min(counts)):
        found.append(
            f"classes are uneven: the largest has {max(counts)} texts to train on, the smallest {min(counts)}; see objective.weights"
        )
    for name, part in report["truncated"].items():
        if part["share"] > 0.01:
            found.append(
                f"{part['share']:.1%} of the {name} texts are longer than the {part['window']} tokens that are seen; the rest is cut off"
            )
    for name, part in report["overlap"].items():
        if part["texts"]:
            first = f"{part['examples'][0]['where']} at {part['examples'][0]['in_training']}"
            found.append(f"{part['texts']} of the {name} texts ({part['share']:.1%}) stand in the training data too, {first}")
    if report["without_letters"]["texts"]:
        first, many = report["without_letters"]["examples"][0], report["without_letters"]["texts"]
        who = f"{many} text{'s have' if many > 1 else ' has'}"
        found.append(f"{who} no letters; the first is {first['where']}: {first['text']!r}")
    return found


def refuse_untrainable(examples: Sequence[Example], kind: Kind) -> None:
    """Raise `InputError` when there is nothing to tell apart."""
    names = Counter(name for example in examples for name in example.names)
    where = examples[0].source
    if kind == "number" and len({example.label for example in examples}) < 2:
        raise InputError(where, f"all texts ({len(examples)}) have the number {examples[0].label}; there is nothing to learn")
    if kind == "single" and len(names) < 2:
        raise InputError(where, f"all texts ({len(examples)}) have the label {next(iter(names))!r}; at least two classes are needed")
    if kind == "multi" and not names:
        raise InputError(where, "no text has a label")
    if kind == "single" and len(names) > 20 and len(names) > 0.5 * len(examples):
        raise InputError(
            where,
            f"{len(examples)} texts have {len(names)} different labels, which look like no classes; "
            "choose the column with --label-column, or set data.kind=number if they are numbers",
        )
