"""Real files of every kind are read whole."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import zhixing

SCRIPT = Path(zhixing.__file__).parents[2] / "benchmarks" / "readers.py"


@pytest.mark.skipif(not (SCRIPT.parents[2] / "shared/data").is_dir(), reason="needs ../shared/data")
def test_real_files_are_read_whole():
    done = subprocess.run([sys.executable, str(SCRIPT), "--no-record"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    inputs = json.loads(done.stdout)["inputs"]
    assert len(inputs) == 6 + 7 + 3 + 1
    assert all(counts["whole"] for counts in inputs.values())
    assert sum(counts["characters_kept"] for counts in inputs.values()) > 18_000_000
