"""A small translator for tests of decoding: an encoder-decoder that has learnt to write a source backwards in another alphabet."""

import random
from functools import lru_cache

import torch

from zhixing.models import EncoderDecoderModel, MarianSettings, build
from zhixing.nn.losses import cross_entropy

VOCABULARY, PAD, END, FIRST = 40, 0, 1, 3
"""Ids from FIRST on are letters."""


def sentences(count: int, seed: int = 0, longest: int = 20) -> list[list[int]]:
    """Sources of random letters, END at their end."""
    draw = random.Random(seed)
    return [[*(draw.randrange(FIRST, VOCABULARY) for _ in range(draw.randrange(1, longest))), END] for _ in range(count)]


def translation(source: list[int]) -> list[int]:
    """What is to be written for a source, without END."""
    return [FIRST + (token - FIRST + 5) % (VOCABULARY - FIRST) for token in source[:-1]][::-1]


@lru_cache(maxsize=2)
def translator(steps: int = 60) -> EncoderDecoderModel:
    """One that has learnt a little: enough to end where the source does, too little to be sure of its letters, so that beams matter."""
    torch.manual_seed(0)
    settings = MarianSettings(encoder_layers=1, decoder_layers=1, width=32, heads=4, hidden=64, norm="pre", head_bias=True)
    model = build(settings, VOCABULARY, "encoder-decoder")
    assert isinstance(model, EncoderDecoderModel)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(steps):
        sources = sentences(32, seed=1000 + step, longest=12)
        longest = max(map(len, sources))
        source = torch.tensor([[*s, *[PAD] * (longest - len(s))] for s in sources])
        target = torch.tensor([[PAD, *translation(s), END, *[-100] * (longest - len(s))] for s in sources])
        states = model(source, target[:, :-1].clamp_min(0), source != PAD)
        total, count = cross_entropy(states, model.head.matrix, target[:, 1:], bias=model.head.bias)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
    return model.eval()
