"""The verb `export`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from zhixing.config import Result
from zhixing.errors import SettingError
from zhixing.files import human_bytes, refuse_existing

FORMATS = ("hf",)


class ExportResult(Result):
    """What `export` returns."""

    folder: Path
    to: str
    family: str
    """The class that opens it."""
    bytes: int
    difference: float
    """Greatest difference of logits between the other program and us."""
    tokens: int
    """Tokens that were compared."""
    greedy: bool
    """Whether it writes text, and greedy continuations were found the same."""

    def lines(self) -> Iterator[str]:
        """Where it is and how near it comes."""
        yield f"{self.folder}: {self.family}, {human_bytes(self.bytes)}"
        greedy = "; greedy continuations are the same" if self.greedy else ""
        yield f"logits differ by at most {self.difference:.1e} over {self.tokens} tokens{greedy}"


def export(
    run: Annotated[Path, "A run folder, a Hugging Face folder, or a model by its name."],
    *,
    to: Annotated[str, "Format: hf (Hugging Face: transformers, vLLM, ...)."] = "hf",
    out: Annotated[Path | None, "Folder to write; default: beside the run, its name with -hf."] = None,
) -> ExportResult:
    """Write a model in another program's format, after checking that the outputs are equal.

    Nothing is written on `UserError` (the format cannot hold this model) and `ZhixingError` (the other program's outputs differ).
    """
    if to not in FORMATS:
        raise SettingError("to", f"is one of {', '.join(FORMATS)}, not {to!r}")
    run = Path(run)
    place = Path(out) if out is not None else run.with_name(f"{run.resolve().name}-{to}")
    refuse_existing(place)

    from zhixing.checkpoint import open_model
    from zhixing.export import huggingface

    loaded = open_model(run, "cpu")
    done = huggingface.write(place, loaded.model, loaded.tokenizer, loaded.context, settings=loaded.model.settings)
    return ExportResult(
        folder=place,
        to=to,
        family=done.family,
        bytes=done.bytes,
        difference=done.difference,
        tokens=done.tokens,
        greedy=loaded.model.shape == "decoder",
    )
