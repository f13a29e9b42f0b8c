"""A small translator in its run folder, for tests of what is done with one: it has learnt to write English words as Chinese ones."""

import json
import random
from functools import lru_cache
from pathlib import Path

import torch

from zhixing.decode.beam import BeamSettings
from zhixing.files import new_folder, write_json
from zhixing.models import Architecture, MarianSettings
from zhixing.models.shapes import EncoderDecoderModel
from zhixing.nn.losses import cross_entropy
from zhixing.objectives.seq2seq import Seq2SeqSettings
from zhixing.tasks.translation import artifact
from zhixing.tasks.translation.recipe import TranslateRecipe, VocabularySettings
from zhixing.tasks.translation.start import SOURCE_TOKENIZER, TARGET_TOKENIZER, build_translator
from zhixing.tokenizer.settings import TokenizerSettings
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.tokenizer.train import train

ENGLISH = ["one", "two", "three", "four", "five", "six", "seven", "red", "blue", "tea", "cat"]
WORDS = dict(zip(ENGLISH, "一二三四五六七红蓝茶猫", strict=True))


def pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Sources and their translations, word by word, a number among the words now and then."""
    draw, found = random.Random(seed), []
    for _ in range(count):
        words = draw.choices(list(WORDS), k=draw.randrange(2, 6))
        said = [WORDS[word] for word in words]
        if draw.random() < 0.3:
            number, place = str(draw.randrange(1000)), draw.randrange(len(words))
            words[place] = said[place] = number
        found.append((" ".join(words), "".join(said)))
    return found


MARIAN = MarianSettings(encoder_layers=1, decoder_layers=2, width=48, heads=4, hidden=96, head_bias=True)
"""Post-norm, as transformers knows it."""


@lru_cache
def trained(settings: Architecture, steps: int, joint: bool) -> tuple[EncoderDecoderModel, tuple[Tokenizer, Tokenizer], TranslateRecipe]:
    """Model, tokenizers and recipe."""
    torch.manual_seed(0)
    learnt, kind = pairs(600), TokenizerSettings(kind="bpe", vocabulary=None)
    sides = list(zip(*learnt, strict=True))
    if joint:
        sides = [sides[0] + sides[1]] * 2
    source, target = (train(iter(side), kind) for side in sides)
    recipe = TranslateRecipe(
        model=settings, vocabulary=VocabularySettings(joint=joint), objective=Seq2SeqSettings(context=32),
        decode=BeamSettings(beams=3, tokens=48),
    )  # fmt: skip
    made = build_translator(recipe, source.vocabulary, target.vocabulary)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.004)
    draw = random.Random(2)
    for _ in range(steps):
        batch = draw.sample(learnt, 48)
        ids, mask = padded([[*source.encode(a), source.end] for a, _ in batch], source.pad)
        said, seen = padded([[target.end, *target.encode(b), target.end] for _, b in batch], target.pad)
        states = made(ids, said[:, :-1], mask)
        total, count = cross_entropy(states, made.head.matrix, said[:, 1:].masked_fill(~seen[:, 1:], -100), bias=made.head.bias)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
    return made.eval(), (source, target), recipe


def write(out: Path, model: Architecture = MARIAN, *, steps: int = 120, joint: bool = False) -> Path:
    """Train for some seconds, once for all tests that ask for the same, and write the run folder."""
    made, (source, target), recipe = trained(model, steps, joint)
    held_out = pairs(40, seed=1)
    with new_folder(out, "run", extra={"task": "translate"}) as folder:
        source.save(folder / SOURCE_TOKENIZER)
        target.save(folder / TARGET_TOKENIZER)
        write_json(folder / "config.json", recipe.model_dump(mode="json"))
        rows = [json.dumps({"source": a, "target": b, "where": "here"}, ensure_ascii=False) for a, b in held_out]
        (folder / "valid.jsonl").write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    artifact.write(out, made, (source, target), recipe, ("en", "zh"), [a for a, _ in held_out[:3]])
    return out


def padded(rows: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids, and where they are."""
    width = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    return ids, torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None]
