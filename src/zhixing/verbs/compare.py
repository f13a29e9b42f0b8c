"""The verb `compare`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from zhixing.config import Result
from zhixing.errors import ArtifactError, InputError


class Comparison(Result):
    """The scores of two systems on the same documents, and what their difference is worth."""

    a: float
    b: float
    difference: float
    """b minus a."""
    low: float
    high: float
    p: float
    signature: str


class CompareResult(Result):
    """What `compare` returns."""

    a: str
    b: str
    data: list[str]
    documents: int
    metrics: dict[str, Comparison]
    verdict: str

    def lines(self) -> Iterator[str]:
        """One line a metric, and the verdict."""
        yield f"A = {self.a}, B = {self.b}, {self.documents} documents"
        for name, m in self.metrics.items():
            yield f"{name:<20} A {m.a:.4f}  B {m.b:.4f}  B - A {m.difference:+.4f} [{m.low:+.4f}, {m.high:+.4f}]  p = {m.p:.4f}"
        yield self.verdict


def compare(
    a: Annotated[Path, "A run folder, or a Hugging Face folder."],
    b: Annotated[Path, "The one to compare it with."],
    *,
    data: Annotated[list[str] | None, "Texts, or a data folder (its validation part). Default: what both runs were validated on."] = None,
    window: Annotated[int | None, "Tokens seen at once; default: each model's context."] = None,
    stride: Annotated[int | None, "New tokens a window; default: half a window."] = None,
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
) -> CompareResult:
    """Say whether one model predicts a text better than another: a paired bootstrap over the same documents.

    Bits per byte and per character compare models of any tokenizers; perplexity is left out where these differ.
    """
    from zhixing.checkpoint import open_model
    from zhixing.evaluate import documents, significance
    from zhixing.evaluate.run import score
    from zhixing.metrics.bits import LANGUAGE_MODEL
    from zhixing.verbs.evaluate import check_window, default_texts

    systems = [open_model(Path(path), device) for path in (a, b)]
    for system in systems:
        system.decoder_for("compare")
    if data is None:
        if systems[0].data != systems[1].data:
            raise ArtifactError(b, f"was trained on other data than {a}; name the text to compare them on with --data")
        texts = list(default_texts(systems[0]))
    else:
        texts = list(documents.read(data))
    if not texts:
        raise InputError(", ".join(data or [str(a)]), "holds no text to compare on")
    frames = [check_window(system, window, stride) for system in systems]
    rows = [score(s, (t.text for t in texts), *frame, total=len(texts)).rows for s, frame in zip(systems, frames, strict=True)]
    same = systems[0].tokenizer.fingerprint == systems[1].tokenizer.fingerprint
    parts = [f"window:{w}|stride:{s}|tok:{m.tokenizer.fingerprint[:8]}" for m, (w, s) in zip(systems, frames, strict=True)]
    signature = (
        f"v1|a:({parts[0]})|b:({parts[1]})|start:end|documents:{len(texts)}|test:paired-bootstrap|resamples:{significance.RESAMPLES}"
    )
    found = {}
    for metric in LANGUAGE_MODEL:
        if metric.name == "perplexity" and not same:
            continue
        d = significance.paired(metric, rows[0], rows[1])
        found[metric.name] = Comparison(
            a=d.a, b=d.b, difference=d.difference, low=d.low, high=d.high, p=d.p, signature=f"{metric.name}|{signature}"
        )
    return CompareResult(
        a=str(a), b=str(b), data=data or ["validation part"], documents=len(texts), metrics=found, verdict=_verdict(found, len(texts))
    )


def _verdict(metrics: dict[str, Comparison], documents: int) -> str:
    from zhixing.evaluate.significance import FEW

    main = metrics["bits_per_byte"]
    few = f" (only {documents} documents: take it with caution)" if documents < FEW else ""
    if main.p >= 0.05:
        return f"no significant difference (p = {main.p:.3f}): take the cheaper one{few}"
    better, share = ("B", -main.difference / main.a) if main.difference < 0 else ("A", main.difference / main.b)
    return f"{better} is better: {share:.1%} fewer bits per byte, p = {main.p:.4f}{few}"
