"""Where a path begins: the null model, the largest penalty of use, and what all its fits have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from berkson.inverse import inverse_factor
from berkson.penalty import ElasticNet
from berkson.prepare import null_coef, standardised
from berkson.problem import InputError, Problem, check
from berkson.rows.memory import InMemory
from berkson.select.flat import with_flat
from berkson.select.measures import least_loss
from berkson.select.regularizer import Regularizer, factors_of
from berkson.select.structured import structured
from berkson.solvers.proximal import Model, loss_model, proximal_newton
from berkson.solvers.regularised import Course, cheap, sampled_model
from berkson.solvers.run import Work, run
from berkson.solvers.working import Standing, by_columns, fit_null

F64 = npt.NDArray[np.float64]
Scale = Literal["mean", "sum"]

NOISE = 1e-13  # a slope per unit of weight, of columns of unit spread, which is rounding
FEW = 10  # given penalties, for which the null model's exact Hessian does not serve long enough
SHOWN = 5  # columns in a sentence
NULL_GAP = 1e-30  # of the null loss: the squared rounding of a gradient
LEAST_WIDE, LEAST = 1e-2, 1e-4  # of the largest lambda: the smallest, for p > n and else, as glmnet has it


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of a path; see `path`."""

    l1_ratio: float = 1.0
    lambdas: npt.ArrayLike | None = None
    count: int = 100
    smallest: float | None = None
    factors: npt.ArrayLike | None = None
    standardize: bool = True
    scale: Scale = "mean"
    complete: bool = False
    tol: float = 1e-6
    max_iterations: int = 100
    groups: npt.ArrayLike | None = None
    share: float = 0.0
    lower: npt.ArrayLike | None = None
    upper: npt.ArrayLike | None = None

    def amount(self, lambda_: float, class_weight: F64) -> float:
        """What a lambda weighs against the sum of losses of rows, of which classes have these weights (K,)."""
        return lambda_ * (float(class_weight.sum()) if self.scale == "mean" else 1.0)

    def check(self) -> None:
        """Refuse what makes no path, in one sentence."""
        if not 0.0 <= self.l1_ratio <= 1.0:
            raise InputError(f"l1_ratio is {self.l1_ratio:g}: give a number from 0 (ridge) to 1 (lasso)")
        if self.lambdas is None and self.count < 1:
            raise InputError(f"count is {self.count}: a path has at least one penalty")
        if self.smallest is not None and not 0.0 < self.smallest < 1.0:
            raise InputError(
                f"smallest is {self.smallest:g}: it is a part of the largest lambda, between 0 and 1 (glmnet: 1e-4)"
            )
        if self.scale not in ("mean", "sum"):
            raise InputError(f"scale is {self.scale!r}: lambda weighs against the 'mean' of losses or their 'sum'")


@dataclass(frozen=True)
class Start:
    """The rows in a solver's coordinates, the null model there, and the penalties (lambdas descending).

    null_loss, saturated : the loss of the constant alone (and the offset), and the least of any model (0 for hard
    labels); null : the objective that tolerances relate to.  given : lambdas are the caller's.  standing : the null
    model where fits go by working sets, of which `model` then has the free columns only.
    """

    problem: Problem
    options: Options
    rows: InMemory
    course: Course
    regularizer: Regularizer
    model: Model
    lambdas: F64
    given: bool
    null: float
    null_loss: float
    saturated: float
    standing: Standing | None = None

    def penalty(self, lambda_: float) -> ElasticNet:
        amount = self.options.amount(lambda_, self.course.class_weight)
        return self.regularizer.penalty(amount, self.course.place)

    def deviance_ratio(self, loss: float) -> float:
        """The part of the null deviance that is explained."""
        return (self.null_loss - loss) / (self.null_loss - self.saturated)


def posed(problem: Problem, options: Options) -> tuple[InMemory, Course, Regularizer]:
    """The rows in a solver's coordinates, what all fits have in common, and the penalties; InputError in one sentence
    for what has no path."""
    options.check()
    if problem.penalised:
        raise InputError("a path sets the penalty itself: give a problem without strength and lasso")
    totals = check(problem)
    bounded = options.lower is not None or options.upper is not None
    by_class = bounded or (options.l1_ratio > 0.0 and options.groups is None)
    rows, p = standardised(problem, symmetric=by_class), problem.X.shape[1]
    place, null = rows.coordinates, problem.null_objective(totals)
    offset = 0.0 if problem.offset is None else float(np.abs(problem.offset).max())
    target = options.tol * null
    n = len(problem.y)
    exact = cheap(n, place.size)
    course = Course(place, totals, n, offset, target, 0.5 * target, options.max_iterations, exact)
    factor = factors_of(options.factors, p)
    unit = units(rows, standardize=options.standardize, intercept=problem.intercept)
    regularizer = structured(
        Regularizer(options.l1_ratio, factor, unit),
        options.groups,
        options.share,
        options.lower,
        options.upper,
        problem,
    )
    return rows, course, regularizer


def begin(problem: Problem, options: Options, work: Work) -> Start:
    """Check, standardise, fit the null model.  InputError in one sentence for what has no path."""
    rows, course, regularizer = posed(problem, options)
    place, totals, p = course.place, course.class_weight, problem.X.shape[1]
    null = problem.null_objective(totals)
    cold = place.contract(null_coef(problem, p, course.share)) if problem.intercept else np.zeros(place.size)
    nothing, free = regularizer.without(place, columns=True), regularizer.without(place)
    standing: Standing | None = None
    if by_columns(regularizer.penalty(1.0, place), course):
        standing = run(fit_null(cold, nothing, course, NULL_GAP * null), rows, work)
        null_loss = standing.at.value
        if (free.threshold != nothing.threshold).any():
            standing = run(fit_null(standing.theta, free, course, NULL_GAP * null), rows, work)
        model, gradient = standing.model, standing.at.gradient
        first = gradient
    else:
        few = options.lambdas is not None and np.size(options.lambdas) <= FEW
        far = few and not (free.threshold != nothing.threshold).any()
        constant = _null(run(sampled_model(cold, course) if far else loss_model(cold), rows, work), nothing, rows, work)
        null_loss = constant.at.value
        model = _null(constant, free, rows, work)
        gradient = model.at.gradient
        # a ridge's penalties begin where the constant alone is fitted, as glmnet's
        first = constant.at.gradient if options.l1_ratio == 0.0 else gradient
        _refuse_dependent(problem, model, np.flatnonzero(np.isfinite(free.threshold[: place.columns])))
        regularizer = with_flat(regularizer, rows, model.hessian)
    assert gradient is not None
    assert first is not None
    penalised = np.isinf(free.threshold)
    slope = float(np.abs(gradient[penalised]).max(initial=0.0)) if options.lambdas is None else np.inf
    largest = regularizer.largest(first, place) if slope > NOISE * float(totals.sum()) else 0.0
    lambdas = lambdas_of(options, problem, largest / options.amount(1.0, totals))
    least = least_loss(problem.y)
    return Start(
        problem,
        options,
        rows,
        course,
        regularizer,
        model,
        lambdas,
        options.lambdas is not None,
        null,
        null_loss,
        float(least.sum() if problem.weight is None else problem.weight @ least),
        standing,
    )


def _refuse_dependent(problem: Problem, model: Model, free: npt.NDArray[np.intp]) -> None:
    """InputError where columns that nothing penalises are combinations of each other, so that no fit is the only one;
    `free` are places in the first class's part of theta."""
    columns = free[free < problem.X.shape[1]].tolist()
    if len(columns) < 2 or inverse_factor(model.hessian[np.ix_(free, free)]) is not None:
        return
    raise InputError(
        f"columns {', '.join(repr(problem.column(j)) for j in columns[:SHOWN])}, which are not penalised, are "
        "combinations of each other or of the constant: leave one out, or penalise it"
    )


def units(rows: InMemory, *, standardize: bool, intercept: bool) -> F64:
    """What each column's coefficient is multiplied by in the penalty (p,): its standard deviation (1/N, by weight),
    or 1; 0 of a column that has one value only and so no coefficient beside an intercept."""
    _, _, variance, low, high = rows.design.moments(None, rows.weight, rows.whole.threads)
    if standardize:
        return unit_of(variance, low, high)
    return np.where((high > low) | (not intercept), 1.0, 0.0)


def unit_of(variance: F64, low: F64, high: F64) -> F64:
    """The standard deviation, and exactly 0 of a column with one value only."""
    return np.where(high > low, np.sqrt(variance), 0.0)


def _null(model: Model, penalty: ElasticNet, rows: InMemory, work: Work) -> Model:
    """The fit of what is not held at zero, to rounding, so that at the largest lambda nothing else enters."""
    solver = proximal_newton(model, penalty, target=NULL_GAP * model.at.value, max_iterations=100, always_exact=True)
    return run(solver, rows, work).model


def given_lambdas(lambdas: npt.ArrayLike) -> F64:
    """The caller's, descending; InputError where one is no penalty."""
    given = np.asarray(lambdas, dtype=np.float64).ravel()
    if not len(given) or not np.isfinite(given).all() or (given < 0.0).any():
        raise InputError("lambdas must be finite numbers >= 0, at least one")
    return -np.sort(-given)


def lambdas_of(options: Options, problem: Problem, largest: float) -> F64:
    """The penalties, descending: the caller's, or so many down from the largest."""
    if options.lambdas is not None:
        return given_lambdas(options.lambdas)
    if not largest > 0.0:
        raise InputError(
            "no penalised column changes the fit at all beside the others: there is no path, only the null model"
        )
    n, p = problem.X.shape
    smallest = options.smallest if options.smallest is not None else LEAST if n >= p else LEAST_WIDE
    return largest * np.geomspace(1.0, smallest, options.count)
