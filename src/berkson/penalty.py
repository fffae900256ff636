"""Penalties on the solver's coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from berkson.rows.questions import Evaluation

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ridge:
    """1/2 sum_j strength_j theta_j^2; strength 0 leaves a coordinate free.  All zero is no penalty at all."""

    strength: F64

    @cached_property
    def has_ridge(self) -> bool:
        return bool(self.strength.any())

    @property
    def is_zero(self) -> bool:
        """Whether there is no penalty at all."""
        return not self.has_ridge

    def add(self, theta: F64, at: Evaluation) -> Evaluation:
        """The objective's evaluation from that of the loss."""
        if not self.has_ridge:
            return at
        with np.errstate(over="ignore"):  # of coefficients far out: infinite, which no solver steps to
            pull = self.strength * theta
            half = 0.5 * float(pull @ theta)
        hessian = at.hessian
        if hessian is not None:
            hessian = hessian.copy()
            hessian.reshape(-1)[:: len(hessian) + 1] += self.strength  # its diagonal
        gradient = None if at.gradient is None else at.gradient + pull
        return Evaluation(at.value + half, at.margin, gradient, hessian)

    def kinked(self, theta: F64) -> float:
        """The part that is not smooth."""
        return 0.0

    def split(self, theta: F64, gradient: F64, curvature: F64 | float) -> tuple[float, F64]:
        """(slack, excess) of the gradient at theta; without kinks it is all excess."""
        return 0.0, gradient


@dataclass(frozen=True)
class ElasticNet(Ridge):
    """The ridge, and sum_j threshold_j |theta_j|.  `add` adds the smooth part alone, the ridge.

    Where the threshold is infinite the coefficient is zero; a ridge there only keeps matrices regular.
    """

    threshold: F64

    @property
    def is_zero(self) -> bool:
        """Whether there is no penalty at all."""
        return not (self.has_ridge or self.threshold.any())

    def kinked(self, theta: F64) -> float:
        """The part that is not smooth."""
        away = theta != 0.0  # at an infinite threshold it is 0, and so is its penalty
        return float(self.threshold[away] @ np.abs(theta[away]))

    def split(self, theta: F64, gradient: F64, curvature: F64 | float) -> tuple[float, F64]:
        """(slack, excess) of the smooth part's gradient g: with h = g - excess anything in [-threshold, threshold],

        slack = sum_j threshold_j |theta_j| + h_j theta_j >= 0  is what theta loses against the minimum where only the
        kinks count, and excess what the gradient keeps: objective(u) >= objective(theta) - slack + excess'(u - theta)
        + the smooth part's convexity, for all u.

        A coefficient of 0 has no slack for any h.  Another has none where h_j = -threshold_j sign(theta_j), and all
        excess r then; against a curvature c that costs r^2 / 2c, and to move part of it into the slack pays from
        r = c |theta_j| on.  `curvature` (size,) of the smooth part: any is valid, the true one is good.
        """
        balanced = np.clip(gradient, -self.threshold, self.threshold)
        away = theta != 0.0
        sign, size = np.sign(theta[away]), np.abs(theta[away])
        bend, most = np.broadcast_to(curvature, theta.shape)[away], 2.0 * self.threshold[away]
        moved = np.clip(sign * gradient[away] + self.threshold[away] - bend * size, 0.0, most)
        balanced[away] = sign * (moved - self.threshold[away])
        return float(moved @ size), gradient - balanced

    def slope(self, theta: F64, to: F64, gradient: F64) -> float:
        """gradient'(to - theta) and what the kinked part changes on the way, without cancellation where signs stay."""
        step, stays = to - theta, (theta * to > 0.0) | (self.threshold == 0.0)
        turned = np.where(stays, 0.0, np.abs(to) - np.abs(theta))
        pull = np.where(stays, np.sign(theta), 0.0)
        used = step != 0.0
        smooth = (gradient + pull * np.where(used, self.threshold, 0.0))[used] @ step[used]
        return float(smooth + self.threshold[used] @ turned[used])
