"""A finished translator: one folder that holds all it takes to translate the same text in the same way anywhere.

    runs/en-zh/
        model.safetensors        the best weights
        source_tokenizer.json    tokenizer.json      of sources and of targets
        config.json              settings: cleaning and search among them
        task.json                languages, SHA-256 of weights and tokenizers, golden texts with their translations

Whoever opens it gets the golden translations again, or an error.

An export for another engine is opened likewise. There the engine's own files hold the weights (see `engines`) and the settings are in
`recipe.json`; its golden translations are those that the engine made when it was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import safetensors.torch
import torch
from safetensors import SafetensorError

from zhixing import device as devices
from zhixing.config import Settings, resolve
from zhixing.corpus.clean import clean
from zhixing.corpus.codes import short
from zhixing.decode.beam import BeamSettings, Hypothesis
from zhixing.decode.onnx import OnnxPair
from zhixing.errors import ArtifactError, UserError
from zhixing.files import open_folder, read_json, sha256, write_json
from zhixing.models import without_weights
from zhixing.models.shapes import EncoderDecoderModel
from zhixing.pretrained.weights import save as save_tensors
from zhixing.tasks.artifact import TASK, WEIGHTS, load_tokenizer, objective_of, read_task
from zhixing.tasks.translation import engines
from zhixing.tasks.translation.alignment import Link, attention, links, moved
from zhixing.tasks.translation.engines import CTranslate2
from zhixing.tasks.translation.marks import Marks
from zhixing.tasks.translation.recipe import TranslateRecipe
from zhixing.tasks.translation.search import Manner, Search
from zhixing.tasks.translation.sentences import cut
from zhixing.tasks.translation.start import SOURCE_TOKENIZER, TARGET_TOKENIZER, build_translator
from zhixing.tokenizer.tokenizer import Tokenizer

RECIPE = "recipe.json"
TOLERANCE = {"own": 1e-3, "ctranslate2": 0.05, "onnx": 0.05}
"""By how much the score of a golden translation may differ from machine to machine: int8 products are rounded by the processor's rules."""
_UNSPACED = ("zh", "ja", "th")
"""Languages whose sentences follow each other without a space."""


class Golden(Settings):
    """A text and its translation."""

    source: str
    target: str
    score: float


class Task(Settings):
    """What `task.json` holds."""

    task: str
    source_language: str
    target_language: str
    context: int
    weights: str
    source_tokenizer: str
    target_tokenizer: str
    golden: tuple[Golden, ...]
    marks: Marks | None = None
    """What stands around the texts; None: a mark of the end alone."""
    engine: Literal["own", "ctranslate2", "onnx"] = "own"
    """What computes the translations."""
    quantization: str | None = None
    """Numbers that another engine's weights are made of."""


@dataclass(frozen=True)
class Translation:
    """A text in the other language."""

    text: str
    score: float
    """Log probability a token, in nats: the mean over its sentences."""
    alternatives: tuple[str, ...] = ()
    """The next best ones, best first, of a text that is a single sentence."""
    pieces: int = 1
    """Sentences, or parts of them, that it was cut into."""
    forced: int = 0
    """Of these cuts, those inside a clause, because not even that fits into the model's window."""
    source: str = ""
    """The text as it was translated: cleaned."""
    links: tuple[Link, ...] = ()
    """Where asked for, which words of `text` stand for which words of `source`, as places of characters."""


class Translator:
    """A translation model that takes texts and gives texts."""

    def __init__(
        self,
        model: EncoderDecoderModel | CTranslate2 | OnnxPair,
        tokenizers: tuple[Tokenizer, Tokenizer],
        recipe: TranslateRecipe,
        task: Task,
        device: torch.device,
    ) -> None:
        self.engine = model.to(device).eval() if isinstance(model, EncoderDecoderModel) else model
        self.source, self.target = tokenizers
        self.recipe, self.task, self.device = recipe, task, device
        self.marks = task.marks or Marks.plain((task.source_language, task.target_language), self.source, self.target)
        self.to = task.target_language
        self.search = self._searching(None)

    @classmethod
    def open(cls, path: Path | str, device: str = "auto") -> Translator:
        """Open a finished run or an export for another engine, its hashes and golden translations checked.

        Raises `ArtifactError` when it is absent, unfinished, damaged, or does not translate as it did when it was made.
        """
        path, target = Path(path), devices.pick(device)
        exported = engines.engine_of(path) if is_export(path) else None
        settings = RECIPE if exported else "config.json"
        open_folder(path, "export" if exported else "run", verify=[settings, SOURCE_TOKENIZER, TARGET_TOKENIZER])
        if not exported and not is_translator(path):
            raise ArtifactError(path, "is no translation run; train one with zhixing finetune translate")
        task = read_task(path, Task)
        recipe = resolve(TranslateRecipe, read_json(path / settings))
        tokenizers = (
            load_tokenizer(path, task.source_tokenizer, SOURCE_TOKENIZER),
            load_tokenizer(path, task.target_tokenizer, TARGET_TOKENIZER),
        )
        names = engines.WEIGHTS[exported] if exported else (WEIGHTS,)
        whole = all((path / name).is_file() for name in names)
        if not whole or (engines.fingerprint(path, exported) if exported else sha256(path / WEIGHTS)) != task.weights:
            raise ArtifactError(path, f"is damaged: the bytes of {' and '.join(names)} do not match their SHA-256")
        rows = task.marks.rows if task.marks else (tokenizers[0].vocabulary, tokenizers[1].vocabulary)
        model: EncoderDecoderModel | CTranslate2 | OnnxPair
        if exported:
            model = engines.open_engine(path, exported, tokenizers, task.quantization, target)
        else:
            model = _model(path / WEIGHTS, recipe, rows)
        made = cls(model, tokenizers, recipe, task, target)
        made._check(path)
        return made

    def _check(self, path: Path) -> None:
        found = self([golden.source for golden in self.task.golden])
        for golden, now in zip(self.task.golden, found, strict=True):
            if now.text != golden.target and abs(now.score - golden.score) > TOLERANCE[self.task.engine]:
                what = f"translates {golden.source[:40]!r} otherwise than when it was made; weights, tokenizers or a library have changed"
                raise ArtifactError(path, what)

    @property
    def model(self) -> EncoderDecoderModel:
        """The model itself. Raises `UserError` for an export, in which another engine has it."""
        if not isinstance(self.engine, EncoderDecoderModel):
            raise UserError("an export can be translated with; for anything else take the run that it was made of")
        return self.engine

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the weights."""
        return self.task.weights

    def __call__(self, texts: Sequence[str], manner: BeamSettings | Manner | None = None) -> list[Translation]:
        """Translations in the order of the texts; each is the same whatever the other texts are (see `decode.groups`).

        A blank text stays as it is. A text that is longer than the model's window is translated sentence by sentence.
        manner: how; by default the recipe's search. Raises `SettingError` for a manner that the engine does not know.
        """
        if not isinstance(manner, Manner):
            manner = Manner(manner or self.recipe.decode)
        cuts = [cut(self.cleaned(text), self._fits) for text in texts]
        found = self.search([piece.text for one in cuts for piece in one.pieces], manner)
        linked = self._linked([piece.text for one in cuts for piece in one.pieces], found) if manner.align else None
        spaced = short(self.to) not in _UNSPACED
        results, start = [], 0
        for one in cuts:
            mine = slice(start, start + len(one.pieces))
            start += len(one.pieces)
            best = [self.search.text(hypotheses[0]) for hypotheses in found[mine]]
            score = sum(hypotheses[0].score for hypotheses in found[mine]) / max(1, len(best))
            others = tuple(self.search.text(other) for other in found[mine][0][1:]) if len(best) == 1 else ()
            links = () if linked is None else moved(linked[mine], one, best, one.gaps(best, spaced=spaced))
            text = one.joined(best, spaced=spaced)
            results.append(Translation(text, score, others, len(best), one.forced, one.joined_source, links))
        return results

    def _linked(self, pieces: Sequence[str], found: Sequence[Sequence[Hypothesis]]) -> list[list[Link]]:
        ids, said = self.search.ids(pieces), [hypotheses[0].tokens for hypotheses in found]
        weights = attention(self.model, ids, said, begin=self.marks.start, pad=self.source.pad)
        both = self.source, self.target
        first, behind = len(self.search.before), 1 + len(self.search.after)
        return [links(matrix[:, first:], row[first:-behind], text, both) for matrix, row, text in zip(weights, ids, said, strict=True)]

    def speaking(self, to: str | None, domain: str | None = None) -> Translator:
        """The same model, asked for another language, or for a kind of text. Raises `SettingError` for one that was not trained."""
        other = copy(self)
        other.to = to or self.to
        other.search = other._searching(domain)
        return other

    def _searching(self, domain: str | None) -> Search:
        marks, language = self.marks, self.task.source_language
        before, first = marks.before_source((language, self.to), domain), marks.before_target(self.to)
        after = marks.after_source(language)
        return Search(self.engine, self.source, self.target, self.task.context, marks.start, before, first, after)

    def cleaned(self, text: str) -> str:
        """A text, cleaned as those that were trained on, and its lines kept: as many empty ones, as far indented."""
        whole = clean(text, self.recipe.pairs.clean)
        lines = text.split("\n")
        if "\n" not in text or whole.count("\n") + 1 == len(lines):
            return whole
        return "\n".join(clean(line, self.recipe.pairs.clean).replace("\n", " ") for line in lines)

    def _fits(self, text: str) -> bool:
        return len(text) < self.task.context // 4 or len(self.source.encode(text)) < self.task.context


def _model(weights: Path, recipe: TranslateRecipe, rows: tuple[int, int]) -> EncoderDecoderModel:
    """The model of a recipe with its weights; rows: of its embeddings."""
    with without_weights():
        model = build_translator(recipe, *rows)
    try:
        values = safetensors.torch.load_file(weights)
        if recipe.vocabulary.joint:
            values["decoder.embedding.weight"] = values["encoder.embedding.weight"]
        model.load_state_dict(values, assign=True)
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise ArtifactError(weights, f"does not fit the model of its config.json ({str(error).splitlines()[0]:.80})") from None
    if recipe.vocabulary.joint:
        model.encoder.embedding = model.decoder.embedding
    return model


def is_export(path: Path) -> bool:
    """Whether a folder is a translator exported for another engine."""
    return engines.engine_of(Path(path)) is not None and (Path(path) / RECIPE).is_file()


def is_translator(path: Path) -> bool:
    """Whether a run folder is one of translation, finished or not."""
    return objective_of(path) == "seq2seq" and (Path(path) / SOURCE_TOKENIZER).is_file()


def translates(path: Path) -> bool:
    """Whether a folder is a translator: a run of translation, or its export for another engine."""
    return is_translator(path) or is_export(path)


def write(
    run: Path,
    model: EncoderDecoderModel,
    tokenizers: tuple[Tokenizer, Tokenizer],
    recipe: TranslateRecipe,
    languages: tuple[str, str],
    golden: Sequence[str],
    marks: Marks | None = None,
) -> Task:
    """Write weights and `task.json` of a trained model, which lies on the CPU, into its run folder."""
    weights = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    if recipe.vocabulary.joint:  # one embedding under two names
        del weights["decoder.embedding.weight"]
    save_tensors(run / WEIGHTS, weights)
    task = Task(
        task="translate",
        source_language=languages[0],
        target_language=languages[1],
        context=recipe.objective.context,
        weights=sha256(run / WEIGHTS),
        source_tokenizer=tokenizers[0].fingerprint,
        target_tokenizer=tokenizers[1].fingerprint,
        golden=(),
        marks=marks,
    )
    said = Translator(model, tokenizers, recipe, task, torch.device("cpu"))(golden)
    pairs = tuple(Golden(source=text, target=one.text, score=one.score) for text, one in zip(golden, said, strict=True))
    task = task.model_copy(update={"golden": pairs})
    write_json(run / TASK, task.model_dump())
    return task
