"""The verb `finetune classify`: from labelled texts to a folder that classifies.

1. The texts are read, checked and dealt out; the run folder appears, whole, with settings, tokenizer, data report and lineage.
2. A `Session` trains: a pre-trained body or a new one, judged on the validation texts as it goes.
3. The best weights become the artifact (`tasks.classify.artifact`), are measured with intervals, and a report is made. The checkpoints go.

A run that was stopped is continued by the same command. Several seeds, or folds, are as many runs in one folder: see `classify_repeats`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import Result, gather, resolve, several
from zhixing.console import duration, say, warn
from zhixing.errors import ArtifactError, SettingError
from zhixing.files import MANIFEST, new_folder, parents, read_json, sha256, sole_user, write_json, write_json_lines
from zhixing.run_folder import (
    begun_vectors,
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

if TYPE_CHECKING:
    import torch

    from zhixing.corpus.labelled import Example
    from zhixing.embeddings.vectors import Vectors
    from zhixing.session import Session
    from zhixing.tasks.classify.material import Columns, Material
    from zhixing.tasks.classify.objective import Classifier
    from zhixing.tasks.classify.recipe import ClassifyRecipe
    from zhixing.tasks.classify.start import Start


class ClassifyResult(Result):
    """What `finetune classify` returns; also `result.json` of the run."""

    run: str
    labels: list[str]
    train_texts: int
    valid_texts: int
    set_aside: int
    """Rows that could not be used."""
    steps: int
    best_step: int
    parameters: int
    trained_parameters: int | None = None
    """Of them those that moved; with LoRA, the numbers in the thin matrices and the head."""
    seconds: float
    tokens_per_second: float
    stopped_early: bool
    metrics: dict[str, MetricResult]
    """Of the best weights on the validation texts, by which they were chosen: a little too good."""
    warnings: list[str]
    """What the data report says should be looked at first."""
    spread: dict[str, dict[str, float]] | None = None
    """Of several seeds or folds: mean, deviation, lowest and highest of each metric."""
    runs: list[str] | None = None
    """Of several seeds or folds: their folders."""
    kept: str | None = None
    """Of several seeds: the folder of the weights that are kept, a seed's or the average's."""
    alone: dict[str, dict[str, float]] | None = None
    """With objective.ngrams: each metric of the network alone, and of the n-grams alone."""

    def lines(self) -> Iterator[str]:
        """The result for the terminal."""
        early = " (stopped early)" if self.stopped_early else ""
        yield f"{self.run}: {self.train_texts} texts, {self.steps} steps{early} in {duration(self.seconds)}"
        main = [name for name in ("accuracy", "f1_macro", "subset_accuracy", "f1_micro", "mse", "pearson") if name in self.metrics]
        for name in main:
            m = self.metrics[name]
            yield f"{name:<16} {m.value:.4f}  [{m.low:.4f}, {m.high:.4f}]  validation, {self.valid_texts} texts"
        for name in (n for n in main if n in (self.spread or {})):
            s, over = (self.spread or {})[name], len(self.runs or [])
            yield f"{name:<16} {s['mean']:.4f} +- {s['deviation']:.4f}  ({s['lowest']:.4f} to {s['highest']:.4f}) over {over} runs"
        for voice, values in (self.alone or {}).items():
            yield f"{voice + ' alone':<16} {', '.join(f'{name} {values[name]:.4f}' for name in main if name in values)}"
        if self.kept:
            yield f"kept: {self.kept}"
        yield f"report: {Path(self.run) / 'report.html'}, data report: {Path(self.run) / 'data_report.html'}"


def classify(
    *,
    data: Annotated[list[str] | str, "Labelled texts: csv, tsv, jsonl, json, parquet, a folder of classes, a corpus by name, a hub id."],
    out: Annotated[Path, "The run folder to write, or an unfinished one to continue."],
    base: Annotated[
        str | None,
        "What to start from: minilm, a run, a Hugging Face folder, a hub id (see get --help). Default: a new model of model.kind.",
    ] = None,
    vectors: Annotated[Path | None, "A folder of word vectors that `embed` wrote, for a new model's embedding to start from."] = None,
    valid: Annotated[list[str] | str | None, "Validation texts. Default: a tenth of each class of the data."] = None,
    text_column: Annotated[str | None, "Name or 0-based number of the column of texts."] = None,
    label_column: Annotated[str | None, "Name or 0-based number of the column of labels."] = None,
    pair_column: Annotated[str | None, "Name or 0-based number of the column of second texts, for pairs."] = None,
    minutes: Annotated[float | None, "Minutes that training may take. Default: objective.epochs decide."] = None,
    metric: Annotated[str | None, "What decides which weights are best: accuracy, f1_macro, mcc, log_loss, mse, ..."] = None,
    seeds: Annotated[
        int, "Train so many times, from different seeds, and keep the best; with --base, their average where it is better."
    ] = 1,
    folds: Annotated[int, "Cross-validate: train so many times, each time measured on another part of the data."] = 1,
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
    config: Annotated[Path | None, "A TOML file of settings."] = None,
    settings: Annotated[Sequence[str] | Mapping[str, Any] | None, "Settings as dotted.key=value."] = None,
) -> ClassifyResult:
    """Train a classifier of texts, or of pairs of texts; run it again to continue a run that was stopped.

    Raises `InputError` for data that cannot be used, `Interrupted` after SIGINT or SIGTERM, with a checkpoint saved.
    """
    if base is not None:
        from zhixing.corpus import fetch

        base = str(base)  # a Path is fine too
        fetch.refuse_absent(base)

    from zhixing.tasks.classify.augment import read_synonyms
    from zhixing.tasks.classify.material import Columns
    from zhixing.tasks.classify.ngrams import need_scikit_learn
    from zhixing.tasks.classify.recipe import drafted
    from zhixing.verbs.finetune.classify_repeats import cross_validate, over_seeds
    from zhixing.verbs.finetune.wordings import translators

    data, valid = several(data), several(valid)

    chosen, out = gather(config, settings), Path(out)
    draft = drafted(chosen)  # the user's own mistakes first
    read_synonyms(draft.objective.augment.synonyms)
    if draft.objective.ngrams:
        need_scikit_learn("objective.ngrams")
    translators(draft.objective.augment, device)
    wish = Wish(
        data, out, base, valid, Columns(text_column, label_column, pair_column), minutes, metric,
        device, chosen, None if vectors is None else Path(vectors),
    )  # fmt: skip
    _check(wish, seeds, folds)
    if folds > 1:
        return cross_validate(wish, folds)
    return over_seeds(wish, seeds) if seeds > 1 else run(wish)


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    data: list[str]
    out: Path
    base: str | None
    valid: list[str] | None
    columns: Columns
    minutes: float | None
    metric: str | None
    device: str
    chosen: Mapping[str, Any]
    vectors: Path | None = None


def _check(wish: Wish, seeds: int, folds: int) -> None:
    """Raise `SettingError` for wishes that contradict one another."""
    refuse_two_lengths(wish.minutes, wish.chosen)
    if wish.base is not None and wish.vectors is not None:
        raise SettingError("vectors", "cannot be given together with --base, which has embeddings of its own")
    if wish.base is None and wish.chosen.get("lora.rank"):
        raise SettingError("lora.rank", "needs --base: of a new model there is nothing to keep")
    if seeds < 1 or folds < 1:
        raise SettingError("seeds" if seeds < 1 else "folds", "must be at least 1")
    if folds > 1 and seeds > 1:
        raise SettingError("folds", "cannot be given together with --seeds; give one of them")
    if folds > 1 and wish.valid is not None:
        raise SettingError("valid", "cannot be given together with --folds, which hold out each part of the data in turn")


def materials(wish: Wish) -> Material:
    """The texts that are asked for."""
    from zhixing.tasks.classify import material
    from zhixing.tasks.classify.recipe import drafted
    from zhixing.verbs.finetune.wordings import refuse_another_script

    draft = drafted(wish.chosen)
    found = material.gather(wish.data, wish.valid, draft.data, draft.clean, wish.columns)
    refuse_another_script([found], draft.objective.augment)
    return found


def run(wish: Wish, material: Material | None = None, like: Path | None = None) -> ClassifyResult:
    """One run, from wherever its folder stands to its end.

    material: its texts, where they are read already. like: another run, which must have begun with the same base or vectors.
    """
    began, out = time.perf_counter(), wish.out
    begun = is_begun(out)
    material = material or materials(wish)
    metric = _metric(wish.metric, material)
    if wish.chosen.get("objective.ngrams") and material.targets.kind == "number":
        raise SettingError("objective.ngrams", "= true is for labels, and these texts have numbers")
    if not begun:
        with parents(out):
            _create(wish, material, metric, like)
    with sole_user(out):
        return _train(wish, material, metric, began)


def _metric(wanted: str | None, material: Material) -> str:
    """The figure that decides."""
    from zhixing.evaluate.labels import usual_metric, watched

    kind = material.targets.kind
    if wanted is None:
        return usual_metric(kind)
    known = watched(kind)
    if wanted not in known:
        raise SettingError("metric", f"is one of {', '.join(known)} for these labels, not {wanted}")
    return wanted


def _start(wish: Wish, material: Material) -> Start:
    from zhixing.tasks.classify.recipe import drafted
    from zhixing.tasks.classify.start import from_base, from_scratch, from_vectors

    if wish.base is None:
        recipe = drafted(wish.chosen)
        if wish.vectors is not None:
            return from_vectors(wish.vectors, material.train, recipe, wish.chosen)
        return from_scratch(material.train, recipe, wish.chosen)
    return from_base(Path(wish.base), wish.chosen)


def _create(wish: Wish, material: Material, metric: str, like: Path | None) -> None:
    """Derive what is left open and write a run folder as it stands before the first step."""
    from zhixing import device as devices
    from zhixing.tasks.classify.artifact import window_of
    from zhixing.tasks.classify.recipe import ClassifyRecipe
    from zhixing.verbs.finetune.derive import derive, warn_of_unknown

    out = wish.out
    target = devices.pick(wish.device)
    start = _start(wish, material)
    if wish.base is not None:
        warn_of_unknown(wish.base, start.tokenizer, (example.text for example in material.train))
    derived = derive(wish, start, material, target)
    recipe = resolve(ClassifyRecipe, wish.chosen, derived)
    lineage = {
        "data": {"names": wish.data, "valid": wish.valid, "fingerprint": material.fingerprint, "columns": vars(wish.columns)},
        "base": {"name": wish.base, "sha256": start.identity} if wish.base else None,
        "vectors": {"path": str(wish.vectors.resolve()), "manifest": sha256(wish.vectors / MANIFEST)} if wish.vectors else None,
        "metric": metric,
    }
    if like is not None:
        _refuse_other_beginning(like, lineage)
    with new_folder(out, "run", extra={"task": "classify", "data": material.fingerprint}) as folder:
        write_record(folder, recipe, lineage, wish.chosen, wish.minutes)
        start.tokenizer.save(folder / "tokenizer.json")
        _report(folder, material, start, window_of(recipe), out)


def _refuse_other_beginning(like: Path, lineage: Mapping[str, Any]) -> None:
    """Raise `ArtifactError` unless another run was begun with the base or the vectors of this lineage."""
    before = read_json(like / "lineage.json")
    for name, mark in (("base", "sha256"), ("vectors", "manifest")):
        was, now = before[name], lineage[name]
        if (was and was[mark]) != (now and now[mark]):
            how = f"with --{name} as it was then" if was else f"without --{name}"
            raise ArtifactError(like, f"was begun {how}; give the same, or choose another --out")


def _report(folder: Path, material: Material, start: Start, window: int, shown_as: Path) -> None:
    """Write `data_report.json`, `data_report.html` and `set_aside.jsonl`; say what should be looked at first."""
    from zhixing.corpus.labelled.examine import examine
    from zhixing.evaluate.report import write_labelled_report
    from zhixing.tasks.classify.objective import inputs

    parts = {"train": material.train, "valid": material.valid}
    tokens = {name: inputs(part, start.tokenizer, window, paired=material.paired).full.tolist() for name, part in parts.items()}
    made = examine(parts, material.found, tokens=tokens, window=window, dropped=material.dropped)
    write_json(folder / "data_report.json", made)
    aside = [{"source": d.source, "line": d.line, "reason": d.reason, "text": d.text} for d in (*material.found.dropped, *material.dropped)]
    write_json_lines(folder / "set_aside.jsonl", aside)
    write_labelled_report(folder, shown_as)
    for text in made["warnings"]:
        warn(text)


def _train(wish: Wish, material: Material, metric: str, began: float) -> ClassifyResult:
    """Bring a run folder from wherever it stands to its end."""
    from zhixing import device as devices
    from zhixing.session import Session
    from zhixing.tasks.classify.artifact import window_of
    from zhixing.tasks.classify.objective import Classification
    from zhixing.tasks.classify.recipe import ClassifyRecipe
    from zhixing.tasks.classify.start import Start, begin, shape_of
    from zhixing.tokenizer.tokenizer import Tokenizer
    from zhixing.verbs.finetune.wordings import reworded

    out = wish.out
    recipe = taken_up(out, ClassifyRecipe, wish.chosen, wish.minutes)
    refuse_other_base(out, wish.base, metric)
    refuse_other_data(out, material.fingerprint)
    if (result := finished(out, ClassifyResult)) is not None:
        return result
    target = devices.pick(wish.device)
    tokenizer = Tokenizer.load(out / "tokenizer.json")
    start = _start(wish, material) if wish.base is not None else Start(tokenizer, shape_of(recipe), {}, vectors=_vectors(wish))
    refuse_changed_base(out, start.identity)
    objective_settings = recipe.objective.model_copy(update={"window": window_of(recipe)})
    state = begin(start, recipe, material.targets.classes, target)
    (material,) = reworded([material], recipe.objective.augment, out, wish.device)
    objective = Classification(
        material.train, material.targets, tokenizer, objective_settings, recipe.train.seed,
        paired=material.paired, wordings=material.wordings,
    )  # fmt: skip
    validation = _validation(material, recipe, tokenizer, metric, target)
    session = Session(out, state, objective, recipe.train, recipe.schedule, validation, target, spent=time.perf_counter() - began)
    session.go()
    return _finish(wish, session, material, recipe)


def _vectors(wish: Wish) -> Vectors | None:
    """What a run's embedding was begun with. Raises `ArtifactError` for other vectors than those."""
    from zhixing.embeddings.vectors import Vectors

    begun = read_json(wish.out / "lineage.json").get("vectors")
    if wish.vectors is not None and (begun is None or sha256(wish.vectors / MANIFEST) != begun["manifest"]):
        raise ArtifactError(wish.vectors, f"does not hold the vectors that {wish.out} was begun with; give these, or choose another --out")
    folder = begun_vectors(wish.out, begun)
    return None if folder is None else Vectors.open(folder)


def _validation(material: Material, recipe: ClassifyRecipe, tokenizer: Any, metric: str, device: torch.device) -> Any:
    """How a run is judged on its way: by the validation texts, each of them."""
    from zhixing import device as devices
    from zhixing.evaluate.labels import figures, gold, lower_is_better
    from zhixing.session import Validation
    from zhixing.tasks.classify.artifact import window_of
    from zhixing.tasks.classify.objective import Classifier, inputs, logits, losses, probabilities
    from zhixing.train.loop import State, averaged, uncompiled

    targets = material.targets
    texts = inputs(material.valid, tokenizer, window_of(recipe), paired=material.paired)
    wanted, tensor = gold(material.valid, targets), targets.tensor(material.valid)
    number = devices.dtype(recipe.train.precision, device)

    def measure(state: State) -> dict[str, float]:
        assert isinstance(state.model, Classifier)
        with averaged(state), uncompiled(state.model):
            found = logits(state.model, texts, device, number)
        loss = float(losses(found, tensor, targets.kind, recipe.objective.model_copy(update={"smoothing": 0.0, "focal": 0.0})).mean())
        return {"valid_loss": loss, **figures(wanted, probabilities(found, targets).numpy(), targets)}

    return Validation(measure, metric, lower_is_better(metric))


def _finish(wish: Wish, session: Session, material: Material, recipe: ClassifyRecipe) -> ClassifyResult:
    """The artifact, its figures and the report of a run whose steps are all done."""
    from zhixing import checkpoint
    from zhixing.tasks.classify.objective import Classifier
    from zhixing.tasks.lora import merge

    model = session.state.model
    assert isinstance(model, Classifier)
    checkpoint.load_best(wish.out, model)
    moved = sum(p.numel() for p in model.parameters() if p.requires_grad)
    merge(model)
    result = conclude(wish, model, material, recipe, {"trained_parameters": moved, **session.summary()})
    shutil.rmtree(wish.out / "checkpoints", ignore_errors=True)
    return result


def conclude(wish: Wish, model: Classifier, material: Material, recipe: ClassifyRecipe, facts: Mapping[str, Any]) -> ClassifyResult:
    """Write the artifact, the result and the report of finished weights into the run folder; `facts`: what training them took."""
    import torch

    from zhixing import device as devices
    from zhixing.evaluate.labels import estimates, figures, gold, measured
    from zhixing.evaluate.report import write_classifier_report
    from zhixing.metrics.probabilities import temperature
    from zhixing.tasks.classify import artifact
    from zhixing.tasks.classify.ngrams import fit, refitted
    from zhixing.tasks.classify.objective import inputs, logits, probabilities
    from zhixing.tokenizer.tokenizer import Tokenizer

    out, targets, valid, device = wish.out, material.targets, material.valid, devices.pick(wish.device)
    tokenizer = Tokenizer.load(out / "tokenizer.json")
    texts = inputs(valid, tokenizer, artifact.window_of(recipe), paired=material.paired)
    found = logits(model.to(device), texts, device, devices.dtype("fp32", device))
    wanted, heat, ngrams = gold(valid, targets), 1.0, None
    if recipe.objective.ngrams:
        say("fitting the linear model of n-grams")
        network = found.double().numpy()
        ngrams = fit(material.train, gold(material.train, targets), valid, wanted, network, targets.kind, recipe.train.seed)
        margins = ngrams.margins([e.text for e in valid], [e.pair or "" for e in valid] if material.paired else None)
        voices = {"network": network, "n-grams": margins}
        alone = {name: figures(wanted, probabilities(torch.from_numpy(one), targets).numpy(), targets) for name, one in voices.items()}
        facts = {**facts, "alone": alone}
        found = torch.from_numpy(network + ngrams.weight * margins).float()
    if targets.kind == "single" and int((found.argmax(1).numpy() != wanted).sum()) >= ENOUGH:
        heat = round(temperature(wanted, found.double().numpy()), 4)
    outputs, read = probabilities(found, targets, heat).numpy(), material.train
    if ngrams is not None and wish.valid is None:
        read = [*material.train, *valid]
        ngrams = refitted(ngrams, read, gold(read, targets), targets.kind, recipe.train.seed)
    task = artifact.write(
        out, model.cpu(), tokenizer, targets, recipe, read, _golden(valid),
        temperature=heat, paired=material.paired, ngrams=ngrams,
    )  # fmt: skip
    opened = artifact.open_classifier(out, wish.device)  # it says again what it has just said, or is not let out
    about = f"model:{opened.fingerprint[:8]}|window:{task.window}|texts:{len(valid)}|data:validation"
    result = ClassifyResult(
        run=str(out),
        labels=list(targets.names),
        train_texts=len(material.train),
        valid_texts=len(valid),
        set_aside=len(material.found.dropped) + len(material.dropped),
        parameters=sum(p.numel() for p in model.parameters()) + (0 if ngrams is None else ngrams.parameters),
        metrics={name: MetricResult(**entry) for name, entry in estimates(measured(wanted, outputs, targets), about).items()},
        warnings=read_json(out / "data_report.json")["warnings"],
        **facts,
    )
    write_json(out / "result.json", result.model_dump())
    write_classifier_report(out)
    return result


ENOUGH = 10
"""Wrong validation texts from which on a temperature is fitted: of a model that is nearly always right, few texts would make a boaster."""


def _golden(valid: Sequence[Example]) -> list[Example]:
    """A few texts of all lengths."""
    ordered = sorted(valid, key=lambda e: (len(e.text), e.text))
    return [ordered[i] for i in sorted({round(share * (len(ordered) - 1)) for share in (0, 0.25, 0.5, 0.75, 1)})]
