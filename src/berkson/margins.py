"""Rows as the recession cone of a likelihood sees them: margins of pairs (row, class) along directions.

D (q, K) holds a direction on standardised columns z and classes.  With labels on one class y (soft: on several), row i
asks for

    (D_y - D_k)' z_i >= 0  for every class k without a share in its label,   = 0  for every further class with one.

Margins are relative to the lengths of row and direction in columns made uncorrelated, so that nearly collinear columns
do no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.design import Dense, Design, design_of
from berkson.problem import Array, Problem
from berkson.rows.draw import CHUNK
from berkson.rows.memory import threads_for
from berkson.standardise import location

F64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

STRICT = 1e-12  # least margin of a row, relative to the lengths of row and direction, that is not rounding
NEGLIGIBLE = 1e-9  # of the largest coefficient of a direction: one below it is rounding
NEARLY, SLACK = 1e-6, 1e-9  # relative margins that are looked at again; what a tie may lack, of the sum of its terms
FLAT = 1e-13  # of the largest eigenvalue of the columns' correlations: directions flatter than that are not stretched
MANY_ROWS = 4096  # evenly spaced rows that show a column's bulk
BLOCK = 1 << 17  # cells of a block of rows that are standardised at a time


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows as the cone sees them: standardised columns, labels as sets of classes, and which rows count."""

    design: Design
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

    def holds(self, direction: F64) -> bool:
        """Whether a direction (unknowns,) on standardised columns leaves no pair worse off, but for rounding of the
        terms that add up to its margin: a cell far out lengthens its row, and excuses nothing in the others."""
        each = np.zeros((self.n_classes, self.columns))
        each[1:] = direction.reshape(-1, self.columns)
        far = np.append(np.abs(self.center), 0.0)[self.kept] / self.scale
        noise, step = NEGLIGIBLE * np.abs(direction).max(), max(1, BLOCK // self.columns)
        for part, margins in self.margins(direction[None, :]):
            near = margins[:, 0, :] < NEARLY if self.tied is None else (margins[:, 0, :] < NEARLY) | self.tied[part]
            near[np.arange(len(near)), self.own[part]] = False
            index, against = np.nonzero(near if self.used is None else near & self.used[part, None])
            for start in range(0, len(index), step):
                rows, k = index[start : start + step] + part.start, against[start : start + step]
                moves = each[self.own[rows]] - each[k]
                moves = np.where(np.abs(moves) > noise, moves, 0.0)
                terms = moves * self.rows(rows)
                allowed = SLACK * np.abs(terms).sum(axis=1) + 8.0 * np.finfo(np.float64).eps * (np.abs(moves) @ far)
                short = -terms.sum(axis=1)
                if self.tied is not None:
                    short = np.where(self.tied[rows, k], np.abs(short), short)
                if (short > allowed).any():
                    return False
        return True

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
    """The rows of a problem for the cone: four readings of X."""
    design, (n, p), y, K = design_of(problem.X), problem.X.shape, problem.y, problem.n_classes
    threads = threads_for(n * p)
    used = None if problem.weight is None else problem.weight > 0
    counted = None if used is None else used.astype(np.float64)
    center, spread, _ = location(design, counted, intercept=problem.intercept, few=MANY_ROWS)
    kept = np.arange(p + 1) if kept is None else np.asarray(kept, dtype=np.intp)
    scale = np.append(np.where(spread > 0, np.sqrt(spread), 1.0), 1.0)[kept]
    # a row's length does not matter to the cone, so none may outweigh the others in the correlations
    whole: tuple[Design, F64, Indices] = (design, center, kept)
    if isinstance(design, Dense) and 2 * len(kept) <= p:
        whole = _narrow(design.X, center, kept)
    squared = _quadratic(whole, np.eye(len(kept)), scale, threads)
    share = np.where(squared > 0, 1.0 / np.where(squared > 0, squared, 1.0), 0.0)
    share = share if used is None else share * used
    among, middle, place = whole
    axes = _uncorrelated(among.gram(None, middle, share, threads)[np.ix_(place, place)] / (scale[:, None] * scale))
    length = np.sqrt(np.maximum(_quadratic(whole, axes @ axes.T, scale, threads), 0.0))
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
    return Labelled(design, center, scale, axes, strict, kept, K, own, tied, used, length)


def _narrow(X: Array, center: F64, kept: Indices) -> tuple[Dense, F64, Indices]:
    """The kept columns of a table much wider than they are, their centres and their positions: a small copy."""
    columns = kept[kept < X.shape[1]]
    place = np.where(kept < X.shape[1], np.searchsorted(columns, kept), len(columns))
    return Dense(X[:, columns]), center[columns], place


def _quadratic(whole: tuple[Design, F64, Indices], form: F64, scale: F64, threads: int) -> F64:
    """(n,) of a quadratic form (q, q) on standardised kept columns."""
    design, center, kept = whole
    metric = np.zeros((design.shape[1] + 1,) * 2)
    metric[np.ix_(kept, kept)] = form / (scale[:, None] * scale)
    return design.quadratic_form(None, center, metric, threads)


def _uncorrelated(gram: F64) -> F64:
    """The symmetric inverse root of the columns' correlations: axes' correlation axes = 1."""
    size = np.sqrt(np.maximum(gram.diagonal(), np.finfo(np.float64).tiny))
    values, vectors = np.linalg.eigh(gram / (size[:, None] * size))
    root = np.sqrt(np.maximum(values, FLAT * max(1.0, values[-1])))
    return np.asarray((vectors / root) @ vectors.T)
