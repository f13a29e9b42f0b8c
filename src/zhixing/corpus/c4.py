"""The rules of C4 for web pages, and what they become for Chinese.

The rules are those of Raffel et al. 2020 (arXiv 1910.10683, section 2.2) with the numbers of the code that made C4 (`c4_utils.py` of
TensorFlow Datasets): only lines that end in a terminal mark and have at least five words stay, without those that speak of JavaScript,
cookies or terms of use; pages with placeholder text, a curly bracket or a word of a given list are left out, and so are those of which
fewer than three sentences are left. The paper speaks of spans of three sentences that are kept once; that code keeps lines once, which
here is `dedup.lines` with `times = 1` and `characters = 1`. Its check of the language is `filter.language`.

A Chinese page ends its sentences with 。！？ and has no spaces: five words are 8.5 characters (1.7 a word). The notices that stand for
those of cookies are ours, and count only in short lines. At least 30 % of it are Chinese characters, as in ChineseWebText (Chen et al.
2023, arXiv 2311.01149): less is lists of numbers and links.
"""

from __future__ import annotations

import re

from pydantic import Field

from zhixing.config import Settings
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.han import CHARACTERS_A_WORD, UNIT, has_han, is_chinese
from zhixing.corpus.stats import han_characters


class C4Settings(Settings):
    """Which lines and pages look like no prose. The defaults are C4's."""

    on: bool = False
    """Whether the rules are applied; they are made for web pages, and leave nothing of poems, tables and short notes."""
    terminal: bool = True
    """Whether lines that do not end in a terminal mark, or an end quotation mark, are taken out; an ellipsis is none."""
    min_words: int = Field(default=5, ge=0)
    """Words that a line has at least."""
    max_word_length: int = Field(default=1000, ge=1)
    """Characters of the longest word of a line, at most; not for Chinese."""
    min_sentences: int = Field(default=3, ge=0)
    """Sentences of what is left of a document, at least."""
    notices: bool = True
    """Whether lines about JavaScript, cookies, terms of use and the like are taken out."""
    citations: bool = True
    """Whether the marks that Wikipedia leaves in text are: [1], [edit], [citation needed]."""
    placeholders: bool = True
    """Whether documents with "lorem ipsum" are left out."""
    brackets: bool = True
    """Whether documents with a curly bracket are: it is a sign of program code."""
    bad_words: str | None = None
    """A file with a word or phrase on each line: documents with one of them are left out. Chinese ones count anywhere, others as whole
    words. None is packed: the one that C4 took leaves out texts of minorities more than others (Dodge et al. 2021, arXiv 2104.08758)."""
    min_han: float = Field(default=0.3, ge=0, le=1)
    """Share of Chinese characters among those of a Chinese document, spaces aside."""


_ENDS = (".", "?", "!", '"', "'", "”", "’", "»")
_CHINESE_ENDS = (*_ENDS, "。", "？", "！", "；", "……", "」", "』", "）")
_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]|\[编辑\]|\[來源請求\]|\[来源请求\]")
_NOTICES = ("javascript", "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
_CHINESE_NOTICES = re.compile(
    "隐私(?:政策|声明|条款|权)|隱私(?:政策|權)|(?:使用|服务)条款|(?:用户|服务)协议|免责声明|版权(?:声明|所有)|cookie|转载请注明|未经(?:授权|许可|允许)"
    "|ICP备|公网安备|扫描?(?:上方|下方)?二维码|扫一扫|关注(?:我们的)?(?:微信)?公众号|点击(?:这里|此处|下载|查看|进入)|上一篇|下一篇|责任编辑|客服(?:电话|热线)"
    "|返回(?:首页|顶部)|加入收藏|设为首页|立即(?:注册|登录|下载)",
    re.I,
)
_SHORT = 100
_SENTENCE = re.compile("(?<![.!?])[.!?]+[\"'”’»)]*(?=\\s|$)")
_CHINESE_SENTENCE = re.compile("[。！？!?]+")


class C4:
    """The stage that applies the rules."""

    def __init__(self, settings: C4Settings, bad_words: tuple[str, ...] = ()) -> None:
        self.settings = settings
        self._bad_words = _any_of(bad_words)

    def __call__(self, batch: list[Document]) -> tuple[list[Document], list[Dropped]]:
        """Documents with the lines that stay, and the others with the first rule that they break."""
        kept, dropped = [], []
        for document in batch:
            text, reason = self.judged(document.text)
            if reason:
                dropped.append(Dropped.of(document, "c4", reason))
            else:
                kept.append(document.with_text(text))
        return kept, dropped

    def judged(self, text: str) -> tuple[str, str | None]:
        """What is left of a text, and the first rule that it breaks; None if it breaks none."""
        s, lower = self.settings, text.lower()
        if s.placeholders and "lorem ipsum" in lower:
            return "", "placeholder text (lorem ipsum)"
        if s.brackets and "{" in text:
            return "", "a curly bracket"
        if self._bad_words and (found := self._bad_words.search(lower)):
            return "", f"a word of filter.c4.bad_words: {found[0]}"
        chinese = is_chinese(text)
        if chinese and han_characters(text) < s.min_han * len("".join(text.split())):
            return "", "too few Chinese characters"
        lines = [line for line in map(self._line, text.split("\n")) if line is not None]
        sentences = sum(len((_CHINESE_SENTENCE if chinese else _SENTENCE).findall(line)) for line in lines)
        if sentences < s.min_sentences:
            return "", f"fewer than {s.min_sentences} sentences in lines that end like one"
        return "\n".join(lines), None

    def _line(self, line: str) -> str | None:
        """A line as it stays; None if it does not."""
        s, line = self.settings, line.strip()
        chinese = has_han(line)
        if not chinese and len(line) > s.max_word_length and max(map(len, line.split()), default=0) > s.max_word_length:
            return None
        if s.citations and "[" in line:
            line = _CITATION.sub("", line).rstrip()
        if s.terminal:
            ends = line.endswith(_CHINESE_ENDS if chinese else _ENDS)
            if not ends or line.endswith("...") or (line.endswith("…") and not line.endswith("……")):
                return None
        words = len(UNIT.findall(line)) / CHARACTERS_A_WORD if chinese else len(line.split())
        if words < s.min_words:
            return None
        if s.notices:
            lower = line.lower()
            if any(notice in lower for notice in _NOTICES) or (chinese and len(line) <= _SHORT and _CHINESE_NOTICES.search(line)):
                return None
        return line


def _any_of(words: tuple[str, ...]) -> re.Pattern[str] | None:
    anywhere = [re.escape(word.lower()) for word in words if has_han(word)]
    whole = [re.escape(word.lower()) for word in words if not has_han(word)]
    either = [*anywhere, *([rf"(?<![^\W_])(?:{'|'.join(whole)})(?![^\W_])"] if whole else [])]
    return re.compile("|".join(either)) if either else None
