"""The rows of a problem in a solver's coordinates, and where a solver begins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from berkson.certificate import DENSE_UP_TO
from berkson.design import Dense, Mixed, design_of
from berkson.problem import HUGE, InputError, Problem
from berkson.rank import Rank, examine, full_rank
from berkson.rows.coordinates import Coordinates
from berkson.rows.memory import InMemory, NonFiniteError, threads_for
from berkson.rows.questions import NullGram
from berkson.solvers.run import Work, run_one
from berkson.standardise import location

F64 = npt.NDArray[np.float64]

EQUATIONS = 8000  # unknowns of a lasso of many classes: its Hessian and what is made of it are 512 MB each
WIDE = 2000  # columns up to which a table with fewer rows gets its aliases named
MOMENT_CELLS = 5_000_000  # cells from which centres and scales are taken: they only condition, they change no answer


def null_coef(problem: Problem, p: int, share: F64) -> F64:
    """Kernel coefficients of the model that knows only class frequencies, and the offset's mean."""
    coef = np.zeros((p + 1, len(share)))
    coef[p] = np.log(np.maximum(share, 1e-300))
    if problem.offset is not None:
        mean = np.average(problem.offset, axis=0, weights=problem.weight)
        coef[p] -= np.array([0.0, mean]) if problem.n_classes == 2 else mean
    return coef[:, 1] - coef[:, 0] if problem.n_classes == 2 else coef


def standardised(problem: Problem, *, symmetric: bool = False) -> InMemory:
    """Rows whose columns are centred (where there is an intercept to take it up) and divided by their spread: of evenly
    spaced rows where they are many, since it only conditions.

    symmetric : the unknowns of K > 2 classes are all K equations, in place of their contrasts (see `Coordinates`).
    """
    design = design_of(problem.X)
    n, p = design.shape
    symmetric = symmetric and problem.n_classes > 2
    if symmetric and (p + 1) * problem.n_classes > EQUATIONS:
        raise InputError(
            f"the lasso of {problem.n_classes:,} classes takes a dense Hessian of {p + 1:,} x {problem.n_classes:,} "
            f"unknowns, and more than {EQUATIONS:,} do not fit here: use a ridge, or choose fewer columns"
        )
    every = max(1, n * p // MOMENT_CELLS) if isinstance(design, Dense) else 1  # rare columns are in few rows
    center, spread, constant = location(design, problem.weight, intercept=problem.intercept, every=every)
    if not np.isfinite(spread).all():
        raise NonFiniteError
    scale = np.ones(p + 1)
    least = 1e-300 * problem.strength  # else the ridge on the scaled column, strength / spread, would overflow
    # where the ridge outweighs all rows, it is what a step should be scaled by
    total = n if problem.weight is None else float(problem.weight.sum())
    spread = np.maximum(spread, min(problem.strength / total, HUGE))
    scale[:p] = np.where((spread > least) & ~(constant & problem.intercept), np.sqrt(spread), 1.0)
    kept = None if problem.intercept else np.arange(p)
    basis = np.eye(problem.n_classes) if symmetric else problem.loss.basis
    coordinates = Coordinates(center, scale if kept is None else scale[kept], kept, basis)
    return InMemory(design, problem.y, problem.weight, problem.offset, problem.loss, coordinates)


def prepare(problem: Problem, work: Work) -> tuple[InMemory, Rank]:
    """Rows in a solver's coordinates; without a penalty, of full rank."""
    n, p = problem.X.shape
    if not problem.penalised and p > max(n, WIDE):
        raise InputError(
            f"{n:,} rows cannot tell {p:,} columns apart, so without a penalty no coefficient has an estimate: "
            f"set {problem.wording.penalty}, or choose fewer columns"
        )
    if not problem.penalised and p > DENSE_UP_TO and not isinstance(problem.X, np.ndarray):
        raise InputError(_why_not(problem))
    if problem.penalised or p > DENSE_UP_TO:
        return standardised(problem, symmetric=problem.lasso > 0.0), Rank(())
    return full_rank_rows(problem, standardised(problem), work)


def _why_not(problem: Problem) -> str:
    """Why so many columns are not fitted without a penalty: levels that lack a class have no estimate, and are looked
    for first."""
    design, p = design_of(problem.X), problem.X.shape[1]
    ridge = problem.wording.penalty.rpartition(" or ")[2]  # what reduces bias takes the same matrix
    if isinstance(design, Mixed):
        lacking = _levels_that_lack_a_class(problem, design)
        if len(lacking):
            named = f", as {problem.column(int(lacking[0]))!r}," if lacking[0] >= 0 else ""
            return (
                f"without a penalty {len(lacking):,} of {sum(design.blocks.levels):,} levels{named} have no finite "
                f"estimate, since their rows lack a class: set {ridge}, or merge levels with few rows"
            )
    return (
        f"without a penalty, which of {p:,} columns have an estimate takes a dense {p:,} x {p:,} matrix to tell, more "
        f"than fits here: set {ridge}, or choose at most {DENSE_UP_TO:,} columns"
    )


def _levels_that_lack_a_class(problem: Problem, design: Mixed) -> npt.NDArray[np.intp]:
    """The columns of levels that have rows, but none of some class; those without a column come last, as -1."""
    weight, threads = problem.weight, threads_for(len(design) * design.row_cells)
    among = design.slots.place - design.slots.constant - 1  # of levels: numbers and the constant come before them
    column = np.full(sum(design.blocks.levels), -1)
    column[among[~design.numeric]] = np.flatnonzero(~design.numeric)
    seen = design.level_moments(None, weight, threads)[3] > 0.0
    lacking = np.zeros(len(seen), dtype=bool)
    for k in range(problem.n_classes):
        part = problem.part_of(k)
        own = part if weight is None else weight * part
        lacking |= ~(design.level_moments(None, own, threads)[3] > 0.0)
    found = column[lacking & seen]
    return np.concatenate([found[found >= 0], found[found < 0]])


def full_rank_rows(problem: Problem, rows: InMemory, work: Work) -> tuple[InMemory, Rank]:
    """The same rows without aliased columns.  Evenly spaced rows of full rank prove it for all."""
    design = rows.design
    n, p = design.shape
    step = max(1, n * p // MOMENT_CELLS)
    if step > 1:
        some = replace(rows, design=design.run_of(slice(None, None, step)), y=rows.y[::step], offset=None)
        some = replace(some, weight=None if rows.weight is None else rows.weight[::step])
        if full_rank(run_one(NullGram(), some, work)):
            return rows, Rank(())
    gram = run_one(NullGram(), rows, work)
    if full_rank(gram):
        return rows, Rank(())
    rank = examine(problem, gram, rows.coordinates)
    if not rank.aliased:
        return rows, rank
    place = rows.coordinates
    before = np.arange(p + 1) if place.kept is None else place.kept
    gone = {alias.column for alias in rank.aliased}
    stays = np.array([j not in gone for j in before])
    place = replace(place, kept=before[stays], scale=place.scale[stays])
    return replace(rows, coordinates=place), rank
