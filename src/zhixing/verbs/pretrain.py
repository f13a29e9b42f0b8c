"""The verb `pretrain`: from a data folder to a run folder.

1. `train.plan` decides what the user has left open; the run folder appears, whole, with settings, plan, lineage and environment.
2. The steps are iterated: each is logged, some are followed by a validation, some by a checkpoint.
3. At the end: the best weights write samples, are evaluated with intervals, and a report is made.

A run that was stopped, by whatever, is continued by the same command: everything it needs is in its folder.
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

from zhixing import __version__
from zhixing.config import Result, gather, resolve
from zhixing.console import count, duration, progress, say, warn
from zhixing.errors import ArtifactError, Interrupted, SettingError
from zhixing.files import MANIFEST, new_folder, open_folder, read_json, sha256, sole_user, write_json, write_text, writing

if TYPE_CHECKING:
    import torch

    from zhixing.models.shapes import DecoderModel
    from zhixing.objectives.causal import Causal
    from zhixing.store import Store
    from zhixing.train.loop import State, Step
    from zhixing.train.recipe import Recipe


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
    vectors: Annotated[Path | None, "A folder of word vectors that `embed` wrote, for the embedding to start from."] = None,
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
        _create(data, out, minutes, base, vectors, device, chosen, began)
    with sole_user(out):
        return _run(data, out, base, device, chosen, began)


def _create(
    data: Path,
    out: Path,
    minutes: float | None,
    base: Path | None,
    vectors: Path | None,
    device: str,
    chosen: Mapping[str, Any],
    began: float,
) -> None:
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
    tokenizer = Tokenizer.load(data / "tokenizer.json")  # the run's samples and report need it, hours from now
    start, given = starting_point(base, data, chosen)
    covered = None
    if vectors is not None:
        from zhixing.train.vectors import covered_by, fitting

        if base is not None:
            raise SettingError("vectors", "and --base both say what the embedding starts from; give one of them")
        given |= fitting(Path(vectors), given)
        covered = covered_by(Path(vectors), tokenizer, train)
        say(f"vectors: {covered['tokens']:.1%} of the tokens start from one; these make up {covered['text']:.1%} of the text")
    say("planning: measuring this machine and trying out the first steps")
    plan, recipe = make(train, valid, minutes, target, given, start, spent=time.perf_counter() - began)
    for line in plan.lines():
        say(f"  {line}")
    lineage = {
        "data": {"path": str(data.resolve()), "fingerprint": train.fingerprint, "manifest": sha256(data / MANIFEST)},
        "base": {"path": str(Path(base).resolve()), "manifest": _identity(Path(base))} if base else None,
        "vectors": covered,
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
        return open_model(Path(base), "cpu").model

    return start, {"objective.context": loaded.context, **shape, **chosen}


def _vectors(out: Path) -> Callable[[torch.Tensor], None] | None:
    """What lays the vectors that a run was begun with into its embedding; None where there are none, or training has changed them."""
    begun_with = read_json(out / "lineage.json").get("vectors")
    if begun_with is None or any((out / "checkpoints").glob("step-*")):
        return None
    from zhixing.tokenizer.tokenizer import Tokenizer
    from zhixing.train.vectors import table

    folder = Path(begun_with["path"])
    lay = table(folder, Tokenizer.load(out / "tokenizer.json"))
    if sha256(folder / MANIFEST) != begun_with["manifest"]:
        raise ArtifactError(folder, f"does not hold the vectors that {out} was begun with; give these, or choose another --out")
    return lay


def _identity(base: Path) -> str:
    return sha256(base / MANIFEST) if (base / MANIFEST).is_file() else sha256(base / "config.json")


def _run(data: Path, out: Path, base: Path | None, device: str, chosen: Mapping[str, Any], began: float) -> PretrainResult:
    """Bring a run folder from wherever it stands to its end."""
    from zhixing import device as devices
    from zhixing.checkpoint import clear_partial, read_recipe, restore
    from zhixing.objectives.causal import Causal
    from zhixing.store import Samples, Store
    from zhixing.train.plan import begin

    open_folder(out, "run")
    recipe, tree = read_recipe(out), read_json(out / "config.json")
    _refuse_changes(recipe, tree, chosen)
    if (out / "result.json").is_file():
        say(f"{out} is finished already; choose another --out for a new run")
        return PretrainResult.model_validate(read_json(out / "result.json"))
    train_store, valid_store = Store.open(data, "train"), Store.open(data, "valid")
    if train_store.fingerprint != read_json(out / "lineage.json")["data"]["fingerprint"]:
        raise ArtifactError(data, f"is not the data that {out} was begun with; give that one, or choose another --out")
    clear_partial(out)
    target = devices.pick(device)
    start, _ = starting_point(base, data, {})
    state = begin(recipe, train_store.vocabulary, target, start, _vectors(out))
    history = {"seconds": 0.0, "best": None, "best_step": 0, "since_best": 0, "spikes": 0, "stopped_early": False} | restore(out, state)
    _rewind_log(out / "metrics.jsonl", state.step)
    context, masked = recipe.objective.context, recipe.objective.document_mask
    objective = Causal(Samples(train_store, context, recipe.train.seed, masked), recipe.objective)
    held_out = Causal(Samples(valid_store, context, 0, masked), recipe.objective)
    if state.step:
        say(f"continuing {out} from step {state.step} of {recipe.train.steps}")
    run = _Session(out, recipe, state, history, objective, held_out, valid_store, target)
    run.spent = time.perf_counter() - began if state.step == 0 else 0.0
    run.go()
    return run.finish()


class _Session:
    """One stretch of a run in one process: from the step where it rests to the end, or to a signal."""

    def __init__(
        self,
        out: Path,
        recipe: Recipe,
        state: State,
        history: dict[str, Any],
        objective: Causal,
        held_out: Causal,
        valid: Store,
        device: torch.device,
    ) -> None:
        self.out, self.recipe, self.state, self.history = out, recipe, state, history
        self.objective, self.held_out, self.valid, self.device = objective, held_out, valid, device
        self.began, self.spent = time.perf_counter(), 0.0
        self.before = float(history["seconds"])
        self.plan = read_json(out / "plan.json")
        self.bits_per_nat = valid.tokens / valid.bytes / math.log(2)  # nats a token -> bits a byte of this part's text
        self.usual: float | None = None  # smoothed loss, for telling spikes

    @property
    def seconds(self) -> float:
        """Seconds that the run has taken, in this process and those before it."""
        return self.before + self.spent + time.perf_counter() - self.began

    def go(self) -> None:
        """Iterate the training loop: log, validate, save, stop."""
        from zhixing.train.loop import train

        settings, steps = self.recipe.train, self.recipe.train.steps
        if self.history["stopped_early"]:
            return
        with _signals() as stop, open(self.out / "metrics.jsonl", "a", encoding="utf-8", buffering=1) as log:
            with progress("training", total=steps, unit="steps") as bar:
                bar.advance(self.state.step)
                for step in train(self.state, self.objective, settings, self.recipe.schedule, self.device):
                    self._log(step, log.write)
                    best = self.history["best"]  # none before the first validation
                    bits = "" if best is None else f"bits per byte {best * self.bits_per_nat:.3f}  "
                    bar.note(f"loss {step.loss:.3f}  {bits}{count(step.targets / step.seconds)} tok/s")
                    bar.advance()
                    last = step.step == steps
                    loss = None
                    if last or step.step % settings.validate_every == 0:
                        loss = self._validate(log.write)
                    better = loss is not None and step.step == self.history["best_step"]
                    due = last or better or stop.is_set() or step.step % settings.save_every == 0
                    if due or self.history["stopped_early"]:
                        self._save(loss)
                    if self.history["stopped_early"]:
                        say(f"stopped early at step {step.step}: no better validation in {settings.patience} validations")
                        return
                    if stop.is_set():
                        raise Interrupted(f"stopped at step {step.step} of {steps}; saved: the same command continues {self.out}")

    def _log(self, step: Step, write: Callable[[str], object]) -> None:
        if step.skipped:
            warn(f"step {step.step}: the loss or its gradient is not finite; the update is skipped")
        elif self.usual is not None and step.loss > self.usual + 1.0:
            self.history["spikes"] += 1
        if not step.skipped:
            self.usual = step.loss if self.usual is None else 0.9 * self.usual + 0.1 * step.loss
        flops = self.plan["flops_per_token"] * step.targets
        row = {
            "step": step.step,
            "tokens": step.step * self.plan["batch_tokens"],
            "seconds": round(self.seconds, 3),
            "loss": step.loss if math.isfinite(step.loss) else None,
            "learning_rate": step.learning_rate,
            "gradient_norm": step.gradient_norm if math.isfinite(step.gradient_norm) else None,
            "tokens_per_second": round(step.targets / step.seconds, 1),
            "mfu": round(flops / step.seconds / self.plan["peak_flops"], 4),
            "skipped": step.skipped,
        }
        write(json.dumps(row) + "\n")

    def _validate(self, write: Callable[[str], object]) -> float:
        """Loss on the validation part; moves the counters of best and patience."""
        from zhixing.train.loop import validate

        rows = min(self.recipe.train.batch, 16)
        wanted = min(self.recipe.train.validate_tokens // self.recipe.objective.context, self.held_out.samples.per_epoch)
        loss = validate(self.state, self.held_out, self.recipe.train, self.device, rows, max(1, wanted // rows))
        history = self.history
        if math.isfinite(loss) and (history["best"] is None or loss < history["best"]):
            history |= {"best": loss, "best_step": self.state.step, "since_best": 0}
        else:
            history["since_best"] += 1
        history["stopped_early"] = 0 < self.recipe.train.patience <= history["since_best"]
        row = {"step": self.state.step, "seconds": round(self.seconds, 3), "valid_loss": loss, "bits_per_byte": loss * self.bits_per_nat}
        write(json.dumps(row) + "\n")
        return loss

    def _save(self, loss: float | None) -> None:
        from zhixing.checkpoint import save

        save(self.out, self.state, loss, self.recipe.train.keep_last, {**self.history, "seconds": self.seconds})

    def finish(self) -> PretrainResult:
        """Samples, evaluation and report of a run whose steps are all done."""
        from zhixing import device as devices
        from zhixing.evaluate.report import write_run_report
        from zhixing.verbs.evaluate import evaluate

        self._samples()
        evaluate(self.out, device=str(self.device))
        rows = [row for row in read_log(self.out / "metrics.jsonl") if "loss" in row]
        speed = sorted(row["tokens_per_second"] for row in rows)[len(rows) // 2]
        result = PretrainResult(
            run=str(self.out),
            steps=self.state.step,
            tokens=self.state.step * self.plan["batch_tokens"],
            parameters=self.plan["parameters"],
            seconds=self.seconds,
            planned_seconds=self.plan["seconds"],
            tokens_per_second=speed,
            mfu=speed * self.plan["flops_per_token"] / self.plan["peak_flops"],
            memory_bytes=devices.peak_memory(self.device),
            planned_memory_bytes=self.plan["memory_bytes"],
            valid_loss=self.history["best"],
            bits_per_byte=self.history["best"] * self.bits_per_nat,
            best_step=self.history["best_step"],
            skipped=self.state.skipped,
            spikes=self.history["spikes"],
            stopped_early=bool(self.history["stopped_early"]),
        )
        write_json(self.out / "result.json", result.model_dump())
        write_run_report(self.out)
        return result

    def _samples(self) -> None:
        """Continuations of a few openings from the validation part, as a reader would first try them."""
        from zhixing.tokenizer.tokenizer import Tokenizer
        from zhixing.verbs.generate import generate

        tokenizer = Tokenizer.load(self.out / "tokenizer.json")
        picked = range(0, self.valid.documents, max(1, self.valid.documents // 4))
        prompts = [tokenizer.decode(self.valid.document(i)[:12].tolist()).split("\n\n")[0] for i in list(picked)[:4]]
        made = generate(self.out, prompt=[p for p in prompts if p.strip()] or [""], tokens=120, seed=1, device=str(self.device))
        rows = [{"prompt": c.prompt, "text": c.text, "language": language(c.prompt + c.text)} for c in made.continuations]
        write_json(self.out / "samples.json", rows)


def language(text: str) -> str:
    """`zh` where at least a fifth of the characters are Chinese, else `en`."""
    return "zh" if 5 * sum("\u4e00" <= c <= "\u9fff" for c in text) >= len(text) else "en"


def _refuse_changes(recipe: Recipe, tree: dict[str, Any], chosen: Mapping[str, Any]) -> None:
    """A run keeps the settings that it was begun with."""
    from zhixing.train.recipe import Recipe as Kind

    changed = resolve(Kind, chosen, dict(_flat(tree)))
    if changed != recipe:
        before, after = dict(_flat(tree)), dict(_flat(changed.model_dump()))
        name = next(n for n in after if after[n] != before.get(n))
        raise SettingError(name, f"is {before.get(name)} in this run, which cannot change on the way; choose another --out for a new run")


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def read_log(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`; a last line that a kill cut short is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _rewind_log(path: Path, step: int) -> None:
    """Drop the log of steps that are going to be done again."""
    write_text(path, "".join(json.dumps(row) + "\n" for row in read_log(path) if row["step"] <= step))


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; a second one ends the process as usual."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def stop(number: int, frame: FrameType | None) -> None:
        event.set()
        say("stopping after this step; once more to stop at once")
        signal.signal(number, kept[number])

    kept: dict[int, Any] = {int(number): signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
