"""Strings in, strings out: a finished run, used.

    predict = Predictor.open("runs/senti")
    predict(["what a film"])[0].label

1. Texts are cleaned as they were for training, and framed and cut in the same way.
2. Texts of like length go through the model together; what comes out stands in the order of what went in, and does not depend on what else
   is asked in the same call, but for the last digits of a sum.
3. `stream` does this for any number of texts, a window of them at a time, in constant memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from zhixing.corpus.labelled.examples import Bad, take_text
from zhixing.errors import InputError
from zhixing.tasks.classify.artifact import Opened, open_classifier

WINDOW = 8192
"""Texts that are sorted by length together."""
THRESHOLD = 0.5
"""Probability from which on a text has a label, where it may have any number of them."""

Text = str | tuple[str, str]
"""A text, or a pair."""


@dataclass(frozen=True)
class Prediction:
    """What the model says of a text."""

    label: str | None = None
    """The most probable class; None where texts have any number of labels, or a number, or where the text is of no use."""
    labels: tuple[str, ...] | None = None
    """All classes of a probability of at least one half, where texts have any number of them."""
    value: float | None = None
    """The number, where numbers are predicted."""
    probability: float | None = None
    """Of `label`."""
    probabilities: dict[str, float] | None = None
    problem: str | None = None
    """Why nothing is said of this text: it is empty, say."""

    def row(self, *, probabilities: bool = True) -> dict[str, Any]:
        """What of it is written to a file."""
        named = ("label", "labels", "value", "probability", "problem", *(["probabilities"] if probabilities else []))
        found = {name: value for name in named if (value := getattr(self, name)) is not None}
        return {"label": None, **found} if self.problem else found


class Predictor:
    """A classifier that takes texts and gives labels."""

    def __init__(self, opened: Opened, precision: str = "fp32") -> None:
        """precision: fp32, or bf16 or auto for speed where the last digits do not matter."""
        self.opened, self.precision = opened, precision

    @classmethod
    def open(cls, run: Path | str, device: str = "auto", precision: str = "fp32") -> Predictor:
        """Open a finished run. Raises `ArtifactError` when it is no such thing, damaged, or does not say again what it said when made."""
        return cls(open_classifier(Path(run), device), precision)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes."""
        return self.opened.task.labels

    @property
    def paired(self) -> bool:
        """Whether pairs of texts are wanted."""
        return self.opened.task.pairs

    def __call__(self, texts: Sequence[Text | Bad]) -> list[Prediction]:
        """What the model says of each text; of one that is `Bad`, why it says nothing.

        Raises `InputError` for a pair where a text is wanted, or the other way round.
        """
        if isinstance(texts, str):
            raise InputError("texts", "is one text, and a list of texts is wanted")
        taken = [self._taken(number, text) for number, text in enumerate(texts, start=1)]
        good = [one for one in taken if not isinstance(one, Prediction)]
        pairs = [pair or "" for _, pair in good] if self.paired else None
        outputs = iter(self.opened.outputs([text for text, _ in good], pairs, self.precision) if good else ())
        return [one if isinstance(one, Prediction) else self._said(next(outputs)) for one in taken]

    def stream(self, texts: Iterable[Text | Bad], window: int = WINDOW) -> Iterator[Prediction]:
        """What the model says of any number of texts, in their order."""
        source = iter(texts)
        while part := list(islice(source, window)):
            yield from self(part)

    def _taken(self, number: int, text: Text | Bad) -> tuple[str, str | None] | Prediction:
        """A text, cleaned, or why nothing is said of it."""
        if isinstance(text, Bad):
            return Prediction(problem=f"the text {text.why}")
        if isinstance(text, tuple) != self.paired:
            wanted = "pairs of texts are wanted, as (text, text)" if self.paired else "single texts are wanted, not pairs"
            raise InputError(f"text {number}", wanted)
        first, second = text if isinstance(text, tuple) else (text, "")
        cleaned = take_text(first, self.opened.cleaning)
        if isinstance(cleaned, Bad):
            return Prediction(problem=f"the text {cleaned.why}")
        if not self.paired:
            return cleaned, None
        other = take_text(second, self.opened.cleaning)
        return Prediction(problem=f"the second text {other.why}") if isinstance(other, Bad) else (cleaned, other)

    def _said(self, output: np.ndarray[Any, np.dtype[np.float64]]) -> Prediction:
        match self.opened.task.kind:
            case "number":
                return Prediction(value=float(output[0]))
            case "multi":
                found = tuple(name for name, p in zip(self.labels, output, strict=True) if p >= THRESHOLD)
                return Prediction(labels=found, probabilities=_named(self.labels, output))
        best = int(output.argmax())
        return Prediction(self.labels[best], probability=round(float(output[best]), 6), probabilities=_named(self.labels, output))


def _named(labels: Sequence[str], output: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    return dict(zip(labels, map(float, output.round(6)), strict=True))
