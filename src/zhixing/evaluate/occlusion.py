"""Which words moved a prediction: each is left out in turn, and how much the prediction loses by that says how much the word counted.

(Li et al. 2016, arXiv 1612.08220.) What it loses is counted in log-odds, which unlike probabilities still tell words apart where the
model is sure. In long texts several words that stand together are left out at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zhixing.tasks.classify.artifact import Opened
from zhixing.tasks.classify.augment import words

MOST = 60
"""Parts of a text that are left out one after the other."""


@dataclass(frozen=True)
class Part:
    """A stretch of a text."""

    text: str
    weight: float
    """Log-odds of the predicted class, or the number, with it, less that without it."""


def occlude(opened: Opened, text: str, pair: str | None = None) -> list[Part]:
    """The text (the first of a pair) in parts, joined they are the text, each with its weight."""
    pieces = words(text)
    places = [i for i, piece in enumerate(pieces) if not piece.isspace()]
    size = -(-len(places) // MOST)
    groups = [places[i : i + size] for i in range(0, len(places), size)] if places else []
    without = ["".join(p for i, p in enumerate(pieces) if not group[0] <= i <= group[-1]).strip() or " " for group in groups]
    pairs = None if pair is None else [pair] * (1 + len(without))
    logits = opened.logits([text, *without], pairs).double()
    match opened.task.kind:
        case "number":
            said = logits[:, 0] * opened.task.deviation
        case "multi":
            said = logits[:, int(logits[0].argmax())]
        case _:
            best = int(logits[0].argmax())
            others = torch.cat([logits[:, :best], logits[:, best + 1 :]], dim=1)
            said = logits[:, best] - others.logsumexp(1)  # ln(p / (1 - p)), however near p comes to 1
    weights = (said[0] - said[1:]).tolist()
    parts: list[Part] = []
    end = 0
    for group, weight in zip(groups, weights, strict=True):
        if group[0] > end:
            parts.append(Part("".join(pieces[end : group[0]]), 0.0))
        parts.append(Part("".join(pieces[group[0] : group[-1] + 1]), weight))
        end = group[-1] + 1
    return [*parts, Part("".join(pieces[end:]), 0.0)] if end < len(pieces) else parts
