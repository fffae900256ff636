"""skglm: proximal Newton, with the elastic net at l1_ratio 0 as its ridge (its L2 penalty has no intercept)."""

from __future__ import annotations

from typing import Any

from benchmarks.competitors import Answer, Shape, Task, answer

NAME, PACKAGE = "skglm", "skglm"
LADDER: tuple[dict[str, Any], ...] = tuple(
    {"tol": 10.0**-k, "max_iter": 1000} for k in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14)
)


def cannot(shape: Shape) -> str | None:
    if shape.classes > 2:
        return "can't: two classes only"
    if shape.weighted:
        return "can't: no sample weights"
    return None


def fit(task: Task, **setting: Any) -> Answer:
    from skglm import GeneralizedLinearEstimator  # type: ignore[import-untyped]
    from skglm.datafits import Logistic  # type: ignore[import-untyped]
    from skglm.penalties import L1_plus_L2  # type: ignore[import-untyped]
    from skglm.solvers import ProxNewton  # type: ignore[import-untyped]

    # skglm minimises the mean of the losses + alpha / 2 |coef|^2.
    penalty = L1_plus_L2(alpha=task.shape.strength / len(task.y), l1_ratio=0.0)
    solver = ProxNewton(fit_intercept=True, **setting)
    model = GeneralizedLinearEstimator(Logistic(), penalty, solver).fit(task.X, task.y)
    return answer(model.coef_, model.intercept_, task.shape)
