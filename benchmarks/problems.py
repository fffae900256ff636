"""The problems: one row each, with why it is there; all with one seed, so that variants share their matrix.

Linear predictors have a standard deviation of about 1.5 at the true coefficients, so that the classes overlap as
they do in practice and no penalty is needed for an optimum to exist.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.competitors import F64, Shape, Task

Generator = np.random.Generator
SIGNAL = 1.5  # standard deviation of the true linear predictor


@dataclass(frozen=True, slots=True)
class Problem:
    """A row: n rows by p columns, and the size used with --quick."""

    name: str
    why: str
    n: int
    p: int
    quick: tuple[int, int]
    classes: int = 2
    strength: float = 1.0
    weighted: bool = False
    badly_scaled: bool = False
    events: float | None = None  # expected share of class 1; None: about a third
    dtype: str = "float64"
    order: str = "C"
    file: str | None = None

    @property
    def shape(self) -> Shape:
        return Shape(self.classes, self.strength, self.weighted)


PROBLEMS = (
    Problem("tall", "the usual tall table, well scaled", 1_000_000, 50, (20_000, 20)),
    Problem(
        "tall, raw units",
        "the same matrix, columns scaled by 1e-3 to 1e3 and shifted by 100 standard deviations",
        1_000_000,
        50,
        (20_000, 20),
        badly_scaled=True,
    ),
    Problem("tall, float32", "single precision is read as it is", 1_000_000, 50, (20_000, 20), dtype="float32"),
    Problem("tall, by columns", "column-major, as tables store it", 1_000_000, 50, (20_000, 20), order="F"),
    Problem("many columns", "the Hessian dominates", 200_000, 300, (6_000, 60)),
    Problem("weighted", "a weight on each row", 200_000, 50, (10_000, 20), weighted=True),
    Problem("unpenalised", "plain maximum likelihood", 100_000, 20, (10_000, 10), strength=0.0),
    Problem("rare events", "0.1 % of rows are events", 1_000_000, 20, (50_000, 10), events=1e-3),
    Problem("middling", "fits in cache", 10_000, 20, (4_000, 20)),
    Problem("tiny", "overhead is all there is", 200, 5, (200, 5)),
    Problem("wide", "more columns than rows", 500, 2_000, (100, 300)),
    Problem("softmax", "ten classes, well scaled", 200_000, 50, (6_000, 12), classes=10),
    Problem(
        "softmax, raw units",
        "the same matrix, columns scaled by 1e-3 to 1e3 and shifted by 100 standard deviations",
        200_000,
        50,
        (6_000, 12),
        classes=10,
        badly_scaled=True,
    ),
    Problem("softmax, unpenalised", "three classes, maximum likelihood", 50_000, 20, (4_000, 8), 3, 0.0),
    Problem("adult", "a real table: factors coded, numbers unscaled", 48_842, 100, (48_842, 100), file="adult.csv.gz"),
)

QUICK_PROBLEMS = ("tall, raw units", "tiny", "softmax")


class AbsentError(Exception):
    """A problem's file is not there."""


def build(problem: Problem, data: Path, *, quick: bool = False) -> Task:
    """X, y and weights of a problem; raises AbsentError, with the path, where its file is missing."""
    if problem.file is not None:
        return _adult(data / problem.file, problem)
    n, p = problem.quick if quick else (problem.n, problem.p)
    rng = np.random.default_rng(20_260_101)
    X = rng.standard_normal((n, p))
    y = _labels(rng, X, problem)
    if problem.badly_scaled:
        X = _raw_units(rng, X)
    weight = rng.uniform(0.2, 5.0, n) if problem.weighted else None
    stored: npt.NDArray[Any] = np.asarray(X, dtype=problem.dtype, order=problem.order)  # type: ignore[call-overload]
    return Task(stored, y, weight, problem.shape)


def _labels(rng: Generator, X: F64, problem: Problem) -> npt.NDArray[np.int64]:
    n, p = X.shape
    if problem.classes > 2:
        eta = X @ rng.normal(0.0, SIGNAL / np.sqrt(p), (p, problem.classes))
        gumbel = rng.gumbel(size=eta.shape)  # the argmax of eta + Gumbel noise is a draw from softmax(eta)
        drawn: npt.NDArray[np.int64] = np.argmax(eta + gumbel, axis=1)
        return drawn
    eta = X @ rng.normal(0.0, SIGNAL / np.sqrt(p), p)
    intercept = -0.8 if problem.events is None else _intercept_for(problem.events, eta)
    events: npt.NDArray[np.bool_] = rng.random(n) < 1.0 / (1.0 + np.exp(-eta - intercept))
    return events.astype(np.int64)


def _intercept_for(share: float, eta: F64) -> float:
    """The intercept at which class 1 has `share` of the rows on average, by bisection."""
    low, high = -50.0, 50.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if np.mean(1.0 / (1.0 + np.exp(-eta - middle))) > share else (middle, high)
    return low


def _raw_units(rng: Generator, X: F64) -> F64:
    p = X.shape[1]
    scale = 10.0 ** rng.permutation(np.linspace(-3.0, 3.0, p))
    X += 100.0 * rng.choice([-1.0, 1.0], p)
    X *= scale
    return X


ADULT_NUMBERS = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")
ADULT_FACTORS = (
    "workclass",
    "education",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "native_country",
)


def _adult(path: Path, problem: Problem) -> Task:
    """Income over 50,000 dollars on the numbers as they are and each factor's levels but its first, sorted."""
    if not path.exists():
        raise AbsentError(f"{path} is not there: give its directory with --data")
    with gzip.open(path, "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))
    columns = [np.array([float(row[name]) for row in rows]) for name in ADULT_NUMBERS]
    for name in ADULT_FACTORS:
        cells = np.array([row[name] for row in rows])
        columns += [(cells == level).astype(np.float64) for level in sorted(set(cells))[1:]]
    y = np.array([row["income"].startswith(">50K") for row in rows], dtype=np.int64)
    return Task(np.ascontiguousarray(np.column_stack(columns)), y, None, problem.shape)
