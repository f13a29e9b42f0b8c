"""A translator, or anybody's translations, measured: scores with intervals, and each sentence beside its reference.

1. Pairs are read together; what cannot be read as a pair is set aside and counted.
2. The sources are translated; BLEU, chrF, TER, METEOR and the rest are made of statistics of sentences (`metrics.translation`).
3. The same rows, sums of them for sentences of like length, say how scores depend on it.
4. The worst sentences stand side by side with their references, first in `examples.jsonl`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zhixing.config import Result
from zhixing.console import progress, warn
from zhixing.corpus.pairs import Pair, read
from zhixing.errors import InputError
from zhixing.evaluate import significance
from zhixing.evaluate.classification import Score
from zhixing.files import read_json, together, write_json, write_text
from zhixing.metrics import Columns, Rows, translation

if TYPE_CHECKING:
    from zhixing.tasks.translation.artifact import Translator

LENGTHS = (10, 25, 50, 100, 200)
"""Characters of the source up to which sentences count as of one length."""


class TranslationResult(Result):
    """What `evaluate` returns for a translator; also `report.json` of its folder."""

    model: str
    fingerprint: str
    data: list[str]
    texts: int
    set_aside: int
    """Lines that are no pair, or have a blank side."""
    metrics: dict[str, Score]
    by_length: list[dict[str, Any]]
    """Scores of sources of like length."""

    def lines(self) -> Iterator[str]:
        """One line a metric."""
        yield f"{self.model} on {', '.join(self.data)}: {self.texts} texts"
        for name, m in self.metrics.items():
            yield f"{name:<20} {m.value:.4f}  [{m.low:.4f}, {m.high:.4f}]  {m.signature}"


def evaluate_translator(
    translator: Translator, data: Sequence[str], columns: tuple[str | None, str | None], folder: Path, name: str
) -> TranslationResult:
    """Measure a translator on pairs and write `report.json` and `examples.jsonl`. Raises `InputError` for pairs that cannot be read."""
    languages = translator.task.source_language, translator.task.target_language
    pairs: list[Pair] = []
    aside = 0
    for item in read(data, languages, source_column=columns[0], target_column=columns[1]):
        if isinstance(item, Pair) and item.source.strip() and item.target.strip():
            pairs.append(item)
            continue
        aside += 1
        if aside <= 3:
            where, why = (item.where, "a side is blank") if isinstance(item, Pair) else (f"{item.source}:{item.line}", item.reason)
            warn(f"{where}: left out: {why}")
    if not pairs:
        raise InputError(", ".join(data), "holds no pair with two sides")
    if len(pairs) < significance.FEW:
        warn(f"only {len(pairs)} pairs: intervals by resampling so few are too narrow")
    sources, references = [pair.source for pair in pairs], [pair.target for pair in pairs]
    found = evaluated(translator, sources, references, folder)
    report = read_json(folder / "report.json")
    result = TranslationResult(
        model=name,
        fingerprint=translator.fingerprint,
        data=list(data),
        texts=len(pairs),
        set_aside=aside,
        metrics={metric: Score(**entry) for metric, entry in found.items()},
        by_length=report["by_length"],
    )
    write_json(folder / "report.json", result.model_dump())
    return result


def evaluated(
    translator: Translator, sources: Sequence[str], references: Sequence[str], folder: Path, about: str = ""
) -> dict[str, dict[str, Any]]:
    """Translate, score, and write `report.json` and `examples.jsonl`; returns {name: {value, low, high, signature}}."""
    said: list[str] = []
    with progress("translating", total=len(sources), unit="texts") as bar:
        for start in range(0, len(sources), 256):
            said += [one.text for one in translator(sources[start : start + 256])]
            bar.advance(min(256, len(sources) - start))
    metrics, rows = translation.measure(said, [references], translator.task.target_language, sources=sources)
    beams = translator.recipe.decode.beams
    about = "|".join(filter(None, [about, f"model:{translator.fingerprint[:8]}|beams:{beams}|texts:{len(sources)}"]))
    found = significance.estimates(metrics, rows, about)
    report = {"texts": len(sources), "metrics": found, "by_length": by_length(metrics, rows, sources)}
    worst = translation.worst_first(metrics, rows)
    with together(folder) as place:
        write_json(place / "report.json", report)
        lines = (_example(n, sources, references, said, metrics, rows) for n in worst)
        write_text(place / "examples.jsonl", "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return found


def by_length(metrics: Sequence[Columns], rows: Rows, sources: Sequence[str]) -> list[dict[str, Any]]:
    """Scores of the sentences of like length."""
    sizes = np.array([len(source) for source in sources])
    found = []
    for low, high in zip((0, *LENGTHS), (*LENGTHS, None), strict=True):
        chosen = (sizes > low) & (sizes <= (high if high is not None else sizes.max(initial=0)))
        if chosen.any():
            scores = {metric.name: float(metric.score(rows[chosen].sum(0))) for metric in metrics}
            scores = {name: value for name, value in scores.items() if np.isfinite(value)}
            found.append({"characters": [low + 1, high], "texts": int(chosen.sum()), "scores": scores})
    return found


def _example(
    number: int, sources: Sequence[str], references: Sequence[str], said: Sequence[str], metrics: Sequence[Columns], rows: Rows
) -> dict[str, Any]:
    scores = {metric.name: float(metric.score(rows[number])) for metric in metrics}
    return {
        "line": number + 1,
        "source": sources[number],
        "translation": said[number],
        "reference": references[number],
        "scores": {name: round(value, 4) for name, value in scores.items() if np.isfinite(value)},
    }
