"""Exports of translators for other engines: the folder around the weights, and the score that decides whether it appears.

1. The engine's own files lie in the new folder. Tokenizers, settings and `task.json` come beside them.
2. The run's validation pairs are translated by us and by the export, and both are scored by BLEU.
3. An export that loses more than is allowed is refused. What is written, `Translator.open` opens like a run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from zhixing.console import progress
from zhixing.errors import ZhixingError
from zhixing.files import write_json
from zhixing.metrics import translation
from zhixing.tasks.artifact import TASK
from zhixing.tasks.translation import engines
from zhixing.tasks.translation.artifact import RECIPE, Golden, Translator
from zhixing.tasks.translation.start import SOURCE_TOKENIZER, TARGET_TOKENIZER

Quantization = Literal["float32", "int8"]
PAIRS = 500
"""Validation pairs that are translated twice at most."""


@dataclass(frozen=True)
class Scored:
    """What was written and how well it translates."""

    bytes: int
    texts: int
    """Validation pairs that were translated."""
    bleu: tuple[float, float]
    """Of our translations and of the export's."""
    same: float
    """Share of the texts whose translations are equal."""
    signature: str


def finish(folder: Path, run: Path, translator: Translator, engine: engines.Engine, quantization: Quantization, tolerance: float) -> Scored:
    """Complete a folder with an engine's weights, and translate with it. Raises `ZhixingError` if it loses more than `tolerance` BLEU."""
    tokenizers, cpu = (translator.source, translator.target), torch.device("cpu")
    translator.source.save(folder / SOURCE_TOKENIZER)
    translator.target.save(folder / TARGET_TOKENIZER)
    decode = translator.recipe.decode
    if engine == "ctranslate2":
        decode = decode.model_copy(update={"force_end": False})  # it cannot; of translations that end by themselves, that changes nothing
    recipe = translator.recipe.model_copy(update={"decode": decode})
    write_json(folder / RECIPE, recipe.model_dump(mode="json"))
    update = {"engine": engine, "quantization": quantization, "weights": engines.fingerprint(folder, engine), "golden": ()}
    task = translator.task.model_copy(update=update)
    theirs = Translator(engines.open_engine(folder, engine, tokenizers, quantization, cpu), tokenizers, recipe, task, cpu)
    texts = [golden.source for golden in translator.task.golden]
    golden = tuple(Golden(source=text, target=one.text, score=one.score) for text, one in zip(texts, theirs(texts), strict=True))
    write_json(folder / TASK, task.model_copy(update={"golden": golden}).model_dump())
    count, bleu, same, signature = _compared(run, translator, theirs)
    if not bleu[0] - bleu[1] <= tolerance:
        raise ZhixingError(
            f"not exported: with {quantization} weights BLEU on {count} validation pairs falls from {bleu[0]:.2f} to {bleu[1]:.2f}, "
            f"more than --tolerance {tolerance:g}"
        )
    return Scored(sum(file.stat().st_size for file in folder.iterdir()), count, bleu, same, signature)


def _compared(run: Path, ours: Translator, theirs: Translator) -> tuple[int, tuple[float, float], float, str]:
    """Validation pairs of the run, spread over all of them, translated by both: see `Scored`."""
    rows = [json.loads(line) for line in (run / "valid.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
    some = rows[:: -(-len(rows) // PAIRS)]
    sources, references = [row["source"] for row in some], [row["target"] for row in some]
    said: list[list[str]] = [[], []]
    with progress("translating with both engines", total=len(some), unit="texts") as bar:
        for start in range(0, len(some), 64):
            for texts, translator in zip(said, (ours, theirs), strict=True):
                texts += [one.text for one in translator(sources[start : start + 64])]
            bar.advance(len(sources[start : start + 64]))
    scores, signature = [], ""
    for texts in said:
        [bleu], counts = translation.measure(texts, [references], ours.task.target_language, names=("bleu",))
        scores.append(float(bleu.score(counts.sum(0))))
        signature = bleu.signature
    same = sum(a == b for a, b in zip(*said, strict=True)) / len(some)
    return len(some), (scores[0], scores[1]), same, signature
