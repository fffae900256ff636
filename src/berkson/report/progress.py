"""Progress of what takes longer than a second: on a terminal's error stream, nowhere else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 1.0  # seconds before anything is shown


@contextmanager
def stage(what: str, quiet: bool = False) -> Iterator[Callable[[float], None] | None]:
    """A piece of work in words; yields the function to tell its share done (0 to 1), or None where nobody looks."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    shown = _Bar(what)
    timer = threading.Timer(PATIENCE, shown.start)
    timer.daemon = True
    timer.start()
    try:
        yield shown.tell
    finally:
        timer.cancel()
        timer.join()
        shown.stop()


class _Bar:
    def __init__(self, what: str) -> None:
        self.what, self.share = what, 0.0
        self.bar: object | None = None

    def start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        left = (TimeRemainingColumn(), TextColumn("left")) if self.share else ()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(), *left)
        bar = Progress(*columns, console=Console(stderr=True), transient=True)
        total = 1.0 if self.share else None  # without a share: a bar that only shows that work goes on
        self.task = bar.add_task(self.what, total=total)
        bar.start()
        self.bar = bar

    def tell(self, share: float) -> None:
        self.share = share
        if self.bar is not None:
            self.bar.update(self.task, total=1.0, completed=share)  # type: ignore[attr-defined]

    def stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()  # type: ignore[attr-defined]
