"""What stages need beyond their settings: what is in the files that settings name, read, or learned, once and in the parent process.

It travels to workers and nodes with the settings, as data, so all of them have the same, whatever becomes of the files meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zhixing.console import say
from zhixing.corpus.clean import Clean
from zhixing.corpus.decontaminate import Overlaps, overlaps
from zhixing.corpus.document import Document
from zhixing.corpus.encoding import decode, lines
from zhixing.corpus.markup import Extract
from zhixing.corpus.perplexity import Model, train
from zhixing.corpus.readers import ReadSettings, Source, expand, read
from zhixing.errors import InputError, SettingError
from zhixing.files import reason

if TYPE_CHECKING:
    from zhixing.corpus.pipeline import CorpusSettings


@dataclass(frozen=True)
class Resources:
    """What the stages of some settings need; nothing of what they do not."""

    bad_words: tuple[str, ...] = ()
    model: Model | None = None
    overlaps: Overlaps | None = None


def named_files(settings: CorpusSettings) -> list[Source]:
    """The files that settings name. Raises `SettingError` for one that there is not."""
    chosen = settings.filter
    named = {
        "c4.bad_words": [chosen.c4.bad_words] if chosen.c4.on and chosen.c4.bad_words else [],
        "perplexity.reference": chosen.perplexity.reference,
        "evaluation.files": chosen.evaluation.files,
    }
    found: list[Source] = []
    for setting, names in named.items():
        try:
            found += expand(names) if names else []
        except InputError as error:
            raise SettingError(f"filter.{setting}", f"names a file that cannot be read: {error}") from None
    return found


def resources(settings: CorpusSettings) -> Resources:
    """Read and learn what these settings ask for. Raises `InputError` for files that cannot be read, `SettingError` for those of no use."""
    chosen = settings.filter
    model = None
    if chosen.perplexity.reference:
        say(f"learning what is usual from {', '.join(chosen.perplexity.reference)}")
        reference = read(expand(chosen.perplexity.reference), ReadSettings())
        model = train(_cleaned(settings, (item for item in reference if isinstance(item, Document))), chosen.perplexity)
    return Resources(
        bad_words=_words(chosen.c4.bad_words) if chosen.c4.on and chosen.c4.bad_words else (),
        model=model,
        overlaps=overlaps(chosen.evaluation, partial(_cleaned, settings)) if chosen.evaluation.files else None,
    )


def _cleaned(settings: CorpusSettings, documents: Iterator[Document]) -> Iterator[str]:
    """Texts as the stages make those that are compared with them."""
    extract, clean = Extract(settings.extract), Clean(settings.clean)
    for document in documents:
        yield from (one.text for one in clean(extract([document])[0])[0])


def _words(name: str) -> tuple[str, ...]:
    try:
        with open(name, "rb") as file:
            found = {line.strip() for _, line, _ in lines(decode(file, name), 1000) if line and line.strip()}
    except OSError as error:
        raise InputError(Path(name), f"cannot be read ({reason(error)})") from None
    if not found:
        raise SettingError("filter.c4.bad_words", f"names {name}, in which there is no word")
    return tuple(sorted(found))
