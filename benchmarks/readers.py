"""What is read of real files, whole: documents, characters as the file holds them, and characters that are left after cleaning.

The inputs: the Common Crawl capture of `../shared/data/warc` in all six forms; every corpus of `lm_en` and `lm_zh`; copies of them in
GB18030 and latin-1, a Traditional one in Big5, without any word of the encoding; a folder of HTML pages, made of the same text, in five
encodings, declared rightly, wrongly or not at all, tidy and not. "Whole" means: the documents joined are the file's text, character by
character; of a page, every paragraph is there; of a crawl, every record is read or set aside with a reason. An input that is not ends the
run with 1.

    python benchmarks/readers.py [--no-record]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import DATA, record

from zhixing.corpus.document import Document
from zhixing.corpus.pipeline import CorpusSettings, run, stages
from zhixing.corpus.readers import ReadSettings, expand, read

PARAGRAPHS = 12


def read_of(path: Path, whole: Callable[[list[Document]], bool]) -> dict[str, Any]:
    """Counts of what is in a file or folder, and whether that is all of it."""
    began = time.perf_counter()
    items = list(read(expand([path]), ReadSettings()))
    seconds = time.perf_counter() - began
    documents = [item for item in items if isinstance(item, Document)]
    kept = [item for item in run(iter(items), stages(CorpusSettings())) if isinstance(item, Document)]
    return {
        "bytes": sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size,
        "documents": len(documents),
        "characters": sum(len(d.text) for d in documents),
        "documents_kept": len(kept),
        "characters_kept": sum(len(d.text) for d in kept),
        "set_aside": dict(Counter(f"{item.stage}: {item.reason}" for item in items if not isinstance(item, Document))),
        "seconds": round(seconds, 2),
        "whole": whole(documents),
    }


def equals(text: str) -> Callable[[list[Document]], bool]:
    wanted = text.replace("\r\n", "\n").replace("\r", "\n")
    return lambda documents: "".join(document.text for document in documents) == wanted


def crawls() -> dict[str, dict[str, Any]]:
    """One page: the response in WARC, its text in WET; WAT tells about it, and has no text."""
    found = {}
    for form in ("warc", "warc.gz", "warc.wet", "warc.wet.gz", "warc.wat", "warc.wat.gz"):
        path = DATA / "warc" / f"whirlwind.{form}"
        inside = 0 if ".wat" in form else 1
        found[path.name] = read_of(path, lambda documents, inside=inside: len(documents) == inside)
        if ".wat" in form:
            found[path.name]["whole"] &= any("WAT" in reason for reason in found[path.name]["set_aside"])
    return found


def copies(place: Path) -> dict[str, dict[str, Any]]:
    """Corpora in other encodings."""
    people = (DATA / "lm_zh/people_daily_199801_train.txt").read_text(encoding="utf-8")
    texts = json.loads((DATA / "qa_zh/drcd_dev_trad.json").read_text(encoding="utf-8"))
    traditional = "\n".join(p["context"] for article in texts["data"] for p in article["paragraphs"])
    traditional = traditional.encode("cp950", "ignore").decode("cp950")  # Big5 as Windows and the Web have it
    words = (DATA / "lm_en/wikitext2_valid.txt").read_text(encoding="utf-8").encode("latin-1", "ignore").decode("latin-1")
    found = {}
    for name, text, encoding in (
        ("people_daily.gb18030.txt", people, "gb18030"),
        ("drcd.big5.txt", traditional, "cp950"),
        ("wikitext2.latin-1.txt", words, "latin-1"),
    ):
        path = place / name
        path.write_bytes(text.encode(encoding))
        found[name] = read_of(path, equals(text))
    return found


def pages(place: Path) -> tuple[Path, dict[str, list[str]]]:
    """A folder of pages, and the paragraphs of each."""

    def paragraphs(corpus: str, skip: int) -> list[str]:
        lines = (DATA / corpus).read_text(encoding="utf-8").splitlines()
        long = [re.sub(r"\s+", " ", line).strip() for line in lines[skip:] if 60 < len(line) < 400 and not re.search("[<>&{}]", line)]
        return long[:PARAGRAPHS]

    chinese, english = paragraphs("lm_zh/sanguo.txt", 50), paragraphs("lm_en/nltk_public_domain.txt", 500)
    traditional = json.loads((DATA / "qa_zh/drcd_dev_trad.json").read_text(encoding="utf-8"))
    big5 = [
        p["context"].replace("\n", " ").encode("big5", "ignore").decode("big5")
        for a in traditional["data"][:6]
        for p in a["paragraphs"][:2]
    ]
    big5 = [re.sub(r"\s+", " ", text).strip() for text in big5 if not re.search("[<>&{}]", text)]
    accents = [line.replace("e", "é", 3) for line in english]
    folder, texts = place / "pages", {}
    (folder / "deep/er").mkdir(parents=True)
    for name, body, encoding, declared, tidy in (
        ("utf-8.html", chinese, "utf-8", "utf-8", True),
        ("gb.html", chinese[::-1], "gb18030", "gb2312", True),
        ("big5.htm", big5, "big5", "big5", True),
        ("latin.html", accents, "latin-1", "iso-8859-1", True),
        ("deep/undeclared.html", chinese[1:], "gb18030", None, False),
        ("deep/wrong.html", chinese[2:], "utf-8", "gb2312", False),
        ("deep/er/untidy.xhtml", english[1:], "utf-8", None, False),
        ("deep/er/wide.html", chinese[3:], "utf-16", None, True),
    ):
        texts[name] = body
        head = f'<meta charset="{declared}">' if declared else ""
        inner = "".join(f"<p>{text}</p>\n" if tidy else f"<div><P>{text}\n" for text in body)
        menu = '<nav><a href="/">Home</a> <a href="/news">News</a></nav>'
        page = f"<!doctype html><html><head>{head}<title>T</title></head><body>{menu}<main>{inner}</main><footer>Footer</footer>"
        (folder / name).write_bytes((page + "</body></html>" if tidy else page).encode(encoding))
    return folder, texts


def html(place: Path) -> dict[str, Any]:
    """The folder of pages, read, and taken out of the markup."""
    folder, texts = pages(place)
    result = read_of(folder, lambda documents: len(documents) == len(texts))
    left = {Path(item.source): item.text for item in run(read(expand([folder]), ReadSettings()), stages(CorpusSettings()))}
    missing = [
        f"{name}: {text[:40]}"
        for name, body in texts.items()
        for text in body
        if text not in re.sub(r"\s+", " ", left.get(folder / name, ""))
    ]
    boilerplate = sum("Footer" in text or "Home" in text for text in left.values())
    result |= {"paragraphs": sum(map(len, texts.values())), "paragraphs_missing": missing, "pages_with_menu_or_footer": boilerplate}
    result["whole"] &= not missing
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--no-record", action="store_true", help="print alone")
    chosen = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"{DATA} is not here: this benchmark reads its files")
    inputs: dict[str, dict[str, Any]] = crawls()
    for path in sorted([*(DATA / "lm_en").iterdir(), *(DATA / "lm_zh").iterdir()]):
        inputs[path.name] = read_of(path, equals(path.read_bytes().decode("utf-8")))
    with tempfile.TemporaryDirectory() as place:
        inputs |= copies(Path(place))
        inputs["a folder of HTML"] = html(Path(place))
    for name, counts in inputs.items():
        print(f"{name:32} {counts['documents']:6} documents {counts['characters']:9} characters", end=" ", file=sys.stderr)
        print(f"{counts['characters_kept']:9} kept, {'whole' if counts['whole'] else 'NOT WHOLE'}", file=sys.stderr)
    result = {"inputs": inputs, "whole": all(counts["whole"] for counts in inputs.values())}
    if chosen.no_record:
        print(json.dumps(result, ensure_ascii=False))
    else:
        record("readers", result)
    sys.exit(0 if result["whole"] else 1)


if __name__ == "__main__":
    main()
