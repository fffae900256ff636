"""Proof by size: what the penalty allows the minimiser to be, where curvature proves nothing (more columns than rows,
equal columns), for two classes.

With q_i the fitted probabilities, e the excess of the smooth part's gradient (see `ElasticNet.split`) and e_0 that of
the constant, which no penalty holds: let Q_i = (1 - s) q_i where e_0 > 0, s = e_0 / (e_0 + weight of ones), else
Q_i = q_i + s (1 - q_i), s = |e_0| / (|e_0| + weight of zeros).  These are probabilities whose residuals sum to 0 by
weight, so by Fenchel's inequality

    loss(u) >= loss(theta) + sum_i a_i (Q_i - y_i) x_i'(u - theta) - sum_i a_i KL(Q_i, q_i)

holds whatever the constant, with a gradient that is at most |e_0| max_i |x_ij| from the one at theta, and

    sum_i a_i KL(Q_i, q_i) <= s sum_i a_i log(1 + e^+-eta_i) <= s (P(theta) + weight max_i |eta_i|).

No loss is negative, so the minimiser's lasso is at most P(theta); what an excess can gain with a coefficient is its
share of the threshold, times that; or, under a ridge, its square over twice the strength.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from berkson.certificate import NOTHING, Bound
from berkson.penalty import ElasticNet

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Size:
    """class_weight (2,); reach (q,) of the columns in a solver's coordinates, max_i |x_ij|; the largest offset; whether
    the last coordinate is the constant; the most that the objective is wherever something is proved."""

    class_weight: F64
    reach: F64
    offset: float
    constant: bool
    most: float = math.inf

    def among(self, places: npt.NDArray[np.intp], most: float) -> Size:
        """Of some of the coordinates, the constant among them where there is one."""
        return replace(self, reach=self.reach[places], most=most)

    def proof(self, theta: F64, gradient: F64, penalty: ElasticNet) -> Bound:
        """The bound from the smooth part's gradient; nothing where another coordinate than the constant is free."""
        threshold = penalty.threshold
        pulled = np.isfinite(threshold) & ((threshold > 0.0) | (penalty.strength > 0.0))
        free = np.isfinite(threshold) & ~pulled
        last = bool(free[-1:].any())  # of no coordinates none is
        if free[:-1].any() or (last and not self.constant):
            return NOTHING
        moved = abs(float(gradient[-1])) if last else 0.0
        shifted = 0.0
        if moved > 0.0:
            weight = float(self.class_weight[1 if gradient[-1] > 0.0 else 0])
            furthest = float(self.reach @ np.abs(theta)) + self.offset
            shifted = moved / (moved + weight) * (self.most + weight * furthest)
        by_lasso = by_ridge = math.inf
        if (threshold[pulled] > 0.0).all():
            slack, excess = penalty.split(theta, gradient, 0.0)
            size = np.abs(excess[pulled]) + moved * self.reach[pulled]
            by_lasso = slack + size @ np.abs(theta[pulled]) + (size / threshold[pulled]).max(initial=0.0) * self.most
        if (penalty.strength[pulled] > 0.0).all():
            slack, excess = penalty.split(theta, gradient, penalty.strength)
            size = np.abs(excess[pulled]) + moved * self.reach[pulled]
            by_ridge = slack + 0.5 * float((size * size / penalty.strength[pulled]).sum())
        gap = float(min(by_lasso, by_ridge)) + shifted
        return Bound(gap, math.inf, gap, 0.0) if gap >= 0.0 else NOTHING  # False for NaN
