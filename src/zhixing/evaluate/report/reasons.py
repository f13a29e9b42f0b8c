"""Why documents were left out, in Chinese.

Records keep the English sentence of the stage that wrote them; the page shows both. What is not here (damage of a file, in a parser's own
words) is shown as it is.
"""

from __future__ import annotations

import re

_CHINESE = [
    # filter, language, markup
    ("empty", "空文本"),
    (r"shorter than filter\.min_characters", "短于 filter.min_characters"),
    (r"longer than filter\.max_characters", "长于 filter.max_characters"),
    ("no letters to know a language by", "没有可供识别语言的文字"),
    (r"too little of it is (\w+), or that is not certain enough", r"\1 所占比例太小，或识别把握不足"),
    (r"is (\w{2,3})", r"语言为 \1"),
    ("no text is left without its markup and boilerplate", "去除标记与样板文字后没有正文"),
    # quality rules
    ("too few words", "词数太少"),
    ("too many words", "词数太多"),
    ("words too short or too long on the average", "平均词长过短或过长"),
    ("too many hash signs or ellipses", "井号或省略号过多"),
    ("too many lines begin with a bullet", "以项目符号开头的行过多"),
    ("too many lines end in an ellipsis", "以省略号结尾的行过多"),
    ("too few words with letters", "含字母的词太少"),
    ("too few of the most common words", "常用词太少"),
    ("too many repeated lines", "重复行过多"),
    ("too many repeated paragraphs", "重复段落过多"),
    ("too much text in repeated lines", "重复行所占文本过多"),
    ("too much text in repeated paragraphs", "重复段落所占文本过多"),
    (r"one run of (\d+) words too frequent", r"某个 \1 词片段出现过于频繁"),
    (r"too much text in repeated runs of (\d+) words", r"重复的 \1 词片段所占文本过多"),
    (r"placeholder text \(lorem ipsum\)", "占位文字（lorem ipsum）"),
    ("a curly bracket", "含花括号"),
    (r"a word of filter\.c4\.bad_words: (.*)", r"含 filter.c4.bad_words 中的词：\1"),
    ("too few Chinese characters", "汉字太少"),
    (r"fewer than (\d+) sentences in lines that end like one", r"以句末标点结尾的行中不足 \1 句"),
    (r"needs more than ([\d.]+) bits a byte under the reference", r"按参照语料每字节所需比特数超过 \1"),
    # copies
    (r"overlaps with (.*)", r"与 \1 重合"),
    ("exact copy of an earlier document", "与先前文档完全相同"),
    ("near copy of an earlier document", "与先前文档近似重复"),
    ("nothing but repeated lines", "只有重复行"),
    # reading
    ("its text is empty", "文本为空"),
    ("holds no text", "没有文本"),
    (r"has only (\d+) columns", r"只有 \1 列"),
    (r"has (\d+) columns, and the header (\d+)", r"有 \1 列，而表头只有 \2 列"),
    (r"files of type (.+) are not read; save it as text, HTML or CSV", r"不读取 \1 类型的文件；请另存为文本、HTML 或 CSV"),
    (r"files of type (.+) are not read", r"不读取 \1 类型的文件"),
    ("is binary, not text", "是二进制文件，不是文本"),
    (r"cannot be read \((.*)\)", r"无法读取（\1）"),
    ("bytes that are not in the file's encoding", "含有不属于该文件编码的字节"),
    (r"line longer than read\.max_line = (\d+) characters", r"行长超过 read.max_line = \1 个字符"),
    (r"longer than read\.max_record = (\d+) (?:bytes|characters)", r"长度超过 read.max_record = \1"),
    (r"not valid JSON \((.*)\)", r"不是有效的 JSON（\1）"),
    (r"not a readable row \((.*)\)", r"无法读取的行（\1）"),
    ("other reasons", "其他原因"),
]
_REST = ("; what came before is read", "；此前的内容已读取")
_PATTERNS = [(re.compile(english), chinese) for english, chinese in _CHINESE]


def in_chinese(reason: str) -> str:
    """A reason in Chinese; itself where there is no translation."""
    if reason.endswith(_REST[0]):
        return in_chinese(reason.removesuffix(_REST[0])) + _REST[1]
    for pattern, said in _PATTERNS:
        if found := pattern.fullmatch(reason):
            return found.expand(said)
    return reason
