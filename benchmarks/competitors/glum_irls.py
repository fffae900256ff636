"""glum: iteratively reweighted least squares, stopped after so many iterations."""

from __future__ import annotations

from typing import Any

from benchmarks.competitors import Answer, Shape, Task, answer

NAME, PACKAGE = "glum", "glum"
ITERATIONS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 50, 100, 1000)
LADDER: tuple[dict[str, Any], ...] = tuple({"max_iter": k, "gradient_tol": 1e-14} for k in ITERATIONS)


def cannot(shape: Shape) -> str | None:
    return "can't: two classes only" if shape.classes > 2 else None


def fit(task: Task, **setting: Any) -> Answer:
    from glum import GeneralizedLinearRegressor  # type: ignore[import-untyped]

    # glum minimises the weighted mean of the losses + alpha / 2 |coef|^2.
    total = float(len(task.y) if task.weight is None else task.weight.sum())
    model = GeneralizedLinearRegressor(family="binomial", alpha=task.shape.strength / total, **setting)
    model.fit(task.X, task.y, sample_weight=task.weight)
    return answer(model.coef_, model.intercept_, task.shape)
