"""statsmodels without a penalty: GLM by IRLS, MNLogit by Newton, stopped after so many iterations.

The constant is a column to be added, which copies X.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.competitors import Answer, Shape, Task, answer

NAME, PACKAGE = "statsmodels", "statsmodels"
ITERATIONS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 50, 100, 1000)
LADDER: tuple[dict[str, Any], ...] = tuple({"maxiter": k, "tol": 0.0} for k in ITERATIONS)


def cannot(shape: Shape) -> str | None:
    if shape.strength:
        return "can't: its ridge is a separate row"
    return "can't: no sample weights for several classes" if shape.classes > 2 and shape.weighted else None


def fit(task: Task, **setting: Any) -> Answer:
    import statsmodels.api as sm  # type: ignore[import-untyped]

    X = sm.add_constant(task.X, has_constant="add")
    if task.shape.classes > 2:
        knobs = {} if not setting else {"maxiter": setting["maxiter"]}
        params = np.asarray(sm.MNLogit(task.y, X).fit(method="newton", disp=0, **knobs).params)
        rows = np.vstack([np.zeros(X.shape[1]), params.T])  # class 0 is its reference
        return answer(rows[:, 1:], rows[:, 0], task.shape)
    model = sm.GLM(task.y, X, family=sm.families.Binomial(), freq_weights=task.weight)
    params = np.asarray(model.fit(**setting).params)
    return answer(params[1:], params[0], task.shape)
