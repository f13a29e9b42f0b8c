"""A translation run before its first step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from zhixing.corpus.pairs import Pair
from zhixing.models import build
from zhixing.models.shapes import EncoderDecoderModel
from zhixing.objectives.seq2seq import Ends, Seq2Seq
from zhixing.pairs import Pairs, PairWriter
from zhixing.tasks.translation.recipe import TranslateRecipe
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.train.loop import State
from zhixing.train.optim import Optimizer

SOURCE_TOKENIZER, TARGET_TOKENIZER = "source_tokenizer.json", "tokenizer.json"
_BATCH = 1024


def ends(source: Tokenizer, target: Tokenizer) -> Ends:
    """The marks around both sides: a decoder begins with the mark of an end, as after a text before."""
    return Ends(source_end=source.end, start=target.end, end=target.end, source_pad=source.pad, pad=target.pad)


def write(folder: Path, part: str, pairs: Sequence[Pair], source: Tokenizer, target: Tokenizer) -> None:
    """Write the token ids of pairs into a folder, from which `open_pairs` reads them in any later process."""
    with PairWriter(folder, part, source.vocabulary, target.vocabulary) as writer:
        for start in range(0, len(pairs), _BATCH):
            batch = pairs[start : start + _BATCH]
            sources = source.encode_batch([pair.source for pair in batch])
            for one, other in zip(sources, target.encode_batch([pair.target for pair in batch]), strict=True):
                writer.add(one, other)


def objective(folder: Path, part: str, recipe: TranslateRecipe, marks: Ends) -> Seq2Seq:
    """The batches of one part."""
    return Seq2Seq(Pairs.open(folder, part), recipe.objective, recipe.train.seed if part == "train" else 0, marks)


def build_translator(recipe: TranslateRecipe, source_vocabulary: int, vocabulary: int) -> EncoderDecoderModel:
    """A new model of a recipe."""
    model = build(recipe.model, vocabulary, "encoder-decoder", None if recipe.vocabulary.joint else source_vocabulary)
    assert isinstance(model, EncoderDecoderModel)
    return model


def begin(recipe: TranslateRecipe, source: Tokenizer, target: Tokenizer, device: torch.device) -> State:
    """A training before its first step, its weights drawn from the recipe's seed."""
    torch.manual_seed(recipe.train.seed)
    with torch.device(device):
        model = build_translator(recipe, source.vocabulary, target.vocabulary)
    return State.new(model, Optimizer(model, recipe.optim), recipe.train.ema)


def mean_nats(sums: Iterable[tuple[float, int]]) -> float:
    """The mean over targets of losses that come in sums."""
    total, count = 0.0, 0
    for nats, targets in sums:
        total, count = total + nats, count + targets
    return total / max(1, count)
