"""The verb `evaluate`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import Result, several
from zhixing.console import warn
from zhixing.errors import InputError, SettingError
from zhixing.files import read_json, refuse_sealed, together, write_json, write_json_lines

if TYPE_CHECKING:
    from zhixing.checkpoint import Loaded
    from zhixing.evaluate.answers import AnswerResult
    from zhixing.evaluate.classification import ClassificationResult
    from zhixing.evaluate.documents import Text
    from zhixing.evaluate.translations import TranslationResult
    from zhixing.metrics import Metric, Rows


class MetricResult(Result):
    """A score with its 95 % interval and what exactly was measured."""

    value: float
    low: float
    high: float
    signature: str


class EvaluateResult(Result):
    """What `evaluate` returns; also `report.json` of its folder."""

    model: str
    fingerprint: str
    data: list[str]
    documents: int
    tokens: int
    bytes: int
    unknown_tokens: int
    metrics: dict[str, MetricResult]

    def lines(self) -> Iterator[str]:
        """One line a metric."""
        yield f"{self.model} on {', '.join(self.data)}: {self.documents} documents, {self.bytes} bytes"
        for name, m in self.metrics.items():
            yield f"{name:<20} {m.value:.4f}  [{m.low:.4f}, {m.high:.4f}]  {m.signature}"


def evaluate(
    model: Annotated[Path, "A run folder, a Hugging Face folder, or a model by its name or hub id."],
    *,
    data: Annotated[
        list[str] | str | None,
        "Texts, or a data folder (its validation part); labelled texts for a classifier, pairs for a translator, questions for a reader. "
        "Language models may do without: they are measured on what they were validated on.",
    ] = None,
    window: Annotated[int | None, "Decoders: tokens seen at once; default: the model's context."] = None,
    stride: Annotated[int | None, "Decoders: new tokens a window; default: half a window."] = None,
    text_column: Annotated[str | None, "Classifiers: name or 0-based number of the column of texts."] = None,
    label_column: Annotated[str | None, "Classifiers: name or 0-based number of the column of labels."] = None,
    pair_column: Annotated[str | None, "Classifiers: name or 0-based number of the column of second texts."] = None,
    source_column: Annotated[str | None, "Translators: name or 0-based number of the column of sources."] = None,
    target_column: Annotated[str | None, "Translators: name or 0-based number of the column of references."] = None,
    domain_column: Annotated[str | None, "Translators: column of what kind of text a pair is; scores are given for each."] = None,
    to: Annotated[str | None, "Translators: the language to write, where several were trained."] = None,
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
    out: Annotated[Path | None, "Folder for report.html, report.json and examples.jsonl; default: eval/NAME in the run folder."] = None,
) -> EvaluateResult | ClassificationResult | TranslationResult | AnswerResult:
    """Measure a model on any text, with intervals.

    Bits per byte, bits per character and perplexity of a decoder; loss and accuracy of an encoder at hidden words; every metric of a
    classifier, with its surest errors and what moved them; BLEU, chrF, TER and METEOR of a translator; exact match and F1 of a reader of
    questions.

    Intervals are bootstrapped over documents or texts (rates have Wilson's).

    Raises `InputError` for text that cannot be read, `ArtifactError` for a model that cannot.
    """
    from zhixing.corpus import fetch

    fetch.refuse_absent(model)
    if out is not None:
        refuse_sealed(out := Path(out))

    from zhixing.checkpoint import open_model
    from zhixing.tasks.answer.artifact import is_reader
    from zhixing.tasks.classify.artifact import is_classifier
    from zhixing.tasks.translation.artifact import translates

    data, model = several(data), Path(model)
    given = {
        "window": window, "stride": stride, "text_column": text_column, "label_column": label_column, "pair_column": pair_column,
        "source_column": source_column, "target_column": target_column, "domain_column": domain_column, "to": to,
    }  # fmt: skip
    if translates(model):
        refuse_foreign(model, "translator", given)
        data = _asked(model, data, "is a translator, so name the pairs to evaluate it on")
        return _translator(model, data, (source_column, target_column), device, out, to, domain_column)
    if is_classifier(model):
        refuse_foreign(model, "classifier", given)
        data = _asked(model, data, "is a classifier, so name the labelled texts to evaluate it on")
        return _classifier(model, data, (text_column, label_column, pair_column), device, out)
    if is_reader(model):
        refuse_foreign(model, "reader", given)
        data = _asked(model, data, "answers questions, so name those to evaluate it on")
        return _reader(model, data, device, out)
    loaded = open_model(model, device)
    refuse_foreign(model, "language model", given)
    return _language_model(loaded, str(model), data, window, stride, out)


_FOR = {
    "window": "language model", "stride": "language model",
    "text_column": "classifier", "label_column": "classifier", "pair_column": "classifier",
    "source_column": "translator", "target_column": "translator", "domain_column": "translator", "to": "translator",
}  # fmt: skip
"""Which kind of model an option is for."""


def refuse_foreign(model: Path, kind: str, given: Mapping[str, object]) -> None:
    """Raise `SettingError` for an option that says nothing to this kind of model."""
    for name, value in given.items():
        if value is not None and _FOR[name] != kind:
            raise SettingError(name, f"is for {_FOR[name]}s, and {model} is a {kind}")


def _asked(model: Path, data: list[str] | None, why: str) -> list[str]:
    """What a model of a task is to be evaluated on. Raises `SettingError` where that is not said."""
    if data is None:
        raise SettingError("data", f"is needed: {model} {why}")
    return data


def _translator(
    model: Path,
    data: list[str],
    columns: tuple[str | None, str | None],
    device: str,
    out: Path | None,
    to: str | None,
    domain_column: str | None,
) -> TranslationResult:
    """Evaluate a translator."""
    from zhixing.evaluate.report import write_translations_report
    from zhixing.evaluate.translations import evaluate_translator
    from zhixing.tasks.translation.artifact import Translator

    translator = Translator.open(model, device)
    result, examples = evaluate_translator(translator, data, columns, str(model), to=to, domain_column=domain_column)
    write_evaluation(out or place_for(model / "eval", data), result, examples, write_translations_report)
    return result


def _classifier(
    model: Path, data: list[str], columns: tuple[str | None, str | None, str | None], device: str, out: Path | None
) -> ClassificationResult:
    """Evaluate a classifier."""
    from zhixing.evaluate.classification import evaluate_classifier
    from zhixing.evaluate.report import write_classification_report
    from zhixing.tasks.classify.artifact import open_classifier
    from zhixing.tasks.classify.material import Columns

    result, examples = evaluate_classifier(open_classifier(model, device), data, Columns(*columns), str(model))
    write_evaluation(out or place_for(model / "eval", data), result, examples, write_classification_report)
    return result


def _reader(model: Path, data: list[str], device: str, out: Path | None) -> AnswerResult:
    """Evaluate a reader of questions."""
    from zhixing.evaluate.answers import evaluate_reader
    from zhixing.evaluate.report import write_answers_report
    from zhixing.tasks.answer.artifact import Reader

    result, examples = evaluate_reader(Reader.open(model, device), data, str(model))
    write_evaluation(out or place_for(model / "eval", data), result, examples, write_answers_report)
    return result


def write_evaluation(folder: Path, result: Result, examples: Iterable[dict[str, Any]], write_report: Callable[[Path, str], None]) -> None:
    """Write `report.json`, `examples.jsonl` and the page that is drawn from them, all of them or none."""
    with together(folder) as place:
        write_json_lines(place / "examples.jsonl", examples)
        write_json(place / "report.json", result.model_dump())
        write_report(place, folder.resolve().name)


def _language_model(
    loaded: Loaded, model: str, data: list[str] | None, window: int | None, stride: int | None, out: Path | None
) -> EvaluateResult:
    """Evaluate a decoder by the bits of all tokens, an encoder by what stood at hidden ones."""
    from zhixing.evaluate import documents, significance
    from zhixing.evaluate.report import write_evaluation_report
    from zhixing.models.shapes import EncoderModel

    hides = isinstance(loaded.model, EncoderModel)
    if hides and (window is not None or stride is not None):
        raise SettingError("window" if window is not None else "stride", f"is for decoders, and {loaded.path} is an encoder")
    if not hides:
        loaded.decoder_for("evaluate")
        window, stride = check_window(loaded, window, stride)
    texts = list(default_texts(loaded) if data is None else documents.read(data))
    where = ", ".join(data or [model])
    if not texts:
        raise InputError(where, "holds no text to evaluate on")
    found = _hidden(loaded, texts, where) if window is None or stride is None else _bits(loaded, texts, window, stride)
    if len(texts) < significance.FEW:
        warn(f"only {len(texts)} documents: intervals by resampling so few are too narrow")
    estimates = significance.estimates(found.metrics, found.rows, f"{found.about}|documents:{len(texts)}")
    result = EvaluateResult(
        model=model,
        fingerprint=loaded.fingerprint,
        data=data or OWN,
        documents=len(texts),
        tokens=found.tokens,
        bytes=sum(len(t.text.encode("utf-8")) for t in texts),
        unknown_tokens=found.unknown,
        metrics={name: MetricResult(**estimate) for name, estimate in estimates.items()},
    )
    folder = out or (place_for(loaded.path / "eval", data) if loaded.data is not None else None)
    if folder is not None:
        write_evaluation(
            folder,
            result,
            (_example(t, found.columns, row) for t, row in zip(texts, found.rows.tolist(), strict=True)),
            write_evaluation_report,
        )
    return result


@dataclass(frozen=True)
class Measured:
    """What was counted of each document."""

    metrics: Sequence[Metric]
    """What is made of it."""
    rows: Rows
    columns: tuple[str, ...]
    """Names of the columns of `rows`."""
    about: str
    """For the signature."""
    tokens: int
    unknown: int = 0


def _bits(loaded: Loaded, texts: list[Text], window: int, stride: int) -> Measured:
    from zhixing.evaluate.run import score
    from zhixing.metrics.bits import LANGUAGE_MODEL

    scored = score(loaded, (t.text for t in texts), window, stride, total=len(texts))
    if scored.unknown:
        warn(f"{scored.unknown} tokens are unknown to the tokenizer: what they stand for is lost, and all figures are too good")
    about = f"window:{window}|stride:{stride}|tok:{loaded.tokenizer.fingerprint[:8]}|start:end"
    columns = ("nats", "tokens", "bytes", "characters")
    return Measured(LANGUAGE_MODEL, scored.rows, columns, about, int(scored.rows[:, 1].sum()), scored.unknown)


HIDING_SEED = 1
"""What is hidden of a text is drawn from it, so that every model of a tokenizer is asked for the same tokens."""


def _hidden(loaded: Loaded, texts: list[Text], where: str) -> Measured:
    from zhixing.evaluate import hidden
    from zhixing.metrics.masked import MASKED

    rows = hidden.score(loaded, (t.text for t in texts), HIDING_SEED, total=len(texts))
    if not rows[:, 2].sum():
        raise InputError(where, "is too short: no word of it happens to be hidden")
    settings = hidden.settings_of(loaded)
    about = (
        f"context:{loaded.context}|ratio:{settings.ratio:g}|words:{'whole' if settings.whole_words else 'no'}|mask:80/10/10|"
        f"seed:{HIDING_SEED}|tok:{loaded.tokenizer.segmentation[:8]}"
    )
    tokens = sum(len(ids) for ids in loaded.tokenizer.encode_batch([t.text for t in texts]))
    return Measured(MASKED, rows, ("nats", "right", "hidden"), about, tokens)


def _example(text: Text, columns: Sequence[str], row: Sequence[float]) -> dict[str, Any]:
    """A line of `examples.jsonl`: nats, and what was counted."""
    counted = {name: value if name == "nats" else int(value) for name, value in zip(columns, row, strict=True)}
    return {"source": text.source, **counted, "text": text.text[:200]}


OWN = ["validation part"]
"""What a language model is evaluated on where no texts are named."""


def place_for(evaluations: Path, data: list[str] | None) -> Path:
    """The folder for an evaluation on these texts: by their name and, where that has been taken by others, the next number.

    So a file valid.txt does not take the place of the validation part, whose figures the run's page and the ladder show.
    """
    first = evaluations / folder_name(data)
    places = itertools.chain([first], (first.with_name(f"{first.name}-{number}") for number in itertools.count(2)))
    return next(place for place in places if not (place / "report.json").is_file() or _is_of(place, data or OWN))


def _is_of(place: Path, data: list[str]) -> bool:
    """Whether an evaluation was made on these texts, or cannot be read."""
    try:
        return bool(read_json(place / "report.json").get("data") == data)
    except (InputError, AttributeError):
        return True


def folder_name(data: list[str] | None) -> str:
    """The name of the folder under `eval/` for an evaluation on these texts: theirs, without what a folder's name should not hold."""
    if data is None:
        return "valid"
    names = ["stdin" if d == "-" else Path(d).stem for d in data]
    return re.sub(r"[^\w.-]+", "_", "+".join(names)).strip("._")[:80] or "texts"


def check_window(loaded: Loaded, window: int | None, stride: int | None) -> tuple[int, int]:
    """Window and stride with their defaults. Raises `SettingError` when they cannot be."""
    window = loaded.context if window is None else window
    if window < 2:
        raise SettingError("window", f"should be at least 2 tokens, not {window}")
    if window > loaded.context:
        warn(f"window {window} is longer than the {loaded.context} tokens that the model was trained to see")
    stride = max(1, window // 2) if stride is None else stride
    if not 1 <= stride <= window:
        raise SettingError("stride", f"should be between 1 and the window of {window} tokens, not {stride}")
    return window, stride


def default_texts(loaded: Loaded) -> Iterator[Text]:
    """The validation part of the data that a run was trained on."""
    from zhixing.evaluate import documents

    if loaded.data is None:
        raise SettingError("data", f"{loaded.path} does not say what it was trained on; name the text to evaluate on")
    return documents.validation(loaded.data)
