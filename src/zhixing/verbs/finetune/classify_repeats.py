"""Several runs of one wish: from several seeds, of which the best is kept, or over the folds of a cross-validation.

runs/senti/            the artifact of the best seed, with the spread over all
    seed-1/ seed-2/    each a run

runs/senti/            kind `crossval`: scores of all texts, each by the run that was not trained on it
    fold-1/ fold-2/    each a run
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zhixing.config import gather
from zhixing.console import say
from zhixing.errors import ArtifactError
from zhixing.files import MANIFEST, open_folder, read_json, seal, sole_user, write_json
from zhixing.verbs.evaluate import MetricResult
from zhixing.verbs.finetune.classify import ClassifyResult, Wish, materials, run

SUMMARY = "runs.json"


def over_seeds(wish: Wish, count: int) -> ClassifyResult:
    """Train from several seeds; the run folder is the best one's, with mean and spread of all."""
    first = int(gather(None, wish.chosen).get("train.seed", 1))
    if (wish.out / MANIFEST).is_file() and not (wish.out / SUMMARY).is_file():
        raise ArtifactError(wish.out, "was begun without --seeds; choose another --out")
    material = materials(wish)
    with sole_user(wish.out):
        results = []
        for seed in range(first, first + count):
            say(f"seed {seed}")
            results.append(run(replace(wish, out=wish.out / f"seed-{seed}", chosen={**wish.chosen, "train.seed": seed}), material))
        metric = read_json(wish.out / f"seed-{first}" / "lineage.json")["metric"]
        best = _best(results, metric)
        chosen = wish.out / f"seed-{first + best}"
        for file in sorted(p for p in chosen.iterdir() if p.is_file() and p.name not in (MANIFEST, ".lock")):
            shutil.copy2(file, wish.out / file.name)
        summary = results[best].model_copy(
            update={
                "run": str(wish.out),
                "seconds": sum(r.seconds for r in results),
                "spread": spread(results),
                "runs": [r.run for r in results],
            }
        )
        return _summarised(wish, summary, chosen)


def _summarised(wish: Wish, summary: ClassifyResult, chosen: Any) -> ClassifyResult:
    """Write what several runs have in common beside the files of the best one, which make the folder a run."""
    from zhixing.evaluate.report import write_classifier_report

    write_json(wish.out / SUMMARY, {"runs": summary.runs, "spread": summary.spread})
    write_json(wish.out / "result.json", summary.model_dump())
    write_classifier_report(wish.out)
    if not (wish.out / MANIFEST).is_file():
        sealed = read_json(chosen / MANIFEST)
        write_json(wish.out / MANIFEST, sealed)
    return summary


def _best(results: Sequence[ClassifyResult], metric: str) -> int:
    """The number of the best result on validation texts."""
    from zhixing.evaluate.labels import lower_is_better

    sign = -1 if lower_is_better(metric) else 1
    return max(range(len(results)), key=lambda i: sign * results[i].metrics[metric].value)


def spread(results: Sequence[ClassifyResult]) -> dict[str, dict[str, float]]:
    """Mean, deviation (of a sample), lowest and highest of each metric."""
    found = {}
    for name in results[0].metrics:
        values = [r.metrics[name].value for r in results if name in r.metrics]
        found[name] = {
            "mean": statistics.fmean(values),
            "deviation": statistics.stdev(values) if len(values) > 1 else 0.0,
            "lowest": min(values),
            "highest": max(values),
        }
    return found


def cross_validate(wish: Wish, count: int) -> ClassifyResult:
    """Train on all folds but one, in turn, and measure each text by the run that has not read it."""
    import numpy as np

    from zhixing.config import resolve
    from zhixing.corpus.labelled.examine import refuse_untrainable
    from zhixing.corpus.labelled.split import folds
    from zhixing.evaluate.labels import estimates, gold, measured
    from zhixing.tasks.classify import artifact, material
    from zhixing.tasks.classify.objective import Targets
    from zhixing.tasks.classify.recipe import ClassifyRecipe

    if (wish.out / MANIFEST).is_file():
        open_folder(wish.out, "crossval", verify=False)
    draft = resolve(ClassifyRecipe, wish.chosen, {"schedule.warmup": 0})
    found = material.load(wish.data, draft.data, draft.clean, wish.columns)
    refuse_untrainable(found.examples, found.kind)
    dealt = folds(found.examples, count, draft.data.seed)
    targets = Targets.of(found.examples, found.kind)
    outputs = np.zeros((len(found.examples), targets.classes))
    results = []
    with sole_user(wish.out):
        for number, fold in enumerate(dealt, start=1):
            say(f"fold {number} of {count}")
            held = set(fold)
            rest = [e for i, e in enumerate(found.examples) if i not in held]
            # The best step is chosen on a part of the training texts, never on the fold that is measured.
            inner, chosen_by = _inner(rest, draft.data.valid, draft.data.seed)
            part = material.Material(inner, chosen_by, found, [], targets, found.paired)
            place = replace(wish, out=wish.out / f"fold-{number}")
            results.append(run(place, part))
            opened = artifact.open_classifier(place.out, wish.device)
            some = [found.examples[i] for i in fold]
            pairs = [e.pair or "" for e in some] if found.paired else None
            outputs[fold] = opened.outputs([e.text for e in some], pairs)
        wanted = gold(found.examples, targets)
        about = f"texts:{len(found.examples)}|folds:{count}|seed:{draft.data.seed}"
        metrics = {n: MetricResult(**e) for n, e in estimates(measured(wanted, outputs, targets), about).items()}
        each = [_measured_fold(wanted[fold], outputs[fold], targets) for fold in dealt]
        summary = results[0].model_copy(
            update={
                "run": str(wish.out),
                "valid_texts": len(found.examples),
                "train_texts": len(found.examples),
                "seconds": sum(r.seconds for r in results),
                "metrics": metrics,
                "spread": {
                    name: {"mean": statistics.fmean(v), "deviation": statistics.stdev(v), "lowest": min(v), "highest": max(v)}
                    for name in each[0]
                    if (v := [one[name] for one in each])
                },
                "runs": [r.run for r in results],
            }
        )
        write_json(wish.out / "result.json", summary.model_dump())
        if not (wish.out / MANIFEST).is_file():
            seal(wish.out, "crossval")
    return summary


def _inner(rest: list[Any], share: float, seed: int) -> tuple[list[Any], list[Any]]:
    from zhixing.corpus.labelled.split import split

    return split(rest, share, seed)


def _measured_fold(wanted: Any, outputs: Any, targets: Any) -> dict[str, float]:
    from zhixing.evaluate.labels import figures

    return figures(wanted, outputs, targets)
