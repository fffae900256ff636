"""Bias reduction: estimates with less bias than maximum likelihood's, and finite on separated data.

mean    the maximum of the likelihood times Jeffreys' prior |I|^(1/2), which removes the bias of first order (Firth,
        Biometrika 80, 1993; Heinze and Schemper, Statistics in Medicine 21, 2002; for several classes Kosmidis and
        Firth, Biometrika 98, 2011).  It does not depend on how parameters are expressed, as long as that is linear.
median  each estimate falls below and above its parameter equally often, to third order (Kenne Pagui, Salvan and
        Sartori, Biometrika 104, 2017): the root of an adjusted score, which depends on which parameters are meant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.jeffreys import Jeffreys
from berkson.inverse import inverse_of
from berkson.penalty import Ridge
from berkson.rows.questions import Evaluate, Evaluation
from berkson.solvers.newton import newton
from berkson.solvers.run import Rows, run
from berkson.solvers.subspace import turned_up

F64 = npt.NDArray[np.float64]
Method = Literal["mean", "median"]

AIM, ACCEPTED = 1e-12, 1e-9  # norm of the adjusted score, in standard errors: what is sought, and what is taken
ITERATIONS = 300
NEAR, MEMORY = 0.1, 5  # norm of the score from which steps are accelerated, and by how many


@dataclass(frozen=True, kw_only=True)
class BiasReducedEstimates(Estimates):
    """Bias-reduced estimates; all that is computed from estimates holds for them (covariance: the inverse information
    at them; intervals and tests by profiles: of the penalised likelihood, for the method "mean").

    method       "mean" or "median"
    reduced      theta of the estimates
    score_norm   (U'I^-1 U)^(1/2) of the adjusted score U: how far the estimates are from its root, in standard errors
    iterations
    """

    method: Method
    reduced: F64
    score_norm: float
    iterations: int

    @property
    def theta(self) -> F64:
        return self.reduced

    @property
    def objective(self) -> Rows:
        if self.method == "median":
            raise StatisticsError(
                "median bias reduction maximises no likelihood that could be profiled; use Wald intervals and tests, "
                "or mean bias reduction"
            )
        return Jeffreys(self.rows)

    @property
    def log_likelihood(self) -> float:
        """At the estimates (without binomial coefficients)."""
        return -self.at.value

    @cached_property
    def penalised_log_likelihood(self) -> float:
        """log-likelihood + 1/2 log det of the information of the estimable parameters."""
        assert self.at.hessian is not None
        units = float(np.linalg.slogdet(self.jacobian[self.estimable])[1])
        return self.log_likelihood + 0.5 * float(np.linalg.slogdet(self.at.hessian)[1]) - units

    def require(self) -> None:
        if not self.score_norm <= ACCEPTED:
            raise StatisticsError(
                f"bias reduction stopped {self.score_norm:.1g} standard errors from its estimates; rescale the columns "
                "or drop nearly collinear ones"
            )


def reduce_bias(estimates: Estimates, method: Method = "mean") -> BiasReducedEstimates:
    """The bias-reduced estimates of the same problem, separated or not; columns that are aliased stay so.

    They are the root of the adjusted score to 1e-12 standard errors where rounding allows it; `score_norm` says.
    StatisticsError: a penalised fit, sampling weights, median bias reduction of several classes.
    """
    fit = estimates.fit
    if fit.problem.strength > 0.0:
        raise StatisticsError("bias reduction is of maximum likelihood; fit without a penalty")
    if estimates.weight_kind == "sampling":
        raise StatisticsError("bias reduction needs a likelihood, which sampling weights do not have; fit without them")
    if method == "median" and fit.problem.n_classes > 2:
        raise StatisticsError('median bias reduction is for two classes; use the method "mean" for more')
    begin = fit.theta if fit.certificate.exists else np.zeros_like(fit.theta)
    with one_thread(fit.problem.unknowns):
        theta, norm, iterations = _mean(Jeffreys(fit.rows), begin)
        if method == "median":
            theta, norm, more = _median(Jeffreys(fit.rows), theta, estimates.jacobian[~estimates.aliased])
            iterations += more
    return BiasReducedEstimates(
        **estimates.common,
        method=method,
        reduced=theta,
        score_norm=norm,
        iterations=iterations,
    )


def _mean(rows: Jeffreys, theta: F64) -> tuple[F64, float, int]:
    free = Ridge(np.zeros(len(theta)))
    found = run(turned_up(newton(theta, free, target=0.5 * AIM * AIM, max_iterations=ITERATIONS)), rows)
    information = rows.rows.answer_one(Evaluate(found.theta, 2)).hessian
    inverse = inverse_of(information)
    if inverse is None:
        return found.theta, math.inf, found.iterations
    assert found.at.gradient is not None
    return found.theta, math.sqrt(float(found.at.gradient @ inverse @ found.at.gradient)), found.iterations


def _median(rows: Jeffreys, theta: F64, parameters: F64) -> tuple[F64, float, int]:
    """Fisher scoring on the adjusted score, no coordinate by more than 1 a step; near the root, accelerated by the last
    few steps (Anderson, Journal of the ACM 12, 1965)."""
    best, least = theta, math.inf
    before: list[tuple[F64, F64]] = []  # theta and step there
    for iteration in range(ITERATIONS):
        step, norm = _median_step(rows, theta, parameters)
        if norm < least:
            best, least = theta, norm
        if norm <= AIM or not math.isfinite(norm):
            return best, least, iteration
        if norm > NEAR or norm > 2.0 * least:
            before = []
        before = [*before[-MEMORY:], (theta, step)]
        towards = step
        if len(before) > 1:
            places, steps = (np.column_stack(each) for each in zip(*before, strict=True))
            combination = np.linalg.lstsq(np.diff(steps), step)[0]
            towards = step - (np.diff(places) + np.diff(steps)) @ combination
        theta = theta + towards / max(1.0, float(np.abs(towards).max()))
    return best, least, ITERATIONS


def _median_step(rows: Jeffreys, theta: F64, parameters: F64) -> tuple[F64, float]:
    """I^-1 U and (U'I^-1 U)^(1/2) of the score adjusted for the medians of parameters (size, size) @ theta:

        U = Jeffreys' score + I b,    b_j = -1/3 sum_i w_i p_i (1 - p_i) (1 - 2 p_i) (x_i'A_j)^3 / A_jj

    with A the parameters' inverse information and A_j its columns.
    """
    penalised: Evaluation = rows.answer_one(Evaluate(theta, 1))
    information = rows.rows.answer_one(Evaluate(theta, 2)).hessian
    inverse = inverse_of(information)
    if inverse is None or penalised.gradient is None:
        return np.zeros_like(theta), math.inf
    each = inverse @ parameters.T
    b = np.zeros(len(parameters))
    for block in rows.blocks(theta):
        p = block.probability
        third = block.weight * p[:, 0] * p[:, 1] * (p[:, 0] - p[:, 1])
        b -= third @ (block.Z @ each) ** 3 / 3.0
    b /= (parameters * each.T).sum(axis=1)
    step = np.linalg.solve(parameters, b) - inverse @ penalised.gradient
    return step, math.sqrt(float(step @ information @ step))
