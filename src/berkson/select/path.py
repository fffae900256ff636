"""Paths: the fits of a sequence of penalties, each started where the last one ended, each with its proof."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.certificate import NOTHING, Bound, prove
from berkson.penalty import ElasticNet
from berkson.rows.coordinates import Coordinates
from berkson.rows.questions import Draw, Sample
from berkson.solvers.proximal import Model, loss_model, proximal_newton
from berkson.solvers.run import Solver

F64 = npt.NDArray[np.float64]

SMALL = 2e7  # multiplications of a Hessian that are not worth saving
ROWS_PER_UNKNOWN = 50  # of the sample that proves, where the rows are four times as many
TIGHTER, TRIES = 0.1, 4  # of the aim, where the proof falls short of the target


@dataclass(frozen=True, slots=True)
class Point:
    """The fit of one penalty: theta, the loss there, the proof, steps taken, and why it stopped."""

    theta: F64
    loss: float
    proof: Bound
    iterations: int
    reason: str


@dataclass(frozen=True, slots=True)
class Course:
    """What all points of a path have in common: the solver's coordinates, the shares of classes, the gap to prove, and
    whether Hessians cost next to nothing."""

    place: Coordinates
    class_share: F64
    n_rows: int
    target: float
    max_iterations: int

    @property
    def always_exact(self) -> bool:
        d = self.place.size
        return self.n_rows * float(d) ** 2 <= SMALL or self.n_rows < 4 * ROWS_PER_UNKNOWN * d


def follow(start: F64, penalties: Sequence[ElasticNet], course: Course) -> Solver[list[Point]]:
    """The points of a path from a theta near the first."""
    sample: Sample | None = None
    doubt = 1.0
    if not course.always_exact:
        sample = yield Draw(ROWS_PER_UNKNOWN * course.place.size, course.class_share)
        doubt = course.n_rows / max(1, sample.size)
    model = yield from loss_model(start)
    points = []
    for penalty in penalties:
        model, point = yield from _point(model, penalty, course, sample, doubt)
        points.append(point)
    return points


def _point(
    model: Model, penalty: ElasticNet, course: Course, sample: Sample | None, doubt: float
) -> Solver[tuple[Model, Point]]:
    spent, aim, proof = 0, 0.5 * course.target, NOTHING
    for _ in range(TRIES):
        progress = yield from proximal_newton(
            model,
            penalty,
            target=aim,
            max_iterations=course.max_iterations - spent,
            doubt=doubt,
            always_exact=course.always_exact,
        )
        model = progress.model
        spent += progress.iterations
        exact = model.hessian + np.diag(penalty.strength) if model.fresh else None
        proof = yield from prove(
            model.theta,
            model.gradient(penalty),
            penalty,
            course.place,
            course.class_share,
            hessian=exact,
            sample=None if model.fresh else sample,
        )
        if proof.gap <= course.target or progress.reason != "target" or spent >= course.max_iterations:
            break
        aim *= TIGHTER if math.isinf(proof.gap) else min(TIGHTER, 0.5 * course.target / proof.gap)
    return model, Point(model.theta, model.at.value, proof, spent, progress.reason)
