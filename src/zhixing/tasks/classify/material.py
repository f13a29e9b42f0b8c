"""The texts of a classification run: read, checked against one another, and dealt out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zhixing.console import say
from zhixing.corpus.clean import CleanSettings
from zhixing.corpus.document import Dropped
from zhixing.corpus.labelled import Example, Labelled, LabelledSettings, read
from zhixing.corpus.labelled.examine import refuse_untrainable
from zhixing.corpus.labelled.examples import Kind
from zhixing.corpus.labelled.split import split
from zhixing.errors import InputError
from zhixing.tasks.classify.objective import Targets


@dataclass(frozen=True)
class Columns:
    """Names or 0-based numbers of columns, as the user gave them."""

    text: str | None = None
    label: str | None = None
    pair: str | None = None


@dataclass
class Material:
    """Training and validation texts."""

    train: list[Example]
    valid: list[Example]
    found: Labelled
    dropped: list[Dropped]
    """Rows of the validation data that were set aside."""
    targets: Targets
    paired: bool
    wordings: Mapping[str, str] | None = None
    """Other wordings of training texts, once they are made: see `objective.augment.reworded`."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all texts and labels, in order: a run is continued with the data that it was begun with."""
        digest = hashlib.sha256()
        for part in (self.train, self.valid):
            for example in part:
                digest.update(json.dumps([example.text, example.pair, example.label], ensure_ascii=False).encode("utf-8", "surrogatepass"))
            digest.update(b"|")
        return digest.hexdigest()


def gather(
    data: Sequence[str], valid: Sequence[str] | None, settings: LabelledSettings, cleaning: CleanSettings, where: Columns
) -> Material:
    """Read training texts, and validation texts or a part of those held out for it.

    Raises `InputError` for data that cannot be read, of which nothing can be learnt, or whose parts have different labels.
    """
    found = load(data, settings, cleaning, where)
    refuse_untrainable(found.examples, found.kind)
    for text in found.said:
        say(text)
    if valid is None:
        train, held = split(found.examples, settings.valid, settings.seed)
        if not held:
            raise InputError(found.examples[0].source, "has too few different texts to hold some out for validation; give --valid")
        return Material(train, held, found, [], Targets.of(train, found.kind), found.paired)
    settings = settings.model_copy(update={"kind": found.kind})
    other = load(valid, settings, cleaning, where)
    targets = Targets.of(found.examples, found.kind)
    refuse_unknown(other.examples, targets.names, found.kind, "the training data")
    if other.paired != found.paired:
        raise InputError(other.examples[0].source, "has pairs of texts and the training data has not, or the other way round")
    return Material(found.examples, other.examples, found, other.dropped, targets, found.paired)


def load(names: Sequence[str], settings: LabelledSettings, cleaning: CleanSettings, where: Columns) -> Labelled:
    """Read labelled texts."""
    return read(names, settings, cleaning, text=where.text, label=where.label, pair=where.pair)


def refuse_unknown(examples: Sequence[Example], names: Sequence[str], kind: Kind, known_to: str) -> None:
    """Raise `InputError` for the first example whose label is none of `names`."""
    if kind == "number":
        return
    known = set(names)
    for example in examples:
        for name in example.names:
            if name not in known:
                listed = ", ".join(list(names)[:12]) + (", ..." if len(names) > 12 else "")
                raise InputError(example.where, f"label {name!r:.60} is unknown to {known_to}, whose labels are {listed}")
