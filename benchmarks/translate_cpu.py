"""English to Chinese on a CPU in so many minutes, next to transformers' Seq2SeqTrainer with a Marian model, in one session.

    python benchmarks/translate_cpu.py --minutes 60 [--side ours|peer] [--together] [--keep FOLDER] [--peer-size usual] [--peer-rate 5e-4]

Both read `tatoeba_train` and `pydocs_train` (73 k pairs) of ../shared/data/mt_en_zh. The peer is the usual recipe: a joint Unigram
vocabulary, Marian, AdamW with up to 400 steps of warm-up and a linear decay over what fits into the minutes, label smoothing 0.1, batches
of 64 grouped by length, bf16 where the processor has it. Its size is that of `--peer-size`: `ours`, the layers, width and vocabulary that
our plan chose for 15 minutes of one core with bf16 (4 + 1 x 128, 13,056 tokens), or `usual`, 6 + 2 x 256 and 16,000. Weights are
drawn with a deviation of width^-0.5, with which it learns a little faster than with transformers' 0.02. With a rate of 3e-3 it learns
faster at first than with 1e-3, and in an hour nothing (2026-12-01).
Both sides are decoded with a beam of 4 and scored by the same metrics on `tatoeba_dev` and `pydocs_dev`. The minutes are those of training;
reading, tokenizers and decoding come on top. The sides run one after the other, or, with --together, at the same time, each with half of
the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import DATA, record

PAIRS = DATA / "mt_en_zh"
SETS = ("tatoeba", "pydocs")
SIDES = ("ours", "peer")
SIZES = {"ours": (4, 1, 128, 2, 13_056), "usual": (6, 2, 256, 4, 16_000)}
"""Of the peer: layers of encoder and decoder, width, heads, vocabulary."""


def read(name: str) -> list[tuple[str, str]]:
    lines = (PAIRS / f"{name}.tsv").read_text(encoding="utf-8").split("\n")
    return [(a, b) for a, _, b in (line.partition("\t") for line in lines) if a.strip() and b.strip()]


def scores(said: dict[str, list[str]]) -> dict[str, Any]:
    """BLEU, chrF and METEOR of the translations of each set."""
    from zhixing.evaluate.significance import estimates
    from zhixing.metrics.translation import measure

    found = {}
    for name, translations in said.items():
        pairs = read(f"{name}_dev")
        metrics, rows = measure(translations, [[b for _, b in pairs]], "zh", names=["bleu", "chrf", "meteor", "length_ratio"])
        found[name] = estimates(metrics, rows)
    return found


def ours(minutes: float, settings: list[str], keep: Path | None) -> dict[str, Any]:
    import zhixing as zx

    with tempfile.TemporaryDirectory() as temporary:
        place = temporary if keep is None else keep
        began = time.perf_counter()
        run = zx.finetune.translate(
            data=[str(PAIRS / f"{name}_train.tsv") for name in SETS], valid=[str(PAIRS / f"{name}_dev.tsv") for name in SETS],
            out=Path(place) / "run", minutes=minutes, settings=settings,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        translator = zx.Translator.open(Path(place) / "run")
        began = time.perf_counter()
        said = {name: [one.text for one in translator([a for a, _ in read(f"{name}_dev")])] for name in SETS}
        decoding = time.perf_counter() - began
        config = json.loads((Path(place) / "run/config.json").read_text(encoding="utf-8"))
    about = {"steps": run.steps, "parameters": run.parameters, "vocabularies": run.vocabularies, "tokens_per_second": run.tokens_per_second}
    return {**about, "seconds": seconds, "decoding_seconds": decoding, "settings": config, "scores": scores(said)}


def peer(minutes: float, size: str, rate: float) -> dict[str, Any]:
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    from zhixing.device import has_bf16

    encoder, decoder, width, heads, vocabulary = SIZES[size]
    train = [pair for name in SETS for pair in read(f"{name}_train")]
    inner = Tokenizer(models.Unigram())
    inner.normalizer, inner.pre_tokenizer, inner.decoder = normalizers.NFKC(), pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=vocabulary, special_tokens=special, unk_token="<unk>")
    inner.train_from_iterator((side for pair in train for side in pair), trainer)
    pad, end = 0, 1

    def encode(texts: list[str], longest: int = 127) -> list[list[int]]:
        return [[*one.ids[:longest], end] for one in inner.encode_batch(texts)]

    sources, targets = encode([a for a, _ in train]), encode([b for _, b in train])
    config = transformers.MarianConfig(
        vocab_size=inner.get_vocab_size(), decoder_vocab_size=inner.get_vocab_size(), d_model=width, encoder_layers=encoder,
        decoder_layers=decoder, encoder_attention_heads=heads, decoder_attention_heads=heads, encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width, max_position_embeddings=160,
        pad_token_id=pad, eos_token_id=end, decoder_start_token_id=pad, forced_eos_token_id=end, scale_embedding=True, dropout=0.1,
        activation_function="relu", init_std=width**-0.5,
    )  # fmt: skip
    torch.manual_seed(1)
    model = transformers.MarianMTModel(config)

    class Rows(torch.utils.data.Dataset[dict[str, Any]]):
        def __len__(self) -> int:
            return len(sources)

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {"input_ids": sources[index], "labels": targets[index], "length": len(sources[index])}

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        def padded(name: str, filler: int) -> torch.Tensor:
            longest = max(len(row[name]) for row in rows)
            return torch.tensor([row[name] + [filler] * (longest - len(row[name])) for row in rows])

        ids = padded("input_ids", pad)
        labels = padded("labels", -100)
        begun = torch.cat([torch.full((len(rows), 1), pad), labels[:, :-1].masked_fill(labels[:, :-1] == -100, pad)], dim=1)
        return {"input_ids": ids, "attention_mask": (ids != pad).long(), "labels": labels, "decoder_input_ids": begun}

    times: list[float] = []

    class Watch(transformers.TrainerCallback):
        def on_step_end(self, arguments: Any, state: Any, control: Any, **_: Any) -> None:
            times.append(time.perf_counter())
            if times[-1] - times[0] > minutes * 60:
                control.should_training_stop = True

    def run(steps: int) -> None:
        arguments = transformers.Seq2SeqTrainingArguments(
            output_dir=tempfile.mkdtemp(), max_steps=steps, per_device_train_batch_size=64, learning_rate=rate,
            warmup_steps=min(400, steps // 10), lr_scheduler_type="linear", label_smoothing_factor=0.1,
            train_sampling_strategy="group_by_length", length_column_name="length",
            report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True, logging_strategy="no", bf16=has_bf16(torch.device("cpu")),
            remove_unused_columns=False,
        )  # fmt: skip
        transformers.Seq2SeqTrainer(model=model, args=arguments, train_dataset=Rows(), data_collator=collate, callbacks=[Watch()]).train()

    start = {name: value.clone() for name, value in model.state_dict().items()}
    run(80)  # how long a step takes, so that the schedule ends with the minutes
    each = (times[-1] - times[19]) / (len(times) - 20)
    model.load_state_dict(start)
    times.clear()
    began = time.perf_counter()
    run(int(minutes * 60 / each))
    seconds, steps = time.perf_counter() - began, len(times)
    model.eval()
    said: dict[str, list[str]] = {}
    began = time.perf_counter()
    for name in SETS:
        ids = encode([a for a, _ in read(f"{name}_dev")])
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        found = [""] * len(ids)
        for first in range(0, len(order), 32):
            places = order[first : first + 32]
            longest = max(len(ids[place]) for place in places)
            batch = torch.tensor([ids[place] + [pad] * (longest - len(ids[place])) for place in places])
            out = model.generate(input_ids=batch, attention_mask=(batch != pad).long(), num_beams=4, max_new_tokens=128)
            for place, row in zip(places, out.tolist(), strict=True):
                found[place] = inner.decode([token for token in row if token > 2])
        said[name] = found
    parameters = sum(p.numel() for p in model.parameters())
    decoding = time.perf_counter() - began
    return {
        "size": size,
        "rate": rate,
        "steps": steps,
        "parameters": parameters,
        "seconds": seconds,
        "decoding_seconds": decoding,
        "scores": scores(said),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--together", action="store_true", help="both sides at the same time, each with half of the cores")
    parser.add_argument("--keep", type=Path, help="a folder in which our run, in run/, is kept")
    parser.add_argument("--peer-size", choices=SIZES, default="ours")
    parser.add_argument("--peer-rate", type=float, default=1e-3, help="its learning rate")
    parser.add_argument("settings", nargs="*", help="settings of our run, as dotted.key=value")
    asked = parser.parse_args()
    if not PAIRS.is_dir():
        sys.exit(f"{PAIRS} is not here: this benchmark needs its sentence pairs")
    if asked.side:
        print(
            json.dumps(
                ours(asked.minutes, asked.settings, asked.keep)
                if asked.side == "ours"
                else peer(asked.minutes, asked.peer_size, asked.peer_rate)
            )
        )
        return
    half = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 2) // 2))} if asked.together else {}
    running: dict[str, subprocess.Popen[str]] = {}
    found = {}
    for side in SIDES:
        command = [sys.executable, "-W", "ignore", __file__, "--side", side, "--minutes", str(asked.minutes), *asked.settings]
        command += ["--peer-size", asked.peer_size, "--peer-rate", str(asked.peer_rate)]
        command += [] if asked.keep is None else ["--keep", str(asked.keep)]
        running[side] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | half)
        if not asked.together and running[side].wait():
            sys.exit(f"{side} failed")
    for side, process in running.items():
        said, _ = process.communicate()
        if process.returncode:
            sys.exit(f"{side} failed")
        found[side] = json.loads(said.splitlines()[-1])
    bleu = {side: {name: one["scores"][name]["bleu"]["value"] for name in SETS} for side, one in found.items()}
    ratio = {name: round(bleu["ours"][name] / bleu["peer"][name], 2) if bleu["peer"][name] >= 0.05 else None for name in SETS}
    record("translate_cpu", {"minutes": asked.minutes, "together": asked.together, "bleu": bleu, "ratio": ratio, **found})


if __name__ == "__main__":
    main()
