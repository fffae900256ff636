"""Functions of the parameters, with standard errors by the delta method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.inference.covariance import Covariance
from berkson.inference.estimates import Estimates, StatisticsError

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quantities:
    """m functions of the parameters: effects, contrasts or average predictions.

    what        what they are, in words.
    labels      (m,) texts for each of "column", "contrast" and "class" that applies.
    at, groups  for each column that was held at values, or by whose values rows were grouped: (m,) those values.
    estimate    (m,), NaN where it is not estimable; `notes` say why.
    std_error   (m,) by the delta method: sqrt of the diagonal of jacobian @ covariance of theta @ jacobian'.  Of
                log(estimate) where `ratio`.
    jacobian    (m, size) derivatives of the estimate, or of its logarithm, by theta.
    ratio       estimates are ratios: tested against 1, with intervals that are symmetric in the logarithm.
    """

    what: str
    labels: Mapping[str, tuple[str, ...]]
    at: Mapping[str, tuple[Any, ...]]
    groups: Mapping[str, tuple[str, ...]]
    estimate: F64
    jacobian: F64
    theta_covariance: F64
    ratio: bool = False
    notes: tuple[str, ...] = ()

    @property
    def std_error(self) -> F64:
        """(m,), of log(estimate) for ratios."""
        variance = ((self.jacobian @ self.theta_covariance) * self.jacobian).sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    @property
    def covariance(self) -> F64:
        """(m, m), of log(estimate) for ratios."""
        return np.asarray(self.jacobian @ self.theta_covariance @ self.jacobian.T)

    @property
    def statistic(self) -> F64:
        """z (m,): the estimate (its logarithm for ratios) over its standard error."""
        tested = np.log(self.estimate) if self.ratio else self.estimate
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(tested / self.std_error)

    @property
    def p_value(self) -> F64:
        """(m,) two-sided, of no effect: the estimate is 0, or 1 for ratios.  Says nothing of an average prediction."""
        from scipy.special import ndtr  # type: ignore[import-untyped]

        return np.asarray(2.0 * ndtr(-np.abs(self.statistic)))

    def interval(self, level: float = 0.95) -> F64:
        """(m, 2) lower and upper ends: estimate -+ z std_error, for ratios estimate exp(-+ z std_error)."""
        half = normal_quantile(level) * self.std_error
        if self.ratio:
            return np.column_stack([self.estimate * np.exp(-half), self.estimate * np.exp(half)])
        return np.column_stack([self.estimate - half, self.estimate + half])


def normal_quantile(level: float) -> float:
    """The z with P(|Z| <= z) = level; StatisticsError where the level is not between 0 and 1."""
    from scipy.special import ndtri

    if not 0.0 < level < 1.0:
        raise StatisticsError(f"a confidence level is between 0 and 1, not {level:g}; 0.95 is usual")
    return float(ndtri(0.5 + 0.5 * level))


def covariance_of_theta(estimates: Estimates, covariance: Covariance) -> F64:
    """The covariance of the parameters as one of theta (size, size), the inverse of `Estimates.from_theta`."""
    if covariance.kind == "model":
        return estimates.inverse
    known = estimates.estimable
    jacobian = estimates.jacobian[known]
    half = np.linalg.solve(jacobian, covariance.matrix[np.ix_(known, known)])
    whole = np.linalg.solve(jacobian, half.T)
    return np.asarray(0.5 * (whole + whole.T))
