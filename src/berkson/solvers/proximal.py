"""Proximal Newton: a quadratic model of the loss, minimised with the penalty as it is.

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
from berkson.rows.questions import Evaluate, Evaluation
from berkson.solvers.newton import ARMIJO, ROUNDING
from berkson.solvers.quadratic import quadratic_minimum
from berkson.solvers.run import Solver

F64 = npt.NDArray[np.float64]

CONTRACTS = 0.2  # of the estimated gap: what an iteration must leave, or the Hessian is computed anew
SHORTEST = 1e-6  # part of a step


@dataclass(frozen=True, slots=True)
class Model:
    """The loss at theta, with its gradient, and a Hessian for it; `fresh`: the exact one there."""

    theta: F64
    at: Evaluation
    hessian: F64
    fresh: bool

    def gradient(self, penalty: ElasticNet) -> F64:
        """Of the smooth part: the loss and the ridge."""
        assert self.at.gradient is not None
        return self.at.gradient + penalty.strength * self.theta

    def value(self, penalty: ElasticNet) -> float:
        """The objective."""
        return penalty.add(self.theta, self.at).value + penalty.kinked(self.theta)

    def estimate(self, penalty: ElasticNet, doubt: float) -> float:
        """The gap to second order: the slack, and half the square of the excess gradient in the inverse Hessian, times
        `doubt`, by how much a proof knows less of the Hessian."""
        slack, excess = penalty.split(self.theta, self.gradient(penalty))
        if not excess.any():
            return slack
        inverse = inverse_of(self.hessian + np.diag(penalty.strength))
        if inverse is None:
            return math.inf
        return slack + 0.5 * doubt * float(excess @ inverse @ excess)

    def corrected(self, theta: F64, at: Evaluation) -> Model:
        """Moved to theta; where no Hessian came with it, the old one made to map the step to the change of gradient."""
        if at.hessian is not None:
            return Model(theta, at, at.hessian, True)
        assert at.gradient is not None
        assert self.at.gradient is not None
        step, change = theta - self.theta, at.gradient - self.at.gradient
        bent, curvature = self.hessian @ step, float(step @ change)
        expected = float(step @ bent)
        if not curvature > 1e-8 * expected > 0.0:
            return Model(theta, at, self.hessian, False)
        corrected = self.hessian + np.outer(change, change) / curvature - np.outer(bent, bent) / expected
        return Model(theta, at, corrected, False)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an iteration stopped, after how many steps, and why: 'target', 'limit', 'stalled' (by rounding)."""

    model: Model
    iterations: int
    reason: str


def loss_model(theta: F64) -> Solver[Model]:
    """The exact model at theta."""
    at: Evaluation = yield Evaluate(theta, 2)
    assert at.hessian is not None
    return Model(theta, at, at.hessian, True)


def proximal_newton(
    model: Model,
    penalty: ElasticNet,
    *,
    target: float,
    max_iterations: int,
    doubt: float = 1.0,
    always_exact: bool = False,
) -> Solver[Progress]:
    """Minimise loss + penalty to an estimated gap of `target`, from where the model stands.

    always_exact : every step takes the Hessian with its gradient, where that costs next to nothing.
    """
    before = math.inf
    for iteration in range(max_iterations + 1):
        estimate = model.estimate(penalty, doubt)
        if estimate <= target:
            return Progress(model, iteration, "target")
        if not model.fresh and not estimate <= CONTRACTS * before:
            model = yield from loss_model(model.theta)
            estimate = model.estimate(penalty, doubt)
        if iteration == max_iterations:
            break
        before = estimate
        moved = yield from _step(model, penalty, order=2 if always_exact else 1)
        if moved is None:
            if model.fresh:
                return Progress(model, iteration, "stalled")
            moved = yield from loss_model(model.theta)
        model = moved
    return Progress(model, max_iterations, "limit")


def _step(model: Model, penalty: ElasticNet, order: int) -> Solver[Model | None]:
    """To the minimum of the quadratic model, or as far towards it as the objective falls; None where it does not."""
    theta, gradient = model.theta, model.gradient(penalty)
    hessian = model.hessian + np.diag(penalty.strength)
    to = quadratic_minimum(hessian, gradient - hessian @ theta, penalty.threshold, theta)
    step, value = to - theta, model.value(penalty)
    predicted = float(gradient @ step) + penalty.kinked(to) - penalty.kinked(theta)
    if not predicted < 0.0:
        return None
    length = 1.0
    while True:
        trial = to if length == 1.0 else theta + length * step
        moved = model.corrected(trial, (yield Evaluate(trial, order)))
        if moved.value(penalty) <= value + ARMIJO * length * predicted + ROUNDING * abs(value):
            return moved
        length *= 0.5
        if length < SHORTEST:
            return None
