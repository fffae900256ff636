"""scikit-learn's Newton with an exact Hessian, stopped after so many iterations."""

from __future__ import annotations

from typing import Any

from benchmarks.competitors import Answer, Shape, Task
from benchmarks.competitors.scikit_learn import fit_logistic_regression

NAME, PACKAGE = "sklearn newton-cholesky", "scikit-learn"
ITERATIONS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 50, 100, 1000)
LADDER: tuple[dict[str, Any], ...] = tuple({"max_iter": k, "tol": 1e-14} for k in ITERATIONS)


def cannot(shape: Shape) -> str | None:
    return None


def fit(task: Task, **setting: Any) -> Answer:
    return fit_logistic_regression(task, "newton-cholesky", **setting)
