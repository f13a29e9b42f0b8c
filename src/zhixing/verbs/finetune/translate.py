"""The verb `finetune translate`: from sentence pairs to a folder that translates.

1. Pairs are read, examined and dealt out; what is faulty is left out and reported. Both sides get their tokenizers.
2. The run folder appears, whole, with settings, tokenizers, token ids, pair report and lineage.
3. A `Session` trains, judged by the loss on the validation pairs as it goes.
4. The best weights become the artifact (`tasks.translation.artifact`), translate the validation texts and are scored. The checkpoints go.

A run that was stopped is continued by the same command.
"""

from __future__ import annotations

import itertools
import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing import __version__
from zhixing.config import Result, gather, resolve
from zhixing.console import count, duration, say, warn
from zhixing.errors import ArtifactError, InputError, SettingError
from zhixing.files import MANIFEST, new_folder, open_folder, read_json, refuse_existing, sole_user, write_json, write_text, writing
from zhixing.verbs.evaluate import MetricResult

if TYPE_CHECKING:
    import torch

    from zhixing.corpus.pairs import Examined, Pair
    from zhixing.session import Session, Validation
    from zhixing.tasks.translation.recipe import TranslateRecipe
    from zhixing.tokenizer.tokenizer import Tokenizer

LEARNING: dict[str, Any] = {
    "model.norm": "pre",
    "model.dropout": 0.1,
    "optim.kind": "muon",
    "optim.learning_rate": 0.01,
    "optim.table_rate": 0.01,
    "optim.vector_rate": 0.01,
    "optim.weight_decay": 0.05,
    "schedule.kind": "wsd",
    "schedule.cooldown": 0.5,
    "train.batch": 32,
    "train.ema": 0.99,
    "decode.ratio": 3.0,
    "train.compile": False,
}
"""How a new translator learns, where the user says nothing else."""
EPOCHS = 10.0
"""How often pairs are read where neither minutes nor train.steps say how long to train."""
FINISH = 0.1
"""Share of the minutes kept for validation, saving and translating the validation texts."""
SHOWN = 1000
"""Validation texts that are translated at the end, at most."""
MOST_VALID = 2000


class TranslateResult(Result):
    """What `finetune translate` returns; also `result.json` of the run."""

    run: str
    languages: list[str]
    train_pairs: int
    valid_pairs: int
    left_out: int
    """Pairs that were read and not trained on: faulty, repeated, too long, or like held-out ones."""
    vocabularies: list[int]
    parameters: int
    steps: int
    best_step: int
    seconds: float
    tokens_per_second: float
    stopped_early: bool
    valid_loss: float
    """Nats a target token."""
    metrics: dict[str, MetricResult]
    """Of the best weights on the validation pairs."""

    def lines(self) -> Iterator[str]:
        """The result for the terminal."""
        early = " (stopped early)" if self.stopped_early else ""
        yield f"{self.run}: {self.train_pairs} pairs, {self.left_out} left out, {self.steps} steps{early} in {duration(self.seconds)}"
        yield f"model: {count(self.parameters)} parameters, vocabularies {' and '.join(map(str, self.vocabularies))}"
        yield f"validation: {self.valid_loss:.4f} nats a token (best at step {self.best_step})"
        for name, m in self.metrics.items():
            yield f"{name:<16} {m.value:.4f}  [{m.low:.4f}, {m.high:.4f}]  {m.signature}"
        yield f"pair report: {Path(self.run) / 'pair_report.json'}"


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    data: list[str]
    targets: list[str]
    out: Path
    languages: tuple[str, str]
    valid: list[str] | None
    columns: tuple[str | None, str | None]
    minutes: float | None
    device: str
    chosen: Mapping[str, Any]


def translate(
    *,
    data: Annotated[list[str], "Pairs: tsv, csv, jsonl, parquet, tmx, po, mo, a corpus by name, or PREFIX of PREFIX.en and PREFIX.zh."],
    out: Annotated[Path, "The run folder to write, or an unfinished one to continue."],
    target: Annotated[list[str] | None, "Files of translations, line by line, where --data are files of sources."] = None,
    source_language: Annotated[str, "Code of the language to translate from."] = "en",
    target_language: Annotated[str, "Code of the language to translate to."] = "zh",
    valid: Annotated[list[str] | None, "Validation pairs. Default: one in fifty of the data, at most 2,000."] = None,
    source_column: Annotated[str | None, "Name or 0-based number of the column of sources."] = None,
    target_column: Annotated[str | None, "Name or 0-based number of the column of targets."] = None,
    minutes: Annotated[float | None, "Minutes that the whole run may take. Default: ten times through the data."] = None,
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
    config: Annotated[Path | None, "A TOML file of settings."] = None,
    settings: Annotated[Sequence[str] | Mapping[str, Any] | None, "Settings as dotted.key=value."] = None,
) -> TranslateResult:
    """Train a translator of sentence pairs; run it again to continue a run that was stopped.

    Raises `InputError` for data that cannot be used, `Interrupted` after SIGINT or SIGTERM, with a checkpoint saved.
    """
    began = time.perf_counter()
    chosen, out = gather(config, settings), Path(out)
    wish = Wish(
        list(data), list(target or []), out, (source_language, target_language), None if valid is None else list(valid),
        (source_column, target_column), minutes, device, chosen,
    )  # fmt: skip
    _check(wish)
    with writing(out):
        exists = (out / MANIFEST).is_file()
    if exists:
        open_folder(out, "run", verify=False)
    else:
        refuse_existing(out)
        _create(wish, began)
    with sole_user(out):
        return _train(wish, began)


def _check(wish: Wish) -> None:
    """Raise `SettingError` for wishes that contradict one another, before anything is read."""
    from zhixing.models import kinds
    from zhixing.tasks.translation.recipe import TranslateRecipe

    recipe = resolve(TranslateRecipe, wish.chosen, {"schedule.warmup": 0})
    if recipe.model.kind not in kinds("encoder-decoder"):
        known = ", ".join(kinds("encoder-decoder"))
        raise SettingError("model.kind", f"= {recipe.model.kind} cannot be a model of shape encoder-decoder; these can: {known}")
    if wish.minutes is not None and not 0 < wish.minutes < float("inf"):
        raise SettingError("minutes", f"must be a positive number, not {wish.minutes}")
    if wish.minutes is not None and "train.steps" in wish.chosen:
        raise SettingError("train.steps", "and --minutes both say how long to train; give one of them")
    if wish.languages[0] == wish.languages[1]:
        raise SettingError("target_language", f"is {wish.languages[1]}, the language to translate from")


def _learning(wish: Wish) -> dict[str, Any]:
    """How a model of the kind that is asked for learns."""
    marian = wish.chosen.get("model.kind", "marian") == "marian"
    return {name: value for name, value in LEARNING.items() if marian or name != "model.norm"}


def _material(wish: Wish, recipe: TranslateRecipe) -> tuple[Examined, list[Pair]]:
    """The pairs to train on, examined, and those to validate with."""
    from zhixing.corpus.document import Dropped
    from zhixing.corpus.pairs import Pair, examine, read
    from zhixing.corpus.split import draw

    say("reading and examining the pairs")
    items = read(wish.data, wish.languages, targets=wish.targets, source_column=wish.columns[0], target_column=wish.columns[1])
    if wish.valid is not None:
        asked = read(wish.valid, wish.languages, source_column=wish.columns[0], target_column=wish.columns[1])
        held_out = [pair for pair in asked if isinstance(pair, Pair)]
        return examine(items, wish.languages, recipe.pairs, held_out), held_out
    everything: list[Pair | Dropped] = list(items)
    pairs = [item for item in everything if isinstance(item, Pair)]
    share = min(0.02, MOST_VALID / max(1, len(pairs)))
    # By its source, so that all translations of a sentence lie on one side.
    chosen = {id(pair) for pair in pairs if draw(pair.source.strip(), recipe.train.seed) < share}
    held_out = examine(
        [p for p in pairs if id(p) in chosen] or pairs[:1], wish.languages, recipe.pairs.model_copy(update={"max_faulty": 1.0})
    ).pairs
    rest = [item for item in everything if id(item) not in chosen]
    examined = examine(rest, wish.languages, recipe.pairs, held_out)
    if len(held_out) < 10:
        raise InputError(wish.data[0], f"gives only {len(held_out)} validation pairs; give more pairs, or --valid")
    return examined, held_out


def _create(wish: Wish, began: float) -> None:
    """Examine the data, derive what is left open, and write a run folder as it stands before the first step."""
    from zhixing import device as devices
    from zhixing.tasks.translation.recipe import TranslateRecipe
    from zhixing.tasks.translation.start import SOURCE_TOKENIZER, TARGET_TOKENIZER, write
    from zhixing.tasks.translation.vocabulary import tokenizers

    device = devices.pick(wish.device)
    draft = resolve(TranslateRecipe, wish.chosen, {**_learning(wish), "schedule.warmup": 0})
    examined, held_out = _material(wish, draft)
    report = examined.report
    say(f"{report['kept']} of {report['read']} pairs are trained on")
    for kind, finding in report["findings"].items():
        if kind != "duplicate" and finding["share"] > 0.01:
            warn(f"{finding['count']} pairs: {finding['meaning']} (such as {finding['lines'][0]})")
    say("training the tokenizers")
    source, target = tokenizers(examined.pairs, draft.vocabulary)
    lineage = {
        "data": {"names": wish.data, "targets": wish.targets, "valid": wish.valid, "columns": list(wish.columns)},
        "languages": list(wish.languages),
        "settings": dict(wish.chosen),
        "minutes": wish.minutes,
        "zhixing": __version__,
    }
    with writing(wish.out):
        wish.out.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(wish.out, "run", extra={"task": "translate"}) as folder:
        source.save(folder / SOURCE_TOKENIZER)
        target.save(folder / TARGET_TOKENIZER)
        (folder / "pairs").mkdir()
        write(folder / "pairs", "train", examined.pairs, source, target)
        write(folder / "pairs", "valid", held_out, source, target)
        rows = [json.dumps({"source": pair.source, "target": pair.target, "where": pair.where}, ensure_ascii=False) for pair in held_out]
        write_text(folder / "valid.jsonl", "".join(row + "\n" for row in rows))
        write_json(folder / "pair_report.json", report)
        write_text(folder / "dropped.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in examined.dropped))
        recipe = resolve(TranslateRecipe, wish.chosen, derive(wish, folder / "pairs", source, target, device, began))
        write_json(folder / "config.json", recipe.model_dump(mode="json"))
        write_json(folder / "lineage.json", lineage)
        write_json(folder / "environment.json", devices.environment())


def derive(wish: Wish, pairs: Path, source: Tokenizer, target: Tokenizer, device: torch.device, began: float) -> dict[str, Any]:
    """Settings by dotted names, for what the user has not set: how much is learnt in the minutes, and at which rates."""
    from zhixing.tasks.translation.recipe import TranslateRecipe
    from zhixing.tasks.translation.start import ends, objective

    derived = _learning(wish)
    draft = resolve(TranslateRecipe, wish.chosen, {**derived, "schedule.warmup": 0, "train.steps": 1 << 30})
    task = objective(pairs, "train", draft, ends(source, target))
    per_epoch = task.buckets(draft.train.batch).per_epoch
    if task.left_out:
        warn(f"{task.left_out} pairs are longer than objective.context = {draft.objective.context} tokens and are not trained on")
    if "train.steps" in wish.chosen:
        steps = int(wish.chosen["train.steps"])
    elif wish.minutes is None:
        steps = math.ceil(EPOCHS * per_epoch)
    else:
        first, each = trial(draft, pairs, source, target, device)
        left = wish.minutes * 60 * (1 - FINISH) - (time.perf_counter() - began) - first
        steps = max(10, int(left / each))
        say(f"{each:.3g} s a step: {steps} steps, {steps / per_epoch:.1f} times through the pairs")
    epochs = steps / per_epoch
    if "model.dropout" not in wish.chosen:
        derived["model.dropout"] = 0.1 if epochs < 10 else 0.2 if epochs < 30 else 0.3
    derived["train.steps"] = steps
    derived["schedule.warmup"] = min(200, steps // 10)
    derived["train.validate_every"] = max(1, math.ceil(steps / 10))
    derived["train.save_every"] = max(1, min(steps, 500))
    derived["train.keep_last"] = 1
    return derived


def trial(recipe: TranslateRecipe, pairs: Path, source: Tokenizer, target: Tokenizer, device: torch.device) -> tuple[float, float]:
    """Seconds of the first step of a training that is thrown away, and of each of those after it."""
    from zhixing.tasks.translation.start import begin, ends, objective
    from zhixing.train.loop import train

    state = begin(recipe, source, target, device)
    task = objective(pairs, "train", recipe, ends(source, target))
    began, times = time.perf_counter(), list[float]()
    for step in itertools.islice(train(state, task, recipe.train, recipe.schedule, device), 25):
        times.append(step.seconds)
        if time.perf_counter() - began > 12 and len(times) >= 5:
            break
    return times[0], sum(times[1:]) / max(1, len(times) - 1)


def _train(wish: Wish, began: float) -> TranslateResult:
    """Bring a run folder from wherever it stands to its end."""
    from zhixing import device as devices
    from zhixing.session import Session, refuse_changes
    from zhixing.tasks.translation.recipe import TranslateRecipe
    from zhixing.tasks.translation.start import SOURCE_TOKENIZER, TARGET_TOKENIZER, begin, ends, objective
    from zhixing.tokenizer.tokenizer import Tokenizer

    out = wish.out
    open_folder(out, "run")
    recipe = resolve(TranslateRecipe, read_json(out / "config.json"))
    refuse_changes(TranslateRecipe, recipe, wish.chosen)
    lineage = read_json(out / "lineage.json")
    if (lineage["data"]["names"], lineage["languages"]) != (wish.data, list(wish.languages)):
        raise ArtifactError(out, f"was begun with {', '.join(lineage['data']['names'])}; give that, or choose another --out")
    if (out / "result.json").is_file():
        say(f"{out} is finished already; choose another --out for a new run")
        return TranslateResult.model_validate(read_json(out / "result.json"))
    device = devices.pick(wish.device)
    source, target = Tokenizer.load(out / SOURCE_TOKENIZER), Tokenizer.load(out / TARGET_TOKENIZER)
    state, marks = begin(recipe, source, target, device), ends(source, target)
    task = objective(out / "pairs", "train", recipe, marks)
    validation = _validation(out, recipe, marks, device)
    session = Session(out, state, task, recipe.train, recipe.schedule, validation, device, spent=time.perf_counter() - began)
    session.go()
    return _finish(wish, session, recipe, (source, target), len(task.pairs), task.left_out)


def _validation(out: Path, recipe: TranslateRecipe, marks: Any, device: torch.device) -> Validation:
    """How a run is judged on its way: by the loss on all validation pairs that fit into the window, without smoothing."""
    import torch

    from zhixing import device as devices
    from zhixing.objectives import move
    from zhixing.session import Validation
    from zhixing.tasks.translation.start import mean_nats, objective
    from zhixing.train.loop import State, averaged, uncompiled

    held_out = objective(out / "pairs", "valid", recipe, marks)
    batches = [held_out.batch(step, recipe.train.batch) for step in range(held_out.buckets(recipe.train.batch).per_epoch)]
    number = devices.dtype(recipe.train.precision, device)

    @torch.no_grad()
    def measure(state: State) -> dict[str, float]:
        with averaged(state), uncompiled(state.model), torch.autocast(device.type, number, enabled=number != torch.float32):
            state.model.eval()
            found = [(float(held_out.sums(state.model, move(b, device))["loss"]), held_out.targets(b)) for b in batches]
        return {"valid_loss": mean_nats(found)}

    return Validation(measure)


def _finish(
    wish: Wish, session: Session, recipe: TranslateRecipe, tokenizers: tuple[Tokenizer, Tokenizer], pairs: int, too_long: int
) -> TranslateResult:
    """The artifact and its scores on the validation pairs, of a run whose steps are all done."""
    from zhixing import checkpoint
    from zhixing.evaluate.translations import evaluated
    from zhixing.models.shapes import EncoderDecoderModel
    from zhixing.session import usual_rate
    from zhixing.tasks.translation import artifact

    out, model = wish.out, session.state.model
    assert isinstance(model, EncoderDecoderModel)
    checkpoint.load_best(out, model)
    held_out = [json.loads(line) for line in (out / "valid.jsonl").read_text(encoding="utf-8").splitlines()]
    golden = [row["source"] for row in held_out[:: max(1, len(held_out) // 5)]][:5]
    artifact.write(out, model.cpu(), tokenizers, recipe, wish.languages, golden)
    translator = artifact.Translator.open(out, wish.device)  # it says again what it has just said, or is not let out
    some = held_out[:: max(1, len(held_out) // SHOWN)][:SHOWN]
    found = evaluated(translator, [row["source"] for row in some], [row["target"] for row in some], out / "eval" / "valid")
    metrics = {name: MetricResult(**entry) for name, entry in found.items()}
    report = read_json(out / "pair_report.json")
    result = TranslateResult(
        run=str(out),
        languages=list(wish.languages),
        train_pairs=pairs - too_long,
        valid_pairs=len(held_out),
        left_out=report["read"] - report["kept"] + too_long,
        vocabularies=[tokenizer.vocabulary for tokenizer in tokenizers],
        parameters=sum(p.numel() for p in model.parameters()),
        steps=session.state.step,
        best_step=session.history["best_step"],
        seconds=session.seconds,
        tokens_per_second=usual_rate(out),
        stopped_early=bool(session.history["stopped_early"]),
        valid_loss=session.best["valid_loss"],
        metrics=metrics,
    )
    write_json(out / "result.json", result.model_dump())
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return result
