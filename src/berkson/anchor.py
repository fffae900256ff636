"""Proofs that ask the rows for nothing: by curvature known nearby, and by the size that a penalty allows.

Both bound P(theta) - P* from slack and excess of the smooth part's gradient (see `ElasticNet.split`).
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.certificate import NOTHING, Bound, bound, metric_of, range_factor
from berkson.inverse import inverse_factor
from berkson.penalty import ElasticNet, Ridge
from berkson.rows.coordinates import Coordinates
from berkson.rows.questions import Answer, Evaluate, Evaluation, LargestLeverage, Question, Sample

F64 = npt.NDArray[np.float64]


LEAST = 1e-200  # part of a matrix below which nothing is left of it


@dataclass(frozen=True, slots=True)
class Anchor:
    """A matrix M below the smooth objective's Hessian at theta, its inverse, and h, the largest squared range of a
    row's logits for a step of M-norm 1.

    Along a step d a row's curvature falls to no less than e^-|range| of what it was, and the range is at most
    sqrt(h) |d|_M: so e^(-sqrt(h) |d|_M) M lies below the Hessian at theta + d.
    """

    theta: F64
    hessian: F64
    inverse: F64
    leverage: float

    def keeps(self, theta: F64) -> float:
        """The part of M that is sure to lie below the Hessian at another theta."""
        step = theta - self.theta
        return math.exp(-math.sqrt(self.leverage * max(0.0, float(step @ self.hessian @ step))))

    def proof(self, theta: F64, gradient: F64, penalty: Ridge) -> Bound:
        """The certificate's theorem at theta, from the smooth part's gradient there."""
        slack, excess = penalty.split(theta, gradient, self.hessian.diagonal())
        keeps = self.keeps(theta)
        if not keeps > LEAST:
            return NOTHING
        squared = max(0.0, float(excess @ self.inverse @ excess))
        return bound(math.sqrt(squared / keeps), self.leverage / keeps).loosened(slack)


def anchor_at(
    theta: F64, penalty: Ridge, place: Coordinates, sample: Sample | None
) -> Generator[Question, Answer, Anchor | None]:
    """The ridge and the curvature of the sample's rows, with their own weights, as an anchor for the same ridge or a
    larger one; None where that is singular."""
    at: Evaluation = yield Evaluate(theta, 2, sample, as_part=True)
    hessian = penalty.add(theta, at).hessian
    assert hessian is not None
    factor = inverse_factor(hessian)
    if factor is None:
        return None
    inverse = factor.T @ factor
    leverage = range_factor(place) * (yield LargestLeverage(metric_of(inverse, place), sample))
    return Anchor(theta, hessian, inverse, leverage)


@dataclass(frozen=True, slots=True)
class Extents:
    """How far data reach: weight of each class (2,), the longest row in a solver's coordinates, the largest offset, and
    whether the last coordinate is the constant."""

    class_weight: F64
    longest: float
    offset: float
    constant: bool


def bound_by_size(theta: F64, gradient: F64, penalty: ElasticNet, objective: float, extents: Extents) -> Bound:
    """The bound where curvature proves nothing (more columns than rows, equal columns), for two classes.

    No loss is negative, so at the minimiser the lasso is at most P(theta), and what the gradient keeps of the
    penalised coordinates can gain no more than max_j |excess_j| / threshold_j times that.  The constant u0, the only
    free coordinate, is held by the classes: with |x_i'u + offset_i| <= B, a class of weight W on its wrong side costs
    W (|u0| - B), which is at most P(theta).
    """
    slack, excess = penalty.split(theta, gradient, 0.0)
    held = np.isfinite(penalty.threshold) & (penalty.threshold > 0.0)
    free = penalty.threshold == 0.0
    if free[:-1].any() or (free[-1] and not extents.constant) or not held.any():
        return NOTHING
    gap = slack + float(excess[held] @ theta[held])
    gap += float((np.abs(excess[held]) / penalty.threshold[held]).max()) * objective
    if free[-1]:
        reach = extents.longest * objective / float(penalty.threshold[held].min()) + extents.offset
        zero, one = objective / extents.class_weight
        gap += abs(excess[-1]) * max(abs(theta[-1] + reach + one), abs(reach + zero - theta[-1]))
    return Bound(gap, math.inf, gap, 0.0) if gap >= 0.0 else NOTHING
