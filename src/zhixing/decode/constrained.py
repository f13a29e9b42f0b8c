"""Beam search for translations that must contain given phrases: lexically constrained decoding.

1. A hypothesis is open, or in the middle of a phrase, whose next token then is its only way to go on. An open one goes on with its most
   probable tokens, or begins any phrase that it still lacks.
2. Hypotheses are ranked among those that have written as many tokens of phrases; the beams are shared out to these ranks (dynamic beam
   allocation: Post & Vilar 2018, arXiv 1804.06609). Beams ranked all together would never write what the model finds improbable.
3. A phrase that a hypothesis writes of its own accord counts too, however it is cut into tokens: bytes are what is compared.
4. The end mark comes only where no phrase lacks, and who has just as many tokens left as its phrases need writes these. So each hypothesis
   contains them all, whatever the model thinks of them.

All is done sentence by sentence, in batches of `groups`: batch mates change nothing here either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zhixing.decode.beam import BeamSettings, Hypothesis, forbid_repeats, greatest
from zhixing.decode.groups import Group, filled, grain, groups, steady
from zhixing.errors import ZhixingError
from zhixing.models.shapes import Stepped

MOST = 16
"""Beams of a sentence at most, unless more are asked for: with more tokens of phrases than this, neighbouring ranks become one."""


@dataclass(frozen=True)
class Phrase:
    """What a translation must contain."""

    text: bytes
    ways: tuple[tuple[int, ...], ...]
    """Tokens that write it: without, and where it may follow a word with a space before."""
    apart: bool = False
    """Whether no ASCII letter or digit may touch it where it begins or ends with one itself: `2` does not stand in `2024`."""


@dataclass(frozen=True)
class _Beam:
    """A hypothesis that goes on."""

    score: float
    tokens: tuple[int, ...] = ()
    text: bytes = b""
    met: tuple[int, ...] = ()
    """For each phrase where it ends in the text, 0 where it lacks."""
    rest: tuple[int, ...] = ()
    """Tokens of the phrase in the middle of which it is."""
    phrase: int = -1
    """That phrase."""
    parent: int = 0
    """The row that it goes on from."""


class ConstrainedSearch:
    """Translates source ids so that phrases are in the translation; call it with sentences and the phrases of each.

    spelled: the bytes that each target token stands for. See `BeamSearch` for the rest.
    """

    def __init__(self, model: Stepped, settings: BeamSettings, *, begin: int, end: int, pad: int, spelled: Sequence[bytes]) -> None:
        self.model, self.settings, self.begin, self.end, self.pad, self.spelled = model, settings, begin, end, pad, spelled
        self.rows = steady(model)

    @torch.no_grad()
    def __call__(
        self, sources: Sequence[Sequence[int]], phrases: Sequence[Sequence[Phrase]], lengths: Sequence[int]
    ) -> list[list[Hypothesis]]:
        """The best hypotheses of each sentence, in the order of the sentences; each contains all phrases of its sentence.

        lengths: tokens that each translation has without phrases. With them it may have half as many more, and as many as they take: past
        its end a translation only rambles. Scores of long hypotheses are divided by no more than the length that is to be expected, or
        cheap tokens behind a dear phrase would make it look better.
        """
        found: list[list[Hypothesis]] = [[] for _ in sources]
        alike: dict[int, list[int]] = {}  # sentences by how many beams their phrases ask for
        for place, one in enumerate(phrases):
            beams = max(self.settings.beams, min(MOST, 1 + sum(len(phrase.ways[0]) for phrase in one)))
            alike.setdefault(beams, []).append(place)
        for beams, places in sorted(alike.items()):
            size, device = grain(beams, self.rows), self.model.device
            chosen = [sources[place] for place in places]
            for group in groups(chosen, self.settings.batch, size, self.pad, device):
                own = [places[sentence] for sentence in group.sentences]
                searches = [
                    _Sentence(self, phrases[place], beams, lengths[place], self.settings.limit(group.source.shape[1])) for place in own
                ]
                self._run(group, searches, beams, size)
                for place, search in zip(own, searches, strict=True):
                    found[place] = search.finished[: self.settings.best]
        return found

    def _run(self, group: Group, searches: list[_Sentence], beams: int, size: int) -> None:
        """Search one batch to its end. Rows are sentence by sentence, beam by beam; rows past the sentences are idle."""
        device, rows = group.source.device, len(group.source)
        memory = self.model.encode(group.source, group.mask)
        state = self.model.start(rows * beams, 16)
        newest = torch.full((rows * beams, 1), self.begin, device=device)
        order: list[_Sentence | None] = [*searches, *[None] * (rows - len(searches))]
        step = 0
        while True:
            states, _ = self.model.decode(newest, memory if step == 0 else None, state)
            logs = self.model.head(states[:, -1]).float().log_softmax(dim=1)
            self._advance(logs, order, beams, step)
            left = [place for place, search in enumerate(order) if search is not None and not search.done]
            if not left:
                return
            count = filled(len(left), size) if size else len(order)
            shrinks = count < len(order)
            kept = (left + [place for place in range(len(order)) if place not in set(left)])[:count] if shrinks else list(range(count))
            index, tokens = [], []
            for place in kept:
                search = order[place]
                going = search.beams if search is not None and not search.done else []
                index += [place * beams + beam.parent for beam in going] + [place * beams] * (beams - len(going))
                tokens += [beam.tokens[-1] for beam in going] + [self.end] * (beams - len(going))
            fewer = torch.tensor(kept, device=device) if shrinks else None
            state = state.reorder(torch.tensor(index, device=device), memory=fewer)
            order = [order[place] for place in kept]
            newest = torch.tensor(tokens, device=device)[:, None]
            step += 1

    def _advance(self, logs: Tensor, order: list[_Sentence | None], beams: int, step: int) -> None:
        """Give each sentence the log probabilities [R, V] of its rows."""
        wanted = [
            sorted({way[0] for phrase in s.phrases for way in phrase.ways} | s.awaited | {self.end}) if s else [self.end] for s in order
        ]
        width = max(map(len, wanted))
        index = torch.tensor([one + [self.end] * (width - len(one)) for one in wanted], device=logs.device)
        asked = logs.gather(1, index.repeat_interleave(beams, dim=0)).tolist()
        if self.settings.banned:
            logs[:, list(self.settings.banned)] = float("-inf")
        if self.settings.no_repeat:
            tokens = [list(s.beams[j].tokens) if s and j < len(s.beams) else [] for s in order for j in range(beams)]
            forbid_repeats(logs, tokens, self.settings.no_repeat)
        best, free = greatest(logs, 2 * self.settings.beams)
        if best.isnan().any():
            raise ZhixingError("the model's output is not a finite number; its weights are damaged or its training diverged")
        values, tokens_of = best.tolist(), free.tolist()
        for place, search in enumerate(order):
            if search is None or search.done:
                continue
            ways = []
            for row in range(place * beams, place * beams + len(search.beams)):
                known = dict(zip(wanted[place], asked[row], strict=False))
                ways.append((known, list(zip(tokens_of[row], values[row], strict=True))))
            search.step(ways, step)


class _Sentence:
    """The search for one sentence."""

    def __init__(self, search: ConstrainedSearch, phrases: Sequence[Phrase], beams: int, length: int, limit: int) -> None:
        self.settings, self.spelled, self.end = search.settings, search.spelled, search.end
        self.phrases = sorted(phrases, key=lambda phrase: -len(phrase.text))  # longer ones first: they may contain shorter ones
        self.count = beams
        self.sizes = [len(phrase.ways[0]) for phrase in self.phrases]
        self.longest = [max(map(len, phrase.ways)) for phrase in self.phrases]
        self.total = sum(self.sizes)
        self.expected = length + self.total + 1
        more = sum(self.longest)
        self.limit = max(min(length * 3 // 2 + more + 8, limit), more + len(self.settings.first) + 1)
        self.beams = [_Beam(0.0, met=(0,) * len(self.phrases))]
        self.finished: list[Hypothesis] = []
        self.done = False

    @property
    def awaited(self) -> set[int]:
        """Tokens with which hypotheses in the middle of phrases go on."""
        return {beam.rest[0] for beam in self.beams if beam.rest}

    def step(self, ways: list[tuple[dict[int, float], list[tuple[int, float]]]], step: int) -> None:
        """Go on by one token. ways: for each beam the log probabilities of phrases' tokens, and its most probable tokens."""
        left, last = self.limit - step - 1, step + 1 == self.limit
        ranks: list[list[_Beam]] = [[] for _ in range(min(self.total + 1, self.count))]
        seen = set()
        for row, (beam, (known, free)) in enumerate(zip(self.beams, ways, strict=True)):
            for one in self._continued(replace(beam, parent=row), known, free, step):
                ended = one.tokens[-1] == self.end
                rank = self._written(one) * (len(ranks) - 1) // max(1, self.total)
                key = rank, one.tokens, one.rest
                if (ended or self._needs(one) <= left) and key not in seen:
                    seen.add(key)
                    ranks[rank].append(one)
        for alike in ranks:
            alike.sort(key=lambda beam: -beam.score)
        for beam in ranks[-1][: max(self.settings.beams, self.count // len(ranks))]:
            if (beam.tokens[-1] == self.end or last) and not beam.rest and all(beam.met):
                self._finish(beam, step + 1)
        self.beams = self._shared([[beam for beam in alike if beam.tokens[-1] != self.end] for alike in ranks])
        enough = len(self.finished) == self.settings.beams
        if last or not self.beams or (enough and (self.settings.stop == "first" or not self._better(step + 1))):
            self.done = True

    def _continued(self, beam: _Beam, known: dict[int, float], free: list[tuple[int, float]], step: int) -> list[_Beam]:
        """All ways to go on from a hypothesis."""
        if step < len(self.settings.first):
            return [self._with(beam, self.settings.first[step], 0.0)]
        if beam.rest:
            return [self._on(beam, known[beam.rest[0]])]
        found = []
        for token, value in free:
            if value == float("-inf"):
                continue
            if token != self.end:
                found.append(self._with(beam, token, value))
            elif all(beam.met):
                found.append(replace(beam, score=beam.score + value, tokens=(*beam.tokens, token)))
        if all(beam.met) and self.end not in dict(free):
            found.append(replace(beam, score=beam.score + known[self.end], tokens=(*beam.tokens, self.end)))
        begun = set()
        for number, phrase in enumerate(self.phrases):
            if beam.met[number] or phrase.text in begun:
                continue
            begun.add(phrase.text)
            touches = _word(beam.text[-1:]) and _word(phrase.text[:1])
            for way in phrase.ways[-1:] if touches else phrase.ways:
                found.append(self._on(replace(beam, rest=way, phrase=number), known[way[0]]))
        return found

    def _on(self, beam: _Beam, value: float) -> _Beam:
        """A hypothesis with the next token of the phrase in the middle of which it is."""
        token, rest = beam.rest[0], beam.rest[1:]
        text, met = beam.text + self.spelled[token], beam.met
        if not rest:
            met = tuple(len(text) if number == beam.phrase else end for number, end in enumerate(met))
        return _Beam(beam.score + value, (*beam.tokens, token), text, met, rest, beam.phrase if rest else -1, beam.parent)

    def _with(self, beam: _Beam, token: int, value: float) -> _Beam:
        """A hypothesis with a token of its own choice: phrases may thereby be complete, or be touched by more letters and lack again."""
        text, met = beam.text + self.spelled[token], list(beam.met)
        for number, phrase in enumerate(self.phrases):
            if met[number] and met[number] == len(beam.text) and not _stands(phrase, text, met[number]):
                met[number] = 0
        taken = max(met, default=0)
        for number, phrase in enumerate(self.phrases):
            start = -1 if met[number] else text.find(phrase.text, max(taken, len(beam.text) - len(phrase.text) + 1))
            while start >= 0:
                if _stands(phrase, text, end := start + len(phrase.text)):
                    met[number] = taken = end
                    break
                start = text.find(phrase.text, start + 1)
        return _Beam(beam.score + value, (*beam.tokens, token), text, tuple(met), parent=beam.parent)

    def _written(self, beam: _Beam) -> int:
        """Tokens of phrases that a hypothesis has."""
        whole = sum(size for size, end in zip(self.sizes, beam.met, strict=True) if end)
        return whole + (max(0, self.sizes[beam.phrase] - len(beam.rest)) if beam.rest else 0)

    def _needs(self, beam: _Beam) -> int:
        """Tokens that a hypothesis must still have at least."""
        lacks = sum(size for number, size in enumerate(self.longest) if not beam.met[number] and number != beam.phrase)
        return lacks + len(beam.rest)

    def _shared(self, ranks: list[list[_Beam]]) -> list[_Beam]:
        """The beams that go on: as many of each rank, and where one has fewer, more of those that have written more."""
        share = self.count // len(ranks)
        kept = [rank[:share] for rank in ranks]
        free = self.count - sum(map(len, kept))
        for place in range(len(ranks) - 1, -1, -1):
            more = ranks[place][share : share + free]
            kept[place] = kept[place] + more
            free -= len(more)
        return [beam for rank in kept for beam in rank]

    def _finish(self, beam: _Beam, length: int) -> None:
        ended = beam.tokens[-1] == self.end
        tokens = list(beam.tokens[:-1] if ended else beam.tokens)
        self.finished.append(Hypothesis(tokens, self._normed(beam.score, length), ended))
        self.finished.sort(key=lambda hypothesis: -hypothesis.score)
        del self.finished[self.settings.beams :]

    def _better(self, length: int) -> bool:
        """Whether a beam, ended now, would be better than the worst finished hypothesis."""
        far = self.limit if self.settings.stop == "never" and self.settings.length_penalty > 0 else length
        best = max(beam.score for beam in self.beams)
        return self._normed(best, far) > self.finished[-1].score

    def _normed(self, score: float, length: int) -> float:
        return self.settings.normed(score, min(length, self.expected))


def _word(one: bytes) -> bool:
    return one.isalnum()  # of bytes: ASCII letters and digits


def _stands(phrase: Phrase, text: bytes, end: int) -> bool:
    """Whether a phrase that ends here stands by itself, as far as it must."""
    if not phrase.apart:
        return True
    start = end - len(phrase.text)
    before = start > 0 and _word(text[start - 1 : start]) and _word(text[start : start + 1])
    return not before and not (_word(text[end - 1 : end]) and _word(text[end : end + 1]))
