"""Fits under penalties with kinks, one or many in turn: proximal Newton, its proof, tightened until that is enough."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.anchor import Extents, bound_by_size
from berkson.certificate import DENSE_UP_TO, NOTHING, Bound, prove
from berkson.penalty import ElasticNet
from berkson.rows.coordinates import Coordinates
from berkson.rows.questions import Draw, Evaluate, Evaluation, Extent, Sample
from berkson.solvers.proximal import Model, loss_model, proximal_newton
from berkson.solvers.run import Solver
from berkson.solvers.witness import Seen, Witness

F64 = npt.NDArray[np.float64]

SMALL = 2e7  # multiplications of a Hessian that are not worth saving
ROWS_PER_UNKNOWN = 50  # of a sample that proves, where the rows are four times as many
FEW_PER_UNKNOWN = 4  # the same of many classes, whose Hessians cost that many more gradients
TIGHTER, TRIES = 0.1, 4  # of the aim, where the proof falls short of the target


@dataclass(frozen=True, slots=True)
class Course:
    """What all fits of a sequence have in common: coordinates, weights of classes, how many rows, how far an offset
    reaches, the gap to prove, the estimated gap to stop at first, iterations for each; and whether every step takes
    its own Hessian."""

    place: Coordinates
    class_weight: F64
    n_rows: int
    offset: float
    target: float
    aim: float
    max_iterations: int
    exact: bool

    @property
    def share(self) -> F64:
        share: F64 = self.class_weight / self.class_weight.sum()
        return share

    @property
    def by_sample(self) -> bool:
        """Whether a sample of the rows is enough to prove a fit."""
        enough = ROWS_PER_UNKNOWN if self.place.contrasts == 1 else FEW_PER_UNKNOWN
        return not self.exact and self.n_rows >= 4 * enough * self.place.size


def cheap(n: int, size: int) -> bool:
    """Whether a Hessian of n rows is not worth saving."""
    return n * float(size) ** 2 <= SMALL


@dataclass(frozen=True, slots=True)
class Point:
    """The fit of one penalty: theta, the loss there and the whole objective, the proof, steps taken, and why it stopped
    ('target', 'limit', 'stalled')."""

    theta: F64
    loss: float
    objective: float
    proof: Bound
    iterations: int
    reason: str


def witness(course: Course, rows_per_unknown: int = ROWS_PER_UNKNOWN) -> Solver[Witness]:
    """A sample where that is enough, else all rows."""
    if not course.by_sample:
        return Witness(None)
    size = min(rows_per_unknown * course.place.size, course.n_rows // 4)
    return Witness((yield Draw(size, course.share)))


def advance(
    model: Model, penalty: ElasticNet, course: Course, seen: Seen, spent: int = 0, at_least: int = 0
) -> Solver[tuple[Model, Point]]:
    """The fit of a penalty from a model nearby, to which so many steps were taken, by at least so many more; the model
    there."""
    proof, anchor = NOTHING, seen.anchor
    aim = course.aim if anchor is None else course.target  # what an anchor says of a gap is its proof
    if anchor is not None and at_least == 0:
        proof = anchor.proof(model.theta, model.gradient(penalty), penalty)
        if proof.gap <= aim:
            return model, Point(model.theta, model.at.value, model.value(penalty), proof, spent, "target")
    for attempt in range(TRIES):
        if attempt > 0 and not model.fresh:  # what some rows, or others, did not prove
            model, anchor = (yield from loss_model(model.theta)), None
        progress = yield from proximal_newton(
            model,
            penalty,
            target=aim,
            max_iterations=course.max_iterations - spent,
            anchor=anchor,
            always_exact=course.exact or attempt > 0,
            at_least=at_least if attempt == 0 else 1,  # whatever is estimated, the proof asks for more
        )
        model = progress.model
        spent += progress.iterations
        proof = yield from prove_model(model, penalty, course, seen)
        if proof.gap <= course.target or progress.reason != "target" or spent >= course.max_iterations:
            break
        if anchor is not None:
            aim = course.aim
        else:
            aim *= TIGHTER if math.isinf(proof.gap) else min(TIGHTER, 0.5 * course.target / proof.gap)
    point = Point(model.theta, model.at.value, model.value(penalty), proof, spent, progress.reason)
    return model, point


def prove_model(model: Model, penalty: ElasticNet, course: Course, seen: Seen) -> Solver[Bound]:
    """By the anchor, where that is enough; else by the sample or all rows, here; else by size."""
    theta, gradient = model.theta, model.gradient(penalty)
    if seen.anchor is not None:
        proof = seen.anchor.proof(theta, gradient, penalty)
        if proof.gap <= course.target:
            return proof
    proof = NOTHING
    if course.place.columns <= DENSE_UP_TO or penalty.strength.all():
        exact = penalty.add(theta, model.at._replace(hessian=model.hessian)).hessian if model.fresh else None
        proof = yield from prove(
            theta,
            gradient,
            penalty,
            course.place,
            course.share,
            hessian=exact,
            sample=None if model.fresh else seen.sample,
            curvature=model.curvature(penalty)
            if model.fresh or seen.anchor is None
            else seen.anchor.hessian.diagonal(),
        )
    place = course.place
    if proof.gap <= course.target:
        return proof
    constant = place.kept is None or int(place.kept[-1]) == len(place.center)
    extents = Extents(course.class_weight, math.sqrt((yield Extent())), course.offset, constant, place.basis)
    hessian = model.hessian if model.fresh else None
    by_size = bound_by_size(theta, gradient, penalty, model.value(penalty), extents, hessian)
    return min(proof, by_size, key=lambda known: known.gap)


def sampled_model(theta: F64, course: Course) -> Solver[Model]:
    """The loss of all rows with the Hessian of a sample, where that is enough for a first step."""
    if not course.by_sample:
        return (yield from loss_model(theta))
    sample: Sample = yield Draw(ROWS_PER_UNKNOWN * course.place.size, course.share)
    curved: Evaluation = yield Evaluate(theta, 2, sample)
    at: Evaluation = yield Evaluate(theta, 1)
    assert curved.hessian is not None
    return Model(theta, at, curved.hessian, False)
