"""Normal forms of width and punctuation, for Chinese and for Western lines each by its own rules, and text without punctuation.

A line with a Chinese character in it is Chinese: marks that stand beside one are full-width, as GB/T 15834-2011 has them, those between
letters or digits are not. In other lines marks are ASCII, as normalize-punctuation.perl and replace-unicode-punctuation.perl of Moses
(Koehn et al. 2007) make them. So "你好, 世界!" becomes "你好，世界！", and "“Hello”，world…" becomes "\"Hello\", world...".
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from zhixing.corpus.han import HAN, has_han

_SIGNS = "\uff02\uff03\uff04\uff05\uff06\uff07\uff0a\uff0b\uff0d\uff0f\uff1c\uff1d\uff1e\uff20\uff3b-\uff40\uff5b-\uff5d"
_FULL = re.compile(f"[０-９Ａ-Ｚａ-ｚ{_SIGNS}\u3000￠￡￥￦\uff61-\uff9f]+")
_IN_NUMBER = re.compile("(?<=[0-9])[，．：](?=[0-9])")


def half_width(text: str) -> str:
    """The text with half-width letters, digits and signs, wide spaces as spaces, and half-width katakana as usual ones; punctuation
    stays, but for that in numbers."""
    if text.isascii():
        return text
    return _IN_NUMBER.sub(_of_number, _FULL.sub(lambda run: unicodedata.normalize("NFKC", run[0]), text))


_KANA = re.compile("[\u3041-\u30ff]")
_FULL_FORM = dict(zip(",;:!?", "，；：！？", strict=True))
_BESIDE = re.compile(rf"(?<=[{HAN}）”’》」』】]) ?([,;:!?])|(?<=[A-Za-z0-9%)\]])([,;:!?]) ?(?=[{HAN}“‘《「『【])")
_STOP = re.compile(rf"(?<=[{HAN}）”’》」』】])\.(?![A-Za-z0-9.])")
_AFTER = re.compile("(?<=[，。；：！？、）”》]) +(?=[^ ])")
_PARENTHESES = re.compile(r"\(([^()\n]*)\)")
_QUOTES = re.compile(r'"([^"\n]*)"')
_ELLIPSIS = re.compile(rf"(?<=[{HAN}，。！？；：）”’》])(?:\.{{3,}}|…+|⋯+|。{{2,}})|(?<![.…⋯])(?:\.{{3,}}|…+|⋯+)(?=[{HAN}])")
_DASH = re.compile(rf"(?<=[{HAN}”’》）]) ?(?:-{{2,}}|[—―─]{{2,}}) ?(?=[{HAN}“‘《（])")

_WESTERN = str.maketrans(
    dict(zip("，。、；：！？（）【】［］｛｝《》〈〉．｡､～", ",.,;:!?()[][]{}\"\"''..,~", strict=True))
    | dict.fromkeys("“”„‟«»「」『』", '"')
    | dict.fromkeys("‘’‚‛‹›", "'")
    | dict.fromkeys("…⋯", "...")
    | dict.fromkeys("‐‑‒–", "-")
)
_ODD_WESTERN = re.compile("[，。、；：！？（）【】［］｛｝《》〈〉．｡､～“”„‟«»「」『』‘’‚‛‹›…⋯‐‑‒–—―]")
_NO_SPACE = re.compile(r"([，。、；：！？])(?=\w)")
_LONG_DASH = re.compile(" ?[—―]+ ?")


def uniform(text: str) -> str:
    """The text with each mark in the form that its line asks for. Lines of Japanese without a Chinese character stay as they are."""
    return "\n".join([_chinese(line) if has_han(line) else line if _KANA.search(line) else _western(line) for line in text.split("\n")])


def _chinese(line: str) -> str:
    line = _IN_NUMBER.sub(_of_number, line)
    line = _PARENTHESES.sub(lambda pair: f"（{pair[1]}）" if has_han(pair[1]) else pair[0], line)
    line = _QUOTES.sub(lambda pair: f"“{pair[1]}”" if has_han(pair[1]) else pair[0], line)
    line = _ELLIPSIS.sub("……", line)
    line = _DASH.sub("——", line)
    line = _STOP.sub("。", _BESIDE.sub(lambda mark: _FULL_FORM[mark[1] or mark[2]], line))
    return _AFTER.sub("", line)


def _western(line: str) -> str:
    if line.isascii() or not _ODD_WESTERN.search(line):
        return line
    line = _IN_NUMBER.sub(_of_number, line)
    return _LONG_DASH.sub(_spaced, _NO_SPACE.sub(r"\1 ", line)).translate(_WESTERN)


def _of_number(mark: re.Match[str]) -> str:
    return ",.:"["，．：".index(mark[0])]


def _spaced(dash: re.Match[str]) -> str:
    return f"{' ' if dash.start() else ''}-{' ' if dash.end() < len(dash.string) else ''}"


_SPACES = re.compile("[ \t\u3000]+")


def without_punctuation(text: str) -> str:
    """The text with a space for each mark. Apostrophes and hyphens in words, and points and colons in numbers, are no punctuation."""
    marks = "".join(sorted(c for c in set(text) if _is_mark(c)))
    return squeezed(re.sub(f"[{re.escape(marks)}]", _space, text)) if marks else text


def squeezed(text: str) -> str:
    """The text with one space at most between words, and none at the ends of lines."""
    return "\n".join([line.strip(" ") for line in _SPACES.sub(" ", text).split("\n")])


def _space(mark: re.Match[str]) -> str:
    before, after = mark.string[max(0, mark.start() - 1) : mark.start()], mark.string[mark.end() : mark.end() + 1]
    in_word = mark[0] in "'’-" and before.isalpha() and after.isalpha() and max(before, after) < "\u2e80"
    return mark[0] if in_word or (mark[0] in ".,:" and before.isdigit() and after.isdigit()) else " "


@cache
def _is_mark(character: str) -> bool:
    return character in "$+<=>^`|~" or unicodedata.category(character)[0] == "P"
