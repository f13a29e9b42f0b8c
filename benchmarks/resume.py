"""Kill a training run with SIGKILL at random instants, continue it each time, and compare the finished weights bit by bit.

1. An uninterrupted run, as the reference.
2. The same run killed `--kills` times: after a random time, some of them in the middle of writing a checkpoint (waited for by looking for
   the unfinished folder); each time the same command continues it.
3. A byte of the newest checkpoint is flipped; the run must notice, go back to the one before, and still end with the same bits.

    python benchmarks/resume.py [--kills 20]
"""

from __future__ import annotations

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import record

TEXT = "".join(f"Line {i}: knowing {i * 7919 % 1009} is doing {i * 104729 % 997}. 知行合一，{i * 31 % 89}。\n\n" for i in range(6000))
SETTINGS = [
    "train.steps=300", "train.batch=8", "model.layers=2", "model.width=64", "model.heads=2", "model.dropout=0.1", "objective.context=32",
    "train.save_every=10", "train.validate_every=50", "train.validate_tokens=2000", "train.ema=0.9", "train.compile=true",
]  # fmt: skip


def command(data: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "zhixing", "pretrain", str(data), "--out", str(out), *SETTINGS]


def finish(data: Path, out: Path) -> str:
    """Let a run come to its end; returns what it said."""
    done = subprocess.run(command(data, out), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the run failed: {done.stderr[-2000:]}")
    return done.stderr


def weights(out: Path) -> dict[str, str]:
    """Hashes of all that the last checkpoint holds."""
    last = sorted((out / "checkpoints").glob("step-*"))[-1]
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(last.glob("*.safetensors"))} | {"step": last.name}


def size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


def kill_once(data: Path, out: Path, draw: random.Random, *, saving: bool) -> str:
    """Start or continue the run and kill it; returns at what instant."""
    process = subprocess.Popen(command(data, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder, log = out / "checkpoints", out / "metrics.jsonl"
    left = {p.name for p in folder.glob(".step*")} if folder.is_dir() else set()
    least, early = size(log), draw.random() < 0.2
    wanted, began = draw.uniform(0, 5), time.monotonic()
    while process.poll() is None:
        if saving and folder.is_dir() and any(p.name.startswith(".step") and p.name not in left for p in folder.iterdir()):
            break
        least = min(least, size(log))  # a continued run cuts its log back to the checkpoint
        if not early and size(log) == least:  # most are killed after their first step, whenever that is
            began = time.monotonic()
        if not saving and time.monotonic() - began > wanted:
            break
        time.sleep(0.0005 if saving else 0.01)
    if process.poll() is not None:
        return "finished before"
    process.send_signal(signal.SIGKILL)
    process.wait()
    newest = max((p.name for p in folder.glob("step-*")), default="none") if folder.is_dir() else "none"
    half = [p.name for p in folder.glob(".*")] if folder.is_dir() else []
    return f"newest {newest}" + (f", unfinished {half[0]}" if half else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    draw = random.Random(chosen.seed)
    place = Path(tempfile.mkdtemp())
    (place / "text.txt").write_text(TEXT, encoding="utf-8")
    data = place / "data"
    subprocess.run(
        [sys.executable, "-m", "zhixing", "prepare", str(place / "text.txt"), "--out", str(data)], check=True, capture_output=True
    )
    finish(data, place / "whole")
    reference = weights(place / "whole")

    kills: list[str] = []
    rounds: list[bool] = []
    number = 0
    while len(kills) < chosen.kills:
        out = place / f"killed-{number}"
        number += 1
        for _ in range(min(5, chosen.kills - len(kills))):
            said = kill_once(data, out, draw, saving=len(kills) % 2 == 1)
            if said == "finished before":
                break
            kills.append(said)
            print(f"kill {len(kills)}: {said}", file=sys.stderr)
        finish(data, out)
        rounds.append(weights(out) == reference)
        print(f"run {number}: bitwise equal {rounds[-1]}", file=sys.stderr)

    out, tries = place / "flipped", 0
    while len(list((out / "checkpoints").glob("step-*")) if (out / "checkpoints").is_dir() else []) < 2:
        kill_once(data, out, draw, saving=False)
        if (out / "result.json").exists():  # of a finished run no checkpoint is read again
            tries += 1
            out = place / f"flipped-{tries}"
    newest = sorted((out / "checkpoints").glob("step-*"))[-1]
    file = newest / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 4
    file.write_bytes(bytes(content))
    said = finish(data, out)
    noticed = "do not match its SHA-256" in said and newest.name in said
    record(
        "resume",
        {
            "kills": len(kills), "kills_while_saving": sum("unfinished" in k for k in kills), "instants": kills, "runs": len(rounds),
            "all_bitwise_equal": all(rounds), "flipped_byte_noticed": noticed, "after_flip_bitwise_equal": weights(out) == reference,
        },
    )  # fmt: skip
    if not (all(rounds) and noticed and weights(out) == reference):
        sys.exit("resume is not exact")


if __name__ == "__main__":
    main()
