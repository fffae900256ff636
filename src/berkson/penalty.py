"""Penalties on the solver's coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from berkson.rows.coordinates import Coordinates
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
        return Evaluation(at.value + half, at.margin, gradient, hessian, at.rounding)

    def ridge(self, theta: F64) -> float:
        """The smooth part."""
        if not self.has_ridge:
            return 0.0
        with np.errstate(over="ignore"):  # of coefficients far out: infinite, which no solver steps to
            return 0.5 * float((self.strength * theta) @ theta)

    def kinked(self, theta: F64) -> float:
        """The part that is not smooth."""
        return 0.0

    def split(self, theta: F64, gradient: F64, curvature: F64 | float) -> tuple[float, F64]:
        """(slack, excess) of the gradient at theta; without kinks it is all excess."""
        return 0.0, gradient


FLAT = 1e-5  # of a column's curvature: what is added along its class shift, so that systems are regular


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
        # at an infinite threshold it is 0, and so is its penalty
        return float(self._finite @ np.abs(theta)) if self.has_kinks else 0.0

    @cached_property
    def has_kinks(self) -> bool:
        """Whether a coefficient that need not be zero has a kink there."""
        return bool(self._finite.any())

    @cached_property
    def _finite(self) -> F64:
        return np.where(np.isinf(self.threshold), 0.0, self.threshold)

    def allowed(self, theta: F64) -> F64:
        """With zeros where nothing else has a finite penalty."""
        return np.where(np.isinf(self.threshold), 0.0, theta)

    @property
    def smooth(self) -> npt.NDArray[np.bool_]:
        """Coordinates without a kink."""
        return np.asarray(self.threshold == 0.0)

    @property
    def held(self) -> npt.NDArray[np.bool_]:
        """Coordinates whose size at the minimiser the penalty limits."""
        return ~self.smooth

    def dual_norm(self, gradient: F64) -> float:
        """The least N with  gradient'u <= N kinked(u)  for all u in the coordinates with finite kinks."""
        kinks = np.isfinite(self.threshold) & (self.threshold > 0.0)
        return float((np.abs(gradient[kinks]) / self.threshold[kinks]).max(initial=0.0))

    def reach(self, value: float) -> float:
        """How long the held part of theta is at most where the kinked part is no more than `value`."""
        return value / float(self.threshold[self.held].min(initial=np.inf))

    def split(self, theta: F64, gradient: F64, curvature: F64 | float) -> tuple[float, F64]:
        """(slack, excess) of the smooth part's gradient g: with h = g - excess anything in [-threshold, threshold],

        slack = sum_j threshold_j |theta_j| + h_j theta_j >= 0  is what theta loses against the minimum where only the
        kinks count, and excess what the gradient keeps: objective(u) >= objective(theta) - slack + excess'(u - theta)
        + the smooth part's convexity, for all u.

        A coefficient of 0 has no slack for any h.  Another has none where h_j = -threshold_j sign(theta_j), and all
        excess r then; against a curvature c that costs r^2 / 2c, and to move part of it into the slack pays from
        r = c |theta_j| on.  `curvature` (size,) of the smooth part: any is valid, the true one is good.
        """
        if not self.has_kinks:
            return 0.0, self.allowed(gradient)
        balanced = np.minimum(np.maximum(gradient, -self.threshold), self.threshold)
        away = np.flatnonzero(theta)
        at, threshold = theta[away], self.threshold[away]
        sign, size = np.sign(at), np.abs(at)
        bend = curvature[away] if isinstance(curvature, np.ndarray) else curvature
        moved = sign * gradient[away] + threshold - bend * size
        moved = np.minimum(np.maximum(moved, 0.0), 2.0 * threshold)
        balanced[away] = sign * (moved - threshold)
        return float(moved @ size), gradient - balanced

    def regular(self, hessian: F64) -> F64:
        """The smooth part's Hessian from that of the loss, regular where coefficients are determined."""
        if not self.has_ridge:
            return hessian
        regular = hessian.copy()
        regular.reshape(-1)[:: len(regular) + 1] += self.strength  # its diagonal
        return regular

    def placed(self, theta: F64) -> F64:
        """The same predictions by coefficients that this penalty likes best."""
        return theta

    def slope(self, theta: F64, to: F64, gradient: F64) -> float:
        """gradient'(to - theta) and what the kinked part changes on the way, without cancellation where signs stay."""
        used = np.flatnonzero(to != theta)
        before, after, threshold = theta[used], to[used], self.threshold[used]
        stays = (before * after > 0.0) | (threshold == 0.0)
        pull = np.where(stays, np.sign(before) * threshold, 0.0)
        turned = np.where(stays, 0.0, np.abs(after) - np.abs(before))
        return float((gradient[used] + pull) @ (after - before) + threshold @ turned)


@dataclass(frozen=True)
class SymmetricNet(ElasticNet):
    """The same on all K equations (see `Coordinates.symmetric`): theta is (K, q), penalised alike in every class.

    The loss does not change where a column's K coefficients are shifted together, so the penalty alone says where they
    lie; its subgradient h then sums over classes to what the ridge pulls, and a proof is about contrasts alone.
    """

    n_classes: int

    def regular(self, hessian: F64) -> F64:
        """With a little curvature along class shifts, where the loss has none: no gradient lies along them."""
        K = self.n_classes
        full = hessian + np.diag(self.strength)
        blocks = full.reshape(K, -1, K, full.shape[0] // K)
        each = np.einsum("kjkj->j", blocks) / K
        column = np.arange(len(each))
        blocks[:, column, :, column] += (FLAT / K * each)[:, None, None]
        return full

    def placed(self, theta: F64) -> F64:
        """Each column's coefficients shifted to where the penalty is least: under the lasso their median (of K even:
        the middle of those that are), under a ridge, or without a penalty, their mean, between them with both.

        Where so many lie above the shift c and the rest below, threshold (below - above) + strength sum(c - theta_k)
        is 0 at one c each; those c and the coefficients themselves have the least point as their median.
        """
        each, K = theta.reshape(self.n_classes, -1), self.n_classes
        ridge, lasso = self.strength.reshape(K, -1)[0], self.threshold.reshape(K, -1)[0]
        mean, shift = each.mean(axis=0), np.median(each, axis=0)
        both = (ridge > 0.0) & (lasso > 0.0) & np.isfinite(lasso)
        balance = np.arange(K, -K - 1, -2.0)[:, None]  # how many more lie above than below
        centres = mean[both] + balance * (lasso[both] / (K * ridge[both]))
        shift[both] = np.median(np.vstack([each[:, both], centres]), axis=0)
        shift = np.where(lasso > 0.0, shift, mean)
        return (each - shift).ravel()

    def split(self, theta: F64, gradient: F64, curvature: F64 | float) -> tuple[float, F64]:
        """As for `ElasticNet`, with an excess that sums to zero over classes.

        Without that condition the best h is clip(gradient - curvature theta); with it, the same of a gradient that is
        shifted by a number for each column.  Where no h in the box has the ridge's sum (coefficients that are not where
        `placed` puts them), the ridge bounds what the rest of the shift can gain: (its sum)^2 / (2 K strength).
        """
        K = self.n_classes
        each, ridge, lasso = theta.reshape(K, -1), self.strength.reshape(K, -1)[0], self.threshold.reshape(K, -1)[0]
        pull = ridge * each.sum(axis=0)
        slopes = gradient.reshape(K, -1)
        slopes = slopes - slopes.mean(axis=0) + pull / K  # the loss's sums to zero, but for rounding
        bend = np.broadcast_to(curvature, theta.shape).reshape(K, -1).mean(axis=0)
        held = ~np.isfinite(lasso)
        box = np.where(held, 0.0, lasso)
        wanted = np.clip(pull, -K * box, K * box)
        away = np.where(np.isfinite(bend) & ~held, bend, 0.0) * each
        balanced = _in_box(slopes - away, box, wanted)
        slack = float((box * np.abs(each) + balanced * each).sum())
        unmet = np.where(held, 0.0, pull - wanted)
        left = unmet != 0.0  # only under a ridge
        slack += float((unmet[left] ** 2 / (2.0 * K * ridge[left])).sum())
        excess = np.where(held, 0.0, slopes - balanced - unmet / K)
        return max(0.0, slack), excess.ravel()


def _in_box(each: F64, box: F64, wanted: F64) -> F64:
    """clip(each + shift, -box, box), (K, q), with a shift for each column by which it sums to `wanted`, |wanted| <=
    K box: the sum grows with the shift, and piecewise linearly, so its value at every bend tells where."""
    bends = np.sort(np.concatenate([-box - each, box - each]), axis=0)  # (2K, q)
    sums = np.clip(each + bends[:, None, :], -box, box).sum(axis=1)
    after = np.clip((sums < wanted).sum(axis=0), 1, len(bends) - 1)
    column = np.arange(each.shape[1])
    low, high = bends[after - 1, column], bends[after, column]
    below, above = sums[after - 1, column], sums[after, column]
    rise = above - below
    part = np.divide(wanted - below, rise, out=np.full(len(rise), 0.5), where=rise > 0.0)
    clipped: F64 = np.clip(each + low + np.clip(part, 0.0, 1.0) * (high - low), -box, box)
    return clipped


def elastic_net(ridge: F64, lasso: F64, place: Coordinates) -> ElasticNet:
    """The elastic net of strengths and thresholds (q,) by column, the same in every equation."""
    if place.contrasts == 1:
        return ElasticNet(ridge, lasso)
    strength, threshold = np.tile(ridge, place.contrasts), np.tile(lasso, place.contrasts)
    if place.symmetric:
        return SymmetricNet(strength, threshold, place.contrasts)
    return ElasticNet(strength, threshold)
