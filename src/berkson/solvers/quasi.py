"""Limited-memory BFGS whose first Hessian is a given preconditioner: a few exact gradients, no Hessian of all rows."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import numpy as np
import numpy.typing as npt

from berkson.penalty import Ridge
from berkson.rows.questions import Evaluate, Evaluation, Sample
from berkson.solvers.newton import ARMIJO, ROUNDING, Solution
from berkson.solvers.run import Solver

F64 = npt.NDArray[np.float64]

MEMORY = 12  # pairs kept; a well-preconditioned fit ends before it is full


class Preconditioner(Protocol):
    """An approximation of the inverse Hessian."""

    def solve(self, gradient: F64) -> F64: ...


class Pairs:
    """Steps and the changes of gradient they made (the two-loop recursion of Nocedal, Math. Comp. 35, 1980)."""

    def __init__(self, preconditioner: Preconditioner) -> None:
        self._preconditioner = preconditioner
        self._pairs: deque[tuple[F64, F64, float]] = deque(maxlen=MEMORY)

    def remember(self, step: F64, change: F64) -> None:
        curvature = float(step @ change)
        if curvature > 1e-14 * float(np.linalg.norm(step) * np.linalg.norm(change)):
            self._pairs.append((step, change, 1.0 / curvature))

    def direction(self, gradient: F64) -> F64:
        """-H g with the inverse Hessian H that the pairs and the preconditioner define."""
        q = gradient.copy()
        weights = []
        for step, change, inverse in reversed(self._pairs):
            weight = inverse * float(step @ q)
            q -= weight * change
            weights.append(weight)
        r = self._preconditioner.solve(q)
        for (step, change, inverse), weight in zip(self._pairs, reversed(weights), strict=True):
            r += (weight - inverse * float(change @ r)) * step
        return -r


def quasi_newton(
    theta: F64,
    penalty: Ridge,
    preconditioner: Preconditioner,
    *,
    target: float,
    max_iterations: int,
    sample: Sample | None = None,
    patience: int | None = None,
    at: Evaluation | None = None,
) -> Solver[Solution]:
    """Minimise to an estimated gap of `target`.

    The gap is estimated by half the squared gradient in the preconditioner's norm (with the pairs' correction).
    With `patience`, that many iterations in a row that do not halve the estimate end the run as 'slow': the
    preconditioner does not know this objective, and a better one is due.  `at` is the objective at theta, where known.
    """
    if at is None:
        at = penalty.add(theta, (yield Evaluate(theta, 1, sample)))
    pairs = Pairs(preconditioner)
    before, slow = np.inf, 0
    for iteration in range(max_iterations + 1):
        assert at.gradient is not None
        step = pairs.direction(at.gradient)
        decrease = -float(at.gradient @ step)
        if decrease <= 2.0 * target:
            return Solution(theta, at, iteration, "target")
        slow = slow + 1 if decrease > 0.5 * before else 0
        if patience is not None and slow >= patience:
            return Solution(theta, at, iteration, "slow")
        if iteration == max_iterations:
            break
        before = decrease
        length = 1.0
        while True:
            trial = theta + length * step
            there = penalty.add(trial, (yield Evaluate(trial, 1, sample)))
            actual = at.value - there.value
            if actual >= ARMIJO * length * decrease - ROUNDING * abs(at.value):
                break
            # the minimum of the parabola through value, slope and trial, kept away from both ends
            length *= min(0.5, max(0.1, 0.5 * length * decrease / (length * decrease - actual)))
            if length < 1e-10:
                return Solution(theta, at, iteration, "stalled")
        assert there.gradient is not None
        pairs.remember(trial - theta, there.gradient - at.gradient)
        theta, at = trial, there
    return Solution(theta, at, max_iterations, "limit")
