"""Ridge paths and their folds where columns outnumber rows: each penalty is a fit in the row space of the table (see
`design/row_space.py`), scaled by what the penalty counts each column's coefficient by."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from berkson.certificate import Bound
from berkson.design.row_space import RowSpace
from berkson.fit import fit, row_space
from berkson.prepare import standardised
from berkson.problem import InputError, Problem, check
from berkson.rows.memory import InMemory
from berkson.rows.questions import Evaluate, Evaluation
from berkson.select.folds import Folds
from berkson.select.measures import least_loss
from berkson.select.regularizer import Regularizer, factors_of
from berkson.select.start import Options, lambdas_of, units
from berkson.select.training import training_units, training_weights
from berkson.solvers.choose import MOST_ROWS, SMALL
from berkson.solvers.regularised import Point
from berkson.solvers.run import Work, run_one
from berkson.wide import OnRows, Ridges, on_columns

F64 = npt.NDArray[np.float64]

TIGHTER = 1e-4  # than tol, in the row space: differences along a path are smaller than that


def is_wide(problem: Problem, options: Options) -> bool:
    """Whether the row space has the path: a ridge on every column of a dense table wider than long, whose Hessians cost
    something."""
    n, p = problem.X.shape
    plain = options.l1_ratio == 0.0 and options.groups is None and options.lower is None and options.upper is None
    every = options.factors is None or bool((np.asarray(options.factors, dtype=np.float64) > 0.0).all())
    positive = options.lambdas is None or bool((np.asarray(options.lambdas, dtype=np.float64) > 0.0).all())
    costly = n < p and n <= MOST_ROWS and n * float(p) ** 2 > SMALL
    return plain and every and positive and costly and isinstance(problem.X, np.ndarray)


@dataclass(frozen=True)
class WideStart:
    """What a ridge path and its folds have in common, as `Start`; and the row space of all rows."""

    problem: Problem
    options: Options
    rows: InMemory
    regularizer: Regularizer
    space: RowSpace
    class_weight: F64
    lambdas: F64
    given: bool
    null: float
    null_loss: float
    saturated: float

    def deviance_ratio(self, loss: float) -> float:
        """The part of the null deviance that is explained."""
        return (self.null_loss - loss) / (self.null_loss - self.saturated)

    def without(self, folds: Folds, work: Work) -> list[WideFits]:
        """The fits without each fold, which standardises columns by its own rows."""
        problem, rows, weight = self.problem, self.rows, self.problem.weight
        totals = training_weights(problem, folds, self.class_weight)
        spaces = [self.space] * folds.count
        if self.options.standardize:
            factor = self.regularizer.factor
            spaces = [_space(rows, Regularizer(0.0, factor, unit), work) for unit in training_units(rows, folds)]
        fits = []
        for k, (space, of_classes) in enumerate(zip(spaces, totals, strict=True)):
            mask = folds.trains([k], len(problem.y))[:, 0].astype(np.float64)
            own = replace(problem, weight=mask if weight is None else mask * weight)
            fits.append(WideFits(own, space, self, of_classes))
        return fits


def begin_wide(problem: Problem, options: Options, work: Work) -> WideStart:
    """Check, standardise, fit the null model.  InputError in one sentence for what has no path."""
    options.check()
    if problem.penalised:
        raise InputError("a path sets the penalty itself: give a problem without strength and lasso")
    totals = check(problem)
    rows, (n, p) = standardised(problem), problem.X.shape
    place = rows.coordinates
    constant = np.zeros((p + 1, rows.loss.outputs))
    if problem.intercept:
        constant[-1] = fit(replace(problem, X=np.empty((n, 0)), names=()), tol=options.tol * TIGHTER).intercept
    null: Evaluation = run_one(
        Evaluate(place.contract(constant[:, 0] if place.basis is None else constant), 1), rows, work
    )
    assert null.gradient is not None
    unit = units(rows, standardize=options.standardize, intercept=problem.intercept)
    regularizer = Regularizer(0.0, factors_of(options.factors, p), unit)
    total = float(totals.sum()) if options.scale == "mean" else 1.0
    least = least_loss(problem.y)
    return WideStart(
        problem,
        options,
        rows,
        regularizer,
        _space(rows, regularizer, work),
        totals,
        lambdas_of(options, problem, regularizer.largest(null.gradient, place) / total),
        options.lambdas is not None,
        problem.null_objective(totals),
        null.value,
        float(least.sum() if problem.weight is None else problem.weight @ least),
    )


def _space(rows: InMemory, regularizer: Regularizer, work: Work) -> RowSpace:
    """The row space in which the regularizer's ridge is the same in all directions."""
    counts = np.where(regularizer.unit > 0.0, regularizer.unit, np.inf) * np.sqrt(regularizer.factor)
    return row_space(rows, work, np.divide(1.0, counts))


@dataclass(frozen=True)
class WideFits:
    """Rows in one weighting, in the row space where their ridge is the same in all directions, and their fits so far;
    `fits` grows while a path is followed."""

    problem: Problem
    space: RowSpace
    start: WideStart
    class_weight: F64
    fits: list[OnRows] = field(default_factory=list)

    @property
    def null(self) -> float:
        return self.problem.null_objective(self.class_weight)

    def strength(self, lambda_: float) -> float:
        """Of the ridge on the sum of the losses."""
        return lambda_ * (float(self.class_weight.sum()) if self.start.options.scale == "mean" else 1.0)

    def points(self) -> list[Point]:
        """The fits, proved on the columns of the table."""
        found, place = on_columns(self.space, self.fits, self.start.options.tol), self.start.rows.coordinates
        each = zip(self.fits, found.coef, found.intercept, (found.gap * self.null).tolist(), strict=True)
        return [
            Point(
                place.from_original(coef, intercept),
                one.loss,
                one.objective,
                Bound(gap, math.inf, gap, 0.0 if gap < math.inf else math.inf),
                one.iterations,
                one.stopped,
            )
            for one, coef, intercept, gap in each
        ]


def follow_wide(
    start: WideStart,
    all_fits: Sequence[WideFits],
    enough: Callable[[Sequence[float]], str],
    progress: Callable[[float], None] | None,
) -> str:
    """Take all fits, the first those of all rows, through the penalties; why they end before the last."""
    options, ratios = start.options, list[float]()
    together: dict[int, list[WideFits]] = {}
    for each in all_fits:
        together.setdefault(id(each.space), []).append(each)
    groups = [
        (Ridges(some[0].space, [each.problem for each in some], TIGHTER * options.tol, options.max_iterations), some)
        for some in together.values()
    ]
    for lambda_ in start.lambdas.tolist():
        for ridges, some in groups:
            for each, found in zip(some, ridges.follow([one.strength(lambda_) for one in some]), strict=True):
                each.fits.append(found)
        ratios.append(start.deviance_ratio(all_fits[0].fits[-1].loss))
        if progress is not None:
            progress(len(ratios) / len(start.lambdas))
        if ended := enough(ratios):
            return ended
    return ""
