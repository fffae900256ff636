"""Kernels: numbers from rows.  The compiled twin where it was built, else the reference, which says so once."""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from berkson.kernels import coded_reference as coded
    from berkson.kernels import quadratic_reference as quadratic
    from berkson.kernels import replicates_reference as replicates
    from berkson.kernels import rough_reference as rough
    from berkson.kernels import sparse_reference as sparse
    from berkson.kernels import systems_reference as systems
    from berkson.kernels.descent import descend
    from berkson.kernels.reference import (
        gram,
        linear_predictor,
        logistic,
        logistic_curvature,
        logistic_many,
        moments,
        multinomial,
        multinomial_curvature,
        quadratic_form,
    )

__all__ = [
    "Backend",
    "backend",
    "coded",
    "descend",
    "gram",
    "linear_predictor",
    "logistic",
    "logistic_curvature",
    "logistic_many",
    "moments",
    "multinomial",
    "multinomial_curvature",
    "quadratic",
    "quadratic_form",
    "replicates",
    "rough",
    "sparse",
    "systems",
    "threads",
]

_NAMES = (
    "moments",
    "linear_predictor",
    "logistic",
    "logistic_many",
    "multinomial",
    "logistic_curvature",
    "multinomial_curvature",
    "gram",
    "quadratic_form",
    "descend",
)

_KINDS = ("sparse", "coded", "replicates", "quadratic", "rough", "systems")

_threads: int | None = None


class Backend(TypedDict):
    """What answers: name "native" or "reference", instruction set "avx512", "avx2" or "baseline", default threads."""

    name: str
    instruction_set: str
    threads: int


def __getattr__(name: str) -> Any:
    """A kernel, or a module of those for other kinds of tables, `sparse` or `coded`, or for samples with replacement,
    `replicates`, or of `quadratic` problems and small `systems`, or `rough` answers, at its first use; from then on
    all are plain attributes of this module."""
    if name not in _NAMES and name not in _KINDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, missing = _load()
    if missing:
        import warnings

        warnings.warn(
            f"berkson runs on its NumPy reference kernels, which are several times slower ({missing}); to build the "
            "compiled ones, install a C++ compiler (on Debian: apt install g++) and reinstall berkson",
            RuntimeWarning,
            stacklevel=2,
        )
    twin = module.__name__.rpartition(".")[2]
    globals().update({kernel: getattr(module, kernel) for kernel in _NAMES})
    globals().update({kind: import_module(f"berkson.kernels.{kind}_{twin}") for kind in _KINDS})
    return globals()[name]


def _load() -> tuple[ModuleType, str]:
    """The module that answers and, where the compiled one is wanted and missing, why."""
    from berkson.kernels import reference

    if os.environ.get("BERKSON_KERNELS") == "reference":
        return reference, ""
    try:
        from berkson.kernels import compiled
    except ImportError as error:
        return reference, str(error)
    return compiled, ""


def backend() -> Backend:
    """The kernels in use."""
    module, _ = _load()
    native = module.__name__.endswith("compiled")
    instruction_set = module.INSTRUCTION_SET if native else "baseline"
    return Backend(name="native" if native else "reference", instruction_set=instruction_set, threads=threads())


def threads() -> int:
    """Threads that a pass may use by default: the processors this process may run on, or OMP_NUM_THREADS if fewer."""
    global _threads
    if _threads is None:
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        limit = os.environ.get("OMP_NUM_THREADS", "")
        _threads = min(processors, int(limit)) if limit.isdecimal() and int(limit) > 0 else processors
    return _threads
