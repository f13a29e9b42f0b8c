"""Deal examples out: to training and validation, or to folds, class by class (Kohavi 1995).

Which texts go where depends on the seed and on the texts alone, not on their order. Copies of a text, whatever their labels, stay
together: else the model would be asked what it has read. Numbers are dealt out by tenths of their order; texts with any number of labels by
the rarest of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from zhixing.corpus.labelled.examples import Example
from zhixing.corpus.split import draw
from zhixing.errors import InputError


def split(examples: Sequence[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Examples for training and for validation, in their order.

    Of each class that has at least two different texts, at least one goes to each side; no label stands only in the validation part.
    """
    out = [group for _, groups in sorted(_strata(examples, seed).items()) for group in groups[: _share(len(groups), share)]]
    held = {i for group in out for i in group}
    trained = Counter(name for i, example in enumerate(examples) if i not in held for name in example.names)
    for group in out:
        names = Counter(name for i in group for name in examples[i].names if not isinstance(examples[i].label, float))
        if any(name not in trained for name in names):  # of texts with several labels, or with one each time another
            held.difference_update(group)
            trained += names
    return [e for i, e in enumerate(examples) if i not in held], [e for i, e in enumerate(examples) if i in held]


def _share(groups: int, share: float) -> int:
    """How many of so many groups are held out."""
    return min(groups - 1, max(1, round(share * groups)))


def folds(examples: Sequence[Example], count: int, seed: int) -> list[list[int]]:
    """The numbers of the examples of each of `count` folds. Raises `InputError` when a class has fewer different texts than folds.

    Numbers, and texts with any number of labels, have no classes that a fold could lack; they are dealt out as evenly as can be.
    """
    made: list[list[int]] = [[] for _ in range(count)]
    place = 0
    for name, groups in sorted(_strata(examples, seed).items()):
        if len(groups) < count and isinstance(examples[groups[0][0]].label, str):
            where = examples[min(min(groups))].where
            raise InputError(
                where,
                f"class {name!r} has {len(groups)} different texts, fewer than the {count} folds; give it more, or ask for fewer folds",
            )
        for group in groups:  # classes go on where the one before stopped, so that the folds stay of one size
            made[place % count] += group
            place += 1
    return [sorted(fold) for fold in made]


def _strata(examples: Sequence[Example], seed: int) -> dict[str, list[list[int]]]:
    """Examples by stratum, and there in groups of copies, in an order drawn from their texts."""
    counts = Counter(name for example in examples for name in example.names)
    numbers = sorted(example.label for example in examples if isinstance(example.label, float))
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, example in enumerate(examples):
        groups[example.key].append(number)
    strata: dict[str, list[tuple[float, list[int]]]] = defaultdict(list)
    for mark, group in groups.items():
        strata[_stratum(examples[group[0]], counts, numbers)].append((draw("\0".join(mark), seed), group))
    return {name: [group for _, group in sorted(found)] for name, found in strata.items()}


def _stratum(example: Example, counts: Counter[str], numbers: list[float]) -> str:
    match example.label:
        case float():
            tenths = [numbers[len(numbers) * i // 10] for i in range(1, 10)]
            return f"tenth {sum(example.label >= edge for edge in tenths)}"
        case tuple():
            return min(example.label, key=lambda name: (counts[name], name), default="")
    return example.label
