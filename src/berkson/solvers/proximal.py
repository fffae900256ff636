"""Proximal Newton: a quadratic model of the smooth part, minimised with the kinks of the penalty as they are.

An iteration costs one gradient; the model's Hessian is corrected by what each step shows of it (BFGS, on the matrix
itself) and computed anew only where the steps stop contracting.  Along a path of penalties one Hessian lasts long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.inverse import inverse_of
from berkson.penalty import ElasticNet
from berkson.rows.questions import Evaluate, Evaluation, Sample
from berkson.solvers.newton import ARMIJO, ROUNDING, Solution
from berkson.solvers.quadratic import quadratic_minimum
from berkson.solvers.run import Solver

F64 = npt.NDArray[np.float64]

CONTRACTS = 0.2  # of the estimated gap: what an iteration must leave, or the Hessian is computed anew
SHORTEST = 1e-6  # part of a step


@dataclass(frozen=True, slots=True)
class Model:
    """The smooth part at theta, with its gradient, and a Hessian for it; `fresh`: the exact one there."""

    theta: F64
    at: Evaluation
    hessian: F64
    fresh: bool

    def estimate(self, penalty: ElasticNet) -> float:
        """The gap to second order: the slack, and half the square of the excess gradient in the inverse Hessian."""
        assert self.at.gradient is not None
        slack, excess = penalty.split(self.theta, self.at.gradient)
        if not excess.any():
            return slack
        inverse = inverse_of(self.hessian)
        if inverse is None:
            return math.inf
        return slack + 0.5 * float(excess @ inverse @ excess)


def smooth_model(theta: F64, penalty: ElasticNet, sample: Sample | None = None) -> Solver[Model]:
    """The exact model at theta."""
    at = penalty.add(theta, (yield Evaluate(theta, 2, sample)))
    assert at.hessian is not None
    return Model(theta, at, at.hessian, True)


def proximal_newton(
    model: Model, penalty: ElasticNet, *, target: float, max_iterations: int, sample: Sample | None = None
) -> Solver[tuple[Solution, Model]]:
    """Minimise smooth part + kinks to an estimated gap of `target`, from where the model stands.

    The solution's evaluation is of the smooth part, without a Hessian where that is not exact there; the model serves
    the next penalty.
    """
    before = math.inf
    for iteration in range(max_iterations + 1):
        estimate = model.estimate(penalty)
        if estimate <= target:
            return _solution(model, iteration, "target"), model
        if not model.fresh and not estimate <= CONTRACTS * before:
            model = yield from smooth_model(model.theta, penalty, sample)
            estimate = model.estimate(penalty)
        if iteration == max_iterations:
            break
        before = estimate
        theta, gradient = model.theta, model.at.gradient
        assert gradient is not None
        to = quadratic_minimum(model.hessian, gradient - model.hessian @ theta, penalty.threshold, theta)
        step = to - theta
        kinked, before_kinks = penalty.kinked(to), penalty.kinked(theta)
        predicted = float(gradient @ step) + kinked - before_kinks
        if not predicted < 0.0:
            if model.fresh:
                return _solution(model, iteration, "stalled"), model
            model = yield from smooth_model(theta, penalty, sample)
            continue
        length = 1.0
        whole = model.at.value + before_kinks
        while True:
            trial = to if length == 1.0 else theta + length * step
            there = penalty.add(trial, (yield Evaluate(trial, 1, sample)))
            now = there.value + (kinked if length == 1.0 else penalty.kinked(trial))
            if now <= whole + ARMIJO * length * predicted + ROUNDING * abs(whole):
                break
            length *= 0.5
            if length < SHORTEST:
                return _solution(model, iteration, "stalled"), model
        model = _corrected(model, trial, there)
    return _solution(model, max_iterations, "limit"), model


def _solution(model: Model, iterations: int, reason: str) -> Solution:
    hessian = model.hessian if model.fresh else None
    return Solution(model.theta, model.at._replace(hessian=hessian), iterations, reason)


def _corrected(model: Model, theta: F64, at: Evaluation) -> Model:
    """The model moved to theta, its Hessian made to map the step to the change of gradient (BFGS)."""
    assert at.gradient is not None
    assert model.at.gradient is not None
    step, change = theta - model.theta, at.gradient - model.at.gradient
    bent, curvature = model.hessian @ step, float(step @ change)
    expected = float(step @ bent)
    hessian = model.hessian
    if curvature > 1e-8 * expected > 0.0:
        hessian = hessian + np.outer(change, change) / curvature - np.outer(bent, bent) / expected
    return Model(theta, at, hessian, False)
