"""The verb `generate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from zhixing.config import Result, resolve, several
from zhixing.console import warn
from zhixing.errors import InputError, SettingError

if TYPE_CHECKING:
    from zhixing.checkpoint import Loaded

MOST_SAMPLES = 4096


class Continuation(Result):
    """One text that the model has written."""

    prompt: str
    text: str
    """What follows the prompt."""
    tokens: int
    finish: Literal["end", "stop", "length"]
    """Why it ends: the model ended the document, a stop string came, or as many tokens as were asked for."""


class GenerateResult(Result):
    """What `generate` returns: the continuations, prompt by prompt."""

    model: str
    seed: int
    continuations: list[Continuation]

    def lines(self) -> Iterator[str]:
        """Each prompt with its continuation."""
        many = len(self.continuations) > 1
        for number, one in enumerate(self.continuations, start=1):
            if many:
                yield _divider(number, len(self.continuations))
            yield one.prompt + one.text


def generate(
    model: Annotated[Path, "A run folder, a Hugging Face folder, or a model by its name or hub id."],
    *,
    prompt: Annotated[list[str] | str, "Text to continue; may be given several times. Empty: begin a new document."] = "",
    samples: Annotated[int, "Continuations of each prompt, drawn together."] = 1,
    tokens: Annotated[int, "Tokens to add at most."] = 200,
    greedy: Annotated[bool, "Take the most probable token each time."] = False,
    temperature: Annotated[float, "Below 1: safer, more predictable; above 1: more varied; 0: always the most probable token."] = 0.8,
    top_k: Annotated[int | None, "Draw among the k most probable tokens."] = None,
    top_p: Annotated[float, "Draw among the fewest tokens whose probabilities add up to p."] = 1.0,
    min_p: Annotated[float, "Draw among tokens at least this share as probable as the most probable."] = 0.0,
    repetition_penalty: Annotated[float, "Above 1: tokens already in the text become less probable."] = 1.0,
    stop: Annotated[list[str] | str | None, "End a continuation before this string; may be given several times."] = None,
    seed: Annotated[int | None, "Same seed, same text; drawn and reported when not given."] = None,
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
    stream: Callable[[str], None] | None = None,
) -> GenerateResult:
    """Continue a text with a model.

    stream: called with prompt and text as they come, whole characters only; of several continuations the first live, each later one
    when those before it have ended. Raises `SettingError` for a setting out of range, `ArtifactError` for a model that cannot be opened.
    """
    stop = several(stop) or []
    prompts = [prompt] if isinstance(prompt, str) else list(prompt) or [""]
    for text in prompts:
        _check_text("the prompt", text)
    if not 1 <= samples <= MOST_SAMPLES:
        raise SettingError("samples", f"should be between 1 and {MOST_SAMPLES}, not {samples}")
    if not all(stop):
        raise SettingError("stop", "an empty stop string would end every text before it begins")
    if seed is None:
        import random

        seed = random.SystemRandom().randrange(2**31)
    chosen = {
        "tokens": tokens,
        "greedy": greedy,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "seed": seed,
    }

    from zhixing.corpus import fetch

    fetch.refuse_absent(model)

    from zhixing.checkpoint import open_model
    from zhixing.decode.sample import Sampler, SampleSettings
    from zhixing.decode.stream import TextStream

    settings = resolve(SampleSettings, chosen)
    loaded = open_model(Path(model), device)
    tokenizer = loaded.tokenizer
    texts = [text for text in prompts for _ in range(samples)]
    rows = [ids for text in prompts for ids in [_ids(text, loaded)] * samples]
    streams = [TextStream(tokenizer, ids, stop) for ids in rows]
    written, counts, finish = [""] * len(rows), [0] * len(rows), [""] * len(rows)
    show = _in_order(stream, texts) if stream else None
    sampler = Sampler(loaded.decoder_for("generate"), rows, settings, context=loaded.context, end=tokenizer.end)
    for step in sampler:
        for row, token in step:
            counts[row] += 1
            if token == tokenizer.end:
                finish[row] = "end"
                written[row] += streams[row].flush()
                continue
            written[row] += streams[row].push(token)
            if counts[row] == tokens:
                finish[row] = "length"
                written[row] += streams[row].flush()
            if streams[row].stopped:
                finish[row] = "stop"
                sampler.stop(row)
        if show:
            show(written, finish)
    continuations = [
        Continuation.model_validate({"prompt": p, "text": w, "tokens": n, "finish": f})
        for p, w, n, f in zip(texts, written, counts, finish, strict=True)
    ]
    return GenerateResult(model=loaded.name, seed=seed, continuations=continuations)


def _ids(text: str, loaded: Loaded) -> list[int]:
    """A prompt as the model reads it, with a warning if it is longer than the model's context."""
    ids = loaded.tokenizer.encode(text) or [loaded.tokenizer.end]
    if len(ids) >= loaded.context:
        warn(f"the prompt {text[:20]!r}... has {len(ids)} tokens; only the newest {loaded.context - 1} fit the model's context")
    return ids


def _check_text(what: str, text: object) -> None:
    if not isinstance(text, str):
        raise InputError(what, f"should be text, not {type(text).__name__}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(what, "is not valid text (it holds bytes that are not UTF-8)") from None


def _in_order(stream: Callable[[str], None], prompts: list[str]) -> Callable[[list[str], list[str]], None]:
    """A function that is told all texts so far, and why those that have ended did, and shows what is new of those whose turn it is."""
    current, shown = 0, -1

    def show(written: list[str], finish: list[str]) -> None:
        nonlocal current, shown
        while current < len(prompts):
            if shown < 0:
                if len(prompts) > 1:
                    stream(_divider(current + 1, len(prompts)) + "\n")
                stream(prompts[current])
                shown = 0
            if new := written[current][shown:]:
                stream(new)
                shown += len(new)
            if not finish[current]:
                return
            stream("\n")
            current, shown = current + 1, -1

    return show


def _divider(number: int, of: int) -> str:
    return f"--- {number} of {of} ---"
