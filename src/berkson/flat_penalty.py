"""The lasso where columns depend on each other, as those of all levels of a factor and the constant do.

Along such a dependence v the loss does not change (x_i'v = 0 in every row), so that its gradient has no part there and
its Hessian M no curvature.  With an excess e (see `ElasticNet.split`) for which e'v = 0 nothing in the theorem depends
on a step's part along v, which may be taken to be 0: M + c v v' serves for M, and is regular.  There is such an excess,
since the kinks' part h need not be the nearest to the gradient: where a coefficient is 0, and the slope below its
threshold, h has room.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.penalty import FLAT, ElasticNet
from berkson.rows.questions import Evaluation

F64 = npt.NDArray[np.float64]

ROUNDING = 1e-12  # of the thresholds along a dependence: what is left of signs that balance


@dataclass(frozen=True)
class FlatNet(ElasticNet):
    """The lasso; `flat` (m, size), orthonormal: the directions in which the loss does not change."""

    flat: F64

    def add(self, theta: F64, at: Evaluation) -> Evaluation:
        """The objective's evaluation, its Hessian regular."""
        added = super().add(theta, at)
        return added if added.hessian is None else added._replace(hessian=self._bent(added.hessian))

    def regular(self, hessian: F64) -> F64:
        return self._bent(super().regular(hessian))

    def _bent(self, hessian: F64) -> F64:
        return hessian + (FLAT * float(hessian.diagonal().mean())) * (self.flat.T @ self.flat)

    def split(self, theta: F64, gradient: F64, curvature: F64 | float) -> tuple[float, F64]:
        """As for `ElasticNet`, with an excess that has no part along the flat directions."""
        slack, excess = super().split(theta, gradient, curvature)
        along, kinks = self.flat @ excess, np.where(np.isfinite(self.threshold), self.threshold, 0.0)
        if np.linalg.norm(along) > ROUNDING * np.linalg.norm(kinks):
            room = np.where(theta == 0.0, kinks - np.abs(np.clip(gradient, -kinks, kinks)), 0.0)
            spread = self.flat * (room * room)
            moved = spread.T @ np.linalg.lstsq(spread @ self.flat.T, along, rcond=None)[0]
            left = np.linalg.norm(self.flat @ (excess - moved))
            if (np.abs(moved) <= room).all() and left <= ROUNDING * np.linalg.norm(kinks):
                excess = excess - moved
            else:  # h = 0 always is such a part
                slack, excess = float(kinks @ np.abs(theta)), gradient
        return slack, excess - self.flat.T @ (self.flat @ excess)
