"""The verb `embed`: static word embeddings.

1. Text becomes sentences on the disk: the training part of a data folder, in words or in the tokens of its tokenizer, or texts that are
   read, cleaned and filtered as `prepare` would.
2. gensim trains word2vec or fastText on them, in as many threads as there are workers.
3. The vectors are written, with nearest words, analogies and a picture on a page.

A run that was stopped goes on when the same is asked for again. Asked about a folder that is there, it answers and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import Result, gather, resolve, several
from zhixing.console import count, duration, progress, say
from zhixing.errors import SettingError, UserError
from zhixing.files import MANIFEST, read_json, refuse_existing, resumable_folder, sha256, write_json
from zhixing.version import __version__

if TYPE_CHECKING:
    from zhixing.corpus.readers import Source
    from zhixing.embeddings.settings import EmbedSettings
    from zhixing.embeddings.vectors import Vectors

LINES, SAVED = "lines.txt", "training.safetensors"
OWN = ("unit", "words", "vectors", "picture")
"""Settings that have an effect on text that is prepared already."""
SHOWN = 12
"""Words whose neighbours are shown when none are asked for."""


class Analogy(Result):
    """What is to `c` as `a` is to `b`."""

    a: str
    b: str
    c: str
    found: list[tuple[str, float]]
    """Words near a - b + c, and their cosines with it."""


class EmbedResult(Result):
    """What `embed` returns; also `result.json`."""

    vectors: str
    """The folder."""
    words: int
    """Words, or tokens, that have a vector."""
    width: int
    unit: str
    nearest: dict[str, list[tuple[str, float]]]
    """Words with those nearest to them, and their cosines."""
    analogy: Analogy | None
    text_words: int | None = None
    """Words, or tokens, of the text; None where a folder was only asked."""
    seconds: float | None = None
    """Of training, in the process that ended it."""
    words_per_second: float | None = None
    """Words of the text, times the epochs of that process, by these seconds."""

    def lines(self) -> Iterator[str]:
        """The result for the terminal."""
        trained = ""
        if self.text_words is not None and self.seconds is not None and self.words_per_second is not None:
            trained = f", from {count(self.text_words)} in {duration(self.seconds)} ({count(self.words_per_second)} {self.unit}s/s)"
        yield f"{self.vectors}: {self.words:,} {self.unit}s of {self.width} numbers{trained}"
        for word, found in self.nearest.items():
            yield f"  {word.strip()}: " + ", ".join(f"{other.strip()} {cosine:.2f}" for other, cosine in found)
        if self.analogy is not None:
            q = self.analogy
            yield f"  {q.a} : {q.b} = ? : {q.c}  " + ", ".join(f"{word.strip()} {cosine:.2f}" for word, cosine in q.found)
        if self.seconds is not None:
            yield f"report: {Path(self.vectors) / 'report.html'}"


def embed(
    texts: Annotated[list[str] | str, "A data folder, or texts as `prepare` takes them; or a folder of vectors, to ask it."],
    *,
    out: Annotated[Path | None, "The folder of vectors to write."] = None,
    nearest: Annotated[
        list[str] | str | None, "A word whose nearest ones to show; may be given several times. Default: frequent words."
    ] = None,
    analogy: Annotated[tuple[str, str, str] | None, "Three words A B C: show what is to C as A is to B; `king man woman`."] = None,
    text_format: Annotated[bool, "Also write vectors.txt, in word2vec's text format."] = False,
    workers: Annotated[
        int | None, "Threads; by default one a core where there is much text. With one, the result is always the same."
    ] = None,
    config: Annotated[Path | None, "A TOML file of settings."] = None,
    settings: Annotated[Sequence[str] | Mapping[str, Any] | None, "Settings as dotted.key=value."] = None,
) -> EmbedResult:
    """Train word vectors (word2vec, fastText) on text, or ask those that are there: nearest words, analogies, a picture.

    Raises `InputError` for text that cannot be read and words that have no vector, `SettingError` for settings that cannot be,
    `ArtifactError` when `out` exists, `MissingPackage` without gensim.
    """
    texts, nearest = several(texts), several(nearest)
    chosen = gather(config, settings)
    if out is None:
        return _ask(texts, nearest, analogy, chosen)
    out = Path(out)
    refuse_existing(out)

    from zhixing.corpus.collect import files_of, worth
    from zhixing.corpus.prepared import is_data
    from zhixing.corpus.workers import refuse_number, usual_workers
    from zhixing.embeddings import train
    from zhixing.embeddings.settings import EmbedSettings

    refuse_number(workers)
    asked = resolve(EmbedSettings, chosen)
    data = next((Path(name) for name in texts if is_data(Path(name))), None)
    _refuse(texts, data, asked, chosen)
    train.gensim(asked.vectors)  # complains when it is missing, before text is read
    words = [*(nearest or []), *(analogy or [])]
    sources = [] if data is not None else files_of(texts, asked)
    request = {**_request(sources, data, asked), "words": words, "text": text_format}

    def kept(work: Path) -> bool:
        return (work / LINES).is_file() if data is not None else worth(work, sources)

    with resumable_folder(out, "vectors", request, kept) as work:
        if not (work / LINES).is_file():
            _write_lines(sources, data, asked, work, workers)
        threads = workers or usual_workers((work / LINES).stat().st_size)
        vectors, trained = _train(texts[0], data, asked, work, threads, words)
        folder = work / "data"
        vectors.save(folder, text=text_format)
        result = EmbedResult(**_answers(out, vectors, nearest or None, analogy), **trained)
        _describe(folder, vectors, result, asked, data is not None)
        lineage = {"texts": [str(text) for text in texts], "inputs": read_json(work / "inputs.json"), "settings": dict(chosen)}
        write_json(folder / "lineage.json", {**lineage, "workers": threads, "zhixing": __version__})

        from zhixing.evaluate.report import write_vectors_report

        write_vectors_report(folder, out.name)
    return result


def _refuse(texts: Sequence[str], data: Path | None, asked: EmbedSettings, chosen: Mapping[str, Any]) -> None:
    """Raise for what does not go together."""
    if data is not None and len(texts) > 1:
        raise UserError(f"{data}: a data folder is given alone; vectors are trained on its training part")
    if data is None and asked.unit == "token":
        raise SettingError("unit", "= token needs a data folder, whose tokenizer has cut the text into tokens")
    if asked.unit == "token" and asked.vectors.kind == "fasttext":
        raise SettingError("vectors.kind", "= fasttext needs unit=word: it makes words of their characters, and tokens are numbers")
    for name in chosen:
        group = name.partition(".")[0]
        if data is not None and group not in OWN:
            raise SettingError(name, f"has no effect on {data}, which is prepared already; leave it out")
        if asked.unit == "token" and group == "words":
            raise SettingError(name, "has no effect on tokens; leave it out, or set unit=word")


def _ask(texts: Sequence[str], nearest: list[str] | None, analogy: tuple[str, str, str] | None, chosen: Mapping[str, Any]) -> EmbedResult:
    """Answer from a folder of vectors."""
    from zhixing.embeddings.vectors import Vectors

    folder = Path(texts[0])
    if len(texts) > 1 or not (folder / MANIFEST).is_file() or read_json(folder / MANIFEST).get("kind") != "vectors":
        raise UserError("say with --out where to write the vectors; without it, one folder of vectors is asked")
    if chosen:
        raise SettingError(next(iter(chosen)), f"has no effect on {folder}, which is trained already; leave it out")
    return EmbedResult(**_answers(folder, Vectors.open(folder), nearest or ([] if analogy else None), analogy))


def _answers(folder: Path, vectors: Vectors, nearest: list[str] | None, analogy: tuple[str, str, str] | None) -> dict[str, Any]:
    """What a result says of vectors, trained just now or not; nearest to frequent words where None are asked for."""
    from zhixing.embeddings.picture import telling

    asked = nearest if nearest is not None else list(chain(*telling(vectors.words, SHOWN)))
    return {
        "vectors": str(folder),
        "words": len(vectors.words),
        "width": vectors.width,
        "unit": "word" if vectors.ids is None else "token",
        "nearest": {word: vectors.nearest(word) for word in asked},
        "analogy": Analogy(**dict(zip("abc", analogy, strict=True)), found=vectors.analogy(*analogy)) if analogy else None,
    }


def _request(sources: Sequence[Source], data: Path | None, asked: EmbedSettings) -> dict[str, Any]:
    """What tells that the same text is meant."""
    from zhixing.corpus.collect import request

    if data is not None:
        return {"settings": asked.model_dump(), "inputs": [str(data), sha256(data / MANIFEST)], "zhixing": __version__}
    return request(sources, asked)


def _write_lines(sources: Sequence[Source], data: Path | None, asked: EmbedSettings, work: Path, workers: int | None) -> None:
    """Write the sentences, and what they come from."""
    from zhixing.corpus import prepared
    from zhixing.corpus.collect import collect, total_bytes
    from zhixing.corpus.document import Document
    from zhixing.corpus.workers import usual_workers
    from zhixing.embeddings.lines import write_tokens, write_words
    from zhixing.store import Store

    if data is None:
        collected = collect(sources, work, asked, workers or usual_workers(total_bytes(sources)))
        inputs = collected.inputs
        documents: Iterator[Document] = (item for item, _ in collected.items() if isinstance(item, Document))
    else:
        prepared.check(data, "train")
        inputs, documents = [{"path": str(data), "manifest": sha256(data / MANIFEST)}], prepared.documents(data, "train")
    write_json(work / "inputs.json", inputs)
    with progress("cutting into sentences", unit="documents") as bar:
        if asked.unit == "token":
            assert data is not None
            store = Store.open(data, "train")

            def tokens() -> Iterator[Any]:
                for number in range(store.documents):
                    yield store.document(number)
                    bar.advance()

            write_tokens(tokens(), work / LINES)
            return

        def read() -> Iterator[str]:
            for document in documents:
                yield document.text
                bar.advance()

        write_words(read(), asked.words, work / LINES)


def _train(
    where: str, data: Path | None, asked: EmbedSettings, work: Path, workers: int, words: Sequence[str]
) -> tuple[Vectors, dict[str, Any]]:
    """Train on the sentences of the work folder; returns the vectors, and what a result says of the training.

    Raises `InputError` for one of the `words` that will have no vector, before training begins.
    """
    from zhixing.embeddings import train
    from zhixing.embeddings.lines import Lines
    from zhixing.embeddings.vectors import of_tokens
    from zhixing.tokenizer.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(data / "tokenizer.json") if data is not None and asked.unit == "token" else None
    lines = Lines(work / LINES)

    def vectors() -> Vectors:
        found = train.vectors(model, asked.vectors)
        return replace(found, about={"lower": asked.words.lower}) if tokenizer is None else of_tokens(found, tokenizer)

    with progress("counting words", unit="words") as bar:
        lines.seen = bar.advance
        model = train.begin(lines, asked.vectors, workers, where)
    for word in words:
        vectors().vector(word)
    total = int(model.corpus_total_words)
    with progress("training", total=total * asked.vectors.epochs, unit="words") as bar:
        lines.seen = bar.advance
        epochs, seconds = train.fit(model, lines, work / SAVED)
    if epochs < asked.vectors.epochs:
        say(f"went on after {asked.vectors.epochs - epochs} epochs that were done already")
    return vectors(), {"text_words": total, "seconds": seconds, "words_per_second": total * epochs / max(seconds, 1e-9)}


def _describe(folder: Path, vectors: Vectors, result: EmbedResult, asked: EmbedSettings, prepared: bool) -> None:
    """Write what the report shows; of the settings those that had an effect."""
    from zhixing.embeddings.picture import plane

    write_json(folder / "config.json", asked.model_dump(include=set(OWN) if prepared else None))
    write_json(folder / "result.json", result.model_dump())
    write_json(folder / "picture.json", plane(vectors, asked.picture))
