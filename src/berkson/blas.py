"""NumPy's linear algebra on one thread while a fit runs.

OpenBLAS keeps its threads spinning for some hundredths of a second after a factorisation, on the processors that the
kernels then want: a fit of 100 columns took 60 ms with them and 34 ms without.  The matrices of a fit are too small to
gain from threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

THREADED_FROM = 40  # unknowns: below, OpenBLAS starts no threads

_lock = Lock()
_limits: list[Any] = []  # of the fits that run at present: the first limits, the last gives back


@contextmanager
def one_thread(unknowns: int) -> Iterator[None]:
    """Within it, BLAS uses one thread (where there are more than a few unknowns); other fits may run beside it."""
    if unknowns < THREADED_FROM:
        yield
        return
    with _lock:
        _limits.append(None if _limits else _controller().limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _lock:
            limit = _limits.pop()  # the one that is not None lies below all others
            if limit is not None:
                limit.restore_original_limits()


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()
