"""The GPU benchmark's own code, at a tiny size on the CPU."""

import subprocess
import sys
from pathlib import Path

import zhixing

SCRIPT = Path(zhixing.__file__).parents[2] / "benchmarks" / "throughput_gpu.py"


def test_it_runs_without_a_gpu():
    done = subprocess.run([sys.executable, str(SCRIPT), "--tiny"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "tokens_per_second" in done.stdout
