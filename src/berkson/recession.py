"""The recession cone of a likelihood: the directions along which no row's loss ever grows.

A *pair* (row, k) is separated where some direction of the cone makes its margin strictly positive (`margins.py`).
Maximum likelihood has a finite optimum if and only if no pair is (Albert and Anderson, Biometrika 71, 1984).  The cone
is explored by linear programmes (Konis, Oxford thesis, 2007) over a working set of pairs: a solution is checked on all
rows, and what it violates joins the set.  The set makes the programme a relaxation, so "nothing to gain" on it is so
for all rows; a direction that is returned has been moved onto the constraints it touches, and its signs hold on every
row to rounding.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from berkson.margins import F64, Flags, Indices, Labelled

TIMES_STRICT_GAIN, TIMES_STRICT_RANK = 10.0, 100.0  # what separates a pair; what a pair asks of a direction
TOUCHED = (0.0, 1e-9, 1e-8, 1e-7, 1e-6)  # relative margins tried as those of constraints that a solution touches
NOTHING = 1e-9  # of the largest cost: optimum of a programme that has nothing to gain
EVERY_PAIR = 2_000  # pairs that are all in the working set from the start
ROUNDS = 60  # programmes for one direction; each adds the worst violations of all rows
CELLS = 4_000_000  # of a working set, and of a dense part of it: beyond it the question is given up
SECONDS = 30.0  # of all programmes of one question, likewise
DENSE_ENOUGH = 1_000_000  # cells up to which a least-squares problem is solved by a singular value decomposition
LARGE = 500  # unknowns from which programmes are solved by interior points, and classes are first split from the rest


class UndecidedError(Exception):
    """No verdict, and why: a clause that goes on after "whether a finite optimum exists was not decided"."""


TOO_LARGE = "the linear programmes for it would be too large"
TOO_LONG = f"the linear programmes for it took longer than {SECONDS:g} s"
ROUNDED = "rounding hides it"


class WorkingSet:
    """Pairs whose constraints the linear programmes hold: (row, class), and the row (m, q) in uncorrelated columns, of
    length 1.  The constraint of a pair has two blocks of coefficients, its own class's and the other's."""

    def __init__(self, labelled: Labelled, deadline: float | None = None, seed: int = 0) -> None:
        self.labelled = labelled
        self.deadline = time.perf_counter() + SECONDS if deadline is None else deadline
        self.index = self.against = np.zeros(0, dtype=np.intp)
        self.tied = np.zeros(0, dtype=bool)
        self.rows = np.zeros((0, labelled.columns))
        ask = labelled.pairs() if labelled.tied is None else labelled.pairs() | _counted(labelled, labelled.tied)
        rng, wanted = np.random.default_rng(seed), max(EVERY_PAIR // 4, 6 * labelled.unknowns)
        if ask.sum() <= max(EVERY_PAIR, wanted):
            self.add(*np.nonzero(ask))
            return
        some = []
        for k in range(labelled.n_classes):  # rare classes too
            pairs = np.flatnonzero(ask & (labelled.own == k)[:, None])
            some.append(rng.choice(pairs, min(len(pairs), wanted // labelled.n_classes + 1), replace=False))
        self.add(*np.divmod(np.concatenate(some), labelled.n_classes))

    def __len__(self) -> int:
        return len(self.index)

    def add(self, index: Indices, against: Indices) -> bool:
        """Take pairs in; False where all of them (or rows equal to them) were there already."""
        labelled, before = self.labelled, len(self)
        if 2 * (before + len(index)) * labelled.columns > CELLS:
            raise UndecidedError(TOO_LARGE)
        tied = np.zeros(len(index), dtype=bool) if labelled.tied is None else labelled.tied[index, against]
        rows = labelled.uncorrelate(labelled.rows(index)) / labelled.length[index, None]
        index, against = np.append(self.index, index), np.append(self.against, against)
        tied, rows = np.append(self.tied, tied), np.vstack([self.rows, rows])
        _, first = np.unique(np.column_stack([rows, labelled.own[index], against, tied]), axis=0, return_index=True)
        first.sort()
        self.index, self.against, self.tied, self.rows = index[first], against[first], tied[first], rows[first]
        return len(self) > before

    def constraints(self, which: Flags) -> F64:
        """(m, unknowns): the margins of some of the pairs as functions of a direction."""
        labelled, rows = self.labelled, self.rows[which]
        if len(rows) * labelled.unknowns > CELLS:
            raise UndecidedError(TOO_LARGE)
        out, place = np.zeros((len(rows), labelled.n_classes, labelled.columns)), np.arange(len(rows))
        out[place, labelled.own[self.index[which]]] = rows
        out[place, self.against[which]] = -rows
        return out[:, 1:].reshape(len(rows), labelled.unknowns)

    def margins(self, d: F64) -> F64:
        """(m,) of the pairs along a direction."""
        each = np.zeros((self.labelled.n_classes, self.labelled.columns))
        each[1:] = d.reshape(-1, self.labelled.columns)
        moves = each[self.labelled.own[self.index]] - each[self.against]
        return np.asarray((moves * self.rows).sum(axis=1), dtype=np.float64)

    def _sparse(self, which: Flags) -> Any:
        """The constraints of some pairs, negated, for a linear programme."""
        from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

        labelled, rows = self.labelled, self.rows[which]
        m, q = rows.shape
        blocks = np.stack([labelled.own[self.index[which]].astype(np.intp), self.against[which]], axis=1) - 1
        columns = (blocks[:, :, None] * q + np.arange(q)).reshape(m, 2 * q)
        entries, there = np.hstack([-rows, rows]), columns >= 0  # class 0 has no block
        lines = np.broadcast_to(np.arange(m)[:, None], columns.shape)
        return csr_matrix((entries[there], (lines[there], columns[there])), shape=(m, labelled.unknowns))

    def seconds_left(self) -> float:
        """Raises UndecidedError where there are none."""
        left = self.deadline - time.perf_counter()
        if left <= 0.0:
            raise UndecidedError(TOO_LONG)
        return left

    def relaxed_optimum(self, objective: F64) -> F64 | None:
        """argmax objective'd over |d| <= 1 and the constraints of the set; None where the maximum is 0."""
        from scipy.optimize import linprog  # type: ignore[import-untyped]

        cost, tied = objective / np.abs(objective).max(), self.tied.any()
        answer = linprog(
            -cost,
            A_ub=self._sparse(~self.tied),
            b_ub=np.zeros(int((~self.tied).sum())),
            A_eq=self._sparse(self.tied) if tied else None,
            b_eq=np.zeros(int(self.tied.sum())) if tied else None,
            bounds=(-1.0, 1.0),
            method="highs-ds" if self.labelled.unknowns < LARGE else "highs-ipm",
            options={
                "primal_feasibility_tolerance": 1e-10,
                "dual_feasibility_tolerance": 1e-10,
                "time_limit": self.seconds_left(),
            },
        )
        if answer.status != 0:
            raise UndecidedError(TOO_LONG if answer.status == 1 else ROUNDED)
        return None if -answer.fun <= NOTHING else np.asarray(answer.x, dtype=np.float64)

    def mend(self, d: F64) -> F64 | None:
        """A solution moved onto the constraints it touches, so that signs hold to rounding; None where it vanishes."""
        margin, strict = self.margins(d), self.labelled.strict
        for touched in TOUCHED:
            on = self.constraints(self.tied | (margin < touched)) if touched > 0 else np.zeros((0, len(d)))
            moved = _into_null_space(on, d) if len(on) else d
            size = float(np.abs(moved).max())
            if size < 1e-3:
                return None
            moved = moved / size
            after = self.margins(moved)
            if after.min(initial=0.0) >= -strict and np.abs(after[self.tied]).max(initial=0.0) <= strict:
                return np.asarray(moved, dtype=np.float64)
        raise UndecidedError(ROUNDED)


def _into_null_space(rows: F64, d: F64) -> F64:
    """The part of d that is orthogonal to all rows."""
    if rows.size < DENSE_ENOUGH:
        return np.asarray(d - np.linalg.lstsq(rows, rows @ d, rcond=1e-13)[0], dtype=np.float64)
    values, vectors = np.linalg.eigh(rows.T @ rows)
    solid = values > 1e-11 * values[-1]
    values, vectors = values[solid], vectors[:, solid]
    for _ in range(3):  # a Gram matrix holds half the digits
        d = d - vectors @ ((vectors.T @ (rows.T @ (rows @ d))) / values)
    return d


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
            raise UndecidedError(ROUNDED)
    raise UndecidedError(ROUNDED)


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


def widest(labelled: Labelled) -> tuple[WorkingSet | None, F64, Flags]:
    """(working set, direction of the cone, pairs that it leaves): the direction separates every pair that any separates
    (0 if none is); without a working set, more pairs may be separated.  Raises UndecidedError.

    Of many unknowns, a class that a plane separates from all others is looked for first: a small programme each.
    """
    deadline = time.perf_counter() + SECONDS
    if labelled.n_classes > 2 and labelled.unknowns >= LARGE:
        total = _classes_from_the_rest(labelled, deadline)
        if total.any():
            separated, worst = _signs(labelled, total, 1)
            if len(worst.index) == 0:
                return None, total, labelled.pairs() & ~separated
    work = WorkingSet(labelled, deadline)
    left, total = labelled.pairs(), np.zeros(labelled.unknowns)
    if len(work) <= labelled.unknowns and left[work.index, work.against].all():
        found = _equal_margins(work)
        if found is not None and not (left & ~found[1]).any():
            return work, found[0], left & ~found[1]
    while left.any():
        pull = labelled.pull(left)
        if not pull.any():
            break
        try:
            found = extreme(work, pull)
        except UndecidedError:
            if not total.any():
                raise
            return None, total, left  # what is found is proved; that it is all is not
        if found is None or not (left & found[1]).any():
            break
        total += found[0]
        left &= ~found[1]
    return work, total, left


def _classes_from_the_rest(labelled: Labelled, deadline: float) -> F64:
    """The sum of directions that each separate one class from all others; 0 where no class can be."""
    total = np.zeros((labelled.n_classes, labelled.columns))
    for k in range(labelled.n_classes):
        inside = labelled.own == k
        tied = None
        if labelled.tied is not None:
            shared = labelled.tied.any(axis=1)
            part = shared & (inside | labelled.tied[:, k])
            tied = np.column_stack([part & inside, part & ~inside])
        two = replace(labelled, n_classes=2, own=inside.astype(np.intp), tied=tied)
        try:
            pull = two.pull(two.pairs())
            found = extreme(WorkingSet(two, deadline), pull) if pull.any() else None
        except UndecidedError:
            continue
        if found is not None and found[1].any():
            total[k] += found[0]
    return np.asarray((total - total[0])[1:].ravel(), dtype=np.float64)


def _equal_margins(work: WorkingSet) -> tuple[F64, Flags] | None:
    """The direction that gives all pairs of the set the same margin, where there are no more pairs than unknowns."""
    rows = work.constraints(np.ones(len(work), dtype=bool))
    try:
        d = rows.T @ np.linalg.solve(rows @ rows.T, np.ones(len(rows)))
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
    index, against, rows = work.index[inside], work.against[inside], work.constraints(inside)
    rank = TIMES_STRICT_RANK * labelled.strict
    basis = _null_space(rows, rank)
    while held.any() and len(basis):
        work.seconds_left()
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
