"""English for METEOR: words in its normal form, and the synsets of words out of a WordNet folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from zhixing.errors import InputError
from zhixing.files import reason

_PLAIN = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "`": "'", "–": "-"})
_ACRONYM = re.compile(r"\b(?:[^\W\d_]\.){2,}")
_DASHES, _HYPHEN = re.compile(r"--+"), re.compile(r"(?<=\w)-(?=\w)")
_MARKS = re.compile(r"[^\w\s.,'\-]|_|(?<!\d),|,(?!\d)|\.{2,}")
_APOSTROPHE = re.compile(r"(?<=[^\W_])'(?=[^\W\d_])|'(?=\d)|(?<!\w)'|'(?!\w)")
_STOP = re.compile(r"(?<=[\w)\"'])\.(?=\s*$)|(?<=[\w)\"'])\.(?=\s+[^a-z\s])")
# Titles and the like, after which a stop ends no sentence.
_TITLES = "mr mrs ms dr prof st sr jr gen col lt capt sgt gov sen rep rev hon no vs fig vol"
_BEFORE_STOP = frozenset(_TITLES.split())


def words(text: str) -> list[str]:
    """Lower case, marks apart, hyphens and the stops of acronyms gone, clitics with their apostrophe: `it 's`, `isn 't`."""
    text = text.translate(_PLAIN)
    text = _ACRONYM.sub(lambda found: found[0].replace(".", ""), text)
    text = _HYPHEN.sub(" ", _DASHES.sub(" - ", text))
    text = _MARKS.sub(r" \g<0> ", text)
    text = _APOSTROPHE.sub(_apart, text)
    return _STOP.sub(_stop, text).lower().split()


def _apart(found: re.Match[str]) -> str:
    text, start, end = found.string, found.start(), found.end()
    inside = start > 0 and end < len(text) and text[start - 1].isalnum() and text[end].isalpha()
    return " '" if inside else " ' "


def _stop(found: re.Match[str]) -> str:
    before = found.string[: found.start()].split()[-1].lower()
    last = not found.string[found.end() :].strip()
    return found[0] if not last and (before in _BEFORE_STOP or len(before) == 1) else " . "


PARTS = ("noun", "verb", "adj", "adv")
# WordNet's rules of detachment (morphy(7WN)): endings and what stands in their place in the dictionary.
_ENDINGS = {
    "noun": (("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y")),
    "verb": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}


def wordnet(folder: Path) -> Callable[[str], frozenset[str]]:
    """The synsets of a word and of what it may be an inflection of, out of a WordNet database: `index.noun`, `noun.exc` and so on.

    Raises `InputError` when the folder holds no such files.
    """
    lemmas = {part: _index(folder / f"index.{part}", part[0]) for part in PARTS}
    irregular = {part: _exceptions(folder / f"{part}.exc") for part in PARTS}
    known: dict[str, frozenset[str]] = {}

    def synsets(word: str) -> frozenset[str]:
        if word not in known:
            found: set[str] = set()
            for part in PARTS:
                stripped = (word[: -len(end)] + base for end, base in _ENDINGS[part] if word.endswith(end) and len(word) > len(end) + 1)
                for form in (word, *irregular[part].get(word, stripped)):
                    found |= lemmas[part].get(form, frozenset())
            known[word] = frozenset(found)
        return known[word]

    return synsets


def _read(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(path, "is not a file of WordNet (it is not text)") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({reason(error)}); a WordNet folder holds index.noun, noun.exc and so on") from None


def _index(path: Path, letter: str) -> dict[str, frozenset[str]]:
    """Lemma -> synsets. A line: lemma, part of speech, number of synsets n, ..., n offsets (wndb(5WN))."""
    found = {}
    for number, line in enumerate(_read(path), start=1):
        if line.startswith(" "):
            continue  # the licence
        fields = line.split()
        try:
            count = int(fields[2])
            found[fields[0]] = frozenset(f"{letter}{int(offset):08d}" for offset in fields[-count:])
        except (IndexError, ValueError):
            raise InputError(f"{path}:{number}", "is not a line of a WordNet index") from None
    return found


def _exceptions(path: Path) -> dict[str, list[str]]:
    """Inflected form -> base forms. A line: the form, its bases."""
    return {fields[0]: fields[1:] for fields in map(str.split, _read(path)) if fields}
