"""Likelihoods: of an unpenalised fit, of the model without columns, and of one that answers each row by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from berkson.fit import Fit, fit
from berkson.kernels.reference import logistic_loss, multinomial_loss, soft_labels
from berkson.problem import Problem

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Likelihood:
    """log_likelihood = -sum_i w_i loss_i (of grouped counts with their binomial coefficients), null_log_likelihood the
    same of the model that has the intercept and the offset alone, deviance = 2 (largest possible log-likelihood -
    log_likelihood), null_deviance likewise.
    """

    log_likelihood: float
    null_log_likelihood: float
    deviance: float
    null_deviance: float

    @property
    def explained(self) -> float:
        """1 - deviance / null deviance: McFadden's R^2 where rows are single outcomes."""
        return 1.0 - self.deviance / self.null_deviance if self.null_deviance > 0.0 else 0.0


def likelihood(result: Fit, trials: F64 | None = None, objective: float | None = None) -> Likelihood:
    """The likelihood of a fit without a penalty; `trials` (n,) where rows are shares of successes among them.

    objective : of other estimates than the fit's, where they are asked about.
    """
    problem = result.problem
    saturated = _saturated(problem)
    value = result.certificate.objective if objective is None else objective
    null = _null_objective(result)
    constant = 0.0 if trials is None else _binomial_coefficients(problem, trials)
    return Likelihood(constant - value, constant - null, 2.0 * (value - saturated), 2.0 * (null - saturated))


def _saturated(problem: Problem) -> float:
    """The loss of the model that answers each row by itself: 0 but for shares strictly between 0 and 1."""
    y = problem.y
    if y.dtype.kind != "f":
        return 0.0
    if y.ndim == 2:
        entropy = -(y * np.log(np.where(y > 0.0, y, 1.0))).sum(axis=1)
        return float(entropy.sum() if problem.weight is None else problem.weight @ entropy)
    inside = (y > 0.0) & (y < 1.0)
    entropy = logistic_loss(np.log(y[inside]) - np.log1p(-y[inside]), y[inside])
    return float(entropy.sum() if problem.weight is None else problem.weight[inside] @ entropy)


def _binomial_coefficients(problem: Problem, trials: F64) -> float:
    """sum_i own weight_i log(trials_i choose successes_i); the weight of a row is its own times its trials."""
    from scipy.special import gammaln  # type: ignore[import-untyped]

    assert problem.weight is not None
    n = trials[trials > 0.0]
    k = n * problem.y[trials > 0.0]
    own = problem.weight[trials > 0.0] / n
    return float(own @ (gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)))


def _null_objective(result: Fit) -> float:
    problem = result.problem
    if problem.offset is None:
        return result.certificate.null_objective
    if problem.intercept:
        return fit(replace(problem, X=np.empty((len(problem.y), 0)), names=())).certificate.objective
    if problem.offset.ndim == 1:
        loss = logistic_loss(problem.offset, problem.y.astype(np.float64))
    else:
        loss = multinomial_loss(problem.offset, soft_labels(problem.y, problem.n_classes))
    return float(loss.sum() if problem.weight is None else problem.weight @ loss)
