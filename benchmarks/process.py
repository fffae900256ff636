"""A worker process, seen from the harness: requests with a time limit, and as many threads as cores for everyone."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from benchmarks.machine import THREAD_LIMITS, cores
from benchmarks.messages import Failed, Fit, Memory

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 120.0  # allowed for starting a process and loading the data


class TimeLimitError(Exception):
    """A request took longer than allowed; its process is dead."""


class FitError(Exception):
    """A fit raised; its process lives."""


class ProcessDiedError(Exception):
    """The process ended on its own: out of memory, or a crash in compiled code."""


def environment() -> dict[str, str]:
    """Of every measured process: as many threads as cores for all, and the modules that this process would import."""
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    return {**os.environ, **dict.fromkeys(THREAD_LIMITS, str(cores())), "PYTHONPATH": paths}


class Process:
    """A context: a worker for one competitor on the data in a directory."""

    def __init__(self, module: str, data: Path) -> None:
        self.connection, theirs = Pipe()
        self.child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", str(theirs.fileno()), str(data), module],
            pass_fds=[theirs.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        theirs.close()

    def __enter__(self) -> Process:
        try:
            self._receive(START_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.child.kill()
        self.child.wait()

    def ask(self, request: Fit | Memory, limit: float) -> Any:
        """The reply to a request; raises TimeLimitError, FitError or ProcessDiedError."""
        self.connection.send(request)
        reply = self._receive(limit)
        if isinstance(reply, Failed):
            raise FitError(reply.error)
        return reply

    def _receive(self, limit: float) -> Any:
        if not self.connection.poll(limit):
            self.child.kill()
            raise TimeLimitError
        try:
            return self.connection.recv()
        except EOFError:
            raise ProcessDiedError(f"its process ended with exit code {self.child.wait()}") from None
