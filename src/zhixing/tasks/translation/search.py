"""From pieces of text to their hypotheses, in whichever manner is asked for.

    search        beams; greedy with one beam                             `decode.beam`, or CTranslate2
    terms         where what is required lacks in what was found: again, with the phrases it must have     `decode.constrained`
    sample        draws from the model                                    `decode.draws`
    mbr           many draws, ranked by how much they are like each other `risk`

A piece whose translation has all that is required of it keeps this very translation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from zhixing.console import warn
from zhixing.decode.beam import BeamSearch, BeamSettings, Hypothesis
from zhixing.decode.constrained import ConstrainedSearch, Phrase
from zhixing.decode.draws import draws
from zhixing.decode.onnx import OnnxPair
from zhixing.decode.sample import SampleSettings
from zhixing.errors import SettingError
from zhixing.models.shapes import EncoderDecoderModel, Stepped
from zhixing.tasks.translation import risk
from zhixing.tasks.translation.engines import CTranslate2
from zhixing.tasks.translation.terms import Required, Speller, Terms, contains
from zhixing.tokenizer.tokenizer import Tokenizer

MBR_DRAWS = SampleSettings(temperature=1.0, top_k=64, min_p=0.02)
"""How candidates of minimum Bayes risk are drawn: without the improbable tail, which a smoothed model makes heavy (Hewitt et al. 2022,
arXiv 2210.15191; Freitag et al. 2023, arXiv 2305.09860)."""


@dataclass(frozen=True)
class Manner:
    """How texts are translated."""

    beam: BeamSettings
    """The search; `beam.best` hypotheses are given in any manner."""
    terms: Terms | None = None
    """What translations must contain."""
    sample: SampleSettings | None = None
    """Draw instead of searching."""
    mbr: int = 0
    """Draw so many and take the one of least risk; drawn as `sample` says, or as `MBR_DRAWS`."""
    align: bool = False
    """Whether words are aligned."""

    def __post_init__(self) -> None:
        drawn = self.mbr or self.sample is not None
        if self.mbr and not self.beam.best <= self.mbr:
            raise SettingError("mbr", f"= {self.mbr} draws are fewer than the {self.beam.best} that are to be shown")
        if drawn and self.terms is not None:
            raise SettingError("glossary", "needs a search, as do spans to keep; leave out sampling and minimum Bayes risk")


class Search:
    """What a translator searches with."""

    def __init__(
        self, model: EncoderDecoderModel | CTranslate2 | OnnxPair, source: Tokenizer, target: Tokenizer, context: int, begin: int,
        before: Sequence[int] = (), first: Sequence[int] = (), after: Sequence[int] = (),
    ) -> None:  # fmt: skip
        """begin: the token before the first of a translation. before, first: marks that a source and a translation begin with. after:
        marks behind a source's end."""
        self.model, self.source, self.target, self.context = model, source, target, context
        self.begin, self.before, self.first, self.after = begin, tuple(before), tuple(first), tuple(after)
        self._speller: Speller | None = None

    def ids(self, pieces: Sequence[str]) -> list[list[int]]:
        """Source ids, their marks around them."""
        return [[*self.before, *row, self.source.end, *self.after] for row in self.source.encode_batch(pieces)]

    def __call__(self, pieces: Sequence[str], manner: Manner) -> list[list[Hypothesis]]:
        """The hypotheses of each piece, best first. Raises `SettingError` for a manner that the engine does not know."""
        beam, ids = manner.beam, self.ids(pieces)
        banned = tuple(sorted({self.target.pad, *beam.banned} - {self.target.end}))
        beam = beam.model_copy(update={"banned": banned, "tokens": min(beam.tokens, 2 * self.context), "first": self.first or beam.first})
        if isinstance(self.model, CTranslate2):
            for name, asked in (("glossary", manner.terms), ("sample", manner.sample), ("mbr", manner.mbr), ("align", manner.align)):
                if asked:
                    raise SettingError(name, "is not known to CTranslate2; translate with the run itself")
            return self.model.search(ids, beam)
        if manner.align and isinstance(self.model, OnnxPair):
            raise SettingError("align", "is not known to an ONNX export; translate with the run itself")
        if manner.mbr or manner.sample is not None:
            return self._drawn(self.model, ids, beam, manner.sample, manner.mbr)
        begin, end, pad = self.begin, self.target.end, self.source.pad
        found = BeamSearch(self.model, beam, begin=begin, end=end, pad=pad)(ids)
        return found if manner.terms is None else self._with_terms(self.model, pieces, ids, found, beam, manner.terms)

    def _with_terms(
        self, model: Stepped, pieces: Sequence[str], ids: list[list[int]], found: list[list[Hypothesis]], beam: BeamSettings,
        terms: Terms,
    ) -> list[list[Hypothesis]]:  # fmt: skip
        """What was found, and where something required lacks, what a search that cannot do without it finds."""
        if self._speller is None:
            self._speller = Speller(self.target)
        lacking: dict[int, list[Phrase]] = {}
        for place, (piece, hypotheses) in enumerate(zip(pieces, found, strict=True)):
            required = terms.of(piece)
            if not required or all(contains(self.text(one), required) for one in hypotheses[: beam.best]):
                continue
            lacking[place] = self._phrases(self._speller, required)
        if not lacking:
            return found
        settings = beam.model_copy(update={"banned": (*beam.banned, *self._speller.stray)})
        again = ConstrainedSearch(
            model, settings, begin=self.begin, end=self.target.end, pad=self.source.pad, spelled=self._speller.spelled
        )
        found, places = list(found), list(lacking)
        lengths = [len(found[place][0].tokens) for place in places]
        for place, hypotheses in zip(places, again([ids[place] for place in places], list(lacking.values()), lengths), strict=True):
            found[place] = hypotheses
        return found

    def _phrases(self, speller: Speller, required: Sequence[Required]) -> list[Phrase]:
        phrases = []
        for one in required:
            phrase = speller.phrase(one)
            if phrase is None:
                warn(f"{one.text!r} cannot be written with the vocabulary of this model, and may lack in its translation")
            else:
                phrases.append(phrase)
        return phrases

    def _drawn(
        self, model: Stepped, ids: list[list[int]], beam: BeamSettings, sample: SampleSettings | None, mbr: int
    ) -> list[list[Hypothesis]]:
        count = mbr or beam.best
        settings = (sample or MBR_DRAWS).model_copy(update={"tokens": beam.tokens})
        made = draws(
            model, ids, settings, count=count, begin=self.begin, end=self.target.end, pad=self.source.pad, banned=beam.banned,
            first=beam.first, batch=max(1, beam.batch * beam.beams // count), limit=beam.limit,
        )  # fmt: skip
        made = [
            [replace(one, score=beam.normed(one.score, len(one.tokens) + one.ended)) if one.tokens else one for one in row] for row in made
        ]
        if not mbr:
            return made
        chosen = []
        for row in made:
            ranking = risk.ranked([self.text(one) for one in row])
            chosen.append([row[place] for place, _ in ranking[: beam.best]])
        return chosen

    def text(self, hypothesis: Hypothesis) -> str:
        """What a hypothesis says."""
        return self.target.decode(hypothesis.tokens).strip()
