"""The verb `pretrain`: from a data folder to a run folder.

1. `train.plan` decides what the user has left open; the run folder appears, whole, with settings, plan, lineage and environment.
2. The steps are iterated: each is logged, some are followed by a validation, some by a checkpoint.
3. At the end: the best weights write samples, are evaluated with intervals, and a report is made.

A run that was stopped, by whatever, is continued by the same command: everything it needs is in its folder.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import Result, gather
from zhixing.console import count, duration, say
from zhixing.errors import ArtifactError
from zhixing.files import MANIFEST, new_folder, open_folder, parents, read_json, sha256, sole_user, write_json
from zhixing.run_folder import begun_vectors, finished, is_begun, taken_up, write_record

if TYPE_CHECKING:
    from zhixing.models.shapes import Shape
    from zhixing.session import Session
    from zhixing.start import Bases
    from zhixing.store import Store
    from zhixing.train.loop import State


class PretrainResult(Result):
    """What `pretrain` returns; also `result.json` of the run."""

    run: str
    steps: int
    tokens: int
    parameters: int
    seconds: float
    """Training time of all sessions of the run together."""
    planned_seconds: float
    tokens_per_second: float
    mfu: float
    memory_bytes: int
    planned_memory_bytes: int
    valid_loss: float
    """Mean loss in nats a predicted token over the validation part, best checkpoint."""
    bits_per_byte: float | None = None
    """Where the objective is to write text from left to right."""
    accuracy: float | None = None
    """Where it is to say what stood at hidden tokens: share of them that are the most probable one."""
    best_step: int
    skipped: int
    """Updates that were left out because loss or gradient was not finite."""
    spikes: int
    """Steps whose loss lay far above those before."""
    stopped_early: bool

    def lines(self) -> Iterator[str]:
        """The result for the terminal."""
        early = " (stopped early)" if self.stopped_early else ""
        yield f"{self.run}: {self.steps} steps{early}, {count(self.tokens)} tokens in {duration(self.seconds)}"
        bits = "" if self.bits_per_byte is None else f"{self.bits_per_byte:.4f} bits per byte, "
        right = "" if self.accuracy is None else f", {self.accuracy:.1%} right"
        yield f"validation: {bits}{self.valid_loss:.4f} nats a predicted token{right} (best at step {self.best_step})"
        yield f"speed: {count(self.tokens_per_second)} tokens/s, {self.mfu:.0%} of the machine's measured peak"
        if self.skipped or self.spikes:
            yield f"guards: {self.skipped} updates skipped, {self.spikes} loss spikes"
        yield f"report: {Path(self.run) / 'report.html'}"


def pretrain(
    data: Annotated[Path, "A data folder that `prepare` wrote."],
    *,
    out: Annotated[Path, "The run folder to write, or an unfinished one to continue."],
    minutes: Annotated[float | None, "Minutes that the whole run may take; 10 when neither they nor train.steps are given."] = None,
    base: Annotated[Path | None, "A run or Hugging Face folder, or a model by its name or hub id, whose weights to start from."] = None,
    base_encoder: Annotated[Path | None, "Likewise, for the encoder of an encoder-decoder."] = None,
    base_decoder: Annotated[Path | None, "Likewise, for the decoder of an encoder-decoder."] = None,
    vectors: Annotated[Path | None, "A folder of word vectors that `embed` wrote, for a new model's embedding to start from."] = None,
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
    config: Annotated[Path | None, "A TOML file of settings."] = None,
    settings: Annotated[Sequence[str] | Mapping[str, Any] | None, "Settings as dotted.key=value."] = None,
) -> PretrainResult:
    """Train a language model on prepared text; run it again to continue a run that was stopped.

    Raises `Interrupted` after SIGINT or SIGTERM, with a checkpoint saved. A kill at any instant costs at most the steps since the last
    checkpoint, and the finished weights are the same bits as without it (same machine, same number of threads).
    """
    began = time.perf_counter()
    chosen, data, out = gather(config, settings), Path(data), Path(out)
    bases = {
        "whole": base,
        "encoder": base_encoder,
        "decoder": base_decoder,
        "vectors": None if vectors is None else Path(vectors).resolve(),
    }
    if not is_begun(out):
        with parents(out):
            _create(data, out, minutes, bases, device, chosen, began)
    with sole_user(out):
        return _run(data, out, bases, minutes, device, chosen, began)


BaseNames = Mapping[str, Path | None]


def bases_of(names: BaseNames) -> Bases:
    """What the user has named to start from."""
    from zhixing.start import Bases

    return Bases(**{role: None if path is None else Path(path) for role, path in names.items()})


def _create(data: Path, out: Path, minutes: float | None, bases: BaseNames, device: str, chosen: Mapping[str, Any], began: float) -> None:
    """Plan a run and write its folder as it stands before the first step."""
    from zhixing.corpus import fetch
    from zhixing.store import Store

    fetch.refuse_absent(*(path for role, path in bases.items() if path is not None and role != "vectors"))
    train, valid = Store.open(data, "train"), Store.open(data, "valid")  # a wrong path is told before torch is imported

    from zhixing import device as devices
    from zhixing.start import start
    from zhixing.train.plan import make

    target = devices.pick(device)
    begun = start(bases_of(bases), data, chosen)
    if (vectors := bases["vectors"]) is not None:
        from zhixing.train.vectors import covered

        of_tokens, of_text = covered(Path(vectors), begun.tokenizer, train)
        say(f"vectors: {of_tokens:.1%} of the tokens start from one, and they make up {of_text:.1%} of the text")
    spent = time.perf_counter() - began
    plan, recipe, tokenizer = make(train, valid, begun.tokenizer, minutes, target, begun.settings, begun.base, begun.learnt, spent)
    for line in plan.lines():
        say(f"  {line}")
    lineage = {
        "data": {"path": str(data.resolve()), "fingerprint": train.fingerprint, "manifest": sha256(data / MANIFEST)},
        "base": bases_of(bases).lineage(),
    }
    with new_folder(out, "run", extra={"data": train.fingerprint}) as folder:
        write_record(folder, recipe, lineage, chosen, minutes)
        write_json(folder / "plan.json", plan.model_dump())
        tokenizer.save(folder / "tokenizer.json")
        for name in ("statistics.json", *(("baselines.json",) if recipe.objective.kind == "causal" else ())):
            if (data / name).is_file():
                (folder / name).write_bytes((data / name).read_bytes())


def _run(
    data: Path, out: Path, bases: BaseNames, minutes: float | None, device: str, chosen: Mapping[str, Any], began: float
) -> PretrainResult:
    """Bring a run folder from wherever it stands to its end."""
    from zhixing import device as devices
    from zhixing import objectives
    from zhixing.session import Session, Validation
    from zhixing.start import start
    from zhixing.store import Store
    from zhixing.tokenizer.tokenizer import Tokenizer
    from zhixing.train.loop import validate
    from zhixing.train.plan import begin
    from zhixing.train.recipe import Recipe

    recipe = taken_up(out, Recipe, chosen, minutes)
    lineage = read_json(out / "lineage.json")
    bases_of(bases).refuse_other(lineage["base"], out)
    # A finished run does without its data, and is no result of others.
    if (data / MANIFEST).is_file() and open_folder(data, "data", verify=False)["fingerprint"] != lineage["data"]["fingerprint"]:
        raise ArtifactError(data, f"is not the data that {out} was begun with; give that one, or choose another --out")
    if (result := finished(out, PretrainResult)) is not None:
        return result
    train_store, valid_store = Store.open(data, "train"), Store.open(data, "valid")
    target, plan = devices.pick(device), read_json(out / "plan.json")
    tokenizer, settings = Tokenizer.load(out / "tokenizer.json"), recipe.train
    vectors = begun_vectors(out, (lineage["base"] or {}).get("vectors"))
    base = start(bases_of({**bases, "vectors": vectors}), data, {"objective.kind": recipe.objective.kind}).base
    state = begin(recipe, tokenizer.vocabulary, target, base)
    objective = objectives.make(recipe.objective, train_store, settings.seed, tokenizer)
    held_out = objectives.make(recipe.objective, valid_store, 0, tokenizer)
    rows = min(settings.batch, 16)
    batches = max(1, min(settings.validate_tokens // recipe.objective.context, held_out.samples.per_epoch) // rows)
    bits_per_nat = valid_store.tokens / valid_store.bytes / math.log(2)  # nats a token -> bits a byte of this part's text
    kind = recipe.objective.kind

    def measure(state: State) -> dict[str, float]:
        means = validate(state, held_out, settings, target, rows, batches)
        bits = {"bits_per_byte": means["loss"] * bits_per_nat} if kind == "causal" else {}
        return {"valid_loss": means.pop("loss"), **means, **bits}

    session = Session(
        out,
        state,
        objective,
        recipe.train,
        recipe.schedule,
        Validation(measure, "bits_per_byte" if kind == "causal" else "valid_loss"),
        target,
        spent=time.perf_counter() - began,
        peak_rate=plan["peak_flops"] / plan["flops_per_token"],
    )
    session.go()
    if kind == "masked" and not (out / "baselines.json").is_file():
        from zhixing.evaluate.baselines import masked

        seen = (held_out.batch(step, rows) for step in range(batches))
        write_json(out / "baselines.json", masked(train_store, tokenizer.vocabulary, seen))
    return _finish(out, session, recipe.shape, plan, valid_store)


def _finish(out: Path, session: Session, shape: Shape, plan: dict[str, Any], valid: Store) -> PretrainResult:
    """Samples, evaluation and report of a run whose steps are all done."""
    from zhixing import device as devices
    from zhixing.evaluate.report import write_run_report
    from zhixing.verbs.evaluate import evaluate

    if shape == "decoder":
        _samples(out, valid, str(session.device))
    if shape != "encoder-decoder":
        evaluate(out, device=str(session.device))
    summary = session.summary()
    result = PretrainResult(
        run=str(out),
        tokens=session.history["tokens"],
        parameters=plan["parameters"],
        planned_seconds=plan["seconds"],
        mfu=summary["tokens_per_second"] * plan["flops_per_token"] / plan["peak_flops"],
        memory_bytes=devices.peak_memory(session.device),
        planned_memory_bytes=plan["memory_bytes"],
        **session.best,
        skipped=session.state.skipped,
        spikes=session.history["spikes"],
        **summary,
    )
    write_json(out / "result.json", result.model_dump())
    write_run_report(out)
    return result


def _samples(out: Path, valid: Store, device: str) -> None:
    """Continuations of a few openings from the validation part, as a reader would first try them."""
    from zhixing.tokenizer.tokenizer import Tokenizer
    from zhixing.verbs.generate import generate

    tokenizer = Tokenizer.load(out / "tokenizer.json")
    picked = range(0, valid.documents, max(1, valid.documents // 4))
    prompts = [tokenizer.decode(valid.document(i)[:12].tolist()).split("\n\n")[0] for i in list(picked)[:4]]
    made = generate(out, prompt=[p for p in prompts if p.strip()] or [""], tokens=120, seed=1, device=device)
    rows = [{"prompt": c.prompt, "text": c.text, "language": language(c.prompt + c.text)} for c in made.continuations]
    write_json(out / "samples.json", rows)


def language(text: str) -> str:
    """`zh` where at least a fifth of the characters are Chinese, else `en`."""
    return "zh" if 5 * sum("\u4e00" <= c <= "\u9fff" for c in text) >= len(text) else "en"
