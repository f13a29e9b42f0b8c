"""The verb `stats`: what a text consists of.

1. The text is read, cleaned and filtered as `prepare` would, and copies are found; or the documents of a data folder are read again.
2. All documents are counted; words, runs of words and sentences in a sample of bounded size.
3. The counts are printed and, where a folder is named, written as JSON and as a page.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import Result, gather, resolve, several
from zhixing.console import count, progress
from zhixing.errors import InputError, SettingError
from zhixing.files import MANIFEST, human_bytes, new_folder, refuse_existing, resumable_folder, sha256, write_json
from zhixing.version import __version__

if TYPE_CHECKING:
    from zhixing.corpus.pipeline import StatsSettings
    from zhixing.corpus.stats import Statistics


class StatsResult(Result):
    """What `stats` returns; also `statistics.json`."""

    documents: dict[str, int]
    """Read, kept, dropped."""
    duplicates: int
    copies: dict[str, int | None]
    """Exact and near ones; None where near ones were not looked for."""
    dropped: dict[str, int]
    """How many were left out, by stage and reason."""
    stages: list[dict[str, Any]]
    """The same by stage, with examples."""
    parts: dict[str, dict[str, int]]
    """Documents, characters, words and bytes; one part, `text`, where the text is not a data folder."""
    languages: dict[str, dict[str, int]]
    sources: dict[str, dict[str, int]]
    """The hundred largest."""
    lengths: dict[str, int]
    """Documents by characters: from so many on, to the next."""
    length_quantiles: dict[str, int]
    sample: dict[str, float]
    """Documents and characters in which words were counted, and their share of all."""
    text: dict[str, dict[str, Any]]
    """By language: sentences, words, different words, the most frequent words and runs of words, Zipf's and Heaps' laws."""
    evaluation: dict[str, int]
    """Documents left out for their overlap with each evaluation file that was named."""
    folder: str | None
    """The folder with `report.html`."""

    def lines(self) -> Iterator[str]:
        """The result for the terminal."""
        d = self.documents
        yield f"{d['kept']:,} documents kept of {d['read']:,}"
        for reason, number in self.dropped.items():
            yield f"  left out {number:,}: {reason}"
        for names in (self.parts, self.languages):
            for name, part in names.items():
                sizes = f"{human_bytes(part['bytes'])}, {count(part['characters'])} characters, {count(part['words'])} words"
                yield f"  {name}: {part['documents']:,} documents, {sizes}"
        quantiles = ", ".join(f"{share} {length:,}" for share, length in self.length_quantiles.items())
        yield f"  characters of a document: {quantiles}"
        if self.sample["share"] < 1:
            yield f"words, in a sample of {self.sample['share']:.1%} of the text:"
        for kind, found in self.text.items():
            spread = found["sentence_words"]
            yield f"  {kind}: {found['words']:,} words, {found['different']:,} different, {found['once']:,} of them once"
            yield f"    {found['sentences']:,} sentences of {spread['mean']:.1f} words, half of them within {_middle(spread['quantiles'])}"
            for law in ("zipf", "heaps"):
                if found[law]:
                    yield f"    {law.capitalize()}' exponent {found[law]['exponent']:.3f}".replace("Zipf'", "Zipf's")
            for size in ("words", "pairs", "triples"):
                yield f"    frequent {size}: " + ", ".join(f"{run} {number:,}" for run, number in found["frequent"][size][:8])
        if self.folder:
            yield f"report: {Path(self.folder) / 'report.html'}"


def stats(
    texts: Annotated[list[str] | str, "Files, folders, globs, corpus names (see `zhixing get`), - for standard input, or one data folder."],
    *,
    out: Annotated[Path | None, "A folder to write, with statistics.json, dropped.jsonl and report.html."] = None,
    near: Annotated[bool, "Look for near copies too; equal documents are always found."] = False,
    workers: Annotated[int | None, "Processes; by default one a core where there is much text. They change the speed alone."] = None,
    config: Annotated[Path | None, "A TOML file of settings."] = None,
    settings: Annotated[Sequence[str] | Mapping[str, Any] | None, "Settings as dotted.key=value."] = None,
) -> StatsResult:
    """Count documents, words and sentences, runs of words, copies, languages and sources of a text, and fit Zipf's and Heaps' laws.

    Raises `InputError` for text that cannot be read, `SettingError` for settings that cannot be, `ArtifactError` when `out` exists.
    """
    texts = several(texts)
    chosen = gather(config, settings)
    if out is not None:
        refuse_existing(Path(out))

    from zhixing.corpus.pipeline import StatsSettings
    from zhixing.corpus.prepared import is_data
    from zhixing.corpus.workers import refuse_number

    refuse_number(workers)
    asked = resolve(StatsSettings, chosen, {"dedup.near.on": near})
    if len(texts) == 1 and is_data(Path(texts[0])):
        if given := [name for name in chosen if not name.startswith("statistics.")] or ["near"] * near:
            raise SettingError(given[0], f"has no effect on {texts[0]}, which is prepared already; leave it out")
        return _of_data(Path(texts[0]), out, asked, chosen)
    return _of_texts(texts, out, asked, chosen, workers)


def _of_data(data: Path, out: Path | None, asked: StatsSettings, chosen: Mapping[str, Any]) -> StatsResult:
    """Count the documents of a data folder, and what `prepare` left out."""
    from zhixing.corpus import prepared
    from zhixing.corpus.stats import Statistics
    from zhixing.files import read_json

    prepared.check(data, "train", "valid")
    before = read_json(data / "statistics.json")
    parts = before["parts"]
    statistics = Statistics(asked.statistics, sum(part["characters"] for part in parts.values()))
    with progress("counting", total=sum(part["documents"] for part in parts.values()), unit="documents") as bar:
        for part in ("train", "valid"):
            for document in prepared.documents(data, part):
                statistics.kept(document, part)
                bar.advance()
    for item in prepared.left_out(data):
        statistics.dropped(item)
    near, files = bool(read_json(data / "config.json")["dedup"]["near"]["on"]), list(before.get("evaluation", {}))
    if out is None:
        return _result(statistics, near, files, None)
    inputs = [{"path": str(data), "manifest": sha256(data / MANIFEST)}]
    with new_folder(Path(out), "statistics") as folder:
        with open(folder / "dropped.jsonl", "wb") as copy:
            copy.write((data / "dropped.jsonl").read_bytes())
        return _write(folder, _result(statistics, near, files, out), asked, chosen, [str(data)], inputs)


def _of_texts(texts: Sequence[str], out: Path | None, asked: StatsSettings, chosen: Mapping[str, Any], workers: int | None) -> StatsResult:
    """Read and clean texts, and count them."""
    from zhixing.corpus.collect import collect, files_of, request, total_bytes, worth
    from zhixing.corpus.document import Dropped
    from zhixing.corpus.stats import Statistics
    from zhixing.corpus.workers import usual_workers

    sources = files_of(texts, asked)
    with ExitStack() as stack:
        if out is None:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            work = stack.enter_context(
                resumable_folder(Path(out), "statistics", request(sources, asked), lambda work: worth(work, sources))
            )
        (work / "data").mkdir(exist_ok=True)
        collected = collect(sources, work, asked, workers or usual_workers(total_bytes(sources)))
        statistics = Statistics(asked.statistics, collected.characters())
        rejects = stack.enter_context(open(work / "data/dropped.jsonl", "w", encoding="utf-8"))
        with progress("counting", unit="documents") as bar:
            for item, more in collected.items():
                bar.advance()
                if isinstance(item, Dropped):
                    statistics.dropped(item)
                    rejects.write(json.dumps(item.row() | more, ensure_ascii=True) + "\n")
                else:
                    statistics.kept(item, "text")
        rejects.close()
        if not any(part["documents"] for part in statistics.parts.values()):
            reasons = "; ".join(f"{number} left out, {reason}" for reason, number in statistics.reasons.most_common(3))
            raise InputError(texts[0], f"no document is left ({reasons})" if reasons else "holds no text")
        result = _result(statistics, asked.dedup.near.on, asked.filter.evaluation.files, out)
        if out is not None:
            _write(work / "data", result, asked, chosen, texts, collected.inputs)
        return result


def _result(statistics: Statistics, near: bool, evaluated: Sequence[str], out: Path | None) -> StatsResult:
    from zhixing.corpus.decontaminate import counted

    summary = {**statistics.summary(), "evaluation": counted(statistics.reasons, evaluated)}
    if not near:
        summary["copies"]["near"] = None
    return StatsResult(**summary, folder=str(out) if out is not None else None)


def _write(
    folder: Path,
    result: StatsResult,
    asked: StatsSettings,
    chosen: Mapping[str, Any],
    texts: Sequence[str],
    inputs: list[dict[str, Any]],
) -> StatsResult:
    """Write all but `dropped.jsonl` of the folder."""
    from zhixing.evaluate.report import write_statistics_report

    write_json(folder / "statistics.json", result.model_dump(exclude={"folder"}))
    write_json(folder / "config.json", asked.model_dump())
    lineage = {"texts": [str(text) for text in texts], "inputs": inputs, "settings": dict(chosen), "zhixing": __version__}
    write_json(folder / "lineage.json", lineage)
    write_statistics_report(folder, Path(str(result.folder)).name)
    return result


def _middle(quantiles: Mapping[str, int]) -> str:
    return f"{quantiles['25%']} to {quantiles['75%']}"
