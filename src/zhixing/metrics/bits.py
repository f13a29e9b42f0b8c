"""How well a language model predicts a text: bits per byte, bits per character, perplexity.

Statistics of a document: [nats, tokens, bytes, characters], nats being - sum ln p(token) over its tokens and its end.

    bits per byte       nats / ln 2 / bytes             comparable between models of any tokenizer
    bits per character  nats / ln 2 / characters        likewise, within a language
    perplexity          exp(nats / tokens)              comparable only where the tokenizer is the same
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from zhixing.metrics import Rows

NATS, TOKENS, BYTES, CHARACTERS = range(4)


@dataclass(frozen=True)
class BitsPerByte:
    """Bits that an ideal compressor with this model would need for a byte of UTF-8 text."""

    name: str = "bits_per_byte"
    signature: str = "bits_per_byte|v1"
    lower_is_better: bool = True

    def score(self, totals: Rows) -> Rows:
        """[..., 4] -> [...]."""
        return np.asarray(totals[..., NATS] / totals[..., BYTES] / math.log(2))


@dataclass(frozen=True)
class BitsPerCharacter:
    """Bits for a character."""

    name: str = "bits_per_character"
    signature: str = "bits_per_character|v1"
    lower_is_better: bool = True

    def score(self, totals: Rows) -> Rows:
        """[..., 4] -> [...]."""
        return np.asarray(totals[..., NATS] / totals[..., CHARACTERS] / math.log(2))


@dataclass(frozen=True)
class Perplexity:
    """Number of equally likely tokens that the model is as unsure among (Jelinek et al. 1977)."""

    name: str = "perplexity"
    signature: str = "perplexity|v1"
    lower_is_better: bool = True

    def score(self, totals: Rows) -> Rows:
        """[..., 4] -> [...]."""
        return np.asarray(np.exp(totals[..., NATS] / totals[..., TOKENS]))


LANGUAGE_MODEL = (BitsPerByte(), BitsPerCharacter(), Perplexity())
"""The metrics of a language model on a text."""
