"""The verb `ladder`: one kind of model after the other on the same text, and one table of what each has learnt.

1. A rung is a kind of model: an n-gram model, which only counts, and networks, each of which is an ordinary run of `pretrain` in a folder
   of its own under the ladder's. It is trained in a process of its own, so that the memory it needs is its own too. With
   `objective.kind=masked` the rungs are encoders, which are to say what stood at hidden tokens; it is the same tokens for all.
2. All get the same minutes. How large each is, the plan decides as for any run; or all get about the same number of parameters.
3. All are evaluated on the same documents, and tabled, plotted and reported.

A rung that is finished is not climbed again: the same command continues a ladder that was stopped, and with more `--rungs` it grows.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import Result, gather, several
from zhixing.console import count, duration, say, track
from zhixing.errors import InputError, Interrupted, SettingError, UserError, ZhixingError
from zhixing.files import MANIFEST, human_bytes, new_folder, read_json, sole_user, write_json
from zhixing.run_folder import refuse_two_lengths
from zhixing.verbs.ladder.folder import begin, wanted_of

if TYPE_CHECKING:
    from zhixing.tokenizer.tokenizer import Tokenizer

RUNGS: dict[str, dict[str, Any]] = {
    "ngram": {},
    "rnn": {"model.kind": "rnn", "model.cell": "rnn"},
    "lstm": {"model.kind": "rnn", "model.cell": "lstm"},
    "gru": {"model.kind": "rnn", "model.cell": "gru"},
    "cnn": {"model.kind": "cnn"},
    "gpt2": {"model.kind": "gpt2"},
    "llama": {"model.kind": "llama"},
}
"""Decoders from the oldest to the newest, each with the settings that make it."""
ENCODERS: dict[str, dict[str, Any]] = {
    **{name: RUNGS[name] for name in ("rnn", "lstm", "gru", "cnn")},
    "bert": {"model.kind": "bert"},
    "modernbert": {"model.kind": "modernbert"},
}
"""The same for encoders."""
METRICS = {"bits_per_byte": RUNGS, "masked_accuracy": ENCODERS}
"""What is measured of which rungs."""
NGRAM = "ngram"
ORDER, NGRAM_TOKENS = 5, 20_000_000
"""Order of the n-gram model, and the tokens that it counts at most: 20 million take about 4 GiB."""
RESULT, EVALUATION = "result.json", "eval/valid/report.json"


class RungResult(Result):
    """One rung of the ladder."""

    name: str
    value: float
    """Of the ladder's metric."""
    low: float
    high: float
    signature: str
    parameters: int
    """Of an n-gram model: the n-grams it has counted."""
    tokens: int
    """Read in training, each as often as it was read."""
    tokens_per_second: float
    """In training."""
    memory_bytes: int
    """The most that its process held."""
    seconds: float
    run: str


class LadderResult(Result):
    """What `ladder` returns; also `result.json` of its folder."""

    out: str
    metric: str
    """bits_per_byte of decoders, masked_accuracy of encoders."""
    minutes: float
    parameters: int | None
    documents: int
    rungs: list[RungResult]

    def lines(self) -> Iterator[str]:
        """The table for the terminal."""
        said = self.metric.replace("_", " ")
        yield f"{'rung':<10}{said:>16}  {'interval':<18}{'parameters':>11}{'tokens/s':>10}{'memory':>10}{'time':>14}"
        for r in self.rungs:
            interval = f"[{r.low:.4f}, {r.high:.4f}]"
            size, speed, memory = count(r.parameters), count(r.tokens_per_second), human_bytes(r.memory_bytes)
            yield f"{r.name:<10}{r.value:>16.4f}  {interval:<18}{size:>11}{speed:>10}{memory:>10}{duration(r.seconds):>14}"
        yield f"report: {Path(self.out) / 'report.html'}"


def ladder(
    data: Annotated[Path, "A data folder that `prepare` wrote."],
    *,
    out: Annotated[Path, "The folder to write, or an unfinished one to continue."],
    minutes: Annotated[float | None, "Minutes for each rung; 5 when neither they nor train.steps are given."] = None,
    parameters: Annotated[int | None, "Parameters that each network shall have, about; default: what suits its minutes."] = None,
    rungs: Annotated[
        list[str] | str | None,
        "Which kinds of model, as in ngram,lstm: ngram, rnn, lstm, gru, cnn, gpt2, llama; bert, modernbert. Default: all.",
    ] = None,
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
    config: Annotated[Path | None, "A TOML file of settings for every network."] = None,
    settings: Annotated[Sequence[str] | Mapping[str, Any] | None, "Settings for every network, as dotted.key=value."] = None,
) -> LadderResult:
    """Train one kind of model after the other on the same text for the same time, and say what each has learnt.

    Decoders, or with objective.kind=masked encoders. Of labelled texts: zhixing ladder classify.

    Raises `Interrupted` after SIGINT or SIGTERM: what is done stays, and the same command goes on.
    """
    rungs = several(rungs)
    chosen, data, out = gather(config, settings), Path(data), Path(out)
    metric = _metric(str(chosen.get("objective.kind", "causal")))
    wanted = wanted_of(rungs, METRICS[metric])
    if minutes is None and "train.steps" not in chosen:
        minutes = 5.0
    for name in chosen:
        if name in ("model.kind", "model.cell"):
            raise SettingError(name, "is what tells the rungs of a ladder apart; choose them with --rungs")
        if parameters is not None and name in ("model.width", "model.layers", "model.heads"):
            raise SettingError(name, "cannot be set together with --parameters, from which it follows")
    refuse_two_lengths(minutes, chosen)
    if parameters is not None and parameters < 1:
        raise SettingError("parameters", f"must be at least 1, not {parameters}")
    from zhixing.store import Store

    fingerprint = Store.open(data, "train").fingerprint  # a wrong path is told before torch is imported

    from zhixing.train.plan import refuse_mistakes

    for name in wanted:  # before the folder keeps them
        refuse_mistakes({**METRICS[metric][name], **chosen})
    asked = {"minutes": minutes, "parameters": parameters, "settings": dict(chosen)}
    begin(out, fingerprint, asked)
    with sole_user(out):
        for name in wanted:
            if (out / name / RESULT).is_file():
                say(f"{name}: finished already")
            elif name == NGRAM:
                _count_ngrams(data, out / name)
            else:
                _train(METRICS[metric][name], data, out / name, minutes, parameters, device, chosen)
        return _finish(out, metric, minutes or 0.0, parameters)


def _metric(objective: str) -> str:
    """What a ladder of models for this objective measures. Raises `SettingError` for one without a ladder."""
    from zhixing.objectives import SHAPES

    match SHAPES.get(objective, "decoder"):  # what there is not is refused by the first run
        case "decoder":
            return "bits_per_byte"
        case "encoder":
            return "masked_accuracy"
    raise SettingError("objective.kind", f"= {objective} has no ladder; causal and infill have one of decoders, masked one of encoders")


def _train(
    rung: Mapping[str, Any],
    data: Path,
    run: Path,
    minutes: float | None,
    parameters: int | None,
    device: str,
    chosen: Mapping[str, Any],
) -> None:
    """Run `pretrain` in a process of its own, to its end. `rung`: the settings that make it."""
    given, name = {**rung, **chosen}, run.name
    if parameters is not None and not (run / MANIFEST).is_file():
        from zhixing.store import Store

        given |= fitted(given, parameters, Store.open(data, "train").vocabulary)
    elif (run / MANIFEST).is_file():
        given = {}  # the run knows
    words = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in given.items()]
    limit = [] if minutes is None or not given else ["--minutes", str(minutes)]
    verb = [sys.executable, "-P", "-m", "zhixing", "pretrain", str(data)]  # -P: a file here is not taken for a module of its name
    command = [*verb, "--out", str(run), "--device", device, "--json", *limit, *words]
    say(f"{name}: training")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        code = process.wait()
    except KeyboardInterrupt:  # of a terminal, the run has heard too; of anything else, it has not
        process.terminate()
        process.wait()
        raise Interrupted(f"stopped in {name}; the same command continues {run.parent}") from None
    if code:
        kind = UserError if code == 2 else ZhixingError
        raise kind(f"the rung {name} did not come to its end (see the line above); the same command goes on from there")


def fitted(given: Mapping[str, Any], wanted: int, vocabulary: int) -> dict[str, Any]:
    """Settings of the network of this kind whose number of parameters is nearest to `wanted`."""
    from zhixing.models import parameters
    from zhixing.objectives import SHAPES
    from zhixing.train.size import HEAD, architecture, proportions

    kind, shape = str(given["model.kind"]), SHAPES[str(given.get("objective.kind", "causal"))]
    fixed = {name.removeprefix("model."): value for name, value in given.items() if name.startswith("model.")}
    step = HEAD // 2

    def made(width: int) -> tuple[int, dict[str, Any]]:
        tree = {"tied": False, **fixed, **proportions(kind, width)}
        if "heads" in tree:
            tree["heads"] = max(1, width // HEAD) if width % HEAD == 0 else width // step
        return parameters(architecture(tree), vocabulary, shape), tree

    low, high = 1, 128  # in steps: the numbers grow with the width
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if made(middle * step)[0] <= wanted else (low, middle)
    _, tree = min((made(width * step) for width in (low, high)), key=lambda entry: abs(entry[0] - wanted))
    return {f"model.{name}": value for name, value in tree.items()}


def _count_ngrams(data: Path, out: Path) -> None:
    """Fit the n-gram model and evaluate it as the networks are: the same documents, the same tokens, each document alone."""
    import numpy as np

    from zhixing.device import peak_memory
    from zhixing.evaluate import documents, significance
    from zhixing.metrics.bits import LANGUAGE_MODEL
    from zhixing.models.ngram import NGram
    from zhixing.store import Store
    from zhixing.tokenizer.tokenizer import Tokenizer

    store, tokenizer = Store.open(data, "train"), Tokenizer.load(data / "tokenizer.json")
    fitted_to = min(store.tokens, NGRAM_TOKENS)
    say(f"ngram: counting the {ORDER}-grams of {count(fitted_to)} tokens")
    began = time.perf_counter()
    model = NGram(store.vocabulary, ORDER).fit(store.read(0, fitted_to))
    seconds = time.perf_counter() - began
    texts = [text.text for text in documents.validation(data)]
    if not texts:
        raise InputError(data, "holds no text to evaluate on")
    rows = np.array([_ngram_row(model, tokenizer, text) for text in track(texts, "evaluating", len(texts), "documents")])
    estimate = significance.interval(next(metric for metric in LANGUAGE_MODEL if metric.name == "bits_per_byte"), rows)
    signature = f"bits_per_byte|v1|order:{ORDER}|tok:{tokenizer.fingerprint[:8]}|start:end|documents:{len(texts)}|interval:bootstrap95"
    result = RungResult(
        name=NGRAM,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        signature=signature,
        parameters=model.size,
        tokens=fitted_to,
        tokens_per_second=fitted_to / seconds,
        memory_bytes=peak_memory(),
        seconds=seconds,
        run=str(out),
    )
    with new_folder(out, "ngram") as folder:
        write_json(folder / RESULT, {**result.model_dump(), "documents": len(texts)})


def _ngram_row(model: Any, tokenizer: Tokenizer, text: str) -> tuple[float, int, int, int]:
    """Nats, tokens, bytes and characters of a document, its end among what is predicted; as `evaluate.run` has them for a network."""
    ids = tokenizer.encode(text)
    nats = model.nats([tokenizer.end, *ids, tokenizer.end])[1:]
    return float(nats.sum()), len(nats), len(text.encode("utf-8")), len(text)


def _finish(out: Path, metric: str, minutes: float, parameters: int | None) -> LadderResult:
    """Table and report of all rungs that are finished."""
    from zhixing.evaluate.report import write_ladder_report

    found, documents = [], 0
    for name in METRICS[metric]:
        run = out / name
        if not (run / RESULT).is_file():
            continue
        result = read_json(run / RESULT)
        if name == NGRAM:
            documents = int(result.pop("documents"))
            found.append(RungResult.model_validate(result))
            continue
        report = read_json(run / EVALUATION)
        documents = int(report["documents"])
        same = {key: result[key] for key in ("parameters", "tokens", "tokens_per_second", "memory_bytes", "seconds")}
        found.append(RungResult(name=name, run=str(run), **same, **report["metrics"][metric]))
    whole = LadderResult(out=str(out), metric=metric, minutes=minutes, parameters=parameters, documents=documents, rungs=found)
    write_json(out / RESULT, whole.model_dump())
    write_ladder_report(out)
    return whole
