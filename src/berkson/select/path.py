"""Paths: the fits of a sequence of penalties, each started where the last one ended, each with its proof."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.problem import InputError, Problem, locate_non_finite
from berkson.rows.coordinates import Coordinates
from berkson.rows.memory import NonFiniteError
from berkson.select.start import Options, Scale, Start, begin, given_lambdas
from berkson.select.walk import from_fit, walk
from berkson.select.wide import WideFits, WideStart, begin_wide, follow_wide, is_wide
from berkson.solvers.regularised import Point
from berkson.solvers.run import Work

F64 = npt.NDArray[np.float64]

ENOUGH, LITTLE, FEWEST = 0.999, 1e-5, 5  # glmnet's devmax, fdev and mnlam
PRECISION = 2.2e-16  # of double precision: no smaller distance is claimed in words


@dataclass(frozen=True)
class Path:
    """The fits of L penalties.

    lambdas (L,) descending; coef (L, 1, p) and intercept (L, 1) for two classes, (L, K, p) and (L, K) for more;
    df (L,) columns with a coefficient that is not zero; deviance_ratio (L,) the part of null_deviance explained;
    objective (L,) the losses summed by weight, and the penalty; gap (L,) proved bound on objective - optimum, relative
    to null_objective (inf: nothing is proved), to be compared with tol; iterations (L,); ended: why the path has no
    more penalties.

    The objective is  scale(losses) + lambda sum_j factor_j (l1_ratio |coef_j| + (1 - l1_ratio) / 2 coef_j^2),  with
    factors and units as `path` says.
    """

    problem: Problem
    options: Options
    lambdas: F64
    coef: F64
    intercept: F64
    df: npt.NDArray[np.intp]
    deviance_ratio: F64
    null_deviance: float
    objective: F64
    null_objective: float
    gap: F64
    iterations: npt.NDArray[np.intp]
    ended: str
    passes: float
    seconds: float
    start: Start | WideStart = field(repr=False)
    thetas: F64 = field(repr=False)

    @property
    def tol(self) -> float:
        return self.options.tol

    @property
    def certified(self) -> npt.NDArray[np.bool_]:
        """Which fits are proved to within tol (L,)."""
        return self.gap <= self.tol

    def status(self, i: int) -> str:
        """What is proved of fit i, in a sentence."""
        return status(float(self.gap[i]), self.tol, f"lambda {self.lambdas[i]:.4g}")

    def nearest(self, lambda_: float) -> int:
        """The fit whose lambda is nearest, on the scale of logarithms."""
        with np.errstate(divide="ignore"):
            return int(np.argmin(np.abs(np.log(self.lambdas) - np.log(lambda_))))

    def at(self, lambdas: float | Sequence[float]) -> Path:
        """The fits of other penalties, solved, not interpolated; begun from the nearest fit above the largest."""
        began, work, options = time.perf_counter(), Work(), replace(self.options, lambdas=lambdas)
        if isinstance(self.start, WideStart):
            return _wide_path(self.problem, options, None)
        given = given_lambdas(lambdas)
        above = np.flatnonzero(self.lambdas >= given[0])
        with one_thread(self.problem.unknowns):
            start = replace(self.start, options=options, lambdas=given, given=True)
            if len(above):
                start = from_fit(start, self.thetas[above[-1]], float(self.lambdas[above[-1]]), work)
            points = [point for _, point in walk(start, work)]
        return path_of(start, points, "", work, time.perf_counter() - began)


def path(
    problem: Problem,
    *,
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
    groups: npt.ArrayLike | None = None,
    share: float = 0.0,
    lower: npt.ArrayLike | None = None,
    upper: npt.ArrayLike | None = None,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Fit a sequence of penalties, from the largest to the smallest.

    l1_ratio     from 0 (ridge) to 1 (lasso); glmnet's alpha
    lambdas      the penalties, in any order; else `count` of them from the least lambda at which all penalised
                 coefficients are zero (of a ridge: 1000 times the lasso's, as glmnet has it) down to `smallest` times
                 it (1e-4; 1e-2 where columns outnumber rows), evenly on the scale of logarithms
    factors      (p,) by which each column's penalty counts: 0 is not penalised, infinity leaves the column out.  As in
                 glmnet they are rescaled to sum to p, with infinity counted as 1.
    standardize  the penalty counts a column's coefficient in units of its standard deviation (1/N, by weight), so
                 that it does not depend on the column's units; coef is per unit of the column in any case
    scale        lambda weighs against the 'mean' of losses (glmnet; by weight) or against their 'sum' (1/C of
                 scikit-learn)
    complete     go on to the smallest of the automatic lambdas; else, as glmnet, stop where 99.9 % of the deviance is
                 explained or a step explains less than 1e-5 of it more
    tol          the gap to prove of each fit, relative to the null objective
    groups       (p,) a code or a name for each column: columns of a group are zero together.  In place of the lasso,
                 with z the coefficients in their units and size_g the columns of group g,

                     share sum_j factor_j |z_j| + (1 - share) sum_g factor_g sqrt(size_g) |z_g|_2

                 so that groups of one column, or share=1, are the lasso; all columns of a group have one factor.  For
                 K classes |z_g| is over all of them (share 0 only), so that groups of one column each take all classes
                 of a feature together, as glmnet's grouped multinomial does
    share        of the penalty, to each column's own: the sparse-group lasso
    lower, upper bounds of the coefficients, one number or (p,), that contain 0 (lower=0: none is negative); lambdas may
                 be [0], which is no penalty but them.  The same for all classes; not together with groups
    progress     told, after each penalty, the part of them that is done

    Raises InputError in one sentence.  Never warns: `gap` and `status` say what is proved.
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
        groups,
        share,
        lower,
        upper,
    )
    if is_wide(problem, options):
        return _wide_path(problem, options, progress)
    began, work = time.perf_counter(), Work()
    try:
        with one_thread(problem.unknowns):
            start = begin(problem, options, work)
            points, ended = [], ""
            for _, point in walk(start, work):
                points.append(point)
                if progress is not None:
                    progress(len(points) / len(start.lambdas))
                if ended := enough(start, points):
                    break
    except NonFiniteError:
        raise locate_non_finite(problem) from None
    return path_of(start, points, ended, work, time.perf_counter() - began)


def _wide_path(problem: Problem, options: Options, progress: Callable[[float], None] | None) -> Path:
    """A ridge path in the row space."""
    began, work = time.perf_counter(), Work()
    try:
        with one_thread(problem.unknowns):
            start = begin_wide(problem, options, work)
            fits = WideFits(problem, start.space, start, start.class_weight)
            ended = follow_wide(start, [fits], lambda ratios: enough_explained(start, ratios), progress)
            points = fits.points()
    except NonFiniteError:
        raise locate_non_finite(problem) from None
    return path_of(start, points, ended, work, time.perf_counter() - began)


def enough(start: Start, points: Sequence[Point]) -> str:
    """Why a path of automatic penalties stops here; empty where it does not."""
    return enough_explained(start, [start.deviance_ratio(point.loss) for point in points[-FEWEST:]])


def enough_explained(start: Start | WideStart, ratios: Sequence[float]) -> str:
    """The same, of the parts of the deviance that the penalties so far explain."""
    if start.given or start.options.complete or len(ratios) < FEWEST:
        return ""
    before, ratio = ratios[-2:]
    if ratio > ENOUGH:
        return f"{100 * ratio:.2f} % of the deviance is explained"
    if ratio - before < LITTLE and not start.regularizer.waits:
        return f"the last penalty explains only {ratio - before:.1g} of the deviance more"
    return ""


def path_of(start: Start | WideStart, points: Sequence[Point], ended: str, work: Work, seconds: float) -> Path:
    """The points as a path."""
    thetas = np.array([point.theta for point in points])
    coef, intercept = originals(thetas, start.rows.coordinates)
    coef = start.regularizer.exact(coef)
    lambdas = start.lambdas[: len(points)]
    whole = "these are the lambdas given" if start.given else "the smallest lambda is reached"
    return Path(
        start.problem,
        start.options,
        lambdas,
        coef,
        intercept,
        np.count_nonzero((coef != 0.0).any(axis=1), axis=1),
        np.array([start.deviance_ratio(point.loss) for point in points]),
        2.0 * (start.null_loss - start.saturated),
        np.array([point.objective for point in points]),
        start.null,
        np.array([point.proof.gap for point in points]) / start.null,
        np.array([point.iterations for point in points]),
        f"stopped at lambda {lambdas[-1]:.4g}, for {ended}" if ended else whole,
        work.passes,
        seconds,
        start,
        thetas,
    )


def originals(thetas: F64, place: Coordinates) -> tuple[F64, F64]:
    """Coefficients (L, 1 or K, p) and intercepts (L, 1 or K) on the caller's columns."""
    each = [place.original(theta) for theta in thetas]
    return np.array([coef for coef, _ in each]), np.array([intercept for _, intercept in each])


def status(gap: float, tol: float, of: str) -> str:
    """What a gap relative to the null objective proves, in a sentence."""
    if gap <= tol:
        return f"{of}: the objective is within {max(gap, PRECISION):.1g} of its least possible value"
    if np.isfinite(gap):
        return f"{of}: proved to lie within {gap:.1g} of its optimum only (asked: {tol:.1g}); raise max_iterations"
    return (
        f"{of}: nothing is proved: the optimum may not exist or not be unique with so small a penalty; "
        "end at a larger lambda"
    )


__all__ = ["InputError", "Path", "path"]
