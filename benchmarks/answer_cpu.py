"""Fine-tuning the packaged MiniLM on questions of SQuAD 1.1, next to transformers' own example recipe in the same run.

Both train on `squad11_train34` (7,110 questions) and answer `squad11_dev4` (874 questions on other articles), scored by the same script's
rules. `--sides` names what runs, each in a process of its own:

    trainer        transformers' Trainer as its example `run_qa.py` has it: windows of 384 tokens, 128 of them shared, every one padded to
                   384; AdamW 3e-5, linear, batches of 12, fp32; an answer is the best of the 20 best beginnings and ends, of at most 30
                   tokens, over all windows
    trainer-bf16   the same with bf16=True
    ours           `zhixing finetune answer --base minilm` at its defaults

`--questions N` takes so many questions, spread evenly, of each set; with `--seconds N`, training stops after so long, and the time that it
would have taken to its end is estimated from the steps done (`full_seconds`); then nothing is scored.

    python benchmarks/answer_cpu.py [--epochs 2] [--questions 7110] [--sides trainer trainer-bf16 ours] [--seconds N]
        [--words optim.learning_rate=1e-4]
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import DATA, record

from zhixing.corpus.questions import Question, read

SIDES = ("trainer", "trainer-bf16", "ours")
TRAIN, DEV = DATA / "qa_en" / "squad11_train34.json", DATA / "qa_en" / "squad11_dev4.json"
WINDOW, STRIDE, BEST, LONGEST = 384, 128, 20, 30


def questions(path: Path, most: int) -> list[Question]:
    """So many questions of a file, spread evenly over it."""
    found = read([path], spans=True).questions
    return found if len(found) <= most else [found[len(found) * i // most] for i in range(most)]


def trainer(asked: argparse.Namespace, bf16: bool) -> dict[str, Any]:
    import datasets
    import torch
    import transformers

    from zhixing.corpus import fetch
    from zhixing.evaluate import significance
    from zhixing.metrics import answer

    folder = fetch.fetch("minilm")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder)

    def windows(asked_of: list[Question]) -> Any:
        return tokenizer(
            [q.question.lstrip() for q in asked_of], [q.context for q in asked_of], truncation="only_second", max_length=WINDOW,
            stride=STRIDE, return_overflowing_tokens=True, return_offsets_mapping=True, padding="max_length",
        )  # fmt: skip

    def places(made: Any, number: int, question: Question) -> tuple[int, int]:
        """First and last token of the first gold answer, or the mark twice, as the example has it."""
        start, stop = question.answers[0].start, question.answers[0].end
        sides, offsets = made.sequence_ids(number), made["offset_mapping"][number]
        first, last = sides.index(1), len(sides) - 1 - sides[::-1].index(1)
        if not (offsets[first][0] <= start and offsets[last][1] >= stop):
            return 0, 0
        while first < len(offsets) and offsets[first][0] <= start:
            first += 1
        while offsets[last][1] >= stop:
            last -= 1
        return first - 1, last + 1

    began = time.perf_counter()
    train, dev = questions(TRAIN, asked.questions), questions(DEV, asked.questions)
    made = windows(train)
    gold = [places(made, n, train[owner]) for n, owner in enumerate(made["overflow_to_sample_mapping"])]
    columns = {name: made[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    table = datasets.Dataset.from_dict({**columns, "start_positions": [a for a, _ in gold], "end_positions": [b for _, b in gold]})
    arguments = transformers.TrainingArguments(
        output_dir=tempfile.mkdtemp(), num_train_epochs=asked.epochs, per_device_train_batch_size=12, learning_rate=3e-5, report_to=[],
        save_strategy="no", use_cpu=True, disable_tqdm=True, logging_strategy="no", bf16=bf16, seed=1,
    )  # fmt: skip
    stop = Stop(asked.seconds)
    run = transformers.Trainer(model=model, args=arguments, train_dataset=table, callbacks=[stop.callback(transformers)])
    run.train()
    seconds = time.perf_counter() - began
    found: dict[str, Any] = {"seconds": seconds, "steps": run.state.global_step, "windows": len(gold)}
    if asked.seconds:
        return {**found, **stop.estimate(run.state.max_steps, seconds)}
    said = windows(dev)
    outputs = []
    with torch.inference_mode():
        for start in range(0, len(said["input_ids"]), 32):
            part = {name: torch.tensor(said[name][start : start + 32]) for name in columns}
            one = model.eval()(**part)
            outputs += zip(one.start_logits.numpy(), one.end_logits.numpy(), strict=True)
    best: list[tuple[float, str]] = [(-np.inf, "")] * len(dev)
    for number, (begin, end) in enumerate(outputs):
        owner, sides, offsets = said["overflow_to_sample_mapping"][number], said.sequence_ids(number), said["offset_mapping"][number]
        for i, j in itertools.product(np.argsort(begin)[-BEST:], np.argsort(end)[-BEST:]):
            if sides[i] == sides[j] == 1 and i <= j < i + LONGEST and begin[i] + end[j] > best[owner][0]:
                best[owner] = float(begin[i] + end[j]), dev[owner].context[offsets[i][0] : offsets[j][1]]
    rows = answer.rows([text for _, text in best], [q.texts for q in dev], "squad1.1")
    return {**found, **_scores(significance.estimates(answer.metrics("squad1.1"), rows))}


class Stop:
    """Ends a training of the Trainer after some seconds, and says how long the whole would have taken."""

    def __init__(self, after: float | None) -> None:
        self.after, self.times = after, list[float]()

    def callback(self, transformers: Any) -> Any:
        def on_step_end(_: Any, args: Any, state: Any, control: Any, **more: Any) -> Any:
            self.times.append(time.perf_counter())
            control.should_training_stop = bool(self.after and len(self.times) > 2 and self.times[-1] - self.times[0] > self.after)
            return control

        return type("Clock", (transformers.TrainerCallback,), {"on_step_end": on_step_end})()

    def estimate(self, steps: int, seconds: float) -> dict[str, float]:
        each = (self.times[-1] - self.times[0]) / (len(self.times) - 1)
        return {"seconds_a_step": each, "all_steps": steps, "full_seconds": seconds + each * (steps - len(self.times))}


def ours(asked: argparse.Namespace) -> dict[str, Any]:
    import zhixing as zx

    place = Path(tempfile.mkdtemp())
    for name, path in (("train", TRAIN), ("dev", DEV)):
        rows = [
            {"id": q.id, "title": q.title, "question": q.question, "context": q.context,
             "answers": [{"text": a.text, "answer_start": a.start} for a in q.answers]}
            for q in questions(path, asked.questions)
        ]  # fmt: skip
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    data = {"data": [str(place / "train.jsonl")], "valid": [str(place / "dev.jsonl")]}
    began = time.perf_counter()
    if asked.seconds:
        return _rate(data, asked, began)
    result = zx.finetune.answer(**data, base="minilm", out=place / "run", settings=[f"objective.epochs={asked.epochs}", *asked.words])
    log = [json.loads(line) for line in (place / "run" / "metrics.jsonl").read_text().splitlines()]
    scores = {name: m.model_dump() for name, m in result.metrics.items()}
    return {
        "seconds": result.seconds, "seconds_with_reports": time.perf_counter() - began, "steps": result.steps,
        "windows": result.train_windows, "last_answer_f1": [row["answer_f1"] for row in log if "answer_f1" in row][-1],
        "settings": asked.words, **_scores(scores),
    }  # fmt: skip


def _rate(data: dict[str, list[str]], asked: argparse.Namespace, began: float) -> dict[str, Any]:
    """Steps a second of the run as it would be, for some seconds; validations are not counted."""
    import math

    import torch

    from zhixing.config import gather, resolve
    from zhixing.tasks.answer.material import cut
    from zhixing.tasks.answer.material import gather as material_of
    from zhixing.tasks.answer.objective import Answering
    from zhixing.tasks.answer.recipe import AnswerRecipe
    from zhixing.tasks.answer.start import begin, from_base
    from zhixing.train.loop import train
    from zhixing.verbs.finetune.answer import BATCH, PRETRAINED
    from zhixing.verbs.finetune.derive import embeddings

    start = from_base(Path("minilm"), {})
    frozen = [f"encoder.{name}" for name in embeddings(start.encoder)]
    usual = {**PRETRAINED, **start.settings, "optim.frozen": frozen, "train.batch": BATCH, "train.compile": False, "train.steps": 1 << 30}
    recipe = resolve(AnswerRecipe, gather(None, asked.words), {**usual, "schedule.warmup": 100})
    material = material_of(data["data"], data["valid"], recipe.data)
    kept, made, _ = cut(material.train, start.tokenizer, recipe.objective.frame)
    objective = Answering(made, [q.span for q in kept], 1)
    state = begin(start, recipe, torch.device("cpu"))
    times: list[float] = []
    for _ in train(state, objective, recipe.train, recipe.schedule, torch.device("cpu")):
        times.append(time.perf_counter())
        if len(times) > 2 and times[-1] - times[0] > asked.seconds:
            break
    seconds = time.perf_counter() - began
    steps, each = math.ceil(asked.epochs * math.ceil(len(made.ids) / recipe.train.batch)), (times[-1] - times[0]) / (len(times) - 1)
    return {
        "seconds": seconds, "steps": len(times), "windows": len(made.ids), "seconds_a_step": each, "all_steps": steps,
        "full_seconds": seconds + each * (steps - len(times)),
    }  # fmt: skip


def _scores(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {name: found[name] for name in ("exact_match", "answer_f1")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--questions", type=int, default=7110)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES)
    parser.add_argument("--words", nargs="*", default=[])
    parser.add_argument("--one", choices=SIDES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if not TRAIN.is_file():
        sys.exit(f"{TRAIN} is not here: this benchmark needs SQuAD 1.1")
    if asked.one:
        print(json.dumps(ours(asked) if asked.one == "ours" else trainer(asked, "bf16" in asked.one)))
        return
    found = {}
    for side in asked.sides:
        command = [sys.executable, __file__, "--one", side, "--epochs", str(asked.epochs), "--questions", str(asked.questions)]
        command += [] if asked.seconds is None else ["--seconds", str(asked.seconds)]
        done = subprocess.run([*command, "--words", *asked.words], stdout=subprocess.PIPE, text=True, check=True)
        found[side] = json.loads(done.stdout.splitlines()[-1])
        print(side, found[side], flush=True)
    key = "full_seconds" if asked.seconds else "seconds"
    ratio = found["trainer"][key] / found["ours"][key] if {"ours", "trainer"} <= set(found) else None
    asked_of = {"epochs": asked.epochs, "questions": asked.questions, "stopped_after": asked.seconds}
    record("answer_cpu", {**asked_of, "sides": found, "trainer_over_ours_seconds": ratio})


if __name__ == "__main__":
    main()
