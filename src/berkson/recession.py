"""The recession cone of a likelihood: the directions along which no row's loss ever grows.

D (q, K) holds a direction on standardised columns z and classes.  With labels on one class y (soft: on several), row i
asks for

    (D_y - D_k)' z_i >= 0  for every class k without a share in its label,   = 0  for every further class with one.

A *pair* (row, k) is separated where some D of the cone makes its margin strictly positive.  Maximum likelihood has a
finite optimum if and only if no pair is (Albert and Anderson, Biometrika 71, 1984).  The cone is explored by linear
programmes (Konis, Oxford thesis, 2007) over a working set of pairs: a solution is checked on all rows, and what it
violates joins the set.  The set makes the programme a relaxation, so "nothing to gain" on it is so for all rows; a
direction that is returned has been moved onto the constraints it touches, and its signs hold on every row to rounding.
Programmes are stated in directions that make the columns uncorrelated, so nearly collinear columns do no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.design.dense import Dense
from berkson.problem import Array, Problem
from berkson.rows.memory import CHUNK, threads_for

F64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

STRICT = 1e-12  # least margin of a row, relative to the lengths of row and direction, that is not rounding
TIMES_STRICT_GAIN, TIMES_STRICT_RANK = 10.0, 100.0  # what separates a pair; what a pair asks of a direction
FLAT = 1e-13  # of the largest eigenvalue of the columns' correlations: directions flatter than that are not stretched
TOUCHED = (0.0, 1e-9, 1e-8, 1e-7, 1e-6)  # relative margins tried as those of constraints that a solution touches
NOTHING = 1e-9  # of the largest cost: optimum of a programme that has nothing to gain
EVERY_PAIR = 2_000  # pairs that are all in the working set from the start
ROUNDS = 60  # programmes for one direction; each adds the worst violations of all rows
CELLS = 4_000_000  # of a working set's matrix: beyond it the question is given up
SECONDS = 30.0  # of one programme, likewise
BLOCK = 1 << 17  # cells of a block of rows that are standardised at a time


class UndecidedError(Exception):
    """A programme was too large, or the rounding of its solution could not be mended."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows as the cone sees them: standardised columns, labels as sets of classes, and which rows count."""

    design: Dense
    center: F64  # (p,)
    scale: F64  # (q,)
    axes: F64  # (q, q) standardised columns' coefficients of a direction that is stated in uncorrelated ones
    strict: float  # relative margin that is not rounding
    kept: Indices  # (q,) positions among (columns, constant)
    n_classes: int
    own: Array  # (n,) a class with a share in the row's label
    tied: Flags | None  # (n, K) further classes with a share
    used: Flags | None  # rows of positive weight; None: all
    length: F64  # (n,) of the rows in uncorrelated columns

    @property
    def columns(self) -> int:
        return len(self.kept)

    @property
    def unknowns(self) -> int:
        """Of a direction d (K - 1, q), flattened: D_k - D_0 for k = 1 .. K - 1."""
        return (self.n_classes - 1) * self.columns

    def pairs(self) -> Flags:
        """(n, K): the pairs that ask for a margin >= 0."""
        ask = np.ones((len(self.own), self.n_classes), dtype=bool)
        ask[np.arange(len(self.own)), self.own] = False
        if self.tied is not None:
            ask &= ~self.tied
        if self.used is not None:
            ask &= self.used[:, None]
        return ask

    def margins(self, directions: F64) -> Iterator[tuple[slice, F64]]:
        """(rows, (m, r, K) margins over the row's length) of directions (r, unknowns) on standardised columns.

        Rows that do not count have margin 0."""
        r, M, p = len(directions), self.n_classes - 1, self.design.shape[1]
        coef = np.zeros((p + 1, r * M))
        coef[self.kept] = (directions.reshape(r * M, -1) / self.scale).T
        step = max(1, min(CHUNK, 16 * CHUNK // (r * self.n_classes)))
        for start in range(0, len(self.own), step):
            part = slice(start, min(start + step, len(self.own)))
            m = part.stop - start
            eta = np.zeros((m, r, self.n_classes))
            threads = threads_for(m * coef.size)
            each = self.design.run_of(part).linear_predictor(None, self.center, coef, threads)
            eta[:, :, 1:] = each.reshape(m, r, M) / self.length[part, None, None]
            margin = np.take_along_axis(eta, self.own[part, None, None].astype(np.intp), axis=2) - eta
            if self.used is not None:
                margin[~self.used[part]] = 0.0
            yield part, margin

    def pull(self, ask: Flags) -> F64:
        """The gradient (unknowns,) of the sum of the margins of these pairs."""
        total = np.zeros((self.n_classes, self.columns))
        step = max(1, BLOCK // (self.columns + 1))
        for start in range(0, len(self.own), step):
            rows = np.arange(start, min(start + step, len(self.own)))
            rows = rows[ask[rows].any(axis=1)]
            toward = -ask[rows].astype(np.float64)
            toward[np.arange(len(rows)), self.own[rows]] += ask[rows].sum(axis=1)
            total += toward.T @ (self.rows(rows) / self.length[rows, None])
        return self.uncorrelate(total[1:].ravel())

    def rows(self, index: Indices) -> F64:
        """(m, q) standardised rows."""
        each = self.design.dense_rows(index, self.center)
        return each[:, self.kept] / self.scale

    def standardise(self, directions: F64) -> F64:
        """Directions (..., unknowns) in uncorrelated columns, on standardised ones."""
        return np.asarray((directions.reshape(-1, self.columns) @ self.axes.T).reshape(directions.shape))

    def uncorrelate(self, functions: F64) -> F64:
        """Linear functions (..., unknowns) of a direction on standardised columns, of one in uncorrelated ones."""
        return np.asarray((functions.reshape(-1, self.columns) @ self.axes).reshape(functions.shape))

    def constraints(self, index: Indices, against: Indices) -> F64:
        """(m, unknowns): margins of pairs as linear functions of a direction on standardised columns."""
        z = self.rows(index)
        out = np.zeros((len(index), self.n_classes, self.columns))
        place = np.arange(len(index))
        out[place, self.own[index]] += z
        out[place, against] -= z
        return out[:, 1:].reshape(len(index), self.unknowns)


def label(problem: Problem, kept: Indices | None) -> Labelled:
    """The rows of a problem for the cone: three readings of X."""
    design = Dense(problem.X)
    (n, p), y, K = design.shape, problem.y, problem.n_classes
    threads = threads_for(n * p)
    _, mean, variance, _, _ = design.moments(None, problem.weight, threads)
    center = mean if problem.intercept else np.zeros(p)
    spread = np.sqrt(variance if problem.intercept else variance + mean * mean)
    kept = np.arange(p + 1) if kept is None else np.asarray(kept, dtype=np.intp)
    scale = np.append(np.where(spread > 0, spread, 1.0), 1.0)[kept]
    counted = None if problem.weight is None else (problem.weight > 0).astype(np.float64)
    axes = _uncorrelated(design.gram(None, center, counted, threads)[np.ix_(kept, kept)] / (scale[:, None] * scale))
    metric = np.zeros((p + 1, p + 1))
    metric[np.ix_(kept, kept)] = (axes @ axes.T) / (scale[:, None] * scale)
    length = np.sqrt(np.maximum(design.quadratic_form(None, center, metric, threads), 0.0))
    length[length == 0.0] = 1.0
    stored = (
        1.0 + np.abs(np.append(center, 0.0)[kept]) / scale
    )  # rounding of a cell, per spread, in units of the last place
    strict = max(STRICT, 4.0 * float(np.finfo(np.float64).eps * np.linalg.norm(stored[:, None] * axes)))
    tied = None
    if y.dtype.kind == "f":
        tied = y > 0 if y.ndim == 2 else np.column_stack([y < 1, y > 0])
        own = tied.argmax(axis=1)
        tied[np.arange(n), own] = False
    else:
        own = y
    used = None if problem.weight is None else problem.weight > 0
    return Labelled(design, center, scale, axes, strict, kept, K, own, tied, used, length)


def _uncorrelated(gram: F64) -> F64:
    """The symmetric inverse root of the columns' correlations: axes' correlation axes = 1."""
    size = np.sqrt(np.maximum(gram.diagonal(), np.finfo(np.float64).tiny))
    values, vectors = np.linalg.eigh(gram / (size[:, None] * size))
    root = np.sqrt(np.maximum(values, FLAT * max(1.0, values[-1])))
    return np.asarray((vectors / root) @ vectors.T)


class WorkingSet:
    """Pairs whose constraints the linear programmes hold: (row, class) and the constraint's coefficients."""

    def __init__(self, labelled: Labelled, seed: int = 0) -> None:
        self.labelled = labelled
        self.index = self.against = np.zeros(0, dtype=np.intp)
        self.tied = np.zeros(0, dtype=bool)
        self.matrix = np.zeros((0, labelled.unknowns))
        ask = labelled.pairs() if labelled.tied is None else labelled.pairs() | _counted(labelled, labelled.tied)
        rng, wanted = np.random.default_rng(seed), max(EVERY_PAIR // 4, 6 * labelled.unknowns)
        if ask.sum() <= max(EVERY_PAIR, wanted):
            self.add(*np.nonzero(ask))
            return
        for k in range(labelled.n_classes):  # rare classes too
            index, against = np.nonzero(ask & (labelled.own == k)[:, None])
            some = rng.choice(len(index), min(len(index), wanted // labelled.n_classes + 1), replace=False)
            self.add(index[some], against[some])

    def add(self, index: Indices, against: Indices) -> bool:
        """Take pairs in; False where all of them (or rows equal to them) were there already."""
        labelled = self.labelled
        if (len(self.index) + len(index)) * labelled.unknowns > CELLS:
            raise UndecidedError
        tied = np.zeros(len(index), dtype=bool) if labelled.tied is None else labelled.tied[index, against]
        rows = labelled.uncorrelate(labelled.constraints(index, against)) / labelled.length[index, None]
        matrix = np.vstack([self.matrix, rows])
        all_tied = np.append(self.tied, tied)
        _, first = np.unique(np.column_stack([matrix, all_tied]), axis=0, return_index=True)
        first.sort()
        grown = len(first) > len(self.index)
        self.index = np.append(self.index, index)[first]
        self.against = np.append(self.against, against)[first]
        self.tied = all_tied[first]
        self.matrix = matrix[first]
        return grown

    def relaxed_optimum(self, objective: F64) -> F64 | None:
        """argmax objective'd over |d| <= 1 and the constraints of the set; None where the maximum is 0."""
        from scipy.optimize import linprog  # type: ignore[import-untyped]

        cost = objective / np.abs(objective).max()
        free, tied = self.matrix[~self.tied], self.matrix[self.tied]
        answer = linprog(
            -cost,
            A_ub=-free,
            b_ub=np.zeros(len(free)),
            A_eq=tied if len(tied) else None,
            b_eq=np.zeros(len(tied)) if len(tied) else None,
            bounds=(-1.0, 1.0),
            method="highs-ds",
            options={
                "primal_feasibility_tolerance": 1e-10,
                "dual_feasibility_tolerance": 1e-10,
                "time_limit": SECONDS,
            },
        )
        if answer.status != 0:
            raise UndecidedError
        return None if -answer.fun <= NOTHING else np.asarray(answer.x, dtype=np.float64)

    def mend(self, d: F64) -> F64 | None:
        """A solution moved onto the constraints it touches, so that signs hold to rounding; None where it vanishes."""
        margin, strict = self.matrix @ d, self.labelled.strict
        for touched in TOUCHED:
            on = self.matrix[self.tied | (margin < touched)]
            moved = d - np.linalg.lstsq(on, on @ d, rcond=1e-13)[0] if touched > 0 and len(on) else d
            size = float(np.abs(moved).max())
            if size < 1e-3:
                return None
            moved = moved / size
            after = self.matrix @ moved
            if after.min(initial=0.0) >= -strict and np.abs(after[self.tied]).max(initial=0.0) <= strict:
                return np.asarray(moved, dtype=np.float64)
        raise UndecidedError


def _counted(labelled: Labelled, flags: Flags) -> Flags:
    return flags if labelled.used is None else flags & labelled.used[:, None]


def extreme(work: WorkingSet, objective: F64) -> tuple[F64, Flags] | None:
    """A direction d of the cone of all rows that goes far along `objective`, |d_j| <= 1, and the pairs that it
    separates; None where no direction of the cone has objective'd > 0."""
    most = max(100, 3 * work.labelled.unknowns)
    for _ in range(ROUNDS):
        solution = work.relaxed_optimum(objective)
        d = None if solution is None else work.mend(solution)
        if d is None:
            return None
        separated, worst = _signs(work.labelled, d, most)
        if len(worst.index) == 0:
            return d, separated
        if not work.add(worst.index, worst.against):
            raise UndecidedError
    raise UndecidedError


def _signs(labelled: Labelled, d: F64, most: int) -> tuple[Flags, Worst]:
    """The pairs that d separates, and the worst of those that it violates."""
    separated = np.zeros((len(labelled.own), labelled.n_classes), dtype=bool)
    worst = Worst(most, labelled.strict)
    for part, margins in labelled.margins(labelled.standardise(d[None, :])):
        margin = margins[:, 0, :]
        separated[part] = margin > TIMES_STRICT_GAIN * labelled.strict
        if labelled.tied is not None:
            tied = labelled.tied[part]
            separated[part] &= ~tied
            margin = np.where(tied, -np.abs(margin), margin)
        worst.look(part.start, margin)
    return separated, worst


class Worst:
    """The pairs of the smallest margins below -strict; one of each value, for equal rows have equal margins."""

    def __init__(self, most: int, strict: float) -> None:
        self.most, self.strict = most, strict
        self.margin = np.zeros(0)
        self.index = self.against = np.zeros(0, dtype=np.intp)

    def look(self, start: int, margin: F64) -> None:
        """Take in the margins (m, K) of a run of rows."""
        index, against = np.nonzero(margin < -self.strict)
        values = np.append(self.margin, margin[index, against])
        _, first = np.unique(np.round(values, 12), return_index=True)
        first = first[: self.most]
        self.margin = values[first]
        self.index = np.append(self.index, index + start)[first]
        self.against = np.append(self.against, against)[first]


def widest(work: WorkingSet) -> tuple[F64, Flags]:
    """A direction of the cone that separates every pair that any separates (0 if none is), and the pairs it leaves."""
    labelled = work.labelled
    left, total = labelled.pairs(), np.zeros(labelled.unknowns)
    if len(work.matrix) <= labelled.unknowns and left[work.index, work.against].all():
        found = _equal_margins(work)
        if found is not None and not (left & ~found[1]).any():
            return found[0], left & ~found[1]
    while left.any():
        pull = labelled.pull(left)
        if not pull.any():
            break
        try:
            found = extreme(work, pull)
        except UndecidedError:
            if not total.any():
                raise
            break  # what is found is proved; that it is all is not
        if found is None or not (left & found[1]).any():
            break
        total += found[0]
        left &= ~found[1]
    return total, left


def _equal_margins(work: WorkingSet) -> tuple[F64, Flags] | None:
    """The direction that gives all pairs of the set the same margin, where there are no more pairs than unknowns."""
    try:
        d = work.matrix.T @ np.linalg.solve(work.matrix @ work.matrix.T, np.ones(len(work.matrix)))
    except np.linalg.LinAlgError:
        return None
    d = d / np.abs(d).max()
    separated, worst = _signs(work.labelled, d, 1)
    return None if len(worst.index) else (d, separated)


def free_directions(work: WorkingSet, left: Flags) -> tuple[F64, Indices, Indices]:
    """(r, unknowns) orthonormal basis of the directions with margin 0 in the pairs that are left (and tied), which the
    cone spans; and pairs (row, class) that have the same null space."""
    labelled = work.labelled
    held = left if labelled.tied is None else left | _counted(labelled, labelled.tied)
    inside = held[work.index, work.against]
    index, against, rows = work.index[inside], work.against[inside], work.matrix[inside]
    rank = TIMES_STRICT_RANK * labelled.strict
    basis = _null_space(rows, rank)
    while held.any() and len(basis):
        worst = Worst(max(10, len(basis)), rank)
        for part, margins in labelled.margins(labelled.standardise(basis)):
            worst.look(part.start, np.where(held[part], -np.abs(margins).max(axis=1), 0.0))
        if len(worst.index) == 0:
            break
        index, against = np.append(index, worst.index), np.append(against, worst.against)
        more = labelled.uncorrelate(labelled.constraints(worst.index, worst.against))
        rows, before = np.vstack([rows, more / labelled.length[worst.index, None]]), len(basis)
        basis = _null_space(rows, rank)
        if len(basis) == before:
            break
    return basis, index, against


def _null_space(rows: F64, tolerance: float) -> F64:
    if len(rows) == 0:
        return np.eye(rows.shape[1])
    _, values, vectors = np.linalg.svd(np.linalg.qr(rows, mode="r"), full_matrices=True)
    rank = int((values > tolerance * values[0]).sum()) if values[0] > 0 else 0
    return np.asarray(vectors[rank:], dtype=np.float64)
