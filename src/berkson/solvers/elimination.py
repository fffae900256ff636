"""Newton's method under a ridge where a factor has many levels: their coefficients are eliminated from each step.

Between the levels of one factor the Hessian is diagonal (`design.arrow`), so that a step costs as much as one for the
other columns alone, and a matrix of all columns is never formed.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from berkson.design.arrow import Arrow
from berkson.penalty import Ridge
from berkson.rows.questions import ArrowHessian, Draw, Evaluate, Evaluation, Sample
from berkson.solvers.newton import ARMIJO, ROUNDING, TRIES, Solution
from berkson.solvers.run import Solver

F64 = npt.NDArray[np.float64]

SHORTEST = 1e-10  # part of a step that is tried before it is given up
SAMPLE_STEPS = 15  # Newton steps on a sample, which is only to begin from
PROVED = 1e-4  # of the target: decrements from which the gradient proves it against the ridge alone
NOISE = 0.05  # of a row's loss, for each unknown: a tenth of what the sample's own optimum is off by


def eliminating(
    theta: F64,
    penalty: Ridge,
    *,
    target: float,
    max_iterations: int,
    n_rows: int,
    class_share: F64,
    sample_size: int = 0,
) -> Solver[Solution]:
    """Minimise to an estimated gap (decrement^2 / 2) of `target`, or to what rounding allows; a sample of rows, where
    one is worth it, is fitted first."""
    if sample_size:
        drawn: Sample = yield Draw(sample_size, class_share)
        # with the weight of its own rows: a rare level that few of them show is held by the ridge, as it is in the end
        sample = replace(drawn, scaled=drawn.scaled * (drawn.size / n_rows))
        near = yield from _newton(theta, penalty, NOISE * len(theta), SAMPLE_STEPS, sample)
        theta = near.theta if near.reason == "target" else theta
    return (yield from _newton(theta, penalty, target, max_iterations, None))


def block_diagonal(theta: F64, penalty: Ridge) -> Solver[Arrow]:
    """The Hessian without what couples large factors to other columns: what conjugate gradients are preconditioned
    by."""
    hessian: Arrow = (yield ArrowHessian(theta, coupled=False))[1]
    return hessian.lifted(penalty.strength)


def _newton(theta: F64, penalty: Ridge, target: float, max_iterations: int, sample: Sample | None) -> Solver[Solution]:
    at, step, decrease = yield from _look(theta, penalty, sample)
    before, enough = math.inf, 2.0 * target if sample is not None else PROVED * target
    for iteration in range(max_iterations + 1):
        if decrease <= enough:
            return Solution(theta, at, iteration, "target")
        if decrease == math.inf or (decrease < 1e-20 * abs(at.value) and decrease > 0.25 * before):
            return Solution(theta, at, iteration, "stalled")
        if iteration == max_iterations:
            break
        # a step squares what is left: where the next decrement will do, its Hessian has no use
        if sample is None and before < math.inf and decrease * (decrease / before) ** 2 <= enough:
            there = penalty.add(theta + step, (yield Evaluate(theta + step, 1)))
            if there.value <= at.value - ARMIJO * decrease + ROUNDING * abs(at.value):
                return Solution(theta + step, there, iteration + 1, "target")
        length = 1.0
        while True:
            trial = theta + length * step
            there, along, gain = yield from _look(trial, penalty, sample)
            if there.value <= at.value - ARMIJO * length * decrease + ROUNDING * abs(at.value):
                break
            length *= 0.5
            if length < SHORTEST:
                return Solution(theta, at, iteration, "stalled")
        before = decrease if length == 1.0 else math.inf
        theta, at, step, decrease = trial, there, along, gain
    return Solution(theta, at, max_iterations, "limit")


def _look(theta: F64, penalty: Ridge, sample: Sample | None) -> Solver[tuple[Evaluation, F64, float]]:
    """The objective, the Newton step from there and its decrement, squared; the Hessian is not kept."""
    at, hessian = yield ArrowHessian(theta, True, sample)
    at = penalty.add(theta, at)
    assert at.gradient is not None
    return at, *_step(hessian.lifted(penalty.strength), at.gradient)


def _step(hessian: Arrow, gradient: F64) -> tuple[F64, float]:
    """(step, -gradient'step) of H step = -gradient; where H is singular to working precision it gets just enough of a
    ridge for a direction of descent."""
    ridge = 0.0
    for _ in range(TRIES):
        try:
            step = -(hessian.lifted(ridge * hessian.diagonal()) if ridge else hessian).solve(gradient)
            decrease = -float(gradient @ step)
            if 0.0 <= decrease < math.inf:
                return step, decrease
        except np.linalg.LinAlgError:
            pass
        ridge = 1e-14 if ridge == 0.0 else 100.0 * ridge
    return np.zeros_like(gradient), math.inf
