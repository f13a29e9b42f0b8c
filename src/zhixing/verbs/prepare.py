"""The verb `prepare`: from text of any kind to a data folder.

1. Files become documents; the stages of `corpus.pipeline` clean them, on all cores, and leave out what is not worth reading.
2. Copies and near copies are found, documents dealt out to the training and the validation part and written as JSON lines.
3. A tokenizer is trained on a sample of the training part, or taken from elsewhere.
4. Both parts are tokenized into the token store; statistics, baselines and a report are added.

Documents wait on the disk, not in memory. A run that was killed goes on where it was; the folder appears when all of it is there.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import Result, gather, resolve, several
from zhixing.console import count, progress, say
from zhixing.errors import InputError, SettingError
from zhixing.files import human_bytes, refuse_existing, resumable_folder, sha256, write_json
from zhixing.version import __version__

if TYPE_CHECKING:
    from zhixing.corpus.collect import Collected
    from zhixing.corpus.stats import Statistics
    from zhixing.store import Split
    from zhixing.tokenizer.settings import PrepareSettings
    from zhixing.tokenizer.tokenizer import Tokenizer

PARTS: tuple[Split, Split] = ("train", "valid")
LATER = ("split", "statistics", "tokenizer")
"""Groups of settings that say what is made of text that is cleaned already."""
REPORT_DOCUMENTS = 300
COMMIT = 16
"""Batches after which what is tokenized survives a kill."""


class PrepareResult(Result):
    """What `prepare` returns."""

    data: str
    documents: dict[str, int]
    """Read, kept, dropped."""
    parts: dict[str, dict[str, int]]
    """Documents, bytes, characters, words and tokens of the training and the validation part."""
    reasons: dict[str, int]
    """Why documents were left out."""
    languages: dict[str, int]
    """Bytes by language."""
    tokenizer: str
    vocabulary: int
    tokens_per_byte: float
    baselines: dict[str, float]
    """Bits per byte of the validation part under models that need no training run."""
    fingerprint: str

    def lines(self) -> Iterator[str]:
        """The result for the terminal."""
        d = self.documents
        yield f"{self.data}: {d['kept']} documents kept of {d['read']}"
        for reason, number in self.reasons.items():
            yield f"  left out {number}: {reason}"
        for name, part in self.parts.items():
            sizes = f"{human_bytes(part['bytes'])}, {count(part['words'])} words, {count(part['tokens'])} tokens"
            yield f"  {name}: {part['documents']} documents, {sizes}"
        yield f"  tokenizer: {self.tokenizer}, {self.vocabulary} tokens, {self.tokens_per_byte:.3f} tokens a byte"
        yield "  to beat (bits per byte): " + ", ".join(f"{name} {bits:.3f}" for name, bits in self.baselines.items())
        yield f"  report: {Path(self.data) / 'report.html'}"


def prepare(
    texts: Annotated[list[str] | str, "Files, folders, globs, corpus names (see `zhixing get`), or - for standard input."],
    *,
    out: Annotated[Path, "The data folder to write."],
    tokenizer: Annotated[
        Path | None, "A tokenizer.json, a folder with one, or a model by its name, to use instead of training one."
    ] = None,
    vocabulary: Annotated[int | None, "Number of tokens; the same as tokenizer.vocabulary."] = None,
    workers: Annotated[int | None, "Processes; by default one a core where there is much text. They change the speed alone."] = None,
    ray: Annotated[str | None, "Address of a Ray cluster to clean and filter on: HOST:PORT, or auto; it has to see the same files."] = None,
    config: Annotated[Path | None, "A TOML file of settings."] = None,
    settings: Annotated[Sequence[str] | Mapping[str, Any] | None, "Settings as dotted.key=value."] = None,
) -> PrepareResult:
    """Turn text into training data: clean, deduplicate, split, tokenize, report.

    A run that was stopped goes on when the same is asked for again, and gives the same bytes, as does any number of workers (but for
    `tokenizer.kind=unigram`, whose trainer breaks ties by chance). With another tokenizer or split it goes on with the cleaned text.
    Raises `InputError` for text that cannot be read, `SettingError` for settings that cannot be, `ArtifactError` when `out` exists.
    """
    texts = several(texts)
    chosen, out = gather(config, settings), Path(out)
    if vocabulary is not None:
        if "tokenizer.vocabulary" in chosen:
            raise SettingError("tokenizer.vocabulary", "cannot be given together with --vocabulary, which says the same; give one of them")
        chosen["tokenizer.vocabulary"] = vocabulary
    if tokenizer is not None and (named := [name for name in chosen if name.startswith("tokenizer.")]):
        raise SettingError(named[0], "has no effect on a tokenizer that is given with --tokenizer; leave one of them out")
    refuse_existing(out)

    from zhixing.corpus.collect import collect, files_of, request, total_bytes, worth
    from zhixing.corpus.workers import refuse_number, usual_workers
    from zhixing.tokenizer.settings import PrepareSettings

    refuse_number(workers)
    asked = resolve(PrepareSettings, chosen)
    path, given = _given(tokenizer)
    sources = files_of(texts, asked)
    size = total_bytes(sources)
    wish = request(sources, asked)
    later = {name: wish["settings"].pop(name) for name in LATER} | {"given": given.fingerprint if given else None}
    manifest: dict[str, Any] = {}
    with resumable_folder(out, "data", wish, lambda work: worth(work, sources), later=later, extra=manifest) as work:
        folder = work / "data"
        collected = collect(sources, work, asked, workers or usual_workers(size), ray)
        try:
            result, tokens = _fill(folder, out, texts[0], collected, asked, given, size)
        except SettingError:
            if worth(work, sources):
                say(f"the cleaned text is kept in {work}, and the same command with another tokenizer or split goes on from it")
            raise
        manifest |= {"tokens": tokens, "vocabulary": result.vocabulary, "fingerprint": result.fingerprint}
        _record(
            folder, out, texts, collected, asked, chosen, None if given is None else {"path": str(path), "fingerprint": given.fingerprint}
        )
    return result


def _given(tokenizer: Path | None) -> tuple[Path | None, Tokenizer | None]:
    """The tokenizer that is to be used, and where it lies."""
    from zhixing.corpus.fetch import locate
    from zhixing.tokenizer.tokenizer import Tokenizer

    if tokenizer is None:
        return None, None
    path = Path(tokenizer) if Path(tokenizer).exists() else locate(tokenizer)  # a model by its name
    return path, Tokenizer.adopt(path)


def _fill(
    folder: Path, out: Path, first: str, collected: Collected, asked: PrepareSettings, tokenizer: Tokenizer | None, size: int
) -> tuple[PrepareResult, dict[Split, int]]:
    """Documents, tokenizer, tokens and what is known of them; returns the verb's result and the tokens of each part.

    first: what the texts are called in an error; size: bytes of the sources.
    """
    from zhixing.corpus.decontaminate import counted
    from zhixing.corpus.split import usual_share

    share = asked.split.valid or usual_share(size)
    statistics = _write(collected, folder, asked, share)
    summary = {**statistics.summary(), "valid_share": share}
    _check(first, summary)
    parts = summary["parts"]
    if tokenizer is None:
        tokenizer = _train(folder, asked, parts["train"]["bytes"])
    tokenizer.save(folder / "tokenizer.json")
    tokens = {part: _encode(folder, part, tokenizer, parts[part]["documents"]) for part in PARTS}
    say("measuring what a model has to beat")
    if evaluated := asked.filter.evaluation.files:
        summary["evaluation"] = counted(statistics.reasons, evaluated)
    return _describe(out, folder, tokenizer, summary, tokens), tokens


def _record(
    folder: Path, out: Path, texts: Sequence[str], collected: Collected, asked: PrepareSettings, chosen: Mapping[str, Any],
    tokenizer: dict[str, str] | None,
) -> None:  # fmt: skip
    """Write what decided the data and what they come from, and the report."""
    from zhixing.corpus.collect import origin
    from zhixing.corpus.resources import named_files
    from zhixing.evaluate.report import write_data_report

    write_json(folder / "config.json", asked.model_dump())
    lineage = {
        "texts": [str(text) for text in texts],
        "inputs": collected.inputs,
        "named": [origin(source) for source in named_files(asked)],
        "tokenizer": tokenizer,
        "settings": dict(chosen),
        "zhixing": __version__,
    }
    write_json(folder / "lineage.json", lineage)
    write_data_report(folder, out)


def _write(collected: Collected, folder: Path, asked: PrepareSettings, share: float) -> Statistics:
    """Deal the documents out to their parts and write them, and what was left out; returns the counts."""
    import zstandard

    from zhixing.corpus.document import Document, Dropped
    from zhixing.corpus.split import split
    from zhixing.corpus.stats import Statistics

    statistics = Statistics(asked.statistics, collected.characters())
    (folder / "documents").mkdir(exist_ok=True)
    with ExitStack() as stack:
        rejects = stack.enter_context(open(folder / "dropped.jsonl", "w", encoding="utf-8"))
        files = {
            part: stack.enter_context(
                io.TextIOWrapper(zstandard.open(folder / f"documents/{part}-00000.jsonl.zst", "wb"), encoding="utf-8")
            )
            for part in PARTS
        }
        bar = stack.enter_context(progress("writing", unit="documents"))

        def kept() -> Iterator[Document]:
            for item, more in collected.items():
                bar.advance()
                if isinstance(item, Dropped):
                    statistics.dropped(item)
                    rejects.write(json.dumps(item.row() | more, ensure_ascii=True) + "\n")
                else:
                    yield item

        for document, part in split(kept(), share, asked.split.seed):
            statistics.kept(document, part)
            record = {"id": document.id, "text": document.text, "source": document.source}
            files[part].write(json.dumps(record, ensure_ascii=False) + "\n")
    return statistics


def _train(folder: Path, asked: PrepareSettings, size: int) -> Tokenizer:
    """Train the tokenizer, or take the one that an earlier process has trained."""
    from zhixing.tokenizer.tokenizer import Tokenizer
    from zhixing.tokenizer.train import train

    if (folder / "tokenizer.json").is_file():
        return Tokenizer.load(folder / "tokenizer.json")
    say("training the tokenizer")
    return train(_texts(folder, "train"), asked.tokenizer, total_bytes=size)


def _check(where: str, summary: Mapping[str, Any]) -> None:
    """Raise `InputError` where there is too little to split."""
    documents = summary["documents"]
    if documents["kept"] == 0:
        reasons = "; ".join(f"{number} left out, {reason}" for reason, number in islice(summary["dropped"].items(), 3))
        raise InputError(where, f"no document is left ({reasons})" if reasons else "holds no text")
    if documents["kept"] == 1:
        raise InputError(
            where, "gives a single document, and training and validation need one each; add text, or set read.document=line (or paragraph)"
        )


def _texts(folder: Path, part: str, every: int = 1) -> Iterator[str]:
    """The texts of a part, from disk; or only one in so many."""
    import zstandard

    with zstandard.open(folder / f"documents/{part}-00000.jsonl.zst", "rb") as file:
        for line in islice(io.TextIOWrapper(file, encoding="utf-8", newline="\n"), 0, None, every):
            yield json.loads(line)["text"]


def _encode(folder: Path, part: Split, tokenizer: Tokenizer, documents: int) -> int:
    """Tokenize a part into the store; returns the number of tokens."""
    from zhixing.corpus.pipeline import batches
    from zhixing.store import StoreWriter

    with progress(f"tokenizing {part}", total=documents, unit="documents") as bar:
        with StoreWriter(folder, part, tokenizer.vocabulary) as store:
            bar.advance(store.documents)
            for number, batch in enumerate(batches(islice(_texts(folder, part), store.documents, None), len), start=1):
                for text, ids in zip(batch, tokenizer.encode_batch(batch), strict=True):
                    store.add([*ids, tokenizer.end], len(text.encode("utf-8")), len(text))
                bar.advance(len(batch))
                if number % COMMIT == 0:
                    store.commit()
    return store.tokens


def _describe(out: Path, folder: Path, tokenizer: Tokenizer, summary: dict[str, Any], tokens: Mapping[Split, int]) -> PrepareResult:
    """Write statistics, tokenizer report and baselines; returns the verb's result."""
    from zhixing.evaluate.baselines import baselines
    from zhixing.store import Store
    from zhixing.tokenizer.report import report

    for part, number in tokens.items():
        summary["parts"][part]["tokens"] = number
    write_json(folder / "statistics.json", summary)
    every = -(-summary["parts"]["train"]["documents"] // REPORT_DOCUMENTS)  # languages may come one after the other
    write_json(folder / "tokenizer_report.json", report(tokenizer, _texts(folder, "train", every)))
    found = baselines(Store(folder, "train"), Store(folder, "valid"), _texts(folder, "train"), _texts(folder, "valid"))
    write_json(folder / "baselines.json", found)
    digest = hashlib.sha256(tokenizer.fingerprint.encode())
    for shard in sorted(folder.glob("*.bin")):
        digest.update(sha256(shard).encode())
    return PrepareResult(
        data=str(out),
        documents=summary["documents"],
        parts=summary["parts"],
        reasons=summary["dropped"],
        languages={name: c["bytes"] for name, c in summary["languages"].items()},
        tokenizer=tokenizer.kind,
        vocabulary=tokenizer.vocabulary,
        tokens_per_byte=sum(tokens.values()) / max(1, sum(part["bytes"] for part in summary["parts"].values())),
        baselines={name: entry["bits_per_byte"] for name, entry in found.items()},
        fingerprint=digest.hexdigest(),
    )
