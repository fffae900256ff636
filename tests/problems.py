"""Named problems, and why each is here.  All have a finite optimum and full rank; verdicts have their own tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.problem import Problem

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Named:
    """A problem and what it is to show."""

    name: str
    why: str
    make: Callable[[], Problem]

    def __call__(self) -> Problem:
        return _made(self.name)


@cache
def _made(name: str) -> Problem:
    return PROBLEMS[name].make()


def binary(n: int = 300, p: int = 4, seed: int = 1, strength: float = 0.0) -> Problem:
    """Normal columns, coefficients of order 1, about 40 % events."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    eta = X @ (rng.normal(size=p) / np.sqrt(p)) * 1.5 - 0.4
    return Problem(X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.uint8), strength=strength)


def softmax(n: int = 400, p: int = 4, K: int = 3, seed: int = 2, strength: float = 0.0) -> Problem:
    """Normal columns, K classes of unequal size."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    eta = X @ rng.normal(size=(p, K)) + np.linspace(0, 1, K)
    return Problem(X, (eta + rng.gumbel(size=(n, K))).argmax(axis=1).astype(np.uint8), K, strength=strength)


def _soft_labels() -> Problem:
    base, rng = binary(), np.random.default_rng(3)
    return replace(base, y=np.clip(0.7 * base.y + 0.3 * rng.random(len(base.y)), 0, 1))


def _soft_rows() -> Problem:
    base, rng = softmax(), np.random.default_rng(4)
    y = 0.6 * np.eye(3)[base.y] + 0.4 * rng.dirichlet(np.ones(3), len(base.y))
    return replace(base, y=y / y.sum(axis=1, keepdims=True))


def _counts() -> Problem:
    base, rng = binary(120), np.random.default_rng(5)
    trials = rng.integers(1, 30, len(base.y)).astype(np.float64)
    events = rng.binomial(trials.astype(int), 1 / (1 + np.exp(-base.X[:, 0])))
    return replace(base, y=events / trials, weight=trials)


def _weighted(base: Problem) -> Problem:
    rng = np.random.default_rng(6)
    weight = rng.exponential(size=len(base.y)) * 10.0 ** rng.integers(-2, 3, len(base.y))
    weight[rng.random(len(weight)) < 0.3] = 0.0
    return replace(base, weight=weight)


def _offset(base: Problem) -> Problem:
    rng = np.random.default_rng(7)
    shape = len(base.y) if base.n_classes == 2 else (len(base.y), base.n_classes)
    return replace(base, offset=rng.normal(size=shape) + 0.5)


def _scaled(base: Problem, scale: Array, shift: Array | float = 0.0) -> Problem:
    return replace(base, X=base.X * scale + shift)


def _stored(base: Problem, store: Callable[[F64], Array]) -> Problem:
    return replace(base, X=store(base.X))


def _strided(X: F64) -> Array:
    """A view of every second row and column, from the end, of a table three times as large: negative strides."""
    table = np.full((2 * len(X), 2 * X.shape[1]), np.nan)
    table[::-2, ::-2] = X
    return table[::-2, ::-2]


def _mixed_signs(X: F64) -> Array:
    return np.clip(np.rint(X * 30), -127, 127).astype(np.int8)


def _rare() -> Problem:
    base, rng = binary(3000, 3, seed=8), np.random.default_rng(8)
    eta = base.X[:, 0] - 6.0
    y = (rng.random(3000) < 1 / (1 + np.exp(-eta))).astype(np.uint8)
    return replace(base, y=y)


def _sorted(base: Problem) -> Problem:
    order = np.lexsort([base.X[:, 0], base.y])
    return replace(base, X=base.X[order], y=base.y[order])


def _collinear() -> Problem:
    base, rng = binary(400, 3, seed=9), np.random.default_rng(9)
    near = base.X[:, 0] + base.X[:, 1] + 1e-3 * rng.normal(size=400)
    return replace(base, X=np.column_stack([base.X, near]))


def _heavy_tails() -> Problem:
    base = binary(500, 3, seed=10)
    return replace(base, X=np.sign(base.X) * np.abs(base.X) ** 5)


LARGE = 20_000  # rows: enough that a sample of 1 / 16 knows the Hessian of a few columns

PROBLEMS: dict[str, Named] = {
    problem.name: problem
    for problem in (
        Named("binary", "the plain case", binary),
        Named("binary ridge", "the plain penalised case", lambda: binary(strength=1.0)),
        Named("three classes", "softmax, whose logits have a free shift", softmax),
        Named("three classes ridge", "the ridge that removes the shift", lambda: softmax(strength=1.0)),
        Named("many classes", "K - 1 contrasts outnumber columns", lambda: softmax(600, 3, 12, strength=0.5)),
        Named("soft labels", "y in [0, 1] is no class", _soft_labels),
        Named("soft rows", "y as a distribution over classes", _soft_rows),
        Named("counts", "successes and trials: y a share, weight the trials", _counts),
        Named("weights", "of very different size, many zero", lambda: _weighted(binary(600))),
        Named("softmax weights", "the same for classes", lambda: _weighted(softmax(900, strength=1.0))),
        Named("offset", "a known part of the linear predictor", lambda: _offset(binary())),
        Named("softmax offset", "one for each class", lambda: _offset(softmax())),
        Named("no intercept", "columns are not centred then", lambda: replace(binary(), intercept=False)),
        Named("softmax no intercept", "the same", lambda: replace(softmax(strength=1.0), intercept=False)),
        Named(
            "badly scaled",
            "what first-order solvers fail on without a word",
            lambda: _scaled(binary(), np.array([1e6, 1e-6, 1.0, 1e3])),
        ),
        Named(
            "far from zero",
            "unix times: the mean is 17,000 standard deviations",
            lambda: _scaled(binary(), np.array([1e5, 1.0, 1.0, 1.0]), np.array([1.7e9, 0.0, 40.0, -1e3])),
        ),
        Named("softmax badly scaled", "the same", lambda: _scaled(softmax(), np.array([1e6, 1e-6, 1.0, 1e3]), 5.0)),
        Named("float32", "read as it is", lambda: _stored(binary(), lambda X: X.astype(np.float32))),
        Named("int8", "read as it is", lambda: _stored(binary(), _mixed_signs)),
        Named("bool", "0 and 1", lambda: _stored(binary(), lambda X: X > 0.5)),
        Named("column-major", "as data frames lie", lambda: _stored(softmax(), np.asfortranarray)),
        Named("strided", "a view of a larger table, whose other cells are NaN", lambda: _stored(binary(), _strided)),
        Named("rare events", "a few events in thousands of rows", _rare),
        Named("wide", "more columns than rows: the ridge decides", lambda: binary(30, 60, strength=1.0)),
        Named("strong ridge", "the penalty outweighs the data", lambda: binary(strength=1e4)),
        Named("collinear", "a column that others explain to 1e-3", _collinear),
        Named("heavy tails", "rows of huge leverage", _heavy_tails),
        Named("sorted", "by class and column: runs of rows are no sample", lambda: _sorted(binary(2000))),
        Named("large", "n much larger than p: where sampling pays", lambda: binary(LARGE, 5, seed=11)),
        Named("large softmax", "the same for classes", lambda: softmax(LARGE // 2, 3, seed=12, strength=1.0)),
    )
}
