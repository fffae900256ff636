"""A process for one competitor on one problem: it fits what it is asked to fit, and never judges.

    python -m benchmarks.worker CONNECTION DATA COMPETITOR

It loads the data, then answers requests (messages.py) on the connection, a file descriptor inherited from the harness,
until that closes.

NumPy is imported, and the data are in memory, before any clock starts; code is loaded by a tiny fit before memory is
measured, so that neither counts.
"""

from __future__ import annotations

import ctypes
import sys
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks.competitors import Competitor, Shape, Task, load
from benchmarks.messages import Failed, Fit, Fits, Memory, Peak


def save(task: Task, directory: Path) -> None:
    """Write a task where a worker can load it, keeping type and layout."""
    np.save(directory / "X.npy", task.X)
    np.save(directory / "y.npy", task.y)
    if task.weight is not None:
        np.save(directory / "weight.npy", task.weight)
    if task.cluster is not None:
        np.save(directory / "cluster.npy", task.cluster)
    (directory / "shape.txt").write_text(f"{task.shape.classes} {task.shape.strength!r}")


def read(directory: Path) -> Task:
    classes, strength = (directory / "shape.txt").read_text().split()
    weight, cluster = (
        np.load(file) if file.exists() else None for file in (directory / "weight.npy", directory / "cluster.npy")
    )
    shape = Shape(int(classes), float(strength), weight is not None)
    return Task(np.load(directory / "X.npy"), np.load(directory / "y.npy"), weight, shape, cluster)


def timed(competitor: Competitor, task: Task, request: Fit) -> Fits:
    seconds = []
    for _ in range(request.runs):
        began = time.perf_counter()
        answer = competitor.fit(task, **request.setting)
        seconds.append(time.perf_counter() - began)
    return Fits(seconds, answer)


def peak(competitor: Competitor, task: Task, request: Memory) -> Peak:
    """What the high-water mark of resident memory rises by in a fit (Linux: /proc/self/clear_refs resets the mark)."""
    competitor.fit(_tiny(task), **request.setting)
    ctypes.CDLL(None).malloc_trim(0)  # memory that the tiny fit freed must not serve, unseen, in the measured one
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    competitor.fit(task, **request.setting)
    return Peak(max(0, _resident("VmHWM") - before))


def _tiny(task: Task) -> Task:
    """A problem of the same kind that loads the same code."""
    rng = np.random.default_rng(0)
    n, p = 400, 4
    X = np.asarray(rng.standard_normal((n, p)), dtype=task.X.dtype, order="C" if task.X.flags.c_contiguous else "F")
    y = rng.integers(0, task.shape.classes, n)
    cluster = None if task.cluster is None else np.arange(n) // p
    return Task(X, y, None if task.weight is None else np.ones(n), task.shape, cluster)


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"/proc/self/status has no {field}")


def main() -> None:
    connection, directory, module = Connection(int(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
    warnings.simplefilter("ignore")  # a stopped fit is meant to be stopped; the judge sees what it reached
    task, competitor = read(directory), load(module)
    connection.send("ready")
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        try:
            measure = timed if isinstance(request, Fit) else peak
            connection.send(measure(competitor, task, request))
        except Exception as error:
            connection.send(Failed(f"{type(error).__name__}: {error}".splitlines()[0]))


if __name__ == "__main__":
    main()
