"""The limit of separated data: what the likelihood tends to where it has no maximum, and which parameters are finite.

Along a direction inside the cone of recession each (row, class) pair that is separated tends to probability 0, and all
else keeps its likelihood.  So the supremum of the likelihood is the maximum of what remains when those pairs are ruled
out (a row with one class left says nothing any more).  No direction separates what remains again: added to enough of
the first one, it would have been in the cone.  The remaining likelihood is constant along the span of the cone and
strictly concave across it; a parameter is finite if it does not change along the span.
(Geyer, Electronic Journal of Statistics 3, 2009: the limiting conditional model.)
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.certificate import Bound, prove
from berkson.inference.estimates import ALL, Estimates, StatisticsError
from berkson.inverse import inverse_of
from berkson.margins import Flags, Labelled, label
from berkson.penalty import Ridge
from berkson.problem import Problem
from berkson.recession import (
    SECONDS,
    TIMES_STRICT_GAIN,
    UndecidedError,
    WorkingSet,
    extreme,
    free_directions,
    widest,
)
from berkson.rows.coordinates import Coordinates
from berkson.rows.memory import InMemory
from berkson.solvers.newton import Solution, newton
from berkson.solvers.run import Solver, run
from berkson.solvers.subspace import complement, within

F64 = npt.NDArray[np.float64]

RULED_OUT = 1e6  # lowers the logit of a class that is ruled out in a row: its probability is 0 exactly
ZERO = 1e-9  # relative: a smaller change along a direction is rounding
AIM = 1e-24  # of the objective: where Newton's method stops


@dataclass(frozen=True)
class Recession:
    """The cone of directions along which no row's loss grows, in theta.

    inside     (size,) a direction that separates every pair that any does
    span       (r, size) orthonormal; the cone spans it
    ruled_out  (n, K) classes of a row that tend to probability 0
    """

    inside: F64
    span: F64
    ruled_out: Flags
    work: WorkingSet
    to_theta: F64  # (size, unknowns) from directions on the standardised columns of `work`

    def touches(self, functions: F64) -> Flags:
        """(m,) whether linear functions of theta (m, size) change along some direction of the span."""
        change, terms = np.abs(functions @ self.span.T), np.abs(functions) @ np.abs(self.span.T)
        return np.asarray((change > ZERO * terms).any(axis=1))

    def limits(self, function: F64) -> tuple[float, float]:
        """Where a function (size,) that the span touches can go along the cone: (-inf or nan, inf or nan); nan where it
        cannot go that way.  Of a cone too large for a linear programme: both ways, as far as is known."""
        change, terms = function @ self.inside, np.abs(function) @ np.abs(self.inside)
        if abs(change) <= ZERO * terms:
            return -math.inf, math.inf
        back = self.work.labelled.uncorrelate(-np.sign(change) * (self.to_theta.T @ function))
        self.work.deadline = time.perf_counter() + SECONDS
        try:
            both = extreme(self.work, back) is not None
        except UndecidedError:
            both = True
        return (-math.inf if both or change < 0 else math.nan, math.inf if both or change > 0 else math.nan)


@dataclass(frozen=True, kw_only=True)
class LimitingEstimates(Estimates):
    """Estimates of separated data: `params` are +-inf where the likelihood rises for ever that way, NaN where it does
    so either way; `estimable` are the others, whose estimates, covariance and log-likelihood (a supremum) are of the
    rows and classes that remain.

    recession   the directions of infinite estimates
    remaining   the rows, without what is ruled out
    limit       theta of a maximum of the remaining likelihood, orthogonal to the span
    bound       what is proved about it
    """

    recession: Recession
    remaining: InMemory
    limit: F64
    bound: Bound

    @property
    def rows(self) -> InMemory:
        return self.remaining

    @property
    def theta(self) -> F64:
        return self.limit

    @property
    def log_likelihood(self) -> float:
        """The supremum of the log-likelihood (without binomial coefficients)."""
        return 0.0 - self.at.value

    @cached_property
    def across(self) -> F64:
        """(size, size - r) orthonormal: where the remaining likelihood has curvature."""
        return complement(self.recession.span)

    @cached_property
    def estimable(self) -> Flags:
        return ~self.aliased & ~self.recession.touches(self.jacobian)

    @cached_property
    def limits(self) -> F64:
        """(d, 2) the infinities that a parameter can tend to; nan where it cannot, or is estimable or aliased."""
        ends = np.full((len(self.jacobian), 2), math.nan)
        for j in np.flatnonzero(~self.estimable & ~self.aliased):
            ends[j] = self.recession.limits(self.jacobian[j])
        return ends

    @cached_property
    def params(self) -> F64:
        low, high = self.limits.T
        infinite = np.where(np.isnan(low), high, np.where(np.isnan(high), low, math.nan))
        return np.where(self.estimable, self.jacobian @ self.theta, infinite)

    @cached_property
    def inverse(self) -> F64:
        """Of the remaining information, across the span; 0 along it."""
        self.require()
        if self.across.shape[1] == 0:
            return np.zeros((len(self.theta),) * 2)
        assert self.at.hessian is not None
        inverse = inverse_of(self.across.T @ self.at.hessian @ self.across)
        if inverse is None:
            raise StatisticsError(
                "the information of the rows that remain is singular to working precision, so there are no standard "
                "errors; drop or merge columns"
            )
        return np.asarray(self.across @ inverse @ self.across.T)

    def require(self) -> None:
        if not self.bound.proves_existence:
            raise StatisticsError(
                "the data are separated, and the limit of the estimates that stay finite could not be proved; drop or "
                "merge columns, or use bias reduction"
            )

    def linear_predictor(self, place: slice = ALL) -> F64:
        """As of a fit; -inf (two classes: +-inf) where a class is ruled out."""
        eta = super().linear_predictor(place)
        ruled_out = self.recession.ruled_out[place]
        if eta.shape[1] > 1:
            return np.where(ruled_out, -math.inf, eta)
        eta[ruled_out[:, 0]] = math.inf
        eta[ruled_out[:, 1]] = -math.inf
        return eta


def limit(estimates: Estimates) -> LimitingEstimates:
    """The limit of a separated fit: a few linear programmes and a Newton fit of what remains.

    StatisticsError where the fit is penalised, not separated, or its cone of recession is too large a programme.
    """
    fit = estimates.fit
    if fit.problem.strength > 0.0 or fit.certificate.separation is None:
        raise StatisticsError("the data are not separated, so there is no limit to take: use the estimates themselves")
    place = fit.rows.coordinates
    cone = _recession(fit.problem, place)
    remaining = _remaining(fit.rows, cone.ruled_out)
    across = complement(cone.span)
    with one_thread(fit.problem.unknowns):
        found = run(within(_newton, np.zeros(place.size), across), remaining)
        theta = across @ found.theta
        assert found.at.gradient is not None
        assert found.at.hessian is not None
        # the likelihood is flat along the span: curvature there fixes theta, and changes nothing
        typical = float(np.median(found.at.hessian.diagonal())) if across.shape[1] else 1.0
        hessian = across @ found.at.hessian @ across.T + typical * cone.span.T @ cone.span
        share = estimates.problem.class_weights() / estimates.problem.class_weights().sum()
        free = Ridge(np.zeros(place.size))
        bound = run(prove(theta, across @ found.at.gradient, free, place, share, hessian), remaining)
    return LimitingEstimates(
        **estimates.common,
        recession=cone,
        remaining=remaining,
        limit=theta,
        bound=bound,
    )


def _newton(z: F64) -> Solver[Solution]:
    return newton(z, Ridge(np.zeros(len(z))), target=AIM, max_iterations=100)


def _remaining(rows: InMemory, ruled_out: Flags) -> InMemory:
    """Rows without weight where one class is left, and, of more than two classes, without those ruled out."""
    one_left = ruled_out.sum(axis=1) == ruled_out.shape[1] - 1
    weight = np.where(one_left, 0.0, 1.0 if rows.weight is None else rows.weight)
    if ruled_out.shape[1] == 2:
        return replace(rows, weight=weight)
    offset = np.where(ruled_out, -RULED_OUT, 0.0 if rows.offset is None else rows.offset)
    return replace(rows, weight=weight, offset=offset)


# --- the cone --------------------------------------------------------------------------------------------------------


def _recession(problem: Problem, place: Coordinates) -> Recession:
    labelled = label(problem, place.kept)
    try:
        work, total, left = widest(labelled)
        basis = np.zeros(0) if work is None else free_directions(work, left)[0]
    except UndecidedError:
        work = None
    if work is None or not total.any():
        raise StatisticsError(
            "the data are separated, but which estimates are infinite could not be decided; drop or merge columns"
        )
    if len(basis) == 0:  # what is left is zero to rounding only: of the directions, `total` is the one sure
        basis = total[None, :]
    to_theta = _to_theta(labelled, place)
    inside = to_theta @ labelled.standardise(total)
    span = _without_rounding(np.linalg.qr(to_theta @ labelled.standardise(basis).T)[0].T)
    ruled_out = _ruled_out(labelled, labelled.standardise(total), left)
    return Recession(_without_rounding(inside), span, ruled_out, work, to_theta)


def _without_rounding(direction: F64) -> F64:
    return np.where(np.abs(direction) > ZERO * np.abs(direction).max(), direction, 0.0)


def _to_theta(labelled: Labelled, place: Coordinates) -> F64:
    """(size, unknowns): theta of a direction on standardised columns, to which both differ by centre and scale."""
    p, K, q = len(labelled.center), labelled.n_classes, labelled.columns
    columns = []
    for unit in np.eye(labelled.unknowns):
        coef = np.zeros((p + 1, K))
        coef[labelled.kept, 1:] = (unit.reshape(K - 1, q) / labelled.scale).T
        coef[p] += (place.center - labelled.center) @ coef[:p]
        columns.append(place.contract(coef[:, 1] if K == 2 else coef))
    return np.column_stack(columns)


def _ruled_out(labelled: Labelled, direction: F64, left: Flags) -> Flags:
    """The pairs that are separated, and of rows without weight the classes that the direction leaves behind."""
    ruled_out: Flags = labelled.pairs() & ~left
    if labelled.used is not None and not labelled.used.all():
        strict = TIMES_STRICT_GAIN * labelled.strict * float(np.abs(direction).max())
        for part, margins in replace(labelled, used=None).margins(direction[None, :]):
            behind = margins[:, 0, :] - margins[:, 0, :].min(axis=1, keepdims=True) > strict
            unused = ~labelled.used[part]
            ruled_out[part][unused] = behind[unused]
    return ruled_out
