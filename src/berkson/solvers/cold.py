"""Fits under penalties with kinks from the null model: by way of samples, a few readings of all rows.

A sample's optimum is found on the sample; its Hessian there, scaled to all rows, serves for steps on gradients of all
rows, each of which leaves about one part of the gap in as many as the sample has rows an unknown.  The same Hessian
proves the fit, by as much as it keeps on the way.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from berkson.certificate import NOTHING, Bound, Nearby, prove, prove_nearby
from berkson.inverse import ABSENT, TYPICAL, inverse_factor
from berkson.penalty import ElasticNet
from berkson.rows.coordinates import Coordinates
from berkson.rows.questions import Draw, Evaluate, Sample
from berkson.solvers.choose import SAMPLE_SHARE
from berkson.solvers.proximal import Model, loss_model, minimum_of_model, proximal_newton
from berkson.solvers.regularised import ROWS_PER_UNKNOWN, TIGHTER, TRIES, Course, Point, advance
from berkson.solvers.run import Solver
from berkson.solvers.witness import Witness

F64 = npt.NDArray[np.float64]

ROWS_OF_MANY, FEWEST = 20, 10  # an unknown, of a sample for many classes, whose Hessians are dear; and the fewest
LARGER, PER_PASS = 3, 24.0  # a sample is made so much larger where its Hessian then costs less than a pass more, of
# which this many multiplications for each cell take as long
QUARTER, ROUGH = 4, 10  # of a sample's rows, the steps from far away, where they are this many an unknown
LOOSE = 2.0  # times the squared error that a sample's optimum has anyway: where a step more is taken to be it
SLOW = 4.0  # times unknowns a row of the sample, of the gap: a step that leaves more needs the Hessian where it ended
DOUBTFUL = 0.5  # of the gap to prove that a sample of the rows has left: what its curvature may have lost on the way
HOPELESS = 100.0  # a contraction of the proof that a reading or two of all rows do not mend


def sample_rows(course: Course) -> int:
    """Rows of the sample by way of which fits come from the null model; 0: without one."""
    n, size = course.n_rows, course.place.size
    enough = ROWS_PER_UNKNOWN if course.place.contrasts == 1 else ROWS_OF_MANY
    rows = max(n // SAMPLE_SHARE, min(enough * size, n // 4))
    if course.exact or rows < FEWEST * size:
        return 0
    larger = min(LARGER * rows, n // 4)
    hessian = 0.5 * (course.place.contrasts + 1) * size / PER_PASS  # of all rows, in passes
    return larger if (larger - rows) * hessian <= n else rows


def from_cold(theta: F64, penalty: ElasticNet, course: Course, sample_size: int) -> Solver[tuple[Model, Point]]:
    """The fit of one penalty from the null model, by way of the optimum of a sample (size 0: without)."""
    if sample_size == 0 or course.max_iterations == 0:
        model = yield from loss_model(theta)
        return (yield from advance(model, penalty, course, Witness(None)))
    sample: Sample | None = yield Draw(sample_size, course.share)
    assert sample is not None
    near = yield from _sample_fit(theta, penalty, course, sample)
    model = yield from _on_all_rows(near, penalty)
    aim, slow, spent = DOUBTFUL * course.target * sample.size / course.n_rows, SLOW * course.place.size / sample.size, 0
    for _ in range(TRIES):
        left = course.max_iterations - spent
        progress = yield from proximal_newton(model, penalty, target=aim, max_iterations=left, slow=slow)
        model, spent = progress.model, spent + progress.iterations
        if progress.reason == "slow":
            near, slow = (yield from loss_model(model.theta, sample)), math.inf
            model = replace(model, hessian=_lifted(near.hessian))
            continue
        if progress.reason != "target" or model.fresh:
            break
        proof = yield from _prove(model, penalty, course, sample, near)
        if proof.gap <= course.target:
            return model, Point(model.theta, model.at.value, model.value(penalty), proof, spent, progress.reason)
        if not proof.contraction < HOPELESS:
            sample = None
            break
        aim *= TIGHTER if math.isinf(proof.gap) else min(TIGHTER, 0.5 * course.target / proof.gap)
    return (yield from advance(model, penalty, course, Witness(sample), spent))


def sample_error(course: Course, sample: Sample) -> float:
    """About how far a sample's optimum is from that of all rows: twice the gap."""
    return course.place.size * course.n_rows / max(1, sample.size)


def sample_optimum(theta: F64, penalty: ElasticNet, course: Course, sample: Sample) -> Solver[Model]:
    """The loss of all rows where the sample has its optimum, which is sought from theta, with its Hessian nearby."""
    return (yield from _on_all_rows((yield from _sample_fit(theta, penalty, course, sample)), penalty))


def _sample_fit(theta: F64, penalty: ElasticNet, course: Course, sample: Sample) -> Solver[Model]:
    """The sample's loss, with its Hessian, one step from its optimum, which is sought from theta."""
    some = slice(None, None, QUARTER)
    quarter = Sample(sample.index[some], QUARTER * sample.scaled[some], None)
    if quarter.size >= ROUGH * course.place.size:
        theta = _minimum((yield from _sample_fit(theta, penalty, course, quarter)), penalty)
    model = yield from loss_model(theta, sample, rough=True)
    progress = yield from proximal_newton(
        replace(model, hessian=_lifted(model.hessian)),
        penalty,
        target=LOOSE * sample_error(course, sample),
        max_iterations=course.max_iterations,
        sample=sample,
        always_exact=True,
    )
    return progress.model if progress.iterations else model


def _lifted(hessian: F64) -> F64:
    """A sample's Hessian for steps: with typical curvature along columns that it hardly holds (a rare level)."""
    curvature = hessian.diagonal()
    typical = float(np.median(curvature))
    absent = curvature < ABSENT * typical
    return hessian + np.diag(np.where(absent, TYPICAL * typical, 0.0)) if absent.any() else hessian


def _minimum(near: Model, penalty: ElasticNet) -> F64:
    return minimum_of_model(replace(near, hessian=_lifted(near.hessian)), penalty)


def _on_all_rows(near: Model, penalty: ElasticNet) -> Solver[Model]:
    """The loss of all rows at the minimum of a sample's model, with its Hessian for steps."""
    theta = _minimum(near, penalty)
    return Model(theta, (yield Evaluate(theta, 1)), _lifted(near.hessian), False)


def _prove(model: Model, penalty: ElasticNet, course: Course, sample: Sample, near: Model) -> Solver[Bound]:
    """By what is left of the sample's Hessian nearby, where that is enough; else by its Hessian here in full precision,
    unless that is singular."""
    theta, gradient, curvature, place = model.theta, model.gradient(penalty), model.curvature(penalty), course.place
    known = _nearby(near, penalty, place, sample)
    if known is not None:
        slack, excess = penalty.split(theta, gradient, curvature)
        excess, _ = place.on_contrasts(excess, model.hessian)
        proof = (yield from prove_nearby(theta, excess, known, place, enough=course.target - slack)).loosened(slack)
        if proof.gap <= course.target:
            return proof
    elif near.at.rounding == 0.0:
        return NOTHING
    return (yield from prove(theta, gradient, penalty, place, course.share, sample=sample, curvature=curvature))


def _nearby(near: Model, penalty: ElasticNet, place: Coordinates, sample: Sample) -> Nearby | None:
    """What the sample proves of fits not far away; None where its Hessian is singular."""
    below = penalty.strength - near.at.rounding * near.hessian.diagonal()
    _, hessian = place.on_contrasts(near.theta, near.hessian + np.diag(below))
    factor = inverse_factor(hessian)
    return None if factor is None else Nearby(near.theta, factor.T @ factor, sample)
