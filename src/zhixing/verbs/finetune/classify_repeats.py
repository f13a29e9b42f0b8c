"""Several runs of one wish: from several seeds, of which the best is kept, or over the folds of a cross-validation.

runs/senti/            the artifact of the best seed or of the average, with the spread over the seeds
    seed-1/ seed-2/    each a run
    average-1-2/       with --base, the mean of their weights: models that were tuned from the same weights lie in one basin, where the
                       mean is often better than each of them (Wortsman et al. 2022, arXiv 2203.05482), and as fast as one

runs/senti/            kind `crossval`: scores of all texts, each by the run that was not trained on it
    fold-1/ fold-2/    each a run
"""

from __future__ import annotations

import math
import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zhixing.config import gather
from zhixing.console import say
from zhixing.errors import ArtifactError
from zhixing.files import MANIFEST, new_folder, open_folder, read_json, refuse_existing, seal, sole_user, write_json
from zhixing.run_folder import finished, is_begun
from zhixing.verbs.evaluate import MetricResult
from zhixing.verbs.finetune.classify import ClassifyResult, Wish, conclude, materials, run

if TYPE_CHECKING:
    from zhixing.tasks.classify.material import Material

SUMMARY = "runs.json"


def over_seeds(wish: Wish, count: int) -> ClassifyResult:
    """Train from several seeds; the run folder is the best one's, with mean and spread of all."""
    from zhixing.tasks.classify.recipe import drafted
    from zhixing.verbs.finetune.wordings import reworded

    first = int(gather(None, wish.chosen).get("train.seed", 1))
    if (wish.out / MANIFEST).is_file() and not (wish.out / SUMMARY).is_file():
        raise ArtifactError(wish.out, "was begun without --seeds; choose another --out")
    _refuse_strangers(wish.out, f"seed-{first}")
    wish = _as_begun(wish, wish.out / f"seed-{first}")
    draft = drafted(wish.chosen)
    material = materials(wish)
    with sole_user(wish.out):
        (material,) = reworded([material], draft.objective.augment, wish.out, wish.device)
        results: list[ClassifyResult] = []
        for seed in range(first, first + count):
            say(f"seed {seed}")
            place = replace(wish, out=wish.out / f"seed-{seed}", chosen={**wish.chosen, "train.seed": seed})
            results.append(run(place, material, Path(results[0].run) if results else None))
        metric = read_json(wish.out / f"seed-{first}" / "lineage.json")["metric"]
        kept = [_average(wish, material, results, f"average-{first}-{first + count - 1}"), *results] if wish.base is not None else results
        best = kept[_best(kept, metric)]
        chosen = Path(best.run)
        if _kept(wish.out) != best.run:
            (wish.out / MANIFEST).unlink(missing_ok=True)  # until all files are those of the run that is kept, the folder is none
        for file in sorted(p for p in chosen.iterdir() if p.is_file() and p.name not in (MANIFEST, ".lock")):
            shutil.copy2(file, wish.out / file.name)
        summary = best.model_copy(
            update={
                "run": str(wish.out),
                "seconds": sum(r.seconds for r in results),
                "spread": spread([{name: m.value for name, m in r.metrics.items()} for r in results]),
                "runs": [r.run for r in results],
                "kept": best.run,
            }
        )
        return _summarised(wish, summary, chosen)


def _kept(out: Path) -> str | None:
    """Which of its runs a folder of several has its files of; None where that is not settled yet."""
    if not (out / MANIFEST).is_file():
        return None
    kept: str | None = read_json(out / "result.json").get("kept")
    return kept


def _refuse_strangers(out: Path, first: str) -> None:
    """Raise `ArtifactError` for a folder with files in it of which no earlier call has made the first run."""
    from zhixing.verbs.finetune.wordings import NOTE

    ours = any((out / name).is_file() for name in (MANIFEST, NOTE, f"{first}/{MANIFEST}"))
    if not ours and not (out.is_dir() and all(p.name.startswith(".") for p in out.iterdir())):  # of what a kill leaves, there is the lock
        refuse_existing(out)


def _as_begun(wish: Wish, first: Path) -> Wish:
    """The wish with the settings and minutes of the first run, where that is begun: left out now, they still are those of all runs."""
    if not is_begun(first):
        return wish
    before = read_json(first / "lineage.json")
    chosen = {name: value for name, value in before["settings"].items() if name != "train.seed"}
    return replace(wish, minutes=before["minutes"] if wish.minutes is None else wish.minutes, chosen={**chosen, **wish.chosen})


def _average(wish: Wish, material: Material, results: Sequence[ClassifyResult], name: str) -> ClassifyResult:
    """The mean of the weights of runs that began with the same base, as a run of its own.

    name: of its folder, which says of which seeds: more of them are another average.
    """
    from zhixing.tasks.classify.artifact import open_classifier
    from zhixing.tokenizer.tokenizer import Tokenizer

    out, first = wish.out / name, Path(results[0].run)
    if not is_begun(out):
        with new_folder(out, "run", extra={"task": "classify", "data": material.fingerprint}) as folder:
            for file in _RECORD:
                shutil.copy2(first / file, folder / file)
            Tokenizer.load(first / "tokenizer.json").save(folder / "tokenizer.json")
    with sole_user(out):
        if (result := finished(out, ClassifyResult)) is not None:
            return result
        say(f"the average of {len(results)} seeds")
        opened = open_classifier(first, wish.device)
        mean = {key: value.double() / len(results) for key, value in opened.model.state_dict().items()}
        for one in results[1:]:
            for key, value in open_classifier(Path(one.run), wish.device).model.state_dict().items():
                mean[key] += value.double() / len(results)
        opened.model.load_state_dict(mean)
        facts = results[0].model_dump(include={"trained_parameters", "tokens_per_second"})
        facts |= {"steps": sum(r.steps for r in results), "best_step": sum(r.best_step for r in results)}
        facts |= {"seconds": sum(r.seconds for r in results), "stopped_early": any(r.stopped_early for r in results)}
        return conclude(replace(wish, out=out), opened.model, material, opened.recipe, facts)


_RECORD = (
    "config.json",
    "environment.json",
    "lineage.json",
    "data_report.json",
    "data_report.html",
    "set_aside.jsonl",
    "metrics.jsonl",
)
"""What the average has of the first seed's run: they share all but the seed. Its log is the first seed's."""


def _summarised(wish: Wish, summary: ClassifyResult, chosen: Path) -> ClassifyResult:
    """Write what several runs have in common beside the files of the best one, which make the folder a run."""
    from zhixing.evaluate.report import write_classifier_report

    write_json(wish.out / SUMMARY, {"runs": summary.runs, "spread": summary.spread})
    write_json(wish.out / "result.json", summary.model_dump())
    write_classifier_report(wish.out)
    write_json(wish.out / MANIFEST, read_json(chosen / MANIFEST))
    return summary


def _best(results: Sequence[ClassifyResult], metric: str) -> int:
    """The number of the best result on validation texts; of equal ones, and where the metric does not exist, the first."""
    from zhixing.evaluate.labels import lower_is_better

    sign = -1 if lower_is_better(metric) else 1
    values = [sign * r.metrics[metric].value if metric in r.metrics else -math.inf for r in results]
    return values.index(max(values))


def spread(figures: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Mean, deviation (of a sample), lowest and highest of each metric of several runs."""
    found = {}
    for name in dict.fromkeys(name for one in figures for name in one):
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

    from zhixing.evaluate.labels import estimates, figures, gold, measured
    from zhixing.tasks.classify.artifact import open_classifier
    from zhixing.tasks.classify.recipe import drafted
    from zhixing.tasks.classify.splits import deal
    from zhixing.verbs.finetune.wordings import refuse_another_script, reworded

    if (wish.out / MANIFEST).is_file():
        open_folder(wish.out, "crossval", verify=False)
    _refuse_strangers(wish.out, "fold-1")
    wish = _as_begun(wish, wish.out / "fold-1")
    draft = drafted(wish.chosen)
    splits = deal(wish.data, None, count, draft.data, draft.clean, wish.columns)
    refuse_another_script([part.material for part in splits.parts], draft.objective.augment)
    targets, texts = splits.targets, len(splits.tested)
    outputs = np.zeros((texts, targets.classes))
    results: list[ClassifyResult] = []
    with sole_user(wish.out):
        shared = reworded([part.material for part in splits.parts], draft.objective.augment, wish.out, wish.device)
        for number, (part, material) in enumerate(zip(splits.parts, shared, strict=True), start=1):
            say(f"fold {number} of {count}")
            place = replace(wish, out=wish.out / f"fold-{number}")
            results.append(run(place, material, Path(results[0].run) if results else None))
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
                "alone": None,  # of validation texts, and these figures are of the tested ones
            }
        )
        (wish.out / MANIFEST).unlink(missing_ok=True)  # it is of the result before this one
        write_json(wish.out / "result.json", summary.model_dump())
        seal(wish.out, "crossval")
    return summary
