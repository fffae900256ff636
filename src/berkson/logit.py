"""The statistician's door: `logit("y ~ x", data)`, plain maximum likelihood with inference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.fit import Certificate, Fit, fit
from berkson.inference.covariance import Covariance, covariance
from berkson.inference.estimates import Estimates, WeightKind
from berkson.model import Model, Prepared, model_of, prepare
from berkson.table import from_frame

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LogitFit:
    """A logistic regression with its inference; made by `logit`."""

    prepared: Prepared
    estimates: Estimates
    covariance: Covariance

    @property
    def fit(self) -> Fit:
        return self.estimates.fit

    @property
    def certificate(self) -> Certificate:
        return self.fit.certificate

    @cached_property
    def model(self) -> Model:
        return model_of(self.prepared, self.fit)

    @property
    def params(self) -> dict[str, float]:
        return dict(zip(self.estimates.names, self.estimates.params.tolist(), strict=True))

    @property
    def bse(self) -> dict[str, float]:
        return dict(zip(self.estimates.names, self.covariance.std_error.tolist(), strict=True))


def logit(
    formula: str,
    data: Any,
    *,
    event: str | None = None,
    weights: str | None = None,
    weight_kind: WeightKind = "frequency",
    offset: str | None = None,
    missing: str = "drop",
    tol: float = 1e-8,
    max_iterations: int = 100,
) -> LogitFit:
    """Fit by maximum likelihood."""
    table = from_frame(data)
    prepared = prepare(formula, table, event=event, weights=weights, offset=offset, drop_missing=missing == "drop")
    result = fit(prepared.problem, tol=tol, max_iterations=max_iterations)
    estimates = Estimates(result, 0, weight_kind)
    return LogitFit(prepared, estimates, covariance(estimates))
