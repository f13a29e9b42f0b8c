"""The verb `predict`.

1. Texts are read from a file a window at a time, and what is said of each is written as one line, in the order of the file.
2. A reader of questions finds its answers in the texts beside them, or in a folder of documents (`tasks.answer.lines`).
3. Lines are written to a file beside `--out` that takes its name when all are there. The same command goes on behind the last whole line
   of what a killed one has left, if model, input and settings are the same. Without `--out` they are shown at the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import Result, several
from zhixing.errors import ArtifactError, InputError, SettingError

if TYPE_CHECKING:
    from zhixing.corpus.labelled.examples import Bad
    from zhixing.predict import Predictor, Text
    from zhixing.tasks.answer.artifact import Reader


LINED = (".txt", ".jsonl", ".tsv", ".csv", ".ndjson")
"""Files with about as many texts as they have lines."""


class PredictResult(Result):
    """What `predict` returns."""

    model: str
    texts: int
    """Texts in the input; as many lines are in the output."""
    continued: int
    """Of them, those that an earlier call had done."""
    problems: int
    """Texts, of those done now, of which nothing could be said, because they are empty, say."""
    seconds: float
    texts_per_second: float
    out: str | None
    unanswered: int | None = None
    """Of a reader: questions, of those done now, that are said to have no answer."""
    predictions: list[dict[str, Any]] | None = None
    """For texts given with --text, questions given with --question, and files without --out."""

    def lines(self) -> Iterator[str]:
        """The result for the terminal."""
        if self.predictions is not None:
            yield from (json.dumps(row, ensure_ascii=False) for row in self.predictions)
            return
        more = f", {self.continued} of them done before" if self.continued else ""
        problems = f"; {self.problems} of no use, each with its problem" if self.problems else ""
        silent = f"; {self.unanswered} without an answer" if self.unanswered else ""
        unit = "texts" if self.unanswered is None else "questions"
        yield f"{self.out}: {self.texts} {unit}{more}, {self.texts_per_second:.0f} a second{silent}{problems}"


def predict(
    model: Annotated[Path, "A finished classification or question-answering run."],
    *,
    in_: Annotated[
        Path | None,
        "Texts: a text file with one a line, csv, tsv, jsonl or parquet; questions: SQuAD's or CMRC's JSON, or jsonl with question and "
        "context; - is standard input.",
    ] = None,
    out: Annotated[Path | None, "The JSON-lines file to write. Default: the lines are shown when all are done."] = None,
    text: Annotated[
        list[str] | str | None, "A text itself, instead of a file; may be given several times. With --question: where to look."
    ] = None,
    question: Annotated[list[str] | str | None, "Readers: a question itself, instead of a file; may be given several times."] = None,
    documents: Annotated[
        list[str] | str | None, "Readers: files and folders to search for the answers, instead of a text beside each."
    ] = None,
    passages: Annotated[int, "Readers: how many passages of the documents are read for each question."] = 5,
    best: Annotated[int, "Readers: how many of the best answers to write for each question."] = 0,
    text_column: Annotated[str | None, "Name or 0-based number of the column of texts."] = None,
    pair_column: Annotated[str | None, "Name or 0-based number of the column of second texts, for pairs."] = None,
    probabilities: Annotated[bool, "Write the probabilities of all classes."] = False,
    precision: Annotated[str, "fp32, or bf16 or auto for speed where the last digits do not matter."] = "fp32",
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
) -> PredictResult:
    """Say what a classifier takes texts for, or what answers a reader finds: strings in, labels or answers out, files of any size.

    Raises `InputError` for a file that cannot be read, `ArtifactError` for a model that cannot be used, `Interrupted` after Ctrl-C: what is
    done is kept, and the same command goes on.
    """
    if not Path(model).exists():
        raise ArtifactError(model, "no such run folder; check the path")

    import time

    from zhixing.predict import Predictor
    from zhixing.tasks.answer.artifact import Reader, is_reader

    text, question, documents = several(text), several(question), several(documents)

    if precision not in ("fp32", "bf16", "auto"):
        raise SettingError("precision", f"is fp32, bf16 or auto, not {precision}")
    if in_ is None and out is not None:
        raise SettingError("out", "goes with --in; what is said of texts and questions of the command line is shown")
    if is_reader(Path(model)):
        _check_questions(in_, text, question, documents, passages, best)
        began = time.perf_counter()
        reader = Reader.open(model, device, precision)
        return _answers(reader, Path(model), in_, out, text, question, documents, passages, best, began)
    if named := next((name for name, given in (("question", question), ("documents", documents)) if given is not None), None):
        raise SettingError(named, f"is for question-answering runs, and {model} is none")
    if (text is None) == (in_ is None):
        raise SettingError("in", "give either --in or --text; one of them says what to predict")
    began = time.perf_counter()
    predictor = Predictor.open(model, device, precision)
    if text is not None:
        rows = [p.row(probabilities=probabilities) for p in predictor([_given(t, predictor) for t in text])]
        problems = sum("problem" in row for row in rows)
        seconds = time.perf_counter() - began
        return PredictResult(
            model=str(model), texts=len(rows), continued=0, problems=problems, seconds=seconds, texts_per_second=len(rows) / seconds,
            out=None, predictions=rows,
        )  # fmt: skip
    assert in_ is not None
    return _file(predictor, Path(model), Path(in_), _path(out), text_column, pair_column, probabilities)


def _path(out: Path | None) -> Path | None:
    return None if out is None else Path(out)


def _shown(kept: list[str] | None) -> list[dict[str, Any]] | None:
    """Lines that no file took, as they are returned."""
    return None if kept is None else [json.loads(line) for line in kept]


def _check_questions(
    in_: Path | None, text: list[str] | None, question: list[str] | None, documents: list[str] | None, passages: int, best: int
) -> None:
    """Raise `SettingError` for wishes to a reader that contradict one another."""
    if (question is None) == (in_ is None):
        raise SettingError("in", "give either --in or --question; one of them says what to ask")
    if question is not None and (text is None) == (documents is None):
        raise SettingError("documents", "give either --documents or --text; one of them says where to look for the answer")
    if in_ is not None and text is not None:
        raise SettingError("text", "goes with --question; questions of a file have their texts there, or are looked for in --documents")
    if text is not None and question is not None and len(text) not in (1, len(question)):
        raise SettingError("text", f"is given {len(text)} times for {len(question)} questions; give one text, or one for each")
    if passages < 1:
        raise SettingError("passages", f"must be at least 1, not {passages}")
    if best < 0:
        raise SettingError("best", f"must not be negative, as {best} is")


def _answers(
    reader: Reader,
    model: Path,
    in_: Path | None,
    out: Path | None,
    text: list[str] | None,
    question: list[str] | None,
    documents: list[str] | None,
    passages: int,
    best: int,
    began: float,
) -> PredictResult:
    """Answer questions."""
    import time

    from zhixing.tasks.answer.documents import Shelf
    from zhixing.tasks.answer.lines import answer_file, answered

    shelf = None if documents is None else Shelf.read(documents)
    if question is None:
        assert in_ is not None
        began = time.perf_counter()
        done = answer_file(reader, Path(in_), _path(out), shelf, documents, passages, best)
        seconds = time.perf_counter() - began
        return PredictResult(
            model=str(model), texts=done.lines, continued=done.before, problems=done.problems, seconds=seconds,
            texts_per_second=(done.lines - done.before) / seconds, out=None if out is None else str(out), unanswered=done.unanswered,
            predictions=_shown(done.kept),
        )  # fmt: skip
    texts = [None] * len(question) if text is None else text * len(question) if len(text) == 1 else text
    said = answered(reader, shelf, list(zip(question, texts, strict=True)), passages)
    seconds = time.perf_counter() - began
    return PredictResult(
        model=str(model), texts=len(said), continued=0, problems=sum(one.problem is not None for one in said), seconds=seconds,
        texts_per_second=len(said) / seconds, out=None, unanswered=sum(one.problem is None and one.answer is None for one in said),
        predictions=[{"question": asked, **one.row(best)} for asked, one in zip(question, said, strict=True)],
    )  # fmt: skip


def _given(text: str, predictor: Predictor) -> Text:
    """A text of the command line; of a pair both, parted by a tab."""
    if not predictor.paired:
        return text
    first, tab, second = text.partition("\t")
    if not tab:
        raise InputError("--text", "holds one text, and this model wants two, parted by a tab")
    return first, second


def _file(
    predictor: Predictor, model: Path, source: Path, out: Path | None, text_column: str | None, pair_column: str | None, probabilities: bool
) -> PredictResult:
    import time

    from zhixing.predict import WINDOW
    from zhixing.tasks.streaming import count_lines, streamed

    request = {
        "model": predictor.opened.fingerprint, "temperature": predictor.opened.task.temperature,
        "columns": [text_column, pair_column], "probabilities": probabilities, "precision": predictor.precision,
    }  # fmt: skip
    texts = _texts(source, text_column, pair_column, predictor.paired)
    began, problems = time.perf_counter(), 0
    total = count_lines(source) if source.suffix.lower() in LINED else None
    with streamed(source, texts, out, request, "predicting", "texts", WINDOW, total) as (written, windows):
        for window in windows:
            found = predictor(window)
            problems += sum(prediction.problem is not None for prediction in found)
            written.add([json.dumps(prediction.row(probabilities=probabilities), ensure_ascii=False) for prediction in found])
    seconds = time.perf_counter() - began
    return PredictResult(
        model=str(model), texts=written.lines, continued=written.before, problems=problems, seconds=seconds,
        texts_per_second=(written.lines - written.before) / seconds, out=None if out is None else str(out),
        predictions=_shown(written.kept),
    )  # fmt: skip


def _texts(source: Path, text_column: str | None, pair_column: str | None, paired: bool) -> Iterator[Text | Bad]:
    """The texts of a file, or why a row gives none: each row yields something, so that lines in and lines out go together."""
    from zhixing.console import say, warn
    from zhixing.corpus.document import Dropped
    from zhixing.corpus.labelled import columns
    from zhixing.corpus.labelled.examples import Bad
    from zhixing.corpus.labelled.records import Record, records
    from zhixing.corpus.sources import Source

    form, rows = records(Source(source, named=True), columns=paired or text_column is not None or pair_column is not None)
    if form == "lines":
        for number, row in enumerate(rows, start=1):
            text = row.reason if isinstance(row, Dropped) else str(row.cells[0])  # type: ignore[index]
            if number == 1 and "\t" in text:
                warn(f"{source}: each line is taken as one text, tabs and all; to read it as a table, name the column with --text-column")
            yield Bad(f"stands in a line that {text}") if isinstance(row, Dropped) else text
        return
    wanted = columns.Wanted(text_column, pair=pair_column, labelled=False, paired=paired)
    start = list(islice(rows, columns.LOOKED_AT))
    first = [row for row in start if isinstance(row, Record)]
    if not first:
        raise InputError(source, "is empty" if not start else f"nothing readable in this file: it {start[0].reason}")  # type: ignore[union-attr]
    where = columns.find(first, wanted)
    for text in where.said:
        say(f"{source}: {text}")
    skip = first[0] if where.header and where.width is not None else None
    for row in chain(start, rows):
        if row is skip:
            continue
        if isinstance(row, Dropped):
            yield Bad(f"stands in a line that {row.reason}")
        elif where.width is not None and len(row.cells) > where.width:
            yield Bad(
                f"stands in a row of {len(row.cells)} cells, and the others have {where.width}; quote a text that holds the separator"
            )
        else:
            text = _cell(row, where.text)
            yield text if where.pair is None else (text, _cell(row, where.pair))


def _cell(row: Any, place: int | str) -> Any:
    if isinstance(row.cells, dict):
        return row.cells.get(str(place))
    return row.cells[place] if isinstance(place, int) and place < len(row.cells) else None
