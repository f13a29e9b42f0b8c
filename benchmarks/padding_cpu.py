"""Training speed on a CPU on texts of mixed lengths, next to transformers' trainers with the same model, vocabulary and texts in one run.

    bert      masked training, 6 layers x 384: `Trainer` with `DataCollatorForLanguageModeling` and batches of 32 paragraphs padded to the
              longest; ours packs the same paragraphs into windows of 256 tokens, as many as hold about as many tokens as such a batch.
    marian    translation, 6 + 2 layers x 256: `Seq2SeqTrainer` with batches of 64 pairs grouped by length; ours with buckets of like length
              that hold about as many tokens.

The Trainers run at their default (fp32) and, where the processor has it, with bf16=True, ours in the precision that it chooses for the
processor. Tokens are those that are no padding: read by the encoder (bert), written by the decoder (marian). The sides take turns, each
in a process of its own, so that a machine that slows down slows all of them; a turn is 12 steps, of which the first 4 are not counted.

    python benchmarks/padding_cpu.py [--models bert marian] [--turns 3]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from measure import DATA, record

STEPS, WARM, ROWS, CONTEXT, PAIRS = 12, 4, 32, 256, 64
SIDES = ("trainer-fp32", "trainer-bf16", "ours")
Turn = tuple[list[float], list[int]]
"""Seconds and tokens of each counted step."""


def paragraphs(count: int) -> list[str]:
    """Paragraphs of English text of 30 to 1,500 characters, in a mixed order: most are short, some long."""
    text = "\n\n".join(path.read_text(encoding="utf-8", errors="replace") for path in sorted((DATA / "lm_en").glob("*.txt")))
    found = [" ".join(one.split()) for one in text.split("\n\n")]
    found = [one for one in found if 30 <= len(one) <= 1500]
    random.Random(1).shuffle(found)
    return found[:count]


def prepared(place: Path) -> Path:
    """The paragraphs as a data folder; written once a run of the benchmark."""
    import zhixing as zx

    if not (place / "data").exists():
        lines = "".join(json.dumps({"text": one}) + "\n" for one in paragraphs(6000))
        (place / "texts.jsonl").write_text(lines, encoding="utf-8")
        zx.prepare([str(place / "texts.jsonl")], out=place / "data", vocabulary=8000)
    return place / "data"


def pairs(place: Path) -> list[tuple[list[int], list[int]]]:
    """Sentence pairs as ids of one joint vocabulary of 16,000, 0 the padding and 1 the end."""
    if not (place / "pairs.json").exists():
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        lines = [line.partition("\t") for line in (DATA / "mt_en_zh" / "tatoeba_train.tsv").read_text(encoding="utf-8").split("\n")]
        random.Random(1).shuffle(lines)  # the file has like lengths side by side
        lines = lines[:12000]
        lines = [(a, "\t", b) for a, _, b in lines if a.strip() and b.strip()]
        inner = Tokenizer(models.Unigram())
        inner.pre_tokenizer = pre_tokenizers.Metaspace()
        special = ["<pad>", "</s>", "<unk>"]
        inner.train_from_iterator(
            (side for a, _, b in lines for side in (a, b)),
            trainers.UnigramTrainer(vocab_size=16_000, special_tokens=special, unk_token="<unk>"),
        )
        both = [inner.encode_batch([line[side] for line in lines]) for side in (0, 2)]
        rows = [[a.ids[:127], b.ids[:127]] for a, b in zip(*both, strict=True)]
        (place / "pairs.json").write_text(json.dumps({"rows": rows, "vocabulary": inner.get_vocab_size()}))
    rows = json.loads((place / "pairs.json").read_text())["rows"]
    return [(a, b) for a, b in rows]


def watched(trainer: Any, arguments: Any, model: Any, data: Any, collate: Any, tokens: Any) -> Turn:
    """Run a Trainer; seconds and tokens of its steps."""
    import transformers

    times: list[float] = []
    counts: list[int] = []

    class Watch(transformers.TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.perf_counter())

    def counted(rows: list[dict[str, Any]]) -> Any:
        batch = collate(rows)
        counts.append(tokens(batch))
        return batch

    trainer(model=model, args=arguments, train_dataset=data, data_collator=counted, callbacks=[Watch()]).train()
    seconds = [b - a for a, b in itertools.pairwise(times)]
    return seconds[WARM - 1 :], counts[WARM:STEPS]


def options(bf16: bool, batch: int, **more: Any) -> dict[str, Any]:
    return {
        "output_dir": tempfile.mkdtemp(), "max_steps": STEPS, "per_device_train_batch_size": batch, "report_to": [], "save_strategy": "no",
        "use_cpu": True, "disable_tqdm": True, "logging_strategy": "no", "bf16": bf16, "learning_rate": 1e-3, **more,
    }  # fmt: skip


def bert_trainer(place: Path, bf16: bool) -> Turn:
    import datasets
    import transformers

    data = prepared(place)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(data / "tokenizer.json"), pad_token="<pad>", mask_token="<mask>", eos_token="<end>"
    )
    texts = paragraphs(STEPS * ROWS)
    table = datasets.Dataset.from_dict({"input_ids": [tokenizer(one, truncation=True, max_length=CONTEXT)["input_ids"] for one in texts]})
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=384, num_hidden_layers=6, num_attention_heads=6, intermediate_size=1536,
        max_position_embeddings=CONTEXT,
    )  # fmt: skip
    torch.manual_seed(1)
    model = transformers.BertForMaskedLM(config)
    collate = transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    arguments = transformers.TrainingArguments(**options(bf16, ROWS))
    return watched(transformers.Trainer, arguments, model, table, collate, lambda batch: int(batch["attention_mask"].sum()))


def bert_ours(place: Path) -> Turn:
    from zhixing import device as devices
    from zhixing import objectives
    from zhixing.config import resolve
    from zhixing.store import Store
    from zhixing.tokenizer.tokenizer import Tokenizer
    from zhixing.train.loop import train
    from zhixing.train.plan import begin
    from zhixing.train.recipe import Recipe

    data, cpu = prepared(place), devices.pick("cpu")
    store, tokenizer = Store.open(data, "train"), Tokenizer.load(data / "tokenizer.json")
    each = statistics.mean(min(CONTEXT, len(ids)) for ids in tokenizer.encode_batch(paragraphs(STEPS * ROWS)))
    recipe = resolve(Recipe, {
        "objective.kind": "masked", "objective.context": CONTEXT, "model.kind": "bert", "model.positions": CONTEXT, "model.dropout": 0.1,
        "train.batch": max(1, round(ROWS * each / CONTEXT)), "train.steps": STEPS, "optim.kind": "adamw", "schedule.warmup": 1,
    })  # fmt: skip
    tokenizer = objectives.with_marks(recipe.objective, tokenizer)
    objective = objectives.make(recipe.objective, store, 1, tokenizer)
    steps = list(train(begin(recipe, tokenizer.vocabulary, cpu), objective, recipe.train, recipe.schedule, cpu))[WARM:]
    return [step.seconds for step in steps], [recipe.train.batch * CONTEXT] * len(steps)


def marian_trainer(place: Path, bf16: bool) -> Turn:
    import transformers

    rows = pairs(place)
    vocabulary = json.loads((place / "pairs.json").read_text())["vocabulary"]
    config = transformers.MarianConfig(
        vocab_size=vocabulary, decoder_vocab_size=vocabulary, d_model=256, encoder_layers=6, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=1024, decoder_ffn_dim=1024, max_position_embeddings=160, pad_token_id=0, eos_token_id=1,
        decoder_start_token_id=0, forced_eos_token_id=1, scale_embedding=True, dropout=0.1, activation_function="relu",
    )  # fmt: skip
    torch.manual_seed(1)
    model = transformers.MarianMTModel(config)

    class Rows(torch.utils.data.Dataset[dict[str, Any]]):
        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {"input_ids": [*rows[index][0], 1], "labels": [*rows[index][1], 1], "length": len(rows[index][0])}

    def collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        def padded(name: str, filler: int) -> torch.Tensor:
            longest = max(len(row[name]) for row in batch)
            return torch.tensor([row[name] + [filler] * (longest - len(row[name])) for row in batch])

        ids, labels = padded("input_ids", 0), padded("labels", -100)
        begun = torch.cat([torch.zeros(len(batch), 1, dtype=torch.long), labels[:, :-1].clamp(min=0)], dim=1)
        return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels, "decoder_input_ids": begun}

    more = {"label_smoothing_factor": 0.1, "train_sampling_strategy": "group_by_length", "length_column_name": "length"}
    arguments = transformers.Seq2SeqTrainingArguments(**options(bf16, PAIRS, remove_unused_columns=False, **more))
    return watched(transformers.Seq2SeqTrainer, arguments, model, Rows(), collate, lambda batch: int((batch["labels"] != -100).sum()))


def marian_ours(place: Path) -> Turn:
    from zhixing import device as devices
    from zhixing.models import build
    from zhixing.models.marian import MarianSettings
    from zhixing.objectives import Seq2Seq, Seq2SeqSettings
    from zhixing.objectives.seq2seq import Ends
    from zhixing.pairs import Pairs
    from zhixing.train.loop import State, TrainSettings, train
    from zhixing.train.optim import Optimizer, OptimSettings
    from zhixing.train.schedule import ScheduleSettings

    rows, cpu = pairs(place), devices.pick("cpu")
    vocabulary = json.loads((place / "pairs.json").read_text())["vocabulary"]
    torch.manual_seed(1)
    model = build(MarianSettings(dropout=0.1), vocabulary, "encoder-decoder")
    # A batch is as many rows of `context` tokens as hold 64 pairs: the longer side counts, with its end.
    each = statistics.mean(max(len(a), len(b)) + 1 for a, b in rows)
    batch = max(1, round(PAIRS * each / 128))
    objective = Seq2Seq(Pairs.of(rows), Seq2SeqSettings(context=128), 1, Ends(1, 0, 1, 0, 0))
    settings = TrainSettings(steps=STEPS, batch=batch, compile=False)  # as `finetune translate` has it: shapes differ from step to step
    state = State.new(model, Optimizer(model, OptimSettings(kind="adamw")), averages=False)
    steps = list(train(state, objective, settings, ScheduleSettings(warmup=1), cpu))[WARM:]
    return [step.seconds for step in steps], [objective.targets(objective.batch(step, batch)) for step in range(WARM, STEPS)]


def one(model: str, side: str, place: Path) -> Turn:
    if side == "ours":
        return bert_ours(place) if model == "bert" else marian_ours(place)
    return (bert_trainer if model == "bert" else marian_trainer)(place, "bf16" in side)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", nargs="+", default=["bert", "marian"], choices=["bert", "marian"])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if not (DATA / "mt_en_zh").is_dir():
        sys.exit(f"{DATA} is not here: this benchmark needs its texts and pairs")
    if asked.one:
        print(json.dumps(one(asked.one[0], asked.one[1], Path(asked.one[2]))))
        return
    place = Path(tempfile.mkdtemp())
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": tempfile.mkdtemp()}
    from zhixing.device import has_bf16

    sides = [side for side in SIDES if "bf16" not in side or has_bf16(torch.device("cpu"))]
    whole: dict[str, Any] = {}
    for model in asked.models:
        found: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(asked.turns):
            for side in sides:
                command = [sys.executable, "-W", "ignore", __file__, "--one", model, side, str(place)]
                run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
                if run.returncode:
                    sys.exit(f"{model} {side} failed:\n{run.stderr[-3000:]}")
                seconds, tokens = json.loads(run.stdout.splitlines()[-1])
                found[side].append(sum(tokens) / sum(seconds))
                print(model, side, round(found[side][-1]), "tokens/s", file=sys.stderr)
        speed = {side: statistics.median(turns) for side, turns in found.items()}
        ratio = {side: round(speed["ours"] / speed[side], 2) for side in sides if side != "ours"}
        whole[model] = {"tokens_per_second": {side: round(value) for side, value in speed.items()}, "ratio": ratio, "turns": found}
    record("padding_cpu", whole)


if __name__ == "__main__":
    main()
