"""A translator, or anybody's translations, measured: scores with intervals, and each sentence beside its reference.

1. Pairs are read together; what cannot be read as a pair is set aside and counted.
2. The sources are translated; BLEU, chrF, TER, METEOR and the rest are made of statistics of sentences (`metrics.translation`).
3. The same rows, sums of them for sentences of like length and of one domain, say how scores depend on these.
4. The worst sentences stand side by side with their references, first in `examples.jsonl`.

Two systems, translators or files of translations, are compared on the same pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from zhixing.config import Result
from zhixing.console import progress, warn
from zhixing.corpus.pairs import Pair, TagColumns, read
from zhixing.errors import ArtifactError, InputError
from zhixing.evaluate import outputs, significance
from zhixing.evaluate.classification import Score
from zhixing.evaluate.significance import Test
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
    by_domain: dict[str, dict[str, Score]] = Field(default_factory=dict)
    """Scores of the texts of each domain, where a column says of which they are."""

    def lines(self) -> Iterator[str]:
        """One line a metric."""
        yield f"{self.model} on {', '.join(self.data)}: {self.texts} texts"
        for name, m in self.metrics.items():
            yield f"{name:<20} {m.value:.4f}  [{m.low:.4f}, {m.high:.4f}]  {m.signature}"
        for domain, scores in self.by_domain.items():
            shown = (f"{name} {m.value:.4f} [{m.low:.4f}, {m.high:.4f}]" for name, m in scores.items() if name in ("bleu", "chrf"))
            yield f"{domain:<20} {'  '.join(shown)}"


def evaluate_translator(
    translator: Translator,
    data: Sequence[str],
    columns: tuple[str | None, str | None],
    name: str,
    *,
    to: str | None = None,
    domain_column: str | None = None,
) -> tuple[TranslationResult, Iterator[dict[str, Any]]]:
    """Measure a translator on pairs: the result, and the sentences side by side, worst first. Raises `InputError` for what cannot be read.

    name: the translator's, for the result. to: the language to write, where several were trained. domain_column: scores are given for each
    domain, and sources tagged with it where the model was trained so.
    """
    languages = translator.task.source_language, to or translator.task.target_language
    translator.marks.before_target(languages[1])  # raises for one that was not trained
    pairs, aside = _pairs(data, languages, columns, TagColumns(domain_column))
    return measured(translator, pairs, name, data, aside, to=languages[1])


def _pairs(
    data: Sequence[str], languages: tuple[str, str], columns: tuple[str | None, str | None], tags: TagColumns | None = None
) -> tuple[list[Pair], int]:
    """Pairs to measure on, and the number of lines that are left out, of which the first are named."""
    pairs: list[Pair] = []
    aside = 0
    for item in read(data, languages, source_column=columns[0], target_column=columns[1], tags=tags or TagColumns()):
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
    return pairs, aside


def compare_translators(
    a: Path, b: Path, data: Sequence[str], columns: tuple[str | None, str | None], test: Test, device: str
) -> tuple[int, dict[str, dict[str, Any]]]:
    """The number of pairs, and for each metric what the difference of B and A is worth; each a translator or a file of translations.

    Raises `InputError` for a file that has not a line for each pair, `ArtifactError` for translators between other languages.
    """
    from zhixing.tasks.translation.artifact import Translator, translates

    systems = {path: Translator.open(path, device) if translates(path) else outputs.read_lines(str(path)) for path in (a, b)}
    opened = {path: system for path, system in systems.items() if isinstance(system, Translator)}
    first = next(iter(opened.values()))
    languages = first.task.source_language, first.task.target_language
    for path, one in opened.items():
        if (one.task.source_language, one.task.target_language) != languages:
            spoken = f"{one.task.source_language} to {one.task.target_language}"
            raise ArtifactError(path, f"translates from {spoken}, and the other from {languages[0]} to {languages[1]}")
    pairs, aside = _pairs(data, languages, columns)
    said = []
    for path in (a, b):
        system = systems[path]
        if not isinstance(system, Translator) and len(system) != len(pairs):
            left = f" ({aside} more lines of the data are no pair)" if aside else ""
            raise InputError(
                path, f"holds {len(system)} translations for {len(pairs)} pairs{left}; there must be one for each, in their order"
            )
        said.append(_translated(system, pairs, languages[1]) if isinstance(system, Translator) else system)
    sources, references = [pair.source for pair in pairs], [[pair.target for pair in pairs]]
    (metrics, rows), (_, others) = (translation.measure(one, references, languages[1], sources=sources) for one in said)
    signs = (f"{name}:{opened[path].fingerprint[:8] if path in opened else path.name}" for name, path in (("a", a), ("b", b)))
    return len(pairs), significance.differences(metrics, rows, others, f"{'|'.join(signs)}|texts:{len(pairs)}", test)


def measured(
    translator: Translator, pairs: Sequence[Pair], name: str, data: Sequence[str], aside: int = 0, *, to: str | None = None
) -> tuple[TranslationResult, Iterator[dict[str, Any]]]:
    """`evaluate_translator` of pairs that are read already. data: where they come from; aside: lines there that are no pair."""
    to = to or translator.task.target_language
    sources, references = [pair.source for pair in pairs], [pair.target for pair in pairs]
    said = _translated(translator, pairs, to)
    metrics, rows = translation.measure(said, [references], to, sources=sources)
    beams = translator.recipe.decode.beams
    about = f"model:{translator.fingerprint[:8]}|beams:{beams}|texts:{len(sources)}"
    domains = by_domain(metrics, rows, [pair.domain for pair in pairs], about)
    result = TranslationResult(
        model=name,
        fingerprint=translator.fingerprint,
        data=list(data),
        texts=len(pairs),
        set_aside=aside,
        metrics={metric: Score(**entry) for metric, entry in significance.estimates(metrics, rows, about).items()},
        by_length=by_length(metrics, rows, sources),
        by_domain={domain: {metric: Score(**entry) for metric, entry in scores.items()} for domain, scores in domains.items()},
    )
    return result, (_example(pairs[n], said[n], metrics, rows[n]) for n in translation.worst_first(metrics, rows))


def _translated(translator: Translator, pairs: Sequence[Pair], to: str) -> list[str]:
    """Translations of the sources, tagged with their domains where the model knows these."""
    groups: dict[str | None, list[int]] = {}
    for number, pair in enumerate(pairs):
        groups.setdefault(pair.domain if pair.domain in translator.marks.domain_marks else None, []).append(number)
    said = [""] * len(pairs)
    with progress("translating", total=len(pairs), unit="texts") as bar:
        for domain, numbers in groups.items():
            speaker = translator.speaking(to, domain)
            for start in range(0, len(numbers), 256):
                some = numbers[start : start + 256]
                for number, one in zip(some, speaker([pairs[n].source for n in some]), strict=True):
                    said[number] = one.text
                bar.advance(len(some))
    return said


def by_domain(metrics: Sequence[Columns], rows: Rows, domains: Sequence[str | None], about: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Scores of the texts of each domain."""
    of = np.array([domain or "" for domain in domains])
    found = {}
    for domain in sorted({domain for domain in domains if domain is not None}):
        chosen = rows[of == domain]
        found[domain] = significance.estimates(metrics, chosen, f"{about}|domain:{domain}|of:{len(chosen)}")
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


def _example(pair: Pair, said: str, metrics: Sequence[Columns], row: Any) -> dict[str, Any]:
    scores = {metric.name: float(metric.score(row)) for metric in metrics}
    return {
        "file": pair.file,
        "line": pair.line,
        "source": pair.source,
        "translation": said,
        "reference": pair.target,
        "scores": {name: round(value, 4) for name, value in scores.items() if np.isfinite(value)},
    }
