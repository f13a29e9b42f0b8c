"""Several runs of one wish: from several seeds, of which the best is kept, or over the folds of a cross-validation.

runs/senti/            the artifact of the best seed, with the spread over all
    seed-1/ seed-2/    each a run

runs/senti/            kind `crossval`: scores of all texts, each by the run that was not trained on it
    fold-1/ fold-2/    each a run
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

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
                "spread": spread([{name: m.value for name, m in r.metrics.items()} for r in results]),
                "runs": [r.run for r in results],
            }
        )
        return _summarised(wish, summary, chosen)


def _summarised(wish: Wish, summary: ClassifyResult, chosen: Path) -> ClassifyResult:
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


def spread(figures: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Mean, deviation (of a sample), lowest and highest of each metric of several runs."""
    found = {}
    for name in figures[0]:
        values = [one[name] for one in figures if name in one]
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
    from zhixing.evaluate.labels import estimates, figures, gold, measured
    from zhixing.tasks.classify.artifact import open_classifier
    from zhixing.tasks.classify.recipe import ClassifyRecipe
    from zhixing.tasks.classify.splits import deal

    if (wish.out / MANIFEST).is_file():
        open_folder(wish.out, "crossval", verify=False)
    draft = resolve(ClassifyRecipe, wish.chosen, {"schedule.warmup": 0})
    splits = deal(wish.data, None, count, draft.data, draft.clean, wish.columns)
    targets, texts = splits.targets, len(splits.tested)
    outputs = np.zeros((texts, targets.classes))
    results = []
    with sole_user(wish.out):
        for number, part in enumerate(splits.parts, start=1):
            say(f"fold {number} of {count}")
            place = replace(wish, out=wish.out / f"fold-{number}")
            results.append(run(place, part.material))
            pairs = [e.pair or "" for e in part.test] if part.material.paired else None
            outputs[part.places] = open_classifier(place.out, wish.device).outputs([e.text for e in part.test], pairs)
        wanted = gold(splits.tested, targets)
        about = f"texts:{texts}|folds:{count}|seed:{draft.data.seed}"
        metrics = {n: MetricResult(**e) for n, e in estimates(measured(wanted, outputs, targets), about).items()}
        each = [figures(wanted[part.places], outputs[part.places], targets) for part in splits.parts]
        summary = results[0].model_copy(
            update={
                "run": str(wish.out),
                "valid_texts": texts,
                "train_texts": texts,
                "seconds": sum(r.seconds for r in results),
                "metrics": metrics,
                "spread": spread(each),
                "runs": [r.run for r in results],
            }
        )
        write_json(wish.out / "result.json", summary.model_dump())
        if not (wish.out / MANIFEST).is_file():
            seal(wish.out, "crossval")
    return summary
