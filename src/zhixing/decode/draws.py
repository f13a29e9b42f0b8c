"""Drawing outputs of an encoder-decoder token by token, several for each source if asked for: the raw material of minimum Bayes risk.

A row's random numbers depend on the seed, its sentence's tokens and its number among the draws of that sentence, and on nothing else, so
that a sentence's draws are the same whatever its batch mates and wherever it stands.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch

from zhixing.decode.beam import Hypothesis
from zhixing.decode.groups import Group, filled, grain, groups, steady
from zhixing.decode.sample import SampleSettings, draw, penalise
from zhixing.errors import ZhixingError
from zhixing.models.shapes import Stepped


@torch.no_grad()
def draws(
    model: Stepped,
    sources: Sequence[Sequence[int]],
    settings: SampleSettings,
    *,
    count: int = 1,
    begin: int,
    end: int,
    pad: int,
    banned: Sequence[int] = (),
    first: Sequence[int] = (),
    batch: int = 64,
    limit: Callable[[int], int] | None = None,
) -> list[list[Hypothesis]]:
    """`count` outputs for each source; their scores are log probabilities under the model as it is (temperature 1, nothing left out).

    begin: the token before the first of an output; end: the one after its last. banned: tokens that never occur; first: tokens that every
    output begins with. limit: tokens of an output at most, for a source of such a padded length; at most `settings.tokens` in any case.
    """
    found: list[list[Hypothesis]] = [[] for _ in sources]
    size = grain(count, steady(model))
    for group in groups(sources, batch, size, pad, model.device):
        seeds = [f"{settings.seed}/{list(sources[sentence])}/{number}" for sentence in group.sentences for number in range(count)]
        tokens = settings.tokens if limit is None else min(settings.tokens, limit(group.source.shape[1]))
        rows = _draw(model, group, settings.model_copy(update={"tokens": tokens}), count, size, seeds, begin, end, list(banned), first)
        for place, sentence in enumerate(group.sentences):
            found[sentence] = rows[place * count : (place + 1) * count]
    return found


def _draw(
    model: Stepped,
    group: Group,
    settings: SampleSettings,
    count: int,
    size: int,
    seeds: list[str],
    begin: int,
    end: int,
    banned: list[int],
    first: Sequence[int],
) -> list[Hypothesis]:
    """The rows of one batch, sentence by sentence; a sentence leaves when all its rows have ended and a whole grain gets free."""
    device = group.source.device
    wanted, places = len(seeds), list(range(len(group.source)))
    random_numbers = [random.Random(seed) for seed in seeds]
    texts: list[list[int]] = [[] for _ in range(len(places) * count)]
    scores = [0.0] * len(texts)
    going = [row < wanted for row in range(len(texts))]
    state, memory = model.start(len(texts), min(settings.tokens, 16)), model.encode(group.source, group.mask)
    newest = torch.full((len(texts), 1), begin, device=device)
    for step in range(settings.tokens):
        states, _ = model.decode(newest, memory if step == 0 else None, state)
        rows = [place * count + number for place in places for number in range(count)]
        if step < len(first):
            chosen = [first[step]] * len(rows)
        else:
            logits = model.head(states[:, -1]).float()
            if not logits.isfinite().all():
                raise ZhixingError("the model's output is not a finite number; its weights are damaged or its training diverged")
            probabilities = logits.log_softmax(dim=1)
            logits[:, banned] = float("-inf")
            if settings.repetition_penalty != 1 and step:
                logits = penalise(logits, [texts[row] for row in rows], settings.repetition_penalty)
            if settings.greedy or settings.temperature == 0:
                chosen = [int(token) for token in logits.argmax(dim=1)]
            else:
                uniform = [random_numbers[row].random() if row < wanted else 0.5 for row in rows]
                chosen = draw(logits, settings, uniform)
            each = probabilities.gather(1, torch.tensor(chosen, device=device)[:, None]).squeeze(1).tolist()
            for row, score in zip(rows, each, strict=True):
                scores[row] += score if going[row] else 0.0
        for row, token in zip(rows, chosen, strict=True):
            texts[row].append(token if going[row] else end)
            going[row] = going[row] and token != end
        alive = [n for n, place in enumerate(places) if any(going[place * count : (place + 1) * count])]
        if not alive:
            break
        newest = torch.tensor(chosen, device=device)[:, None]
        keep = filled(len(alive), size) if size else len(places)
        if keep < len(places):
            kept = (alive + [n for n in range(len(places)) if n not in set(alive)])[:keep]
            index = torch.tensor([n * count + number for n in kept for number in range(count)], device=device)
            state, newest = state.reorder(index, memory=torch.tensor(kept, device=device)), newest[index]
            places = [places[n] for n in kept]
    return [_hypothesis(text, score, end) for text, score in zip(texts[:wanted], scores, strict=False)]


def _hypothesis(text: list[int], score: float, end: int) -> Hypothesis:
    ended = end in text
    return Hypothesis(text[: text.index(end)] if ended else text, score, ended)
