"""scikit-learn's liblinear (trust-region Newton).

It penalises the intercept divided by `intercept_scaling`: large scalings come close to the common objective, and the
ladder raises them along with the tolerance.
"""

from __future__ import annotations

from typing import Any

from benchmarks.competitors import Answer, Shape, Task
from benchmarks.competitors.scikit_learn import fit_logistic_regression

NAME, PACKAGE = "sklearn liblinear", "scikit-learn"
KNOBS = (
    (1e-1, 10.0),
    (1e-2, 10.0),
    (1e-3, 10.0),
    (1e-4, 100.0),
    (1e-5, 100.0),
    (1e-6, 100.0),
    (1e-7, 1e3),
    (1e-8, 1e3),
    (1e-9, 1e3),
    (1e-11, 1e4),
)
LADDER: tuple[dict[str, Any], ...] = tuple(
    {"tol": tol, "intercept_scaling": scaling, "max_iter": 10_000} for tol, scaling in KNOBS
)


def cannot(shape: Shape) -> str | None:
    if shape.classes > 2:
        return "can't: two classes only"
    return None if shape.strength else "can't: no unpenalised fit"


def fit(task: Task, **setting: Any) -> Answer:
    return fit_logistic_regression(task, "liblinear", **setting)
