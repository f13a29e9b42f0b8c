"""The verb `ladder classify`: one kind of classifier after the other on the same labelled texts, and which of them is worth its price.

1. The texts are read and dealt out once (`tasks.classify.splits`): all rungs train, choose and are tested on the same.
2. `majority` and `linear` are fitted by scikit-learn (`evaluate.classifier_baselines`); each rung above is a run of `finetune classify`.
3. All are measured on the same test texts, and tested in pairs: the cheapest is advised that is not significantly worse than the best
   (`evaluate.advice`). Cheap is what answers fast: that is paid each time, training once.

A rung that is finished is not climbed again: the same command continues a ladder that was stopped, and with more `--rungs` it grows.

    ladders/x/  ladder.json            what was asked for
                rungs/NAME.json        figures of a rung and what it said of each test text
                NAME/, NAME/fold-1/    its run
                result.json report.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import Result, gather, several
from zhixing.console import count, duration, say
from zhixing.errors import ArtifactError, Interrupted, SettingError
from zhixing.files import human_bytes, read_json, sole_user, write_json
from zhixing.run_folder import refuse_two_lengths
from zhixing.verbs.evaluate import MetricResult
from zhixing.verbs.ladder.folder import begin, wanted_of

if TYPE_CHECKING:
    from zhixing.tasks.classify.material import Columns
    from zhixing.tasks.classify.splits import Part, Splits

RUNGS: dict[str, dict[str, Any]] = {
    "majority": {},
    "linear": {},
    "fasttext": {"model.kind": "bag"},
    "cnn": {"model.kind": "cnn"},
    "lstm": {"model.kind": "rnn", "model.cell": "lstm"},
    "transformer": {"model.kind": "bert"},
    "pretrained": {},
}
"""From the simplest on, each with what makes it; their sizes and rates are those that `finetune classify` gives such a model."""
CHEAP, PRETRAINED = ("majority", "linear"), "pretrained"
RESULT = "result.json"


class RungResult(Result):
    """One rung of the ladder."""

    name: str
    metrics: dict[str, MetricResult]
    difference: float | None
    """Its score less that of the rung that is advised, by the metric that decides; none for that one itself."""
    low: float | None
    high: float | None
    p: float | None
    """Of the paired test between the two, corrected for the number of tests (Holm)."""
    parameters: int
    bytes: int
    """On disk: weights and tokenizer, or weights and n-grams."""
    seconds: float
    """Of training, in all runs of the rung."""
    texts_per_second: float
    """In prediction, in fp32."""
    run: str | None
    """Its run, or the folder of its runs."""


class ClassifyLadderResult(Result):
    """What `ladder classify` returns; also `result.json` of its folder."""

    out: str
    kind: str
    train_texts: int
    """In each run, those that chose the best weights among them."""
    test_texts: int
    folds: int
    minutes: float | None
    metric: str
    """What decides."""
    best: str
    advised: str
    advice: str
    rungs: list[RungResult]

    def lines(self) -> Iterator[str]:
        """The table for the terminal."""
        shown = [name for name in (self.metric, "precision_macro", "recall_macro", "f1_macro") if name in self.rungs[0].metrics]
        head = "".join(f"{name.removesuffix('_macro'):>10}" for name in shown[1:])
        yield f"{'rung':<12}{self.metric:>12}  {'interval':<17}{head}{'p':>8}{'training':>12}{'size':>10}{'parameters':>12}{'texts/s':>9}"
        for r in self.rungs:
            main = r.metrics[self.metric]
            others = "".join(f"{r.metrics[name].value:>10.4f}" for name in shown[1:])
            p = "" if r.p is None else f"{r.p:.4f}"
            costs = f"{duration(r.seconds):>12}{human_bytes(r.bytes):>10}{count(r.parameters):>12}{count(r.texts_per_second):>9}"
            yield f"{r.name:<12}{main.value:>12.4f}  {f'[{main.low:.4f}, {main.high:.4f}]':<17}{others}{p:>8}{costs}"
        yield self.advice
        yield f"report: {Path(self.out) / 'report.html'}"


def classify(
    *,
    data: Annotated[list[str] | str, "Labelled texts: csv, tsv, jsonl, json, parquet, a folder of classes, a corpus by name, a hub id."],
    out: Annotated[Path, "The folder to write, or an unfinished one to continue."],
    test: Annotated[list[str] | str | None, "Texts to test on. Default: a fifth of each class of the data."] = None,
    base: Annotated[
        str | None,
        "What the rung pretrained starts from: minilm, a run, a Hugging Face folder, a hub id (see get --help). Default: minilm, for texts "
        "not in Chinese.",
    ] = None,
    text_column: Annotated[str | None, "Name or 0-based number of the column of texts."] = None,
    label_column: Annotated[str | None, "Name or 0-based number of the column of labels."] = None,
    pair_column: Annotated[str | None, "Name or 0-based number of the column of second texts, for pairs."] = None,
    minutes: Annotated[float | None, "Minutes that each rung may train. Default: objective.epochs decide."] = None,
    folds: Annotated[int, "Cross-validate: each rung trains so many times, each time tested on another part of the data."] = 1,
    rungs: Annotated[
        list[str] | str | None,
        "Which kinds, as in linear,cnn: majority, linear, fasttext, cnn, lstm, transformer, pretrained. Default: all.",
    ] = None,
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
    config: Annotated[Path | None, "A TOML file of settings for every network."] = None,
    settings: Annotated[Sequence[str] | Mapping[str, Any] | None, "Settings for every network, as dotted.key=value."] = None,
) -> ClassifyLadderResult:
    """Train one kind of classifier after the other on the same texts, and say which is worth its price.

    Settings of the model and the tokenizer are for the networks that begin anew, those of LoRA for the pre-trained one.
    Raises `Interrupted` after SIGINT or SIGTERM: what is done stays, and the same command goes on.
    """
    from zhixing.tasks.classify.material import Columns
    from zhixing.tasks.classify.recipe import drafted
    from zhixing.tasks.classify.splits import deal
    from zhixing.verbs.finetune.wordings import refuse_another_script, reworded, translators

    data, test, rungs = several(data), several(test), several(rungs)

    chosen, out = gather(config, settings), Path(out)
    wanted = wanted_of(rungs, RUNGS)
    _check(chosen, wanted, minutes, folds, test)
    where = Columns(text_column, label_column, pair_column)
    shared = {key: value for key, value in chosen.items() if key.startswith(("data.", "clean.", "objective."))}
    draft = drafted(shared)
    augment = draft.objective.augment
    translators(augment, device)
    splits = deal(data, test, folds, draft.data, draft.clean, where)
    refuse_another_script([part.material for part in splits.parts], augment)
    if PRETRAINED in wanted and base is None:
        base = _usual_base(splits, wanted, rungs is not None)
    wish = Asked(data, base, where, minutes, device, chosen)
    asked = {"minutes": minutes, "folds": folds, "settings": dict(chosen)}
    begin(out, splits.fingerprint, asked, "classify", {"data": data, "test": test})
    with sole_user(out):
        if set(wanted) - set(CHEAP):
            materials = reworded([part.material for part in splits.parts], augment, out, device)
            splits = replace(splits, parts=[replace(part, material=one) for part, one in zip(splits.parts, materials, strict=True)])
        for name in wanted:
            if (out / "rungs" / f"{name}.json").is_file():
                _refuse_another(out, name, base)
                say(f"{name}: finished already")
                continue
            try:
                _climb(name, out, splits, wish)
            except (KeyboardInterrupt, Interrupted):
                raise Interrupted(f"stopped in {name}; the same command continues {out}") from None
        return _finish(out, splits, minutes)


@dataclass(frozen=True)
class Asked:
    """What the user asked for, as far as it concerns the training of a rung."""

    data: list[str]
    base: str | None
    columns: Columns
    minutes: float | None
    device: str
    chosen: Mapping[str, Any]


def _check(chosen: Mapping[str, Any], wanted: Sequence[str], minutes: float | None, folds: int, test: Sequence[str] | None) -> None:
    """Raise `SettingError` for wishes that contradict one another or do not suit every rung, before anything is read."""
    from zhixing.tasks.classify.augment import read_synonyms
    from zhixing.tasks.classify.ngrams import need_scikit_learn
    from zhixing.tasks.classify.recipe import drafted

    for name in ("model.kind", "model.cell"):
        if name in chosen:
            raise SettingError(name, "is what tells the rungs of a ladder apart; choose them with --rungs")
    refuse_two_lengths(minutes, chosen)
    if folds < 1:
        raise SettingError("folds", "must be at least 1")
    if folds > 1 and test is not None:
        raise SettingError("test", "cannot be given together with --folds, which test on each part of the data in turn")
    if "linear" in wanted:
        need_scikit_learn("the rung linear")
    for name in wanted:
        if name not in CHEAP:
            recipe = drafted(_settings(name, chosen))
            read_synonyms(recipe.objective.augment.synonyms)
            if recipe.objective.ngrams:
                need_scikit_learn("objective.ngrams")


def _settings(name: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a rung."""
    if name == PRETRAINED:
        return {key: value for key, value in chosen.items() if not key.startswith(("model.", "tokenizer.")) or key == "model.dropout"}
    return {**RUNGS[name], **{key: value for key, value in chosen.items() if not key.startswith("lora.")}}


def _usual_base(splits: Splits, wanted: list[str], named: bool) -> str | None:
    """The packaged encoder, which has read English; the rung is left out where it is not named and the texts are Chinese."""
    from zhixing.corpus.labelled import mostly_chinese

    if not mostly_chinese(splits.parts[0].material.train):
        return "minilm"
    if named:
        raise SettingError("base", "must name what the rung pretrained starts from: the packaged minilm has read no Chinese")
    wanted.remove(PRETRAINED)
    say("pretrained: left out, as the packaged minilm has read no Chinese; --base names another encoder")
    return None


def _refuse_another(out: Path, name: str, base: str | None) -> None:
    """Raise `ArtifactError` for a finished rung that began with another base."""
    begun = read_json(out / "rungs" / f"{name}.json")["base"]
    if name == PRETRAINED and begun != base:
        raise ArtifactError(out / name, f"began with the base {begun}, not {base}; give the same, or choose another --out")


def _climb(name: str, out: Path, splits: Splits, asked: Asked) -> None:
    """Train a rung on each part, and keep what it says of the texts that it is tested on."""
    import numpy as np

    said: list[Any] = [None] * len(splits.tested)
    sums = {"parameters": 0, "bytes": 0, "seconds": 0.0, "predicting": 0.0}
    for number, part in enumerate(splits.parts, start=1):
        several = len(splits.parts) > 1
        say(f"{name}: fold {number} of {len(splits.parts)}" if several else f"{name}: training")
        run = out / name / f"fold-{number}" if several else out / name
        found = _cheap(name, part, splits, asked) if name in CHEAP else _network(name, run, part, asked, len(splits.parts))
        for place, one in zip(part.places, np.asarray(found.said).tolist(), strict=True):
            said[place] = one
        sums["parameters"], sums["bytes"] = found.parameters, found.bytes
        sums["seconds"] += found.fitting
        sums["predicting"] += found.predicting
    run_folder = None if name in CHEAP else str(out / name)
    write_json(
        out / "rungs" / f"{name}.json",
        {"name": name, **sums, "run": run_folder, "base": asked.base if name == PRETRAINED else None, "said": said},
    )


def _cheap(name: str, part: Part, splits: Splits, asked: Asked) -> Any:
    """A rung of scikit-learn's."""
    from zhixing.evaluate import classifier_baselines as baselines

    material, targets = part.material, splits.targets
    if name == "majority":
        return baselines.majority(material.train, part.test, targets)
    return baselines.linear(material.train, material.valid, part.test, targets, _metric(splits), int(asked.chosen.get("train.seed", 1)))


def _network(name: str, run: Path, part: Part, asked: Asked, shares: int) -> Any:
    """A rung that is a run of `finetune classify`."""
    from zhixing.evaluate.classifier_baselines import Fitted
    from zhixing.evaluate.labels import predicted
    from zhixing.tasks.artifact import WEIGHTS
    from zhixing.tasks.classify.artifact import open_classifier
    from zhixing.tasks.classify.ngrams import NAMES, NUMBERS
    from zhixing.verbs.finetune.classify import Wish
    from zhixing.verbs.finetune.classify import run as finetune

    base, minutes = (asked.base if name == PRETRAINED else None), None if asked.minutes is None else asked.minutes / shares
    wish = Wish(asked.data, run, base, None, asked.columns, minutes, None, asked.device, _settings(name, asked.chosen))
    result = finetune(wish, part.material)
    opened = open_classifier(run, asked.device)
    pairs = [e.pair or "" for e in part.test] if part.material.paired else None
    say(f"{name}: {len(part.test)} texts to test on")
    began = time.perf_counter()
    outputs = opened.outputs([e.text for e in part.test], pairs)
    predicting = time.perf_counter() - began
    files = (WEIGHTS, "tokenizer.json", NAMES, NUMBERS)
    size = sum((run / file).stat().st_size for file in files if (run / file).is_file())
    return Fitted(predicted(outputs, opened.task.targets), result.parameters, size, result.seconds, predicting)


def _metric(splits: Splits) -> Any:
    """What decides."""
    from zhixing.evaluate.labels import gold, labelled, usual_metric

    wanted = gold(splits.tested[:1], splits.targets)
    metrics, _ = labelled(wanted, wanted, splits.targets)
    return next(metric for metric in metrics if metric.name == usual_metric(splits.targets.kind))


def _finish(out: Path, splits: Splits, minutes: float | None) -> ClassifyLadderResult:
    """Figures, tests, advice and report of all rungs that are finished."""
    import numpy as np

    from zhixing.evaluate import significance
    from zhixing.evaluate.advice import Contender, advise
    from zhixing.evaluate.labels import gold, labelled
    from zhixing.evaluate.report import write_rungs_report

    wanted, targets, count_of = gold(splits.tested, splits.targets), splits.targets, len(splits.tested)
    records = [read_json(out / "rungs" / f"{name}.json") for name in RUNGS if (out / "rungs" / f"{name}.json").is_file()]
    about = f"texts:{count_of}" + (f"|folds:{len(splits.parts)}" if len(splits.parts) > 1 else "")
    rows, metrics = {}, {}
    for record in records:
        known, rows[record["name"]] = labelled(wanted, np.array(record["said"], dtype=wanted.dtype), targets)
        found = significance.estimates(known, rows[record["name"]], f"{about}|rung:{record['name']}")
        metrics[record["name"]] = {name: MetricResult(**entry) for name, entry in found.items()}
    main = _metric(splits)
    advice = advise(main, [Contender(r["name"], rows[r["name"]], r["predicting"] / count_of) for r in records])
    rungs = []
    for record in records:
        name, against = record["name"], advice.against.get(record["name"])
        difference = None if against is None else against[0]
        rungs.append(
            RungResult(
                name=name,
                metrics=metrics[name],
                difference=difference and difference.difference,
                low=difference and difference.low,
                high=difference and difference.high,
                p=against and against[1],
                texts_per_second=count_of / max(1e-9, record["predicting"]),
                **{key: record[key] for key in ("parameters", "bytes", "seconds", "run")},
            )
        )
    material = splits.parts[0].material
    whole = ClassifyLadderResult(
        out=str(out),
        kind=targets.kind,
        train_texts=len(material.train) + len(material.valid),
        test_texts=count_of,
        folds=len(splits.parts),
        minutes=minutes,
        metric=main.name,
        best=advice.best,
        advised=advice.taken,
        advice=_said(advice, main.name, len(records)),
        rungs=rungs,
    )
    write_json(out / RESULT, whole.model_dump())
    write_rungs_report(out)
    return whole


def _said(advice: Any, metric: str, rungs: int) -> str:
    """The advice in one sentence."""
    if rungs == 1:
        return f"only {advice.taken} is finished; there is nothing to compare it with"
    if advice.taken == advice.best:
        return f"take {advice.taken}: it is the best in {metric.replace('_', ' ')}, and whatever is cheaper is significantly worse"
    return (
        f"no significant difference in {metric.replace('_', ' ')} between {advice.taken} and {advice.best}, the best (p = {advice.p:.2g}): "
        f"take the cheaper, {advice.taken}"
    )
