"""The recession cone of a likelihood: the directions along which no row's loss ever grows.

D (q, K) holds a direction on standardised columns z and classes.  With labels on one class y (soft: on several), row i
asks for

    (D_y - D_k)' z_i >= 0  for every class k without a share in its label,   = 0  for every further class with one.

A *pair* (row, k) is separated where some D of the cone makes its margin strictly positive.  Maximum likelihood has a
finite optimum if and only if no pair is (Albert and Anderson, Biometrika 71, 1984).  The cone is explored by linear
programmes (Konis, Oxford thesis, 2007) over a working set of pairs: a solution is checked on all rows, and what it
violates joins the set.  The set makes the programme a relaxation, so "nothing to gain" on it is so for all rows; a
direction that is returned has been moved onto the constraints it touches, and its signs hold on every row to rounding.
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

STRICT = 1e-12  # margin of a row, relative to the lengths of row and direction, that rounding can bring about
GAIN = 1e-11  # relative margin from which a pair counts as separated
RANK = 1e-10  # relative size of what the pairs left still ask of a direction, below which it is rounding
TOUCHED = (0.0, 1e-9, 1e-8, 1e-7, 1e-6)  # relative margins tried as those of constraints that a solution touches
NOTHING = 1e-9  # of the largest cost: optimum of a programme that has nothing to gain
EVERY_PAIR = 2_000  # pairs that are all in the working set from the start
ROUNDS = 60  # programmes for one direction; each adds the worst violations of all rows
CELLS = 30_000_000  # of a working set's matrix: beyond it the question is given up
SPARSE_CELLS = 100_000  # of the programme for a direction with few columns
REWEIGHTED = 3  # programmes for it
BLOCK = 1 << 17  # cells of a block of rows that are standardised at a time


class UndecidedError(Exception):
    """A programme was too large, or the rounding of its solution could not be mended."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows as the cone sees them: standardised columns, labels as sets of classes, and which rows count."""

    design: Dense
    center: F64  # (p,)
    scale: F64  # (q,)
    kept: Indices  # (q,) positions among (columns, constant)
    n_classes: int
    own: Array  # (n,) a class with a share in the row's label
    tied: Flags | None  # (n, K) further classes with a share
    used: Flags | None  # rows of positive weight; None: all
    length: F64  # (n,) of standardised rows

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
        """(rows, (m, r, K) margins over the row's length) of directions (r, unknowns); 0 for rows that do not count."""
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
        return total[1:].ravel()

    def rows(self, index: Indices) -> F64:
        """(m, q) standardised rows."""
        each = self.design.dense_rows(index, self.center)
        return each[:, self.kept] / self.scale

    def constraints(self, index: Indices, against: Indices) -> F64:
        """(m, unknowns): margins of pairs over the row's length as linear functions of a direction."""
        z = self.rows(index) / self.length[index, None]
        out = np.zeros((len(index), self.n_classes, self.columns))
        place = np.arange(len(index))
        out[place, self.own[index]] += z
        out[place, against] -= z
        return out[:, 1:].reshape(len(index), -1)


def label(problem: Problem, kept: Indices | None) -> Labelled:
    """The rows of a problem for the cone: two readings of X."""
    design = Dense(problem.X)
    (n, p), y, K = design.shape, problem.y, problem.n_classes
    threads = threads_for(n * p)
    _, mean, variance, _, _ = design.moments(None, problem.weight, threads)
    center = mean if problem.intercept else np.zeros(p)
    spread = np.sqrt(variance if problem.intercept else variance + mean * mean)
    kept = np.arange(p + 1) if kept is None else np.asarray(kept, dtype=np.intp)
    scale = np.append(np.where(spread > 0, spread, 1.0), 1.0)[kept]
    metric = np.zeros((p + 1, p + 1))
    metric[kept, kept] = 1.0 / (scale * scale)
    length = np.sqrt(design.quadratic_form(None, center, metric, threads))
    length[length == 0.0] = 1.0
    tied = None
    if y.dtype.kind == "f":
        tied = y > 0 if y.ndim == 2 else np.column_stack([y < 1, y > 0])
        own = tied.argmax(axis=1)
        tied[np.arange(n), own] = False
    else:
        own = y
    used = None if problem.weight is None else problem.weight > 0
    return Labelled(design, center, scale, kept, K, own, tied, used, length)


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
        matrix = np.vstack([self.matrix, labelled.constraints(index, against)])
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
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
        if answer.status != 0:
            raise UndecidedError
        return None if -answer.fun <= NOTHING else np.asarray(answer.x, dtype=np.float64)

    def mend(self, d: F64) -> F64 | None:
        """A solution moved onto the constraints it touches, so that signs hold to rounding; None where it vanishes."""
        margin = self.matrix @ d
        for touched in TOUCHED:
            on = self.matrix[self.tied | (margin < touched)]
            moved = d - np.linalg.lstsq(on, on @ d, rcond=1e-13)[0] if touched > 0 and len(on) else d
            size = float(np.abs(moved).max())
            if size < 1e-3:
                return None
            moved = moved / size
            after = self.matrix @ moved
            if after.min(initial=0.0) >= -STRICT and np.abs(after[self.tied]).max(initial=0.0) <= STRICT:
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


def _signs(labelled: Labelled, d: F64, most: int) -> tuple[Flags, _Worst]:
    """The pairs that d separates, and the worst of those that it violates."""
    separated, worst = np.zeros((len(labelled.own), labelled.n_classes), dtype=bool), _Worst(most)
    for part, margins in labelled.margins(d[None, :]):
        margin = margins[:, 0, :]
        separated[part] = margin > GAIN
        if labelled.tied is not None:
            tied = labelled.tied[part]
            separated[part] &= ~tied
            margin = np.where(tied, -np.abs(margin), margin)
        worst.look(part.start, margin)
    return separated, worst


class _Worst:
    """The pairs of the smallest margins below -STRICT; one of each value, for equal rows have equal margins."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.margin = np.zeros(0)
        self.index = self.against = np.zeros(0, dtype=np.intp)

    def look(self, start: int, margin: F64) -> None:
        index, against = np.nonzero(margin < -STRICT)
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
    if len(work.matrix) <= labelled.unknowns and not work.tied.any():
        # as many unknowns as pairs: all margins can be made equal
        d = np.linalg.lstsq(work.matrix, np.ones(len(work.matrix)), rcond=None)[0]
        separated, worst = _signs(labelled, d / np.abs(d).max(), 1)
        if len(worst.index) == 0 and not (left & ~separated).any():
            return d / np.abs(d).max(), left & ~separated
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


def free_directions(work: WorkingSet, left: Flags) -> tuple[F64, F64]:
    """(r, unknowns) orthonormal basis of the directions with margin 0 in the pairs that are left (and tied), which the
    cone spans; and constraints (m, unknowns) that have the same null space."""
    labelled = work.labelled
    held = left if labelled.tied is None else left | _counted(labelled, labelled.tied)
    rows = work.matrix[held[work.index, work.against]]
    basis = _null_space(rows)
    while held.any() and len(basis):
        worst = _Worst(max(10, len(basis)))
        for part, margins in labelled.margins(basis):
            off = np.abs(margins).max(axis=1)
            worst.look(part.start, np.where(held[part] & (off > RANK), -off, 0.0))
        if len(worst.index) == 0:
            break
        rows, before = np.vstack([rows, labelled.constraints(worst.index, worst.against)]), len(basis)
        basis = _null_space(rows)
        if len(basis) == before:
            break
    return basis, rows


def _null_space(rows: F64) -> F64:
    if len(rows) == 0:
        return np.eye(rows.shape[1])
    _, values, vectors = np.linalg.svd(np.linalg.qr(rows, mode="r"), full_matrices=True)
    rank = int((values > RANK * values[0]).sum()) if values[0] > 0 else 0
    return np.asarray(vectors[rank:], dtype=np.float64)


def sparsest(work: WorkingSet, held: F64, left: Flags) -> F64:
    """A direction with few columns that gives margin 0 to `held` (m, unknowns) and a margin of at least 1 to every pair
    that is not left: of least absolute sum over columns and classes, reweighted so that small coefficients cost most
    (Candes, Wakin and Boyd, J. Fourier Anal. Appl. 14, 2008)."""
    labelled = work.labelled
    cost = np.where(labelled.kept == len(labelled.center), 0.01, 1.0)  # the constant is hardly a column
    first = cost = np.tile(cost, 1 if labelled.n_classes == 2 else labelled.n_classes)
    for _ in range(REWEIGHTED):
        each = _cheapest(work, held, left, cost)
        cost = first / (np.abs(each) / np.abs(each).max() + 1e-3)
    return _contrasts(each, labelled)


def _contrasts(each: F64, labelled: Labelled) -> F64:
    """(D_1 - D_0, ...) of a direction (D_0, D_1, ...); of two classes it is the difference already."""
    if labelled.n_classes == 2:
        return each
    return (each.reshape(labelled.n_classes, -1) - each[: labelled.columns])[1:].ravel()


def _cheapest(work: WorkingSet, held: F64, left: Flags, cost: F64) -> F64:
    """argmin cost'|D| over directions with margin 0 in `held` and at least 1 in every pair that is not left."""
    from scipy.optimize import linprog

    labelled, K = work.labelled, work.labelled.n_classes
    ask, equal = labelled.pairs() & ~left, _per_class(_independent(held), K)
    for _ in range(ROUNDS):
        inside = ask[work.index, work.against]
        rows = _per_class(work.matrix[inside], K)
        if 2 * rows.size > SPARSE_CELLS:
            raise UndecidedError
        answer = linprog(
            np.tile(cost, 2),
            A_ub=np.hstack([-rows, rows]),
            b_ub=-1.0 / labelled.length[work.index[inside]],
            A_eq=np.hstack([equal, -equal]) if len(equal) else None,
            b_eq=np.zeros(len(equal)) if len(equal) else None,
            method="highs-ds",
        )
        if answer.status != 0:
            raise UndecidedError
        each = np.asarray(answer.x[: len(cost)] - answer.x[len(cost) :], dtype=np.float64)
        worst = _Worst(max(100, 3 * labelled.unknowns))
        for part, margins in labelled.margins(_contrasts(each, labelled)[None, :]):
            short = margins[:, 0, :] * labelled.length[part, None] - 1.0 + 1e-6
            worst.look(part.start, np.where(ask[part], short, 0.0))
        if len(worst.index) == 0:
            return each
        if not work.add(worst.index, worst.against):
            raise UndecidedError
    raise UndecidedError


def _per_class(rows: F64, K: int) -> F64:
    """Functions of a direction (D_1 - D_0, ...) as functions of (D_0, D_1, ...); of two classes only the difference."""
    if K == 2:
        return rows
    each = rows.reshape(len(rows), K - 1, rows.shape[1] // (K - 1))
    return np.concatenate([-each.sum(axis=1, keepdims=True), each], axis=1).reshape(
        len(rows), rows.shape[1] // (K - 1) * K
    )


def _independent(rows: F64) -> F64:
    """Orthonormal rows of the same span."""
    if len(rows) == 0:
        return rows
    _, values, vectors = np.linalg.svd(np.linalg.qr(rows, mode="r"), full_matrices=False)
    return np.asarray(vectors[values > RANK * values[0]], dtype=np.float64)
