"""A translation run up to its first step: pairs read and dealt out, tokenizers, what the user leaves open decided, the folder written."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zhixing.config import resolve
from zhixing.console import say, warn
from zhixing.errors import InputError, SettingError
from zhixing.files import new_folder, write_json, write_json_lines
from zhixing.run_folder import refuse_two_lengths, write_record

if TYPE_CHECKING:
    import torch

    from zhixing.corpus.pairs import Examined, Pair, TagColumns
    from zhixing.objectives import Seq2Seq
    from zhixing.start import Bases
    from zhixing.tasks.translation.artifact import Translator
    from zhixing.tasks.translation.base import Base
    from zhixing.tasks.translation.marks import Marks
    from zhixing.tasks.translation.recipe import TranslateRecipe
    from zhixing.tokenizer.tokenizer import Tokenizer

LEARNING: dict[str, Any] = {
    "model.norm": "pre",
    "model.dropout": 0.1,
    "optim.kind": "muon",
    "optim.weight_decay": 0.05,
    "schedule.kind": "wsd",
    "schedule.cooldown": 0.5,
    "train.batch": 32,
    "decode.ratio": 3.0,
    "train.compile": False,
}
"""How a new translator learns, where the user says nothing else."""
RATE, WIDTH = 0.005, 128
"""Peak rate of all its parameters, measured at a width (see docs/decisions); wider models take smaller steps, as in `train.size`."""
KNOWN: dict[str, Any] = {
    "optim.kind": "adamw",
    "optim.learning_rate": 1e-4,
    "optim.table_rate": 1e-4,
    "optim.vector_rate": 1e-4,
    "optim.weight_decay": 0.01,
    "optim.beta2": 0.98,
    "schedule.kind": "linear",
}
"""What is otherwise for a model that has learnt to translate already. Not measured here: rates as Marian's fine-tuning usually has them."""
SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"model.width": 96, "model.heads": 2, "model.encoder_layers": 3, "model.decoder_layers": 1},
    "small": {"model.width": 128, "model.heads": 2, "model.encoder_layers": 4, "model.decoder_layers": 1},
    "medium": {"model.width": 256, "model.heads": 4, "model.encoder_layers": 6, "model.decoder_layers": 2},
    "large": {"model.width": 512, "model.heads": 8, "model.encoder_layers": 6, "model.decoder_layers": 3},
}
"""Shapes by name. Without a name, the one with the least expected loss in the minutes; medium where there is no limit."""
EPOCHS = {False: 10.0, True: 3.0}
"""How often pairs are read where neither minutes nor train.steps say how long to train; True: of a model that translates already."""
FINISH = 0.1
"""Share of the minutes kept for validation, saving and translating the validation texts."""
MOST_VALID = 2000
LEAST_ROWS, MOST_ROWS = 4, 64
"""Rows of `objective.context` tokens in an update."""


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    data: list[str]
    targets: list[str]
    out: Path
    languages: tuple[str, str]
    valid: list[str] | None
    columns: tuple[str | None, str | None]
    tags: TagColumns
    bases: Bases
    monolingual: list[str]
    reverse: Path | None
    teacher: Path | None
    size: str | None
    minutes: float | None
    device: str
    chosen: Mapping[str, Any]

    def learning(self, base: Base) -> dict[str, Any]:
        """How a model of the kind that is asked for, or that is there, learns."""
        marian = base.settings.get("model.kind", self.chosen.get("model.kind", "marian")) == "marian"
        sized = SIZES[self.size] if self.size is not None else {}
        new = {**{name: value for name, value in LEARNING.items() if marian or name != "model.norm"}, **sized}
        return {**new, **(KNOWN if base.translates else {}), **base.settings}


def check(wish: Wish) -> None:
    """Raise `SettingError` for wishes that contradict one another, before anything is read."""
    from zhixing.models import kinds
    from zhixing.start import Bases
    from zhixing.tasks.translation.recipe import TranslateRecipe

    recipe = resolve(TranslateRecipe, wish.chosen, {"schedule.warmup": 0})
    if recipe.model.kind not in kinds("encoder-decoder"):
        known = ", ".join(kinds("encoder-decoder"))
        raise SettingError("model.kind", f"= {recipe.model.kind} cannot be a model of shape encoder-decoder; these can: {known}")
    refuse_two_lengths(wish.minutes, wish.chosen)
    if wish.languages[0] == wish.languages[1]:
        raise SettingError("target_language", f"is {wish.languages[1]}, the language to translate from")
    if wish.size is not None:
        if wish.size not in SIZES:
            raise SettingError("size", f"= {wish.size}; sizes are {', '.join(SIZES)}")
        if recipe.model.kind != "marian":
            raise SettingError("size", f"names shapes of Transformers, and model.kind = {recipe.model.kind}; set its model.* by hand")
        if wish.bases != Bases():
            raise SettingError("size", "cannot be set together with a base, which has its own")
    if wish.reverse is not None and not wish.monolingual:
        raise SettingError("reverse", "makes sources for --monolingual text; give that, too")
    if wish.monolingual and (wish.tags.source_language or wish.tags.target_language):
        raise SettingError("monolingual", "works with one pair of languages, and the data have a column of languages")


def _read(names: Sequence[str], targets: Sequence[str], wish: Wish) -> Any:
    from zhixing.corpus.pairs import read

    return read(
        names, wish.languages, targets=targets, source_column=wish.columns[0], target_column=wish.columns[1], tags=wish.tags
    )  # fmt: skip


def material(wish: Wish, recipe: TranslateRecipe) -> tuple[Examined, list[Pair]]:
    """The pairs to train on, examined, and those to validate with."""
    from zhixing.corpus.clean import clean
    from zhixing.corpus.document import Dropped
    from zhixing.corpus.pairs import Pair, examine
    from zhixing.corpus.split import draw

    say("reading and examining the pairs")
    items = _read(wish.data, wish.targets, wish)
    if wish.valid is not None:
        given = (p for p in _read(wish.valid, (), wish) if isinstance(p, Pair))
        cleaned = (
            replace(p, source=clean(p.source, recipe.pairs.clean).strip(), target=clean(p.target, recipe.pairs.clean).strip())
            for p in given
        )
        held_out = [p for p in cleaned if p.source and p.target]
        if not held_out:
            raise InputError(", ".join(wish.valid), "holds no pair with two sides")
        return examine(items, wish.languages, recipe.pairs, held_out), held_out
    everything: list[Pair | Dropped] = list(items)
    pairs = [item for item in everything if isinstance(item, Pair)]
    count_of = max(1, len(pairs))
    share = min(max(0.02, min(0.2, 30 / count_of)), MOST_VALID / count_of)  # of few pairs more, or nothing could be said
    # By its source, so that all translations of a sentence lie on one side.
    chosen = {id(pair) for pair in pairs if draw(pair.source.strip(), recipe.train.seed) < share}
    held_out = examine(
        [p for p in pairs if id(p) in chosen] or pairs[:1], wish.languages, recipe.pairs.model_copy(update={"max_faulty": 1.0})
    ).pairs
    rest = [item for item in everything if id(item) not in chosen]
    examined = examine(rest, wish.languages, recipe.pairs, held_out)
    if len(held_out) < 10:
        raise InputError(wish.data[0], f"gives only {len(held_out)} validation pairs; give more pairs, or --valid")
    return examined, held_out


def _languages(wish: Wish, pairs: Sequence[Pair]) -> set[tuple[str, str]]:
    """Those of the pairs. Raises `SettingError` where the ones to translate between by default are not among them."""
    found = {pair.languages or wish.languages for pair in pairs}
    if wish.languages not in found:
        known = ", ".join(sorted("-".join(both) for both in found)[:10])
        what = f"= {wish.languages[1]}, and no pair is from {wish.languages[0]} to it; set both languages to one of {known}"
        raise SettingError("target_language", what)
    return found


def create(wish: Wish, began: float) -> None:
    """Examine the data, derive what is left open, and write a run folder as it stands before the first step."""
    from zhixing import device as devices
    from zhixing.evaluate.report import write_pairs_report
    from zhixing.tasks.translation import synthetic
    from zhixing.tasks.translation.artifact import Translator
    from zhixing.tasks.translation.base import opened
    from zhixing.tasks.translation.marks import FILE, Marks, with_tags
    from zhixing.tasks.translation.recipe import TranslateRecipe
    from zhixing.tasks.translation.start import SOURCE_TOKENIZER, TARGET_TOKENIZER, objective, write
    from zhixing.tasks.translation.vocabulary import tokenizers

    device = devices.pick(wish.device)
    base = opened(wish.bases, wish.chosen, wish.languages)
    draft = resolve(TranslateRecipe, wish.chosen, {**wish.learning(base), "schedule.warmup": 0})
    decided = base.translates or "model.dropout" in wish.chosen  # else `derive` sees to it
    if draft.objective.rdrop and decided and draft.model.dropout == 0:
        raise SettingError("objective.rdrop", "compares two passes with different dropout, and model.dropout = 0; set model.dropout=0.1")
    helpers: dict[str, str] = {}
    for name, path, languages in (("teacher", wish.teacher, wish.languages), ("reverse", wish.reverse, wish.languages[::-1])):
        if path is not None:
            translator = Translator.open(path, "cpu")
            _refuse_stranger(translator, name, path, languages)
            if name == "reverse" and translator.task.engine != "own" and draft.back.search != "beam":
                raise SettingError(
                    "reverse", f"= {path} is an export, which can search but not draw; set back.search=beam, or name its run"
                )
            helpers[name] = translator.fingerprint
    examined, held_out = material(wish, draft)
    report, pairs = examined.report, examined.pairs
    spoken, domains = _languages(wish, pairs), {pair.domain for pair in pairs if pair.domain is not None}
    say(f"{report['kept']} of {report['read']} pairs are trained on")
    for kind, finding in report["findings"].items():
        if kind != "duplicate" and finding["share"] > 0.01:
            warn(f"{finding['count']} pairs: {finding['meaning']} (such as {finding['lines'][0]})")
    known = [pair for pair in held_out if (pair.languages or wish.languages) in spoken and (pair.domain is None or pair.domain in domains)]
    if not known:
        raise InputError(", ".join(wish.valid or wish.data), "has no validation pair of a language and a domain that are trained on")
    if len(known) < len(held_out):
        warn(f"{len(held_out) - len(known)} validation pairs are of a language or a domain that is not trained on, and are left out")
    held_out = known
    texts: list[str] = []
    if wish.monolingual:
        say("reading the monolingual text")
        most = math.ceil(draft.back.ratio * len(pairs))
        texts, report["monolingual"] = synthetic.monolingual(
            wish.monolingual, wish.languages[1], draft.pairs, held_out, most, draft.train.seed
        )
        say(f"{len(texts)} of {report['monolingual']['read']} lines are to be translated back")
    if base.source is None or base.target is None:
        say("training the tokenizers")
    source, target = tokenizers(pairs, draft.vocabulary, (base.source, base.target))
    joint = draft.vocabulary.joint
    plain = base.marks or Marks.plain(wish.languages, source, target)
    elsewhere = wish.bases.whole if base.marks is not None else None
    marks, source, target = with_tags(
        plain, source, target, languages=spoken, domains=domains, back=bool(texts) and draft.back.tag, joint=joint, base=elsewhere
    )
    lineage = {
        "data": sources(wish),
        "languages": list(wish.languages),
        "base": wish.bases.lineage(),
        "made": asked(wish),
        "size": wish.size,
        "models": helpers,
    }
    with new_folder(wish.out, "run", extra={"task": "translate"}) as folder:
        source.save(folder / SOURCE_TOKENIZER)
        target.save(folder / TARGET_TOKENIZER)
        write_json(folder / FILE, marks.model_dump())
        (folder / "pairs").mkdir()
        write(folder / "pairs", "train", pairs, source, target, marks, draft.train.seed)
        write(folder / "pairs", "valid", held_out, source, target, marks)
        write_pairs(folder / "valid.jsonl", held_out)
        if texts or wish.teacher is not None:
            write_pairs(folder / "train.jsonl", pairs)
            write_json_lines(folder / "monolingual.jsonl", texts)
        write_json(folder / "pair_report.json", report)
        write_pairs_report(folder, wish.out)
        write_json_lines(folder / "dropped.jsonl", examined.dropped)
        more = len(texts) / len(pairs)
        recipe = resolve(TranslateRecipe, wish.chosen, derive(wish, base, marks, folder / "pairs", (source, target), device, began, more))
        objective(folder / "pairs", "valid", recipe, marks, source, target)  # complains where none of them fits into the window
        write_record(folder, recipe, lineage, wish.chosen, wish.minutes)


def sources(wish: Wish) -> dict[str, Any]:
    """Where the pairs are, as the lineage has it."""
    return {"names": wish.data, "targets": wish.targets, "valid": wish.valid, "columns": [*wish.columns, *wish.tags.named()]}


def asked(wish: Wish) -> dict[str, Any]:
    """What is to make pairs, as the lineage has it."""
    models = {name: None if path is None else str(path) for name, path in (("reverse", wish.reverse), ("teacher", wish.teacher))}
    return {"monolingual": wish.monolingual, **models}


def _refuse_stranger(translator: Translator, name: str, path: Path, languages: tuple[str, str]) -> None:
    """Raise `SettingError` unless a model translates between these languages.

    One that writes several says which it reads by its marks, or, where it has none for sources, by writing the one that it usually reads.
    """
    known, marks = (translator.task.source_language, translator.task.target_language), translator.marks
    writes = {known[1], *marks.to_marks, *marks.target_marks}
    reads = languages[0] in {known[0], *marks.source_marks} or (not marks.source_marks and known[0] in writes)
    if not reads or languages[1] not in writes:
        what = f"{path} translates from {known[0]} to {known[1]}, and one from {languages[0]} to {languages[1]} is needed"
        raise SettingError(name, what)


def write_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    """Write texts of pairs as JSON lines."""
    rows = []
    for pair in pairs:
        tags = {"domain": pair.domain} if pair.domain is not None else {}
        tags |= {"source_language": pair.languages[0], "target_language": pair.languages[1]} if pair.languages else {}
        rows.append({"source": pair.source, "target": pair.target, "where": pair.where, **tags})
    write_json_lines(path, rows)


def read_pairs(path: Path) -> list[Pair]:
    """Texts of pairs that `write_pairs` wrote."""
    from zhixing.corpus.pairs import Pair

    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")[:-1], start=1):
        row = json.loads(line)
        spoken = (row["source_language"], row["target_language"]) if "target_language" in row else None
        found.append(Pair(row["source"], row["target"], path.name, number, row.get("domain"), spoken))
    return found


def derive(
    wish: Wish, base: Base, marks: Marks, pairs: Path, words: tuple[Tokenizer, Tokenizer], device: torch.device, began: float, more: float
) -> dict[str, Any]:
    """Settings by dotted names, for what the user has not set: how much is learnt in the minutes, and at which rates.

    more: synthetic pairs that are to come, for each pair that is there.
    """
    from zhixing.tasks.translation.recipe import TranslateRecipe
    from zhixing.tasks.translation.start import begin, objective
    from zhixing.verbs.finetune.derive import paced, trial

    derived = wish.learning(base)
    draft = resolve(TranslateRecipe, wish.chosen, {**derived, "schedule.warmup": 0, "train.steps": 1 << 30})
    task = objective(pairs, "train", draft, marks, *words)
    if wish.minutes is not None and not base.settings and not base.translates:
        left = wish.minutes * 60 * (1 - FINISH - made_share(wish, draft)) - (time.perf_counter() - began)
        derived |= _suited(wish, derived, task, words[1].vocabulary, left, device)
        draft = resolve(TranslateRecipe, wish.chosen, {**derived, "schedule.warmup": 0, "train.steps": 1 << 30})
    per_epoch = math.ceil(task.buckets(draft.train.batch).per_epoch * (1 + more))
    if task.left_out:
        warn(f"{task.left_out} pairs are longer than objective.context = {draft.objective.context} tokens and are not trained on")
    if "train.steps" in wish.chosen:
        steps = int(wish.chosen["train.steps"])
    elif wish.minutes is None:
        steps = math.ceil(EPOCHS[base.translates] * per_epoch)
    else:
        first, each = trial(begin(draft, marks, device), task, draft.train, draft.schedule, device)
        left = wish.minutes * 60 * (1 - FINISH - made_share(wish, draft)) - (time.perf_counter() - began) - first
        steps = max(10, int(left / each))
        say(f"{each:.3g} s a step: {steps} steps, {steps / per_epoch:.1f} times through the pairs")
    if not base.translates:
        rate = round(RATE * (WIDTH / draft.model.width) ** 0.5, 5)
        derived |= {f"optim.{name}": rate for name in ("learning_rate", "table_rate", "vector_rate")}
    epochs = steps / per_epoch
    if "model.dropout" not in wish.chosen and not base.translates:
        usual = 0.0 if epochs < 3 else 0.1 if epochs < 10 else 0.2 if epochs < 30 else 0.3
        derived["model.dropout"] = max(usual, 0.1) if draft.objective.rdrop else usual  # which compares passes of different dropout
    return derived | paced(steps, min(200, steps // 10), math.ceil(steps / 10))


def _suited(wish: Wish, derived: Mapping[str, Any], task: Seq2Seq, vocabulary: int, seconds: float, device: torch.device) -> dict[str, Any]:
    """Size and batch for so many seconds: by the law, and by the rule, that `train.size` has for other models."""
    from zhixing import device as devices
    from zhixing.objectives import Row
    from zhixing.tasks.translation.recipe import TranslateRecipe
    from zhixing.train import size

    def drafted(shape: Mapping[str, Any]) -> TranslateRecipe:
        return resolve(TranslateRecipe, wish.chosen, {**derived, **shape, "schedule.warmup": 0, "train.steps": 1 << 30})

    draft = drafted({})
    lengths = task.pairs.lengths[task.members]
    source, target = map(float, lengths.mean(axis=0) + 1)
    row = Row(source + target, source, target)
    rate = size.measure_rate(device, devices.dtype(draft.train.precision, device), max(8, int(target)))
    free = draft.model.kind == "marian" and wish.size is None and not SIZES["medium"].keys() & wish.chosen.keys()
    found: list[tuple[float, float, str, dict[str, Any]]] = []
    for name, shape in (SIZES if free else {"": {}}).items():
        model = drafted(shape).model
        tokens = max(1.0, seconds) * rate.at(model.width) / size.work(model, vocabulary, int(target), "encoder-decoder", row)
        numbers = size.trained_numbers(model, vocabulary, "encoder-decoder")
        found.append((size.expected_loss(numbers, tokens, float(len(lengths)) * row.tokens), tokens, name, shape))
    _, tokens, name, shape = min(found, key=lambda one: one[0])
    if free:
        say(f"a {name} model suits the minutes")
    rows = size.batch_tokens(tokens) / (2 * draft.objective.context)
    return {**shape, "train.batch": int(min(MOST_ROWS, max(LEAST_ROWS, rows)))}


def made_share(wish: Wish, recipe: TranslateRecipe) -> float:
    """Share of the minutes that goes into pairs that models make."""
    return (recipe.back.share if wish.monolingual else 0.0) + (recipe.distil.share if wish.teacher is not None else 0.0)
