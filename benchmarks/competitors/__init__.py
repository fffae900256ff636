"""What a competitor is.

A competitor is one file in this directory with

    NAME     as the tables show it
    PACKAGE  the distribution that it comes from
    LADDER   its settings, each a dict of keywords for `fit`, from loose to tight
    cannot   Shape -> a reason why it cannot do such a problem, or None
    fit      Task, **setting -> Answer; without a setting, the library's own defaults

that minimises, in whatever form its library has it,

    sum_i weight_i loss(y_i, x_i . coef + intercept)  +  strength / 2 |coef|^2

with the intercept free of penalty.  It imports its library inside `fit`, so that the time of the import can be
measured and the others need not be installed.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

MODULES = (
    "berkson_fit",
    "sklearn_lbfgs",
    "sklearn_newton_cholesky",
    "sklearn_newton_cg",
    "sklearn_liblinear",
    "glum_irls",
    "statsmodels_unpenalised",
    "statsmodels_ridge",
    "skglm_prox_newton",
    "celer_l1",
)
QUICK_MODULES = ("berkson_fit", "sklearn_newton_cholesky", "glum_irls")
OURS = "berkson"


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of problem: classes K >= 2, strength >= 0 (0: no penalty), whether rows carry weights."""

    classes: int
    strength: float
    weighted: bool


@dataclass(frozen=True, slots=True)
class Task:
    """X (n, p), y (n,) int64 class codes 0..K-1, weight (n,) or None, and which rows belong together (n,) or None."""

    X: npt.NDArray[Any]
    y: npt.NDArray[np.int64]
    weight: F64 | None
    shape: Shape
    cluster: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """coef (1, p) and intercept (1,) for two classes, (K, p) and (K,) for more; what it read and the standard errors
    (1 + p,), the intercept's first, where it tells."""

    coef: F64
    intercept: F64
    passes: float | None = None
    bytes_read: int | None = None
    std_error: F64 | None = None


class Competitor(Protocol):
    NAME: str
    PACKAGE: str
    LADDER: tuple[dict[str, Any], ...]

    def cannot(self, shape: Shape) -> str | None: ...

    def fit(self, task: Task, **setting: Any) -> Answer: ...


def load(module: str) -> Competitor:
    """The competitor in `module`; its library is not imported yet."""
    competitor: Any = importlib.import_module(f"benchmarks.competitors.{module}")
    return competitor  # type: ignore[no-any-return]


def version(package: str) -> str | None:
    """The installed version of a distribution, None where it is absent."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def answer(
    coef: Any,
    intercept: Any,
    shape: Shape,
    passes: float | None = None,
    read: int | None = None,
    std_error: F64 | None = None,
) -> Answer:
    """An Answer from the shapes and precisions that libraries return."""
    rows = 1 if shape.classes == 2 else shape.classes
    coef = np.asarray(coef, dtype=np.float64).reshape(rows, -1)
    return Answer(coef, np.asarray(intercept, dtype=np.float64).reshape(rows), passes, read, std_error)
