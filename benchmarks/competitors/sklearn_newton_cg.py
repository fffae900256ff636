"""scikit-learn's truncated Newton, stopped after so many outer iterations."""

from __future__ import annotations

from typing import Any

from benchmarks.competitors import Answer, Shape, Task
from benchmarks.competitors.scikit_learn import fit_logistic_regression

NAME, PACKAGE = "sklearn newton-cg", "scikit-learn"
ITERATIONS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30, 50, 100, 200, 400, 800, 1600, 3200)
LADDER: tuple[dict[str, Any], ...] = tuple({"max_iter": k, "tol": 1e-14} for k in ITERATIONS)


def cannot(shape: Shape) -> str | None:
    return None


def fit(task: Task, **setting: Any) -> Answer:
    return fit_logistic_regression(task, "newton-cg", **setting)
