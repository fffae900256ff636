"""Coefficients between bounds: signs and boxes, with the elastic net or without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.penalty import ElasticNet

F64 = npt.NDArray[np.float64]

STIFF = 1e100  # any curvature beyond it is as good as infinite


@dataclass(frozen=True)
class Bounded(ElasticNet):
    """The elastic net, and  lower <= theta <= upper  (d,), which contain 0; infinite where there is no bound."""

    lower: F64
    upper: F64

    @property
    def is_zero(self) -> bool:
        """Whether there is no penalty at all; a bound is one."""
        return super().is_zero and not (np.isfinite(self.lower).any() or np.isfinite(self.upper).any())

    @property
    def held(self) -> npt.NDArray[np.bool_]:
        """Coordinates whose size at the minimiser kinks or two bounds limit."""
        return super().held | (np.isfinite(self.lower) & np.isfinite(self.upper))

    def split(self, theta: F64, gradient: F64, curvature: F64 | float) -> tuple[float, F64]:
        """(slack, excess) as of an elastic net.  A bound balances any slope that presses against it: h < -threshold has
        the slack  (-threshold - h) (upper - theta),  and h > threshold likewise that of its way to the lower bound.
        The best h against a curvature c is  gradient - c (theta - w),  w the end of a proximal step.
        """
        bend = np.minimum(np.broadcast_to(curvature, theta.shape), STIFF)
        most, point = self.threshold, gradient - bend * theta
        with np.errstate(invalid="ignore"):  # 0 times infinity
            low = np.where(np.isfinite(self.lower), bend * self.lower, -np.inf)
            high = np.where(np.isfinite(self.upper), bend * self.upper, np.inf)
        balanced = np.where(
            point > most,
            np.maximum(most, point + low),
            np.where(point < -most, np.minimum(-most, point + high), point),
        )
        inner = np.clip(balanced, -most, most)
        away, over, under = theta != 0.0, balanced > inner, balanced < inner
        slack = float((most[away] + np.sign(theta[away]) * inner[away]) @ np.abs(theta[away]))
        slack += float((balanced - inner)[over] @ (theta - self.lower)[over])
        slack += float((inner - balanced)[under] @ (self.upper - theta)[under])
        return slack, gradient - balanced

    def reach(self, value: float) -> float:
        """How long the held part of theta is at most where the kinked part is no more than `value`."""
        kinks = np.where(self.smooth, np.inf, self.threshold)
        by_bounds = np.maximum(-self.lower, self.upper)[self.held & self.smooth]
        return value / float(kinks.min(initial=np.inf)) + float(np.linalg.norm(by_bounds))
