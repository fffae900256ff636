"""berkson's estimator: it picks the solver; the one knob is the certified relative suboptimality."""

from __future__ import annotations

from typing import Any

from benchmarks.competitors import OURS, Answer, Shape, Task, answer

NAME, PACKAGE = OURS, "berkson"
LADDER: tuple[dict[str, Any], ...] = tuple({"tol": 10.0**-k} for k in range(3, 13))


def cannot(shape: Shape) -> str | None:
    return None


def fit(task: Task, **setting: Any) -> Answer:
    from berkson import LogisticRegression

    C = 1.0 / task.shape.strength if task.shape.strength else float("inf")
    model = LogisticRegression(C=C, **setting).fit(task.X, task.y, sample_weight=task.weight)
    info = model.fit_info_
    return answer(model.coef_, model.intercept_, task.shape, info.passes, info.bytes_read)
