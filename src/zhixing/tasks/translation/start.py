"""A translation run before its first step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from zhixing.corpus.pairs import Pair
from zhixing.corpus.split import draw
from zhixing.models import build
from zhixing.models.shapes import EncoderDecoderModel
from zhixing.objectives.seq2seq import Seq2Seq
from zhixing.pairs import Pairs, PairWriter
from zhixing.tasks.translation.marks import UNTAGGED, Marks
from zhixing.tasks.translation.recipe import TranslateRecipe
from zhixing.tokenizer.sampling import Sampler
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.train.loop import State
from zhixing.train.optim import Optimizer

SOURCE_TOKENIZER, TARGET_TOKENIZER = "source_tokenizer.json", "tokenizer.json"
_BATCH = 1024


def write(folder: Path, part: str, pairs: Sequence[Pair], source: Tokenizer, target: Tokenizer, marks: Marks, seed: int = 0) -> None:
    """Write the token ids of pairs, with the marks before them, into a folder, from which `objective` reads them in any later process.

    seed: decides which training pairs go without the tag of their domain.
    """
    with PairWriter(folder, part, source.vocabulary, target.vocabulary) as writer:
        for start in range(0, len(pairs), _BATCH):
            batch = pairs[start : start + _BATCH]
            sources = source.encode_batch([pair.source for pair in batch])
            for pair, one, other in zip(batch, sources, target.encode_batch([pair.target for pair in batch]), strict=True):
                if not one or not other:  # an empty side stays one, and is left out
                    writer.add(one, other)
                    continue
                untagged = part == "train" and draw(f"{pair.source}/{pair.target}", seed) < UNTAGGED
                before = marks.before_source(pair.languages, None if untagged else pair.domain, made=pair.made)
                after = marks.before_target(pair.languages[1] if pair.languages else None)
                behind = marks.after_source(pair.languages[0] if pair.languages else None)
                writer.add([*before, *one, *([source.end, *behind] if behind else [])], [*after, *other])


def objective(folder: Path, part: str, recipe: TranslateRecipe, marks: Marks, source: Tokenizer, target: Tokenizer) -> Seq2Seq:
    """The batches of one part. Raises `SettingError` where the tokenizers cannot be varied in the way that is asked for."""
    train, words = part == "train", recipe.vocabulary
    recut = None
    if train and (words.alpha or words.dropout):
        one, other = (Sampler(side, alpha=words.alpha, dropout=words.dropout) for side in (source, target))
        recut = one, other
    return Seq2Seq(Pairs.open(folder, part), recipe.objective, recipe.train.seed if train else 0, marks.ends(source, target), recut)


def build_translator(recipe: TranslateRecipe, source_vocabulary: int, vocabulary: int) -> EncoderDecoderModel:
    """A new model of a recipe."""
    model = build(recipe.model, vocabulary, "encoder-decoder", None if recipe.vocabulary.joint else source_vocabulary)
    assert isinstance(model, EncoderDecoderModel)
    return model


def begin(recipe: TranslateRecipe, marks: Marks, device: torch.device, fill: Callable[[EncoderDecoderModel], None] | None = None) -> State:
    """A training before its first step, its weights drawn from the recipe's seed; `fill` puts in those of another model."""
    torch.manual_seed(recipe.train.seed)
    with torch.device(device):
        model = build_translator(recipe, *marks.rows)
    if fill is not None:
        fill(model)
    return State.new(model, Optimizer(model, recipe.optim), averages=recipe.train.averages)


def mean_nats(sums: Iterable[tuple[float, int]]) -> float:
    """The mean over targets of losses that come in sums."""
    total, count = 0.0, 0
    for nats, targets in sums:
        total, count = total + nats, count + targets
    return total / max(1, count)
