"""The verb `finetune answer`: from questions on texts to a folder that finds their answers.

1. Questions are read, their faults counted, and dealt out by texts; the run folder appears, whole, with settings, tokenizer, data report
   and lineage.
2. A `Session` trains: a pre-trained encoder or a new one, judged on the validation questions as it goes.
3. The best weights become the artifact (`tasks.answer.artifact`), with the threshold of no answer that suits the validation questions;
   they are measured with intervals, and a report is made. The checkpoints go.

A run that was stopped is continued by the same command.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import Result, gather, resolve, several
from zhixing.console import duration, warn
from zhixing.errors import InputError, SettingError
from zhixing.files import new_folder, parents, read_json, sole_user, write_json, write_json_lines
from zhixing.run_folder import (
    finished,
    is_begun,
    refuse_changed_base,
    refuse_other_base,
    refuse_other_data,
    refuse_two_lengths,
    taken_up,
    write_record,
)  # fmt: skip
from zhixing.verbs.evaluate import MetricResult
from zhixing.verbs.finetune.derive import PRETRAINED, YOUNG

if TYPE_CHECKING:
    import torch

    from zhixing.corpus.questions import Question
    from zhixing.session import Session, Validation
    from zhixing.tasks.answer.material import Material
    from zhixing.tasks.answer.recipe import AnswerRecipe
    from zhixing.tasks.answer.start import Start
    from zhixing.tasks.answer.windows import Windows
    from zhixing.tokenizer.tokenizer import Tokenizer

METRICS = ("answer_f1", "exact_match", "valid_loss")
BATCH = 16
NEW: dict[str, Any] = {
    "optim.kind": "muon",
    "optim.learning_rate": 5e-3,
    "optim.table_rate": 5e-3,
    "optim.vector_rate": 5e-3,
    "optim.weight_decay": 0.05,
    "objective.epochs": 8.0,
    "tokenizer.kind": "wordpiece",
    "schedule.kind": "linear",
}
"""For an encoder that knows nothing. BERT's kind of tokenizer parts every Chinese character, so that answers can be cut out exactly. Muon
soon finds that the question decides which token it is; AdamW stays long, often for ever, with what looks like any answer."""
MOST = {True: 6.0, False: 30.0}
"""Epochs that minutes are spent on at most, pre-trained or not."""


class AnswerRunResult(Result):
    """What `finetune answer` returns; also `result.json` of the run."""

    run: str
    train_questions: int
    valid_questions: int
    train_windows: int
    set_aside: int
    """Questions that could not be used."""
    mended: int
    """Answers whose places were wrong or missing."""
    unanswerable: int
    """Training questions without an answer."""
    threshold: float | None
    """By how much no answer must be better than the best one to be given; None: each question gets an answer."""
    steps: int
    best_step: int
    parameters: int
    seconds: float
    tokens_per_second: float
    stopped_early: bool
    metrics: dict[str, MetricResult]
    """Of the best weights on the validation questions, by which they, and the threshold, were chosen: a little too good."""
    warnings: list[str]
    """What the data report says should be looked at first."""

    def lines(self) -> Iterator[str]:
        """The result for the terminal."""
        early = " (stopped early)" if self.stopped_early else ""
        yield f"{self.run}: {self.train_questions} questions, {self.steps} steps{early} in {duration(self.seconds)}"
        for name, m in self.metrics.items():
            yield f"{name:<20} {m.value:.4f}  [{m.low:.4f}, {m.high:.4f}]  validation, {self.valid_questions} questions"
        yield f"report: {Path(self.run) / 'report.html'}, data report: {Path(self.run) / 'data_report.html'}"


def answer(
    *,
    data: Annotated[list[str] | str, "Questions with answers: JSON in the form of SQuAD or CMRC, JSON lines, a hub id."],
    out: Annotated[Path, "The run folder to write, or an unfinished one to continue."],
    base: Annotated[
        str | None,
        "What to start from: minilm, a run, a Hugging Face folder, a hub id (see get --help). Default: a new encoder of model.kind.",
    ] = None,
    valid: Annotated[list[str] | str | None, "Validation questions. Default: a tenth of the data, whole articles or texts."] = None,
    minutes: Annotated[float | None, "Minutes that training may take. Default: objective.epochs decide."] = None,
    metric: Annotated[str, "What decides which weights are best: answer_f1, exact_match, valid_loss."] = "answer_f1",
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
    config: Annotated[Path | None, "A TOML file of settings."] = None,
    settings: Annotated[Sequence[str] | Mapping[str, Any] | None, "Settings as dotted.key=value."] = None,
) -> AnswerRunResult:
    """Train a reader that finds answers to questions in texts; run it again to continue a run that was stopped.

    Raises `InputError` for data that cannot be used, `Interrupted` after SIGINT or SIGTERM, with a checkpoint saved.
    """
    if base is not None:
        from zhixing.corpus import fetch

        base = str(base)  # a Path is fine too
        fetch.refuse_absent(base)
    data, valid = several(data), several(valid)
    chosen, out = gather(config, settings), Path(out)
    wish = Wish(data, out, base, valid, minutes, metric, device, chosen)
    _draft(wish)  # the user's own mistakes first
    _check(wish)
    return _run(wish)


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    data: list[str]
    out: Path
    base: str | None
    valid: list[str] | None
    minutes: float | None
    metric: str
    device: str
    chosen: Mapping[str, Any]


def _draft(wish: Wish, more: Mapping[str, Any] | None = None) -> AnswerRecipe:
    """The recipe as far as it is known before the data is."""
    from zhixing.tasks.answer.recipe import AnswerRecipe

    usual = PRETRAINED if wish.base is not None else NEW
    window = wish.chosen.get("objective.window")
    fitting = _fitting(window) if isinstance(window, int) else {}
    return resolve(AnswerRecipe, wish.chosen, {**usual, **fitting, **(more or {}), "schedule.warmup": 0})


def _fitting(window: int) -> dict[str, Any]:
    """How a window of so many tokens is shared out."""
    return {"objective.window": window, "objective.overlap": min(128, window // 3), "objective.question": min(64, window // 4)}


def _check(wish: Wish) -> None:
    """Raise `SettingError` for wishes that contradict one another."""
    refuse_two_lengths(wish.minutes, wish.chosen)
    if wish.metric not in METRICS:
        raise SettingError("metric", f"is one of {', '.join(METRICS)}, not {wish.metric}")


def _run(wish: Wish) -> AnswerRunResult:
    """One run, from wherever its folder stands to its end."""
    from zhixing.tasks.answer.material import gather as gather_questions

    began, out = time.perf_counter(), wish.out
    begun = is_begun(out)
    material = gather_questions(wish.data, wish.valid, _draft(wish).data)
    if not begun:
        with parents(out):
            _create(wish, material)
    with sole_user(out):
        return _train(wish, material, began)


def _start(wish: Wish, material: Material) -> Start:
    from zhixing.tasks.answer.start import from_base, from_scratch

    return from_scratch(material.train, _draft(wish)) if wish.base is None else from_base(Path(wish.base), wish.chosen)


def _create(wish: Wish, material: Material) -> None:
    """Derive what is left open and write a run folder as it stands before the first step."""
    from zhixing import device as devices
    from zhixing.models import longest
    from zhixing.tasks.answer.material import cut
    from zhixing.tasks.answer.recipe import AnswerRecipe
    from zhixing.verbs.finetune.derive import warn_of_unknown

    out = wish.out
    target = devices.pick(wish.device)
    start = _start(wish, material)
    if wish.base is not None:
        warn_of_unknown(wish.base, start.tokenizer, (question.context for question in material.train))
    draft = _draft(wish, start.settings)
    most, window = longest(draft.model), draft.objective.window
    if most is not None and window > most:
        if "objective.window" in wish.chosen:
            raise SettingError("objective.window", f"= {window} tokens is more than the {most} that the model has positions for")
        window = most
    derived = {**start.settings, **_fitting(window), **_longest(start, material)}
    frame = _draft(wish, derived).objective.frame
    parts = {name: cut(part, start.tokenizer, frame) for name, part in (("train", material.train), ("valid", material.valid))}
    for name, (questions, _, aside) in parts.items():
        if not questions:
            raise InputError(", ".join(wish.data if name == "train" else wish.valid or wish.data), f"{aside[0][0].id}: {aside[0][1]}")
    derived |= _derive(wish, start, material, parts["train"][:2], derived, target)
    recipe = resolve(AnswerRecipe, wish.chosen, derived)
    lineage = {
        "data": {"names": wish.data, "valid": wish.valid, "fingerprint": material.fingerprint},
        "base": {"name": wish.base, "sha256": start.identity} if wish.base else None,
        "metric": wish.metric,
    }
    with new_folder(out, "run", extra={"task": "answer", "data": material.fingerprint}) as folder:
        write_record(folder, recipe, lineage, wish.chosen, wish.minutes)
        start.tokenizer.save(folder / "tokenizer.json")
        _report(folder, material, parts, out)


def _longest(start: Start, material: Material) -> dict[str, int]:
    """The most tokens of an answer that is given."""
    import numpy as np

    from zhixing.tasks.answer.material import answer_tokens

    sizes = answer_tokens(material.train, start.tokenizer)
    return {"objective.longest": max(30, math.ceil(float(np.quantile(sizes, 0.99))))}


def _derive(
    wish: Wish, start: Start, material: Material, train: tuple[list[Question], Windows], known: Mapping[str, Any], device: torch.device
) -> dict[str, Any]:
    """Batch, learning rates, schedule, how long to train, how often to look: what the user has not set."""
    from zhixing.tasks.answer.objective import Answering
    from zhixing.tasks.answer.start import begin
    from zhixing.verbs.finetune.derive import affordable, embeddings, paced, trial

    questions, windows = train
    grown = start.encoder is not None and not start.young
    usual = PRETRAINED if grown else YOUNG if start.young else NEW
    derived: dict[str, Any] = {**usual, "train.batch": BATCH, "train.compile": False}
    if start.young and "model.dropout" not in start.settings:
        del derived["model.dropout"]
    if start.encoder is not None and grown:
        derived["optim.frozen"] = [f"encoder.{name}" for name in embeddings(start.encoder)]
    draft = _draft(wish, {**known, **derived})
    per_epoch = math.ceil(len(windows.ids) / draft.train.batch)
    if "train.steps" in wish.chosen:
        steps = draft.train.steps
    elif wish.minutes is None:
        steps = math.ceil(draft.objective.epochs * per_epoch)
    else:
        state = begin(start, draft, device)
        objective = Answering(windows, [q.span for q in questions], draft.train.seed)
        timed = trial(state, objective, draft.train, draft.schedule, device)
        steps = affordable(wish.minutes, timed, per_epoch, MOST[grown], f"{draft.train.batch} windows")
    return derived | paced(steps, min(steps - 1, max(1, steps // 10)), min(per_epoch, steps))


def _report(folder: Path, material: Material, parts: dict[str, Any], shown_as: Path) -> None:
    """Write `data_report.json`, `data_report.html` and `faults.jsonl`; say what should be looked at first."""
    from zhixing.evaluate.report import write_questions_report
    from zhixing.tasks.answer.material import examine

    aside = [entry for _, _, left in parts.values() for entry in left]
    made = examine(material, {name: (questions, windows) for name, (questions, windows, _) in parts.items()}, aside)
    write_json(folder / "data_report.json", made)
    rows = [fault.row() for fault in material.faults]
    rows += [{"source": q.source, "id": q.id, "kind": "long", "mended": False, "reason": why, "text": q.question[:200]} for q, why in aside]
    write_json_lines(folder / "faults.jsonl", rows)
    write_questions_report(folder, shown_as)
    for text in made["warnings"]:
        warn(text)


def _train(wish: Wish, material: Material, began: float) -> AnswerRunResult:
    """Bring a run folder from wherever it stands to its end."""
    from zhixing import device as devices
    from zhixing.session import Session
    from zhixing.tasks.answer.material import cut
    from zhixing.tasks.answer.objective import Answering
    from zhixing.tasks.answer.recipe import AnswerRecipe
    from zhixing.tasks.answer.start import Start, begin
    from zhixing.tokenizer.tokenizer import Tokenizer

    out = wish.out
    recipe = taken_up(out, AnswerRecipe, wish.chosen, wish.minutes)
    refuse_other_base(out, wish.base, wish.metric)
    refuse_other_data(out, material.fingerprint)
    if (result := finished(out, AnswerRunResult)) is not None:
        return result
    target = devices.pick(wish.device)
    tokenizer = Tokenizer.load(out / "tokenizer.json")
    start = _start(wish, material) if wish.base is not None else Start(tokenizer, {})
    refuse_changed_base(out, start.identity)
    train, windows, _ = cut(material.train, tokenizer, recipe.objective.frame)
    objective = Answering(windows, [q.span for q in train], recipe.train.seed)
    valid, valid_windows, _ = cut(material.valid, tokenizer, recipe.objective.frame)
    state = begin(start, recipe, target)
    judged = _validation(valid, valid_windows, recipe, material.unanswerable, wish.metric, target)
    session = Session(out, state, objective, recipe.train, recipe.schedule, judged, target, spent=time.perf_counter() - began)
    session.go()
    return _finish(wish, session, material, len(windows.ids), (valid, valid_windows), recipe, tokenizer)


def _validation(
    questions: list[Question], windows: Windows, recipe: AnswerRecipe, declines: bool, metric: str, device: torch.device
) -> Validation:
    """How a run is judged on its way: by the validation questions, each of them, with the threshold that suits them."""
    import torch

    from zhixing import device as devices
    from zhixing.evaluate.answers import best_threshold, script_of, texts_of
    from zhixing.metrics import answer as scripts
    from zhixing.session import Validation
    from zhixing.tasks.answer.objective import SpanReader, outputs
    from zhixing.tasks.answer.spans import decode
    from zhixing.tasks.answer.windows import target
    from zhixing.train.loop import State, averaged, uncompiled

    script = script_of(questions)
    gold = [target(spans, questions[owner].span) for spans, owner in zip(windows.spans, windows.owner, strict=True)]
    number = devices.dtype(recipe.train.precision, device)

    def measure(state: State) -> dict[str, float]:
        assert isinstance(state.model, SpanReader)
        with averaged(state), uncompiled(state.model), torch.no_grad():
            said = outputs(state.model, windows, device, number)
        loss = -sum(float(one[first, 0] + one[last, 1]) / 2 for one, (first, last) in zip(said, gold, strict=True)) / len(gold)
        found = decode(said, windows.spans, windows.owner, len(questions), recipe.objective.longest)
        limit = best_threshold(found, questions, script)[0] if declines else None
        rows = scripts.rows(texts_of(found, questions, limit), [q.texts for q in questions], script)
        return {"valid_loss": loss, **{m.name: float(m.score(rows.sum(0))) for m in scripts.metrics(script)[:2]}}

    return Validation(measure, metric, metric == "valid_loss")


def _finish(
    wish: Wish,
    session: Session,
    material: Material,
    train_windows: int,
    valid: tuple[list[Question], Windows],
    recipe: AnswerRecipe,
    tokenizer: Tokenizer,
) -> AnswerRunResult:
    """The artifact, its figures and the report of a run whose steps are all done."""
    import torch

    from zhixing import checkpoint
    from zhixing.evaluate import significance
    from zhixing.evaluate.answers import best_threshold, metrics_of, script_of, texts_of
    from zhixing.evaluate.report import write_reader_report
    from zhixing.metrics import answer as scripts
    from zhixing.tasks.answer import artifact
    from zhixing.tasks.answer.objective import SpanReader, outputs
    from zhixing.tasks.answer.spans import decode

    out, model, (questions, windows) = wish.out, session.state.model, valid
    assert isinstance(model, SpanReader)
    checkpoint.load_best(out, model)
    said = outputs(model, windows, session.device, torch.float32)
    found = decode(said, windows.spans, windows.owner, len(questions), recipe.objective.longest)
    script = script_of(questions)
    limit = round(best_threshold(found, questions, script)[0], 6) if material.unanswerable else None
    task = artifact.write(out, model.cpu(), tokenizer, recipe, material.train, _golden(questions), threshold=limit)
    artifact.Reader.open(out, wish.device)  # it says again what it has just said, or is not let out
    rows = scripts.rows(texts_of(found, questions, limit), [q.texts for q in questions], script)
    about = f"model:{task.weights[:8]}|window:{recipe.objective.window}|questions:{len(questions)}|data:validation"
    result = AnswerRunResult(
        run=str(out),
        train_questions=len(material.train),
        valid_questions=len(questions),
        train_windows=train_windows,
        set_aside=read_json(out / "data_report.json")["set_aside"],
        mended=sum(fault.mended for fault in material.faults),
        unanswerable=sum(not q.answers for q in material.train),
        threshold=limit,
        parameters=sum(p.numel() for p in model.parameters()),
        **session.summary(),
        metrics={name: MetricResult(**entry) for name, entry in significance.estimates(metrics_of(script, rows), rows, about).items()},
        warnings=read_json(out / "data_report.json")["warnings"],
    )
    write_json(out / "result.json", result.model_dump())
    write_reader_report(out)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return result


def _golden(valid: Sequence[Question]) -> list[Question]:
    """A few questions on texts of all lengths, the longest of which would take long at each opening aside."""
    ordered = sorted(valid, key=lambda q: (len(q.context), q.context, q.id))
    return [ordered[i] for i in sorted({round(share * (len(ordered) - 1)) for share in (0, 0.25, 0.5, 0.75)})]
