"""Words that say nothing of what a text is about, and text without them, for classification by the words of a text.

The lists are our own and short: articles, pronouns, prepositions, conjunctions, particles and auxiliary verbs. Lists of packages (1,300
English words, 800 Chinese ones) also have "good", "great", "not", "system", 好 and 不, and a classifier without those does worse; here a
negation is no stop word. Chinese is cut into words by rjieba.
"""

from __future__ import annotations

import re
from typing import Literal

from zhixing.corpus.han import HAN
from zhixing.corpus.punctuation import squeezed

StopLanguage = Literal["en", "zh"]

_ENGLISH = """
a an the this that these those such
i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it its itself
they them their theirs themselves one's who whom whose which what whatever whoever
be am is are was were been being have has had having do does did doing done will would shall should can could may might must ought
i'm you're he's she's it's we're they're i've you've we've they've i'd you'd
he'd she'd we'd they'd i'll you'll he'll she'll we'll they'll
that's who's what's here's there's where's when's how's let's
and or but if because as until while although though whereas unless since than so whether
of at by for with about against between into through during before after above below to from up down in out on off over under upon
within toward towards among onto per via
again further then once here there when where why how also too just very own same other another each every both some any
s t d ll m re ve
"""
_CHINESE = """
的 地 得 了 着 过 之 所 者 啊 呀 吧 吗 呢 嘛 呗 哦 哎 唉 哟 啦 罢了 而已
我 我们 咱 咱们 你 你们 您 他 他们 她 她们 它 它们 自己 自身 本身 人家 大家 谁 什么 哪 哪里 哪儿 哪些 哪个 怎么 怎样 怎么样
如何 为什么 几 多少
这 这个 这些 这里 这儿 这样 这么 这种 此 该 那 那个 那些 那里 那儿 那样 那么 那种 某 某些 各 各个 每 每个 其 其他 其它 其中
是 在 有 为 将 会 能 能够 可 可以 应 应该 要 便 就 才 又 也 都 还 再 已 已经 曾 曾经 正 正在
把 被 让 使 给 对 对于 向 往 朝 从 自 由 由于 于 与 和 跟 同 及 以及 或 或者 以 按 按照 根据 关于 至 至于 到
因 因为 因此 所以 为了
而 而且 并 并且 但 但是 可是 然而 不过 虽然 虽 尽管 如果 若 假如 即使 即 则 且 况且 既 既然 只要 只有 除了 除非 当 于是
从而 以便 然后 以后 以前 之后 之前
一个 一种 一些 一样 等 等等 个 们 上 下 里 中 内 外 间
"""
ENGLISH, CHINESE = frozenset(_ENGLISH.split()), frozenset(_CHINESE.split())
_ENGLISH_WORD = re.compile("[A-Za-z]+(?:['’][A-Za-z]+)*")
_HAN_RUN = re.compile(f"[{HAN}]+")


def without_stop_words(text: str, languages: tuple[StopLanguage, ...]) -> str:
    """The text without the stop words of these languages, one space where a word was; new lines stay."""
    if "en" in languages:
        text = _ENGLISH_WORD.sub(lambda word: "" if word[0].lower().replace("’", "'") in ENGLISH else word[0], text)
    if "zh" in languages and not text.isascii():
        text = _HAN_RUN.sub(_without, text)
    return squeezed(text) if languages else text


def _without(run: re.Match[str]) -> str:
    import rjieba

    return "".join([" " if word in CHINESE else word for word in rjieba.cut(run[0])])
