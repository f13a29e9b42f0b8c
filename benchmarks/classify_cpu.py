"""Fine-tuning the packaged MiniLM on SST-2's 6,917 sentences, next to transformers' Trainer doing the same in the same run.

Both read the training sentences so many epochs in batches of 32 and are measured on the 872 sentences of `sst2_dev`. The Trainer runs at
its defaults (fp32, learning rate 5e-5, linear); `--sides` names what runs, each in a process of its own:

    trainer        transformers' Trainer
    trainer-bf16   the same with bf16=True
    ours           `zhixing finetune classify --base minilm` at its defaults

    python benchmarks/classify_cpu.py [--epochs 3] [--sentences 6917] [--sides trainer trainer-bf16 ours] [--words optim.learning_rate=1e-4]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import DATA, record

SIDES = ("trainer", "trainer-bf16", "ours")
TRAIN, DEV = DATA / "sentiment_en" / "sst2_sentences_train.tsv", DATA / "sentiment_en" / "sst2_dev.tsv"


def rows(path: Path, most: int | None = None) -> list[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")[:most]
    return [(text, label) for text, label in (line.split("\t") for line in lines)]


def trainer(sentences: int, epochs: float, bf16: bool) -> dict[str, Any]:
    import datasets
    import torch
    import transformers

    from zhixing.corpus import fetch

    folder = fetch.fetch("minilm")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)

    def made(pairs: list[tuple[str, str]]) -> datasets.Dataset:
        table = datasets.Dataset.from_dict({"text": [t for t, _ in pairs], "label": [int(label) for _, label in pairs]})
        return table.map(lambda part: tokenizer(part["text"], truncation=True, max_length=256), batched=True)

    arguments = transformers.TrainingArguments(
        output_dir=tempfile.mkdtemp(), num_train_epochs=epochs, per_device_train_batch_size=32, report_to=[], save_strategy="no",
        use_cpu=True, disable_tqdm=True, logging_strategy="no", bf16=bf16, seed=1,
    )  # fmt: skip
    collate = transformers.DataCollatorWithPadding(tokenizer)
    train, dev = made(rows(TRAIN, sentences)), made(rows(DEV))
    run = transformers.Trainer(model=model, args=arguments, train_dataset=train, eval_dataset=dev, data_collator=collate)
    began = time.perf_counter()
    run.train()
    seconds = time.perf_counter() - began
    predicted = run.predict(dev)
    right = float((torch.tensor(predicted.predictions).argmax(1) == torch.tensor(predicted.label_ids)).float().mean())
    return {"seconds": seconds, "accuracy": right, "steps": run.state.global_step}


def ours(sentences: int, epochs: float, words: list[str]) -> dict[str, Any]:
    import zhixing as zx

    place = Path(tempfile.mkdtemp())
    data = place / "train.tsv"
    data.write_text("".join(f"{text}\t{label}\n" for text, label in rows(TRAIN, sentences)), encoding="utf-8")
    began = time.perf_counter()
    result = zx.finetune.classify(
        data=[str(data)], valid=[str(DEV)], base="minilm", out=place / "run", settings=[f"objective.epochs={epochs}", *words]
    )
    log = [json.loads(line) for line in (place / "run" / "metrics.jsonl").read_text().splitlines()]
    accuracy = result.metrics["accuracy"]
    return {
        "seconds": result.seconds,
        "seconds_with_reports": time.perf_counter() - began,
        "accuracy": accuracy.value,
        "interval": [accuracy.low, accuracy.high],
        "last_accuracy": [row["accuracy"] for row in log if "accuracy" in row][-1],
        "steps": result.steps,
        "settings": words,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--sentences", type=int, default=6917)
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES)
    parser.add_argument("--words", nargs="*", default=[])
    parser.add_argument("--one", choices=SIDES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if not TRAIN.is_file():
        sys.exit(f"{TRAIN} is not here: this benchmark needs SST-2")
    if asked.one:
        made = (
            ours(asked.sentences, asked.epochs, asked.words)
            if asked.one == "ours"
            else trainer(asked.sentences, asked.epochs, "bf16" in asked.one)
        )
        print(json.dumps(made))
        return
    found = {}
    for side in asked.sides:
        command = [sys.executable, __file__, "--one", side, "--epochs", str(asked.epochs), "--sentences", str(asked.sentences)]
        done = subprocess.run([*command, "--words", *asked.words], stdout=subprocess.PIPE, text=True, check=True)
        found[side] = json.loads(done.stdout.splitlines()[-1])
        print(side, found[side], flush=True)
    ratio = found["ours"]["seconds"] / found["trainer"]["seconds"] if {"ours", "trainer"} <= set(found) else None
    record("classify_cpu", {"epochs": asked.epochs, "sentences": asked.sentences, "sides": found, "ours_over_trainer_seconds": ratio})


if __name__ == "__main__":
    main()
