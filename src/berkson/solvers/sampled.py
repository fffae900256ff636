"""A sample of rows gives the start and the preconditioner; exact gradients of all rows give the answer.

Fit a stratified sample, take the Hessian there, scaled to all rows, as the first inverse Hessian of a quasi-Newton
iteration on full-data gradients.  An iteration costs one reading of X and gains two or three digits where the sample
holds 50 or more rows an unknown.  Where it does not contract, the sample knows too little: it is quadrupled, and in
the end it is all rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from berkson.certificate import NOTHING, Bound, Nearby, prove, prove_nearby
from berkson.inverse import Dense, Kronecker, null_class_hessian
from berkson.penalty import Ridge
from berkson.rows.coordinates import Coordinates
from berkson.rows.questions import Draw, Evaluate, Evaluation, NullGram, Sample
from berkson.solvers.newton import ARMIJO, Solution, newton, newton_step
from berkson.solvers.quasi import quasi_newton
from berkson.solvers.run import Solver

F64 = npt.NDArray[np.float64]

HOPELESS = 10.0  # times that: four times what the sample's optimum costs all rows on average
SQUARED = 3.0  # times the gap that is aimed at: where a Newton step follows, which squares what is left
ROUGH_ROWS = 10  # an unknown: enough for the first steps
FOLLOWS = 5  # gradients of a sample, a fifth of its Hessian's price at most, for which a quarter's Hessian is good
ROUNDED = 0.1  # of a Hessian's least eigenvalue that single precision may cost it
PATIENCE = 2  # iterations in a row that do not halve the estimated gap


def sampled(
    theta: F64,
    penalty: Ridge,
    place: Coordinates,
    *,
    n_rows: int,
    sample_size: int,
    class_share: F64,
    target: float,
    max_iterations: int,
    watch_separation: bool,
    start_value: float | None = None,
    warm: bool = False,
    exact_hessians: int = 0,
    few_hessians: bool = False,
) -> Solver[tuple[Solution, Bound | None]]:
    """Minimise to a proved gap of `target` where the sample can prove it; the bound it proved, if any.

    A sample whose optimum is clearly worse for all rows than theta, whose objective is `start_value`, is not used.
    With `exact_hessians` that many of all rows, the first at the sample's optimum, each for a Newton step; the last
    preconditions in place of the sample's.
    With `few_hessians` even the sample's is computed once, and a quarter's preconditions the way there.
    A `warm` theta that is already nearer the optimum than the sample's own would be is kept.
    """
    sample: Sample = yield Draw(sample_size, class_share)
    multiplier = n_rows / max(1, sample.size)
    loose = 0.2 * place.size * multiplier  # under half of the noise that the sample's optimum has anyway
    iterations, aim = 0, target / min(multiplier, 30.0)
    known: Evaluation | None = None
    if warm:
        known = penalty.add(theta, (yield Evaluate(theta, 1)))
        assert known.gradient is not None
        _, preconditioner, near = yield from _curvature(theta, penalty, sample)
        if 0.5 * float(known.gradient @ preconditioner.solve(known.gradient)) > loose:
            known = None
    if known is None:
        start = yield from _sample_start(
            theta, penalty, place, class_share, loose, sample, watch_separation, few_hessians
        )
        if start.reason in ("separated", "slow"):
            return (yield from _exact(theta, penalty, target, max_iterations, watch_separation, 0)), None
        gradient, preconditioner, near = yield from _curvature(start.theta, penalty, sample, start.at)
        fitted = start.theta - preconditioner.solve(gradient)
        known = penalty.add(fitted, (yield Evaluate(fitted, 2 if exact_hessians else 1)))
        if start_value is None:
            start_value = penalty.add(theta, (yield Evaluate(theta, 0))).value
        if not known.value < start_value + HOPELESS * loose:
            return (yield from _exact(theta, penalty, target, max_iterations, watch_separation, 0)), None
        theta = fitted
        if exact_hessians:
            more = min(exact_hessians - 1, max_iterations)
            theta, known, iterations = yield from _newton_steps(theta, known, penalty, more, aim)
            assert known.hessian is not None
            preconditioner, near = Dense.of(known.hessian), None
    while True:
        left = max_iterations - iterations
        stop = yield from quasi_newton(
            theta, penalty, preconditioner, target=aim, max_iterations=left, patience=PATIENCE, at=known
        )
        known = stop.at
        iterations += stop.iterations
        theta, stop = stop.theta, replace(stop, iterations=iterations)
        if stop.reason == "target":
            assert stop.at.gradient is not None
            proof = NOTHING if near is None else (yield from prove_nearby(theta, stop.at.gradient, near, place))
            if not proof.gap <= target:
                proof = yield from prove(theta, stop.at.gradient, penalty, place, class_share, sample=sample)
            if proof.gap <= target or aim < 1e-6 * target:
                return stop, proof
            aim *= 0.01 if proof.gap == np.inf else min(0.1, 0.5 * target / proof.gap)
            continue
        if stop.reason == "limit":
            return stop, None
        sample_size *= 4
        if sample_size > n_rows // 4 or stop.reason == "stalled":
            return (yield from _exact(theta, penalty, target, left, watch_separation, iterations)), None
        sample = yield Draw(sample_size, class_share, seed=sample_size)
        _, preconditioner, near = yield from _curvature(theta, penalty, sample)


def _newton_steps(
    theta: F64, at: Evaluation, penalty: Ridge, most: int, aim: float
) -> Solver[tuple[F64, Evaluation, int]]:
    """At most so many exact Newton steps that do decrease, to an estimated gap of `aim`: where, and how many."""
    for taken in range(most):
        assert at.hessian is not None
        assert at.gradient is not None
        step, decrease = newton_step(at.hessian, at.gradient)
        if decrease <= 2.0 * aim:
            return theta, at, taken
        there = penalty.add(theta + step, (yield Evaluate(theta + step, 2)))
        if not there.value <= at.value - ARMIJO * decrease:
            return theta, at, taken
        theta, at = theta + step, there
    return theta, at, most


def _curvature(
    theta: F64, penalty: Ridge, sample: Sample, at: Evaluation | None = None
) -> Solver[tuple[F64, Dense, Nearby | None]]:
    """A sample's gradient, its Hessian's inverse, and what proves where nothing was lifted.

    What single precision did to a Hessian is taken off its diagonal, so that it lies below; where that changes
    curvature by more than little, it is computed again.  `at` is the evaluation, where it is known: its Hessian becomes
    work space.
    """
    if at is None or at.hessian is None:
        at = penalty.add(theta, (yield Evaluate(theta, 2, sample, rough=True)))
    assert at.gradient is not None
    assert at.hessian is not None
    at.hessian.flat[:: len(at.hessian) + 1] *= 1.0 - at.rounding
    dense = Dense.of(at.hessian, overwrite=True)
    if at.rounding > 0.0 and not (dense.exact and at.rounding * dense.most <= ROUNDED):
        at = penalty.add(theta, (yield Evaluate(theta, 2, sample)))
        assert at.hessian is not None
        dense = Dense.of(at.hessian, overwrite=True)
    assert at.gradient is not None
    return at.gradient, dense, Nearby(theta, dense.inverse, sample) if dense.exact else None


def _exact(
    theta: F64, penalty: Ridge, target: float, max_iterations: int, watch_separation: bool, spent: int
) -> Solver[Solution]:
    """What the sample could not do: exact Newton from here."""
    stop = yield from newton(
        theta, penalty, target=0.5 * target, max_iterations=max_iterations, watch_separation=watch_separation
    )
    return replace(stop, iterations=spent + stop.iterations)


def _sample_start(
    theta: F64,
    penalty: Ridge,
    place: Coordinates,
    class_share: F64,
    target: float,
    sample: Sample,
    watch_separation: bool,
    few_hessians: bool,
) -> Solver[Solution]:
    """The sample's fit and its Hessian there: by Newton, a quarter of the sample first; softmax by its null model."""
    if place.contrasts > 1:
        return (yield from _sample_kronecker(theta, penalty, place, class_share, target, sample))
    target *= SQUARED
    quarter = Sample(sample.index[::4], 4.0 * sample.scaled[::4], None)
    limit = 25
    if quarter.size >= ROUGH_ROWS * place.size:
        rough = yield from newton(theta, penalty, target=4.0 * target, max_iterations=limit, sample=quarter, rough=True)
        if rough.reason == "target":
            theta = rough.theta
        if rough.reason == "target" and few_hessians:
            assert rough.at.hessian is not None
            near = yield from quasi_newton(
                theta,
                penalty,
                Dense.of(rough.at.hessian),
                target=target,
                max_iterations=FOLLOWS,
                sample=sample,
                patience=PATIENCE,
            )
            if near.reason == "target":
                return near
            theta = near.theta
    return (
        yield from newton(
            theta,
            penalty,
            target=target,
            max_iterations=limit,
            sample=sample,
            watch_separation=watch_separation,
            rough=True,
        )
    )


def _sample_kronecker(
    theta: F64, penalty: Ridge, place: Coordinates, class_share: F64, target: float, sample: Sample
) -> Solver[Solution]:
    """The sample's fit by null-model preconditioned quasi-Newton, then one exact Hessian."""
    kronecker = yield from null_preconditioner(penalty, place, class_share, sample)
    rough = yield from quasi_newton(theta, penalty, kronecker, target=target, max_iterations=200, sample=sample)
    at = penalty.add(rough.theta, (yield Evaluate(rough.theta, 2, sample)))
    return replace(rough, at=at)


def null_preconditioner(
    penalty: Ridge, place: Coordinates, class_share: F64, sample: Sample | None
) -> Solver[Kronecker]:
    """The inverse Hessian of the model that knows only class frequencies."""
    gram = yield NullGram(sample)
    assert place.basis is not None
    ridge, hessian = penalty.strength[: place.columns], null_class_hessian(place.basis, class_share)
    exact = Kronecker.of(hessian, gram, ridge)
    if exact is not None:
        return exact
    lifted = Kronecker.of(hessian, gram + np.diag(1e-10 * gram.diagonal() + 1e-10 * gram.diagonal().max()), ridge)
    assert lifted is not None
    return lifted
