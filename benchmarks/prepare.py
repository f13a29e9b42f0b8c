"""Preparing text: megabytes a second and peak memory, next to datatrove's local executor with the same steps on the same cores.

The text is English (datatrove's steps know words by their spaces) from `../shared/data` and the packaged corpora, cut into documents of
about 4,000 characters and repeated with variations until there is enough: each time a third of the words is replaced, so that the
repetitions are no copies; and one document in twenty is a near copy of the one before it.

The steps: read JSON lines, clean (NFC; datatrove: FTFYFormatter), filter (Gopher quality and repetition), leave out near copies
(MinHash, 5-grams; datatrove: its usual 14 buckets of 8), tokenize with one given tokenizer. Two processes each. Ours also hashes, splits,
counts and writes a report; that is in its time. Memory is the sum over the processes of a side, proportional share (PSS), every 0.2 s.

    python benchmarks/prepare.py [--megabytes 200] [--memory 800]     needs datatrove and spacy (with xxhash < 4)
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

SETTINGS: list[str] = ["filter.gopher.on=true", "split.valid=0.02"]
FILES = 8


def corpus(place: Path, megabytes: int) -> int:
    """JSON lines in `place`; returns the bytes of text."""
    from measure import DATA

    from zhixing.corpus import fetch
    from zhixing.corpus.document import Document
    from zhixing.corpus.readers import ReadSettings, expand, read

    names = ["shakespeare", "web-bible", *([str(DATA / "lm_en")] if DATA.is_dir() else [])]
    text = "\n".join(d.text for d in read(expand(fetch.resolve(names)), ReadSettings()) if isinstance(d, Document))
    pieces = [text[i : i + 4000] for i in range(0, len(text), 4000)]
    vocabulary = text.split()
    draw = random.Random(1)
    place.mkdir()
    size, before = 0, ""
    files = [open(place / f"{n}.jsonl", "w", encoding="utf-8") for n in range(FILES)]  # noqa: SIM115
    try:
        turn = 0
        while size < megabytes * 1_000_000:
            piece = pieces[turn % len(pieces)]
            if turn % 20 == 19:
                words, changed = before.split(" "), slice(draw.randrange(200), None, 200)
            else:
                words, changed = piece.split(" "), slice(draw.randrange(3), None if turn >= len(pieces) else 0, 3)
            words[changed] = draw.choices(vocabulary, k=len(words[changed]))
            written = " ".join(words)
            files[turn * FILES // max(1, megabytes * 250) % FILES].write(json.dumps({"id": str(turn), "text": written}) + "\n")
            size += len(written.encode())
            before, turn = written, turn + 1
    finally:
        for file in files:
            file.close()
    return size


def watched(command: list[str]) -> tuple[float, float]:
    """Seconds and peak memory in bytes of a command with all its children."""
    import psutil

    peak = 0.0
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def look() -> None:
        nonlocal peak
        while process.poll() is None:
            total = 0
            try:
                parent = psutil.Process(process.pid)
                for one in [parent, *parent.children(recursive=True)]:
                    try:
                        total += one.memory_full_info().pss
                    except psutil.Error:
                        continue
            except psutil.Error:
                break
            peak = max(peak, total)
            time.sleep(0.2)

    watcher = threading.Thread(target=look)
    watcher.start()
    _, said = process.communicate()
    watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(command[:6])} failed:\n{said[-3000:]}")
    return time.perf_counter() - began, peak


def datatrove(texts: Path, out: Path, tokenizer: Path) -> None:
    """The same steps as datatrove's documentation lays them out."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
    from datatrove.pipeline.formatters import FTFYFormatter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer
    from datatrove.pipeline.writers import JsonlWriter

    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)

    def go(name: str, steps: list[Any], tasks: int = FILES, workers: int = 2) -> None:
        LocalPipelineExecutor(pipeline=steps, tasks=tasks, workers=workers, logging_dir=str(out / "logs" / name)).run()

    clean = [JsonlReader(str(texts)), FTFYFormatter(), GopherRepetitionFilter(), GopherQualityFilter(), JsonlWriter(str(out / "clean"))]
    go("clean", clean)
    go("signatures", [JsonlReader(str(out / "clean")), MinhashDedupSignature(str(out / "signatures"), config=config)])
    go("buckets", [MinhashDedupBuckets(str(out / "signatures"), str(out / "buckets"), config=config)], tasks=14)
    go("clusters", [MinhashDedupCluster(str(out / "buckets"), str(out / "remove"), config=config)], tasks=1, workers=1)
    go("kept", [JsonlReader(str(out / "clean")), MinhashDedupFilter(str(out / "remove")), JsonlWriter(str(out / "kept"))])
    go("tokens", [JsonlReader(str(out / "kept")), DocumentTokenizer(str(out / "tokens"), str(tokenizer), str(out / "scratch"))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--memory", type=int, default=800, help="megabytes of the second run of ours, to compare the memory; 0: none")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has datatrove and spacy")
    parser.add_argument("--datatrove", nargs=3, metavar=("TEXTS", "OUT", "TOKENIZER"))
    chosen = parser.parse_args()
    if chosen.datatrove:
        datatrove(*map(Path, chosen.datatrove))
        return
    place = Path(tempfile.mkdtemp())
    result: dict[str, Any] = {"cores": os.cpu_count(), "settings": SETTINGS}
    try:
        size = corpus(place / "texts", chosen.megabytes)
        small = corpus(place / "sample", 20)
        zhixing = [sys.executable, "-m", "zhixing", "prepare"]
        subprocess.run(
            [*zhixing, str(place / "sample"), "--out", str(place / "first"), "--vocabulary", "16000"], check=True, capture_output=True
        )
        tokenizer = place / "first/tokenizer.json"
        words = ["--tokenizer", str(tokenizer), "--workers", "2", *SETTINGS]
        seconds, memory = watched([*zhixing, str(place / "texts"), "--out", str(place / "ours"), *words])
        summary = json.loads((place / "ours/statistics.json").read_text())
        result |= {"bytes": size, "sample_bytes": small}
        result["zhixing"] = {"seconds": seconds, "mb_per_second": size / 1e6 / seconds, "peak_memory_mb": memory / 1e6}
        result["zhixing"] |= {"documents": summary["documents"], "dropped": summary["dropped"]}
        print(result["zhixing"], file=sys.stderr)
        (place / "theirs").mkdir()
        again = [chosen.python, __file__, "--datatrove", str(place / "texts"), str(place / "theirs"), str(tokenizer)]
        seconds, memory = watched(again)
        kept = 0
        for path in place.glob("theirs/kept/*.gz"):
            with gzip.open(path) as file:
                kept += sum(1 for _ in file)
        result["datatrove"] = {"seconds": seconds, "mb_per_second": size / 1e6 / seconds, "peak_memory_mb": memory / 1e6, "kept": kept}
        print(result["datatrove"], file=sys.stderr)
        result["ratio"] = result["datatrove"]["seconds"] / result["zhixing"]["seconds"]
        if chosen.memory:
            shutil.rmtree(place / "texts")
            more = corpus(place / "texts", chosen.memory)
            seconds, memory = watched([*zhixing, str(place / "texts"), "--out", str(place / "more"), *words])
            result["zhixing_more"] = {
                "bytes": more,
                "seconds": seconds,
                "mb_per_second": more / 1e6 / seconds,
                "peak_memory_mb": memory / 1e6,
            }
            result["memory_ratio"] = result["zhixing_more"]["peak_memory_mb"] / result["zhixing"]["peak_memory_mb"]
    finally:
        shutil.rmtree(place, ignore_errors=True)
    from measure import record

    record("prepare", result)


if __name__ == "__main__":
    main()
