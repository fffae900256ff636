"""How well an unpenalised model fits: log-likelihood, deviance and the share of the null deviance explained."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from berkson.fit import Fit, fit
from berkson.kernels.reference import logistic_loss, multinomial_loss, soft_labels
from berkson.problem import Problem

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Statistics:
    """log_likelihood = -sum_i w_i loss_i (for counts with the binomial coefficients), deviance = 2 (largest possible
    log-likelihood - log-likelihood), null_deviance likewise of the model that has the intercept and the offset alone.
    """

    log_likelihood: float
    deviance: float
    null_deviance: float

    @property
    def explained(self) -> float:
        """1 - deviance / null deviance: McFadden's R^2 where rows are single outcomes."""
        return 1.0 - self.deviance / self.null_deviance if self.null_deviance > 0.0 else 0.0


def statistics(result: Fit, counts: bool) -> Statistics:
    """The statistics of a fit without a penalty; `counts`: the rows are successes among `weight` trials."""
    problem = result.problem
    saturated = _saturated(problem)
    value = result.certificate.objective
    constant = _binomial_coefficients(problem) if counts else 0.0
    return Statistics(constant - value, 2.0 * (value - saturated), 2.0 * (_null_objective(result) - saturated))


def _saturated(problem: Problem) -> float:
    """The loss of the model that answers each row by itself: 0 but for shares strictly between 0 and 1."""
    y = problem.y
    if y.dtype.kind != "f" or y.ndim == 2:
        return 0.0
    inside = (y > 0.0) & (y < 1.0)
    entropy = logistic_loss(np.log(y[inside]) - np.log1p(-y[inside]), y[inside])
    return float(entropy.sum() if problem.weight is None else problem.weight[inside] @ entropy)


def _binomial_coefficients(problem: Problem) -> float:
    """sum_i log(trials_i choose successes_i)."""
    assert problem.weight is not None
    total = 0.0
    for n, k in zip(problem.weight, problem.weight * problem.y, strict=True):
        total += math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)
    return total


def _null_objective(result: Fit) -> float:
    problem = result.problem
    if problem.offset is None:
        return result.certificate.null_objective
    if problem.intercept:
        return fit(replace(problem, X=problem.X[:, :0], names=())).certificate.objective
    if problem.offset.ndim == 1:
        loss = logistic_loss(problem.offset, problem.y.astype(np.float64))
    else:
        loss = multinomial_loss(problem.offset, soft_labels(problem.y, problem.n_classes))
    return float(loss.sum() if problem.weight is None else problem.weight @ loss)
