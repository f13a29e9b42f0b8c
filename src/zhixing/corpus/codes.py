"""Codes of languages: the short one that `zh-CN`, `zh_Hans`, `zho_Hans` and `cmn` have in common.

Two letters are those of ISO 639-1; three those of ISO 639-2 and 639-3, as NLLB, Tatoeba and OPUS use them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_TWO_LETTERS = {
    **dict.fromkeys(("zho", "chi", "cmn", "yue"), "zh"),
    **dict.fromkeys(("ara", "arb"), "ar"),
    **dict.fromkeys(("fas", "per", "pes"), "fa"),
    **dict.fromkeys(("ell", "gre"), "el"),
    **dict.fromkeys(("bod", "tib"), "bo"),
    **dict.fromkeys(("mya", "bur"), "my"),
    **dict.fromkeys(("mkd", "mac"), "mk"),
    "eng": "en", "jpn": "ja", "kor": "ko", "tha": "th", "lao": "lo", "khm": "km", "dzo": "dz", "rus": "ru", "ukr": "uk", "bel": "be",
    "bul": "bg", "srp": "sr", "urd": "ur", "heb": "he", "hin": "hi",
}  # fmt: skip
"""For the languages that are written or cut in a way of their own."""


_CODE = re.compile("[a-z]{2,3}([-_][a-z0-9]{2,4}){0,2}", re.IGNORECASE)


def spelled(language: str, names: Iterable[str]) -> str | None:
    """The name, of a column say, that is a code of the language: `zho_Hans` for `zh`; the very one first."""
    codes = [name for name in names if _CODE.fullmatch(name.strip()) and short(name.strip()) == short(language)]
    return min(codes, key=lambda name: name.strip().lower().replace("_", "-") != language.lower().replace("_", "-"), default=None)


def short(language: str) -> str:
    """The code of a language without region and script, in two letters where its writing is known to this program."""
    first = re.split("[-_]", language.lower())[0]
    return _TWO_LETTERS.get(first, first)
