"""Why documents, rows and pairs were left out, and what a run warns of, in Chinese.

Records keep the English sentence of the stage that wrote them; the page shows both. What is not here (damage of a file, in a parser's own
words) is shown as it is. A part of a sentence that is itself such a reason is named `why`, and stands as `{why}` in the Chinese.
"""

from __future__ import annotations

import re

from zhixing.corpus.questions import FATAL, MENDED

FAULTS = {
    "moved": "答案位置有误，已取最近的匹配位置",
    "searched": "答案缺少位置，已取首个匹配位置",
    "absent": "答案不在原文中",
    "silent": "没有答案且未标明 is_impossible，按无答案处理",
    "form": "不符合问题的格式",
    "question": "问题为空",
    "context": "原文为空",
    "surrogate": "含有半个代理对字符",
    "id": "问题编号重复",
    "answer": "答案为空",
    "contradiction": "标为无答案却给出了答案",
    "nowhere": "所有答案都不在原文中",
}
"""Of questions, by the kind of fault."""
KINDS = {
    "blank": ("a side is blank", "一侧为空"),
    "swapped": ("source and target are swapped", "原文与译文颠倒"),
    "script": ("a side is not in the script of its language", "一侧的文字与其语言不符"),
    "copy": ("both sides are the same text", "两侧文本相同（未翻译）"),
    "ratio": ("one side is far longer than its partner", "两侧长度相差悬殊"),
    "long": ("a side is longer than pairs.max_characters", "一侧长于 pairs.max_characters"),
    "read": ("cannot be read", "无法读取"),
    "duplicate": ("occurred before", "重复出现"),
    "overlap": ("a copy or near copy of a held-out pair", "与留出句对相同或近似"),
    "alignment": ("the sides do not seem to translate each other", "两侧似乎并非互译"),
}
"""Of sentence pairs, by the kind of fault: English, Chinese."""
_SHARE, _NUMBER = r"(\d+(?:\.\d+)?%)", r"(\d+|…)"
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
    # labelled texts
    (
        rf"has {_NUMBER} cells, and the others have {_NUMBER}; quote a text that holds the separator",
        r"有 \1 格，其他行有 \2 格；含分隔符的文本请加引号",
    ),
    (rf"has {_NUMBER} cells, and the others have {_NUMBER}", r"有 \1 格，其他行有 \2 格"),
    ("its text (?P<why>is .*)", "文本{why}"),
    ("its second text (?P<why>is .*)", "第二段文本{why}"),
    ("its label (?P<why>.*)", "标签{why}"),
    (r"is missing \(null or NaN\)", "缺失（null 或 NaN）"),
    ("is empty", "为空"),
    ("is (?:a truth value|a number|a list|an object), not a string", "不是字符串"),
    (
        r"is (?:a list|an object); for any number of labels a text set data\.kind=multi",
        "不是单个名称；每条文本可有多个标签时请设 data.kind=multi",
    ),
    (r"(.*) is no number, as data\.kind=number asks for", r"\1 不是 data.kind=number 所要求的数字"),
    ("(.*) is no JSON list", r"\1 不是 JSON 列表"),
    ("(.*) is no list of names", r"\1 不是名称列表"),
    ("has other labels in other rows", "在其他行中标签不同"),
    ("is a copy of (.*)", r"与 \1 重复"),
    ("texts have any number of labels each", "每条文本可有任意个标签"),
    ("(.*): the first row is taken as names of columns: (.*)", r"\1：首行视为列名：\2"),
    ("(.*): texts are pairs, of (.*) and (.*)", r"\1：文本成对，取自 \2 列与 \3 列"),
    (
        "(.*): column (.*) is taken as the text and column (.*) as the label, as their values suggest",
        r"\1：按内容判断，\2 列为文本，\3 列为标签",
    ),
    ("(.*): column (.*) is taken as the text and column (.*) as the label", r"\1：\2 列视为文本，\3 列视为标签"),
    # questions
    *((MENDED[kind] if kind in MENDED else FATAL[kind], said) for kind, said in FAULTS.items()),
    # sentence pairs
    *KINDS.values(),
    (r"([\d.]+) like the held-out (.*)", r"与留出的 \2 相似度为 \1"),
    ("stands at (.*) already", r"已见于 \1"),
    # warnings before training
    (
        r"too few minutes: even (\d+) steps take about (.*); give it more, or set a smaller model or train\.batch",
        r"时间太少：仅 \1 步就要约 \2；请增加时间，或调小模型或 train.batch",
    ),
    (
        r"too little data: every text is read (\d+) times; add text or shorten the run",
        r"数据太少：每篇文本要读 \1 遍；请增加文本，或缩短训练",
    ),
    (
        r"too short a run: ([\d.e-]+) tokens a parameter; give it more minutes, or set a smaller model\.width",
        r"训练太短：每个参数只有 \1 个词元；请增加时间，或调小 model.width",
    ),
    (
        r"the validation part has only (\d+) tokens: its figures will have wide intervals; prepare with a larger split\.valid",
        r"验证集只有 \1 个词元，各项指标的区间会很宽；请在 prepare 时调大 split.valid",
    ),
    (
        r"(\d+) of (\d+) tokens never occur in (?P<why>.* tokens|the training part); prepare with a smaller --vocabulary",
        r"词表的 \2 个词元中有 \1 个从未在{why}中出现；请在 prepare 时调小 --vocabulary",
    ),
    (
        rf"{_SHARE} of the validation part's passages of (\d+) tokens also stand in (?P<why>.*): its figures flatter",
        r"验证集中长 \2 个词元的片段有 \1 也出现在{why}中：各项指标偏乐观",
    ),
    (r"(?P<why>.*), and more in all of it", "{why}（只看了一部分，全部之中更多）"),
    ("the training part", "训练集"),
    (r"(\S+( \w)?) of the training part's (\S+( \w)?) tokens", r"训练集 \3 个词元里的 \1 个"),
    (r"(\d+) of (\d+) documents were exact copies and have been left out; look at (.*)", r"\2 篇文档中有 \1 篇完全重复，已剔除，见 \3"),
    (r"(\d+) rows? (?:is|are) set aside; the first is (.*?:\d+): (?P<why>.*)", r"剔除了 \1 行，第一处为 \2：{why}"),
    (r"label (.*) \((\d+) texts\) may be meant to be (.*) \((\d+) texts\)", r"标签 \1（\2 条）可能应为 \3（\4 条）"),
    (r"(\d+) texts? ha(?:s|ve) different labels in different rows; the first: (.*)", r"\1 条文本在不同行中标签不同，第一处：\2"),
    (rf"(\d+) rows \({_SHARE}\) are copies of others", r"\1 行（\2）与其他行重复"),
    (
        r"classes are uneven: the largest has (\d+) texts to train on, the smallest (\d+); see objective\.weights",
        r"类别不均衡：最大的有 \1 条训练文本，最小的只有 \2 条；见 objective.weights",
    ),
    (
        rf"{_SHARE} of the (\w+) texts are longer than the (\d+) tokens that are seen; the rest is cut off",
        r"\1 的文本（\2）超过可见的 \3 个词元，超出部分被截断",
    ),
    (
        rf"(\d+) of the (\w+) texts \({_SHARE}\) stand in the training data too, (.*) at (.*)",
        r"有 \1 条文本（\2，\3）也出现在训练集中，如 \4，见 \5",
    ),
    (r"(\d+) texts? ha(?:s|ve) no letters; the first is (.*?:\d+): (.*)", r"\1 条文本不含文字，第一处为 \2：\3"),
    (r"(\d+) of (\d+) questions are set aside; the first is (.*?): (?P<why>.*)", r"\2 个问题中剔除了 \1 个，第一个为 \3：{why}"),
    (
        r"(\d+) answers have faults that were mended or passed over; the first is (.*?): (?P<why>.*)",
        r"\1 个答案有误，已修正或放过，第一个为 \2：{why}",
    ),
    (
        r"(\d+) (\w+) questions have an answer that no window holds whole; see objective\.overlap",
        r"有 \1 个问题（\2）的答案超出任何一个窗口；见 objective.overlap",
    ),
    (rf"of {_SHARE} of the (\w+) questions the tokens cannot cut the answer out exactly", r"\1 的问题（\2）无法用词元精确切出答案"),
    (
        r"(\d+) validation questions are on texts that are trained on, too: scores will flatter",
        r"\1 个验证问题的原文也在训练集中：得分偏乐观",
    ),
    (
        "there are validation questions without an answer and no training questions of that kind: each will be given an answer",
        "验证集中有无答案的问题，而训练集中没有：每个问题都会给出答案",
    ),
]
_REST = ("; what came before is read", "；此前的内容已读取")
_PATTERNS = [(re.compile(english), chinese) for english, chinese in _CHINESE]


def in_chinese(reason: str) -> str:
    """A reason or a warning in Chinese; itself where there is no translation."""
    if reason.endswith(_REST[0]):
        return in_chinese(reason.removesuffix(_REST[0])) + _REST[1]
    for pattern, said in _PATTERNS:
        if found := pattern.fullmatch(reason):
            why = found.groupdict().get("why", "")
            return found.expand(said).replace("{why}", in_chinese(why) if why else "")
    return reason
