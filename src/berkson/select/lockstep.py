"""Folds that follow a path: each is a weighting of the same rows, their gradients share passes, and none needs a
Hessian of its own where the whole's, in proportion, predicts its step well enough.

With theta, g the whole's fit and gradient, and theta_k, g_k a fold's, of which all are known at the last lambda and the
whole's at the next,  theta_k + (theta' - theta)  with the gradient  g_k + s (g' - g),  s the fold's part of the weight,
is where the fold's quadratic model is put up; its minimum misses the fold's fit by a product of two small numbers: how
far the fold is from the whole, and how much the Hessian changes.  As along the whole's path, what it missed of the
gradient last time goes into the next (`walk.py`).

The whole is one lambda ahead: its gradient at the next shares the pass of the folds' at this one.  Where lambdas are so
close that the way of every fold is straight (`between.py`), the whole goes on alone for some of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.penalty import ElasticNet
from berkson.rows.memory import InMemory
from berkson.rows.questions import Evaluate, Evaluation, Furthest, Reach, Sample
from berkson.rows.weightings import Weightings
from berkson.select.between import Line, first_ratio, lambdas_ahead, likely, next_ratio, squared_step
from berkson.select.flat import flat_among
from berkson.select.folds import Folds
from berkson.select.regularizer import Regularizer
from berkson.select.start import Start
from berkson.select.training import training_units, training_weights
from berkson.select.walk import Walk, better, part_of_step, predicted
from berkson.solvers.proximal import Model
from berkson.solvers.regularised import Course, Point, advance, witness
from berkson.solvers.run import Solver, Work, run, run_one, run_together, under
from berkson.solvers.witness import Seen, Shared, Witness

F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

TOGETHER = 32  # folds that share a pass: more would only hold more at a time
ROWS_PER_UNKNOWN = 200  # of the sample that proves: it serves all folds, so that it may be larger than a path's
LEAVES = 0.5  # of the weight: what a fold trains on where its first gradient is a difference
FAR = 2  # iterations of a fold that the whole did not lead to its fit
PART = 25  # of the rows are the sample at least: its Hessian costs a small part of the passes that a tight proof saves


@dataclass(frozen=True, slots=True)
class Stop:
    """The whole's fit of lambda i, with the penalties of the folds (and the whole's own last) and what proves each fold
    there."""

    i: int
    whole: Model
    penalties: Sequence[ElasticNet]
    seen: Mapping[int, Seen]


class Lockstep:
    """The fits of a path and of its folds: `points` of the whole, `folds` of each fold, `nulls` (M,) the folds' null
    objectives, `ended` why the path has no more penalties.

    own_columns : whether which columns a fold has is of use, so that no fit may have all that its neighbours have."""

    def __init__(self, start: Start, folds: Folds, work: Work, *, own_columns: bool = True) -> None:
        self._start, self._work, self._own_columns = start, work, own_columns
        self._batches, self._courses = batches_of(start, folds), courses_of(start, folds)
        self.nulls = np.array([start.problem.null_objective(course.class_weight) for course in self._courses])
        self._regularizers = regularizers_of(start, folds)
        per_unknown = max(ROWS_PER_UNKNOWN, start.course.n_rows // (PART * start.course.place.size))
        seen = run(witness(start.course, per_unknown), start.rows, work)
        self._walk = Walk(start, seen)
        self._seen = seen if seen.sample is not None else Witness(_everything(start))
        self._shared, self._held_out = Shared(self._seen, folds), folds
        self._models: list[Model | None] = [None] * folds.count
        self._missed: list[F64 | float] = [0.0] * folds.count
        self._apart: dict[int, tuple[Walk, InMemory]] = {}
        self._knots: list[Stop] = []  # where the folds were fitted by their rows
        self._stride = 1  # lambdas to the next
        self._may_wait = not start.course.exact and start.course.place.basis is None
        self.points: list[Point] = []
        self.folds: list[list[Point]] = [[] for _ in range(folds.count)]
        self.ended = ""

    def run(self, enough: Callable[[Sequence[Point]], str], progress: Callable[[float], None] | None = None) -> None:
        """Fit all lambdas, or as many as are `enough` for a reason."""
        start, waiting = self._start, list[Stop]()
        penalties = self._penalties(0)
        whole, point = run(self._step(0, penalties), start.rows, self._work)
        while True:
            self.points.append(point)
            self.ended, i = enough(self.points), len(self.points)
            go_on = not self.ended and i < len(start.lambdas)
            following = self._penalties(i) if go_on else penalties
            ahead = [self._step(i, following)] if go_on else []
            waiting.append(self._stop(i - 1, whole, penalties))
            if go_on and len(waiting) < self._stride:
                found = [run(ahead[0], start.rows, self._work)]
            else:
                found, waiting = self._folds(waiting, ahead), []
            if progress is not None:
                progress(i / len(start.lambdas))
            if not found:
                return
            penalties, (whole, point) = following, found[0]

    def _penalties(self, i: int) -> list[ElasticNet]:
        """Of each fold at lambda i, and last of the whole; folds of the same weight and columns share one."""
        start, lambda_ = self._start, float(self._start.lambdas[i])
        made: dict[tuple[int, float], ElasticNet] = {}
        folds = []
        for regularizer, course in zip(self._regularizers, self._courses, strict=True):
            amount = start.options.amount(lambda_, course.class_weight)
            if (id(regularizer), amount) not in made:
                made[id(regularizer), amount] = regularizer.penalty(amount, course.place)
            folds.append(made[id(regularizer), amount])
        return [*folds, start.penalty(lambda_)]

    def _step(self, i: int, penalties: Sequence[ElasticNet]) -> Solver[tuple[Model, Point]]:
        """The whole's at lambda i, proved by what is to prove the folds as well."""
        return self._walk.step(i, penalties[-1], _least(penalties))

    def _stop(self, i: int, whole: Model, penalties: Sequence[ElasticNet]) -> Stop:
        place, rows, work = self._start.course.place, self._start.rows, self._work
        if self._seen is not self._walk.seen:
            run(self._seen.renew(whole.theta, _least(penalties), place), rows, work)
        run(self._shared.renew(), rows, work)
        folds = [k for k in range(len(self._courses)) if k not in self._apart]
        seen = {k: run(self._shared.of(k, whole.theta, penalties[k], place), rows, work) for k in folds}
        return Stop(i, whole, penalties, seen)

    def _folds(self, waiting: Sequence[Stop], ahead: Sequence[Solver[Any]]) -> list[Any]:
        """Fit the folds at the last of the lambdas that wait, then at those before; the results of the solvers that go
        ahead."""
        stop, before = waiting[-1], list(self._models)
        if not self._knots and self._held_out.codes is not None:
            self._begin(stop.whole, stop.penalties)
        results: list[Any] = []
        points: dict[int, Point] = {}
        for batch, weightings in self._batches:
            some = [k for k in batch if k not in self._apart]
            solvers = [under(k - batch[0], self._fold(stop, k)) for k in some]
            found = run_together([*solvers, *ahead], weightings, self._work)
            for k, (model, point) in zip(some, found, strict=False):
                self._models[k], points[k] = model, point
            results += found[len(some) :]
            ahead = ()
        if self._knots and self._may_wait:
            self._between(waiting, before)
        for k, point in points.items():
            self.folds[k].append(point)
        for batch, weightings in self._batches:
            self._part_ways(batch, weightings, stop)
        self._knots = [*self._knots[-1:], stop]
        return results

    def _part_ways(self, batch: range, weightings: Weightings, stop: Stop) -> None:
        """Folds that are far from the whole, where a Hessian costs next to nothing, go on by their own."""
        for k in batch:
            if k in self._apart:
                walk, rows = self._apart[k]
                _, point = run(walk.step(stop.i, stop.penalties[k], stop.penalties[k]), rows, self._work)
                self.folds[k].append(point)
            elif self._courses[k].exact and self.folds[k][-1].iterations >= FAR:
                model = self._models[k]
                assert model is not None
                own = replace(self._start, course=self._courses[k], model=model)
                self._apart[k] = Walk(own, Witness(None)), weightings.rows_of(k - batch[0])

    def _between(self, waiting: Sequence[Stop], before: Sequence[Model | None]) -> None:
        """The folds at the lambdas between the last knot and this one; and how far the next is."""
        knot, (*inner, stop) = self._knots[-1], waiting
        pairs = [(a, b) for a, b in zip(before, self._models, strict=True) if a is not None and b is not None]
        lines = self._lines(knot, stop, pairs) if inner else [Line(a, b, math.inf) for a, b in pairs]
        largest = [0.0]
        for each in inner:
            t = self._way(knot, each, stop)
            for batch, weightings in self._batches:
                solvers = [under(j, self._inner(each, k, lines[k], t)) for j, k in enumerate(batch)]
                for k, (point, gap) in zip(batch, run_together(solvers, weightings, self._work), strict=True):
                    self.folds[k].append(point)
                    largest.append(gap)
        self._stride = self._next(knot, stop, lines, max(largest))

    def _next(self, knot: Stop, stop: Stop, lines: Sequence[Line], gap: float) -> int:
        """How many lambdas on the folds are fitted next, where lines to here left at most this part of the gap."""
        lambdas, steps = self._start.lambdas, stop.i - knot.i
        target = min(course.target for course in self._courses)
        if steps == 1:
            curvature = float(stop.whole.hessian.diagonal().mean())
            ratio = first_ratio(squared_step(knot.whole, stop.whole), curvature, target)
        else:
            ratio = next_ratio(max(line.bend(0.5) for line in lines), gap, target)
        most = 2 * steps
        if self._own_columns:
            most = likely(sum(line.keeps_columns for line in lines) / len(lines), steps)
        return min(most, lambdas_ahead(lambdas, knot.i, stop.i, ratio))

    def _lines(self, knot: Stop, stop: Stop, pairs: Sequence[tuple[Model, Model]]) -> list[Line]:
        """Of each fold: no row's predictor moves further than the whole's and what the step differs by may move it."""
        step = stop.whole.theta - knot.whole.theta
        furthest = run_one(Furthest(step), self._start.rows, self._work)
        reach = self._reaches
        return [Line(a, b, furthest + float(reach @ np.abs(b.theta - a.theta - step))) for a, b in pairs]

    @cached_property
    def _reaches(self) -> F64:
        reach: F64 = run_one(Reach(), self._start.rows, self._work)
        return reach

    def _way(self, knot: Stop, inner: Stop, stop: Stop) -> float:
        """Which part of the way from one lambda to another a third is."""
        first, here, last = (self._start.lambdas[each.i] for each in (knot, inner, stop))
        return 0.0 if first == last else float((first - here) / (first - last))

    def _inner(self, stop: Stop, k: int, line: Line, t: float) -> Solver[tuple[Point, float]]:
        """The fit of fold k on the way, by its rows where no line is proved; the part of the gap that the line left."""
        penalty, course, seen = stop.penalties[k], self._courses[k], stop.seen[k]
        theta, slope = line.at(t)
        left = 0.0 if seen.anchor is not None else math.inf
        if seen.anchor is not None and (not self._own_columns or line.keeps_columns):
            smooth = slope + penalty.strength * theta
            h = float(self._reaches @ self._reaches) * float(np.abs(seen.anchor.inverse).sum(axis=1).max())
            proof = seen.anchor.proof(theta, smooth, penalty, line.bend(t), h)
            left = proof.gap / course.target
            if left <= 1.0:
                return Point(theta, math.nan, math.nan, proof, 0, "target"), left
        at = yield Evaluate(theta, 1)
        _, point = yield from advance(
            Model(theta, at, self._part(k) * stop.whole.hessian, False), penalty, course, seen
        )
        return point, left

    def _begin(self, whole: Model, penalties: Sequence[ElasticNet]) -> None:
        """The folds' models at the whole's fit: what their rows leave of its loss there, in one reading by one model.
        Not where they leave little, of which rounding would be a larger part, nor where a fold's rows leave a column
        one value, and so no coefficient."""
        rows = self._start.rows
        for k, index in enumerate(self._held_out.held_out):
            part = self._part(k)
            if part < LEAVES or (penalties[k].allowed(whole.theta) != whole.theta).any():
                continue
            held = Sample.alone(index, rows.weight)
            at = run_one(Evaluate(whole.theta, 1, held, as_part=True), rows, self._work)
            left = Evaluation(whole.at.value - at.value, math.nan, whole.at.gradient - at.gradient, None)
            self._models[k] = Model(whole.theta, left, part * whole.hessian, False)

    def _part(self, k: int) -> float:
        """Of the weight, which fold k trains on."""
        return float(self._courses[k].class_weight.sum() / self._start.course.class_weight.sum())

    def _fold(self, stop: Stop, k: int) -> Solver[tuple[Model, Point]]:
        course, last, whole = self._courses[k], self._models[k], stop.whole
        penalty, seen, part = stop.penalties[k], stop.seen[k], self._part(k)
        hessian = part * whole.hessian
        if last is None:
            theta = penalty.allowed(whole.theta)
            last = Model(theta, (yield Evaluate(theta, 1)), hessian, False)
        if not self._knots:
            return (yield from advance(last, penalty, course, seen))
        moved = _moved(last, self._knots[-1].whole, whole, part, hessian)
        expected = predicted(moved, penalty, self._proportion(stop) * self._missed[k])
        at = yield Evaluate(expected.theta, 1)
        self._missed[k] = expected.missed(at)
        model = better(replace(last, hessian=hessian), Model(expected.theta, at, hessian, False), penalty)
        return (yield from advance(model, penalty, course, seen))

    def _proportion(self, stop: Stop) -> float:
        """The step to here as a part of the one before it."""
        three = [self._start.lambdas[each.i] for each in (*self._knots, stop)]
        return part_of_step(*three) if len(three) == 3 else 0.0


def _moved(fold: Model, before: Model, now: Model, part: float, hessian: F64) -> Model:
    """A fold's model where it would be if it moved as the whole did."""
    assert fold.at.gradient is not None
    assert before.at.gradient is not None
    assert now.at.gradient is not None
    gradient = fold.at.gradient + part * (now.at.gradient - before.at.gradient)
    return Model(fold.theta + now.theta - before.theta, fold.at._replace(gradient=gradient), hessian, False)


def batches_of(start: Start, folds: Folds) -> list[tuple[range, Weightings]]:
    """Folds that share passes, and their weightings of the rows."""
    batches = [range(first, min(first + TOGETHER, folds.count)) for first in range(0, folds.count, TOGETHER)]
    return [(some, _weightings(start, folds.trains(some, len(start.problem.y)))) for some in batches]


def courses_of(start: Start, folds: Folds) -> list[Course]:
    """Of each fold, with the weights of its classes; InputError where one is gone."""
    course, problem = start.course, start.problem
    targets = [
        (totals, start.options.tol * problem.null_objective(totals))
        for totals in training_weights(problem, folds, course.class_weight)
    ]
    return [replace(course, class_weight=w, target=t, aim=0.5 * t) for w, t in targets]


def _weightings(start: Start, masks: npt.NDArray[np.uint8]) -> Weightings:
    weight = start.problem.weight
    return Weightings(start.rows, masks if weight is None else masks * weight[:, None])


def regularizers_of(start: Start, folds: Folds) -> list[Regularizer]:
    """Of each fold: where columns are standardised, by the fold's own rows."""
    if not start.options.standardize:
        return [start.regularizer] * folds.count
    return [_trained(start, folds, k, unit) for k, unit in enumerate(training_units(start.rows, folds))]


def _trained(start: Start, folds: Folds, k: int, unit: F64) -> Regularizer:
    """The regularizer of fold k, in which a level of a factor may have no rows."""
    own, flat = replace(start.regularizer, unit=unit), start.regularizer.flat
    gone = own.gone(start.course.place)
    if flat is None or not (flat[:, gone] != 0.0).any():
        return own
    return replace(own, flat=flat_among(start.rows, flat, gone, folds.trained_by(k)))


def _everything(start: Start) -> Sample:
    """All rows, where they are few."""
    return Sample.alone(np.arange(start.rows.n_rows), start.rows.weight)


def _least(penalties: Sequence[ElasticNet]) -> ElasticNet:
    """A ridge below that of each of these."""
    return replace(penalties[-1], strength=np.minimum.reduce([penalty.strength for penalty in penalties]))
