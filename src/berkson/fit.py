"""Fit a problem: choose a solver, run it, prove what it answers, and say what cannot be answered.

Everything that a door needs to know of the engine is `fit(problem) -> Fit`.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.certificate import Bound
from berkson.design import Dense, Mixed
from berkson.design.row_space import RowSpace
from berkson.penalty import ElasticNet, Ridge, elastic_net
from berkson.prepare import null_coef, prepare
from berkson.problem import Problem, check, check_coefficients, locate_non_finite
from berkson.rank import Rank
from berkson.recession import UndecidedError
from berkson.rows.coordinates import Coordinates
from berkson.rows.memory import InMemory, NonFiniteError, threads_for
from berkson.rows.merged import merged
from berkson.separation import Separation, find_separation
from berkson.shortfall import PRECISION, shortfall
from berkson.solvers.choose import ROW_SPACE, Choice, choose
from berkson.solvers.choose_factors import choose_factors
from berkson.solvers.cold import sample_rows
from berkson.solvers.newton import Solution
from berkson.solvers.run import Work, run
from berkson.solvers.solve import Task, judge, solve
from berkson.solvers.working import by_columns
from berkson.standardise import filled
from berkson.ties import ties

F64 = npt.NDArray[np.float64]

POLISH = 1e-24  # of the null objective: where exact Newton stops when its passes cost nothing
EPSILON = float(np.finfo(np.float64).eps)
DOUBTFUL = 15  # iterations without a proof of existence after which a programme for separation is worth its time
WITHIN, LEFT = 1e-20, 1e-2  # tol of a fit in the rows' directions, where passes cost little; at most this part of tol
STANDARD_ERROR_GAP = 5e-13  # delta^2 / 2 at delta = 1e-6 standard errors: the aim of an unpenalised fit at tol = 1e-8


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is proved of a fit.

    certified      the bound on suboptimality is within tol
    gap            proved bound on objective - optimum (inf: nothing is proved)
    relative_gap   gap / null_objective, what `tol` is about
    estimated_gap  decrement^2 / 2: the same to second order, without proof
    distance       proved bound on |coef - optimum| in the norm of the Hessian used: for an unpenalised fit no
                   coefficient is further from the optimum than this many standard errors
    objective, null_objective
    exists         the optimum is proved to exist (True), proved not to (False), or neither (None)
    separation, rank   verdicts: infinite coefficients, aliased and nearly aliased columns
    tol, passes
    status         a sentence
    """

    certified: bool
    gap: float
    relative_gap: float
    estimated_gap: float
    distance: float
    objective: float
    null_objective: float
    exists: bool | None
    separation: Separation | None
    rank: Rank
    tol: float
    passes: float
    status: str


@dataclass(frozen=True, slots=True)
class Info:
    """How it was done: solver and why, iterations, readings of X (samples by their share), bytes of X read, seconds."""

    solver: str
    why: str
    iterations: int
    passes: float
    bytes_read: int
    seconds: float
    stopped: str


@dataclass(frozen=True, slots=True)
class Fit:
    """coef (1, p) for two classes or (K, p), intercept (1,) or (K,); aliased columns have coefficient 0.

    `theta` is the same in the solver's coordinates, and `rows` what answers questions about the data in those.
    """

    problem: Problem
    coef: F64
    intercept: F64
    certificate: Certificate
    info: Info
    rows: InMemory
    theta: F64


def fit(
    problem: Problem,
    *,
    tol: float = 1e-8,
    max_iterations: int = 100,
    start: tuple[F64, F64] | None = None,
    space: RowSpace | None = None,
) -> Fit:
    """Minimise the problem's objective to a certified relative suboptimality of `tol`.

    start : (coef, intercept) to begin from, in the shapes of `Fit`.
    space : of the problem's rows, where it is known already (see `row_space`).
    Raises InputError in one sentence for data that have no fit.  Never warns: the certificate says what was reached.
    """
    began = time.perf_counter()
    totals = check(problem)
    null = problem.null_objective(totals)
    work = Work()
    try:
        with one_thread(problem.unknowns):
            rows, rank = prepare(problem, work)
            different = merged(rows)
            among, spent = (rows, work) if different is None else (different, Work())
            task = _task(problem, among, totals, null, tol, max_iterations, start)
            if task.choice.solver == ROW_SPACE:
                task = _in_row_space(problem, rows, task, start, space, work)
            stop, proof = run(solve(task), among, spent)
            rank = _with_ties(problem, rows, task, stop, proof, rank, work)
        verdict = _Verdict()
        if task.watch_separation and not proof.gap <= task.target:
            if not proof.proves_existence and (stop.reason != "limit" or stop.iterations >= DOUBTFUL):
                verdict = _look_for_separation(problem, rows)
            if verdict.separation is None and stop.reason in ("slow", "separated"):
                rest = task.resumed(stop, max_iterations - stop.iterations, task.aim, watch_separation=False)
                stop, proof = run(solve(replace(rest, spent=stop.iterations)), among, spent)
        elif not proof.gap <= tol * null and _too_weak(task, stop):
            verdict = _look_for_separation(problem, rows)
    except NonFiniteError:
        raise locate_non_finite(problem) from None
    if among is not rows:
        work.add((1.0 + spent.passes * among.n_rows / rows.n_rows, rows.design.nbytes + spent.bytes_read))
    coef, intercept = rows.coordinates.original(stop.theta)
    certificate = _certificate(problem, task, stop, proof, verdict, rank, work)
    info = Info(
        task.choice.solver,
        task.choice.why if among is rows else f"{task.choice.why}; {rows.n_rows:,} rows are {among.n_rows:,} different",
        stop.iterations,
        work.passes,
        work.bytes_read,
        time.perf_counter() - began,
        stop.reason,
    )
    return Fit(problem, coef, intercept, certificate, info, rows, stop.theta)


def _with_ties(
    problem: Problem, rows: InMemory, task: Task, stop: Solution, proof: Bound, rank: Rank, work: Work
) -> Rank:
    """And where the coefficients of a lasso that is proved are not the only ones."""
    penalty, gradient = task.penalty, stop.at.gradient
    if not isinstance(penalty, ElasticNet) or penalty.has_ridge or gradient is None or not proof.gap <= task.target:
        return rank
    return replace(rank, ties=ties(problem, rows, penalty, stop.theta, gradient, work))


def certify(problem: Problem, coef: F64, intercept: F64, *, tol: float = 1e-8) -> Certificate:
    """The certificate of any coefficients, from wherever they come: (1, p) and (1,) for two classes, (K, p) and (K,).

    Costs two passes with a Hessian; nothing is fitted.
    """
    totals = check(problem)
    check_coefficients(problem, coef, intercept)
    work = Work()
    try:
        with one_thread(problem.unknowns):
            rows, rank = prepare(problem, work)
            task = _task(problem, rows, totals, problem.null_objective(totals), tol, 0, (coef, intercept))
            stop, proof = run(judge(task), rows, work)
        verdict = _Verdict()
        if task.watch_separation and not proof.proves_existence:
            verdict = _look_for_separation(problem, rows)
    except NonFiniteError:
        raise locate_non_finite(problem) from None
    return _certificate(problem, task, stop, proof, verdict, rank, work)


def row_space(rows: InMemory, work: Work, scale: F64 | None = None) -> RowSpace:
    """Of a dense table's rows: it serves every ridge, weighting and labels of theirs.  The ridge counts all columns
    alike, or each coefficient divided by its column's scale (p,), where 0 leaves the column out."""
    assert isinstance(rows.design, Dense)
    X, center = rows.design.X, rows.coordinates.center
    work.add((1.0, X.nbytes))
    try:
        with one_thread(X.shape[1]):
            return RowSpace.of(X, center, np.ones(X.shape[1]) if scale is None else scale, threads_for(X.size * len(X)))
    except FloatingPointError:
        raise NonFiniteError from None


def _in_row_space(
    problem: Problem,
    rows: InMemory,
    task: Task,
    start: tuple[F64, F64] | None,
    space: RowSpace | None,
    work: Work,
) -> Task:
    """The task from where the rows' own directions have the optimum: what is left is to prove it on the columns."""
    space = row_space(rows, work) if space is None else space
    if start is not None:
        work.add((1.0, rows.design.nbytes))
        start = space.gamma(start[0]), start[1] + start[0] @ space.center
    within = replace(problem, X=space.rows, names=())
    # no gradient is known better than to |rounding of 1|^2 of what it sums: rows of |R|^2 = sum l
    least = EPSILON * EPSILON * float(space.values.sum()) / problem.strength / task.null
    tol = min(LEFT * task.tol, max(WITHIN, least))
    inner = fit(within, tol=tol, max_iterations=task.max_iterations, start=start)
    work.add((1.0, rows.design.nbytes))
    coef = space.coef(inner.coef)
    constant = inner.intercept + coef @ (rows.coordinates.center - space.center)
    kernel = np.vstack([coef.T, constant])
    theta = rows.coordinates.contract(kernel[:, 0] if problem.n_classes == 2 else kernel)
    spent = inner.info.iterations
    return replace(task, theta=theta, warm=False, spent=spent, max_iterations=max(0, task.max_iterations - spent))


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a search for separation said, or why it could not say."""

    separation: Separation | None = None
    undecided: str = ""


def _too_weak(task: Task, stop: Solution) -> bool:
    """Whether the penalty, if there is one, is lost in the rounding of the objective."""
    with np.errstate(over="ignore", invalid="ignore"):
        ridge = 0.5 * float(task.penalty.strength @ (stop.theta * stop.theta))
        return ridge + task.penalty.kinked(stop.theta) < PRECISION * task.null


def _look_for_separation(problem: Problem, rows: InMemory) -> _Verdict:
    try:
        return _Verdict(find_separation(problem, rows.coordinates.kept))
    except UndecidedError as error:
        return _Verdict(undecided=str(error))


def _task(
    problem: Problem,
    rows: InMemory,
    totals: F64,
    null: float,
    tol: float,
    max_iterations: int,
    start: tuple[F64, F64] | None,
) -> Task:
    place = rows.coordinates
    n, p = rows.design.shape
    penalty = penalty_of(problem, place)
    share = totals / totals.sum()
    cold = place.contract(null_coef(problem, p, share)) if problem.intercept else np.zeros(place.size)
    theta = cold if start is None else place.from_original(*start)
    choice = _choice(problem, rows)
    free = not problem.penalised
    target = tol * null
    if free:
        target = min(target, STANDARD_ERROR_GAP * float(totals.sum()) / len(problem.y) * (tol / 1e-8))
    aim = min(0.5 * target, POLISH * null) if choice.polish else 0.5 * target
    task = Task(
        theta,
        penalty,
        place,
        choice,
        n,
        share,
        float(totals.sum()),
        null,
        tol,
        target,
        aim,
        max_iterations,
        free,
        start is not None,
        cold,
        null if problem.offset is None else None,
        0.0 if problem.offset is None else float(np.abs(problem.offset).max()),
    )
    if isinstance(penalty, ElasticNet):
        few = by_columns(penalty, task.course)
        kinked = Choice.of_few_columns(p) if few else choice.with_kinks(n, sample_rows(task.course))
        task = replace(task, choice=kinked)
    return task


def _choice(problem: Problem, rows: InMemory) -> Choice:
    design, place, penalised = rows.design, rows.coordinates, problem.penalised
    ridge, n = problem.strength > 0.0 and not problem.lasso and problem.smoothing is None, rows.n_rows
    if isinstance(design, Mixed):
        penalised &= problem.smoothing is None  # which leaves columns free, so that few rows prove nothing
        cells, largest = design.row_cells, design.outer_columns(coupled=True)
        return choose_factors(n, place.columns, place.contrasts, cells, largest, ridge=ridge, penalised=penalised)
    return choose(
        n,
        place.columns,
        place.contrasts,
        design.itemsize,
        penalised=penalised,
        filled=filled(design, place.center),
        stored=design.filled,
        ridge=ridge and isinstance(design, Dense),
    )


def penalty_of(problem: Problem, place: Coordinates) -> Ridge:
    """The problem's penalty in theta: the constants are free."""
    each = np.append(np.ones(len(place.center)), 0.0)
    each = (each if place.kept is None else each[place.kept]) / place.scale
    ridge = problem.strength * each * each
    if problem.smoothing is not None:
        smoothing = np.append(problem.smoothing, 0.0)
        ridge = ridge + (smoothing if place.kept is None else smoothing[place.kept]) * each * each
    if problem.lasso > 0.0:
        return elastic_net(ridge, problem.lasso * each, place)
    return Ridge(np.tile(ridge, place.contrasts))


def _certificate(
    problem: Problem,
    task: Task,
    stop: Solution,
    proof: Bound,
    verdict: _Verdict,
    rank: Rank,
    work: Work,
) -> Certificate:
    # under a ridge the only free coordinates are intercepts, finite as every class has weight; smoothing leaves more
    held = not task.penalty.is_zero and problem.smoothing is None
    exists: bool | None = True if held or proof.proves_existence else None
    gap, distance = proof.gap, proof.distance
    separation = verdict.separation if task.penalty.is_zero else None
    if gap > task.tol * task.null and not _too_weak(task, stop):
        gap = min(gap, stop.at.value)  # no loss is negative
    if separation is not None:
        exists, gap, distance = False, math.inf, math.inf
    certified = gap <= task.tol * task.null
    if separation is not None:
        status = f"no finite optimum: the data are separated ({separation.kind})"
    elif certified:
        objective = (
            "the objective" if problem.smoothing is None else "at these smoothing parameters the penalised objective"
        )
        status = (
            f"optimum certified: {objective} is within {max(gap / task.null, PRECISION):.1g} of its least possible "
            "value, relative to the null model's"
        )
    else:
        status = shortfall(problem, task, stop, proof, verdict.separation, verdict.undecided)
    return Certificate(
        certified,
        gap,
        gap / task.null,
        proof.estimate,
        distance,
        stop.at.value,
        task.null,
        exists,
        separation,
        rank,
        task.tol,
        work.passes,
        status,
    )
