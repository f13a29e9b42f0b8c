"""The run folder of a verb that trains: begun, taken up again, finished. What is learnt in it is the verb's affair.

runs/x/  config.json lineage.json environment.json   before the first step, beside the verb's own: tokenizers, reports of the data
         metrics.jsonl checkpoints/                  the session's
         result.json                                 last: a run that has one is finished
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from zhixing.config import Result, Settings, flatten, resolve
from zhixing.console import say
from zhixing.errors import ArtifactError, SettingError
from zhixing.files import MANIFEST, open_folder, read_json, refuse_existing, sha256, write_json, writing
from zhixing.version import __version__

S = TypeVar("S", bound=Settings)
R = TypeVar("R", bound=Result)


def is_begun(out: Path) -> bool:
    """Whether a run is there to be continued. Raises `ArtifactError` for a place where neither is one nor one can begin."""
    with writing(out):
        begun = (out / MANIFEST).is_file()
    if begun:
        open_folder(out, "run", verify=False)  # before a lock is laid into it
    else:
        refuse_existing(out)
    return begun


def write_record(folder: Path, recipe: Settings, lineage: Mapping[str, Any], chosen: Mapping[str, Any], minutes: float | None) -> None:
    """Write what decides a run, what it comes from and what was asked for, and the machine that it begins on."""
    from zhixing import device as devices

    write_json(folder / "config.json", recipe.model_dump(mode="json"))
    write_json(folder / "lineage.json", {**lineage, "settings": dict(chosen), "minutes": minutes, "zhixing": __version__})
    write_json(folder / "environment.json", devices.environment())


def taken_up(out: Path, kind: type[S], chosen: Mapping[str, Any], minutes: float | None) -> S:
    """The recipe of a run that was begun.

    minutes: those of before, on which its steps were decided, or None. Raises `ArtifactError` when it is damaged, `SettingError` for other
    minutes or settings than its own.
    """
    open_folder(out, "run")
    recipe = resolve(kind, read_json(out / "config.json"))
    before = read_json(out / "lineage.json")["minutes"]
    if minutes is not None and minutes != before:
        was = "had none" if before is None else f"are {before:g}"
        raise SettingError("minutes", f"{was} in this run, whose steps are decided; give the same, or choose another --out for a new run")
    refuse_changes(kind, recipe, chosen)
    return recipe


def finished(out: Path, kind: type[R]) -> R | None:
    """The result of a run that has nothing left to do."""
    if not (out / "result.json").is_file():
        return None
    say(f"{out} is finished already; choose another --out for a new run")
    return kind.model_validate(read_json(out / "result.json"))


def refuse_other_data(out: Path, fingerprint: str) -> None:
    """Raise `ArtifactError` unless a run was begun with the data of this fingerprint."""
    if read_json(out / "lineage.json")["data"]["fingerprint"] != fingerprint:
        raise ArtifactError(
            out, "was begun with other data, or another part of it (data.*, --folds); give the same, or choose another --out"
        )


def refuse_other_base(out: Path, base: str | None, metric: str) -> None:
    """Raise `ArtifactError` unless a run was begun with a base, or without one, as this call is, and with the same metric to decide."""
    lineage = read_json(out / "lineage.json")
    begun = lineage["base"]
    if (begun is None) != (base is None):
        how = "without --base" if begun is None else f"with --base {begun['name']}"
        raise ArtifactError(out, f"was begun {how}; give the same, or choose another --out")
    if lineage["metric"] != metric:
        raise ArtifactError(out, f"was begun with --metric {lineage['metric']}, not {metric}; give the same, or choose another --out")


def refuse_changed_base(out: Path, identity: str | None) -> None:
    """Raise `ArtifactError` unless the base, by the SHA-256 of its weights, is the one that a run was begun with."""
    begun = read_json(out / "lineage.json")["base"]
    if begun is not None and begun["sha256"] != identity:
        raise ArtifactError(out, f"was begun with {begun['name']} as it was then; give that, or choose another --out")


def begun_vectors(out: Path, record: Mapping[str, Any] | None) -> Path | None:
    """The word vectors that a run's embedding begins with, by the record in its lineage; None once a checkpoint holds what became of them.

    Raises `ArtifactError` for vectors that have changed since, or are gone.
    """
    if record is None or any((out / "checkpoints").glob("step-*")):
        return None
    folder = Path(record["path"])
    if not (folder / MANIFEST).is_file() or sha256(folder / MANIFEST) != record["manifest"]:
        raise ArtifactError(folder, f"no longer holds the vectors that {out} was begun with; choose another --out")
    return folder


def refuse_changes(kind: type[S], before: S, chosen: Mapping[str, Any]) -> None:
    """A run keeps the settings that it was begun with. Raises `SettingError` naming one of `chosen` (dotted names) that differs."""
    old = dict(flatten(before.model_dump()))
    changed = resolve(kind, chosen, old)
    if changed != before:
        new = dict(flatten(changed.model_dump()))
        name = next(n for n in new if new[n] != old.get(n))
        raise SettingError(name, f"is {old.get(name)} in this run, which cannot change on the way; choose another --out for a new run")


def refuse_two_lengths(minutes: float | None, chosen: Mapping[str, Any]) -> None:
    """Raise `SettingError` unless at most one of minutes, `train.steps` and `objective.epochs` says how long to train."""
    if minutes is not None and not 0 < minutes < float("inf"):
        raise SettingError("minutes", f"must be a positive number, not {minutes}")
    said = [name for name in ("train.steps", "objective.epochs") if name in chosen]
    if minutes is not None and said:
        raise SettingError(said[0], "cannot be given together with --minutes: both say how long to train; give one of them")
    if len(said) > 1:
        raise SettingError("train.steps", "cannot be given together with objective.epochs: both say how long to train; give one of them")
