"""berkson's `logit`."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.competitors import OURS, Answer, Shape, Task, answer
from benchmarks.competitors.inference import Covariance, What

NAME, PACKAGE = OURS, "berkson"
LADDER: tuple[dict[str, Any], ...] = ()
COVARIANCES: tuple[Covariance, ...] = ("model", "HC1", "clustered")
SPELLED = {"model": "model", "HC1": "HC1", "clustered": "CR1"}


def cannot(shape: Shape) -> str | None:
    return None


def fit(task: Task, what: What = "summary", covariance: Covariance = "model") -> Answer:
    from berkson import logit

    cluster = task.cluster if covariance == "clustered" else None
    fitted = logit(task.y, task.X, covariance=SPELLED[covariance], cluster=cluster)
    errors = None if what == "fit" else np.array(list(fitted.bse.values()))
    if what == "summary":
        str(fitted.summary())
    params = np.array(list(fitted.params.values()))
    return answer(params[1:], params[0], task.shape, std_error=errors)
