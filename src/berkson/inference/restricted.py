"""Fits under linear restrictions: the least negative log-likelihood over part of the parameters' space, with a proof.

A restricted space is origin + basis @ z, in the solver's coordinates.  The proof is the certificate's theorem there: M
is the Hessian in z, and a row's logits change with z through the basis alone.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.certificate import CLOSE, bound
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inverse import Dense, inverse_of
from berkson.penalty import Ridge
from berkson.rows.coordinates import Coordinates
from berkson.rows.questions import Evaluate, Evaluation, Extent, LargestLeverage
from berkson.solvers.newton import newton
from berkson.solvers.quasi import quasi_newton
from berkson.solvers.run import Solver, run_together
from berkson.solvers.subspace import complement, within

F64 = npt.NDArray[np.float64]

AIM = 1e-18  # estimated gap, in the log-likelihood: 1e-9 standard errors from the optimum
ACCEPTED = 1e-10  # proved gap above which there is no number
PATIENCE = 2  # steps of the full fit's Hessian that do not halve the gap, after which Newton takes over
ITERATIONS = 100
DEPENDENT = 1e-9  # relative: a direction this close to others is one of them


@dataclass(frozen=True, eq=False)
class Space:
    """The affine space origin + basis @ z: origin (size,), basis (size, r) of orthonormal columns."""

    origin: F64
    basis: F64


@dataclass(frozen=True, eq=False)
class Restricted:
    """theta (size,) of the optimum in a space, the negative log-likelihood there, and a proved bound on how far that is
    above the least in the space."""

    theta: F64
    value: float
    gap: float


def under_hypothesis(estimates: Estimates, matrix: F64, value: F64) -> Space:
    """Where matrix @ params = value; matrix (m, d) of independent rows without entries for parameters not estimable.

    The origin is the estimate's projection in the norm of the information: the optimum, were the likelihood a parabola.
    """
    C = matrix[:, estimates.estimable] @ estimates.jacobian[estimates.estimable]
    scale = np.linalg.norm(C, axis=1)
    C, value = C / scale[:, None], value / scale
    across = estimates.inverse @ C.T
    origin = estimates.theta - across @ np.linalg.solve(C @ across, C @ estimates.theta - value)
    origin = origin - C.T @ np.linalg.solve(C @ C.T, C @ origin - value)  # rounding of the line above, taken off
    return Space(origin, complement(C))


def without_columns(estimates: Estimates, dropped: Collection[int]) -> Space:
    """The model without these columns of the design, in every equation.

    Columns that were aliased and are not dropped stay in the model: they may stand for one that is dropped.
    """
    place = estimates.rows.coordinates
    p = len(place.center)
    kept = np.arange(p + 1) if place.kept is None else place.kept
    where = {int(column): i for i, column in enumerate(kept)}
    span = [np.eye(len(kept))[i] for column, i in where.items() if column not in dropped]
    for alias in estimates.fit.certificate.rank.aliased:
        if alias.column not in dropped and any(column in dropped for column, _ in alias.combination):
            direction = np.zeros(len(kept))
            for column, coefficient in alias.combination:
                if column in where and column != p:
                    direction[where[column]] = coefficient * place.scale[where[column]]
            span.append(direction / np.linalg.norm(direction))
    vectors, sizes, _ = np.linalg.svd(np.array(span).reshape(-1, len(kept)).T, full_matrices=False)
    basis: F64 = np.kron(np.eye(place.contrasts), vectors[:, sizes > DEPENDENT])
    assert estimates.at.hessian is not None
    curved = basis.T @ estimates.at.hessian
    start = np.linalg.solve(curved @ basis, curved @ estimates.theta) if basis.shape[1] else np.zeros(0)
    return Space(basis @ start, basis)


def restricted_fits(estimates: Estimates, spaces: Sequence[Space]) -> list[Restricted]:
    """The optimum in each space; gradients of all that are under way share a reading of X.

    Raises StatisticsError where one is not proved to 1e-10 in the log-likelihood.
    """
    estimates.require()
    hessian, place = estimates.at.hessian, estimates.rows.coordinates
    assert hessian is not None
    with one_thread(estimates.problem.unknowns):
        extent: float = estimates.rows.answer_one(Extent())
        solvers = [_restricted(space, hessian, place, extent) for space in spaces]
        found: list[Restricted] = run_together(solvers, estimates.rows)
    worst = max((each.gap for each in found), default=0.0)
    if not worst <= ACCEPTED:
        raise StatisticsError(
            f"the fit under the hypothesis is not proved: its log-likelihood may be {worst:.1g} short; "
            "rescale the columns, drop nearly collinear ones, or use a Wald test"
        )
    return found


def _restricted(space: Space, hessian: F64, place: Coordinates, extent: float) -> Solver[Restricted]:
    """extent: no row is longer than its root."""
    origin, basis = space.origin, space.basis
    free = Ridge(np.zeros(basis.shape[1]))
    if basis.shape[1] == 0:
        at: Evaluation = yield Evaluate(origin, 0)
        return Restricted(origin, at.value, 0.0)
    nearby = Dense.of(basis.T @ hessian @ basis)
    rough = yield from within(
        lambda z: quasi_newton(z, free, nearby, target=AIM, max_iterations=ITERATIONS, patience=PATIENCE), origin, basis
    )
    origin = origin + basis @ rough.theta
    fine = yield from within(lambda z: newton(z, free, target=AIM, max_iterations=ITERATIONS), origin, basis)
    theta = origin + basis @ fine.theta
    assert fine.at.gradient is not None
    assert fine.at.hessian is not None
    inverse = inverse_of(fine.at.hessian)
    if inverse is None:
        return Restricted(theta, fine.at.value, math.inf)
    q, blocks = place.columns, basis @ inverse @ basis.T
    metric: F64 = np.einsum("iaib->ab", blocks.reshape(place.contrasts, q, place.contrasts, q))
    decrement = math.sqrt(max(0.0, float(fine.at.gradient @ inverse @ fine.at.gradient)))
    factor = 1.0 if place.contrasts == 1 else 2.0  # (range of a row's logits)^2 is at most that times |its contrasts|^2
    proof = bound(decrement, factor * extent * float(np.abs(metric).sum(axis=1).max()))
    if not proof.contraction < CLOSE:
        proof = bound(decrement, factor * (yield LargestLeverage(metric)))
    return Restricted(theta, fine.at.value, proof.gap)


def score_statistic(estimates: Estimates, theta: F64, basis: F64 | None = None) -> float:
    """g'I^-1 g at theta, g and I the score and the information over the columns of a basis (None: all).  One pass."""
    at: Evaluation = estimates.rows.answer_one(Evaluate(theta, 2))
    assert at.gradient is not None
    assert at.hessian is not None
    gradient, hessian = at.gradient, at.hessian
    if basis is not None:
        gradient, hessian = basis.T @ gradient, basis.T @ hessian @ basis
    inverse = inverse_of(hessian)
    if inverse is None:
        raise StatisticsError(
            "the information under the hypothesis is singular to working precision; use a likelihood-ratio test"
        )
    return float(gradient @ inverse @ gradient)
