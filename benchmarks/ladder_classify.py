"""`zhixing ladder classify` on labelled sets of English and Chinese: scores with intervals, paired tests, times, sizes, the advice.

sst2       6,917 sentences, tested on the 872 of `sst2_dev`          waimai     9,597 reviews, tested on a fifth
agnews     6,062 stories, tested on a fifth                          thucnews   9,991 titles, tested on a fifth, or by --folds

python benchmarks/ladder_classify.py [--sets sst2 waimai] [--minutes 2 | --epochs 3] [--folds 5] [--rungs linear,cnn] [--base FOLDER]

--base: an encoder of Chinese, for the rung `pretrained` of the Chinese sets; the English ones begin with the packaged MiniLM.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import DATA, record

import zhixing as zx

SETS: dict[str, tuple[str, str | None]] = {
    "sst2": ("sentiment_en/sst2_sentences_train.tsv", "sentiment_en/sst2_dev.tsv"),
    "agnews": ("news_en/agnews_6k_train.tsv", None),
    "waimai": ("sentiment_zh/waimai_train.tsv", None),
    "thucnews": ("news_zh/thucnews_titles_dev_as_train.tsv", None),
}
CHINESE = ("waimai", "thucnews")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--rungs", help="as in linear,cnn; default: all")
    parser.add_argument("--base", help="what the rung pretrained of the Chinese sets starts from")
    parser.add_argument("--out", type=Path, help="a folder for the ladders, to go on in; default: a new temporary one")
    asked = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"{DATA} is not here: this benchmark needs labelled sets")
    place = asked.out or Path(tempfile.mkdtemp())
    found: dict[str, Any] = {}
    for name in asked.sets:
        data, test = SETS[name]
        result = zx.ladder.classify(  # type: ignore[attr-defined]
            data=[str(DATA / data)],
            test=[str(DATA / test)] if test and asked.folds == 1 else None,
            out=place / name,
            base=asked.base if name in CHINESE else None,
            minutes=asked.minutes,
            folds=asked.folds,
            rungs=None if asked.rungs is None else [asked.rungs],
            settings=[] if asked.epochs is None else [f"objective.epochs={asked.epochs}"],
        )
        print("\n".join([name, *result.lines()]), flush=True)
        found[name] = result.model_dump(exclude={"out": True, "rungs": {"__all__": {"run"}}})
    record("ladder_classify", {"minutes": asked.minutes, "epochs": asked.epochs, "load": os.getloadavg()[0], "sets": found})


if __name__ == "__main__":
    main()
