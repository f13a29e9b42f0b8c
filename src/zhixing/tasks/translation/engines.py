"""Engines other than our own that a translator may compute with, each from a folder that `export` has written.

ctranslate2   CTranslate2, model.bin: searches by beams as `decode.beam` does and divides by length^penalty; when it stops differs in
              detail. Tokens are handed over by name.
onnx          onnxruntime, encoder.onnx and decoder.onnx: computes what our model computes, and our searches step it (`decode.onnx`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from zhixing.decode.beam import BeamSettings, Hypothesis
from zhixing.decode.groups import room
from zhixing.decode.onnx import DECODER, ENCODER, OnnxPair
from zhixing.errors import ArtifactError, MissingPackage, SettingError
from zhixing.files import sha256
from zhixing.tokenizer.tokenizer import Tokenizer

Engine = Literal["ctranslate2", "onnx"]
WEIGHTS: dict[Engine, tuple[str, ...]] = {"ctranslate2": ("model.bin",), "onnx": (ENCODER, DECODER)}
"""The files that hold an engine's weights. Weights of more than 2 GB lie in a file beside a graph, `.data` behind its name."""


class CTranslate2:
    """A model in CTranslate2's format; `search` is to it what `BeamSearch` is to ours."""

    def __init__(self, folder: Path, tokenizers: tuple[Tokenizer, Tokenizer], quantization: str | None, device: torch.device) -> None:
        """quantization: what products are computed in. Raises `MissingPackage`, `ArtifactError` for a folder that it cannot open."""
        try:
            import ctranslate2
        except ImportError:
            raise MissingPackage("ctranslate2", "ctranslate2", f"{folder}: translating with CTranslate2") from None
        self.names = tokenizers[0].names(), tokenizers[1].names()
        self.ids = {name: number for number, name in enumerate(self.names[1])}
        try:
            self.inner = ctranslate2.Translator(
                str(folder), device=device.type, compute_type=quantization or "default", intra_threads=torch.get_num_threads()
            )
        except (RuntimeError, ValueError) as error:
            raise ArtifactError(folder, f"CTranslate2 cannot open it ({str(error).splitlines()[0]:.80})") from None

    def search(self, sources: Sequence[Sequence[int]], settings: BeamSettings) -> list[list[Hypothesis]]:
        """The best hypotheses of each sentence, in their order.

        Raises `SettingError` for a way to search that CTranslate2 does not know.
        """
        if settings.force_end:
            raise SettingError("decode.force_end", "is not known to CTranslate2")
        alike: dict[int, list[int]] = {}  # sentences by how long their translations may be
        for place, source in enumerate(sources):
            alike.setdefault(settings.limit(room(len(source))), []).append(place)
        found: list[list[Hypothesis]] = [[] for _ in sources]
        for limit, places in alike.items():
            for place, hypotheses in zip(places, self._search([sources[place] for place in places], settings, limit), strict=True):
                found[place] = hypotheses
        return found

    def _search(self, sources: list[Sequence[int]], settings: BeamSettings, limit: int) -> list[list[Hypothesis]]:
        made = self.inner.translate_batch(
            [[self.names[0][token] for token in source] for source in sources],
            target_prefix=[[self.names[1][token] for token in settings.first]] * len(sources) if settings.first else None,
            max_batch_size=settings.batch,
            beam_size=settings.beams,
            num_hypotheses=settings.best,
            length_penalty=settings.length_penalty,
            no_repeat_ngram_size=settings.no_repeat,
            suppress_sequences=[[self.names[1][token]] for token in settings.banned] or None,
            max_input_length=0,
            min_decoding_length=0,
            max_decoding_length=limit,
            return_scores=True,
        )
        return [
            [
                Hypothesis([self.ids[name] for name in tokens], score, len(tokens) < limit)
                for tokens, score in zip(one.hypotheses, one.scores, strict=True)
            ]
            for one in made
        ]


def engine_of(folder: Path) -> Engine | None:
    """Whose weights lie in a folder; None: no other engine's."""
    return next((engine for engine, names in WEIGHTS.items() if all((folder / name).is_file() for name in names)), None)


def fingerprint(folder: Path, engine: Engine) -> str:
    """SHA-256 of an engine's weights."""
    parts = [sha256(file) for name in WEIGHTS[engine] for file in (folder / name, folder / f"{name}.data") if file.is_file()]
    return parts[0] if len(parts) == 1 else hashlib.sha256(" ".join(parts).encode()).hexdigest()


def open_engine(
    folder: Path, engine: Engine, tokenizers: tuple[Tokenizer, Tokenizer], quantization: str | None, device: torch.device
) -> CTranslate2 | OnnxPair:
    """The model in a folder. Raises `MissingPackage`, `ArtifactError` for a folder that the engine cannot open."""
    return OnnxPair(folder) if engine == "onnx" else CTranslate2(folder, tokenizers, quantization, device)
