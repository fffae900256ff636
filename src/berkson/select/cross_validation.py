"""Cross-validation of a path: the folds follow the whole's fits in lockstep, and every fold's fit has its proof."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.problem import InputError, Problem, locate_non_finite
from berkson.rows.memory import NonFiniteError
from berkson.select.column_folds import followed
from berkson.select.folds import Folds, folds_of
from berkson.select.measures import Curve, Measure, curve, held_out
from berkson.select.path import Path, enough, enough_explained, originals, path_of
from berkson.select.separated import separated
from berkson.select.start import Options, Scale, Start, begin
from berkson.select.wide import WideFits, WideStart, begin_wide, follow_wide, is_wide
from berkson.solvers.run import Work

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CrossValidation:
    """A path, and the same penalties fitted without each of M folds.

    path      of all rows, L penalties (its passes and seconds are those of both)
    folds     which rows are held out
    gap       (M, L) proved bound on objective - optimum of each fold's fit, relative to its null objective
    measure   by which lambdas are chosen, and scores (M, L) of the held-out rows by it; `curve(measure)` has any
    """

    path: Path
    folds: Folds
    measure: Measure
    scores: F64
    gap: F64
    passes: float
    seconds: float
    thetas: F64 = field(repr=False)  # (M, L, size)

    @property
    def certified(self) -> npt.NDArray[np.bool_]:
        """Which fits of folds are proved to within tol (M, L)."""
        return self.gap <= self.path.tol

    @cached_property
    def weight(self) -> F64:
        """The weight of each fold's held-out rows (M,)."""
        weight = self.path.problem.weight
        return np.array([len(rows) if weight is None else weight[rows].sum() for rows in self.folds.held_out], float)

    @cached_property
    def chosen(self) -> Curve:
        """The curve of `measure`."""
        return curve(self.measure, self.scores, self.weight)

    def curve(self, measure: Measure) -> Curve:
        """Any measure of the held-out rows."""
        return curve(measure, _scores(measure, self.path.start, self.folds, self.thetas), self.weight)

    @property
    def lambda_min(self) -> float:
        """The lambda with the best mean, the largest of equals."""
        return float(self.path.lambdas[self.chosen.best])

    @property
    def lambda_1se(self) -> float:
        """The largest lambda whose mean is within one standard error of the best."""
        return float(self.path.lambdas[self.chosen.one_se])

    def coef(self, fold: int) -> tuple[F64, F64]:
        """Coefficients (L, 1 or K, p) and intercepts (L, 1 or K) without this fold."""
        coef, intercept = originals(self.thetas[fold], self.path.start.rows.coordinates)
        return self.path.start.regularizer.exact(coef), intercept

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the choice, a sentence each; empty where there is nothing."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        chosen, lambdas = self.chosen, self.path.lambdas
        if len(lambdas) > 1 and chosen.best == len(lambdas) - 1:
            yield (
                f"the best lambda, {lambdas[-1]:.4g}, is the smallest tried, so a smaller one may be better: go on to "
                "smaller lambdas"
            )
        if len(lambdas) > 1 and chosen.best == 0:
            larger = (
                "the columns explain nothing of held-out rows" if not self.path.df[0] else "go on to larger lambdas"
            )
            yield f"the best lambda, {lambdas[0]:.4g}, is the largest tried: {larger}"
        if (said := separated(self.path)) is not None:
            yield said
        without = int((~np.isfinite(chosen.each)).any(axis=1).sum())
        if without:
            yield (
                f"{without} of {self.folds.count} folds have no {self.measure} (their held-out rows are of one class, "
                "or of no weight) and are left out of its mean"
            )
        open_ = int((~self.certified).any(axis=1).sum())
        if open_:
            yield (
                f"in {open_} of {self.folds.count} folds some fits are not proved to within {self.path.tol:.1g}, at "
                f"lambda {lambdas[np.flatnonzero(~self.certified.all(axis=0))[0]]:.4g} and below it"
            )


def cross_validate(
    problem: Problem,
    folds: int | npt.ArrayLike | Folds = 10,
    *,
    groups: Array | None = None,
    seed: int = 0,
    measure: Measure = "log_loss",
    l1_ratio: float = 1.0,
    lambdas: npt.ArrayLike | None = None,
    count: int = 100,
    smallest: float | None = None,
    factors: npt.ArrayLike | None = None,
    standardize: bool = True,
    scale: Scale = "mean",
    complete: bool = False,
    tol: float = 1e-6,
    max_iterations: int = 100,
    column_groups: npt.ArrayLike | None = None,
    share: float = 0.0,
    lower: npt.ArrayLike | None = None,
    upper: npt.ArrayLike | None = None,
    progress: Callable[[float], None] | None = None,
    own_columns: bool = True,
) -> CrossValidation:
    """Fit a path to all rows, and at the same penalties without each fold; see `path` for the options of
    a path, whose `groups` of columns are `column_groups` here.

    folds        how many, drawn with equal shares of the classes, or with `groups` (n,) such that rows of the same code
                 stay together; or the fold of each row (n,), any codes; or `Folds` (see `folds_from`)
    seed         of the drawing
    measure      by which lambdas are chosen: "log_loss", "deviance", "brier", "accuracy" or "auc"
    progress     told, after each penalty, the part of them that is done
    own_columns  whether which columns a fold has at a lambda is of use, as it is to relaxed fits; else some fits,
                 proved as all others are, have the columns of both their neighbours, and folds cost less

    Each fold's fit is that of `path` for its rows at the same lambda: losses weigh against their own total weight, and
    columns are standardised by its own rows.  Raises InputError in one sentence, also where the rows without a fold
    lack a class.
    """
    options = Options(
        l1_ratio,
        lambdas,
        count,
        smallest,
        factors,
        standardize,
        scale,
        complete,
        tol,
        max_iterations,
        column_groups,
        share,
        lower,
        upper,
    )
    if is_wide(problem, options):
        return _wide_cross_validate(problem, options, lambda: folds_of(problem, folds, groups, seed), measure, progress)
    began, work = time.perf_counter(), Work()
    try:
        with one_thread(problem.unknowns):
            start = begin(problem, options, work)
            chosen = folds_of(problem, folds, groups, seed)
            lockstep = followed(start, chosen, work, own_columns=own_columns)
            lockstep.run(lambda points: enough(start, points), progress)
    except NonFiniteError:
        raise locate_non_finite(problem) from None
    seconds = time.perf_counter() - began
    thetas = np.array([[point.theta for point in fold] for fold in lockstep.folds])
    gap = np.array([[point.proof.gap for point in fold] for fold in lockstep.folds]) / lockstep.nulls[:, None]
    scores = _scores(measure, start, chosen, thetas)
    path = path_of(start, lockstep.points, lockstep.ended, work, seconds)
    return CrossValidation(path, chosen, measure, scores, gap, work.passes, time.perf_counter() - began, thetas)


def _wide_cross_validate(
    problem: Problem,
    options: Options,
    drawn: Callable[[], Folds],
    measure: Measure,
    progress: Callable[[float], None] | None,
) -> CrossValidation:
    """A ridge path and its folds in the row space."""
    began, work = time.perf_counter(), Work()
    try:
        with one_thread(problem.unknowns):
            start, folds = begin_wide(problem, options, work), drawn()
            whole = WideFits(problem, start.space, start, start.class_weight)
            without = start.without(folds, work)
            ended = follow_wide(start, [whole, *without], lambda ratios: enough_explained(start, ratios), progress)
            path = path_of(start, whole.points(), ended, work, time.perf_counter() - began)
            each = [fits.points() for fits in without]
    except NonFiniteError:
        raise locate_non_finite(problem) from None
    thetas = np.array([[point.theta for point in points] for points in each])
    gap = np.array([[point.proof.gap for point in points] for points in each])
    gap /= np.array([fits.null for fits in without])[:, None]
    scores = _scores(measure, start, folds, thetas)
    return CrossValidation(path, folds, measure, scores, gap, work.passes, time.perf_counter() - began, thetas)


def _scores(measure: Measure, start: Start | WideStart, folds: Folds, thetas: F64) -> F64:
    """The measure of each fold's held-out rows at each lambda (M, L)."""
    return np.array(
        [held_out(measure, start.rows, index, each) for index, each in zip(folds.held_out, thetas, strict=True)]
    )


__all__ = ["CrossValidation", "Folds", "InputError", "cross_validate"]
