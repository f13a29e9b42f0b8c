"""Label a million lines: memory that does not grow with their number, and SIGKILL at random instants that costs nothing.

1. The smallest classifier there is (a bag of words) is trained on a few sentences of its own; what it says does not matter.
2. `zhixing predict` labels files of `--lines` lines, of a fifth and of a twentieth of them, of mixed lengths, English and Chinese. The
   memory of the process and of its children (PSS, which counts shared pages once) is looked at ten times a second; of each file the
   highest value is kept, and for the longest one also that of each tenth of the way, by the bytes that are written.
3. The longest file is labelled again and killed `--kills` times; the same command goes on each time. The two outputs must be the same
   bytes, and the highest memory of the longest file at most `ALLOWED` above that of the shortest.

    python benchmarks/predict_million.py [--lines 1000000] [--kills 3]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import record

WORDS = ["the", "film", "plot", "was", "an", "actor", "who", "played", "no", "scene", "with", "music", "but", "its", "ending", "late"]
CHINESE = "电影故事演员镜头音乐结尾笑话城市孩子河流信件夜晚喜欢讨厌好看难看真的非常有点"
SMALL = ["model.kind=bag", "model.width=16", "model.buckets=1024", "train.steps=60", "tokenizer.kind=word"]
EVERY = 0.1
"""Seconds between two looks at the memory."""
ALLOWED = 32_000_000
"""Bytes by which the highest memory may differ, for whatever the allocator of the moment keeps: 32 bytes a line of a million."""


def lines(count: int, seed: int = 0) -> list[str]:
    """Texts of 1 to 60 words, some of them Chinese."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        length = 1 + int(59 * draw.random() ** 3)
        words = draw.choices(CHINESE, k=2 * length) if draw.random() < 0.3 else draw.choices(WORDS, k=length)
        made.append(f"{number} {('' if words[0] in CHINESE else ' ').join(words)}")
    return made


def write_lines(path: Path, count: int) -> None:
    """A file of so many different lines, made a part at a time."""
    with open(path, "w", encoding="utf-8") as file:
        for part, begin in enumerate(range(0, count, 100_000)):
            file.writelines(f"{part} {line}\n" for line in lines(min(100_000, count - begin), part))


def command(run: Path, texts: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "zhixing", "predict", str(run), "--in", str(texts), "--out", str(out), "--json"]


def pss(process: int) -> int:
    """Bytes of memory of a process and its children, each shared page counted once among those that share it; 0 when it is gone."""
    total = 0
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += 1024 * int(line.split()[1])
        for task in Path(f"/proc/{process}/task").iterdir():
            total += sum(pss(int(child)) for child in (task / "children").read_text().split())
    except (OSError, ProcessLookupError):
        return total
    return total


def written(out: Path) -> int:
    """Bytes that are there so far."""
    part = out.with_name(f".{out.name}.part")
    return part.stat().st_size if part.is_file() else 0


def watched(run: Path, texts: Path, out: Path) -> tuple[list[tuple[int, int]], dict[str, object]]:
    """Label a file; returns (bytes written, bytes of memory) at each look, and what the command said."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command(run, texts, out), stdout=said, stderr=errors)
        seen = []
        while process.poll() is None:
            seen.append((written(out), pss(process.pid)))
            time.sleep(EVERY)
        errors.seek(0)
        if process.returncode:
            sys.exit(f"predict failed: {errors.read()[-2000:]}")
        said.seek(0)
        return seen, json.loads(said.read())


def killed(run: Path, texts: Path, out: Path, whole: int, kills: int) -> list[float]:
    """Label a file with SIGKILL at random shares of the way; returns the shares at which it was killed."""
    draw, shares = random.Random(1), []
    for wanted in sorted(draw.uniform(0.05, 0.85) for _ in range(kills)):
        before = written(out)
        process = subprocess.Popen(command(run, texts, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and written(out) < max(wanted * whole, before + 1):  # not before it has gone on
            time.sleep(0.002)
        if process.poll() is not None:
            sys.exit("predict ended before it could be killed; give more lines")
        process.send_signal(signal.SIGKILL)
        process.wait()
        shares.append(round(written(out) / whole, 3))
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        table = [f"{line}\t{'even' if number % 2 else 'odd'}\n" for number, line in enumerate(lines(400, -1))]
        (place / "train.tsv").write_text("".join(table), encoding="utf-8")
        words = [sys.executable, "-m", "zhixing", "finetune", "classify", "--data", str(place / "train.tsv"), "--out", str(place / "run")]
        subprocess.run([*words, *SMALL], check=True, capture_output=True)
        peaks: dict[int, int] = {}
        for count in sorted({min(chosen.lines, max(part, chosen.lines // share)) for part, share in ((25_000, 20), (50_000, 5), (1, 1))}):
            write_lines(place / f"{count}.txt", count)
            seen, said = watched(place / "run", place / f"{count}.txt", place / f"{count}.jsonl")
            assert said["texts"] == count
            peaks[count] = max(memory for _, memory in seen)
            print(f"{count} lines: {peaks[count] / 1e6:.1f} MB at most, {said['texts_per_second']:.0f} lines a second", file=sys.stderr)
        out = place / f"{chosen.lines}.jsonl"
        whole = out.stat().st_size
        tenths = [max((memory for done, memory in seen if int(10 * done / whole) == tenth), default=None) for tenth in range(10)]
        again = place / "again.jsonl"
        shares = killed(place / "run", place / f"{chosen.lines}.txt", again, whole, chosen.kills)
        subprocess.run(command(place / "run", place / f"{chosen.lines}.txt", again), check=True, capture_output=True)
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (out, again)]
        growth = peaks[chosen.lines] - min(peaks.values())
        record(
            "predict_million",
            {
                "lines": chosen.lines, "input_bytes": (place / f"{chosen.lines}.txt").stat().st_size, "output_bytes": whole,
                "highest_pss_bytes": {str(n): b for n, b in peaks.items()},
                "highest_pss_bytes_of_each_tenth": tenths, "growth_bytes": growth, "allowed_bytes": ALLOWED,
                "killed_at_share": shares, "same_bytes_after_kills": hashes[0] == hashes[1], "sha256": hashes[0],
            },
        )  # fmt: skip
        if hashes[0] != hashes[1]:
            sys.exit("the output after kills is another one")
        if growth > ALLOWED:
            sys.exit(f"memory grows with the number of lines: by {growth / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
