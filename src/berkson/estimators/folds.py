"""The fits of all folds over a grid of penalties: in lockstep where the engine has it, else one after the other.

A fold is a weighting of the same rows in either case; X is never copied for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.design.row_space import RowSpace
from berkson.fit import fit, row_space
from berkson.prepare import standardised
from berkson.problem import InputError, Problem, locate_non_finite
from berkson.rows.memory import NonFiniteError
from berkson.select.column_folds import followed
from berkson.select.folds import Folds
from berkson.select.path import originals
from berkson.select.start import Options, begin
from berkson.solvers.choose import LARGEST_HESSIAN, MOST_ROWS, ROWS_PER_UNKNOWN, SMALL
from berkson.solvers.run import Work
from berkson.wide import OnRows, Ridges, on_columns

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Split = tuple[Array, Array]  # rows that train, rows held out

WITHIN = 0.1  # of tol, for fits in a row space: their proof on the columns may take the rest


@dataclass(frozen=True)
class Grid:
    """Cs (L,) and l1_ratios (R,) to be fitted, each fit to a proved relative suboptimality of tol."""

    Cs: F64
    ratios: F64
    tol: float
    max_iterations: int

    def problem(self, problem: Problem, ratio: int, C: int) -> Problem:
        """The problem under the penalty at a place of the grid."""
        ridge, lasso = 1.0 - self.ratios[ratio], self.ratios[ratio]
        return replace(problem, strength=float(ridge / self.Cs[C]), lasso=float(lasso / self.Cs[C]))


@dataclass(frozen=True)
class FoldFits:
    """Fits without each of M folds, over R ratios and L values of C.

    params (M, R, L, K, p + 1), the intercept last, K = 1 for two classes; iterations (M, R, L); gap (M, R, L) proved
    bounds on objective - optimum relative to the null objective; separated (M, R, L) where it has no finite optimum;
    absent: of each fold, the classes that none of its training rows has; space: of all rows, where fits are in it.
    """

    params: F64
    iterations: npt.NDArray[np.int32]
    gap: F64
    separated: npt.NDArray[np.bool_]
    absent: tuple[npt.NDArray[np.intp], ...]
    space: RowSpace | None

    @property
    def coef(self) -> F64:
        """(M, R, L, K, p), a view."""
        return self.params[..., :-1]

    @property
    def intercept(self) -> F64:
        """(M, R, L, K), a view."""
        return self.params[..., -1]


def fit_folds(problem: Problem, splits: Sequence[Split], grid: Grid) -> FoldFits:
    """All fits.  InputError where the rows of a fold have none.

    A class that a fold does not train has probability 0 there: an intercept of minus infinity (of two classes plus or
    minus infinity), which is the limit of the fits.
    """
    n, K, p = len(problem.y), problem.n_classes, problem.X.shape[1]
    shape = (len(splits), len(grid.ratios), len(grid.Cs))
    outputs = 1 if K == 2 else K
    weights = problem.class_weights()
    absent = tuple(_absent(problem, train, weights) for train, _ in splits)
    if K in map(len, absent):
        raise InputError(
            f"fold {list(map(len, absent)).index(K)} trains on no row of any weight: give it rows to train"
        )
    fits = FoldFits(
        np.empty((*shape, outputs, p + 1)),
        np.zeros(shape, np.int32),
        np.full(shape, np.inf),
        np.zeros(shape, bool),
        absent,
        _row_space(problem) if (grid.ratios == 0.0).any() else None,
    )
    plain = [k for k, (train, _) in enumerate(splits) if not len(absent[k]) and np.bincount(train).max() == 1]
    finite = np.flatnonzero(np.isfinite(grid.Cs))
    together = plain if len(finite) and _in_lockstep(problem) else []
    if fits.space is not None:
        _in_row_space(problem, splits, grid, fits, fits.space)
    for j in range(len(grid.ratios)):
        if together:
            _together(problem, _folds([splits[k] for k in together], n), grid, j, (together, finite), fits)
        for k, (train, _) in enumerate(splits):
            left = np.flatnonzero(~np.isfinite(grid.Cs) if k in together else ~(fits.gap[k, j] <= grid.tol))
            if len(left):
                _alone(problem, train, grid, (k, j, left), fits)
    return fits


def _in_lockstep(problem: Problem) -> bool:
    """Whether the engine takes folds along a path, and is the faster for it.  It is not where a Hessian costs next to
    nothing, so that each fold had better take its own; where rows are so few that folds are far from the whole; and of
    many classes, whose folds share no passes."""
    dense, n, size = isinstance(problem.X, np.ndarray), len(problem.y), problem.unknowns
    saves = n * float(size) ** 2 > SMALL and n >= ROWS_PER_UNKNOWN * size
    return dense and problem.n_classes == 2 and saves and size <= LARGEST_HESSIAN


def _row_space(problem: Problem) -> RowSpace | None:
    """That of all rows, where columns outnumber them and a fit of its own costs something: every ridge of every fold is
    fitted in it."""
    n, p = problem.X.shape
    if not isinstance(problem.X, np.ndarray) or not n < p or n > MOST_ROWS or n * float(p) ** 2 < SMALL:
        return None
    try:
        return row_space(standardised(problem), Work())
    except NonFiniteError:
        raise locate_non_finite(problem) from None


def _absent(problem: Problem, train: Array, weights: F64) -> npt.NDArray[np.intp]:
    """The classes that these rows lack."""
    weight = None if problem.weight is None else problem.weight[train]
    here = replace(problem, y=problem.y[train], weight=weight).class_weights()
    return np.flatnonzero((here == 0.0) & (weights > 0.0))


def _folds(splits: Sequence[Split], n: int) -> Folds:
    """By codes where each row is held out once at most and trains all other fits, as passes then share more."""
    codes = np.full(n, -1, dtype=np.intp)
    held_out = tuple(np.sort(test) for _, test in splits)
    for k, test in enumerate(held_out):
        codes[test] = k
    in_one = all(
        len(train) + len(test) == n and (codes[test] == k).all() and (codes[train] != k).all()
        for k, (train, test) in enumerate(splits)
    )
    if in_one and len(splits) > 1:
        return Folds(held_out, codes)
    return Folds(held_out, None, tuple(np.sort(train) for train, _ in splits))


def _together(
    problem: Problem, folds: Folds, grid: Grid, j: int, places: tuple[list[int], npt.NDArray[np.intp]], fits: FoldFits
) -> None:
    """Write the fits of these folds for one ratio and the Cs at these places."""
    some, finite = places
    order = finite[np.argsort(grid.Cs[finite], kind="stable")]  # from the strongest penalty on
    options = Options(
        float(grid.ratios[j]),
        1.0 / grid.Cs[order],
        standardize=False,
        scale="sum",
        complete=True,
        tol=grid.tol,
        max_iterations=grid.max_iterations,
    )
    work = Work()
    try:
        with one_thread(problem.unknowns):
            start = begin(problem, options, work)
            lockstep = followed(start, folds, work)
            lockstep.run(lambda _: "")
    except NonFiniteError:
        raise locate_non_finite(problem) from None
    for k, points, null in zip(some, lockstep.folds, lockstep.nulls, strict=True):
        thetas = np.array([point.theta for point in points])
        fits.coef[k, j, order], fits.intercept[k, j, order] = originals(thetas, start.rows.coordinates)
        fits.iterations[k, j, order] = [point.iterations for point in points]
        fits.gap[k, j, order] = [point.proof.gap / null for point in points]


def _alone(
    problem: Problem, train: Array, grid: Grid, place: tuple[int, int, npt.NDArray[np.intp]], fits: FoldFits
) -> None:
    """Write the fits of one fold and ratio for the Cs at these places, each begun where the last one ended."""
    k, j, left = place
    absent = fits.absent[k]
    inner = _without(problem, train, absent, k)
    if inner is None:  # one class only
        fits.coef[k, j, left] = 0.0
        fits.intercept[k, j, left], fits.gap[k, j, left] = _limit(problem.n_classes, absent), 0.0
        return
    start: tuple[F64, F64] | None = None
    for i in left[np.argsort(grid.Cs[left], kind="stable")]:
        one = _penalised(problem, inner, grid, j, int(i))
        fitted = fit(one, tol=grid.tol, max_iterations=grid.max_iterations, start=start, space=fits.space)
        start = fitted.coef, fitted.intercept
        _write(problem, (k, j, int(i)), start, fitted.certificate.relative_gap, fits)
        fits.iterations[k, j, i] = fitted.info.iterations
        fits.separated[k, j, i] = fitted.certificate.separation is not None


def _in_row_space(problem: Problem, splits: Sequence[Split], grid: Grid, fits: FoldFits, space: RowSpace) -> None:
    """Write the ridge fits of all folds, begun from the strongest penalty on and proved on the columns together."""
    finite = np.flatnonzero(np.isfinite(grid.Cs))
    order = finite[np.argsort(grid.Cs[finite], kind="stable")].tolist()
    for j in np.flatnonzero(grid.ratios == 0.0).tolist():
        inner = {k: _without(problem, train, fits.absent[k], k) for k, (train, _) in enumerate(splits)}
        for K in {one.n_classes for one in inner.values() if one is not None}:
            same = {k: one for k, one in inner.items() if one is not None and one.n_classes == K}
            ridges = Ridges(space, list(same.values()), WITHIN * grid.tol, grid.max_iterations)
            found: dict[tuple[int, int, int], OnRows] = {}
            for i in order:
                strengths = [_penalised(problem, one, grid, j, i).strength for one in same.values()]
                found |= {(k, j, i): each for k, each in zip(same, ridges.follow(strengths), strict=True)}
            _prove(problem, dict(sorted(found.items())), grid, fits, space)


def _prove(
    problem: Problem, found: dict[tuple[int, int, int], OnRows], grid: Grid, fits: FoldFits, space: RowSpace
) -> None:
    """Write these fits at their places, proved on the columns: where they are all, with no copy of coefficients."""
    whole = len(found) == fits.gap.size and not any(map(len, fits.absent))
    out = fits.coef.reshape(-1, *fits.coef.shape[-2:], copy=False) if whole else None
    there = on_columns(space, list(found.values()), grid.tol, out)
    each = zip(found.items(), there.coef, there.intercept, there.gap, strict=True)
    for (place, one), coef, intercept, gap in each:
        fits.iterations[place], fits.gap[place] = one.iterations, gap
        if whole:
            fits.intercept[place] = intercept
        else:
            _write(problem, place, (coef, intercept), float(gap), fits)


def _penalised(problem: Problem, inner: Problem, grid: Grid, j: int, i: int) -> Problem:
    """A fold's problem at a place of the grid, where the whole has as many classes or more: K rows of coefficients for
    two classes share the ridge, as |w/2|^2 + |-w/2|^2 is half of |w|^2."""
    one = grid.problem(inner, j, i)
    return replace(one, strength=0.5 * one.strength) if problem.n_classes > inner.n_classes == 2 else one


def _write(problem: Problem, place: tuple[int, int, int], found: tuple[F64, F64], gap: float, fits: FoldFits) -> None:
    """One fit, among all classes of the problem."""
    present = np.setdiff1d(np.arange(problem.n_classes), fits.absent[place[0]])
    fits.coef[place], fits.intercept[place] = _all_classes(*found, present, problem.n_classes)
    fits.gap[place] = gap


def _without(problem: Problem, train: Array, absent: Array, k: int) -> Problem | None:
    """The problem weighted to the rows that train fold k, among the classes that they have; None where that is one."""
    weight = np.bincount(train, minlength=len(problem.y)).astype(np.float64)
    if problem.weight is not None:
        weight *= problem.weight
    if not len(absent):
        return replace(problem, weight=weight)
    if not problem.intercept:
        raise InputError(
            f"fold {k} trains on no row of class {problem.class_name(int(absent[0]))}, which without an intercept has "
            "no fit: use folds that are drawn with equal shares of the classes (StratifiedKFold)"
        )
    present = np.setdiff1d(np.arange(problem.n_classes), absent)
    if len(present) == 1:
        return None
    codes = np.zeros(problem.n_classes, dtype=problem.y.dtype)
    codes[present] = np.arange(len(present))
    names = tuple(problem.class_name(int(c)) for c in present)
    return replace(problem, y=codes[problem.y], n_classes=len(present), weight=weight, classes=names)


def _limit(n_classes: int, absent: Array) -> F64:
    """Intercepts where some classes are never met and the others alike: 0 for those, minus infinity for these."""
    if n_classes == 2:
        return np.array([np.inf if 0 in absent else -np.inf])
    return np.where(np.isin(np.arange(n_classes), absent), -np.inf, 0.0)


def _all_classes(coef: F64, intercept: F64, present: Array, n_classes: int) -> tuple[F64, F64]:
    """Coefficients of all K classes from those of the present ones."""
    if len(present) == n_classes:
        return coef, intercept
    if len(present) == 2:
        coef, intercept = np.vstack([-0.5 * coef, 0.5 * coef]), np.append(-0.5 * intercept, 0.5 * intercept)
    every, constants = np.zeros((n_classes, coef.shape[1])), np.full(n_classes, -np.inf)
    every[present], constants[present] = coef, intercept
    return every, constants
