"""The machine: which device and number format to compute in, seeds, memory, measured peak speed, and the record of it all.

torch is imported inside the functions, so that a module that only names them starts fast.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import sys
import time
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from zhixing.errors import SettingError

if TYPE_CHECKING:
    import torch


def pick(name: str = "auto") -> torch.device:
    """The torch device for `auto` (CUDA if there is one, else CPU), `cpu`, `cuda` or `cuda:N`."""
    import torch

    keep_memory()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", name):
        raise SettingError("device", f"is auto, cpu, cuda or cuda:N, not {name!r}")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise SettingError("device", "is cuda, but no CUDA device is present here; use cpu")
    if int(name.partition(":")[2] or 0) >= max(1, torch.cuda.device_count()):
        raise SettingError("device", f"is {name}, but there are only {torch.cuda.device_count()} CUDA devices here, counted from 0")
    return torch.device(name)


def dtype(precision: str, device: torch.device) -> torch.dtype:
    """The computing format for `auto`, `bf16` or `fp32`; `auto` is bf16 wherever the hardware multiplies in it."""
    import torch

    if precision == "fp32" or (precision == "auto" and not has_bf16(device)):
        return torch.float32
    return torch.bfloat16


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 matrices in hardware."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@lru_cache
def keep_memory() -> None:
    """Tell the C library to keep freed memory for the next step instead of giving it back to the system.

    A training step frees and takes the same hundreds of megabytes each time; taken from the system they come as pages that fault one by
    one, which has been measured to cost more time than the arithmetic. glibc only; elsewhere nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        for parameter, value in ((-4, 0), (-1, -1), (-8, 1)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_ARENA_MAX: see mallopt(3)
            libc.mallopt(parameter, value)


def available_memory(device: torch.device) -> int:
    """Bytes that a new process may take on the device without swapping."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def peak_memory(device: torch.device | None = None) -> int:
    """Highest number of bytes this process has held since `forget_peak_memory` (resident set on CPU, allocated on CUDA)."""
    if device is not None and device.type == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    try:
        with open("/proc/self/status", encoding="ascii") as file:  # not getrusage, whose peak a process takes over from its parent
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def forget_peak_memory(device: torch.device) -> None:
    """Let `peak_memory` begin with what is held now. Where the system cannot do that, the peak stays that of the whole process."""
    if device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what is free, but kept for the next to ask, counts otherwise
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # see proc_pid_clear_refs(5)


@lru_cache
def matmul_peak(device: torch.device, number: torch.dtype, size: int = 0, seconds: float = 0.6) -> float:
    """Best measured rate of a square matrix product on the device, in FLOP/s: the roof that MFU is a share of."""
    import torch

    size = size or (8192 if device.type == "cuda" else 2048)
    a = torch.randn(size, size, device=device).to(number)
    b = torch.randn(size, size, device=device).to(number)
    best, began = 0.0, time.perf_counter()
    rounds = 0
    while rounds < 3 or time.perf_counter() - began < seconds:
        synchronize(device)
        start = time.perf_counter()
        a @ b
        synchronize(device)
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
        rounds += 1
    return best


def synchronize(device: torch.device) -> None:
    """Wait for queued work, so that a clock reads the work and not the queueing."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


def environment() -> dict[str, Any]:
    """Hardware and versions, as they go into `environment.json` and reports."""
    import torch

    names = ("torch", "numpy", "tokenizers", "safetensors", "zhixing")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "versions": {name: _version(name) for name in names},
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
