"""A translator, or anybody's translations, measured: scores with intervals, and each sentence beside its reference.

1. The sources are translated; BLEU, chrF, TER, METEOR and the rest are made of statistics of sentences (`metrics.translation`).
2. The same rows, sums of them for sentences of like length, say how scores depend on it.
3. The worst sentences stand side by side with their references, first in `examples.jsonl`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zhixing.evaluate import significance
from zhixing.files import together, write_json, write_text
from zhixing.metrics import Columns, Rows, translation

if TYPE_CHECKING:
    from zhixing.tasks.translation.artifact import Translator

LENGTHS = (10, 25, 50, 100, 200)
"""Characters of the source up to which sentences count as of one length."""


def evaluated(
    translator: Translator,
    sources: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    folder: Path | None,
    about: str = "",
) -> dict[str, dict[str, Any]]:
    """Translate, score and, where a folder is given, write `report.json` and `examples.jsonl`; returns {name: {value, low, high, signature}}.

    references: one for each source, or several lists of them.
    """
    from zhixing.console import progress

    lists = [list(references)] if isinstance(references[0], str) else [list(one) for one in references]
    said: list[str] = []
    with progress("translating", total=len(sources), unit="texts") as bar:
        for start in range(0, len(sources), 256):
            said += [one.text for one in translator(sources[start : start + 256])]
            bar.advance(min(256, len(sources) - start))
    language = translator.task.target_language
    metrics, rows = translation.measure(said, lists, language, sources=sources)
    decode = translator.recipe.decode
    about = "|".join(filter(None, [about, f"model:{translator.fingerprint[:8]}|beams:{decode.beams}|texts:{len(sources)}"]))
    found = significance.estimates(metrics, rows, about)
    if folder is not None:
        report = {"texts": len(sources), "metrics": found, "by_length": by_length(metrics, rows, sources)}
        worst = translation.worst_first(metrics, rows)
        with together(folder) as place:
            write_json(place / "report.json", report)
            lines = (_example(n, sources, lists, said, metrics, rows) for n in worst)
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
    number: int, sources: Sequence[str], references: Sequence[Sequence[str]], said: Sequence[str], metrics: Sequence[Columns], rows: Rows
) -> dict[str, Any]:
    scores = {metric.name: float(metric.score(rows[number])) for metric in metrics}
    return {
        "line": number + 1,
        "source": sources[number],
        "translation": said[number],
        "references": [one[number] for one in references],
        "scores": {name: round(value, 4) for name, value in scores.items() if np.isfinite(value)},
    }
