"""Which characters are Chinese, wherever it matters."""

from __future__ import annotations

import re

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""The unified ideographs and their extensions, as the inside of a character class."""

_HAN = re.compile(f"[{HAN}]")


def has_han(text: str) -> bool:
    """Whether there is a Chinese character in a text."""
    return not text.isascii() and _HAN.search(text) is not None
