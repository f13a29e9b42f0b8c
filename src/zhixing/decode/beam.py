"""Beam search for encoder-decoders, many sentences at once.

1. Sentences are sorted into batches of one padded length (`groups`); the encoder reads each batch once.
2. A step reads the newest token of every beam: B sentences x k beams are rows of one matrix. The k rows of a sentence share its memory.
3. The 2k best continuations of a sentence are found among the 2k best of each of its beams. Those among the first k that end are finished
   hypotheses, the k best of those that do not end are the next beams.
4. A sentence is done when it has k finished hypotheses and no beam can better the worst of them (`BeamSettings.stop`). It then leaves the
   batch.

With one beam this is greedy search. Scores, lengths and the time to stop are those of transformers' `generate`, so that the same weights
give the same tokens there and here. The translation of a sentence does not depend on its batch mates: `groups` says how.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from zhixing.config import Settings
from zhixing.decode.groups import Group, filled, grain, groups, steady
from zhixing.errors import InputError, SettingError, ZhixingError
from zhixing.models.shapes import Stepped

Constrain = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Log probabilities [R, V] of the next token, the number of each row's sentence [R] (-1: an idle row), the tokens so far [R, t] (the begin
mark is not among them) -> the log probabilities, -inf where a token must not come. Must treat each row by itself."""


Number = TypeVar("Number", float, Tensor)


class BeamSettings(Settings):
    """How translations are searched."""

    beams: int = Field(4, ge=1)
    """Hypotheses kept at each step; 1 is greedy search."""
    best: int = Field(1, ge=1)
    """Hypotheses returned for a sentence, best first; at most `beams`."""
    tokens: int = Field(256, ge=1)
    """Tokens of a translation at most, its end mark included."""
    ratio: float | None = Field(None, gt=0)
    """Tokens of a translation at most, as a multiple of the source's padded length (16 more are always allowed)."""
    length_penalty: float = 1.0
    """The greater, the longer the translations; see `norm`."""
    norm: Literal["power", "gnmt", "reward"] = "power"
    """How hypotheses of different lengths are compared: log probability / length^penalty (power), / ((5 + length) / 6)^penalty (gnmt; Wu et
    al. 2016, arXiv 1609.08144), or + penalty * length (reward)."""
    stop: Literal["usual", "first", "never"] = "usual"
    """When enough hypotheses are finished: as soon as the best beam, ended now, would be worse than all of them (usual); at once (first);
    when no beam can get better than them at any length up to `tokens` (never)."""
    no_repeat: int = Field(0, ge=0)
    """No sequence of so many tokens occurs twice in a translation; 0: may."""
    first: tuple[int, ...] = ()
    """Tokens that every translation begins with, such as the language of M2M100 and NLLB."""
    banned: tuple[int, ...] = ()
    """Tokens that never occur, such as padding."""
    force_end: bool = False
    """Whether a translation of `tokens` tokens ends with the end mark whatever its probability."""
    batch: int = Field(64, ge=1)
    """Sentences decoded at once."""

    def limit(self, width: int) -> int:
        """Tokens of a translation at most, of a source of this padded length."""
        return self.tokens if self.ratio is None else min(self.tokens, int(self.ratio * width) + 16)

    def normed(self, score: Number, length: int) -> Number:
        """Scores of hypotheses `length` tokens long, the end mark counted."""
        match self.norm:
            case "power":
                return score / float(length**self.length_penalty)
            case "gnmt":
                return score / float(((5 + length) / 6) ** self.length_penalty)
            case "reward":
                return score + self.length_penalty * length


@dataclass(frozen=True)
class Hypothesis:
    """One translation of a sentence."""

    tokens: list[int]
    """Without begin and end marks."""
    score: float
    """Log probability, normalised for length: what hypotheses are ranked by."""
    ended: bool
    """Whether it came to its end mark, rather than to the limit."""


class BeamSearch:
    """Translates source ids; call it with sentences, each at least one token.

    begin: the token before the first of a translation; end: the one after its last. constrain: see `Constrain`.
    """

    def __init__(
        self, model: Stepped, settings: BeamSettings, *, begin: int, end: int, pad: int, constrain: Constrain | None = None
    ) -> None:
        if settings.best > settings.beams:
            raise SettingError("best", f"= {settings.best} hypotheses need as many beams, not {settings.beams}")
        self.model, self.settings, self.begin, self.end, self.pad, self.constrain = model, settings, begin, end, pad, constrain
        self.rows = steady(model)

    @torch.no_grad()
    def __call__(self, sources: Sequence[Sequence[int]]) -> list[list[Hypothesis]]:
        """The best hypotheses of each sentence, in the order of the sentences. Raises `InputError` for one without tokens."""
        if empty := [place for place, source in enumerate(sources) if not len(source)]:
            raise InputError(f"sentence {empty[0] + 1}", "is empty: it has no tokens, not even an end mark")
        found: list[list[Hypothesis]] = [[] for _ in sources]
        size = grain(self.settings.beams, self.rows)
        device = self.model.device
        for group in groups(sources, self.settings.batch, size, self.pad, device):
            for sentence, hypotheses in _Search(self, group, size).run():
                found[sentence] = hypotheses
        return found


class _Search:
    """The search over one batch. Rows are sentence by sentence, beam by beam: row b k + j is beam j of sentence b."""

    def __init__(self, search: BeamSearch, group: Group, size: int) -> None:
        self.search, self.settings, self.model, self.size = search, search.settings, search.model, size
        self.device = group.source.device
        rows = len(group.source)
        beams = self.settings.beams
        self.sentences = group.sentences + [-1] * (rows - len(group.sentences))
        self.finished: list[list[Hypothesis]] = [[] for _ in range(rows)]
        self.going = [sentence >= 0 for sentence in self.sentences]
        self.scores = torch.full((rows, beams), -1e9, device=self.device)  # at first all beams are alike: one of them counts
        self.scores[:, 0] = 0
        self.tokens = torch.zeros(rows * beams, 0, dtype=torch.int64, device=self.device)
        self.limit = self.settings.limit(group.source.shape[1])
        self.memory = self.model.encode(group.source, group.mask)
        self.state = self.model.start(rows * beams, min(self.limit, 16))

    def run(self) -> list[tuple[int, list[Hypothesis]]]:
        """Each sentence with its hypotheses, in the order in which they are done."""
        done = []
        beams, memory = self.settings.beams, self.memory
        newest = torch.full((len(self.tokens), 1), self.search.begin, device=self.device)
        for step in range(self.limit):
            states, _ = self.model.decode(newest, memory if step == 0 else None, self.state)
            scores, beam, token = self._continuations(states[:, -1], step)
            self._finish(scores, beam, token, step)
            running = scores.masked_fill(token == self.search.end, -1e9)
            self.scores, place = running.topk(beams)
            beam, token = beam.gather(1, place), token.gather(1, place)
            self._retire(step)
            done += [
                (s, f[: self.settings.best]) for s, f, g in zip(self.sentences, self.finished, self.going, strict=True) if s >= 0 and not g
            ]
            self.sentences = [s if g else -1 for s, g in zip(self.sentences, self.going, strict=True)]
            if not any(self.going):
                break
            newest = self._move(beam, token)
        return done

    def _continuations(self, states: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """The 2k best ways to go on for each sentence, best first: scores, beams and tokens, each [B, 2k]."""
        beams, settings = self.settings.beams, self.settings
        forced = settings.first[step] if step < len(settings.first) else None
        if forced is None and settings.force_end and step + 1 == self.limit:
            forced = self.search.end
        if forced is not None:
            scores, beam = self.scores.sort(dim=1, descending=True, stable=True)
            return scores, beam, torch.full_like(beam, forced)
        logs = self.model.head(states).float().log_softmax(dim=1)
        if settings.banned:
            logs[:, list(settings.banned)] = float("-inf")
        if settings.no_repeat:
            forbid_repeats(logs, self.tokens.tolist(), settings.no_repeat)
        if self.search.constrain is not None:
            sentences = torch.tensor(self.sentences, device=self.device).repeat_interleave(beams)
            logs = self.search.constrain(logs, sentences, self.tokens)
        best, tokens = greatest(logs, 2 * beams)  # [R, 2k]
        if best.isnan().any():
            raise ZhixingError("the model's output is not a finite number; its weights are damaged or its training diverged")
        width = best.shape[1]
        scores = (best + self.scores.view(-1, 1)).view(len(self.scores), beams * width)
        scores, place = scores.topk(min(2 * beams, scores.shape[1]))
        return scores, place // width, tokens.view(len(scores), -1).gather(1, place)

    def _finish(self, scores: Tensor, beam: Tensor, token: Tensor, step: int) -> None:
        """Take what ends here, among the k best of each sentence, into its finished hypotheses."""
        beams = self.settings.beams
        ends = token[:, :beams] == self.search.end
        last = step + 1 == self.limit
        ending = (torch.ones_like(ends) if last else ends) & (scores[:, :beams] > -1e8)
        ending &= torch.tensor(self.going, device=self.device)[:, None]
        rows, places = ending.nonzero(as_tuple=True)
        if not len(rows):
            return
        normed = self.settings.normed(scores, step + 1)[rows, places].tolist()
        texts = self.tokens[rows * beams + beam[rows, places]].tolist()
        for row, score, text, one in zip(rows.tolist(), normed, texts, token[rows, places].tolist(), strict=True):
            ended = one == self.search.end
            finished = self.finished[row]
            finished.append(Hypothesis(text if ended else [*text, one], score, ended))
            finished.sort(key=lambda hypothesis: -hypothesis.score)  # stable: of equals the earlier stays ahead
            del finished[beams:]

    def _retire(self, step: int) -> None:
        """Note which sentences are done."""
        if step + 1 == self.limit:
            self.going = [False] * len(self.going)
            return
        far = self.limit if self.settings.stop == "never" and self.settings.length_penalty > 0 else step + 1
        possible = self.settings.normed(self.scores[:, 0], far).tolist()
        for row, finished in enumerate(self.finished):
            if len(finished) == self.settings.beams and (self.settings.stop == "first" or not possible[row] > finished[-1].score):
                self.going[row] = False

    def _move(self, beam: Tensor, token: Tensor) -> Tensor:
        """Put the chosen beams into their rows, drop done sentences when whole grains of rows get free, and return the newest tokens."""
        beams = self.settings.beams
        left = [row for row, going in enumerate(self.going) if going]
        size = filled(len(left), self.size) if self.size else len(self.going)
        source = torch.arange(len(beam), device=self.device)[:, None] * beams + beam  # the row that a beam goes on from
        kept: Tensor | None = None
        if size < len(self.going):
            kept = torch.tensor((left + [row for row, going in enumerate(self.going) if not going])[:size], device=self.device)
            order = kept.tolist()
            self.sentences = [self.sentences[row] for row in order]
            self.finished = [self.finished[row] for row in order]
            self.going = [self.going[row] for row in order]
            source, token, self.scores = source[kept], token[kept], self.scores[kept]
        index = source.flatten()
        self.state = self.state.reorder(index, memory=kept)
        newest = token.reshape(-1, 1)
        self.tokens = torch.cat((self.tokens[index], newest), dim=1)
        return newest


def greatest(x: Tensor, count: int, block: int = 64) -> tuple[Tensor, Tensor]:
    """The `count` greatest of each row of x [R, V] and their places, greatest first.

    They lie in those `count` blocks of a row whose maxima are greatest, so that a pass of maxima, which is as fast as memory, leaves few
    numbers to sort.
    """
    rows, width = x.shape
    blocks = width // block
    if blocks <= 2 * count:
        values, places = x.topk(min(count, width))
        return values, places
    body = x[:, : blocks * block].view(rows, blocks, block)
    chosen = body.amax(dim=2).topk(count).indices  # [R, count]
    inside = body.gather(1, chosen[:, :, None].expand(-1, -1, block)).flatten(1)
    places = (chosen[:, :, None] * block + torch.arange(block, device=x.device)).flatten(1)
    if rest := width - blocks * block:
        inside = torch.cat((inside, x[:, -rest:]), dim=1)
        places = torch.cat((places, torch.arange(width - rest, width, device=x.device).expand(rows, -1)), dim=1)
    values, among = inside.topk(count)
    return values, places.gather(1, among)


def forbid_repeats(logs: Tensor, texts: Sequence[Sequence[int]], size: int) -> None:
    """Of log probabilities [R, V] set to -inf what would complete a sequence of `size` tokens that has been there before."""
    for row, text in enumerate(texts):
        ending = text[len(text) - size + 1 :] if size > 1 else []
        again = [text[end] for end in range(size - 1, len(text)) if text[end - size + 1 : end] == ending]
        logs[row, again] = float("-inf")
