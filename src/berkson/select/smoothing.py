"""Smoothing parameters chosen by the data: those of the greatest restricted likelihood (REML), by Newton's method.

The criterion and its derivatives are those of `laplace`; unknowns are logarithms of strengths.  A strength that the
data push up without end leaves of its smooth only what no penalty holds (of s(x), a straight line): that end is tried
as a whole, not crept up to.  One that they push down without end means that the smooth separates the classes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.fit import Fit, fit
from berkson.prepare import standardised
from berkson.problem import InputError, Problem, check, locate_non_finite
from berkson.rows.memory import InMemory, NonFiniteError
from berkson.rows.questions import Evaluate
from berkson.select.laplace import Fitted, Groups
from berkson.solvers.choose import LARGEST_HESSIAN
from berkson.solvers.run import Work, run_one

F64 = npt.NDArray[np.float64]

TARGET = 1e-24  # of the null objective: minimisers to rounding, since the criterion is compared between them
ENOUGH = 1e-10  # of the criterion, a log-likelihood: a predicted gain that ends the search
LONGEST = 4.0  # step of the logarithm of a strength
SHORTEST = 1e-4  # part of a step that is tried before it is given up
STEPS = 100
FLAT = 1e8  # times the curvature of the loss: a strength that holds its columns at 0
FREE = 1e-9  # times it: a strength that holds nothing
LITTLE = 0.2  # effective degrees of freedom of a group below which its end is tried
BEGIN = (0.3, 1.0, 3.0)  # effective degrees of freedom of every group where a search may begin: at the best of them
RETURN, CLEARLY = (0.1, 0.5), 1e-8  # freedom at which a group at its end is tried again, and what that must gain
FEW_ROWS = 2  # an unknown: with fewer, most ways to label them can be separated (Cover, IEEE Trans. EC-14, 1965)
SHOWN = 5  # columns in a sentence
STRAIGHT = "the first column of a smooth is its straight line"


@dataclass(frozen=True)
class Smoothing:
    """Chosen strengths (m,), and the fit that they give.

    fit         with its certificate, of the penalised objective at these strengths
    at_end      (m,) whether a strength has no finite best value, and holds its columns at 0
    freedom     (p + 1,) effective degrees of freedom of each column and the constant: the diagonal of (H + S)^-1 H
    inverse     (H + S)^-1 in the solver's coordinates: the covariance given the strengths, with the penalty as a prior
    loss        minus the log-likelihood
    criterion   minus the logarithm of the restricted likelihood, but for a constant that the columns' units decide
    gradient    the largest derivative of the criterion by the logarithm of a strength not at its end
    converged   whether that is 0 to rounding
    local       whether the criterion has no least value, since the smooths could separate the classes, or may have
                none, since rows are so few; this one is the least in reach of the smoothest curves
    """

    strengths: F64
    fit: Fit
    at_end: npt.NDArray[np.bool_]
    freedom: F64
    inverse: F64
    loss: float
    criterion: float
    gradient: float
    converged: bool
    local: bool
    iterations: int
    passes: float
    seconds: float


def choose_smoothing(
    problem: Problem, penalties: Sequence[Sequence[int]], *, tol: float = 1e-8, max_iterations: int = 100
) -> Smoothing:
    """Strengths of ridges on groups of columns by restricted maximum likelihood, and the fit at them.

    penalties : the columns of each group, disjoint; other columns are free.  Two classes.
    Raises InputError in one sentence where columns that are free have no estimates, and where the data are separated.
    """
    began, work = time.perf_counter(), Work()
    totals = check(problem)
    _refuse(problem, penalties)
    ends, null = _fit_of_ends(problem, penalties, tol, max_iterations, work), problem.null_objective(totals)
    try:
        with one_thread(problem.unknowns):
            rows = standardised(problem)
            groups = Groups.of(rows, penalties)
            search = _Search(groups, problem, TARGET * null, work, _start(rows, problem, ends))
            (found, steps, gradient, converged), local = search.best()
            local = local or _used_rows(problem) < FEW_ROWS * rows.coordinates.size
    except NonFiniteError:
        raise locate_non_finite(problem) from None
    coef, intercept = rows.coordinates.original(found.theta)
    held = np.zeros(problem.X.shape[1])
    for columns, strength in zip(penalties, np.exp(found.rho), strict=True):
        held[list(columns)] = strength
    final = fit(replace(problem, smoothing=held), tol=tol, max_iterations=max_iterations, start=(coef, intercept))
    freedom = np.zeros(len(held) + 1)
    freedom[slice(None) if rows.coordinates.kept is None else rows.coordinates.kept] = found.freedom
    return Smoothing(
        np.exp(found.rho),
        final,
        found.rho >= search.top,
        freedom,
        found.inverse,
        found.loss,
        found.value,
        gradient,
        converged,
        local,
        steps,
        work.passes + final.info.passes,
        time.perf_counter() - began,
    )


def _used_rows(problem: Problem) -> int:
    return len(problem.y) if problem.weight is None else int(np.count_nonzero(problem.weight))


def _refuse(problem: Problem, penalties: Sequence[Sequence[int]]) -> None:
    if problem.n_classes > 2:
        raise InputError(
            f"smoothing parameters are chosen for two classes, and the response has {problem.n_classes}: fit one class "
            "against the others, or give splines without a penalty, as in ns(x, df=4)"
        )
    if problem.unknowns > LARGEST_HESSIAN:
        raise InputError(
            f"smooths need a Hessian of all {problem.unknowns:,} coefficients, and {LARGEST_HESSIAN:,} are the limit: "
            "give smaller k, or factors of fewer levels"
        )
    if not all(len(each) for each in penalties):
        raise InputError("a smoothing parameter holds no column: leave it out")


def _fit_of_ends(
    problem: Problem, penalties: Sequence[Sequence[int]], tol: float, max_iterations: int, work: Work
) -> tuple[npt.NDArray[np.intp], Fit]:
    """The free columns, and the fit of those alone, which must have estimates: what smoothing holds then has, too."""
    held = {column for each in penalties for column in each}
    free = np.array([j for j in range(problem.X.shape[1]) if j not in held], dtype=np.intp)
    names = tuple(problem.column(int(j)) for j in free)
    alone = replace(
        problem, X=problem.X[:, free] if isinstance(problem.X, np.ndarray) else problem.X.columns(free), names=names
    )
    found = fit(alone, tol=tol, max_iterations=max_iterations)
    work.add((found.info.passes * len(free) / max(1, problem.X.shape[1]), found.info.bytes_read))
    certificate = found.certificate
    if certificate.rank.aliased:
        aliased = ", ".join(repr(alone.column(alias.column)) for alias in certificate.rank.aliased[:SHOWN])
        raise InputError(
            f"{aliased} cannot be told apart from other columns that no smoothing parameter holds ({STRAIGHT}): leave "
            "that term out of the formula"
        )
    if certificate.separation is not None:
        columns = dict.fromkeys(alone.column(infinite.column) for infinite in certificate.separation.infinite)
        raise InputError(
            f"the data are separated by {', '.join(map(repr, list(columns)[:SHOWN]))}, which no smoothing parameter "
            f"holds ({STRAIGHT}), so there is no finite estimate: leave that term out, or fit without smooths and with "
            "bias_reduction='firth'"
        )
    return free, found


def _start(rows: InMemory, problem: Problem, ends: tuple[npt.NDArray[np.intp], Fit]) -> F64:
    """The fit of the free columns in the coordinates of all."""
    coef = np.zeros((1, problem.X.shape[1]))
    coef[:, ends[0]] = ends[1].coef
    return rows.coordinates.from_original(coef, ends[1].intercept)


class Descent(NamedTuple):
    """Where a search ended, after so many steps, the largest derivative there, and whether none is of use."""

    at: Fitted
    steps: int
    gradient: float
    converged: bool


class _Search:
    """For the least criterion; `start` (size,) is the fit in which all groups are at their ends."""

    def __init__(self, groups: Groups, problem: Problem, target: float, work: Work, start: F64) -> None:
        self.groups, self.problem, self.target, self.work, self.start = groups, problem, target, work, start
        hessian = run_one(Evaluate(start, 2), groups.rows, work).hessian
        root = np.sqrt(groups.unit)
        blocks = [hessian[np.ix_(each, each)] / np.outer(root[each], root[each]) for each in groups.places]
        self.curvatures = [np.maximum(np.linalg.eigvalsh(block), 0.0) for block in blocks]
        self.top = np.log([FLAT * values.max() for values in self.curvatures])
        self.bottom = np.log([FREE * values.mean() for values in self.curvatures])

    def best(self) -> tuple[Descent, bool]:
        """From the best of the beginnings; where that goes down without end, from the smoothest, and True."""
        beginnings = self.beginnings()
        for at, local in ((min(beginnings, key=lambda at: at.value), False), (beginnings[0], True)):
            found = self.descended(at)
            if found is not None:
                return found, local
        raise InputError(
            "the smooths separate the classes, so that the data would have them ever less smooth: give smaller k, or "
            "leave one out"
        )

    def beginnings(self) -> list[Fitted]:
        """A few fits of equal freedom for every group, the smoothest first."""
        found: list[Fitted] = []
        for freedom in BEGIN:
            there = self.fitted(self.of_freedom(freedom), found[-1].theta if found else self.start)
            found += [] if there is None else [there]
        if not found:
            raise InputError("the smooths cannot be told from the other columns to working precision: give smaller k")
        return found

    def of_freedom(self, freedom: float) -> F64:
        """The strengths (m,) that leave every group so much, or half of its columns, where it is by itself."""
        return np.array([_strength(values, min(freedom, 0.5 * len(values))) for values in self.curvatures])

    def descended(self, at: Fitted) -> Descent | None:
        """From one beginning; None where there is no end."""
        for step in range(STEPS):
            at = self.tried_ends(at)
            slope, bend = at.derivatives
            direction, gain = _newton(slope, bend, at.rho < self.top)
            if gain <= ENOUGH:
                back = self.returned(at)
                if back is None:
                    last = self.fitted(at.rho + direction, at.theta)  # Newton's last step squares what is left
                    at = at if last is None or last.value > at.value + ENOUGH else last
                    return Descent(at, step, self.largest_slope(at), True)
                at = back
                continue
            there = self.searched(at, direction, slope)
            if there is None:
                return Descent(at, step, self.largest_slope(at), bool(gain <= np.sqrt(ENOUGH)))
            at = there
            if (at.rho < self.bottom).any():
                return None
        return Descent(at, STEPS, self.largest_slope(at), False)

    def returned(self, at: Fitted) -> Fitted | None:
        """A better fit with a group no longer at its end, if there is one."""
        for freedom in RETURN:
            for k in np.flatnonzero(at.rho >= self.top):
                rho = at.rho.copy()
                rho[k] = self.of_freedom(freedom)[k]
                there = self.fitted(rho, at.theta)
                if there is not None and there.value < at.value - CLEARLY:
                    return there
        return None

    def largest_slope(self, at: Fitted) -> float:
        """Among the strengths not at their ends."""
        return float(np.abs(at.derivatives[0][at.rho < self.top]).max(initial=0.0))

    def fitted(self, rho: F64, start: F64) -> Fitted | None:
        return self.groups.fitted(rho, start, self.target, self.work)

    def tried_ends(self, at: Fitted) -> Fitted:
        """With strengths moved to their ends where little is left of their groups, and that is better."""
        slope = at.derivatives[0]
        for k, places in enumerate(self.groups.places):
            if slope[k] < 0.0 and at.rho[k] < self.top[k] and at.freedom[places].sum() < LITTLE:
                rho = at.rho.copy()
                rho[k] = self.top[k]
                there = self.fitted(rho, at.theta)
                if there is not None and there.value <= at.value:
                    at = there
        return at

    def searched(self, at: Fitted, direction: F64, slope: F64) -> Fitted | None:
        """A better fit along a direction; None where rounding allows none."""
        length, promised = 1.0, float(slope @ direction)
        while length >= SHORTEST:
            there = self.fitted(np.minimum(at.rho + length * direction, self.top), at.theta)
            if there is not None and there.value <= at.value + 1e-4 * length * promised:
                return there
            length *= 0.5
        return None


def _strength(curvatures: F64, freedom: float) -> float:
    """The logarithm of the ridge with that trace of (H + S)^-1 H, of the eigenvalues of H, by bisection."""
    low, high = np.log(curvatures.max()) - 60.0, np.log(curvatures.max()) + 60.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        left = float((curvatures / (curvatures + np.exp(middle))).sum())
        low, high = (middle, high) if left > freedom else (low, middle)
    return float(0.5 * (low + high))


def _newton(slope: F64, bend: F64, open_: npt.NDArray[np.bool_]) -> tuple[F64, float]:
    """(step, predicted gain) among the strengths that are not at their ends; descent where V is not convex, too."""
    step = np.zeros(len(slope))
    if not open_.any():
        return step, 0.0
    values, vectors = np.linalg.eigh(bend[np.ix_(open_, open_)])
    size = np.maximum(np.abs(values), 1e-7 * max(1e-3, float(np.abs(values).max())))
    step[open_] = -vectors @ ((vectors.T @ slope[open_]) / size)
    step *= min(1.0, LONGEST / max(float(np.abs(step).max()), 1e-300))
    return step, -0.5 * float(slope @ step)
