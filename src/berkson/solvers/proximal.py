"""Proximal Newton: a quadratic model of the loss, minimised with the penalty as it is.

An iteration costs one gradient; the model's Hessian is corrected by what each step shows of it (BFGS, on the matrix
itself) and computed anew only where the steps stop contracting.  Along a path of penalties one Hessian lasts long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from berkson import kernels
from berkson.bound_penalty import Bounded
from berkson.certificate import Bound
from berkson.group_penalty import SparseGroup
from berkson.inverse import inverse_factor
from berkson.penalty import ElasticNet
from berkson.rows.questions import Evaluate, Evaluation, Sample
from berkson.solvers.blocks import block_minimum
from berkson.solvers.bounded import bounded_minimum
from berkson.solvers.newton import ARMIJO, ROUNDING
from berkson.solvers.run import Solver

F64 = npt.NDArray[np.float64]

CONTRACTS = 0.2  # of the estimated gap: what an iteration must leave, or the Hessian is computed anew
SHORTEST, SHORTEST_DAMPED = 1e-6, 1e-2  # part of a step
SOFTEST, FIRMEST = 1e-4, 1e4  # damping, each 100 times the last: at 1 no coordinate moves by more than about 1
TINY = 1e-300


class Prover(Protocol):
    """What bounds a gap without asking the rows: an anchor, or size."""

    def proof(self, theta: F64, gradient: F64, penalty: ElasticNet) -> Bound: ...


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

    def curvature(self, penalty: ElasticNet) -> F64:
        """Of the smooth part along each coordinate."""
        diagonal: F64 = self.hessian.diagonal() + penalty.strength
        return diagonal

    def value(self, penalty: ElasticNet) -> float:
        """The objective."""
        return self.at.value + penalty.ridge(self.theta) + penalty.kinked(self.theta)

    def gap(self, penalty: ElasticNet, anchor: Prover | None = None) -> float:
        """What the anchor proves; or else, to second order, the slack and half the square of the excess gradient in the
        inverse Hessian; where that is singular, the bound of size, but for the free coordinates."""
        if anchor is not None:
            proof = anchor.proof(self.theta, self.gradient(penalty), penalty)
            return proof.gap if math.isfinite(proof.gap) else proof.estimate
        slack, excess = penalty.split(self.theta, self.gradient(penalty), self.curvature(penalty))
        if not excess.any():
            return slack
        factor = inverse_factor(penalty.regular(self.hessian))
        if factor is not None:
            scaled = factor @ excess
            return slack + 0.5 * float(scaled @ scaled)
        smooth = penalty.smooth
        free = excess[smooth] ** 2 / np.maximum(self.hessian.diagonal()[smooth], TINY)
        return slack + penalty.dual_norm(excess) * self.value(penalty) + float(free.sum())

    def damped(self, damping: float) -> Model:
        """With so much of the larger of curvature and gradient along every coordinate besides."""
        if damping == 0.0:
            return self
        assert self.at.gradient is not None
        scale = max(float(self.hessian.diagonal().max()), float(np.abs(self.at.gradient).max()))
        return replace(self, hessian=self.hessian + damping * scale * np.eye(len(self.theta)))

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
        both = np.array([change, bent])
        corrected = (both * np.array([[1.0 / curvature], [-1.0 / expected]])).T @ both
        corrected += self.hessian
        return Model(theta, at, corrected, False)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an iteration stopped, after how many steps, and why: 'target', 'limit', 'slow', 'stalled' (by
    rounding)."""

    model: Model
    iterations: int
    reason: str


def loss_model(theta: F64, sample: Sample | None = None, *, rough: bool = False) -> Solver[Model]:
    """The exact model at theta, of all rows or of a sample's scaled to them; a `rough` Hessian may be in single
    precision."""
    at: Evaluation = yield Evaluate(theta, 2, sample, rough=rough)
    assert at.hessian is not None
    return Model(theta, at, at.hessian, True)


def proximal_newton(
    model: Model,
    penalty: ElasticNet,
    *,
    target: float,
    max_iterations: int,
    anchor: Prover | None = None,
    sample: Sample | None = None,
    always_exact: bool = False,
    at_least: int = 0,
    slow: float = math.inf,
) -> Solver[Progress]:
    """Minimise loss + penalty to an estimated gap of `target`, from where the model stands.

    anchor       : by what the gap is estimated, in place of the Hessian's inverse
    always_exact : every step takes the Hessian with its gradient, where that costs next to nothing.
    at_least     : steps to take where there is any gap at all.
    slow         : the part of the gap that no step may leave, or else it is the last.
    """
    before = last = math.inf
    for iteration in range(max_iterations + 1):
        gap = model.gap(penalty, anchor)
        if gap <= target and (iteration >= at_least or gap == 0.0):
            return Progress(model, iteration, "target")
        if gap > slow * before:
            return Progress(model, iteration, "slow")
        if not model.fresh and not gap <= max(target, CONTRACTS * before):
            model = yield from loss_model(model.theta, sample)
            gap = model.gap(penalty, anchor)
        value = model.value(penalty)
        if model.fresh and gap > CONTRACTS * before and gap <= ROUNDING * abs(value):
            return Progress(model, iteration, "stalled")
        if model.fresh and gap >= before and not value < last:
            return Progress(model, iteration, "stalled")
        if iteration == max_iterations:
            break
        before, last = gap, value
        moved = yield from _step(model, penalty, 2 if always_exact else 1, sample)
        if moved is None:
            if model.fresh:
                return Progress(model, iteration, "stalled")
            moved = yield from loss_model(model.theta, sample)
            before = last = math.inf  # no step was taken, that could be compared
        model = moved
    return Progress(model, max_iterations, "limit")


def minimum_of_model(model: Model, penalty: ElasticNet) -> F64:
    """Where the quadratic model plus the penalty is least."""
    hessian = penalty.regular(model.hessian)
    linear = model.gradient(penalty) - hessian @ model.theta
    match penalty:
        case SparseGroup(threshold=threshold, group=group, radius=radius, unit=unit):
            scaled = hessian / (unit[:, None] * unit)
            return block_minimum(scaled, linear / unit, threshold / unit, radius, group, model.theta * unit) / unit
        case Bounded(threshold=threshold, lower=lower, upper=upper):
            return penalty.placed(bounded_minimum(hessian, linear, threshold, lower, upper, model.theta))
    return penalty.placed(kernels.quadratic.quadratic_minimum(hessian, linear, penalty.threshold, model.theta))


def _step(model: Model, penalty: ElasticNet, order: int, sample: Sample | None) -> Solver[Model | None]:
    """To the minimum of the quadratic model, or as far towards it as the objective falls; None where it does not.
    Where the loss has hardly any curvature its exact model means nothing far out, and is damped."""
    gradient, value, damping = model.gradient(penalty), model.value(penalty), 0.0
    while damping <= FIRMEST:
        to = minimum_of_model(model.damped(damping), penalty)
        predicted = penalty.slope(model.theta, to, gradient)
        if not predicted < ROUNDING * abs(value):  # a change within rounding may still lower a gradient
            return None
        length = 1.0
        while length >= (SHORTEST if damping == 0.0 else SHORTEST_DAMPED):
            trial = to if length == 1.0 else model.theta + length * (to - model.theta)
            moved = model.corrected(trial, (yield Evaluate(trial, order, sample)))
            if moved.value(penalty) <= value + ARMIJO * length * predicted + ROUNDING * abs(value):
                return moved
            length *= 0.5
        if not model.fresh:
            return None
        damping = max(SOFTEST, 100.0 * damping)
    return None
