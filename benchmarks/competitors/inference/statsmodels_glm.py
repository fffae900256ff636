"""statsmodels GLM, by reweighted least squares.  The constant is a column to be added, which copies X."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.competitors import Answer, Shape, Task, answer
from benchmarks.competitors.inference import Covariance, What

NAME, PACKAGE = "statsmodels GLM", "statsmodels"
LADDER: tuple[dict[str, Any], ...] = ()
COVARIANCES: tuple[Covariance, ...] = ("model",)


def cannot(shape: Shape) -> str | None:
    return "can't: two classes only" if shape.classes > 2 else None


def fit(task: Task, what: What = "summary", covariance: Covariance = "model") -> Answer:
    import statsmodels.api as sm  # type: ignore[import-untyped]

    X = sm.add_constant(task.X, has_constant="add")
    fitted = sm.GLM(task.y, X, family=sm.families.Binomial()).fit()
    errors = None if what == "fit" else np.asarray(fitted.bse)
    if what == "summary":
        str(fitted.summary())
    params = np.asarray(fitted.params)
    return answer(params[1:], params[0], task.shape, std_error=errors)
