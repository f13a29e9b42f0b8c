"""The verb `get`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from zhixing.config import Result
from zhixing.console import say
from zhixing.errors import InputError
from zhixing.files import human_bytes, refuse_existing, writing


class CorpusResult(Result):
    """One corpus."""

    name: str
    language: str
    kind: str
    content: str
    licence: str
    overlaps: str
    megabytes: float
    cached: bool
    path: str | None


class GetResult(Result):
    """What `get` returns: the corpora that were asked for, or all of the catalogue."""

    corpora: list[CorpusResult]

    def lines(self) -> Iterator[str]:
        """A line or two a corpus."""
        for c in self.corpora:
            size = f"{c.megabytes:.1f} MB"
            yield f"{c.name:<17} {c.language:<6} {c.kind:<9} {size:>8}  {c.content}"
            yield f"{'':<17} licence: {c.licence}" + (f"; overlaps: {c.overlaps}" if c.overlaps else "")
            if c.path:
                yield f"{'':<17} {c.path}"


def get(
    names: Annotated[list[str] | None, "Corpora of the catalogue, https://... or hf:owner/name[:config][:split]; none: list the catalogue."] = None,
    *,
    out: Annotated[Path | None, "Also write each as NAME.jsonl into this folder."] = None,
) -> GetResult:
    """Bring named corpora to this machine; without names, list them with size, language, licence and known overlaps.

    Raises `InputError` for an unknown name, `ZhixingError` when one cannot be had.
    """
    from zhixing.corpus import catalog

    known = {corpus.name: corpus for corpus in catalog.CATALOG}
    if names and out is not None:
        for name in names:
            refuse_existing(out / f"{name}.jsonl")
    found = []
    for name in names or known:
        if names and name not in known and not catalog.remote(name):
            raise InputError(name, f"is no corpus of the catalogue, which has {', '.join(known)}; others are written as https://... or hf:owner/name")
        path = catalog.fetch(name) / catalog.DOCUMENTS if names else None
        if path is not None and out is not None:
            copy = out / f"{catalog.place(name).name if name not in known else name}.jsonl"
            with writing(copy):
                out.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
            path = copy
        if path is not None:
            say(f"{name}: {human_bytes(path.stat().st_size)}")
        corpus = known.get(name)
        found.append(
            CorpusResult(
                name=name,
                language=corpus.language if corpus else "",
                kind=corpus.kind if corpus else "",
                content=corpus.content if corpus else "",
                licence=corpus.licence if corpus else "not stated",
                overlaps=corpus.overlaps if corpus else "",
                megabytes=path.stat().st_size / 1e6 if path else known[name].megabytes,
                cached=catalog.place(name).is_dir(),
                path=str(path) if path else None,
            )
        )
    return GetResult(corpora=found)
