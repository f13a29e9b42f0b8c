"""MediaWiki markup to text, in time proportional to the length of the page, whatever is left open or nested in it."""

from __future__ import annotations

import html
import re
from collections import Counter

_COMMENT = re.compile(r"<!--(?:.*?-->|.*\Z)", re.S)
_ELEMENT = re.compile(
    r"<(/?)(ref|references|gallery|timeline|graph|score|imagemap|templatestyles|mapframe|maplink|nowiki|math|chem|syntaxhighlight|source|pre)\b"
    r"[^<>]*?(/?)>",
    re.I,
)
_VERBATIM = ("nowiki", "math", "chem", "syntaxhighlight", "source", "pre")
_BRACKET = re.compile(r"\{\{|\}\}|\[\[|\]\]|^[ \t:]*\{\||^[ \t]*\|\}(?!\})", re.M)
_MEDIA = re.compile(r"\s*(file|image|media|文件|檔案|档案|图像|圖像|图片|圖片|媒体|媒體)\s*:", re.I)
_CATEGORY = re.compile(r"\s*(category|分类|分類|cat)\s*:", re.I)
_LANGUAGE = re.compile(r"\s*[a-z]{2,3}(-[a-z]+)*:(?=\S)")
_EXTERNAL = re.compile(r"\[(?:https?:|ftp:|mailto:|//)[^\s\[\]<>]*[ \t]*([^\[\]\n]*)\]", re.I)
_CONVERTED = re.compile(r"-\{([^{}]*)\}-")
_FLAGS = re.compile(r"([A-Za-z;]{0,20})\|(.*)", re.S)
_HEADING = re.compile(r"(={1,6})[ \t]*(.*?)[ \t]*\1[ \t]*")
_LIST = re.compile(r"([*#:;]+)[ \t]*")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_BREAK = re.compile(r"<br[^<>]*>|</?(?:p|div|li|tr|blockquote|center)\b[^<>]*>", re.I)
_MAGIC = re.compile(r"__[A-Z]+__|^-{4,}", re.M)
_EMPTY_LINES = re.compile(r"\n{3,}")
_EMPTY_BRACKETS = re.compile(r"[(（][\s,，;；、:：]*[)）]")
_SPACES = re.compile(r"[ \t\u00a0]{2,}")

# Templates that stand for text of the sentence around them, and which of their parameters it is; all others go.
_WORDS = {
    **dict.fromkeys(("lang", "lang-zh-hant", "convert-text"), -1),
    **dict.fromkeys(("nowrap", "nobr", "small", "big", "smallcaps", "le", "tsl", "ilh", "link-en", "link-ja"), 1),
    **dict.fromkeys(("quote", "cquote", "ruby", "le2"), 1),
}
_APPENDIX = {
    *("references", "external links", "see also", "notes", "further reading", "bibliography", "sources", "footnotes", "citations"),
    *("参考文献", "參考文獻", "参考资料", "參考資料", "外部链接", "外部連結", "外部鏈接", "参见", "參見"),
    *("注释", "註釋", "注釋", "脚注", "腳註"),
    *("相关条目", "相關條目", "延伸阅读", "延伸閱讀", "参考", "參考", "资料来源", "資料來源", "备注", "備註", "扩展阅读", "擴展閱讀"),
}

# Verbatim text must not be taken for markup on its way through.
_HIDE = {ord(c): 0xE100 + i for i, c in enumerate("[]{}|'=*#:;<>&-_!")}
_SHOW = {hidden: shown for shown, hidden in _HIDE.items()}


def reduced(markup: str) -> str:
    """The text of a page: templates, tables, references, files and categories go; links, headings, lists and emphasis leave their words."""
    text = _COMMENT.sub("", markup.translate(dict.fromkeys(_SHOW)))
    text = _bracketed(_elements(text))
    text = _CONVERTED.sub(_converted, text)
    text = _EXTERNAL.sub(r"\1", text)
    text = _TAG.sub("", _BREAK.sub("\n", text))
    text = re.sub("'{2,5}", "", _MAGIC.sub("", text))
    lines = _sections([_SPACES.sub(" ", line).strip() for line in text.split("\n")])
    text = "\n".join(html.unescape(line).rstrip() for line in lines).translate(_SHOW)
    return _EMPTY_LINES.sub("\n\n", text).strip()


def _elements(text: str) -> str:
    """Without references and galleries; what is verbatim is hidden. What is opened and not closed counts as not opened."""
    pieces: list[str] = []
    at, opened = 0, None
    for match in _ELEMENT.finditer(text):
        close, name, single = match[1], match[2].lower(), match[3]
        if opened is None:
            pieces.append(text[at : match.start()])
            at = match.end()
            if not close and not single:
                opened = name
        elif close and name == opened:
            inside = text[at : match.start()]
            if opened in _VERBATIM:
                pieces.append((f"${inside.strip()}$" if opened in ("math", "chem") else inside).translate(_HIDE))
            at, opened = match.end(), None
    pieces.append(text[at:])
    return "".join(pieces)


def _bracketed(text: str) -> str:
    """Templates, tables and links, from the inside out, in one pass."""
    frames: list[tuple[str, list[str]]] = [("", [])]
    open_now: Counter[str] = Counter()
    at = 0
    for match in _BRACKET.finditer(text):
        frames[-1][1].append(text[at : match.start()])
        at = match.end()
        token = match[0].strip(" \t:")
        if token in ("{{", "[[", "{|"):
            frames.append((token, []))
            open_now[token] += 1
            continue
        begin = {"}}": "{{", "]]": "[[", "|}": "{|"}[token]
        if not open_now[begin]:
            continue
        while frames[-1][0] != begin:  # left open inside: its content stays
            _flatten(frames, open_now)
        _, pieces = frames.pop()
        open_now[begin] -= 1
        if begin == "{|":
            frames[-1][1].append("\n")
        else:
            frames[-1][1].append((_template if begin == "{{" else _link)("".join(pieces)))
    frames[-1][1].append(text[at:])
    while len(frames) > 1:
        _flatten(frames, open_now)
    return "".join(frames[0][1])


def _flatten(frames: list[tuple[str, list[str]]], open_now: Counter[str]) -> None:
    token, pieces = frames.pop()
    open_now[token] -= 1
    frames[-1][1].append("".join(pieces))


def _template(inside: str) -> str:
    name, *parameters = inside.split("|")
    name = name.strip().lower()
    place = 1 if re.fullmatch(r"(lang|link)-[a-z-]{2,12}", name) else _WORDS.get(name)
    plain = [p for p in parameters if "=" not in p]
    return plain[place if place < 0 else place - 1].strip() if place and plain else ""


def _link(inside: str) -> str:
    target, bar, label = inside.partition("|")
    if _MEDIA.match(target) or _CATEGORY.match(target) or (not bar and _LANGUAGE.match(target)):
        return ""
    if bar and not label.strip():  # the pipe trick: without namespace and bracket
        return re.sub(r"\s*[(（][^()（）]*[)）]\s*$", "", target.rpartition(":")[2])
    return label if bar else target.strip().lstrip(":#")


def _converted(match: re.Match[str]) -> str:
    """A word in several scripts (`-{zh-hans:a; zh-hant:b}-`): the Simplified one, else the first."""
    inside = match[1]
    if flagged := _FLAGS.fullmatch(inside):
        if set(flagged[1].upper()) & set("HTD-"):
            return ""
        inside = flagged[2]
    words = dict(rule.partition(":")[::2] for rule in inside.split(";") if ":" in rule)
    variants = {name.strip(): word.strip() for name, word in words.items() if name.strip().startswith("zh")}
    return variants.get("zh-hans") or variants.get("zh-cn") or next(iter(variants.values()), inside)


def _sections(lines: list[str]) -> list[str]:
    """Lines without the marks of lists and headings; appendices (references, links) go, and headings with nothing below them."""
    kept: list[str] = []
    waiting: list[tuple[int, str]] = []  # headings that nothing has followed yet
    skipped = 0  # level of the appendix that is being left out
    for line in lines:
        if heading := _HEADING.fullmatch(line):
            level, words = len(heading[1]), heading[2].strip()
            if skipped and level > skipped:
                continue
            skipped = level if words.lower() in _APPENDIX else 0
            waiting = [(above, text) for above, text in waiting if above < level]
            if not skipped:
                waiting.append((level, words))
            continue
        if skipped or line.startswith(("|", "{|")):  # the latter are remains of tables
            continue
        if mark := _LIST.match(line):
            line = ("- " if mark[1][-1] in "*#" else "") + line[mark.end() :] if line[mark.end() :] else ""
        line = _EMPTY_BRACKETS.sub("", line)
        if line:
            for _, words in waiting:
                kept += ["", words, ""]
            waiting = []
        kept.append(line)
    return kept
