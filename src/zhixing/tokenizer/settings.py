"""Settings of tokenizer training; nothing heavy is imported here."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from zhixing.config import Settings
from zhixing.corpus.pipeline import CorpusSettings
from zhixing.corpus.split import SplitSettings
from zhixing.corpus.stats import StatisticsSettings


class TokenizerSettings(Settings):
    """Which tokenizer to train, and how large."""

    kind: Literal["bpe", "unigram", "wordpiece", "char", "word"] = "bpe"
    """bpe (byte-level), unigram, wordpiece (as BERT's), char, or word; all but wordpiece lose nothing of any text.

    The same text gives the same tokenizer, but for unigram, whose trainer breaks ties by chance.
    """
    vocabulary: int | None = Field(default=None, ge=64, le=1 << 20)
    """Number of tokens; by default 4096 times the cube root of the megabytes of text, which keeps the embedding in proportion."""
    sample_characters: int = Field(default=30_000_000, ge=1)
    """Training looks at about so many characters, spread evenly over the text: more change little and cost memory."""


class PrepareSettings(CorpusSettings):
    """All settings of `prepare`."""

    split: SplitSettings = SplitSettings()
    statistics: StatisticsSettings = StatisticsSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()


def usual_vocabulary(total_bytes: int) -> int:
    """The default size for a text of so many bytes: a multiple of 64 between 512 and 65,536."""
    return max(512, min(1 << 16, round(64 * math.cbrt(total_bytes / 1e6)) * 64))
