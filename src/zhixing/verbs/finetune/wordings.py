"""Other wordings of training texts by way of another language, before a classifier's first step.

    FOLDER/there.jsonl      the texts in the other language
    FOLDER/back.jsonl       and again in their own
    FOLDER/wordings.json    of which texts, by which translators

Each file is taken up again where a killed process has left it. Several runs of the same texts (seeds, folds, rungs) share them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zhixing.console import say, warn
from zhixing.errors import ArtifactError, SettingError
from zhixing.files import read_json, write_json

if TYPE_CHECKING:
    from zhixing.tasks.classify.augment import AugmentSettings
    from zhixing.tasks.classify.material import Material
    from zhixing.tasks.translation.artifact import Translator

NOTE = "wordings.json"
FEW = 0.5
"""Share of texts with another wording below which it is said that the translators do not suit them."""


def translators(settings: AugmentSettings, device: str) -> tuple[Translator, Translator] | None:
    """The two of `there` and `back`, or None where nothing is to be reworded.

    Raises `ArtifactError` for folders that are none, `SettingError` for two whose languages are not each other's.
    """
    if settings.there is None or settings.back is None:
        return None
    from zhixing.tasks.translation.artifact import Translator

    there, back = Translator.open(settings.there, device), Translator.open(settings.back, device)
    own, other = there.task.source_language, there.task.target_language
    if (back.task.source_language, back.task.target_language) != (other, own):
        found = f"from {back.task.source_language} to {back.task.target_language}"
        raise SettingError("objective.augment.back", f"= {settings.back} translates {found}; back from {other} to {own} is the way")
    return there, back


def refuse_another_script(materials: Sequence[Material], settings: AugmentSettings) -> None:
    """Raise `SettingError` for texts that are not written as the language is that they are to be translated from."""
    if settings.there is None:
        return
    from zhixing.corpus.pairs import faults
    from zhixing.tasks.artifact import read_task
    from zhixing.tasks.translation.artifact import Task

    language, texts = read_task(settings.there, Task).source_language, _texts(materials)
    own = faults.script(language)
    if sum(faults.strange(text, own) for text in texts) > len(texts) / 2:
        what = f"= {settings.there} translates from {language}, and most of the texts are in another script"
        raise SettingError("objective.augment.there", what)


def reworded(materials: Sequence[Material], settings: AugmentSettings, folder: Path, device: str) -> list[Material]:
    """The same materials with the wordings of their training texts, which are kept in a folder; unchanged where none are asked for.

    Raises `ArtifactError` where the folder has those of other texts or translators, `Interrupted` after SIGINT, with what is translated
    kept.
    """
    both = translators(settings, device) if any(material.wordings is None for material in materials) else None
    if both is None:
        return list(materials)
    from zhixing.corpus.pairs import faults
    from zhixing.tasks.translation import synthetic

    there, back = both
    texts, own = _texts(materials), faults.script(there.task.source_language)
    digest = hashlib.sha256(json.dumps(texts, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
    request = {"there": there.fingerprint, "back": back.fingerprint, "texts": digest}
    if (folder / NOTE).is_file() and read_json(folder / NOTE) != request:
        raise ArtifactError(folder / NOTE, "is of other texts or translators; choose another --out")
    write_json(folder / NOTE, request)
    lines = texts
    for one, name in ((there, "there.jsonl"), (back, "back.jsonl")):
        write = synthetic.by_search(one, one.recipe.decode.beams)
        what = f"translating to {one.task.target_language}"
        lines = synthetic.written(write, lines, folder / name, request, what, None)
    wordings = {
        text: line for text, line in zip(texts, lines, strict=True) if line.strip() and line != text and not faults.strange(line, own)
    }
    say(f"{len(wordings)} of {len(texts)} texts have another wording")
    if wordings:
        text = sorted(wordings, key=len)[len(wordings) // 4]
        say(f"such as {wordings[text]!r:.120} for {text!r:.120}")
    if len(wordings) < FEW * len(texts):
        warn("the other texts came back blank, in another script, or as they were: these translators may not suit them")
    return [replace(material, wordings=wordings) for material in materials]


def _texts(materials: Sequence[Material]) -> list[str]:
    """All that is trained on, each text once."""
    found = (text for material in materials for example in material.train for text in (example.text, example.pair) if text)
    return list(dict.fromkeys(found))
