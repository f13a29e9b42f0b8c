"""A folder of messy text, two languages, and settings that use every stage of preparation."""

import json
import random
from pathlib import Path
from typing import Any

ENGLISH = (
    "The committee met on Tuesday and agreed that the {0} over the river should be closed. Engineers have said that two of the {1} need "
    "new {2}. Drivers have to use the northern {3}, and buses will leave {4} minutes earlier than usual."
)
CHINESE = (
    "会议在星期二举行，代表们一致认为这座{0}应当关闭维修。工程师说，有两个{1}需要更换{2}，希望在冬天以前完工。"
    "司机只能走北边的{3}，公共汽车会比平时早{4}分钟发车。"
)
ENGLISH_THINGS = "bridge tower gate wall roof market harbour school garden station library museum theatre hospital castle temple"
CHINESE_THINGS = "桥梁 塔楼 城门 高墙 屋顶 市场 港口 学校 花园 车站 书店 展馆 剧院 医院 城堡 庙宇"
EXAMPLE = "Which of the two bridges over the river was closed for repairs before the winter of that year?"
EVERY_STAGE: dict[str, Any] = {
    "clean.html": True,
    "clean.urls": "mask",
    "clean.symbols": False,
    "clean.half_width": True,
    "clean.punctuation": "uniform",
    "clean.chinese": "simplified",
    "filter.language.keep": ["en", "zh"],
    "filter.gopher.on": True,
    "filter.gopher.min_words": 10,
    "filter.gopher.repetition": False,
    "filter.c4.on": True,
    "filter.perplexity.times": 8,  # the reference repeats itself
    "privacy.on": True,
    "dedup.lines.on": True,
}


def text(language: str, draw: random.Random) -> str:
    """Some sentences of prose."""
    pattern, things = (ENGLISH, ENGLISH_THINGS) if language == "en" else (CHINESE, CHINESE_THINGS)
    return "\n".join(pattern.format(*draw.choices(things.split(), k=4), draw.randrange(100)) for _ in range(2))


def messy(folder: Path, files: int = 6, records: int = 120) -> dict[str, Any]:
    """Write `texts`, and beside it what settings name; returns the settings that use all of it."""
    draw = random.Random(7)
    (folder / "texts").mkdir(parents=True)
    for number in range(files):
        lines = []
        for record in range(records):
            good = text("zh" if record % 3 == 0 else "en", draw)
            spoiled = {
                4: good.replace(" ", "&nbsp;").replace("committee", "<b>committee</b>")
                + " Mail to someone@example.com, or see http://example.com/a.",
                5: good + " ★ “Ｄｏｎâ€™t”",
                6: "Le comité s'est réuni mardi et a décidé de fermer le pont pour des travaux. " * 3,
                7: good.replace("座", "座😀").replace("维修", "維修").replace("，", ", "),
                8: "Home | About | Contact\n" * 5,
                9: good + f"\n{EXAMPLE}\nIt was so.",
                10: good + " { return 0; }",
                11: good + "\nThis sentence stands in all of the documents, again and again.",
                12: "The xqzv and the bwqp of zzkj, that is the qqxw with a vvbn and the kkjh to be wwqx of the jjzq. " * 2
                + "So it is. And so.",
                13: good + " A darned thing it was.",
            }.get(record % 17, good)
            lines.append("{broken" if record % 40 == 39 else json.dumps({"text": spoiled}))
        (folder / "texts" / f"{number:02d}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "clean.txt").write_text("\n\n".join(text("en" if n % 2 else "zh", draw) for n in range(200)), encoding="utf-8")
    (folder / "questions.json").write_text(json.dumps({"data": [{"question": EXAMPLE}]}), encoding="utf-8")
    (folder / "bad.txt").write_text("darned\n坏词\n", encoding="utf-8")
    named = {
        "filter.c4.bad_words": str(folder / "bad.txt"),
        "filter.perplexity.reference": [str(folder / "clean.txt")],
        "filter.evaluation.files": [str(folder / "questions.json")],
    }
    return EVERY_STAGE | named
