"""The smallest real parts: a tokenizer trained on a few sentences, and models with weights that do something."""

from functools import lru_cache

import torch

from zhixing.models import Architecture, Model, Shape, build
from zhixing.tokenizer.settings import TokenizerSettings
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.tokenizer.train import train

SENTENCES = (
    "Knowing is the beginning of doing, and doing is knowing made real.",
    "知是行之始，行是知之成。学而时习之，不亦说乎？",
    "The quick brown fox jumps over the lazy dog; 1,234 dogs did not move.",
    "天行健，君子以自强不息；地势坤，君子以厚德载物。",
) * 5


@lru_cache
def tokenizer(kind: str = "bpe", vocabulary: int | None = 320) -> Tokenizer:
    return train(iter(SENTENCES), TokenizerSettings(kind=kind, vocabulary=vocabulary))


def model(settings: Architecture, vocabulary: int, seed: int = 1, scale: float = 0.3, shape: Shape = "decoder") -> Model:
    """A model none of whose parts is idle: fresh ones begin with zero output projections."""
    torch.manual_seed(seed)
    made = build(settings, vocabulary, shape).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * (scale if parameter.ndim > 1 else 0.1))
    return made
