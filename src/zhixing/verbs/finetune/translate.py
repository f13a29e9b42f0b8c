"""The verb `finetune translate`: from sentence pairs to a folder that translates.

1. Pairs are read, examined and dealt out; what is faulty is left out and reported. Both sides get their tokenizers (`translate_setup`).
2. The run folder appears, whole, with settings, tokenizers, token ids, pair report and lineage.
3. If it is asked for, models make more pairs, or other targets (`translate_synthetic`).
4. A `Session` trains, judged by the loss on the validation pairs as it goes.
5. The best weights become the artifact (`tasks.translation.artifact`), translate the validation texts and are scored. The checkpoints go.

A run that was stopped is continued by the same command.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import Result, gather, several
from zhixing.console import count, duration
from zhixing.errors import ArtifactError
from zhixing.files import MANIFEST, parents, read_json, sole_user, write_json
from zhixing.run_folder import finished, is_begun, taken_up
from zhixing.verbs.evaluate import MetricResult, write_evaluation
from zhixing.verbs.finetune.translate_setup import Wish, asked, check, create, read_pairs, sources

if TYPE_CHECKING:
    import torch

    from zhixing.session import Session, Validation
    from zhixing.tasks.translation.marks import Marks
    from zhixing.tasks.translation.recipe import TranslateRecipe
    from zhixing.tokenizer.tokenizer import Tokenizer

SHOWN = 1000
"""Validation texts that are translated at the end, at most."""


class TranslateResult(Result):
    """What `finetune translate` returns; also `result.json` of the run."""

    run: str
    languages: list[str]
    train_pairs: int
    valid_pairs: int
    left_out: int
    """Pairs that were read and not trained on: faulty, repeated, too long, or like held-out ones."""
    vocabularies: list[int]
    parameters: int
    steps: int
    best_step: int
    seconds: float
    tokens_per_second: float
    stopped_early: bool
    valid_loss: float
    """Nats a target token."""
    metrics: dict[str, MetricResult]
    """Of the best weights on the validation pairs."""
    made: dict[str, Any] | None = None
    """Pairs that models have made: of back-translation, and of a teacher, with the sizes of these models."""

    def lines(self) -> Iterator[str]:
        """The result for the terminal."""
        early = " (stopped early)" if self.stopped_early else ""
        yield f"{self.run}: {self.train_pairs} pairs, {self.left_out} left out, {self.steps} steps{early} in {duration(self.seconds)}"
        yield f"model: {count(self.parameters)} parameters, vocabularies {' and '.join(map(str, self.vocabularies))}"
        yield f"validation: {self.valid_loss:.4f} nats a token (best at step {self.best_step})"
        for name, m in self.metrics.items():
            yield f"{name:<16} {m.value:.4f}  [{m.low:.4f}, {m.high:.4f}]  {m.signature}"
        if back := (self.made or {}).get("back"):
            yield f"back-translation: {back['pairs']} synthetic pairs by {back['reverse']} {_sized(back['parameters'])}"
        if teacher := (self.made or {}).get("teacher"):
            fewer = f", {teacher['parameters'] / self.parameters:.1f} times those of the student" if teacher["parameters"] else ""
            yield f"teacher: {teacher['run']} {_sized(teacher['parameters'])}{fewer}, {teacher['targets']} targets"
        yield f"report: {Path(self.run) / 'eval/valid/report.html'}, pair report: {Path(self.run) / 'pair_report.html'}"


def translate(
    *,
    data: Annotated[
        list[str] | str, "Pairs: tsv, csv, jsonl, parquet, tmx, po, mo, a corpus by name, a hub id, PREFIX of PREFIX.en, PREFIX.zh."
    ],
    out: Annotated[Path, "The run folder to write, or an unfinished one to continue."],
    target: Annotated[list[str] | str | None, "Files of translations, line by line, where --data are files of sources."] = None,
    source_language: Annotated[str, "Code of the language to translate from."] = "en",
    target_language: Annotated[str, "Code of the language to translate to."] = "zh",
    valid: Annotated[
        list[str] | str | None, "Validation pairs. Default: one in fifty of the data (of few pairs more), at most 2,000."
    ] = None,
    source_column: Annotated[str | None, "Name or 0-based number of the column of sources."] = None,
    target_column: Annotated[str | None, "Name or 0-based number of the column of targets."] = None,
    domain_column: Annotated[str | None, "Column of what kind of text a pair is; sources are tagged with it."] = None,
    source_language_column: Annotated[str | None, "Column of the language of the source, for data in several."] = None,
    target_language_column: Annotated[str | None, "Column of the language of the target; sources are tagged with it."] = None,
    base: Annotated[
        Path | None, "What to start from: a Marian, M2M100 or NLLB folder or hub id, a translator, or another run of that shape."
    ] = None,
    base_encoder: Annotated[Path | None, "A run whose weights the encoder starts from; its vocabulary is that of the sources."] = None,
    base_decoder: Annotated[Path | None, "A run whose weights the decoder starts from; its vocabulary is that of the targets."] = None,
    monolingual: Annotated[
        list[str] | str | None, "Text in the target language, a sentence a line, to be translated back and trained on."
    ] = None,
    reverse: Annotated[Path | None, "A translator the other way round for --monolingual. Default: one is trained first."] = None,
    teacher: Annotated[Path | None, "A finished translator whose translations of the sources are to be learnt."] = None,
    size: Annotated[
        str | None, "tiny, small, medium or large. Default: what suits --minutes, else medium. Settings model.* say more."
    ] = None,
    minutes: Annotated[float | None, "Minutes that the whole run may take. Default: ten times through the data."] = None,
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
    config: Annotated[Path | None, "A TOML file of settings."] = None,
    settings: Annotated[Sequence[str] | Mapping[str, Any] | None, "Settings as dotted.key=value."] = None,
) -> TranslateResult:
    """Train a translator of sentence pairs; run it again to continue a run that was stopped.

    Raises `InputError` for data that cannot be used, `Interrupted` after SIGINT or SIGTERM, with a checkpoint saved.
    """
    from zhixing.corpus import fetch

    if not (Path(out) / MANIFEST).is_file():  # one that goes on may need them no more
        fetch.refuse_absent(*filter(None, (base, base_encoder, base_decoder, reverse, teacher)))

    from zhixing.corpus.pairs import TagColumns
    from zhixing.start import Bases

    data, target, valid, monolingual = several(data), several(target), several(valid), several(monolingual)

    began = time.perf_counter()
    chosen, out = gather(config, settings), Path(out)
    bases = Bases(*(None if path is None else Path(path) for path in (base, base_encoder, base_decoder)))
    wish = Wish(
        data, target or [], out, (source_language, target_language), valid,
        (source_column, target_column), TagColumns(domain_column, source_language_column, target_language_column), bases,
        monolingual or [], None if reverse is None else Path(reverse), None if teacher is None else Path(teacher), size, minutes,
        device, chosen,
    )  # fmt: skip
    check(wish)
    if not is_begun(out):
        with parents(out):
            create(wish, began)
    with sole_user(out):
        return _train(wish, began)


def _train(wish: Wish, began: float) -> TranslateResult:
    """Bring a run folder from wherever it stands to its end."""
    from zhixing import device as devices
    from zhixing.session import Session
    from zhixing.tasks.translation.base import opened
    from zhixing.tasks.translation.marks import FILE, Marks
    from zhixing.tasks.translation.recipe import TranslateRecipe
    from zhixing.tasks.translation.start import SOURCE_TOKENIZER, TARGET_TOKENIZER, begin, objective
    from zhixing.tokenizer.tokenizer import Tokenizer
    from zhixing.verbs.finetune.translate_synthetic import training_pairs

    out = wish.out
    recipe = taken_up(out, TranslateRecipe, wish.chosen, wish.minutes)
    lineage = read_json(out / "lineage.json")
    _refuse_changes(wish, lineage)
    if (result := finished(out, TranslateResult)) is not None:
        return result
    wish = replace(wish, minutes=lineage["minutes"], chosen=lineage["settings"])  # they decide what models make, too
    device = devices.pick(wish.device)
    words = Tokenizer.load(out / SOURCE_TOKENIZER), Tokenizer.load(out / TARGET_TOKENIZER)
    marks = Marks.model_validate(read_json(out / FILE))
    pairs = training_pairs(wish, recipe, marks, words)
    fill = None
    if lineage["base"] and not any((out / "checkpoints").glob("step-*")):
        fill = opened(wish.bases, {}, wish.languages).fill
    state = begin(recipe, marks, device, fill)
    task = objective(pairs, "train", recipe, marks, *words)
    validation = _validation(out, recipe, marks, words, device)
    session = Session(out, state, task, recipe.train, recipe.schedule, validation, device, spent=time.perf_counter() - began)
    session.go()
    return _finish(wish, session, recipe, marks, words, len(task.pairs), task.left_out)


def _refuse_changes(wish: Wish, lineage: Mapping[str, Any]) -> None:
    """Raise `ArtifactError` unless this call asks for what a run was begun with."""
    now = _by_flag({**sources(wish), **asked(wish), "size": wish.size}, wish.languages)
    before = _by_flag({**lineage["data"], **lineage["made"], "size": lineage["size"]}, lineage["languages"])
    for flag, value in now.items():
        if (was := before[flag]) != value:
            said = ", ".join(map(str, was)) if isinstance(was, list) else was
            raise ArtifactError(wish.out, f"was begun with {flag} {said or 'left out'}; give the same, or choose another --out")
    wish.bases.refuse_other(lineage["base"], wish.out)


def _by_flag(record: Mapping[str, Any], languages: Sequence[str]) -> dict[str, Any]:
    """What a run is begun with, by the flags that say so."""
    spoken = zip(("--source-language", "--target-language"), languages, strict=True)
    return {
        "--data": record["names"],
        "--target": record["targets"],
        "--valid": record["valid"],
        **dict(zip(_COLUMNS, record["columns"], strict=True)),
        **{f"--{name}": record[name] for name in ("monolingual", "reverse", "teacher", "size")},
        **dict(spoken),
    }


_COLUMNS = ("--source-column", "--target-column", "--domain-column", "--source-language-column", "--target-language-column")


def _sized(parameters: int | None) -> str:
    return f"({count(parameters)} parameters)" if parameters is not None else "(an export)"


def _validation(out: Path, recipe: TranslateRecipe, marks: Marks, words: tuple[Tokenizer, Tokenizer], device: torch.device) -> Validation:
    """How a run is judged on its way: by the loss on all validation pairs that fit into the window, without smoothing."""
    import torch

    from zhixing import device as devices
    from zhixing.objectives import move
    from zhixing.session import Validation
    from zhixing.tasks.translation.start import mean_nats, objective
    from zhixing.train.loop import State, averaged, uncompiled

    held_out = objective(out / "pairs", "valid", recipe, marks, *words)
    batches = [held_out.batch(step, recipe.train.batch) for step in range(held_out.buckets(recipe.train.batch).per_epoch)]
    number = devices.dtype(recipe.train.precision, device)

    @torch.no_grad()
    def measure(state: State) -> dict[str, float]:
        with averaged(state), uncompiled(state.model), torch.autocast(device.type, number, enabled=number != torch.float32):
            state.model.eval()
            found = [(float(held_out.sums(state.model, move(b, device))["loss"]), held_out.targets(b)) for b in batches]
        return {"valid_loss": mean_nats(found)}

    return Validation(measure)


def _finish(
    wish: Wish, session: Session, recipe: TranslateRecipe, marks: Marks, words: tuple[Tokenizer, Tokenizer], pairs: int, too_long: int
) -> TranslateResult:
    """The artifact and its scores on the validation pairs, of a run whose steps are all done."""
    from zhixing import checkpoint
    from zhixing.evaluate.report import write_translations_report
    from zhixing.evaluate.translations import measured
    from zhixing.models.shapes import EncoderDecoderModel
    from zhixing.tasks.translation import artifact
    from zhixing.verbs.finetune.translate_synthetic import counts_of

    out, model = wish.out, session.state.model
    assert isinstance(model, EncoderDecoderModel)
    checkpoint.load_best(out, model)
    everything = read_pairs(out / "valid.jsonl")
    # One set of scores is of one language; others are measured by `evaluate --to`.
    held_out = [pair for pair in everything if (pair.languages or wish.languages) == wish.languages] or everything
    golden = [pair.source for pair in held_out[:: max(1, len(held_out) // 5)]][:5]
    artifact.write(out, model.cpu(), words, recipe, wish.languages, golden, marks)
    translator = artifact.Translator.open(out, wish.device)  # it says again what it has just said, or is not let out
    some = held_out[:: max(1, len(held_out) // SHOWN)][:SHOWN]
    found, examples = measured(translator, some, str(out), ["validation pairs"])
    write_evaluation(out / "eval" / "valid", found, examples, write_translations_report)
    metrics = {name: MetricResult(**score.model_dump()) for name, score in found.metrics.items()}
    report, made = read_json(out / "pair_report.json"), counts_of(out)
    result = TranslateResult(
        run=str(out),
        languages=list(wish.languages),
        train_pairs=pairs - too_long,
        valid_pairs=len(everything),
        left_out=report["read"] - report["kept"] + too_long,
        vocabularies=[side.vocabulary for side in words],
        parameters=sum(p.numel() for p in model.parameters()),
        **session.summary(),
        valid_loss=session.best["valid_loss"],
        metrics=metrics,
        made=made,
    )
    write_json(out / "result.json", result.model_dump())
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return result
