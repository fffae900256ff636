"""scikit-learn's default solver, stopped after so many iterations: finely spaced where a well-scaled fit ends."""

from __future__ import annotations

from typing import Any

from benchmarks.competitors import Answer, Shape, Task
from benchmarks.competitors.scikit_learn import fit_logistic_regression

NAME, PACKAGE = "sklearn lbfgs", "scikit-learn"
ITERATIONS = (4, 5, 6, 8, 10, 12, 15, 19, 24, 30, 38, 48, 60, 75, 95, 120, 150, 190, 240, 300)
MANY_ITERATIONS = (600, 1200, 2400, 4800, 9600, 19_200, 38_400, 76_800)
# 1e-14 on the gradient's largest entry is below what double precision can reach: the iterations decide.
LADDER: tuple[dict[str, Any], ...] = tuple({"max_iter": k, "tol": 1e-14} for k in ITERATIONS + MANY_ITERATIONS)


def cannot(shape: Shape) -> str | None:
    return None


def fit(task: Task, **setting: Any) -> Answer:
    return fit_logistic_regression(task, "lbfgs", **setting)
