"""From one penalty of a path to the next: where the last fit's quadratic model says, plus what it missed last time.

The model maps steps to changes of the gradient.  What the gradient at the predicted fit was beyond that, by the part of
the step that the next one is, is close to what the model will miss then, as a path is smooth: it goes into the next
prediction, and most predictions are fits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from berkson.penalty import ElasticNet
from berkson.rows.questions import Evaluate, Evaluation, Sample
from berkson.select.columns import standing_at, walk_by_columns
from berkson.select.start import Start
from berkson.solvers.cold import sample_error, sample_optimum
from berkson.solvers.proximal import Model, loss_model, minimum_of_model
from berkson.solvers.regularised import Course, Point, advance, witness
from berkson.solvers.run import Solver, Work, run
from berkson.solvers.witness import Witness

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Where a fit is expected, and the gradient that the model expects there."""

    theta: F64
    gradient: F64

    def missed(self, at: Evaluation) -> F64:
        """What the gradient is beyond that."""
        assert at.gradient is not None
        return at.gradient - self.gradient


def predicted(model: Model, penalty: ElasticNet, missed: F64 | float) -> Prediction:
    """The minimum of the model, where it is expected to miss so much of the gradient."""
    at = model.at
    assert at.gradient is not None
    theta = minimum_of_model(replace(model, at=at._replace(gradient=at.gradient + missed)), penalty)
    return Prediction(theta, at.gradient + model.hessian @ (theta - model.theta))


def proportion(lambdas: F64, i: int) -> float:
    """The step to lambda i as a part of the one before it: along a path with the same columns the steps are about in
    proportion to those of lambda."""
    return 0.0 if i < 2 else part_of_step(*lambdas[i - 2 : i + 1])


def part_of_step(before: float, last: float, now: float) -> float:
    """The same, of any three lambdas."""
    return 0.0 if before == last else min(1.0, float((last - now) / (before - last)))


class Walk:
    """The fits of all lambdas in turn; `seen` proves them."""

    def __init__(self, start: Start, seen: Witness) -> None:
        self.model, self.seen, self._start = start.model, seen, start
        self._missed: F64 | float = 0.0

    def step(self, i: int, penalty: ElasticNet, least: ElasticNet) -> Solver[tuple[Model, Point]]:
        """The fit of lambda i after that of lambda i - 1; proofs are to serve ridges from `least` on."""
        course, last = self._start.course, self.model
        if course.exact:
            # a step at each, even where the last fit is within tol: differences along a path are smaller than that
            yield from self.seen.renew(last.theta, least, course.place)
            self.model, point = yield from advance(last, penalty, course, self.seen, at_least=1)
            return self.model, point
        if i == 0:
            last = yield from _nearer(last, penalty, course, self.seen.sample)
        expected = predicted(last, penalty, proportion(self._start.lambdas, i) * self._missed)
        yield from self.seen.renew(expected.theta, least, course.place)
        model, spent = last, 0
        if course.max_iterations > 0 and (expected.theta != last.theta).any():
            at = yield Evaluate(expected.theta, 1)
            self._missed, spent = expected.missed(at), 1
            model = better(last, last.corrected(expected.theta, at), penalty)
        self.model, point = yield from advance(model, penalty, course, self.seen, spent)
        return self.model, point


def _nearer(model: Model, penalty: ElasticNet, course: Course, sample: Sample | None) -> Solver[Model]:
    """The model at a sample's optimum, where that is nearer the fit: a first penalty may be far from the null model."""
    if sample is None or model.gap(penalty) <= sample_error(course, sample):
        return model
    return better(model, (yield from sample_optimum(model.theta, penalty, course, sample)), penalty)


def better(last: Model, trial: Model, penalty: ElasticNet) -> Model:
    """The trial, unless it is worse: far from a path's last fit, as in a coarse grid, predictions can be anything."""
    return trial if trial.value(penalty) <= last.value(penalty) else last


def from_fit(start: Start, theta: F64, lambda_: float, work: Work) -> Start:
    """The start of a path that goes on from theta, the fit of a lambda."""
    if start.standing is None:
        return replace(start, model=run(loss_model(theta), start.rows, work))
    return replace(start, standing=standing_at(start, theta, lambda_, work))


def walk(start: Start, work: Work) -> Iterator[tuple[Model, Point]]:
    """The fits of all lambdas in turn, each begun where the last one ended (working sets: with the models of those)."""
    if start.standing is not None:
        for standing, point in walk_by_columns(start, start.standing, work):
            yield standing.model, point
        return
    steps = Walk(start, run(witness(start.course), start.rows, work))
    for i, lambda_ in enumerate(start.lambdas):
        penalty = start.penalty(float(lambda_))
        yield run(steps.step(i, penalty, penalty), start.rows, work)
