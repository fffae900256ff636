"""statsmodels' ridge: GLM.fit_regularized, whose one knob is the method of scipy.optimize.

The constant is a column to be added, which copies X.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.competitors import Answer, Shape, Task, answer

NAME, PACKAGE = "statsmodels ridge", "statsmodels"
LADDER: tuple[dict[str, Any], ...] = tuple({"opt_method": method} for method in ("L-BFGS-B", "BFGS", "Newton-CG"))


def cannot(shape: Shape) -> str | None:
    if shape.classes > 2:
        return "can't: two classes only"
    return None if shape.strength else "can't: its fit without a penalty is a separate row"


def fit(task: Task, **setting: Any) -> Answer:
    import statsmodels.api as sm  # type: ignore[import-untyped]

    X = sm.add_constant(task.X, has_constant="add")
    model = sm.GLM(task.y, X, family=sm.families.Binomial(), freq_weights=task.weight)
    # It minimises the losses / n + sum_j alpha_j coef_j^2 / 2, with n the number of rows whatever their weights.
    each = np.full(X.shape[1], task.shape.strength / len(task.y))
    each[0] = 0.0
    params = np.asarray(model.fit_regularized(alpha=each, L1_wt=0.0, **setting).params)
    return answer(params[1:], params[0], task.shape)
