import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from zhixing import device
from zhixing.errors import SettingError

CPU = torch.device("cpu")


def test_names_of_devices():
    assert device.pick("cpu") == CPU
    assert device.pick("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cpu:x", "cuda:x", "cuda:99", "cuda", "mps", "cpu:1:2"])
def test_a_device_that_is_not_there_is_a_mistake_of_the_user(name):
    if name == "cuda" and torch.cuda.is_available():
        pytest.skip("a CUDA device is present")
    with pytest.raises(SettingError, match="setting device"):
        device.pick(name)


def test_number_formats():
    assert device.dtype("fp32", CPU) == torch.float32
    assert device.dtype("bf16", CPU) == torch.bfloat16
    assert device.dtype("auto", CPU) == (torch.bfloat16 if device.has_bf16(CPU) else torch.float32)


def test_memory_is_measured_in_bytes():
    assert 1 << 24 < device.available_memory(CPU) < 1 << 50
    before = device.peak_memory()
    held = torch.ones(1 << 25)
    assert device.peak_memory(CPU) >= before
    assert device.peak_memory() > held.numel() * 4


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="elsewhere a peak cannot be forgotten")
def test_a_peak_can_be_forgotten():
    held = bytearray(1 << 28)
    held[:: 1 << 12] = b"x" * (1 << 16)
    before = device.peak_memory()
    del held
    device.forget_peak_memory(CPU)
    assert device.peak_memory() < before - (1 << 27)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="elsewhere the system keeps no peak of a program alone")
def test_a_process_does_not_take_over_the_peak_of_its_parent():
    child = "from zhixing.device import peak_memory; print(peak_memory())"
    parent = f"""
import subprocess, sys
held = bytearray(1 << 28)
held[:: 1 << 12] = b"x" * (1 << 16)
print(subprocess.run([sys.executable, "-c", {child!r}], capture_output=True, text=True, check=True).stdout)
"""
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=True)
    assert 1 << 22 < int(done.stdout) < 1 << 27


def test_the_peak_is_that_of_a_product():
    rate = device.matmul_peak(CPU, torch.float32, size=128, seconds=0.05)
    assert 1e7 < rate < 1e16


def test_the_record_of_the_machine_can_be_written_down():
    record = device.environment()
    assert record["versions"]["torch"] == torch.__version__
    assert record["processor"]
    json.dumps(record)
