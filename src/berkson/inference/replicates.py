"""Fits of many weightings of the same rows: all start from the fit of the whole, and share readings of X.

A replicate's optimum is near the whole's, whose inverse information therefore preconditions it: a few gradients, and a
proof from a sample of its rows.  Samples of rows, of a dense table and two classes, are drawn inside the passes
(`neighbours.py`); any others are weights.  Where that proves nothing, the engine's own fit says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from berkson.blas import THREADED_FROM, one_thread
from berkson.certificate import prove
from berkson.fit import fit
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.neighbours import neighbours
from berkson.inference.resampling import Resampling
from berkson.inverse import Dense
from berkson.penalty import Ridge
from berkson.problem import InputError
from berkson.rows.questions import Draw, Evaluate, Evaluation, Sample
from berkson.rows.resampled import Resampled, supports
from berkson.rows.weightings import Weightings
from berkson.solvers.quasi import quasi_newton
from berkson.solvers.run import Solver, run_together, under

F64 = npt.NDArray[np.float64]
Failure = Literal["separated", "aliased", "one class", "not proved"]

CELLS = 1 << 24  # of weights held at a time, and
TOGETHER = 4  # replicates at the least
UNKNOWNS = 64  # above, a proof from the products of all pairs of columns is no longer the smaller part
AIM = 5e-13  # the gap at 1e-6 standard errors
PROVED = 5e-9  # the gap that is accepted: 1e-4 standard errors
PROVED_OF_MANY = (
    5e-4  # the same of rows that are no longer few: 0.03 standard errors, less than chance in 10^3 replicates
)
ITERATIONS = 30  # a replicate that takes more is no neighbour of the whole
ROWS_OF_PROOF = 50  # an unknown


@dataclass(frozen=True, slots=True)
class Replicate:
    """Sample `number`: its optimum in theta, or why it has none."""

    number: int
    theta: F64 | None
    failure: Failure | None


def replicates(estimates: Estimates, samples: Resampling, numbers: Sequence[int]) -> Iterator[Replicate]:
    """The fit of each sample, in order."""
    estimates.require()
    if estimates.theta is not estimates.fit.theta:
        raise StatisticsError(
            "samples are fitted by maximum likelihood, which these estimates are not a maximum of; use intervals by "
            "profile likelihood"
        )
    if samples.even and supports(estimates.rows) and estimates.rows.design.shape[1] < UNKNOWNS:
        yield from _drawn_in_passes(estimates, samples, numbers)
    else:
        yield from _weighted(estimates, samples, numbers)


def _drawn_in_passes(estimates: Estimates, samples: Resampling, numbers: Sequence[int]) -> Iterator[Replicate]:
    """Of rows drawn evenly: see `neighbours.py`.  What is not proved there is fitted as any weighting."""
    own = estimates.problem.weight
    factor = np.asarray(np.linalg.cholesky(estimates.inverse).T, np.float64)
    rows = Resampled(estimates.rows, estimates.theta, factor, samples.drawn, int(samples.seed))
    target = (PROVED if rows.few else PROVED_OF_MANY) * (1.0 if own is None else float(own.sum()) / rows.size)
    for start in range(0, len(numbers), rows.at_once):
        batch = numbers[start : start + rows.at_once]
        with one_thread(THREADED_FROM):  # products of long matrices would set it spinning beside the passes
            found = neighbours(rows, batch, target)
        others = _weighted(
            estimates, samples, [number for number, gap in zip(batch, found.gap, strict=True) if not gap <= target]
        )
        for number, theta, gap in zip(batch, found.theta, found.gap, strict=True):
            yield Replicate(number, theta, None) if gap <= target else next(others)


def _weighted(estimates: Estimates, samples: Resampling, numbers: Sequence[int]) -> Iterator[Replicate]:
    """Of any samples, as weights that are held."""
    n = len(estimates.problem.y)
    together = max(TOGETHER, CELLS // n)
    for start in range(0, len(numbers), together):
        batch = numbers[start : start + together]
        weight = np.empty((n, len(batch)))
        for j, number in enumerate(batch):
            weight[:, j] = samples.weight(number)
        found = run_together(
            [under(j, _refit(estimates, weight[:, j])) for j in range(len(batch))],
            Weightings(estimates.rows, weight),
        )
        for j, (number, theta) in enumerate(zip(batch, found, strict=True)):
            failure = None
            if theta is None:
                theta, failure = _by_the_engine(estimates, np.ascontiguousarray(weight[:, j]))
            yield Replicate(number, theta, failure)


def _refit(estimates: Estimates, weight: F64) -> Solver[F64 | None]:
    """The optimum under other weights, None where it is not proved."""
    place, n = estimates.rows.coordinates, len(weight)
    unit, penalty = float(weight.mean()), Ridge(np.zeros(place.size))
    at: Evaluation = yield Evaluate(estimates.theta, 1)
    if at.margin > 0:
        return None
    stop = yield from quasi_newton(
        estimates.theta,
        penalty,
        Dense(estimates.inverse, exact=True),
        target=AIM * unit,
        max_iterations=ITERATIONS,
        at=at,
    )
    if stop.reason != "target":
        return None
    assert stop.at.gradient is not None
    share = np.full(estimates.problem.n_classes, 1.0 / estimates.problem.n_classes)
    sample: Sample | None = None
    if n > 4 * ROWS_OF_PROOF * place.size:
        sample = yield Draw(ROWS_OF_PROOF * place.size, share)
    proof = yield from prove(stop.theta, stop.at.gradient, penalty, place, share, sample=sample)
    if sample is not None and not proof.gap <= PROVED * unit:
        proof = yield from prove(stop.theta, stop.at.gradient, penalty, place, share)
    return stop.theta if proof.gap <= PROVED * unit else None


def _by_the_engine(estimates: Estimates, weight: F64) -> tuple[F64 | None, Failure | None]:
    """The optimum, or why there is none, from a fit that starts anew."""
    try:
        result = fit(replace(estimates.problem, weight=weight))
    except InputError:  # the rows were fitted before, so only a class can be missing
        return None, "one class"
    certificate = result.certificate
    if certificate.separation is not None:
        return None, "separated"
    if len(certificate.rank.aliased) > len(estimates.fit.certificate.rank.aliased):
        return None, "aliased"
    if not certificate.certified:
        return None, "not proved"
    return estimates.rows.coordinates.from_original(result.coef, result.intercept), None
