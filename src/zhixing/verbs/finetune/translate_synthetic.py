"""The part of a translation run in which models make pairs, before its own first step.

    runs/en-zh/reverse/          the model of back-translation, a run of its own: from the target language to the source language
    runs/en-zh/synthetic.jsonl   its translations of the monolingual text
    runs/en-zh/distilled-*.jsonl what a teacher writes for the sources
    runs/en-zh/made/             token ids of what is trained on, and counts.json

Each of them is taken up again where a killed process has left it, and used as it is where it is finished.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zhixing.console import say, warn
from zhixing.errors import ArtifactError
from zhixing.files import MANIFEST, new_folder, open_folder, read_json, write_json
from zhixing.verbs.finetune.translate_setup import Wish, read_pairs

if TYPE_CHECKING:
    from zhixing.corpus.pairs import Pair
    from zhixing.tasks.translation.artifact import Translator
    from zhixing.tasks.translation.marks import Marks
    from zhixing.tasks.translation.recipe import TranslateRecipe
    from zhixing.tokenizer.tokenizer import Tokenizer

COUNTS = "counts.json"
TRAINING = 0.6
"""Share of the time for back-translation in which the reverse model is trained."""


def training_pairs(wish: Wish, recipe: TranslateRecipe, marks: Marks, words: tuple[Tokenizer, Tokenizer]) -> Path:
    """The folder of the pairs that a run trains on, made if need be."""
    from zhixing.tasks.translation.start import write

    if not wish.monolingual and wish.teacher is None:
        return wish.out / "pairs"
    place = wish.out / "made"
    if (place / MANIFEST).is_file():
        open_folder(place, "pairs")
        return place
    pairs = read_pairs(wish.out / "train.jsonl")
    usual, counts = float(read_json(wish.out / "pair_report.json")["usual_ratio"]), dict[str, Any]({"pairs": len(pairs)})
    if wish.teacher is not None:
        pairs, counts["teacher"] = _distilled(wish, recipe, pairs, usual)
    if wish.monolingual:
        synthetic, counts["back"] = _back(wish, recipe, usual)
        wanted = recipe.back.ratio * counts["pairs"]
        if len(synthetic) < 0.95 * wanted:
            ratio = len(synthetic) / counts["pairs"]
            warn(f"there are {ratio:.2f} synthetic pairs for each pair of the data; back.ratio = {recipe.back.ratio:g} was asked for")
        pairs = [*pairs, *synthetic]
    with new_folder(place, "pairs") as folder:
        write(folder, "train", pairs, *words, marks, recipe.train.seed)
        write_json(folder / COUNTS, counts)
    return place


def counts_of(run: Path) -> dict[str, Any] | None:
    """What models have made for a run."""
    return dict(read_json(run / "made" / COUNTS)) if (run / "made" / COUNTS).is_file() else None


def _seconds(wish: Wish, share: float) -> float | None:
    return None if wish.minutes is None else wish.minutes * 60 * share


def _back(wish: Wish, recipe: TranslateRecipe, usual: float) -> tuple[list[Pair], dict[str, Any]]:
    """Pairs of the monolingual sentences and what the reverse model writes for them."""
    from zhixing.corpus.pairs import Pair
    from zhixing.tasks.translation import synthetic

    run = wish.reverse or _reverse(wish, recipe)
    translator = _opened(wish, "reverse", run).speaking(wish.languages[0])
    texts = [json.loads(line) for line in (wish.out / "monolingual.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
    settings = recipe.back
    write = (
        synthetic.by_search(translator, settings.beams)
        if settings.search == "beam"
        else synthetic.by_drawing(translator, recipe.train.seed)
    )
    request = {"model": translator.fingerprint, "search": settings.search, "beams": settings.beams, "texts": len(texts)}
    seconds = _seconds(wish, settings.share * (1.0 if wish.reverse is not None else 1 - TRAINING))
    lines = synthetic.written(write, texts, wish.out / "synthetic.jsonl", request, "translating back", seconds)
    pairs = [Pair(line, text, "synthetic", n, made=True) for n, (line, text) in enumerate(zip(lines, texts, strict=False), start=1)]
    kept = list(synthetic.fit(pairs, wish.languages, recipe.pairs, usual))
    say(f"{len(kept)} synthetic pairs ({len(pairs) - len(kept)} left out as faulty, {len(texts) - len(lines)} not reached in the time)")
    about = {"sentences": len(texts), "translated": len(lines), "pairs": len(kept), "reverse": str(run), "parameters": _size(translator)}
    return kept, about


def _reverse(wish: Wish, recipe: TranslateRecipe) -> Path:
    """Train the model of the other direction, from the same pairs."""
    from zhixing.verbs.finetune.translate import translate

    chosen = {name: value for name, value in wish.chosen.items() if not name.startswith(("back.", "distil.", "decode.first"))}
    minutes = None if wish.minutes is None else wish.minutes * recipe.back.share * TRAINING
    if recipe.back.steps is not None:
        minutes, chosen["train.steps"] = None, recipe.back.steps
    run, (source, target) = wish.out / "reverse", wish.languages
    if not (run / "result.json").is_file():
        say(f"training the reverse model, from {target} to {source}" + (f", for {minutes:.3g} minutes" if minutes else ""))
    translate(
        data=[str(wish.out / "train.jsonl")],
        valid=[str(wish.out / "valid.jsonl")],
        out=run,
        source_language=target,
        target_language=source,
        source_column="target",
        target_column="source",
        size=wish.size,
        minutes=minutes,
        device=wish.device,
        settings=chosen,
    )
    return run


def _distilled(wish: Wish, recipe: TranslateRecipe, pairs: Sequence[Pair], usual: float) -> tuple[list[Pair], dict[str, Any]]:
    """The pairs with the teacher's targets in place of their own, where it has come to them and its own have no fault."""
    from zhixing.tasks.translation import synthetic

    assert wish.teacher is not None
    teacher = _opened(wish, "teacher", wish.teacher)
    groups: dict[tuple[str, str], list[int]] = {}
    for number, pair in enumerate(pairs):
        domain = pair.domain if pair.domain in teacher.marks.domain_marks else None
        groups.setdefault(((pair.languages or wish.languages)[1], domain or ""), []).append(number)
    written: dict[int, Pair] = {}
    for place, ((to, domain), numbers) in enumerate(sorted(groups.items())):
        write = synthetic.by_search(teacher.speaking(to, domain or None), recipe.distil.beams)
        request = {"teacher": teacher.fingerprint, "beams": recipe.distil.beams, "texts": len(numbers)}
        seconds = _seconds(wish, recipe.distil.share * len(numbers) / len(pairs))
        out = wish.out / f"distilled-{place}.jsonl"
        lines = synthetic.written(write, [pairs[n].source for n in numbers], out, request, f"the teacher translates to {to}", seconds)
        written |= {n: replace(pairs[n], target=line) for n, line in zip(numbers, lines, strict=False)}
    sound = {id(pair) for pair in synthetic.fit(list(written.values()), wish.languages, recipe.pairs, usual)}
    taught = {n: pair for n, pair in written.items() if id(pair) in sound}
    say(f"the teacher has written {len(taught)} of {len(pairs)} targets")
    found = [taught.get(n, pair) for n, pair in enumerate(pairs)]
    if recipe.distil.originals:
        found += [pair for n, pair in enumerate(pairs) if n in taught and taught[n].target != pair.target]
    return found, {
        "run": str(wish.teacher),
        "parameters": _size(teacher),
        "targets": len(taught),
        "kept_as_they_were": len(pairs) - len(taught),
    }


def _opened(wish: Wish, name: str, path: Path) -> Translator:
    """A model that makes pairs. Raises `ArtifactError` unless it is the one that the run was begun with."""
    from zhixing.tasks.translation.artifact import Translator

    translator, begun = Translator.open(path, wish.device), read_json(wish.out / "lineage.json")["models"].get(name)
    if begun is not None and begun != translator.fingerprint:
        raise ArtifactError(wish.out, f"was begun with --{name} {path} as it was then; give that, or choose another --out")
    return translator


def _size(translator: Translator) -> int | None:
    """Its parameters; None of an export, in which another engine has them."""
    return None if translator.task.engine != "own" else sum(p.numel() for p in translator.model.parameters())
