"""The verb `pretrain`: from a data folder to a run folder.

1. `train.plan` decides what the user has left open; the run folder appears, whole, with settings, plan, lineage and environment.
2. The steps are iterated: each is logged, some are followed by a validation, some by a checkpoint.
3. At the end: the best weights write samples, are evaluated with intervals, and a report is made.

A run that was stopped, by whatever, is continued by the same command: everything it needs is in its folder.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing import __version__
from zhixing.config import Result, gather
from zhixing.console import count, duration, say
from zhixing.errors import ArtifactError, SettingError
from zhixing.files import MANIFEST, new_folder, open_folder, read_json, sha256, sole_user, write_json, writing

if TYPE_CHECKING:
    from zhixing.models.shapes import DecoderModel
    from zhixing.session import Session
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
    """Mean loss in nats a token over the validation part, best checkpoint."""
    bits_per_byte: float
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
        yield f"validation: {self.bits_per_byte:.4f} bits per byte, {self.valid_loss:.4f} nats a token (best at step {self.best_step})"
        yield f"speed: {count(self.tokens_per_second)} tokens/s, {self.mfu:.0%} of the machine's measured peak"
        if self.skipped or self.spikes:
            yield f"guards: {self.skipped} updates skipped, {self.spikes} loss spikes"
        yield f"report: {Path(self.run) / 'report.html'}"


def pretrain(
    data: Annotated[Path, "A data folder that `prepare` wrote."],
    *,
    out: Annotated[Path, "The run folder to write, or an unfinished one to continue."],
    minutes: Annotated[float | None, "Minutes that the whole run may take; 10 when neither they nor train.steps are given."] = None,
    base: Annotated[Path | None, "A run or Hugging Face folder whose weights to start from."] = None,
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
    with writing(out):
        exists = (out / MANIFEST).is_file()
    if exists:
        open_folder(out, "run", verify=False)  # before a lock is laid into it
    else:
        _create(data, out, minutes, base, device, chosen, began)
    with sole_user(out):
        return _run(data, out, base, device, chosen, began)


def _create(data: Path, out: Path, minutes: float | None, base: Path | None, device: str, chosen: Mapping[str, Any], began: float) -> None:
    """Plan a run and write its folder as it stands before the first step."""
    from zhixing import device as devices
    from zhixing.files import refuse_existing
    from zhixing.store import Store
    from zhixing.tokenizer.tokenizer import Tokenizer
    from zhixing.train.plan import make

    refuse_existing(out)
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    target = devices.pick(device)
    train, valid = Store.open(data, "train"), Store.open(data, "valid")
    Tokenizer.load(data / "tokenizer.json")  # the run's samples and report need it, hours from now
    start, given = starting_point(base, data, chosen)
    say("planning: measuring this machine and trying out the first steps")
    plan, recipe = make(train, valid, minutes, target, given, start, spent=time.perf_counter() - began)
    for line in plan.lines():
        say(f"  {line}")
    lineage = {
        "data": {"path": str(data.resolve()), "fingerprint": train.fingerprint, "manifest": sha256(data / MANIFEST)},
        "base": {"path": str(Path(base).resolve()), "manifest": _identity(Path(base))} if base else None,
        "settings": dict(chosen),
        "minutes": minutes,
        "zhixing": __version__,
    }
    with new_folder(out, "run", extra={"data": train.fingerprint}) as folder:
        write_json(folder / "config.json", recipe.model_dump())
        write_json(folder / "plan.json", plan.model_dump())
        write_json(folder / "lineage.json", lineage)
        write_json(folder / "environment.json", devices.environment())
        for name in ("tokenizer.json", "statistics.json", "baselines.json"):
            if (data / name).is_file():
                (folder / name).write_bytes((data / name).read_bytes())


def starting_point(base: Path | None, data: Path, chosen: Mapping[str, Any]) -> tuple[Callable[[], DecoderModel] | None, dict[str, Any]]:
    """A function that makes the model to start from (None: from scratch), and the user's settings with that model's shape added."""
    if base is None:
        return None, dict(chosen)
    if shaped := [name for name in chosen if name.startswith("model.") and name != "model.dropout"]:
        raise SettingError(shaped[0], "cannot be set together with --base, which has its own model")
    from zhixing.checkpoint import open_model
    from zhixing.tokenizer.tokenizer import Tokenizer

    loaded = open_model(Path(base), "cpu")
    if Tokenizer.load(data / "tokenizer.json").fingerprint != loaded.tokenizer.fingerprint:
        raise ArtifactError(data, f"was not prepared with the tokenizer of {base}; prepare it with --tokenizer {base}")
    shape = {f"model.{name}": value for name, value in loaded.model.settings.model_dump().items() if value is not None}

    def start() -> DecoderModel:
        return open_model(Path(base), "cpu").decoder

    return start, {"objective.context": loaded.context, **shape, **chosen}


def _identity(base: Path) -> str:
    return sha256(base / MANIFEST) if (base / MANIFEST).is_file() else sha256(base / "config.json")


def _run(data: Path, out: Path, base: Path | None, device: str, chosen: Mapping[str, Any], began: float) -> PretrainResult:
    """Bring a run folder from wherever it stands to its end."""
    from zhixing import device as devices
    from zhixing.checkpoint import read_recipe
    from zhixing.objectives.causal import Causal
    from zhixing.session import Session, Validation, refuse_changes
    from zhixing.store import Samples, Store
    from zhixing.train.loop import validate
    from zhixing.train.plan import begin
    from zhixing.train.recipe import Recipe

    open_folder(out, "run")
    recipe = read_recipe(out)
    refuse_changes(Recipe, recipe, chosen)
    if (out / "result.json").is_file():
        say(f"{out} is finished already; choose another --out for a new run")
        return PretrainResult.model_validate(read_json(out / "result.json"))
    train_store, valid_store = Store.open(data, "train"), Store.open(data, "valid")
    if train_store.fingerprint != read_json(out / "lineage.json")["data"]["fingerprint"]:
        raise ArtifactError(data, f"is not the data that {out} was begun with; give that one, or choose another --out")
    target, plan = devices.pick(device), read_json(out / "plan.json")
    start, _ = starting_point(base, data, {})
    state = begin(recipe, train_store.vocabulary, target, start)
    context, masked = recipe.objective.context, recipe.objective.document_mask
    objective = Causal(Samples(train_store, context, recipe.train.seed, masked), recipe.objective)
    held_out = Causal(Samples(valid_store, context, 0, masked), recipe.objective)
    rows = min(recipe.train.batch, 16)
    batches = max(1, min(recipe.train.validate_tokens // context, held_out.samples.per_epoch) // rows)
    bits_per_nat = valid_store.tokens / valid_store.bytes / math.log(2)  # nats a token -> bits a byte of this part's text

    def measure(state: State) -> dict[str, float]:
        loss = validate(state, held_out, recipe.train, target, rows, batches)["loss"]
        return {"valid_loss": loss, "bits_per_byte": loss * bits_per_nat}

    session = Session(
        out,
        state,
        objective,
        recipe.train,
        recipe.schedule,
        Validation(measure, "bits_per_byte"),
        target,
        spent=time.perf_counter() - began,
        peak_rate=plan["peak_flops"] / plan["flops_per_token"],
    )
    session.go()
    return _finish(out, session, plan, valid_store)


def _finish(out: Path, session: Session, plan: dict[str, Any], valid: Store) -> PretrainResult:
    """Samples, evaluation and report of a run whose steps are all done."""
    from zhixing import device as devices
    from zhixing.evaluate.report import write_run_report
    from zhixing.session import usual_rate
    from zhixing.verbs.evaluate import evaluate

    _samples(out, valid, str(session.device))
    evaluate(out, device=str(session.device))
    speed = usual_rate(out)
    result = PretrainResult(
        run=str(out),
        steps=session.state.step,
        tokens=session.history["tokens"],
        parameters=plan["parameters"],
        seconds=session.seconds,
        planned_seconds=plan["seconds"],
        tokens_per_second=speed,
        mfu=speed * plan["flops_per_token"] / plan["peak_flops"],
        memory_bytes=devices.peak_memory(session.device),
        planned_memory_bytes=plan["memory_bytes"],
        **session.best,
        best_step=session.history["best_step"],
        skipped=session.state.skipped,
        spikes=session.history["spikes"],
        stopped_early=bool(session.history["stopped_early"]),
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
