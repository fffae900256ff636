"""A process for one program at one setting: `python -m benchmarks.studies.worker PROGRAM SETTING DIRECTORY LIMIT`.

It loads the data, lets the program prepare what a user would have lying about (its own layout of X), runs it once
without counting, then once more, and where that is short up to three times; and prints, as JSON: seconds of each
counted run (of the first where that took more than a minute), what the last added to the resident memory at most, when
code is loaded, and what the program has to say.  Its coefficients are in coefs.npy.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies.data import load
from benchmarks.studies.programs import PROGRAMS, Work

MOST = 3
LONG, TOO_LONG = 5.0, 60.0  # seconds: such runs are not repeated often; not at all


def main() -> None:
    name, setting, directory, limit = sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
    warnings.simplefilter("ignore")  # a stopped fit is meant to be stopped: the judge sees what it reached
    data = load(directory)
    work = PROGRAMS[name].prepare(data, **setting)
    first, extra, (coefs, said) = _measured(work)
    every: list[float] = []
    while first < min(TOO_LONG, limit) and len(every) < MOST and sum(every) < LONG:
        spent, extra, _ = _measured(work)
        every.append(spent)
    np.save(directory / "coefs.npy", coefs)
    print(json.dumps({"seconds": every or [first], "cold": first, "extra": extra, "said": said}))


def _measured(work: Work) -> tuple[float, int, tuple[Any, dict[str, Any]]]:
    """Seconds, what it adds to the resident memory at most, and its result."""
    ctypes.CDLL(None).malloc_trim(0)  # memory that was freed before must not serve, unseen
    Path("/proc/self/clear_refs").write_text("5")
    before, began = _resident("VmRSS"), time.perf_counter()
    result = work()
    spent = time.perf_counter() - began
    return spent, max(0, _resident("VmHWM") - before), result


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"/proc/self/status has no {field}")


if __name__ == "__main__":
    main()
