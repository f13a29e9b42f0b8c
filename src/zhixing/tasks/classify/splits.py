"""Labelled texts dealt out for a fair race: what all competitors train on, choose by, and are tested on.

    --test FILE   tested on that file, trained on all of the data
    --folds K     tested on each of K parts in turn, trained on the others
    neither       tested on a fifth of each class

Of what is not tested on, a part chooses the best weights and settings, the same for all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from zhixing.console import say, warn
from zhixing.corpus.clean import CleanSettings
from zhixing.corpus.labelled import Example, LabelledSettings
from zhixing.corpus.labelled.examine import refuse_untrainable
from zhixing.corpus.labelled.split import folds as dealt
from zhixing.corpus.labelled.split import split
from zhixing.errors import InputError
from zhixing.tasks.classify.material import Columns, Material, load, refuse_unknown
from zhixing.tasks.classify.objective import Targets

TESTED = 0.2
"""Share of each class that is tested on where nothing says what is."""


@dataclass(frozen=True)
class Part:
    """Texts of one training, and those that it is tested on."""

    material: Material
    test: list[Example]
    places: list[int]
    """Where these stand among all that are tested."""


@dataclass(frozen=True)
class Splits:
    """The texts, dealt out."""

    parts: list[Part]
    tested: list[Example]
    targets: Targets

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all texts and labels and of how they are dealt out."""
        test = [[e.text, e.pair, e.label] for e in self.tested]
        whole = json.dumps([[part.material.fingerprint for part in self.parts], test], ensure_ascii=False)
        return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()


def deal(
    data: Sequence[str], test: Sequence[str] | None, folds: int, settings: LabelledSettings, cleaning: CleanSettings, where: Columns
) -> Splits:
    """Read texts and deal them out.

    Raises `InputError` for data that cannot be read, of which nothing can be learnt, that are too few, or whose parts differ in labels.
    """
    found = load(data, settings, cleaning, where)
    refuse_untrainable(found.examples, found.kind)
    for text in found.said:
        say(text)
    targets = Targets.of(found.examples, found.kind)

    def part(rest: list[Example], tested: list[Example], places: list[int]) -> Part:
        train, valid = split(rest, settings.valid, settings.seed)
        if not valid or not tested:
            raise InputError(found.examples[0].source, "has too few different texts to hold some out for validation and for testing")
        return Part(Material(train, valid, found, [], targets, found.paired), tested, places)

    if folds > 1:
        parts = []
        for fold in dealt(found.examples, folds, settings.seed):
            held = set(fold)
            rest = [example for i, example in enumerate(found.examples) if i not in held]
            parts.append(part(rest, [found.examples[i] for i in fold], fold))
        return Splits(parts, found.examples, targets)
    if test is None:
        rest, tested = split(found.examples, TESTED, settings.seed)
    else:
        kept = settings.model_copy(update={"kind": found.kind, "duplicates": "keep", "conflicts": "keep"})
        other = load(test, kept, cleaning, where)
        refuse_unknown(other.examples, targets.names, found.kind, "the training data")
        if other.paired != found.paired:
            raise InputError(other.examples[0].source, "has pairs of texts and the training data has not, or the other way round")
        rest, tested = found.examples, other.examples
        known = {example.key for example in rest}
        if again := sum(example.key in known for example in tested):
            warn(f"{again} of {len(tested)} texts to test on stand in the training data: scores on them say little")
    return Splits([part(rest, tested, list(range(len(tested))))], tested, targets)
