"""Folds that follow a path: each is a weighting of the same rows, their gradients share passes, and none needs a
Hessian of its own where the whole's, in proportion, predicts its step well enough.

With theta, g the whole's fit and gradient, and theta_k, g_k a fold's, of which all are known at the last lambda and the
whole's at the next,  theta_k + (theta' - theta)  with the gradient  g_k + s (g' - g),  s the fold's part of the weight,
is where the fold's quadratic model is put up; its minimum misses the fold's fit by a product of two small numbers: how
far the fold is from the whole, and how much the Hessian changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from berkson.penalty import ElasticNet
from berkson.problem import InputError, Problem
from berkson.rows.questions import Draw, Evaluate, Evaluation, Sample
from berkson.rows.weightings import Weightings
from berkson.select.folds import Folds
from berkson.select.regularizer import Regularizer
from berkson.select.start import Start, units
from berkson.solvers.proximal import Model, minimum_of_model
from berkson.solvers.regularised import ROWS_PER_UNKNOWN, Course, Point, Witness, advance
from berkson.solvers.run import Solver, Work, run, run_one, run_together, under

F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

TOGETHER = 32  # folds that share a pass: more would only hold more at a time


class Lockstep:
    """The folds of a path.  `follow` takes them to the next lambda; `points` are their fits, by folds, and `nulls` (M,)
    their null objectives."""

    def __init__(self, start: Start, folds: Folds, work: Work) -> None:
        self._start, self._work = start, work
        problem = start.problem
        masks = [range(first, min(first + TOGETHER, folds.count)) for first in range(0, folds.count, TOGETHER)]
        self._batches = [(some, _weightings(start, folds.trains(some, len(problem.y)))) for some in masks]
        training = [_training(folds, k) for k in range(folds.count)]
        self._courses = [_course(start, problem, rows, k) for k, rows in enumerate(training)]
        self.nulls = np.array([problem.null_objective(course.class_weight) for course in self._courses])
        self._regularizers = _regularizers(start, folds, training)
        self._witnesses = _witnesses(start, folds, work)
        self._whole: Model | None = None
        self._models: list[Model | None] = [None] * folds.count
        self.points: list[list[Point]] = [[] for _ in range(folds.count)]

    def follow(self, whole: Model) -> None:
        """Fit all folds at the lambda whose fit of all rows is `whole`."""
        lambda_ = float(self._start.lambdas[len(self.points[0])])
        penalties = [
            regularizer.penalty(self._start.amount(lambda_, float(course.class_weight.sum())), course.place)
            for regularizer, course in zip(self._regularizers, self._courses, strict=True)
        ]
        for some, seen in self._witnesses:
            run(
                seen.renew(whole.theta, _least(penalties, some), self._start.course.place), self._start.rows, self._work
            )
        witness = {k: seen for some, seen in self._witnesses for k in some}
        for batch, rows in self._batches:
            solvers = [under(i, self._fold(k, whole, penalties[k], witness[k])) for i, k in enumerate(batch)]
            fits = run_together(solvers, rows, self._work)  # type: ignore[arg-type]
            for k, (model, point) in zip(batch, fits, strict=True):
                self._models[k] = model
                self.points[k].append(point)
        self._whole = whole

    def _fold(self, k: int, whole: Model, penalty: ElasticNet, seen: Witness) -> Solver[tuple[Model, Point]]:
        course, last, theta = self._courses[k], self._models[k], whole.theta
        part = float(course.class_weight.sum() / self._start.course.class_weight.sum())
        hessian = part * whole.hessian
        if last is not None:
            assert self._whole is not None
            theta = minimum_of_model(_moved(last, self._whole, whole, part, hessian), penalty)
        at = yield Evaluate(theta, 1)
        return (yield from advance(Model(theta, at, hessian, False), penalty, course, seen))


def _moved(fold: Model, before: Model, now: Model, part: float, hessian: F64) -> Model:
    """A fold's model where it would be if it moved as the whole did."""
    assert fold.at.gradient is not None
    assert before.at.gradient is not None
    assert now.at.gradient is not None
    gradient = fold.at.gradient + part * (now.at.gradient - before.at.gradient)
    at = Evaluation(math.nan, math.nan, gradient, None)
    return Model(fold.theta + now.theta - before.theta, at, hessian, False)


def _weightings(start: Start, masks: npt.NDArray[np.uint8]) -> Weightings:
    weight = start.problem.weight
    return Weightings(start.rows, masks if weight is None else masks * weight[:, None])


def _training(folds: Folds, k: int) -> Indices:
    return folds.training[k] if folds.codes is None else np.flatnonzero(folds.codes != k)


def _course(start: Start, problem: Problem, rows: Indices, k: int) -> Course:
    """Of a fold: the weights of its classes; InputError where one is gone."""
    weight = None if problem.weight is None else problem.weight[rows]
    totals = replace(problem, y=problem.y[rows], weight=weight).class_weights()
    gone = np.flatnonzero((totals == 0.0) & (start.course.class_weight > 0.0))
    if len(gone):
        raise InputError(
            f"fold {k} holds out every row of class {problem.class_name(int(gone[0]))}, so that the others cannot "
            "learn it: use fewer folds, or folds that are drawn with equal shares of the classes"
        )
    target = start.options.tol * problem.null_objective(totals)
    return replace(start.course, class_weight=totals, target=target, aim=0.5 * target, exact=False)


def _regularizers(start: Start, folds: Folds, training: Sequence[Indices]) -> list[Regularizer]:
    """Of each fold: where columns are standardised, by the fold's own rows."""
    if not start.options.standardize:
        return [start.regularizer] * folds.count
    intercept = start.problem.intercept
    return [
        replace(start.regularizer, unit=units(start.rows, standardize=True, intercept=intercept, some=rows))
        for rows in training
    ]


def _witnesses(start: Start, folds: Folds, work: Work) -> list[tuple[Sequence[int], Witness]]:
    """For each group of folds, rows that train them all: drawn, where that is enough."""
    groups, course, n = folds.halves(), start.course, len(start.problem.y)
    size = ROWS_PER_UNKNOWN * course.place.size * len(groups[:2])
    drawn: Sample | None = run_one(Draw(size, course.share), start.rows, work) if n >= 2 * size else None
    found: list[tuple[Sequence[int], Witness]] = []
    for some in groups:
        common = np.asarray(folds.trains(some, n).all(axis=1))
        found.append((some, Witness(_among(common, drawn, start.problem.weight))))
    return found


def _among(allowed: npt.NDArray[np.bool_], drawn: Sample | None, weight: F64 | None) -> Sample:
    if drawn is not None:
        use = allowed[drawn.index]
        return Sample(drawn.index[use], drawn.scaled[use], None if drawn.own is None else drawn.own[use])
    index = np.flatnonzero(allowed)
    own = None if weight is None else weight[index]
    return Sample(index, np.ones(len(index)) if own is None else own, own)


def _least(penalties: Sequence[ElasticNet], some: Sequence[int]) -> ElasticNet:
    """A ridge below that of each of these."""
    strength = np.minimum.reduce([penalties[k].strength for k in some])
    return ElasticNet(strength, penalties[some[0]].threshold)
