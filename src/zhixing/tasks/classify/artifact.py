"""A finished classifier on disk: one folder that holds all it takes to say the same of the same text anywhere.

    runs/senti/
        model.safetensors   the best weights
        tokenizer.json
        config.json         settings, the cleaning of texts among them
        task.json           labels, temperature, SHA-256 of weights and tokenizer, golden inputs with their outputs
        ngrams.*            with objective.ngrams: a linear model that is heard, too
        training.npy        hashes of the texts trained on, by which a test set is checked for them

Whoever opens it gets the golden outputs again, or an error: a library that has come to cut or compute otherwise does not go unseen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from zhixing import device as devices
from zhixing import pretrained
from zhixing.config import Settings, resolve
from zhixing.corpus.clean import CleanSettings
from zhixing.corpus.labelled import Example
from zhixing.corpus.labelled.examples import Kind
from zhixing.errors import ArtifactError
from zhixing.files import open_folder, read_json, write_json
from zhixing.models import build, longest, without_weights
from zhixing.models.shapes import DecoderModel, EncoderModel, Shape
from zhixing.tasks.artifact import (
    TASK,
    Hashes,
    hashes,
    in_training,
    load_tokenizer,
    load_weights,
    objective_of,
    read_task,
    save_weights,
    write_training,
)
from zhixing.tasks.classify.ngrams import Beside, NGrams
from zhixing.tasks.classify.objective import Classifier, Inputs, Targets, classifier, logits, probabilities
from zhixing.tasks.classify.recipe import ClassifyRecipe
from zhixing.tokenizer.tokenizer import Tokenizer

TOLERANCE = 2e-3
"""By how much golden outputs may differ from machine to machine: fp32 sums in another order move the fifth digit."""


class Golden(Settings):
    """A text and what the model said of it."""

    text: str
    pair: str | None
    output: tuple[float, ...]
    """Probabilities of the classes, or the number."""


class Task(Settings):
    """What `task.json` holds."""

    task: str
    kind: Kind
    labels: tuple[str, ...]
    mean: float
    deviation: float
    pairs: bool
    window: int
    temperature: float
    """What logits are divided by, so that probabilities fit the validation texts (Guo et al. 2017)."""
    shape: Shape
    weights: str
    """SHA-256 of the weights file."""
    tokenizer: str
    """Fingerprint of the tokenizer."""
    golden: tuple[Golden, ...]
    ngrams: Beside | None = None
    """The linear model that is heard beside the network, where there is one."""

    @property
    def targets(self) -> Targets:
        """The classes, or the scale."""
        return Targets(self.kind, self.labels, self.mean, self.deviation)


@dataclass(frozen=True)
class Opened:
    """A classifier that is ready to be used."""

    path: Path
    task: Task
    model: Classifier
    tokenizer: Tokenizer
    cleaning: CleanSettings
    recipe: ClassifyRecipe
    device: torch.device
    ngrams: NGrams | None = None

    def outputs(self, texts: Sequence[str], pairs: Sequence[str] | None = None, precision: str = "fp32") -> NDArray[np.float64]:
        """Probabilities of the classes [N, C], or numbers [N, 1], of cleaned texts."""
        found = self.logits(texts, pairs, precision)
        return probabilities(found, self.task.targets, self.task.temperature).numpy()

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None = None, precision: str = "fp32") -> torch.Tensor:
        """Logits [N, C] of cleaned texts."""
        read = Inputs(self.tokenizer, texts, pairs, self.task.window)
        found = logits(self.model, read, self.device, devices.dtype(precision, self.device))
        return found if self.ngrams is None else heard(found, self.ngrams, texts, pairs)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the weights, and of the n-grams where they are heard."""
        beside = self.task.ngrams
        return self.task.weights if beside is None else hashlib.sha256(f"{self.task.weights} {beside}".encode()).hexdigest()


def heard(found: torch.Tensor, ngrams: NGrams, texts: Sequence[str], pairs: Sequence[str] | None) -> torch.Tensor:
    """A network's logits [N, C] with what the n-grams say."""
    return found + torch.from_numpy(ngrams.weight * ngrams.margins(texts, pairs)).to(found.dtype)


def is_classifier(path: Path) -> bool:
    """Whether a run folder is one of classification, finished or not."""
    return objective_of(path) == "classify"


def build_classifier(recipe: ClassifyRecipe, vocabulary: int, classes: int, shape: Shape) -> Classifier:
    """A new classifier of a recipe."""
    model = build(recipe.model, vocabulary, shape)
    assert isinstance(model, DecoderModel | EncoderModel)
    return classifier(model, classes, recipe.objective)


def write(
    run: Path,
    model: Classifier,
    tokenizer: Tokenizer,
    targets: Targets,
    recipe: ClassifyRecipe,
    train: Sequence[Example],
    golden: Sequence[Example],
    *,
    temperature: float,
    paired: bool,
    ngrams: NGrams | None = None,
) -> Task:
    """Write weights, hashes of the training texts and `task.json` of a trained model, which lies on the CPU, into its run folder."""
    weights = save_weights(run, model)
    write_training(run, _hashes(train))
    window = window_of(recipe)
    texts, pairs = [e.text for e in golden], [e.pair or "" for e in golden] if paired else None
    found = logits(model, Inputs(tokenizer, texts, pairs, window), torch.device("cpu"), torch.float32)
    said = probabilities(found if ngrams is None else heard(found, ngrams, texts, pairs), targets, temperature).tolist()
    task = Task(
        task="classify",
        kind=targets.kind,
        labels=targets.names,
        mean=targets.mean,
        deviation=targets.deviation,
        pairs=paired,
        window=window,
        temperature=temperature,
        shape=model.shape,
        weights=weights,
        tokenizer=tokenizer.fingerprint,
        ngrams=None if ngrams is None else ngrams.save(run),
        golden=tuple(
            Golden(text=e.text, pair=e.pair if paired else None, output=tuple(output)) for e, output in zip(golden, said, strict=True)
        ),
    )
    write_json(run / TASK, task.model_dump())
    return task


def window_of(recipe: ClassifyRecipe) -> int:
    """Tokens that are seen: what is set, or as many as the model has positions for."""
    most = longest(recipe.model)
    return recipe.objective.window if most is None else min(most, recipe.objective.window)


def open_classifier(path: Path, device: str = "auto") -> Opened:
    """Open a finished classification run, its hashes and golden outputs checked.

    Raises `ArtifactError` when it is absent, unfinished, damaged, or does not say what it said when it was made.
    """
    path, target = Path(path), devices.pick(device)
    if pretrained.is_folder(path):
        raise ArtifactError(path, "is a Hugging Face folder, and a run of zhixing finetune is needed here; train one with --base")
    open_folder(path, "run", verify=["config.json", "tokenizer.json"])
    if not is_classifier(path):
        raise ArtifactError(path, "is no classification run; train one with zhixing finetune classify")
    task = read_task(path, Task)
    recipe = resolve(ClassifyRecipe, read_json(path / "config.json"))
    tokenizer = load_tokenizer(path, task.tokenizer)
    with without_weights():
        model = build_classifier(recipe, tokenizer.vocabulary, task.targets.classes, task.shape)
    load_weights(model, path, task.weights)
    ngrams = None if task.ngrams is None else NGrams.load(path, task.ngrams)
    opened = Opened(path, task, model.to(target).eval(), tokenizer, recipe.clean, recipe, target, ngrams)
    _check(opened)
    return opened


def _check(opened: Opened) -> None:
    """Raise `ArtifactError` unless the golden inputs get their outputs again."""
    golden = opened.task.golden
    if not golden:
        return
    pairs = [g.pair or "" for g in golden] if opened.task.pairs else None
    again = opened.outputs([g.text for g in golden], pairs)
    said = np.array([g.output for g in golden])
    scale = max(1.0, opened.task.deviation) if opened.task.kind == "number" else 1.0
    off = np.abs(again - said).max(axis=1) / scale
    if not (off <= TOLERANCE).all():
        worst = int(off.argmax())
        raise ArtifactError(
            opened.path,
            f"does not say of {golden[worst].text[:40]!r} what it said when it was made (off by {off[worst]:.3g}); "
            "weights, tokenizer or a library have changed",
        )


def _hashes(examples: Sequence[Example]) -> Hashes:
    """The same for texts that only differ in case, spaces and marks at their ends."""
    return hashes("\0".join(example.key) for example in examples)


def trained_on(run: Path, examples: Sequence[Example]) -> NDArray[np.bool_]:
    """Which of the texts a run was trained on [N]."""
    return in_training(run, _hashes(examples))
