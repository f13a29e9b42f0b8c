"""Chinese texts classified with an encoder that was pre-trained here, on unlabelled text, beside the linear model of TF-IDF.

    python benchmarks/encoder_zh.py [--minutes 33] [--adapt 12] [--sets waimai titles eprstmt] [--encoder RUN] [--out FOLDER]
                                    [--tuned SETTING ...] [settings of the encoder]

waimai     a fifth of `waimai_train` is tested, the rest trained on
titles     a fifth of the THUCNews titles, likewise
eprstmt    the 320 labelled texts of EPRSTMT, trained on 61,612 reviews of `online_shopping`

The encoder reads reviews, headlines and People's Daily without their labels, and none of the tested texts. With --adapt it then reads
the training texts of a set alone, with others of their kind, for so many minutes. What is tuned on it and the linear model are rungs of
`ladder classify`: the same texts to learn from, the same to choose by, the same tested, with paired tests.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measure import DATA, record

import zhixing as zx

SETS = ("waimai", "titles", "eprstmt")
LABELLED = {"waimai": "sentiment_zh/waimai_train.tsv", "titles": "news_zh/thucnews_titles_dev_as_train.tsv"}
OTHERS = ("sentiment_zh/online_shopping_decontaminated.tsv", "sentiment_zh/chnsenticorp_train_decontaminated.tsv",
          "sentiment_zh/eprstmt_unlabeled.txt", "news_zh/tnews_unlabeled.txt", "lm_zh/people_daily_199801_train.txt")  # fmt: skip
ENCODER = {
    "objective.kind": "masked", "objective.ratio": 0.3, "objective.context": 128, "model.kind": "modernbert", "model.layers": 4,
    "model.width": 256, "model.heads": 4,
}  # fmt: skip


def rows(name: str) -> list[list[str]]:
    return [line.split("\t") for line in (DATA / name).read_text(encoding="utf-8").split("\n") if line.strip()]


def written(path: Path, texts: list[list[str]]) -> str:
    path.write_text("text\tlabel\n" + "".join(f"{row[0]}\t{row[1]}\n" for row in texts), encoding="utf-8")
    return str(path)


def split(place: Path) -> dict[str, tuple[str, str]]:
    """What each set is trained and tested on, as files; `texts.jsonl` is what the encoder reads."""
    found, tested = {}, set()
    unlabelled: list[str] = []
    for seed, (name, file) in enumerate(LABELLED.items(), start=1):
        read = [row for row in rows(file) if row[1].strip("-").isdecimal()]
        every = [read[place] for place in np.random.default_rng(seed).permutation(len(read))]
        test, train = every[: len(every) // 5], every[len(every) // 5 :]
        found[name] = written(place / f"{name}.train.tsv", train), written(place / f"{name}.test.tsv", test)
        tested |= {row[0] for row in test}
        unlabelled += [row[0] for row in train]
    test = [row for part in ("train", "dev") for row in rows(f"sentiment_zh/eprstmt_fewshot_{part}.tsv")]
    tested |= {row[0] for row in test}
    train = [row for row in rows(OTHERS[0]) if row[0] not in tested]
    found["eprstmt"] = written(place / "eprstmt.train.tsv", train), written(place / "eprstmt.test.tsv", test)
    unlabelled += [row[0] for file in OTHERS for row in rows(file)]
    with open(place / "texts.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in unlabelled if text not in tested)
    return found


KIND = {"waimai": (), "titles": ("news_zh/tnews_unlabeled.txt",), "eprstmt": ("sentiment_zh/eprstmt_unlabeled.txt",)}
"""Unlabelled texts of the kind of each set."""
ADAPTED = {"objective.kind": "masked", "objective.ratio": 0.3, "train.batch": 32, "model.dropout": 0.0, "optim.learning_rate": 0.0025,
           "optim.table_rate": 0.002}  # fmt: skip


def adapted(place: Path, name: str, train: str, test: str, encoder: Path, minutes: float) -> Path:
    """The encoder after it has read texts of one kind (Gururangan et al. 2020, arXiv 2004.10964)."""
    run = place / f"encoder-{name}"
    if not (run / "result.json").is_file():
        texts, tested = ([line.split("\t")[0] for line in Path(file).read_text(encoding="utf-8").split("\n")[1:]] for file in (train, test))
        texts += [row[0] for file in KIND[name] for row in rows(file)]
        kept = [json.dumps({"text": text}, ensure_ascii=False) for text in texts if text and text not in {*tested}]
        (place / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        if not (place / f"data-{name}").is_dir():
            zx.prepare([str(place / f"{name}.jsonl")], out=place / f"data-{name}", tokenizer=str(encoder))
        zx.pretrain(place / f"data-{name}", base=encoder, out=run, minutes=minutes, settings=ADAPTED)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=33, help="of pre-training")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--tuning", type=float, help="minutes that each network may be tuned; default: what classify does by itself")
    parser.add_argument("--adapt", type=float, default=0, help="minutes of further pre-training on the texts of each set; 0: none")
    parser.add_argument("--tuned", nargs="+", default=[], metavar="SETTING", help="settings of the tuning, as dotted.key=value")
    parser.add_argument("--encoder", type=Path, help="a run that is there already")
    parser.add_argument("--out", type=Path, help="where runs and ladders are kept; default: a new temporary folder")
    parser.add_argument("settings", nargs="*", help="settings of the encoder, as dotted.key=value")
    asked = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"{DATA} is not here: this benchmark needs Chinese text")
    place = asked.out or Path(tempfile.mkdtemp())
    place.mkdir(parents=True, exist_ok=True)
    sets = split(place)
    encoder = asked.encoder or place / "encoder"
    if not (encoder / "result.json").is_file():
        if not (place / "data").is_dir():
            zx.prepare([str(place / "texts.jsonl")], out=place / "data", vocabulary=5000, settings={"tokenizer.kind": "char"})
        words = dict(word.split("=", 1) for word in asked.settings)
        zx.pretrain(place / "data", out=encoder, minutes=asked.minutes, settings={**ENCODER, **words})
    run = json.loads((encoder / "result.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = {}
    for name in asked.sets:
        train, test = sets[name]
        base = adapted(place, name, train, test, encoder, asked.adapt) if asked.adapt else encoder
        how: dict[str, Any] = {"data": [train], "test": [test], "base": str(base), "minutes": asked.tuning, "settings": asked.tuned}
        result = zx.ladder.classify(out=place / f"ladder-{name}", rungs=["majority,linear,pretrained"], **how)  # type: ignore[attr-defined]
        print("\n".join([name, *result.lines()]), flush=True)
        found[name] = result.model_dump(exclude={"out": True, "rungs": {"__all__": {"run"}}})
    shown = {key: run[key] for key in ("steps", "tokens", "parameters", "seconds", "valid_loss", "accuracy")}
    recipe = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    how = {"minutes": asked.minutes, "adapt": asked.adapt, "tuning": asked.tuning, "tuned": asked.tuned}
    record("encoder_zh", {**how, "encoder": shown, "recipe": recipe, "sets": found})


if __name__ == "__main__":
    main()
