"""Folds of a path that goes by working sets: each has a set of its own, and they share the readings of all columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from berkson.penalty import ElasticNet
from berkson.select.columns import walk_by_columns
from berkson.select.folds import Folds
from berkson.select.lockstep import Lockstep, batches_of, courses_of, regularizers_of
from berkson.select.start import NULL_GAP, Start
from berkson.size import Size
from berkson.solvers.regularised import Point
from berkson.solvers.run import Solver, Work, run_together, under
from berkson.solvers.working import Standing, advance, fit_null, size_of


class ColumnFolds:
    """What `Lockstep` is, where fits go by working sets."""

    def __init__(self, start: Start, standing: Standing, folds: Folds, work: Work) -> None:
        self._start, self._standing, self._work = start, standing, work
        self._batches, self._courses = batches_of(start, folds), courses_of(start, folds)
        self.nulls = np.array([start.problem.null_objective(course.class_weight) for course in self._courses])
        self._regularizers = regularizers_of(start, folds)
        self._known: list[tuple[Standing, Size] | None] = [None] * folds.count
        self.points: list[Point] = []
        self.folds: list[list[Point]] = [[] for _ in range(folds.count)]
        self.ended = ""

    def run(self, enough: Callable[[Sequence[Point]], str], progress: Callable[[float], None] | None = None) -> None:
        """Fit all lambdas, or as many as are `enough` for a reason."""
        for _, point in walk_by_columns(self._start, self._standing, self._work):
            i = len(self.points)
            self.points.append(point)
            for batch, rows in self._batches:
                solvers = [under(j, self._fold(k, float(self._start.lambdas[i]))) for j, k in enumerate(batch)]
                for k, found in zip(batch, run_together(solvers, rows, self._work), strict=True):
                    self.folds[k].append(found)
            if progress is not None:
                progress((i + 1) / len(self._start.lambdas))
            self.ended = enough(self.points)
            if self.ended:
                break

    def _fold(self, k: int, lambda_: float) -> Solver[Point]:
        course, known = self._courses[k], self._known[k]
        amount = self._start.options.amount(lambda_, course.class_weight)
        penalty: ElasticNet = self._regularizers[k].penalty(amount, course.place)
        if known is None:
            null = yield from fit_null(self._standing.theta, penalty, course, NULL_GAP * self.nulls[k])
            known = null, (yield from size_of(course))
        standing, point = yield from advance(known[0], penalty, course, known[1], at_least=1)
        self._known[k] = standing, known[1]
        return point


def followed(start: Start, folds: Folds, work: Work, *, own_columns: bool = True) -> Lockstep | ColumnFolds:
    """What fits a path and its folds; `own_columns`: see `Lockstep`."""
    if start.standing is None:
        return Lockstep(start, folds, work, own_columns=own_columns)
    return ColumnFolds(start, start.standing, folds, work)
