"""The verb `export`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from zhixing.config import Result
from zhixing.errors import SettingError
from zhixing.files import human_bytes, refuse_existing

FORMATS = ("hf", "onnx", "ctranslate2")
ENGINES = {"ctranslate2": "CTranslate2", "onnx": "ONNX"}


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
    same: str | None
    """What else was found the same, or as probable where rounding chooses: greedy continuations, translations."""

    def lines(self) -> Iterator[str]:
        """Where it is and how near it comes."""
        yield f"{self.folder}: {self.family}, {human_bytes(self.bytes)}"
        same = f"; {self.same} are the same or as probable" if self.same else ""
        yield f"logits differ by at most {self.difference:.1e} over {self.tokens} tokens{same}"


class ScoredExportResult(Result):
    """What `export` returns where another engine computes otherwise, and was judged by its translations."""

    folder: Path
    to: str
    quantization: str
    bytes: int
    texts: int
    """Validation pairs that were translated by both."""
    bleu: float
    """Of the export."""
    own_bleu: float
    """Of the run."""
    same: float
    """Share of translations that are equal."""
    signature: str

    def lines(self) -> Iterator[str]:
        """Where it is and how well it translates."""
        yield f"{self.folder}: {ENGINES[self.to]}, {self.quantization}, {human_bytes(self.bytes)}"
        yield (
            f"BLEU {self.bleu:.2f} on {self.texts} validation pairs, {self.own_bleu:.2f} before; "
            f"{self.same:.1%} of the translations are equal  {self.signature}"
        )


def export(
    run: Annotated[Path, "A run folder (of a classifier: onnx alone), a Hugging Face folder, or a model by its name or hub id."],
    *,
    to: Annotated[str, "Format: hf (Hugging Face: transformers, vLLM, ...), onnx (graphs), or ctranslate2 (fast translation)."] = "hf",
    out: Annotated[Path | None, "Folder to write; default: beside the run, its name with the format behind it."] = None,
    quantization: Annotated[str | None, "Of translators: float32 or int8; default: int8 with ctranslate2, float32 with onnx."] = None,
    tolerance: Annotated[float, "Of translators, with ctranslate2 and onnx: BLEU on the validation pairs that may be lost."] = 0.3,
) -> ExportResult | ScoredExportResult:
    """Write a model in another program's format, after checking that its outputs are equal, and of a translator's engines as good.

    Nothing is written where the format cannot hold the model or the other program's outputs differ.
    Raises `UserError` for the former, `ZhixingError` for the latter.
    """
    if to not in FORMATS:
        raise SettingError("to", f"is one of {', '.join(FORMATS)}, not {to!r}")
    if quantization not in (None, "float32", "int8"):
        raise SettingError("quantization", f"is float32 or int8, not {quantization!r}")
    if quantization is not None and to == "hf":
        raise SettingError("quantization", "is for ctranslate2 and onnx; transformers takes the weights as they are")
    if not tolerance >= 0:
        raise SettingError("tolerance", "is BLEU that may be lost, 0 or more")
    run = Path(run)
    place = Path(out) if out is not None else Path(os.path.normpath(run / ".." / f"{run.resolve().name}-{to}"))
    refuse_existing(place)

    from zhixing.corpus import fetch

    fetch.refuse_absent(run)

    from zhixing.tasks.answer.artifact import is_reader
    from zhixing.tasks.classify.artifact import is_classifier, open_classifier
    from zhixing.tasks.translation.artifact import Translator, translates

    if translates(run):
        translator = Translator.open(run, "cpu")
        if to in ENGINES:
            from zhixing.export import ctranslate2, onnx

            numbers = quantization or ("int8" if to == "ctranslate2" else "float32")
            write = ctranslate2.write if to == "ctranslate2" else onnx.write_translator
            made = write(place, run, translator, numbers, tolerance)  # type: ignore[arg-type]
            return ScoredExportResult(
                folder=place, to=to, quantization=numbers, bytes=made.bytes, texts=made.texts, bleu=made.bleu[1],
                own_bleu=made.bleu[0], same=made.same, signature=made.signature,
            )  # fmt: skip
        from zhixing.export import pairs

        done, same = pairs.write(place, run, translator), "translations"
    elif to == "ctranslate2":
        raise SettingError("to", "= ctranslate2 is for translation runs (zhixing finetune translate)")
    elif is_reader(run):
        raise SettingError("run", f"= {run} answers questions, for which there is no export yet")
    elif to == "onnx":
        if quantization == "int8":
            raise SettingError("quantization", "= int8 is for translators, whose loss is measured; leave it out")
        from zhixing.export import onnx

        if is_classifier(run):
            done, same = onnx.write_classifier(place, open_classifier(run, "cpu")), ""
        else:
            from zhixing.checkpoint import open_model

            done, same = onnx.write_decoder(place, open_model(run, "cpu")), ""
    elif is_classifier(run):
        raise SettingError("to", "= hf is for language models, encoders and translators; a classifier goes out with --to onnx")
    else:
        from zhixing.checkpoint import open_model
        from zhixing.export import huggingface

        loaded = open_model(run, "cpu")
        done = huggingface.write(place, loaded.model, loaded.tokenizer, loaded.context, settings=loaded.model.settings)
        same = "greedy continuations" if loaded.model.shape == "decoder" else ""
    return ExportResult(
        folder=place, to=to, family=done.family, bytes=done.bytes, difference=done.difference, tokens=done.tokens, same=same or None
    )
