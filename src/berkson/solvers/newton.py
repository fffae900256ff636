"""Newton's method with exact Hessians, on all rows or on a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson import kernels
from berkson.penalty import Ridge
from berkson.rows.questions import Evaluate, Evaluation, Sample
from berkson.solvers.run import Solver

F64 = npt.NDArray[np.float64]

ARMIJO = 1e-4  # of the predicted decrease that a step must bring
ROUNDING = 1e-13  # of the value: decreases below it cannot be seen
TRIES = 12  # ridges, each 100 times the last, after which a Hessian is not a matrix of numbers
SHORTEST = 1e-2  # part of a Newton step that is tried before the step is damped
SLOW, SLOW_STEPS = (
    0.2,
    4,
)  # full steps that shrink the decrement no better than this, so often, are a divergence


@dataclass(frozen=True, slots=True)
class Solution:
    """Where a solver stopped: theta, the objective there, iterations, and why: 'target', 'limit' (of iterations),
    'separated' (every row lies strictly on its own side), 'slow' (full steps at a constant rate, as on separated data),
    'stalled' (rounding allows no further decrease), 'judged' (no step was asked for)."""

    theta: F64
    at: Evaluation
    iterations: int
    reason: str


def newton_step(hessian: F64, gradient: F64, damping: float = 0.0) -> tuple[F64, float]:
    """(step, -gradient'step) of step = -(H + damping c I)^-1 g, with c the larger of curvature and gradient: at damping
    1 no standardised coordinate moves by more than about 1.  Where H is singular to working precision it gets just
    enough of a ridge for a direction of descent."""
    scale = max(float(hessian.diagonal().max()), float(np.abs(gradient).max())) if damping else 0.0
    ridge = damping * scale
    for _ in range(TRIES):
        matrix = hessian + np.diag(ridge + 1e-14 * hessian.diagonal()) if ridge else hessian
        uphill = kernels.systems.solve(matrix, gradient)
        if uphill is not None:
            decrease = float(gradient @ uphill)
            if 0.0 <= decrease < math.inf:
                return -uphill, decrease
        scale = scale or max(float(hessian.diagonal().max()), float(np.abs(gradient).max()))
        ridge = 1e-14 * scale if ridge == 0.0 else ridge * 100.0
    return np.zeros_like(gradient), math.inf


def newton(
    theta: F64,
    penalty: Ridge,
    *,
    target: float,
    max_iterations: int,
    sample: Sample | None = None,
    watch_separation: bool = False,
    rough: bool = False,
) -> Solver[Solution]:
    """Minimise to an estimated gap (decrement^2 / 2) of `target`, or to what rounding allows.

    The objective is evaluated with its Hessian at every trial, so an accepted step costs one pass; `rough` Hessians may
    be in single precision.
    """
    at = penalty.add(theta, (yield Evaluate(theta, 2, sample, rough=rough)))
    before, slow = np.inf, 0
    for iteration in range(max_iterations + 1):
        assert at.gradient is not None
        assert at.hessian is not None
        if watch_separation and at.margin > 0:
            return Solution(theta, at, iteration, "separated")
        step, decrease = newton_step(at.hessian, at.gradient)
        if decrease <= 2.0 * target:
            return Solution(theta, at, iteration, "target")
        if decrease == math.inf:
            return Solution(theta, at, iteration, "stalled")
        slow = slow + 1 if decrease > SLOW * before else 0
        if watch_separation and slow >= SLOW_STEPS and iteration > 6:
            return Solution(theta, at, iteration, "slow")
        if iteration == max_iterations:
            break
        length, damping = 1.0, 0.0
        while True:
            trial = theta + length * step
            there = penalty.add(trial, (yield Evaluate(trial, 2, sample, rough=rough)))
            if there.value <= at.value - ARMIJO * length * decrease + ROUNDING * abs(at.value):
                break
            length *= 0.5
            if length < SHORTEST:  # the quadratic model means nothing this far out: shorter and turned to the gradient
                if damping > 1e4:
                    return Solution(theta, at, iteration, "stalled")
                length, damping = 1.0, max(1e-4, 100.0 * damping)
                step, decrease = newton_step(at.hessian, at.gradient, damping)
        if decrease < 1e-20 * abs(at.value) and decrease > 0.25 * before:
            return Solution(trial, there, iteration + 1, "stalled")
        theta, at, before = trial, there, decrease if length == 1.0 and not damping else np.inf
    return Solution(theta, at, max_iterations, "limit")
