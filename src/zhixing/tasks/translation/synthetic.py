"""Pairs that models make: monolingual text with sources that a reverse model writes, and pairs whose targets a teacher writes.

1. `monolingual` picks sentences by their hash, in bounded memory: none twice, none blank, too long, in another script, or like a held-out
   target.
2. `written` has a model translate them, a window at a time, into a file that is taken up again after a kill, for as long as there is time.
3. What a model writes is judged as pairs of the user's are (`corpus.pairs.faults`): blank, copied and far too long ones are left out.
"""

from __future__ import annotations

import heapq
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from zhixing.console import progress
from zhixing.corpus.clean import clean
from zhixing.corpus.encoding import broken
from zhixing.corpus.pairs import Pair, PairSettings, faults
from zhixing.corpus.pairs.overlap import HeldOut
from zhixing.corpus.pairs.reading import text_lines
from zhixing.corpus.split import draw
from zhixing.decode.draws import draws
from zhixing.decode.sample import SampleSettings
from zhixing.errors import InputError
from zhixing.resume import resumed
from zhixing.tasks.translation.artifact import Translator

WINDOW = 256
"""Sentences that are translated before the clock is looked at."""
SPARE = 1.1
"""How many more sentences are picked than are wanted, because some of them will resemble held-out ones."""


def monolingual(
    names: Sequence[str], language: str, settings: PairSettings, held_out: Sequence[Pair], most: int, seed: int
) -> tuple[list[str], dict[str, int]]:
    """At most `most` sentences of text files, a line each, and how many were read and left out for which reason.

    Raises `InputError` for files that cannot be read, or hold no sentence of use.
    """
    counts: Counter[str] = Counter()
    own = faults.script(language)
    picked: list[tuple[float, str]] = []  # a heap whose first is the last that would be taken
    inside: set[str] = set()
    size = int(most * SPARE) + 8
    for name in names:
        if not Path(name).is_file():
            raise InputError(name, "no such file; --monolingual takes text files, a sentence a line")
        for _, line, _ in text_lines(name):
            counts["read"] += 1
            text = "" if line is None or broken(line) else clean(line, settings.clean).strip()
            if not any(c.isalnum() for c in text):
                counts["blank"] += 1
            elif len(text) > settings.max_characters:
                counts["long"] += 1
            elif settings.scripts and faults.strange(text, own):
                counts["script"] += 1
            elif text not in inside:
                number = draw(text, seed)
                if len(picked) < size:
                    heapq.heappush(picked, (-number, text))
                elif -number > picked[0][0]:
                    inside.discard(heapq.heapreplace(picked, (-number, text))[1])
                else:
                    continue
                inside.add(text)
    texts = [text for _, text in sorted(picked, reverse=True)]
    near = HeldOut([Pair("", pair.target, pair.file, pair.line) for pair in held_out], settings.similarity)
    kept: list[str] = []
    for start in range(0, len(texts), 4096):
        batch = texts[start : start + 4096]
        like = near.near([Pair("", text, "", 0) for text in batch])
        kept += [text for text, one in zip(batch, like, strict=True) if one is None]
        counts["overlap"] += sum(one is not None for one in like)
    if not kept:
        why = ", ".join(f"{count} {what}" for what, count in counts.items() if what != "read" and count)
        raise InputError(names[0], f"holds no sentence of use in {language}: of {counts['read']} lines {why or 'none'}")
    return kept[:most], {**counts, "kept": min(len(kept), most)}


Say = Callable[[Sequence[str]], list[str]]
"""Texts in, texts out."""


def written(say: Say, texts: Sequence[str], out: Path, request: dict[str, Any], description: str, seconds: float | None) -> list[str]:
    """What a model makes of texts, from the first on: of all of them, or of as many as `seconds` allow.

    A file of JSON strings, a line each, keeps them; one that is there is read, and what a killed process has left of it goes on.
    """
    if not out.is_file():
        began = time.perf_counter()
        with resumed(out, request, unit="sentences") as lines, progress(description, total=len(texts), unit="sentences") as bar:
            bar.advance(lines.before)
            for start in range(lines.before, len(texts), WINDOW):
                if seconds is not None and lines.lines and time.perf_counter() - began > seconds:
                    break
                found = say(texts[start : start + WINDOW])
                lines.add([json.dumps(text, ensure_ascii=False) for text in found])
                bar.advance(len(found))
    return [json.loads(line) for line in out.read_text(encoding="utf-8").split("\n")[:-1]]


def by_search(translator: Translator, beams: int) -> Say:
    """A model that searches."""
    settings = translator.recipe.decode.model_copy(update={"beams": beams, "best": 1})
    return lambda texts: [one.text.replace("\n", " ") for one in translator(texts, settings)]


def by_drawing(translator: Translator, seed: int) -> Say:
    """A model that draws, so that its texts are as varied as it has learnt; nothing for a text that is longer than its window."""
    words, target, search = translator.source, translator.target, translator.search
    longest = translator.task.context

    def say(texts: Sequence[str]) -> list[str]:
        ids = search.ids([translator.cleaned(text) for text in texts])
        short = [row for row in ids if len(row) <= longest]
        settings = SampleSettings(temperature=1.0, tokens=longest, seed=seed)
        drawn = iter(
            draws(
                translator.model, short, settings, begin=search.begin, end=target.end, pad=words.pad,
                banned=sorted({target.pad} - {target.end}), first=search.first,
            )
        )  # fmt: skip
        return [target.decode(next(drawn)[0].tokens).strip() if len(row) <= longest else "" for row in ids]

    return say


def fit(pairs: Sequence[Pair], languages: tuple[str, str], settings: PairSettings, usual: float) -> Iterator[Pair]:
    """Made pairs without fault."""
    settings = settings.model_copy(update={"scripts": False})  # a weak model's words may be in any
    return (pair for pair in pairs if faults.fault(pair, pair.languages or languages, settings, usual) is None)
