"""Coefficients between bounds: signs and boxes, with the elastic net or without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.penalty import ElasticNet, SymmetricNet

F64 = npt.NDArray[np.float64]

STIFF = 1e100  # any curvature beyond it is as good as infinite
HALVINGS = 100  # of an interval, down to rounding


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
        balanced = self._balanced(gradient - bend * theta, bend)
        return self._slack(theta, balanced), gradient - balanced

    def _balanced(self, point: F64, bend: F64) -> F64:
        """The best h, of  gradient - bend * theta."""
        most = self.threshold
        with np.errstate(invalid="ignore"):  # 0 times infinity
            low = np.where(np.isfinite(self.lower), bend * self.lower, -np.inf)
            high = np.where(np.isfinite(self.upper), bend * self.upper, np.inf)
        return np.where(
            point > most,
            np.maximum(most, point + low),
            np.where(point < -most, np.minimum(-most, point + high), point),
        )

    def _slack(self, theta: F64, balanced: F64) -> float:
        """What theta loses by these h."""
        most = self.threshold
        inner = np.clip(balanced, -most, most)
        away, over, under = theta != 0.0, balanced > inner, balanced < inner
        slack = float((most[away] + np.sign(theta[away]) * inner[away]) @ np.abs(theta[away]))
        slack += float((balanced - inner)[over] @ (theta - self.lower)[over])
        return slack + float((inner - balanced)[under] @ (self.upper - theta)[under])

    def reach(self, value: float) -> float:
        """How long the held part of theta is at most where the kinked part is no more than `value`."""
        kinks = np.where(self.smooth, np.inf, self.threshold)
        by_bounds = np.maximum(-self.lower, self.upper)[self.held & self.smooth]
        return value / float(kinks.min(initial=np.inf)) + float(np.linalg.norm(by_bounds))


@dataclass(frozen=True)
class SymmetricBounded(Bounded, SymmetricNet):
    """The same on all K equations, with the same bounds in each (see `SymmetricNet`)."""

    def placed(self, theta: F64) -> F64:
        """Each column's coefficients shifted to where the penalty is least between the bounds."""
        each, K = theta.reshape(self.n_classes, -1), self.n_classes
        lower, upper = self.lower.reshape(K, -1)[0], self.upper.reshape(K, -1)[0]
        shift = (each - super().placed(theta).reshape(K, -1))[0]
        shift = np.maximum(np.minimum(shift, (each - lower).min(axis=0)), (each - upper).max(axis=0))
        placed: F64 = np.clip(each - shift, lower, upper).ravel()
        return placed

    def split(self, theta: F64, gradient: F64, curvature: F64 | float) -> tuple[float, F64]:
        """As for `Bounded`, with an excess that sums to zero over classes: h is the best for a gradient that is shifted
        by a number for each column, by which it sums to what the ridge pulls (by halving; h grows with the shift)."""
        K = self.n_classes
        each, ridge = theta.reshape(K, -1), self.strength.reshape(K, -1)[0]
        pull = ridge * each.sum(axis=0)
        slopes = gradient.reshape(K, -1)
        slopes = slopes - slopes.mean(axis=0) + pull / K  # the loss's sums to zero, but for rounding
        bend = np.broadcast_to(curvature, theta.shape).reshape(K, -1).mean(axis=0)
        bend = np.tile(np.where(np.isfinite(bend), bend, 0.0), K)
        point = slopes.ravel() - bend * theta
        bounds = sum(np.where(np.isfinite(b), np.abs(b), 0.0) for b in (self.lower, self.upper))
        most = np.where(np.isfinite(self.threshold), self.threshold, 0.0)
        high = (np.abs(point) + bend * bounds + most + np.tile(np.abs(pull), K)).reshape(K, -1).max(axis=0)
        low = -high
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            short = self._balanced(point + np.tile(middle, K), bend).reshape(K, -1).sum(axis=0) < pull
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        balanced = self._balanced(point + np.tile(high, K), bend)
        held = np.isinf(self.threshold)
        unmet = pull - balanced.reshape(K, -1).sum(axis=0)
        left = (ridge > 0.0) & ~held.reshape(K, -1)[0]
        slack = self._slack(theta, np.where(held, 0.0, balanced))
        slack += float((unmet[left] ** 2 / (2.0 * K * ridge[left])).sum())
        excess = slopes - balanced.reshape(K, -1) - unmet / K
        return max(0.0, slack), np.where(held, 0.0, excess.ravel())
