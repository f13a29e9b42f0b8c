"""What stands around the texts of a translator, in ids: begin marks, languages, tags.

    source    [back] [to] [domain] [language] x1 ... xn end          decoder reads    start [language] y1 ... ym
                                                                     and writes             [language] y1 ... ym end

1. `to` says which language to write, where a model that was trained here knows several (Johnson et al. 2017, arXiv 1611.04558); Marian's
   multilingual models have such marks, too. M2M100 and NLLB have marks of languages on both sides. NLLB folders whose tokenizer says
   `legacy_behaviour` were trained with the language behind the end of the source: x1 ... xn end [language].
2. `domain` says what kind of text it is (Kobus et al. 2017, arXiv 1612.06140).
3. `back` says that the source is a translation of the target, made by a model (Caswell et al. 2019, arXiv 1906.06442).

All are tokens of the source's vocabulary that no text is ever cut into.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import Field

from zhixing.config import Settings
from zhixing.errors import ArtifactError, SettingError
from zhixing.objectives.seq2seq import Ends
from zhixing.tokenizer.tokenizer import Tokenizer

FILE = "marks.json"
BACK = "<|back|>"
UNTAGGED = 0.1
"""Share of pairs that are trained on without the tag of their domain, so that texts can be translated without one."""

_NLLB = re.compile("[a-z]{3}_[A-Z][a-z]{3}")
_BOTH_SIDES = re.compile(f"__[a-z]{{2,3}}__|{_NLLB.pattern}")
_MARIAN = re.compile(">>(.+)<<")
_THREE = {
    "ar": "arb_Arab", "bg": "bul_Cyrl", "bn": "ben_Beng", "bo": "bod_Tibt", "cs": "ces_Latn", "da": "dan_Latn", "de": "deu_Latn",
    "el": "ell_Grek", "en": "eng_Latn", "es": "spa_Latn", "fa": "pes_Arab", "fi": "fin_Latn", "fr": "fra_Latn", "he": "heb_Hebr",
    "hi": "hin_Deva", "hu": "hun_Latn", "id": "ind_Latn", "it": "ita_Latn", "ja": "jpn_Jpan", "km": "khm_Khmr", "ko": "kor_Hang",
    "lo": "lao_Laoo", "mn": "khk_Cyrl", "ms": "zsm_Latn", "my": "mya_Mymr", "nl": "nld_Latn", "pl": "pol_Latn", "pt": "por_Latn",
    "ro": "ron_Latn", "ru": "rus_Cyrl", "sv": "swe_Latn", "ta": "tam_Taml", "th": "tha_Thai", "tr": "tur_Latn", "ug": "uig_Arab",
    "uk": "ukr_Cyrl", "ur": "urd_Arab", "vi": "vie_Latn", "yue": "yue_Hant", "zh": "zho_Hans", "zh-hant": "zho_Hant", "zh-tw": "zho_Hant",
}  # fmt: skip
"""Languages by two letters (ISO 639-1), and as NLLB names them with their script."""


class Marks(Settings):
    """`marks.json` of a run, and a part of `task.json`."""

    languages: tuple[str, str]
    """From which language to which, where nobody says otherwise."""
    rows: tuple[int, int]
    """Ids that encoder and decoder know: at least as many as their tokenizers have."""
    start: int
    """What the decoder reads first."""
    source_marks: dict[str, int] = Field(default_factory=dict)
    """By the language of the source: stands before it, or behind its end."""
    behind: bool = False
    """Whether the language of the source stands behind its end, as in NLLB's older order."""
    target_marks: dict[str, int] = Field(default_factory=dict)
    """By the language of the target: its first token."""
    to_marks: dict[str, int] = Field(default_factory=dict)
    """By the language of the target: stands before the source."""
    domain_marks: dict[str, int] = Field(default_factory=dict)
    """By domain: stands before the source."""
    back: int | None = None
    """Stands before a source that a model has made."""

    @classmethod
    def plain(cls, languages: tuple[str, str], source: Tokenizer, target: Tokenizer) -> Marks:
        """One pair of languages, and no tags: a decoder begins with the mark of an end, as after a text before."""
        return cls(languages=languages, rows=(source.vocabulary, target.vocabulary), start=target.end)

    def ends(self, source: Tokenizer, target: Tokenizer) -> Ends:
        """The marks that every pair has around its sides."""
        source_end = None if self.behind and self.source_marks else source.end
        return Ends(source_end=source_end, start=self.start, end=target.end, source_pad=source.pad, pad=target.pad)

    def before_source(self, languages: tuple[str, str] | None = None, domain: str | None = None, *, made: bool = False) -> list[int]:
        """Ids before a source. Raises `SettingError` for a language or a domain that was not trained."""
        source, target = languages or self.languages
        found = [self.back] if made and self.back is not None else []
        if self.to_marks:
            found.append(_known(self.to_marks, target, "to", "language"))
        if domain is not None:
            found.append(_known(self.domain_marks, domain, "domain", "domain"))
        if self.source_marks and not self.behind:
            found.append(_known(self.source_marks, source, "source_language", "language"))
        return found

    def after_source(self, language: str | None = None) -> list[int]:
        """Ids behind the mark of a source's end. Raises `SettingError` for a language that was not trained."""
        if not (self.behind and self.source_marks):
            return []
        return [_known(self.source_marks, language or self.languages[0], "source_language", "language")]

    def before_target(self, language: str | None = None) -> list[int]:
        """Ids that a target begins with."""
        language = language or self.languages[1]
        if not self.target_marks:
            if not self.to_marks and language != self.languages[1]:
                raise SettingError("to", f"= {language} is no language that was trained; {self.languages[1]} is the only one")
            return []
        return [_known(self.target_marks, language, "to", "language")]


def _known(marks: Mapping[str, int], name: str, setting: str, what: str) -> int:
    if name not in marks:
        these = f"these were: {', '.join(sorted(marks))[:200]}" if marks else "none was"
        raise SettingError(setting, f"= {name} is no {what} that was trained; {these}")
    return marks[name]


def with_tags(
    marks: Marks,
    source: Tokenizer,
    target: Tokenizer,
    *,
    languages: Collection[tuple[str, str]],
    domains: Collection[str],
    back: bool,
    joint: bool,
    base: Path | None = None,
) -> tuple[Marks, Tokenizer, Tokenizer]:
    """Marks for all that is to be told apart, and tokenizers that have them.

    languages: of the pairs; several languages to write need marks. joint: whether both sides have one embedding. base: the model that the
    tokenizers come from. Raises `ArtifactError` where it has marks of languages, and none for one of these.
    """
    same = source is target
    wanted: dict[str, str] = {}  # token: the name it stands for
    sides = [sorted({pair[side] for pair in languages}) for side in (0, 1)]
    theirs = {} if base is None else _theirs(source, target, sides, base)
    if not theirs and (len(sides[1]) > 1 or marks.to_marks):
        wanted |= {f"<|to:{name}|>": name for name in sides[1] if name not in marks.to_marks}
    wanted |= {f"<|domain:{name}|>": name for name in sorted(domains) if name not in marks.domain_marks}
    if back and marks.back is None:
        wanted[BACK] = ""
    if wanted:
        new = [token for token in wanted if source.mark([token]) is None]
        source = source.with_marks(new) if new else source
        target = source if same else target
    tokens = {token: source.need([token]) for token in wanted}
    update: dict[str, dict[str, int]] = {}
    for table, beginning in (("source_marks", None), ("target_marks", None), ("to_marks", "<|to:"), ("domain_marks", "<|domain:")):
        named = {wanted[token]: number for token, number in tokens.items() if beginning and token.startswith(beginning)}
        update[table] = {**getattr(marks, table), **theirs.get(table, {}), **named}
    rows = max(marks.rows[0], source.vocabulary), max(marks.rows[1], target.vocabulary)
    rows = (max(rows), max(rows)) if joint else rows
    made = marks.model_copy(update={**update, "rows": rows, "back": tokens.get(BACK, marks.back)})
    return made, source, target


def _theirs(source: Tokenizer, target: Tokenizer, sides: list[list[str]], base: Path) -> dict[str, dict[str, int]]:
    """The marks of languages that a model of others has; none where it knows but one pair of languages."""
    names = source.pieces(source.marks())
    if any(_BOTH_SIDES.fullmatch(name) for name in names):
        tables = {}
        for table, tokenizer, languages in (("source_marks", source, sides[0]), ("target_marks", target, sides[1])):
            tables[table] = {one: _language(tokenizer, one, _spelled(one), names, base) for one in languages}
        return tables
    if any(_MARIAN.fullmatch(name) for name in names):
        spelled = {one: [f">>{name}<<" for name in _marian(one)] for one in sides[1]}
        return {"to_marks": {one: _language(source, one, spelled[one], names, base) for one in sides[1]}}
    return {}


def _language(tokenizer: Tokenizer, language: str, spelled: list[str], names: list[str], base: Path) -> int:
    found = tokenizer.mark(spelled)
    if found is None:
        known = [name for name in names if _BOTH_SIDES.fullmatch(name) or _MARIAN.fullmatch(name)]
        raise ArtifactError(base, f"knows no language {language}; its marks are {', '.join(known[:12])}{', ...' * (len(known) > 12)}")
    return found


def _spelled(language: str) -> list[str]:
    """How M2M100 and NLLB may name a language."""
    code, short = _codes(language)
    found = [f"__{code}__", *([language] if _NLLB.fullmatch(language) else []), *(_THREE[c] for c in (code, short) if c in _THREE)]
    return [*found, f"__{short}__"]


def _marian(language: str) -> list[str]:
    """How Marian's multilingual models may name a language."""
    code, short = _codes(language)
    three = [_THREE[c] for c in (code, short) if c in _THREE]
    if short == "zh":
        three = [name.replace("zho", "cmn") for name in three] + three
    return [*three, *(name.split("_")[0] for name in three), language, code, short]


def _codes(language: str) -> tuple[str, str]:
    code = language.lower().replace("_", "-")
    return code, code.split("-")[0]
