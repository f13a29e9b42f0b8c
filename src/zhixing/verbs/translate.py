"""The verb `translate`.

1. Lines are read from a file a window at a time, split at `\n` alone; each is written in the other language as one line, in order.
2. Lines are written to a file beside `--out` that takes its name when all are there. The same command goes on behind the last whole line
   of what a killed one has left, if model, input and settings are the same. Without `--out` they are shown at the end.
3. How they are translated is a `Manner`: a search, terms that must appear, draws, minimum Bayes risk.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import Result, several
from zhixing.errors import ArtifactError, InputError, SettingError

if TYPE_CHECKING:
    from zhixing.tasks.translation.artifact import Translation, Translator
    from zhixing.tasks.translation.search import Manner

WINDOW = 1024
"""Lines that are sorted by length together."""


class TranslateResult(Result):
    """What `translate` returns."""

    model: str
    texts: int
    """Lines in the input; as many are in the output."""
    continued: int
    """Of them, those that an earlier call had done."""
    cut: int
    """Lines, of those done now, too long for the model's window, that were translated in pieces."""
    forced: int
    """Cuts inside a clause that this took."""
    seconds: float
    texts_per_second: float
    out: str | None
    translations: list[dict[str, Any]] | None = None
    """For texts given with --text, and files without --out."""

    def lines(self) -> Iterator[str]:
        """The result for the terminal."""
        if self.translations is not None:
            for row in self.translations:
                yield row["translation"]
                yield from (f"    {text}" for text in row.get("alternatives", ()))
            return
        more = f", {self.continued} of them done before" if self.continued else ""
        pieces = f"; {self.cut} were translated in pieces ({self.forced} cuts inside a clause)" if self.cut else ""
        yield f"{self.out}: {self.texts} lines{more}, {self.texts_per_second:.1f} a second{pieces}"


def translate(
    model: Annotated[Path, "A finished translation run, or its export for CTranslate2 or ONNX."],
    *,
    in_: Annotated[Path | None, "A text file; each line is translated. - is standard input."] = None,
    out: Annotated[Path | None, "The text file to write, line for line. Default: the lines are shown when all are done."] = None,
    text: Annotated[list[str] | str | None, "A text itself, instead of a file; may be given several times."] = None,
    beams: Annotated[int | None, "Hypotheses kept at each step; 1 is greedy. Default: as the run says."] = None,
    best: Annotated[int, "With --text: show so many translations of a sentence, best first."] = 1,
    glossary: Annotated[Path | None, "Lines TERM<tab>TRANSLATION: where the term occurs, its translation must."] = None,
    keep: Annotated[
        list[str] | str | None,
        "Keep such spans exactly as they are: number, url, email, code, placeholder, or all; may be given several times.",
    ] = None,
    mbr: Annotated[int, "Draw so many translations and take the one most like all of them (minimum Bayes risk by chrF); 0: search."] = 0,
    sample: Annotated[bool, "Draw a translation at random instead of searching the best."] = False,
    temperature: Annotated[float, "With --sample and --mbr: the higher, the more varied."] = 1.0,
    seed: Annotated[int, "With --sample and --mbr: seed of the draws."] = 0,
    align: Annotated[bool, "Say which words stand for which; --out then is JSON lines."] = False,
    to: Annotated[str | None, "The language to write, where the model was trained on several."] = None,
    domain: Annotated[str | None, "The kind of text, where the model was trained on several."] = None,
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
) -> TranslateResult:
    """Translate texts, or files of any size line by line.

    A line comes out the same whatever the others are. Raises `InputError` for a file that cannot be read, `ArtifactError` for a model that
    cannot be used, `Interrupted` after Ctrl-C: what is done is kept, and the same command goes on.
    """
    text, keep = several(text), several(keep)
    if not Path(model).exists():
        raise ArtifactError(model, "no such run folder; check the path")
    if (text is None) == (in_ is None):
        raise SettingError("in", "give either --in or --text; one of them says what to translate")
    if in_ is None and out is not None:
        raise SettingError("out", "goes with --in; translations of texts of the command line are shown")
    for name, number, least in (("beams", beams, 1), ("best", best, 1), ("mbr", mbr, 0), ("seed", seed, 0)):
        if number is not None and number < least:
            raise SettingError(name, f"must be at least {least}")
    if not 0 < temperature < math.inf:
        raise SettingError("temperature", "must be a number greater than 0; leave out --sample to search")

    from zhixing.decode.sample import SampleSettings
    from zhixing.tasks.translation.artifact import Translator
    from zhixing.tasks.translation.search import MBR_DRAWS, Manner
    from zhixing.tasks.translation.terms import KEPT, Terms, read_glossary

    began = time.perf_counter()
    translator = Translator.open(model, device).speaking(to, domain)
    search = translator.recipe.decode
    beams = search.beams if beams is None else beams
    drawn = None
    if sample or mbr:
        usual = MBR_DRAWS if mbr else SampleSettings(temperature=1.0)
        drawn = usual.model_copy(update={"temperature": temperature, "seed": seed})
        search = search.model_copy(update={"best": best})
    else:
        search = search.model_copy(update={"beams": max(beams, best), "best": best})
    terms = None
    if glossary is not None or keep:
        kinds = tuple(KEPT) if keep and "all" in keep else tuple(dict.fromkeys(keep or ()))
        terms = Terms(read_glossary(glossary, translator.cleaned) if glossary is not None else {}, kinds)
    manner = Manner(search, terms, drawn, mbr, align)
    if text is not None:
        found = translator(text, manner)
        rows = [_row(source, one) for source, one in zip(text, found, strict=True)]
        seconds = time.perf_counter() - began
        cut, forced = sum(one.pieces > 1 for one in found), sum(one.forced for one in found)
        return TranslateResult(
            model=str(model), texts=len(rows), continued=0, cut=cut, forced=forced, seconds=seconds, texts_per_second=len(rows) / seconds,
            out=None, translations=rows,
        )  # fmt: skip
    assert in_ is not None
    return _file(translator, manner, model, Path(in_), None if out is None else Path(out), domain)


def _row(source: str, one: Translation) -> dict[str, Any]:
    row: dict[str, Any] = {"source": source, "translation": one.text, "score": one.score, "pieces": one.pieces}
    if one.links:
        row |= _aligned(one)
    return {**row, "alternatives": list(one.alternatives)} if one.alternatives else row


def _aligned(one: Translation) -> dict[str, Any]:
    """Places of characters in `source` (the text as it was translated, cleaned) and in `translation`, and how sure each link is."""
    return {"source": one.source, "alignment": [[*link.source, *link.target, link.weight] for link in one.links]}


def _line(one: Translation, *, aligned: bool) -> str:
    if not aligned:
        return one.text.replace("\n", " ")
    return json.dumps({"translation": one.text, "score": one.score, **_aligned(one)}, ensure_ascii=False)


def _shown(line: str, *, aligned: bool) -> dict[str, Any]:
    """A line that no file took, as it is returned."""
    return json.loads(line) if aligned else {"translation": line}


def _file(translator: Translator, manner: Manner, model: Path, source: Path, out: Path | None, domain: str | None) -> TranslateResult:
    from zhixing.tasks.streaming import streamed

    request = {"model": translator.fingerprint, "manner": _told(manner), "to": translator.to, "domain": domain}
    began, cut, forced = time.perf_counter(), 0, 0
    total = sum(1 for _ in _lines(source)) if source.is_file() else None  # a line that cannot be read is told now, not after hours
    with streamed(source, _lines(source), out, request, "translating", "lines", WINDOW, total) as (written, windows):
        for window in windows:
            found = translator(window, manner)
            cut += sum(one.pieces > 1 for one in found)
            forced += sum(one.forced for one in found)
            written.add([_line(one, aligned=manner.align) for one in found])
    seconds = time.perf_counter() - began
    return TranslateResult(
        model=str(model), texts=written.lines, continued=written.before, cut=cut, forced=forced, seconds=seconds,
        texts_per_second=(written.lines - written.before) / seconds, out=None if out is None else str(out),
        translations=None if written.kept is None else [_shown(line, aligned=manner.align) for line in written.kept],
    )  # fmt: skip


def _told(manner: Manner) -> dict[str, Any]:
    """A manner as JSON."""
    terms, sample = manner.terms, manner.sample
    return {
        "search": manner.beam.model_dump(mode="json"),
        "sample": None if sample is None else sample.model_dump(mode="json"),
        "terms": None if terms is None else [sorted(terms.glossary.items()), terms.keep],
        "mbr": manner.mbr,
        "align": manner.align,
    }


def _lines(source: Path) -> Iterator[str]:
    r"""The lines of a file without their ends, split at `\n` alone."""
    from zhixing.corpus.encoding import broken
    from zhixing.corpus.pairs.reading import text_lines

    for number, line, _ in text_lines(str(source)):
        if line is None or broken(line):
            what = "is too long" if line is None else "has bytes that are not in the file's encoding"
            raise InputError(f"{source}:{number}", f"{what}; mend or leave out this line")
        yield line
