"""Text that was cut into tokens as the Penn Treebank cuts it, put together again.

`the film does n't say -lrb- or show -rrb- what it 's `` about ''` becomes `the film doesn't say (or show) what it's "about"`. Many
well-known English sets are cut so (SST, MR, the treebank itself), and what has read English as it is written has hardly ever met `n't`.
Only what the treebank alone writes is touched: clitics with a space before them, its names of brackets, its pairs of quotation marks.
"""

from __future__ import annotations

import re

_TRACES = re.compile(r"n't|'s|'re|'ve|'ll|'d|'m|-[lr][rsc]b-|``|''|gon na|wan na|got ta|gim me|lem me", re.IGNORECASE)
_NOT = re.compile(r"(?<=[a-z]) (?=n't\b)", re.IGNORECASE)
_CLITIC = re.compile(r"(?<=\w) (?='(?:s|re|ve|ll|d|m)(?!\S))", re.IGNORECASE)
_WORDS = re.compile(r"\b(gon|wan) (?=na\b)|\b(got) (?=ta\b)|\b(gim|lem) (?=me\b)", re.IGNORECASE)
_OPENING = re.compile(r"(?<!\S)(?:-(l[rsc])b-|(``))(?!\S) ?", re.IGNORECASE)
_CLOSING = re.compile(r" ?(?<!\S)(?:-(r[rsc])b-|(''))(?!\S)", re.IGNORECASE)
_MARKS = {"lr": "(", "rr": ")", "ls": "[", "rs": "]", "lc": "{", "rc": "}"}


def joined(text: str) -> str:
    """The text with the treebank's tokens put together. Text that it has not cut stays as it is, and so does what is joined already."""
    if not _TRACES.search(text):
        return text
    text = _CLITIC.sub("", _NOT.sub("", text))
    text = _WORDS.sub(lambda found: "".join(part or "" for part in found.groups()), text)
    return _CLOSING.sub(_mark, _OPENING.sub(_mark, text))


def _mark(found: re.Match[str]) -> str:
    return _MARKS[found[1].lower()] if found[1] else '"'
