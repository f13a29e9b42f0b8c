"""The verb `compare`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from zhixing.config import Result, several
from zhixing.errors import ArtifactError, InputError, SettingError


class Comparison(Result):
    """The scores of two systems on the same documents, and what their difference is worth."""

    a: float
    b: float
    difference: float
    """b minus a."""
    low: float
    high: float
    p: float
    signature: str


class CompareResult(Result):
    """What `compare` returns."""

    a: str
    b: str
    data: list[str]
    documents: int
    metrics: dict[str, Comparison]
    verdict: str

    def lines(self) -> Iterator[str]:
        """One line a metric, and the verdict."""
        yield f"A = {self.a}, B = {self.b}, {self.documents} documents"
        for name, m in self.metrics.items():
            yield f"{name:<20} A {m.a:.4f}  B {m.b:.4f}  B - A {m.difference:+.4f} [{m.low:+.4f}, {m.high:+.4f}]  p = {m.p:.4f}"
        yield self.verdict


def compare(
    a: Annotated[
        Path,
        "A run folder, a Hugging Face folder, or a model by its name or hub id; of classifiers, readers and translators also a file of "
        "predictions.",
    ],
    b: Annotated[Path, "The one to compare it with."],
    *,
    data: Annotated[
        list[str] | str | None,
        "Texts, or a data folder (its validation part); for classifiers labelled texts, for readers questions, for translators sentence "
        "pairs. Default for language models: what both were validated on.",
    ] = None,
    window: Annotated[int | None, "Decoders: tokens seen at once; default: each model's context."] = None,
    stride: Annotated[int | None, "Decoders: new tokens a window; default: half a window."] = None,
    text_column: Annotated[str | None, "Classifiers: name or 0-based number of the column of texts."] = None,
    label_column: Annotated[str | None, "Classifiers: name or 0-based number of the column of labels."] = None,
    pair_column: Annotated[str | None, "Classifiers: name or 0-based number of the column of second texts."] = None,
    source_column: Annotated[str | None, "Translators: name or 0-based number of the column of sources."] = None,
    target_column: Annotated[str | None, "Translators: name or 0-based number of the column of references."] = None,
    test: Annotated[
        str, "Test: bootstrap, permutation (approximate randomisation), or mcnemar (of rates alone, which classifiers and readers have)."
    ] = "bootstrap",
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
) -> CompareResult:
    """Say whether one model is better than another: a paired test over the same documents, labelled texts, questions or sentences.

    Bits per byte and per character compare language models of any tokenizers; perplexity is left out where these differ. Classifiers are
    compared by every metric, also with the predictions in a file: a label a line, or JSON lines as `predict` writes them; readers of
    questions by exact match and F1, also with the answers in a file; translators by BLEU and the other metrics, also with translations in a
    file, one a line.
    """
    from zhixing.corpus import fetch

    fetch.refuse_absent(a, b)

    from zhixing.checkpoint import open_model
    from zhixing.evaluate import documents, significance
    from zhixing.evaluate.run import score
    from zhixing.metrics.bits import LANGUAGE_MODEL
    from zhixing.tasks.answer.artifact import is_reader
    from zhixing.tasks.classify.artifact import is_classifier
    from zhixing.tasks.translation.artifact import translates
    from zhixing.verbs.evaluate import check_window, default_texts, refuse_foreign

    data, a, b = several(data), Path(a), Path(b)
    _check_test(test)
    given = {
        "window": window, "stride": stride, "text_column": text_column, "label_column": label_column, "pair_column": pair_column,
        "source_column": source_column, "target_column": target_column,
    }  # fmt: skip
    if found := next(filter(is_classifier, (a, b)), None):
        refuse_foreign(found, "classifier", given)
        return _classifiers(a, b, data, (text_column, label_column, pair_column), test, device)
    if found := next(filter(is_reader, (a, b)), None):
        refuse_foreign(found, "reader", given)
        return _readers(a, b, data, test, device)
    if found := next(filter(translates, (a, b)), None):
        refuse_foreign(found, "translator", given)
        return _translators(a, b, data, (source_column, target_column), test, device)
    systems = [open_model(path, device) for path in (a, b)]
    for system in systems:
        system.decoder_for("compare")
    refuse_foreign(a, "language model", given)
    if test == "mcnemar":
        raise SettingError("test", "= mcnemar is for rates, and language models have none; bootstrap and permutation are possible")
    if data is None:
        if systems[0].data != systems[1].data:
            raise ArtifactError(b, f"was trained on other data than {a}; name the text to compare them on with --data")
        texts = list(default_texts(systems[0]))
    else:
        texts = list(documents.read(data))
    if not texts:
        raise InputError(", ".join(data or [str(a)]), "holds no text to compare on")
    frames = [check_window(system, window, stride) for system in systems]
    rows = [score(s, (t.text for t in texts), *frame, total=len(texts)).rows for s, frame in zip(systems, frames, strict=True)]
    same = systems[0].tokenizer.fingerprint == systems[1].tokenizer.fingerprint
    parts = [f"window:{w}|stride:{s}|tok:{m.tokenizer.fingerprint[:8]}" for m, (w, s) in zip(systems, frames, strict=True)]
    about = f"a:({parts[0]})|b:({parts[1]})|start:end|documents:{len(texts)}"
    asked = [metric for metric in LANGUAGE_MODEL if same or metric.name != "perplexity"]
    differences = significance.differences(asked, rows[0], rows[1], about, test)  # type: ignore[arg-type]
    metrics = {name: Comparison(**d) for name, d in differences.items()}
    return CompareResult(
        a=str(a), b=str(b), data=data or ["validation part"], documents=len(texts), metrics=metrics, verdict=_verdict(metrics, len(texts))
    )


def _classifiers(
    a: Path, b: Path, data: list[str] | None, columns: tuple[str | None, str | None, str | None], test: str, device: str
) -> CompareResult:
    """Compare two classifiers, or one with predictions in a file."""
    from zhixing.evaluate.compare import compare_classifiers
    from zhixing.evaluate.labels import lower_is_better, usual_metric
    from zhixing.tasks.classify.material import Columns

    if data is None:
        raise SettingError("data", "is needed to compare classifiers: name the labelled texts")
    kind, texts, differences = compare_classifiers(a, b, data, Columns(*columns), test, device)
    found = {name: Comparison(**entry) for name, entry in differences.items()}
    name = usual_metric(kind) if usual_metric(kind) in found else next(iter(found))
    verdict = _better(name, found[name], lower_is_better(name)) + _few(texts, "texts")
    return CompareResult(a=str(a), b=str(b), data=data, documents=texts, metrics=found, verdict=verdict)


def _readers(a: Path, b: Path, data: list[str] | None, test: str, device: str) -> CompareResult:
    """Compare two readers of questions, or one with answers in a file."""
    from zhixing.evaluate.answers import compare_readers

    if data is None:
        raise SettingError("data", "is needed to compare readers: name the questions")
    questions, differences = compare_readers(a, b, data, test, device)  # type: ignore[arg-type]
    found = {name: Comparison(**entry) for name, entry in differences.items()}
    name = "answer_f1" if "answer_f1" in found else "exact_match"
    verdict = _better(name, found[name], lower=False) + _few(questions, "questions")
    return CompareResult(a=str(a), b=str(b), data=data, documents=questions, metrics=found, verdict=verdict)


def _translators(a: Path, b: Path, data: list[str] | None, columns: tuple[str | None, str | None], test: str, device: str) -> CompareResult:
    """Compare two translators, or one with translations in a file."""
    from zhixing.evaluate.translations import compare_translators

    if data is None:
        raise SettingError("data", "is needed to compare translators: name the sentence pairs")
    if test == "mcnemar":
        raise SettingError("test", "= mcnemar is for rates, and translations have none; bootstrap and permutation are possible")
    pairs, differences = compare_translators(a, b, data, columns, test, device)  # type: ignore[arg-type]
    found = {name: Comparison(**entry) for name, entry in differences.items()}
    verdict = _better("bleu", found["bleu"], lower=False) + _few(pairs, "pairs")
    return CompareResult(a=str(a), b=str(b), data=data, documents=pairs, metrics=found, verdict=verdict)


def _check_test(test: str) -> None:
    if test not in ("bootstrap", "permutation", "mcnemar"):
        raise SettingError("test", f"is bootstrap, permutation or mcnemar, not {test}")


def _better(name: str, main: Comparison, lower: bool) -> str:
    if main.p >= 0.05:
        return f"no significant difference in {name} (p = {main.p:.3f}): take the cheaper one"
    better = "B" if (main.difference > 0) != lower else "A"
    return f"{better} is better: {name} {main.a:.4f} and {main.b:.4f}, p = {main.p:.4f}"


def _few(count: int, what: str) -> str:
    from zhixing.evaluate.significance import FEW

    return f" (only {count} {what}: take it with caution)" if count < FEW else ""


def _verdict(metrics: dict[str, Comparison], documents: int) -> str:
    main, few = metrics["bits_per_byte"], _few(documents, "documents")
    if main.p >= 0.05:
        return f"no significant difference (p = {main.p:.3f}): take the cheaper one{few}"
    better, share = ("B", -main.difference / main.a) if main.difference < 0 else ("A", main.difference / main.b)
    return f"{better} is better: {share:.1%} fewer bits per byte, p = {main.p:.4f}{few}"
