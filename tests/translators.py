"""A small translator in its run folder, for tests of what is done with one: it has learnt to write English words as Chinese ones."""

import json
import random
from pathlib import Path

import torch

from zhixing.decode.beam import BeamSettings
from zhixing.files import new_folder, write_json
from zhixing.models import Architecture, MarianSettings
from zhixing.nn.losses import cross_entropy
from zhixing.objectives.seq2seq import Seq2SeqSettings
from zhixing.tasks.translation import artifact
from zhixing.tasks.translation.recipe import TranslateRecipe, VocabularySettings
from zhixing.tasks.translation.start import SOURCE_TOKENIZER, TARGET_TOKENIZER, build_translator
from zhixing.tokenizer.settings import TokenizerSettings
from zhixing.tokenizer.train import train

WORDS = dict(zip("one two three four five six seven red blue tea cat".split(), "一二三四五六七红蓝茶猫", strict=True))


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


def write(out: Path, model: Architecture | None = None, *, steps: int = 150, joint: bool = False) -> Path:
    """Train for some seconds and write the run folder."""
    torch.manual_seed(0)
    settings = model or MarianSettings(encoder_layers=1, decoder_layers=2, width=48, heads=4, hidden=96, norm="pre")
    learnt, held_out = pairs(600), pairs(40, seed=1)
    kind = TokenizerSettings(kind="bpe", vocabulary=None)
    sides = (
        [train(iter(text for pair in learnt for text in pair), kind)] * 2
        if joint
        else [train(iter(side), kind) for side in zip(*learnt, strict=True)]
    )
    recipe = TranslateRecipe(
        model=settings,
        vocabulary=VocabularySettings(joint=joint),
        objective=Seq2SeqSettings(context=32),
        decode=BeamSettings(beams=3, tokens=48),
    )
    made = build_translator(recipe, sides[0].vocabulary, sides[1].vocabulary)
    if joint:
        made.encoder.embedding = made.decoder.embedding
    optimizer = torch.optim.Adam(made.parameters(), lr=0.004)
    draw = random.Random(2)
    for _ in range(steps):
        batch = draw.sample(learnt, 48)
        source, mask = padded([[*sides[0].encode(a), sides[0].end] for a, _ in batch], sides[0].pad)
        target, seen = padded([[sides[1].end, *sides[1].encode(b), sides[1].end] for _, b in batch], sides[1].pad)
        states = made(source, target[:, :-1], mask)
        total, count = cross_entropy(states, made.head.matrix, target[:, 1:].masked_fill(~seen[:, 1:], -100), bias=made.head.bias)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
    with new_folder(out, "run", extra={"task": "translate"}) as folder:
        sides[0].save(folder / SOURCE_TOKENIZER)
        sides[1].save(folder / TARGET_TOKENIZER)
        write_json(folder / "config.json", recipe.model_dump(mode="json"))
        rows = [json.dumps({"source": a, "target": b, "where": "here"}, ensure_ascii=False) for a, b in held_out]
        (folder / "valid.jsonl").write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    artifact.write(out, made.eval(), (sides[0], sides[1]), recipe, ("en", "zh"), [a for a, _ in held_out[:3]])
    return out


def padded(rows: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    return ids, torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None]
