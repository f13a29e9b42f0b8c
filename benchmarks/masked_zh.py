"""Masked pre-training of a ModernBERT from scratch on the packaged Chinese text, for so many minutes, next to what a unigram and a bigram
model lose at the same hidden tokens.

    python benchmarks/masked_zh.py [--minutes 20] [--out FOLDER] [key=value ...]

Text: People's Daily of January 1998 and the Romance of the Three Kingdoms, of which `prepare` holds a part out. The loss is in nats a
hidden token. The result goes to `results/masked_zh-DATE.json`, its curve beside it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from measure import keep_plot, record

import zhixing as zx
from zhixing.evaluate.report import plots

CORPORA = ["people-daily", "sanguo"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--out", type=Path, help="a folder for data and run, to go on in; default: a new temporary one")
    parser.add_argument("settings", nargs="*")
    asked = parser.parse_args()
    place = asked.out or Path(tempfile.mkdtemp())
    zx.prepare(CORPORA, out=place / "data")
    run = zx.pretrain(place / "data", out=place / "run", minutes=asked.minutes, settings=["objective.kind=masked", *asked.settings])
    baselines = json.loads((place / "run/baselines.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in (place / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    curve = [(row["step"], row["valid_loss"]) for row in rows if "valid_loss" in row]
    levels = [(name, float(found["valid_loss"])) for name, found in baselines.items()]
    settings = json.loads((place / "run/config.json").read_text(encoding="utf-8"))
    below = {name: run.valid_loss < value for name, value in levels}
    record("masked_zh", {**run.model_dump(exclude={"run"}), "below": below, "baselines": baselines, "curve": curve, "settings": settings})
    keep_plot("masked_zh", plots.lines([("held-out", [step for step, _ in curve], [loss for _, loss in curve])], levels))


if __name__ == "__main__":
    main()
