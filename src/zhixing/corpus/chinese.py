"""Traditional Chinese to Simplified and back, by OpenCC's dictionaries of characters and phrases.

To Simplified loses little; to Traditional is a guess where one character stands for several (发: 發, 髮), and such guesses are worse than
text that was written so. For the same reason a pair of sentences should not be filled up with converted text: docs/decisions.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

from zhixing.corpus.han import has_han
from zhixing.errors import MissingPackage

if TYPE_CHECKING:
    from opencc import OpenCC

Script = Literal["simplified", "traditional"]


def converted(text: str, script: Script) -> str:
    """The text in a script. Raises `MissingPackage`."""
    return converter(script).convert(text) if has_han(text) else text


@cache
def converter(script: Script) -> OpenCC:
    """OpenCC for a script. Raises `MissingPackage`."""
    try:
        from opencc import OpenCC
    except ImportError:
        raise MissingPackage("opencc", "corpus", "converting Chinese script") from None
    return OpenCC("t2s" if script == "simplified" else "s2t")
