"""Profile likelihood: intervals, tests and curves from the likelihood itself, not from a parabola at its maximum.

The profile of a linear function a'params is the largest log-likelihood over all parameters with a'params = b.  An
interval holds the b whose profile is within chi2_{1, level} / 2 of the maximum; it does not depend on how a parameter
is expressed, and on separated data it is one-sided.  Everything is solved in the solver's coordinates, and works alike
for bias-reduced estimates, whose penalised likelihood takes the likelihood's place (Heinze and Schemper, Statistics in
Medicine 21, 2002).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.limiting import LimitingEstimates
from berkson.rows.memory import InMemory
from berkson.rows.questions import Evaluate, Evaluation
from berkson.solvers.newton import Solution
from berkson.solvers.profile import End, end_of_profile, least_at, least_on_plane
from berkson.solvers.run import Result, Rows, Solver, run, run_together
from berkson.solvers.subspace import project, within

F64 = npt.NDArray[np.float64]

ACCEPTED = 1e-8  # error of an end, in units of the log-likelihood; solvers aim at 1e-11
MANY_CELLS = 1e5  # of the rows from which a Hessian is kept for several steps
DOUBLINGS = 60  # of the way along a direction of recession
ZERO = 1e-9  # relative: a smaller part of a hypothesis is rounding


@dataclass(frozen=True)
class ProfileIntervals:
    """lower, upper (m,) of level `level`: +-inf where the likelihood stays within reach for ever, NaN for parameters of
    aliased columns."""

    level: float
    lower: F64
    upper: F64


@dataclass(frozen=True)
class ProfileTest:
    """Likelihood-ratio test of linear hypotheses: statistic = 2 (largest log-likelihood - largest under them),
    chi-squared with df degrees of freedom."""

    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True)
class _Start:
    """Where profiles begin: a theta inside every interval, evaluated to order 2, the least objective, and the
    directions to which the profile is confined (None: all)."""

    rows: Rows
    theta: F64
    at: Evaluation
    least: float
    basis: F64 | None = None

    @property
    def convex(self) -> bool:
        """Whether it is a likelihood, not a penalised one."""
        return isinstance(self.rows, InMemory)

    def solver(self, make: Callable[[F64, Evaluation, F64], Solver[Result]], function: F64) -> Solver[Result]:
        """make(theta, at, function), in the coordinates of the confined space."""
        if self.basis is None:
            return make(self.theta, self.at, function)
        basis, at = self.basis, project(self.at, self.basis)
        return within(lambda z: make(z, at, basis.T @ function), self.theta, basis)

    def shift(self, function: F64) -> float:
        """The value of a function where its value in the confined coordinates is 0."""
        return 0.0 if self.basis is None else float(function @ self.theta)


# --- intervals -------------------------------------------------------------------------------------------------------


def profile_intervals(estimates: Estimates, level: float = 0.95, functions: F64 | None = None) -> ProfileIntervals:
    """Profile-likelihood intervals of the d parameters, or of linear functions (m, d) of them.

    An end is where 2 (largest log-likelihood - profile) = chi2_{1, level}.  It is exact to 1e-8 in the log-likelihood,
    which is about 1e-8 of the interval's width, and checked: the gradient there is a multiple of the function's.
    All ends advance together, so that their questions share passes; memory is a few numbers per row at most.

    StatisticsError: sampling weights, estimates without a proof (separated data: take their `limit` first), or an end
    that rounding hides.
    """
    _require(estimates)
    half = 0.5 * _quantile(level)
    functions = np.eye(len(estimates.params)) if functions is None else np.atleast_2d(functions)
    ends = np.full((len(functions), 2), math.nan)  # lower, upper
    with one_thread(estimates.problem.unknowns):
        for start, wanted in _jobs(estimates, functions, ends):
            ending = _ending(start, half)
            solvers = [start.solver(ending, sign * v) for _, sign, v in wanted]
            for (i, sign, v), end in zip(wanted, run_together(solvers, start.rows), strict=True):
                if not end.error <= ACCEPTED:
                    raise StatisticsError(_not_found(estimates, functions[i], sign))
                ends[i, (sign + 1) // 2] = start.shift(v) + sign * end.b
    return ProfileIntervals(level, ends[:, 0], ends[:, 1])


def _ending(start: _Start, half: float) -> Callable[[F64, Evaluation, F64], Solver[End]]:
    rows, least, convex = start.rows, start.least, start.convex
    chords = isinstance(rows, InMemory) and rows.n_rows * len(start.theta) >= MANY_CELLS
    return lambda theta, at, v: end_of_profile(theta, at, v, least, least + half, convex=convex, chords=chords)


def _jobs(estimates: Estimates, functions: F64, ends: F64) -> Iterable[tuple[_Start, list[tuple[int, int, F64]]]]:
    """Starts and the ends (row, sign, function in theta) that are sought from there; infinite ends are filled in."""
    v = functions @ estimates.jacobian
    known = [i for i in range(len(v)) if not functions[i, estimates.aliased].any()]
    for i in known:
        if not v[i].any():
            raise StatisticsError("a function of the parameters with no coefficient but 0 has no profile: drop it")
    moving: list[tuple[int, int, F64]] = []
    if isinstance(estimates, LimitingEstimates):
        infinite = set(np.flatnonzero(estimates.recession.touches(v)).tolist())
        for i in [i for i in known if i in infinite]:
            ends[i] = estimates.recession.limits(v[i])
            moving += [(i, sign, v[i]) for sign in (-1, 1) if math.isnan(ends[i, (sign + 1) // 2])]
        known = [i for i in known if i not in infinite]
    still = [(i, sign, v[i]) for i in known for sign in (-1, 1)]
    return [(start(estimates), jobs) for start, jobs in ((_start, still), (_start_inside, moving)) if jobs]


def _start(estimates: Estimates) -> _Start:
    """From the estimates; of separated data, from their limit, across the directions of recession."""
    basis = estimates.across if isinstance(estimates, LimitingEstimates) else None
    at: Evaluation = estimates.objective.answer_one(Evaluate(estimates.theta, 2))
    return _Start(estimates.objective, estimates.theta, at, at.value, basis)


def _start_inside(estimates: Estimates) -> _Start:
    """Of separated data, all rows: so far along a direction of recession that nearly all is gained."""
    assert isinstance(estimates, LimitingEstimates)
    rows, least = estimates.fit.rows, estimates.at.value
    theta = run(_far(estimates.theta, estimates.recession.inside, least + 0.25), rows)
    return _Start(rows, theta, rows.answer_one(Evaluate(theta, 2)), least)


def _far(theta: F64, direction: F64, value: float) -> Solver[F64]:
    """The first theta + 2^k direction, k = -60 .. 60, from k = 0, with an objective of at most `value`."""
    length, at = 1.0, (yield Evaluate(theta + direction, 0))
    factor = 0.5 if at.value <= value else 2.0
    for _ in range(DOUBLINGS):
        inside = at.value <= value
        at = yield Evaluate(theta + factor * length * direction, 0)
        if inside and not at.value <= value:
            break
        length *= factor
        if not inside and at.value <= value:
            break
    return theta + length * direction


def _not_found(estimates: Estimates, function: F64, sign: int) -> str:
    named = np.flatnonzero(function)
    what = repr(estimates.names[named[0]]) if len(named) == 1 else "a combination of parameters"
    side = "upper" if sign > 0 else "lower"
    return (
        f"the {side} end of the profile interval of {what} is hidden by rounding; rescale the columns, drop nearly "
        "collinear ones, or use a Wald interval"
    )


# --- tests and curves ------------------------------------------------------------------------------------------------


def profile_test(estimates: Estimates, functions: F64, values: F64 | None = None) -> ProfileTest:
    """The likelihood-ratio test of functions @ params = values (0): functions (r, d) independent, values (r,).

    Of bias-reduced estimates, the penalised likelihood-ratio test; of separated data (their `limit`), with suprema.
    StatisticsError: sampling weights, aliased parameters, dependent functions, a fit under the hypothesis that fails.
    """
    from scipy.special import chdtrc  # type: ignore[import-untyped]

    _require(estimates)
    functions = np.atleast_2d(functions)
    values = np.zeros(len(functions)) if values is None else np.atleast_1d(values)
    if functions[:, estimates.aliased].any():
        raise StatisticsError("the hypothesis is about the parameter of an aliased column, which has none: drop it")
    v = functions @ estimates.jacobian
    size = np.linalg.norm(v, axis=1)
    if not size.all() or np.linalg.matrix_rank(v / size[:, None], tol=ZERO) < len(v):
        raise StatisticsError("the hypotheses depend on each other: drop those that follow from the others")
    with one_thread(estimates.problem.unknowns):
        start = _start_inside(estimates) if isinstance(estimates, LimitingEstimates) else _start(estimates)
        theta = start.theta + np.linalg.lstsq(v / size[:, None], (values - v @ start.theta) / size)[0]
        found = run(least_on_plane(theta, v, convex=start.convex), start.rows)
    if not _reached(found):
        raise StatisticsError("the fit under the hypothesis did not converge; rescale the columns, or use a Wald test")
    statistic = max(2.0 * (found.at.value - start.least), 0.0)
    return ProfileTest(statistic, len(v), float(chdtrc(len(v), statistic)))


def profile_curve(estimates: Estimates, function: F64, grid: F64) -> F64:
    """The signed root sign(b - estimate) sqrt(2 (largest log-likelihood - profile(b))) of function @ params, (d,), at
    each b of a grid (m,): compared with standard normal quantiles.  StatisticsError as of `profile_intervals`."""
    _require(estimates)
    jobs = list(_jobs(estimates, function[None, :], ends := np.full((1, 2), math.nan)))
    if not jobs:
        raise StatisticsError("the profile is flat: the parameter is aliased, or can tend to infinity either way")
    start, ((_, _, v), *_) = jobs[0]
    with one_thread(estimates.problem.unknowns):
        shift = start.shift(v)
        solvers = [start.solver(_at(float(b) - shift, start.convex), v) for b in grid]
        found = run_together(solvers, start.rows)
    if not all(map(_reached, found)):
        raise StatisticsError("the profile could not be computed on the whole grid; choose a narrower one")
    estimate = float(v @ start.theta) if np.isnan(ends).all() else float(ends[~np.isnan(ends)][0])
    drop = np.array([2.0 * (each.at.value - start.least) for each in found])
    return np.asarray(np.sign(grid - estimate) * np.sqrt(np.maximum(drop, 0.0)))


def profile_roots(estimates: Estimates) -> F64:
    """The signed root sign(estimate) sqrt(2 (largest log-likelihood - profile(0))) of each parameter (d,): what z is by
    Wald, by the likelihood ratio.  NaN of aliased parameters and of those that can tend to infinity either way.

    All advance together.  StatisticsError as of `profile_intervals`; a root that is not found is NaN.
    """
    _require(estimates)
    d = len(estimates.params)
    ends, roots = np.full((d, 2), math.nan), np.full(d, math.nan)
    with one_thread(estimates.problem.unknowns):
        for start, wanted in _jobs(estimates, np.eye(d), ends):
            each = {i: v for i, _, v in wanted}
            solvers = [start.solver(_at(-start.shift(v), start.convex), v) for v in each.values()]
            for (i, v), found in zip(each.items(), run_together(solvers, start.rows), strict=True):
                if _reached(found):
                    estimate = float(v @ start.theta) if np.isnan(ends[i]).all() else float(np.nanmax(ends[i]))
                    roots[i] = math.copysign(math.sqrt(max(2.0 * (found.at.value - start.least), 0.0)), estimate)
    return roots


def _at(b: float, convex: bool) -> Callable[[F64, Evaluation, F64], Solver[Solution]]:
    return lambda theta, at, v: least_at(theta, at, v, b, convex=convex)


def _reached(found: Solution) -> bool:
    return found.reason in ("target", "stalled") and math.isfinite(found.at.value)


def _quantile(level: float) -> float:
    """chi2_{1, level}."""
    from scipy.special import ndtri

    if not 0.0 < level < 1.0:
        raise StatisticsError(f"the level of an interval lies between 0 and 1, not {level:g}; 0.95 is usual")
    return float(ndtri(0.5 * (1.0 + level)) ** 2)


def _require(estimates: Estimates) -> None:
    estimates.require()
    if estimates.weight_kind == "sampling":
        raise StatisticsError(
            "sampling weights have no likelihood to profile: use Wald intervals and tests with a robust covariance"
        )
