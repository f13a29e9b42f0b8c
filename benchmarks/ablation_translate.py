"""What each part of the translation recipe brings: one thing changed at a time, English to Chinese, as many updates of one model a cell.

    python benchmarks/ablation_translate.py [--steps 900] [--cells usual bpe-dropout ...] [-- train.batch=16 ...]

Half of the pairs of ../shared/data/mt_en_zh (`tatoeba_train`, `pydocs_train`) are trained on; the Chinese sides of the other half are the
monolingual text of back-translation, which no other cell sees: its reverse model takes half as many updates, and makes three pairs for ten.
All cells have a small model (4 + 1 layers x 128) and batches of 16 rows. A cell trains in a process of its own; other ways to search
(greedy, a wider beam, minimum Bayes risk) all use the weights of `usual`. BLEU (sacrebleu, zh) and chrF come with 95 % intervals on
`tatoeba_dev` and `pydocs_dev`; the difference from `usual` is a paired bootstrap over the same sentences. R-drop takes twice the time of an
update, and back-translation that of its reverse model on top: `seconds` says what a cell has taken.
"""

from __future__ import annotations

import argparse
import inspect
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from measure import DATA, record

PAIRS = DATA / "mt_en_zh"
SETS = ("tatoeba", "pydocs")
TRAINED: dict[str, dict[str, Any]] = {
    "usual": {},
    "no label smoothing": {"objective.smoothing": 0.0},
    "joint vocabulary": {"vocabulary.joint": True},
    "unigram": {"vocabulary.kind": "unigram"},
    "unigram, sampled": {"vocabulary.kind": "unigram", "vocabulary.alpha": 0.3},
    "bpe-dropout": {"vocabulary.dropout": 0.1},
    "EMA": {"train.ema": 0.99},
    "mean of the last fifth": {"train.tail": 0.2},
    "constant rate": {"schedule.kind": "constant"},
    "constant rate, mean of the last fifth": {"schedule.kind": "constant", "train.tail": 0.2},
    "R-drop": {"objective.rdrop": 1.0, "model.dropout": 0.1},
    "back-translation": {},
    "back-translation, untagged": {"back.tag": False},
    "back-translation, sampled": {"back.search": "sampling"},
}
"""Settings of each cell, laid over those of all."""
ALL: dict[str, Any] = {"train.batch": 16, "back.ratio": 0.3}
SEARCHED: dict[str, dict[str, Any]] = {"greedy": {"beams": 1}, "beam of 8": {"beams": 8}, "minimum Bayes risk, 32": {"mbr": 32}}
"""Other ways to translate with the weights of `usual`, whose beam is 4."""


def read(name: str) -> list[tuple[str, str]]:
    lines = (PAIRS / f"{name}.tsv").read_text(encoding="utf-8").split("\n")
    return [(a, b) for a, _, b in (line.partition("\t") for line in lines) if a.strip() and b.strip()]


def halves(place: Path, most: int | None, sentences: int | None) -> None:
    """The pairs to train on, the text without sources, and the pairs to measure on."""
    pairs = [pair for name in SETS for pair in read(f"{name}_train")]
    pairs = pairs[:: max(1, len(pairs) // most)] if most else pairs
    (place / "train.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in pairs[::2]), encoding="utf-8")
    (place / "zh.txt").write_text("".join(f"{b}\n" for _, b in pairs[1::2]), encoding="utf-8")
    for name in SETS:
        measured = read(f"{name}_dev")[:sentences]
        (place / f"{name}.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in measured), encoding="utf-8")
        for side, end in enumerate(("en", "ref")):
            (place / f"{name}.{end}").write_text("".join(f"{pair[side]}\n" for pair in measured), encoding="utf-8")


def train(cell: str, place: Path, steps: int, settings: list[str]) -> dict[str, Any]:
    import zhixing as zx

    chosen = {**ALL, "train.steps": steps, "back.steps": steps // 2, **TRAINED[cell]}
    words = [f"{name}={json.dumps(value)}" for name, value in chosen.items()]
    began = time.perf_counter()
    run = zx.finetune.translate(
        data=[str(place / "train.tsv")], valid=[str(place / f"{name}.tsv") for name in SETS], out=place / cell, size="small",
        monolingual=[str(place / "zh.txt")] if cell.startswith("back") else None, settings=[*words, *settings],
    )  # fmt: skip
    about = {"steps": run.steps, "parameters": run.parameters, "vocabularies": run.vocabularies, "seconds": time.perf_counter() - began}
    made = json.loads(json.dumps(run.made).replace(f"{place}/", ""))
    return {**about, "tokens_per_second": run.tokens_per_second, "valid_loss": run.valid_loss, "made": made}


def translate(run: Path, place: Path, name: str, how: dict[str, Any]) -> None:
    import zhixing as zx

    for part in SETS:
        zx.translate(run, in_=place / f"{part}.en", out=place / f"{name}.{part}.zh", **how)


def scores(place: Path, name: str) -> dict[str, Any]:
    """BLEU and chrF of a cell on each set, and the difference of BLEU from `usual`, paired."""
    from zhixing.evaluate.significance import estimates, paired
    from zhixing.metrics.translation import measure

    found = {}
    for part in SETS:
        references = [(place / f"{part}.ref").read_text(encoding="utf-8").split("\n")[:-1]]
        rows = {}
        for one in (name, "usual"):
            said = (place / f"{one}.{part}.zh").read_text(encoding="utf-8").split("\n")[:-1]
            metrics, rows[one] = measure(said, references, "zh", names=["bleu", "chrf"])
        found[part] = dict(estimates(metrics, rows[name]))
        if name != "usual":
            found[part]["bleu, against usual"] = asdict(paired(metrics[0], rows["usual"], rows[name]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--cells", nargs="+", choices=[*TRAINED, *SEARCHED], default=[*TRAINED, *SEARCHED])
    parser.add_argument("--pairs", type=int, help="so many pairs, for a quick look")
    parser.add_argument("--sentences", type=int, help="sentences of each set that are translated")
    parser.add_argument("--one", nargs=2, metavar=("CELL", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("settings", nargs="*", help="settings of all runs, as dotted.key=value; put them behind --")
    asked = parser.parse_args()
    if not PAIRS.is_dir():
        sys.exit(f"{PAIRS} is not here: this benchmark needs its sentence pairs")
    if asked.one:
        cell, place = asked.one[0], Path(asked.one[1])
        about = train(cell, place, asked.steps, asked.settings)
        translate(place / cell, place, cell, {"beams": 4})
        print(json.dumps(about))
        return
    import zhixing as zx

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        halves(place, asked.pairs, asked.sentences)
        for cell in ("usual", *(cell for cell in asked.cells if cell in TRAINED and cell != "usual")):
            command = [
                sys.executable,
                "-W",
                "ignore",
                __file__,
                "--steps",
                str(asked.steps),
                "--one",
                cell,
                folder,
                "--",
                *asked.settings,
            ]
            run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
            found[cell] = {"failed": True} if run.returncode else {**json.loads(run.stdout.splitlines()[-1]), "scores": scores(place, cell)}
            print(cell, json.dumps(found[cell].get("scores", found[cell]), ensure_ascii=False), flush=True)
        known = inspect.signature(zx.translate).parameters
        for cell in (cell for cell in asked.cells if cell in SEARCHED and set(SEARCHED[cell]) <= set(known)):
            translate(place / "usual", place, cell, SEARCHED[cell])
            found[cell] = {"scores": scores(place, cell)}
    record("ablation_translate", {"steps": asked.steps, "pairs": asked.pairs, "settings": asked.settings, "cells": found})


if __name__ == "__main__":
    main()
