"""Classification: a text, or a pair, in; a label, any number of labels, or a number out.

    states [B, T, D] = body(ids)          pretrained or new, an encoder or a decoder
    pooled [B, D]    = first token | last token | mean | max over the tokens
    logits [B, C]    = head(dropout(pooled))

    single   - log softmax(logits)[gold], smoothed, weighted by class, or focal      (Szegedy et al. 2016; Lin et al. 2017)
    multi    mean over classes of the binary cross-entropy of sigmoid(logits)
    number   (logit - z)^2, z being the number less the mean and over the deviation of those trained on

To the trainer all this is an objective: rows of unequal texts in, a sum of losses over the rows out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zhixing.config import Settings
from zhixing.corpus.labelled import Example
from zhixing.corpus.labelled.examples import Kind
from zhixing.errors import SettingError
from zhixing.models.cnn import CNNSettings
from zhixing.models.shapes import DecoderModel, EncoderModel, Head, Shape
from zhixing.objectives import Batch
from zhixing.tasks.buckets import Buckets, Integers, by_length
from zhixing.tasks.classify.augment import AugmentSettings, read_synonyms, vary
from zhixing.tokenizer.tokenizer import Tokenizer

Pooling = Literal["first", "last", "mean", "max"]


class ClassifySettings(Settings):
    """What is learnt of labelled texts, and how their states become one vector."""

    kind: Literal["classify"] = "classify"
    window: int = Field(default=256, ge=4)
    """Tokens of a text, or of both texts of a pair, that the model sees; the rest is cut off, which the data report says."""
    pooling: Literal["auto", "first", "last", "mean", "max"] = "auto"
    """How the states of a text become one vector. auto: last for a decoder, which has read all of the text only there; max for a
    convolutional model, whose states are the n-grams it has found (Kim 2014); else mean."""
    transform: bool = False
    """Whether a dense layer and tanh stand before the matrix of the head, as in BERT."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the pooled vector dropped in training."""
    epochs: float = Field(default=3.0, gt=0)
    """How many times each text is read, where neither minutes nor train.steps say how long to train."""
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    """single: share of the probability that the target gives to all classes alike (label smoothing)."""
    focal: float = Field(default=0.0, ge=0)
    """single: exponent by which texts that are surely right count less; 0 is the plain loss."""
    weights: Literal["none", "balanced", "root"] = "none"
    """How much each class counts: none, all texts alike; balanced, all classes alike; root, halfway between."""
    augment: AugmentSettings = AugmentSettings()
    ngrams: bool = False
    """Whether a linear model of n-grams is fitted to the same texts and heard beside the network (needs the extra classify): both together
    are better where names and set phrases decide. Without --valid, validation texts are counted, too, once they have done their work."""


class Classifier(nn.Module):
    """A body, a pooling and a head."""

    def __init__(
        self, body: nn.Module, shape: Shape, width: int, classes: int, pooling: Pooling, *, dropout: float = 0.0, transform: bool = False
    ) -> None:
        """body: an `Encoder` or a `Decoder`, by `shape`; width: of its states."""
        super().__init__()
        self.shape, self.pooling = shape, pooling
        self.add_module(shape, body)  # under the name of its role, as in the models of `shapes`
        self.dropout = nn.Dropout(dropout)
        self.head = Head(width, classes, bias=True, transform=nn.Sequential(nn.Linear(width, width), nn.Tanh()) if transform else None)

    def forward(self, ids: Tensor, mask: Tensor, kinds: Tensor | None = None) -> Tensor:
        """ids [B, T] with their mask and, for pairs, kinds -> logits [B, C]."""
        logits: Tensor = self.head(self.dropout(pooled(self.states(ids, mask, kinds), mask, self.pooling)))
        return logits

    @property
    def body(self) -> nn.Module:
        """The encoder or decoder."""
        return self.get_submodule(self.shape)

    def states(self, ids: Tensor, mask: Tensor, kinds: Tensor | None = None) -> Tensor:
        """ids [B, T] -> states [B, T, D]."""
        if self.shape == "decoder":
            states, _ = self.body(ids)  # padding stands on the right, where no token sees it
        else:
            states = self.body(ids, mask if not bool(mask.all()) else None, kinds=kinds)
        assert isinstance(states, Tensor)
        return states

    def repeated(self) -> list[nn.Module]:
        """The layers to compile one by one, and to give learning rates of their own; see `models.shapes.Decoder`."""
        return list(self.body.repeated())  # type: ignore[operator]


def classifier(model: DecoderModel | EncoderModel, classes: int, settings: ClassifySettings) -> Classifier:
    """A classifier with the body of a model; its head is new. Raises `SettingError` for a pooling of which nothing can be learnt."""
    if model.shape == "decoder" and settings.pooling == "first":
        raise SettingError("objective.pooling", "= first is where a decoder has read nothing yet; last, mean and max are possible")
    body = model.decoder if isinstance(model, DecoderModel) else model.encoder
    usual: Pooling = "last" if model.shape == "decoder" else "max" if isinstance(model.settings, CNNSettings) else "mean"
    pooling: Pooling = usual if settings.pooling == "auto" else settings.pooling
    width = model.head.matrix.shape[1]
    return Classifier(body, model.shape, width, classes, pooling, dropout=settings.dropout, transform=settings.transform)


def pooled(states: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """states [B, T, D] of tokens [B, T] -> [B, D]."""
    match pooling:
        case "first":
            return states[:, 0]
        case "last":
            last = mask.shape[1] - 1 - mask.flip(1).int().argmax(1)
            return states[torch.arange(states.shape[0], device=states.device), last]
        case "mean":
            there = mask.unsqueeze(-1).to(states.dtype)
            return (states * there).sum(1) / there.sum(1).clamp(min=1)
    return states.masked_fill(~mask.unsqueeze(-1), float("-inf")).amax(1)


@dataclass(frozen=True)
class Targets:
    """What labels are to the model: the names of its classes in order, or the mean and deviation of its numbers."""

    kind: Kind
    names: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, examples: Sequence[Example], kind: Kind) -> Targets:
        """The classes, in the order of their names, or the scale, of training examples."""
        if kind == "number":
            numbers = np.array([e.label for e in examples], dtype=np.float64)
            return cls(kind, (), float(numbers.mean()), float(numbers.std()) or 1.0)
        names = {name for example in examples for name in example.names}
        return cls(kind, tuple(sorted(names, key=_natural)))

    @property
    def classes(self) -> int:
        """Numbers that the head gives."""
        return len(self.names) or 1

    def tensor(self, examples: Sequence[Example]) -> Tensor:
        """Gold targets: numbers of classes [N], 0 or 1 for each class [N, C], or scaled numbers [N]. Raises `KeyError` for a new label."""
        if self.kind == "number":
            return torch.tensor([(float(str(e.label)) - self.mean) / self.deviation for e in examples])
        place = {name: i for i, name in enumerate(self.names)}
        if self.kind == "single":
            return torch.tensor([place[str(e.label)] for e in examples])
        hot = torch.zeros(len(examples), self.classes)
        for row, example in zip(hot, examples, strict=True):
            for name in example.names:
                row[place[name]] = 1
        return hot


def _natural(name: str) -> tuple[int, float, str]:
    """Numbers by their size, before names."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


class Inputs:
    """Texts as the model reads them: ids within its marks, cut to the window; of pairs also which text an id belongs to."""

    def __init__(self, tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None, window: int) -> None:
        framed = tokenizer.frame(texts, pairs, window)
        self.ids = [np.array(one.ids, dtype=np.int64) for one in framed]
        self.kinds = None if pairs is None else [np.array(one.kinds, dtype=np.int64) for one in framed]
        self.lengths = np.array([len(one.ids) for one in framed], dtype=np.int64)
        self.full = self.lengths + np.array([one.dropped for one in framed], dtype=np.int64)
        """Tokens of each text, those that are cut off included."""
        self.pad = tokenizer.pad

    def batch(self, rows: Integers) -> Batch:
        """`ids` [B, T], `mask` [B, T] and, of pairs, `kinds` [B, T]: as long as the longest of these."""
        longest = max(1, int(self.lengths[rows].max()))
        ids = np.full((len(rows), longest), self.pad, dtype=np.int64)
        kinds = np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(self.ids[row])] = self.ids[row]
            if self.kinds is not None:
                kinds[place, : len(self.kinds[row])] = self.kinds[row]
        mask = np.arange(longest) < self.lengths[rows][:, None]
        batch = {"ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask)}
        return batch if self.kinds is None else {**batch, "kinds": torch.from_numpy(kinds)}


def inputs(examples: Sequence[Example], tokenizer: Tokenizer, window: int, *, paired: bool) -> Inputs:
    """Examples as the model reads them."""
    return Inputs(tokenizer, [e.text for e in examples], [e.pair or "" for e in examples] if paired else None, window)


class Classification:
    """Labelled texts as a training task."""

    def __init__(
        self,
        examples: Sequence[Example],
        targets: Targets,
        tokenizer: Tokenizer,
        settings: ClassifySettings,
        seed: int,
        *,
        paired: bool,
        wordings: Mapping[str, str] | None = None,
    ) -> None:
        """wordings: of texts, in which `augment.reworded` of them stand."""
        self.examples, self.settings, self.seed, self.paired = examples, settings, seed, paired
        self.kind, self.tokenizer = targets.kind, tokenizer
        self.gold = targets.tensor(examples)
        self.inputs = inputs(examples, tokenizer, settings.window, paired=paired)
        self.order = Buckets(self.inputs.lengths, seed)
        self.weights = class_weights(self.gold, targets, settings.weights)
        self.synonyms, self.wordings = read_synonyms(settings.augment.synonyms), wordings or {}

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """`ids` [B, T], `mask` [B, T], for pairs `kinds` [B, T], and `gold` [B] or [B, C]."""
        rows = self.order.batch(step, size)[rank::world]
        if self.settings.augment.on:
            epoch = step // self.order.steps(size)
            varied = [self._varied(int(row), epoch) for row in rows]
            varied_inputs = inputs(varied, self.tokenizer, self.settings.window, paired=self.paired)
            return {**varied_inputs.batch(np.arange(len(rows))), "gold": self.gold[rows]}
        return {**self.inputs.batch(rows), "gold": self.gold[rows]}

    def _varied(self, row: int, epoch: int) -> Example:
        example, settings = self.examples[row], self.settings.augment
        text, pair = (
            part and vary(part, settings, self.synonyms, f"{self.seed}/{epoch}/{row}/{part}", self.wordings.get(part))
            for part in (example.text, example.pair)
        )
        return Example(text or example.text, example.label, example.source, example.line, pair)

    def targets(self, batch: Batch) -> int:
        """Number of texts."""
        return len(batch["gold"])

    def tokens(self, batch: Batch) -> int:
        """Number of tokens, padding not counted."""
        return int(batch["mask"].sum())

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Sum of the losses of the texts."""
        assert isinstance(model, Classifier)
        logits = model(batch["ids"], batch["mask"], batch.get("kinds")).float()
        return losses(logits, batch["gold"], self.kind, self.settings, self.weights).sum()

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The loss alone."""
        return {"loss": self.loss(model, batch)}


def losses(logits: Tensor, gold: Tensor, kind: Kind, settings: ClassifySettings, weights: Tensor | None = None) -> Tensor:
    """The loss of each text [B], from logits [B, C] and targets as `Targets.tensor` gives them; weights: of the classes [C], mean 1."""
    if kind == "number":
        return (logits.squeeze(-1) - gold).square()
    weights = None if weights is None else weights.to(logits.device)
    if kind == "multi":
        return F.binary_cross_entropy_with_logits(logits, gold, pos_weight=weights, reduction="none").mean(1)
    found = F.cross_entropy(logits, gold, weight=weights, label_smoothing=settings.smoothing, reduction="none")
    if settings.focal:
        right = logits.softmax(1).gather(1, gold.unsqueeze(1)).squeeze(1)
        found = (1 - right) ** settings.focal * found
    return found


def class_weights(gold: Tensor, targets: Targets, how: Literal["none", "balanced", "root"]) -> Tensor | None:
    """How much each class counts [C], so that the mean over the training texts is 1; for any number of labels, how much having one does."""
    if how == "none" or targets.kind == "number":
        return None
    power = 1.0 if how == "balanced" else 0.5
    if targets.kind == "multi":
        having = gold.sum(0).clamp(min=1)
        return ((len(gold) - having).clamp(min=1) / having) ** power
    counts = torch.bincount(gold, minlength=targets.classes).float().clamp(min=1)
    weights = counts**-power
    return weights * counts.sum() / (weights * counts).sum()


@torch.no_grad()
def logits(model: Classifier, texts: Inputs, device: torch.device, number: torch.dtype, tokens: int = 4096) -> Tensor:
    """Logits [N, C] of texts in fp32, in their order: batches of about so many tokens of texts of the same length."""
    found = torch.zeros(len(texts.ids), model.head.matrix.shape[0])
    model.eval()
    for rows in by_length(texts.lengths, tokens):
        batch = {name: value.to(device) for name, value in texts.batch(rows).items()}
        with torch.autocast(device.type, number, enabled=number != torch.float32):
            found[torch.from_numpy(rows)] = model(batch["ids"], batch["mask"], batch.get("kinds")).float().cpu()
    return found


def probabilities(found: Tensor, targets: Targets, temperature: float = 1.0) -> Tensor:
    """Logits [N, C] -> probabilities of the classes [N, C] in fp64, or the numbers [N, 1]."""
    found = found.double()
    match targets.kind:
        case "single":
            return (found / temperature).softmax(1)
        case "multi":
            return (found / temperature).sigmoid()
    return found * targets.deviation + targets.mean
