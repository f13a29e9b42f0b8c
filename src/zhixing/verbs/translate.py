"""The verb `translate`.

1. Lines are read from a file a window at a time, split at `\n` alone; each is written in the other language as one line, in order.
2. Lines are written to a file beside `--out` that takes its name when all are there. The same command goes on behind the last whole line
   of what a killed one has left, if model, input and settings are the same.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import Result
from zhixing.errors import InputError, SettingError

if TYPE_CHECKING:
    from zhixing.decode.beam import BeamSettings
    from zhixing.tasks.translation.artifact import Translator

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
    """For texts given with --text."""

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
    model: Annotated[Path, "A finished translation run."],
    *,
    in_: Annotated[Path | None, "A text file; each line is translated. - is standard input."] = None,
    out: Annotated[Path | None, "The text file to write, line for line."] = None,
    text: Annotated[list[str] | None, "A text itself, instead of a file; may be given several times."] = None,
    beams: Annotated[int | None, "Hypotheses kept at each step; 1 is greedy. Default: as the run says."] = None,
    best: Annotated[int, "With --text: show so many translations of a sentence, best first."] = 1,
    to: Annotated[str | None, "The language to write, where the model was trained on several."] = None,
    domain: Annotated[str | None, "The kind of text, where the model was trained on several."] = None,
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
) -> TranslateResult:
    """Translate texts, or files of any size line by line.

    A line comes out the same whatever the others are. Raises `InputError` for a file that cannot be read, `ArtifactError` for a model that
    cannot be used, `Interrupted` after Ctrl-C: what is done is kept, and the same command goes on.
    """
    from zhixing.tasks.translation.artifact import Translator

    if (text is None) == (in_ is None):
        raise SettingError("in", "and --text: one of them says what to translate")
    if in_ is not None and out is None:
        raise SettingError("out", "is needed with --in: the file to write")
    if (beams is not None and beams < 1) or best < 1:
        raise SettingError("beams" if beams is not None and beams < 1 else "best", "must be at least 1")
    began = time.perf_counter()
    translator = Translator.open(model, device).speaking(to, domain)
    search = translator.recipe.decode
    beams = search.beams if beams is None else beams
    settings = search.model_copy(update={"beams": max(beams, best), "best": best})
    if text is not None:
        found = translator(text, settings)
        rows = [_row(source, one) for source, one in zip(text, found, strict=True)]
        seconds = time.perf_counter() - began
        cut, forced = sum(one.pieces > 1 for one in found), sum(one.forced for one in found)
        return TranslateResult(
            model=str(model), texts=len(rows), continued=0, cut=cut, forced=forced, seconds=seconds, texts_per_second=len(rows) / seconds,
            out=None, translations=rows,
        )  # fmt: skip
    assert in_ is not None and out is not None
    return _file(translator, settings, model, Path(in_), Path(out), domain)


def _row(source: str, one: Any) -> dict[str, Any]:
    row = {"source": source, "translation": one.text, "score": one.score, "pieces": one.pieces}
    return {**row, "alternatives": list(one.alternatives)} if one.alternatives else row


def _file(translator: Translator, settings: BeamSettings, model: Path, source: Path, out: Path, domain: str | None) -> TranslateResult:
    from zhixing.console import progress
    from zhixing.corpus.sources import STDIN
    from zhixing.resume import resumed

    piped = str(source) == STDIN
    if not piped and not source.is_file():
        raise InputError(source, "no such file")
    request = {
        "model": translator.fingerprint, "in": str(source.absolute()), "search": json.loads(settings.model_dump_json()),
        "to": translator.to, "domain": domain,
        "bytes": None if piped else source.stat().st_size, "changed": None if piped else source.stat().st_mtime_ns,
    }  # fmt: skip
    began, cut, forced = time.perf_counter(), 0, 0
    lines = _lines(source)
    with resumed(out, None if piped else request, unit="lines") as written:
        if sum(1 for _ in islice(lines, written.before)) < written.before:
            raise InputError(source, "has become shorter since its first lines were translated")
        with progress("translating", total=None if piped else _count(source), unit="lines") as bar:
            bar.advance(written.before)
            while window := list(islice(lines, WINDOW)):
                found = translator(window, settings)
                cut += sum(one.pieces > 1 for one in found)
                forced += sum(one.forced for one in found)
                written.add([one.text.replace("\n", " ") for one in found])
                bar.advance(len(window))
    seconds = time.perf_counter() - began
    return TranslateResult(
        model=str(model), texts=written.lines, continued=written.before, cut=cut, forced=forced, seconds=seconds,
        texts_per_second=(written.lines - written.before) / seconds, out=str(out),
    )  # fmt: skip


def _lines(source: Path) -> Iterator[str]:
    r"""The lines of a file without their ends, split at `\n` alone."""
    from zhixing.corpus.encoding import broken
    from zhixing.corpus.pairs.reading import text_lines

    for number, line, _ in text_lines(str(source)):
        if line is None or broken(line):
            what = "is too long" if line is None else "has bytes that are not in the file's encoding"
            raise InputError(f"{source}:{number}", f"{what}; mend or leave out this line")
        yield line


def _count(source: Path) -> int:
    with open(source, "rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
