"""The table of coefficients: each parameter with its standard error, test and interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from berkson.inference.covariance import Covariance
from berkson.inference.estimates import Estimates

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Coefficients:
    """A line for each of the d parameters, in flat order; NaN where there is no such number.

    estimate, std_error, low, high   on the scale of log-odds; an estimate without a finite value is +-inf
    statistic    estimate / std_error; with profile intervals the signed root of the likelihood-ratio statistic
    p_value      2 P(Z > |statistic|) for a standard normal Z: of the hypothesis that the parameter is 0
    level        of the intervals [low, high]
    covariance   what the standard errors rest on; `interval` and `test` say in a word what intervals and tests do
    """

    names: tuple[str, ...]
    estimate: F64
    std_error: F64
    statistic: F64
    p_value: F64
    low: F64
    high: F64
    level: float
    covariance: Covariance
    interval: str
    test: str = "Wald"

    def with_interval(self, low: F64, high: F64, level: float, interval: str) -> Coefficients:
        """The same with other intervals."""
        return replace(self, low=low, high=high, level=level, interval=interval)

    def with_test(self, statistic: F64, test: str) -> Coefficients:
        """The same with other tests, of statistics that are standard normal where the parameter is 0."""
        return replace(self, statistic=statistic, p_value=_two_sided(statistic), test=test)


def coefficients(estimates: Estimates, covariance: Covariance, level: float) -> Coefficients:
    """Wald's tests and intervals: estimate -+ z std_error, where P(|Z| < z) = level."""
    estimate, error = estimates.params, covariance.std_error
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = estimate / error
    half = normal_quantile(level) * error
    return Coefficients(
        estimates.names,
        estimate,
        error,
        statistic,
        _two_sided(statistic),
        estimate - half,
        estimate + half,
        level,
        covariance,
        "Wald",
    )


def _two_sided(statistic: F64) -> F64:
    return np.array([math.erfc(abs(z) / math.sqrt(2.0)) for z in statistic.tolist()])


def normal_quantile(level: float) -> float:
    """z with P(|Z| < z) = level for a standard normal Z; ValueError for a level that is none."""
    from statistics import NormalDist

    if not isinstance(level, (int, float, np.number)) or not 0.0 < level < 1.0:
        raise ValueError(f"level={level} is no confidence level: give a number between 0 and 1, such as 0.95")
    return NormalDist().inv_cdf(0.5 + level / 2.0)
