"""What all ladders have in common: which rungs are wanted, and the folder that was begun with certain data and wishes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zhixing.errors import ArtifactError, SettingError
from zhixing.files import MANIFEST, new_folder, open_folder, read_json, write_json

LADDER = "ladder.json"


def wanted_of(rungs: Sequence[str] | None, known: Iterable[str]) -> list[str]:
    """The rungs that are asked for, from the lowest on. Raises `SettingError` for unknown ones, or none."""
    known = list(known)
    names = known if rungs is None else [name.strip() for word in rungs for name in word.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        raise SettingError("rungs", f"does not know {unknown[0]!r}; there are {', '.join(known)}")
    if not names:
        raise SettingError("rungs", f"names none; there are {', '.join(known)}")
    return [name for name in known if name in names]


def begin(out: Path, data: str, asked: Mapping[str, Any], task: str | None = None, names: Mapping[str, Any] | None = None) -> None:
    """Make the folder, or see that it was begun for the same task, with the same data (its fingerprint) and the same wishes.

    names: what the data are called, which may change.
    """
    told = {} if task is None else {"task": task}
    if not (out / MANIFEST).is_file():
        with new_folder(out, "ladder", extra=told) as folder:
            write_json(folder / LADDER, {**told, "data": data, **({} if names is None else {"names": names}), **asked})
        return
    open_folder(out, "ladder", verify=[LADDER])
    begun = read_json(out / LADDER)
    if begun.get("task") != task:
        raise ArtifactError(out, f"is a ladder of {'language models' if task else 'classifiers'}; choose another --out")
    if begun["data"] != data:
        raise ArtifactError(out, "was begun with other data; give that, or choose another --out")
    for name, value in asked.items():
        if begun[name] != json.loads(json.dumps(value)):
            said = [f"{name} {'left out' if one is None else one}" for one in (begun[name], value)]
            raise ArtifactError(out, f"was begun with {said[0]}, not {said[1]}; give the same, or choose another --out")
