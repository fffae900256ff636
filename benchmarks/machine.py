"""The machine that a table was made on, and the bandwidth of its memory."""

from __future__ import annotations

import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "BLIS_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Machine:
    processor: str
    cores: int
    memory_bytes: int
    system: str
    python: str
    bandwidth: float  # bytes a second that all cores together read
    load: float  # processes that wanted to run in the minute before: 0 on a quiet machine


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def describe(bandwidth_cells: int = 50_000_000) -> Machine:
    """This machine; its bandwidth on an array of so many float64 (400 MB, the size of the largest X)."""
    load = os.getloadavg()[0]  # before this process adds to it
    return Machine(
        _processor(),
        cores(),
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        f"{platform.system()} {platform.release()}",
        platform.python_version(),
        bandwidth(bandwidth_cells),
        load,
    )


def bandwidth(cells: int) -> float:
    """Bytes a second at which all cores read an array: the best of ten dot products of its parts with themselves.

    A dot product reads each number once for two operations and NumPy releases the interpreter for it.
    """
    numbers = np.ones(cells)
    parts = np.array_split(numbers, cores())
    best = 0.0
    with ThreadPoolExecutor(len(parts)) as pool:
        for _ in range(10):
            began = time.perf_counter()
            total = sum(pool.map(lambda part: float(part @ part), parts))
            best = max(best, numbers.nbytes / (time.perf_counter() - began))
            if total != cells:
                raise ArithmeticError(f"a dot product of {cells} ones gave {total}")
    return best


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
