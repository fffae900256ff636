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

from berkson.certificate import Bound, prove
from berkson.inverse import Dense, Kronecker, null_class_hessian
from berkson.penalty import Ridge
from berkson.rows.coordinates import Coordinates
from berkson.rows.questions import Draw, Evaluate, Evaluation, NullGram, Sample
from berkson.solvers.newton import Solution, newton, newton_step
from berkson.solvers.quasi import quasi_newton
from berkson.solvers.run import Solver

F64 = npt.NDArray[np.float64]

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
) -> Solver[tuple[Solution, Bound | None]]:
    """Minimise to a proved gap of `target` where the sample can prove it; the bound it proved, if any."""
    sample: Sample = yield Draw(sample_size)
    multiplier = n_rows / max(1, sample.size)
    loose = 0.02 * place.size * multiplier  # a fraction of the noise that the sample's optimum has anyway
    if place.contrasts == 1:
        small = Sample(sample.index[::4], 4.0 * sample.scaled[::4], None)
        if small.size >= 20 * place.size:
            theta = (yield from _sample_newton(theta, penalty, 4.0 * loose, small)).theta
        start = yield from _sample_newton(theta, penalty, loose, sample)
    else:
        start = yield from _sample_kronecker(theta, penalty, place, class_share, loose, sample)
    assert start.at.hessian is not None
    assert start.at.gradient is not None
    theta = start.theta + newton_step(start.at.hessian, start.at.gradient)[0]
    preconditioner = Dense.of(start.at.hessian)
    iterations, aim = 0, target / min(multiplier, 30.0)
    while True:
        stop = yield from quasi_newton(
            theta,
            penalty,
            preconditioner,
            target=aim,
            max_iterations=max_iterations - iterations,
            patience=PATIENCE,
        )
        iterations += stop.iterations
        theta = stop.theta
        if stop.reason == "target":
            assert stop.at.gradient is not None
            proof = yield from prove(theta, stop.at.gradient, penalty, place, class_share, sample=sample)
            if proof.gap <= target or aim < 1e-6 * target:
                return replace(stop, iterations=iterations), proof
            aim *= 0.01 if proof.gap == np.inf else min(0.1, 0.5 * target / proof.gap)
            continue
        if stop.reason == "limit":
            return replace(stop, iterations=iterations), None
        sample_size *= 4
        if sample_size > n_rows // 4 or stop.reason == "stalled":
            rest = max_iterations - iterations
            last = yield from newton(
                theta, penalty, target=target, max_iterations=rest, watch_separation=watch_separation
            )
            return replace(last, iterations=iterations + last.iterations), None
        sample = yield Draw(sample_size, seed=sample_size)
        at: Evaluation = penalty.add(theta, (yield Evaluate(theta, 2, sample)))
        assert at.hessian is not None
        preconditioner = Dense.of(at.hessian)


def _sample_newton(theta: F64, penalty: Ridge, target: float, sample: Sample) -> Solver[Solution]:
    return (yield from newton(theta, penalty, target=target, max_iterations=25, sample=sample))


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
