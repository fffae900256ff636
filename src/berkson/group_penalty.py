"""Groups of coefficients that are zero together: the group lasso and the sparse-group lasso."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.penalty import ElasticNet

F64 = npt.NDArray[np.float64]

STIFF = 1e100  # any curvature beyond it is as good as infinite
ROOTS = 60  # steps of Newton's method to the dual norm; a handful are used


@dataclass(frozen=True)
class SparseGroup(ElasticNet):
    """The ridge, and  sum_g radius_g |z_g|_2 + sum_j threshold_j |theta_j|,  z = unit * theta.

    group (d,) the code from 0 of each coordinate's group, radius (number of groups,) >= 0; unit (d,) > 0.
    """

    group: npt.NDArray[np.intp]
    radius: F64
    unit: F64

    @property
    def is_zero(self) -> bool:
        """Whether there is no penalty at all."""
        return super().is_zero and not self.radius.any()

    @property
    def smooth(self) -> npt.NDArray[np.bool_]:
        """Coordinates without a kink."""
        return np.asarray(super().smooth & (self.radius[self.group] == 0.0))

    def norms(self, z: F64) -> F64:
        """The length of each group."""
        length: F64 = np.sqrt(np.bincount(self.group, z * z, len(self.radius)))
        return length

    def kinked(self, theta: F64) -> float:
        """The part that is not smooth."""
        return super().kinked(theta) + float(self.radius @ self.norms(self.unit * theta))

    def split(self, theta: F64, gradient: F64, curvature: F64 | float) -> tuple[float, F64]:
        """(slack, excess) as of an elastic net.  What the kinks balance is minus the point of their dual ball (a box
        plus balls, one a group) that is nearest to  c z - gradient,  with the group's mean curvature c: the subgradient
        at the end w of a proximal step.  Its slack is that of the box, and of each ball  radius (|z| - z'w / |w|).
        """
        z, size = self.unit * theta, np.bincount(self.group, minlength=len(self.radius))
        bend = np.minimum(np.broadcast_to(curvature, z.shape) / self.unit**2, STIFF)
        bend = (np.bincount(self.group, bend, len(size)) / np.maximum(size, 1))[self.group]
        point, most = bend * z - gradient / self.unit, self.threshold / self.unit
        boxed = np.clip(point, -most, most)
        rest = point - boxed
        length, radius = self.norms(rest), self.radius
        outside = length > radius
        ball = rest * np.where(outside, radius / np.where(outside, length, 1.0), 1.0)[self.group]
        excess = gradient + self.unit * (boxed + ball)
        away = z != 0.0
        slack = float((most[away] - np.sign(z[away]) * boxed[away]) @ np.abs(z[away]))
        far = self.norms(z)
        turned = z / np.where(far > 0.0, far, 1.0)[self.group] - rest / np.where(outside, length, 1.0)[self.group]
        inside = np.bincount(self.group, ball * z, len(size))  # cancels where the group stays
        return slack + float(
            np.where(outside, 0.5 * radius * far * self.norms(turned) ** 2, radius * far - inside).sum()
        ), excess

    def slope(self, theta: F64, to: F64, gradient: F64) -> float:
        """gradient'(to - theta) and what the kinked part changes on the way, without cancellation."""
        here, there = self.unit * theta, self.unit * to
        both = self.norms(here) + self.norms(there)
        pull = (self.radius / np.where(both > 0.0, both, 1.0))[self.group] * (here + there)
        return super().slope(theta, to, gradient + self.unit * pull)

    def dual_norm(self, gradient: F64) -> float:
        """The least N with  gradient'u <= N kinked(u)  for all u in the coordinates that kinks hold: of each group the
        root of  |S(gradient, N threshold)| = N radius,  S the soft threshold, by Newton's method, which is monotone."""
        held = self.held & np.isfinite(self.threshold)
        size = np.where(held, np.abs(gradient), 0.0) / self.unit
        most = np.where(held, self.threshold, 0.0) / self.unit
        root, count = np.zeros(len(self.radius)), len(self.radius)
        for _ in range(ROOTS):
            left = np.maximum(size - root[self.group] * most, 0.0)
            length = self.norms(left)
            fall = np.bincount(self.group, left * most, count) / np.where(length > 0.0, length, 1.0) + self.radius
            value = length - root * self.radius
            rise = np.where((fall > 0.0) & (value > 0.0), value / np.where(fall > 0.0, fall, 1.0), 0.0)
            if not (root + rise > root).any():
                break
            root += rise
        return float(root.max(initial=0.0))

    def reach(self, value: float) -> float:
        """How long the held part of theta is at most where the kinked part is no more than `value`."""
        held = self.held & np.isfinite(self.threshold)
        least = self.radius[self.group] * self.unit + self.threshold
        return value / float(least[held].min()) if held.any() else 0.0
