"""Texts a second of a MiniLM classifier on a CPU, next to transformers' batched pipeline with the same weights, in the same run.

A run is fine-tuned for a few steps (what it says does not matter, how fast it says it does), its weights are copied into a model of
transformers, and both label the same sentences, in turns. The labels must agree.

    python benchmarks/predict_cpu.py [--texts 2000] [--turns 3]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import DATA, record

TRAIN = DATA / "sentiment_en" / "sst2_train.tsv"
STEPS = 3


def theirs(opened: Any) -> Any:
    """transformers' pipeline with the weights of an opened classifier."""
    import torch
    import transformers

    from zhixing.corpus import fetch

    class Mean(transformers.BertForSequenceClassification):
        """The pooler replaced by the mean, as ours pools; everything else is theirs."""

        def forward(self, input_ids: Any = None, attention_mask: Any = None, token_type_ids: Any = None, **_: Any) -> Any:
            states = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
            there = attention_mask.unsqueeze(-1).to(states.dtype)
            return transformers.modeling_outputs.SequenceClassifierOutput(logits=self.classifier((states * there).sum(1) / there.sum(1)))

    folder = fetch.fetch("minilm")
    model = Mean.from_pretrained(folder, num_labels=2).eval()
    ours = opened.model
    with torch.no_grad():
        for i, block in enumerate(ours.body.trunk.blocks):
            layer = model.bert.encoder.layer[i]
            for letter, weight, bias in zip(
                ("query", "key", "value"), block.attention.qkv.weight.chunk(3), block.attention.qkv.bias.chunk(3), strict=True
            ):
                getattr(layer.attention.self, letter).weight.copy_(weight)
                getattr(layer.attention.self, letter).bias.copy_(bias)
            for mine, other in (
                (block.attention.out, layer.attention.output.dense), (block.attention_norm, layer.attention.output.LayerNorm),
                (block.mlp.up, layer.intermediate.dense), (block.mlp.down, layer.output.dense), (block.mlp_norm, layer.output.LayerNorm),
            ):  # fmt: skip
                other.weight.copy_(mine.weight)
                other.bias.copy_(mine.bias)
        model.bert.embeddings.LayerNorm.weight.copy_(ours.body.trunk.norm.weight)
        model.bert.embeddings.LayerNorm.bias.copy_(ours.body.trunk.norm.bias)
        model.classifier.weight.copy_(ours.head.weight)
        model.classifier.bias.copy_(ours.head.bias)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.model_max_length = opened.task.window
    return transformers.pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    if not TRAIN.is_file():
        sys.exit(f"{TRAIN} is not here: this benchmark needs SST-2")
    import zhixing as zx

    lines = TRAIN.read_text(encoding="utf-8").rstrip("\n").split("\n")
    texts = [line.split("\t")[0] for line in lines[-asked.texts :]]
    place = Path(tempfile.mkdtemp())
    (place / "train.tsv").write_text("\n".join(lines[:400]) + "\n", encoding="utf-8")
    zx.finetune.classify(
        data=[str(place / "train.tsv")], base="minilm", out=place / "run", settings={"train.steps": STEPS, "train.batch": 8}
    )
    predictor = zx.Predictor.open(place / "run", device="cpu")
    quick = zx.Predictor.open(place / "run", device="cpu", precision="auto")
    pipeline = theirs(predictor.opened)
    seconds: dict[str, list[float]] = {"pipeline_batch_32": [], "ours_fp32": [], "ours_auto": []}
    agree = 0.0
    for _ in range(asked.turns):
        began = time.perf_counter()
        said = [p["label"] for p in pipeline(texts, batch_size=32, truncation=True)]
        seconds["pipeline_batch_32"].append(time.perf_counter() - began)
        for name, one in (("ours_fp32", predictor), ("ours_auto", quick)):
            began = time.perf_counter()
            labels = [p.label for p in one(texts)]
            seconds[name].append(time.perf_counter() - began)
            if name == "ours_fp32":
                agree = sum(f"LABEL_{mine}" == other for mine, other in zip(labels, said, strict=True)) / len(texts)
    rates = {name: len(texts) / statistics.median(times) for name, times in seconds.items()}
    result = {"texts": len(texts), "same_label": agree, "texts_per_second": rates}
    record("predict_cpu", {**result, "ours_fp32_over_pipeline": rates["ours_fp32"] / rates["pipeline_batch_32"]})


if __name__ == "__main__":
    main()
