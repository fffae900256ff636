"""Truncated Newton by preconditioned conjugate gradients: only products with the Hessian, one reading of X each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from berkson.penalty import Ridge
from berkson.rows.questions import Curvature, Evaluate
from berkson.solvers.newton import ARMIJO, ROUNDING, SLOW, SLOW_STEPS, Solution
from berkson.solvers.quasi import Preconditioner
from berkson.solvers.run import Solver

F64 = npt.NDArray[np.float64]

INNER_LIMIT = 250  # products a step; a step that needs more is taken as it stands
LEFT = 0.1  # of the target, that a step may leave by itself: what the Hessian's change leaves comes on top


def conjugate(
    theta: F64,
    penalty: Ridge,
    preconditioner: Preconditioner,
    *,
    target: float,
    max_iterations: int,
    watch_separation: bool = False,
    most_products: int = 0,
) -> Solver[Solution]:
    """Minimise to an estimated gap of `target`: half the decrement squared of the inexact Newton step, or less where
    the gradient alone shows it (`_at_most`), which costs no product.  After `most_products` (0: any number) a further
    step is not begun, and the run ends as 'slow'."""
    at = penalty.add(theta, (yield Evaluate(theta, 1)))
    forcing, before, slow, products = 0.1, np.inf, 0, 0
    for iteration in range(max_iterations + 1):
        assert at.gradient is not None
        if watch_separation and at.margin > 0:
            return Solution(theta, at, iteration, "separated")
        if _at_most(at.gradient, penalty, preconditioner) <= target:
            return Solution(theta, at, iteration, "target")
        if most_products and products >= most_products:
            return Solution(theta, at, iteration, "slow")
        step, decrease, spent = yield from _newton_step(theta, at.gradient, penalty, preconditioner, forcing, target)
        products += spent
        if decrease <= 2.0 * target:
            return Solution(theta, at, iteration, "target")
        slow = slow + 1 if decrease > SLOW * before else 0
        if watch_separation and slow >= SLOW_STEPS and iteration > 6:
            return Solution(theta, at, iteration, "slow")
        if iteration == max_iterations:
            break
        length = 1.0
        while True:
            trial = theta + length * step
            there = penalty.add(trial, (yield Evaluate(trial, 1)))
            if there.value <= at.value - ARMIJO * length * decrease + ROUNDING * abs(at.value):
                break
            length *= 0.5
            if length < 1e-10:
                return Solution(theta, at, iteration, "stalled")
        # superlinear: the next inner solve is as tight as this step was good (Eisenstat and Walker 1996, choice 2)
        assert there.gradient is not None
        ratio = float(np.linalg.norm(there.gradient) / np.linalg.norm(at.gradient))
        forcing = min(0.1, max(1e-6, 0.9 * ratio * ratio))
        theta, at, before = trial, there, decrease if length == 1.0 else np.inf
    return Solution(theta, at, max_iterations, "limit")


def _at_most(gradient: F64, penalty: Ridge, preconditioner: Preconditioner) -> float:
    """|gradient|^2 / (2 strength): as the Hessian is no less than the ridge, the gap is no more.  In directions that
    have none (constants) the preconditioner stands in for the Hessian."""
    if penalty.is_zero:
        return np.inf
    free = penalty.strength == 0.0
    outside = np.where(free, gradient, 0.0)
    inside = np.divide(gradient * gradient, penalty.strength, out=np.zeros_like(gradient), where=~free)
    return 0.5 * float(inside.sum() + outside @ preconditioner.solve(outside))


def _newton_step(
    theta: F64, gradient: F64, penalty: Ridge, preconditioner: Preconditioner, forcing: float, target: float
) -> Solver[tuple[F64, float, int]]:
    """(step, -gradient'step, products) of H step = -gradient, to a relative residual of `forcing`, preconditioned, or
    to one that leaves no more than a part of `target` to be gained."""
    step, residual = np.zeros_like(theta), -gradient
    scaled = preconditioner.solve(residual)
    direction, energy = scaled, float(residual @ scaled)
    enough = forcing * forcing * energy
    products = 0
    while products < INNER_LIMIT:
        product = (yield Curvature(theta, direction)) + penalty.strength * direction
        products += 1
        curvature = float(direction @ product)
        if curvature <= 0.0:
            break
        length = energy / curvature
        step = step + length * direction
        residual = residual - length * product
        scaled = preconditioner.solve(residual)
        before, energy = energy, float(residual @ scaled)
        if energy <= enough or _at_most(residual, penalty, preconditioner) <= LEFT * target:
            break
        direction = scaled + (energy / before) * direction
    return step, -float(gradient @ step), products
