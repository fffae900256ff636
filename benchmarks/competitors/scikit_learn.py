"""What the four solvers of scikit-learn's LogisticRegression share."""

from __future__ import annotations

from typing import Any

from benchmarks.competitors import Answer, Task, answer


def fit_logistic_regression(task: Task, solver: str, **setting: Any) -> Answer:
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    strength = task.shape.strength
    C = 1.0 / strength if strength else float("inf")
    model = LogisticRegression(C=C, solver=solver, **setting).fit(task.X, task.y, sample_weight=task.weight)
    return answer(model.coef_, model.intercept_, task.shape)
