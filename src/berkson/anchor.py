"""Proofs that ask the rows for nothing: by curvature known nearby, and by the size that a penalty allows.

Both bound P(theta) - P* from slack and excess of the smooth part's gradient (see `ElasticNet.split`).
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, replace

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
    """A matrix M of which a part lies below the smooth objective's Hessian at theta, M's inverse, and h, the largest
    squared range of a row's logits for a step of M-norm 1.

    Along a step d a row's curvature falls to no less than e^-|range| of what it was, and the range is at most
    sqrt(h) |d|_M: so e^(-sqrt(h) |d|_M) of that part lies below the Hessian at theta + d.
    """

    theta: F64
    hessian: F64
    inverse: F64
    leverage: float
    part: float = 1.0

    def keeps(self, theta: F64) -> float:
        """The part of M that is sure to lie below the Hessian at another theta."""
        step = theta - self.theta
        return self.part * math.exp(-math.sqrt(self.leverage * max(0.0, float(step @ self.hessian @ step))))

    def moved(self, theta: F64, part: float) -> Anchor:
        """The same matrix where so much of it lies below the Hessian."""
        return replace(self, theta=theta, part=part)

    def proof(
        self, theta: F64, gradient: F64, penalty: Ridge, off: float = 0.0, leverage: float | None = None
    ) -> Bound:
        """The certificate's theorem at theta, from the smooth part's gradient there.

        off : what the gradient may be off by in the norm of H^-1, H the smooth objective's Hessian.  As M lies below H,
        the theorem holds in the norm of H with  delta <= |excess|_(M^-1) + off,  if h is over all rows: `leverage`.
        """
        slack, excess = penalty.split(theta, gradient, self.part * self.hessian.diagonal())
        keeps = self.keeps(theta)
        if not keeps > LEAST:
            return NOTHING
        squared = max(0.0, float(excess @ self.inverse @ excess))
        h = self.leverage if leverage is None else leverage
        return bound(math.sqrt(squared / keeps) + off, h / keeps).loosened(slack)


def anchor_at(
    theta: F64, penalty: Ridge, place: Coordinates, sample: Sample | None
) -> Generator[Question, Answer, Anchor | None]:
    """The ridge and the curvature of the sample's rows, with their own weights, as an anchor for the same ridge or a
    larger one; None where that is singular."""
    at: Evaluation = yield Evaluate(theta, 2, sample, as_part=True)
    hessian = penalty.add(theta, at).hessian
    assert hessian is not None
    return (yield from anchor_of(theta, hessian, place, sample))


def anchor_of(
    theta: F64, hessian: F64, place: Coordinates, sample: Sample | None
) -> Generator[Question, Answer, Anchor | None]:
    """The anchor of the smooth objective's Hessian by the sample's rows, with their own weights, at theta."""
    _, turned = place.on_contrasts(theta, hessian)
    factor = inverse_factor(turned)
    if factor is None:
        return None
    inverse = place.on_equations(factor.T @ factor)
    leverage = range_factor(place) * (yield LargestLeverage(metric_of(inverse, place), sample))
    return Anchor(theta, hessian, inverse, leverage)


@dataclass(frozen=True, slots=True)
class Extents:
    """How far data reach: weight of each class (K,), the longest row in a solver's coordinates, the largest offset,
    whether each equation's last coordinate is the constant, and the equations of K classes (`Coordinates.basis`)."""

    class_weight: F64
    longest: float
    offset: float
    constant: bool
    basis: F64 | None


def bound_by_size(
    theta: F64, gradient: F64, penalty: ElasticNet, objective: float, extents: Extents, hessian: F64 | None = None
) -> Bound:
    """The bound where curvature proves nothing (more columns than rows, equal columns).

    No loss is negative, so at the minimiser the lasso is at most P(theta), and what the gradient keeps of the
    penalised coordinates can gain no more than max_j |excess_j| / threshold_j times that.  The constants, where they
    are the only free coordinates, are held by the classes: where predictors without them differ by at most B in any
    row, a class of weight W whose constant lies d below the largest costs W (d - B), which is at most P(theta).  Other
    free coordinates take the loss's Hessian at theta (see `_settled`).
    """
    slack, excess = penalty.split(theta, gradient, 0.0)
    basis = extents.basis
    equations = 1 if basis is None else basis.shape[1]
    held = penalty.held
    free = ~held.reshape(equations, -1)
    if not held.any():
        return NOTHING
    gap = slack + float(excess[held] @ theta[held]) + penalty.dual_norm(excess) * objective
    if free[:, :-1].any() or (free[:, -1].any() and not extents.constant):
        length = float(np.linalg.norm(theta[held])) + penalty.reach(objective)
        gap += math.inf if hessian is None else _settled(excess, penalty, length, extents, hessian)
    elif free[:, -1].any():
        ends = 1 if basis is None else 2  # predictors that differ
        turned = math.sqrt(2.0) if basis is not None and equations < len(basis) else 1.0  # two classes' by contrasts
        reach = turned * extents.longest * penalty.reach(objective) + ends * extents.offset
        below = reach + objective / extents.class_weight
        constant, pull = theta.reshape(equations, -1)[:, -1], excess.reshape(equations, -1)[:, -1]
        if basis is None:
            gap += abs(pull[0]) * max(abs(constant[0] + below[1]), abs(below[0] - constant[0]))
        else:  # of constants counted from the largest, which changes no product with what sums to zero
            constant, pull = basis @ constant, basis @ pull
            from_top = constant - constant.max()
            gap += float(np.abs(pull) @ np.maximum(np.abs(from_top), np.abs(from_top + below)))
    return Bound(gap, math.inf, gap, 0.0) if gap >= 0.0 else NOTHING


def _settled(excess: F64, penalty: ElasticNet, length: float, extents: Extents, hessian: F64) -> float:
    """What the excess of the free coordinates, e, can gain at most, where no held part of theta moves by more than
    `length`; infinite where the free coordinates' own part S of the loss's Hessian is singular, or e is not small.

    With t_i the logits of the step S^-1 e in row i, V_i = diag(q_i) - q_i q_i' and no |t_i - q_i't_i| of 1 or more,
    Q_i = q_i - V_i t_i are probabilities whose gradient has no e.  By Fenchel's inequality the loss lies above the
    plane with that gradient less sum_i a_i KL(Q_i, q_i) <= sum_i a_i t_i'V_i t_i = e'S^-1 e, and in the held
    coordinates it differs from the gradient at theta by at most |V^1/2 X| |V^1/2 t|, with no V_i above 1/2 and no row
    of X longer than `longest`.
    """
    free = ~penalty.held
    if penalty.strength[free].any():
        return math.inf
    factor = inverse_factor(penalty.regular(hessian)[np.ix_(free, free)])
    if factor is None:
        return math.inf
    turned = factor @ excess[free]
    if not 2.0 * extents.longest * float(np.linalg.norm(factor.T @ turned)) < 1.0:
        return math.inf
    square = float(turned @ turned)
    return square + math.sqrt(0.5 * square * float(extents.class_weight.sum())) * extents.longest * length
