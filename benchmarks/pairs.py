"""Faults planted in real sentence pairs, and which of them the pair report finds: recall by kind, with what it says of pairs left alone.

    python benchmarks/pairs.py ../shared/data/mt_en_zh --pairs 10000

One pair in a hundred each is made blank, shifted against its neighbours, swapped, copied, put into another script, or replaced by a
held-out pair with a word changed. What is left out and was not planted may be wrong in the corpus itself: some of it is printed, to
be looked at. The result, with the machine it ran on, goes to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import replace
from pathlib import Path

from measure import record

from zhixing.corpus.pairs import Pair, PairSettings, examine, read

LANGUAGES = ("en", "zh")
RUSSIAN = "Это предложение написано на другом языке и сюда не относится"


def planted(pairs: list[Pair], held_out: list[Pair], draw: random.Random) -> tuple[list[Pair], dict[str, set[int]]]:
    """The pairs with faults in them, and the lines of each kind."""
    changed = [replace(pair, line=number) for number, pair in enumerate(pairs, start=1)]
    places = draw.sample(range(1, len(pairs) - 8), len(pairs) // 100 * 5)
    share = len(places) // 5
    kinds: dict[str, set[int]] = {}
    for number, kind in enumerate(("blank", "swapped", "copy", "script", "overlap")):
        kinds[kind] = set()
        for place in places[number * share : (number + 1) * share]:
            pair = changed[place]
            match kind:
                case "blank":
                    new = replace(pair, **{draw.choice(["source", "target"]): draw.choice(["", "  ", "…", "\u3000"])})
                case "swapped":
                    new = replace(pair, source=pair.target, target=pair.source)
                case "copy":
                    if len(pair.source.split()) < 2:
                        continue
                    new = replace(pair, target=pair.source)
                case "script":
                    new = replace(pair, target=" ".join(draw.sample(RUSSIAN.split(), 6)))
                case _:
                    of = draw.choice(held_out)
                    words = of.source.split()
                    if len(words) < 6:
                        continue
                    words[draw.randrange(len(words))] = "other"
                    new = replace(pair, source=" ".join(words), target=of.target + draw.choice(["", "！", "吧"]))
            changed[place] = new
            kinds[kind].add(place + 1)
    taken = set().union(*kinds.values())
    kinds["alignment"] = set()
    while len(kinds["alignment"]) < len(pairs) // 100:  # runs of six lines whose targets have slipped by one
        start = draw.randrange(1, len(pairs) - 8)
        run = range(start, start + 6)
        if taken & {place + 1 for place in run}:
            continue
        sources, targets = [changed[place].source for place in run], [changed[place].target for place in run]
        if len({*sources}) < len(run) or len({*targets}) < len(run):  # a translation of the same sentence is no fault
            continue
        for place, target in zip(run, [targets[-1], *targets[:-1]], strict=True):
            changed[place] = replace(changed[place], target=target)
        kinds["alignment"] |= {place + 1 for place in run}
        taken |= {place + 1 for place in run}
    return changed, kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=10_000, help="how many of each corpus, one behind the other")
    parser.add_argument("--shown", type=int, default=30, help="pairs to print that were left out and not planted")
    asked = parser.parse_args()
    draw = random.Random(1)
    result = {}
    for name in ("tatoeba", "pydocs"):
        pairs = [p for p in read([str(asked.folder / f"{name}_train.tsv")], LANGUAGES) if isinstance(p, Pair)]
        held_out = [p for p in read([str(asked.folder / f"{name}_dev.tsv")], LANGUAGES) if isinstance(p, Pair)]
        settings = PairSettings(max_faulty=1, duplicates=True)
        pairs = pairs[len(pairs) // 3 :][: asked.pairs]
        clean = examine(pairs, LANGUAGES, settings, held_out).pairs  # what is found without planting is not counted, but for slipped lines
        changed, kinds = planted(clean, held_out, draw)
        began = time.perf_counter()
        found = examine(changed, LANGUAGES, settings.model_copy(update={"alignment": True}), held_out)
        seconds = time.perf_counter() - began
        by_kind: dict[str, set[int]] = {}
        for dropped in found.dropped:
            by_kind.setdefault(dropped["kind"], set()).add(dropped["line"])
        anything = set().union(*by_kind.values())
        bad = set().union(*kinds.values())
        others = [one for one in found.dropped if one["line"] not in bad]
        result[name] = {
            "pairs": len(changed),
            "seconds": round(seconds, 1),
            "left_out": len(found.dropped),
            "precision": round(1 - len(others) / len(found.dropped), 4),
            "kinds": {
                kind: {
                    "planted": len(lines),
                    "found": len(lines & anything),
                    "recall": round(len(lines & anything) / len(lines), 4),
                    "as_this_kind": round(len(lines & by_kind.get(kind, set())) / len(lines), 4),
                    "others_called_so": len(by_kind.get(kind, set()) - bad),
                    "precision": round(len(by_kind.get(kind, set()) & bad) / max(1, len(by_kind.get(kind, set()))), 4),
                }
                for kind, lines in kinds.items()
            },
        }
        print(name, result[name])
        for one in draw.sample(others, min(asked.shown, len(others))):
            print(f"    {one['kind']} {one['line']}: {one['source'][:80]} | {one['target'][:60]}")
    record("pairs", result)


if __name__ == "__main__":
    main()
