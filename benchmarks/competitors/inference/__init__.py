"""Programs that tell standard errors: competitors (see the package above) of logistic regression without a penalty.

Instead of a ladder, `fit` takes

    what        "fit": the estimates; "errors": these and their standard errors; "summary": and the summary as text
    covariance  "model"; "HC1"; "clustered", by the task's clusters, with the factor G / (G - 1)

and COVARIANCES names those that it can.  R's is a script, r_glm.R, as it is timed from within.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from benchmarks.competitors import Answer, Competitor, Task

What = Literal["fit", "errors", "summary"]
Covariance = Literal["model", "HC1", "clustered"]

WHAT: tuple[What, ...] = ("fit", "errors", "summary")
MODULES = ("inference.berkson_logit", "inference.statsmodels_logit", "inference.statsmodels_glm")


class Program(Competitor, Protocol):
    COVARIANCES: tuple[Covariance, ...]

    def fit(self, task: Task, **setting: Any) -> Answer: ...
