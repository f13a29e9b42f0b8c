"""The verb `evaluate`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from zhixing.config import Result
from zhixing.console import warn
from zhixing.errors import InputError, SettingError
from zhixing.files import together, write_json, write_text

if TYPE_CHECKING:
    from zhixing.checkpoint import Loaded
    from zhixing.evaluate.answers import AnswerResult
    from zhixing.evaluate.classification import ClassificationResult
    from zhixing.evaluate.documents import Text
    from zhixing.evaluate.translations import TranslationResult


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
    model: Annotated[Path, "A run folder, or a Hugging Face folder."],
    *,
    data: Annotated[
        list[str] | None,
        "Texts, or a data folder (its validation part); labelled texts for a classifier, pairs for a translator, questions for a reader. "
        "Default: what the run was validated on.",
    ] = None,
    window: Annotated[int | None, "Tokens seen at once; default: the model's context."] = None,
    stride: Annotated[int | None, "New tokens a window; default: half a window."] = None,
    text_column: Annotated[str | None, "Classifiers: name or 0-based number of the column of texts."] = None,
    label_column: Annotated[str | None, "Classifiers: name or 0-based number of the column of labels."] = None,
    pair_column: Annotated[str | None, "Classifiers: name or 0-based number of the column of second texts."] = None,
    source_column: Annotated[str | None, "Translators: name or 0-based number of the column of sources."] = None,
    target_column: Annotated[str | None, "Translators: name or 0-based number of the column of references."] = None,
    domain_column: Annotated[str | None, "Translators: column of what kind of text a pair is; scores are given for each."] = None,
    to: Annotated[str | None, "Translators: the language to write, where several were trained."] = None,
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
    out: Annotated[Path | None, "Folder for report.json and examples.jsonl; default: eval/NAME in the run folder."] = None,
) -> EvaluateResult | ClassificationResult | TranslationResult | AnswerResult:
    """Measure a model on any text, with intervals.

    Bits per byte, bits per character and perplexity of a decoder; loss and accuracy of an encoder at hidden words; every metric of a
    classifier, with its surest errors and what moved them; BLEU, chrF, TER and METEOR of a translator; exact match and F1 of a reader of
    questions.

    Intervals are bootstrapped over documents or texts (rates have Wilson's).

    Raises `InputError` for text that cannot be read, `ArtifactError` for a model that cannot.
    """
    from zhixing.checkpoint import open_model
    from zhixing.evaluate import documents, significance
    from zhixing.evaluate.report import write_evaluation_report
    from zhixing.evaluate.run import score
    from zhixing.metrics.bits import LANGUAGE_MODEL
    from zhixing.models.shapes import EncoderModel
    from zhixing.tasks.answer.artifact import is_reader
    from zhixing.tasks.classify.artifact import is_classifier
    from zhixing.tasks.translation.artifact import is_export, is_translator

    if is_translator(Path(model)) or is_export(Path(model)):
        return _translator(Path(model), data, (source_column, target_column), (window, stride), device, out, to, domain_column)
    if to is not None or domain_column is not None:
        raise SettingError("to" if to is not None else "domain_column", f"is for translators, and {model} is none")
    if is_classifier(Path(model)):
        return _classifier(Path(model), data, (text_column, label_column, pair_column), (window, stride), device, out)
    if is_reader(Path(model)):
        return _reader(Path(model), data, (window, stride), device, out)
    loaded = open_model(Path(model), device)
    if isinstance(loaded.model, EncoderModel):
        return _hidden(loaded, str(model), data, window, stride, out)
    loaded.decoder_for("evaluate")
    window, stride = check_window(loaded, window, stride)
    texts = list(default_texts(loaded) if data is None else documents.read(data))
    if not texts:
        raise InputError(", ".join(data or [str(model)]), "holds no text to evaluate on")
    scored = score(loaded, (t.text for t in texts), window, stride, total=len(texts))
    if scored.unknown:
        warn(f"{scored.unknown} tokens are unknown to the tokenizer: what they stand for is lost, and all figures are too good")
    if len(texts) < significance.FEW:
        warn(f"only {len(texts)} documents: intervals by resampling so few are too narrow")
    about = f"window:{window}|stride:{stride}|tok:{loaded.tokenizer.fingerprint[:8]}|start:end|documents:{len(texts)}"
    metrics = {name: MetricResult(**found) for name, found in significance.estimates(LANGUAGE_MODEL, scored.rows, about).items()}
    result = EvaluateResult(
        model=str(model),
        fingerprint=loaded.fingerprint,
        data=data or ["validation part"],
        documents=len(texts),
        tokens=int(scored.rows[:, 1].sum()),
        bytes=int(scored.rows[:, 2].sum()),
        unknown_tokens=scored.unknown,
        metrics=metrics,
    )
    folder = out or (loaded.path / "eval" / folder_name(data) if loaded.data is not None else None)
    if folder is not None:
        with together(folder) as place:
            write_text(place / "examples.jsonl", "".join(_example(t, row) for t, row in zip(texts, scored.rows.tolist(), strict=True)))
            write_json(place / "report.json", result.model_dump())
            write_evaluation_report(place, folder.name)
    return result


def _translator(
    model: Path,
    data: list[str] | None,
    columns: tuple[str | None, str | None],
    frame: tuple[int | None, int | None],
    device: str,
    out: Path | None,
    to: str | None,
    domain_column: str | None,
) -> TranslationResult:
    """Evaluate a translator."""
    from zhixing.evaluate.translations import evaluate_translator
    from zhixing.tasks.translation.artifact import Translator

    if data is None:
        raise SettingError("data", f"is needed: {model} is a translator, so name the pairs to evaluate it on")
    if frame != (None, None):
        raise SettingError("window", "and stride are for language models; a translator sees what it was trained to see")
    translator, folder = Translator.open(model, device), out or model / "eval" / folder_name(data)
    return evaluate_translator(translator, data, columns, folder, str(model), to=to, domain_column=domain_column)


def _classifier(
    model: Path,
    data: list[str] | None,
    columns: tuple[str | None, str | None, str | None],
    frame: tuple[int | None, int | None],
    device: str,
    out: Path | None,
) -> ClassificationResult:
    """Evaluate a classifier."""
    from zhixing.evaluate.classification import evaluate_classifier
    from zhixing.evaluate.report import write_classification_report
    from zhixing.tasks.classify.artifact import open_classifier
    from zhixing.tasks.classify.material import Columns

    if data is None:
        raise SettingError("data", f"is needed: {model} is a classifier, so name the labelled texts to evaluate it on")
    if frame != (None, None):
        raise SettingError("window", "and stride are for language models; a classifier sees what it was trained to see")
    opened = open_classifier(model, device)
    result, rows = evaluate_classifier(opened, data, Columns(*columns), str(model))
    folder = out or model / "eval" / folder_name(data)
    with together(folder) as place:
        write_text(place / "examples.jsonl", "".join(rows))
        write_json(place / "report.json", result.model_dump())
        write_classification_report(place, folder.name)
    return result


def _reader(model: Path, data: list[str] | None, frame: tuple[int | None, int | None], device: str, out: Path | None) -> AnswerResult:
    """Evaluate a reader of questions."""
    from zhixing.evaluate.answers import evaluate_reader
    from zhixing.evaluate.report import write_answers_report
    from zhixing.tasks.answer.artifact import Reader

    if data is None:
        raise SettingError("data", f"is needed: {model} answers questions, so name those to evaluate it on")
    if frame != (None, None):
        raise SettingError("window", "and stride are for language models; a reader sees what it was trained to see")
    result, rows = evaluate_reader(Reader.open(model, device), data, str(model))
    folder = out or model / "eval" / folder_name(data)
    with together(folder) as place:
        write_text(place / "examples.jsonl", "".join(rows))
        write_json(place / "report.json", result.model_dump())
        write_answers_report(place, folder.name)
    return result


HIDING_SEED = 1
"""What is hidden of a text is drawn from it, so that every model of a tokenizer is asked for the same tokens."""


def _hidden(loaded: Loaded, model: str, data: list[str] | None, window: int | None, stride: int | None, out: Path | None) -> EvaluateResult:
    """Evaluate an encoder: what stood at hidden tokens."""
    from zhixing.evaluate import documents, hidden, significance
    from zhixing.evaluate.report import write_evaluation_report
    from zhixing.metrics.masked import MASKED

    if window is not None or stride is not None:
        raise SettingError("window" if window is not None else "stride", f"is for decoders, and {loaded.path} is an encoder")
    texts = list(default_texts(loaded) if data is None else documents.read(data))
    if not texts:
        raise InputError(", ".join(data or [model]), "holds no text to evaluate on")
    rows = hidden.score(loaded, (t.text for t in texts), HIDING_SEED, total=len(texts))
    if not rows[:, 2].sum():
        raise InputError(", ".join(data or [model]), "is too short: no word of it happens to be hidden")
    if len(texts) < significance.FEW:
        warn(f"only {len(texts)} documents: intervals by resampling so few are too narrow")
    settings = hidden.settings_of(loaded)
    about = (
        f"context:{loaded.context}|ratio:{settings.ratio:g}|words:{'whole' if settings.whole_words else 'no'}|mask:80/10/10|"
        f"seed:{HIDING_SEED}|tok:{loaded.tokenizer.segmentation[:8]}|documents:{len(texts)}"
    )
    metrics = {name: MetricResult(**found) for name, found in significance.estimates(MASKED, rows, about).items()}
    sizes = [len(ids) for ids in loaded.tokenizer.encode_batch([t.text for t in texts])]
    result = EvaluateResult(
        model=model,
        fingerprint=loaded.fingerprint,
        data=data or ["validation part"],
        documents=len(texts),
        tokens=sum(sizes),
        bytes=sum(len(t.text.encode("utf-8")) for t in texts),
        unknown_tokens=0,
        metrics=metrics,
    )
    folder = out or (loaded.path / "eval" / folder_name(data) if loaded.data is not None else None)
    if folder is not None:
        with together(folder) as place:
            lines = [
                json.dumps({"source": t.source, "nats": n, "right": int(r), "hidden": int(h), "text": t.text[:200]}, ensure_ascii=False)
                for t, (n, r, h) in zip(texts, rows.tolist(), strict=True)
            ]
            write_text(place / "examples.jsonl", "".join(line + "\n" for line in lines))
            write_json(place / "report.json", result.model_dump())
            write_evaluation_report(place, folder.name)
    return result


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


def _example(text: Text, row: list[float]) -> str:
    nats, tokens, size, characters = row
    record = {"source": text.source, "nats": nats, "tokens": int(tokens), "bytes": int(size), "characters": int(characters)}
    return json.dumps({**record, "text": text.text[:200]}, ensure_ascii=False) + "\n"
