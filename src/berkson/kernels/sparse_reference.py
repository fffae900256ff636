"""The kernels for tables of which only some cells are stored, as formulas: the truth that the compiled twin is compared
with, and what runs where none is built.

The design that the formulas see is ``[X, 1]``: p columns as they are and, last, the constant; who centres columns does
so by the constant's coefficient, and subtracts what sums owe to it (`design/sparse.py`).  `rows`, `y`, `weight` and
`offset` are as in `reference`.  A cell may be stored in parts, which add up; only moments count each part by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from berkson.kernels import reference
from berkson.kernels.reference import F64, SILENT, Array

BLOCK_CELLS = 1 << 16  # of a block of rows: some temporaries of half a megabyte


class Cells(NamedTuple):
    """Row i holds the stored cells start[i] <= at < stop[i] of `values` and `columns`, in any order; all others are 0.

    values of any real type, columns int32 or int64, each side by side; start and stop (n,) int32 or int64; p columns.
    """

    values: Array
    columns: Array
    start: Array
    stop: Array
    p: int

    @property
    def n(self) -> int:
        return len(self.start)


class _Block(NamedTuple):
    """The stored cells of consecutive rows that were asked for."""

    part: slice
    row: Array  # of each cell, counted from the block's first
    column: Array
    value: F64
    p: int

    @property
    def n_rows(self) -> int:
        return int(self.part.stop - self.part.start)

    def times(self, coef: F64) -> F64:
        """[x, 1] coef, coef (q, M): (rows, M)."""
        eta = np.empty((self.n_rows, coef.shape[1]))
        for m in range(coef.shape[1]):
            eta[:, m] = np.bincount(self.row, self.value * coef[self.column, m], self.n_rows)
        eta += coef[self.p]
        return eta

    def transposed_times(self, residual: F64) -> F64:
        """[x, 1]' residual, residual (rows, M): (q, M).  A row whose residuals are all 0 adds nothing, not even nan."""
        used = (residual != 0.0).any(axis=1)[self.row]
        row, column, value = self.row[used], self.column[used], self.value[used]
        out = np.empty((self.p + 1, residual.shape[1]))
        for m in range(residual.shape[1]):
            out[:-1, m] = np.bincount(column, value * residual[row, m], self.p)
        out[-1] = residual.sum(axis=0)
        return out

    def dense(self) -> F64:
        """[x, 1] with all its cells (rows, q)."""
        out = np.zeros((self.n_rows, self.p + 1))
        np.add.at(out, (self.row, self.column), self.value)
        out[:, -1] = 1.0
        return out


def _blocks(X: Cells, rows: Array | None, *, of_dense: bool = False) -> Iterator[_Block]:
    """Blocks of rows, each of as many stored cells as fit, or of as many cells of any kind."""
    start, stop = (X.start, X.stop) if rows is None else (X.start[rows], X.stop[rows])
    count = (stop - start).astype(np.int64)
    each = max(1, int(count.mean())) if len(count) else 1
    step = max(16, BLOCK_CELLS // (X.p + 1 if of_dense else each))
    for first in range(0, len(count), step):
        part = slice(first, min(first + step, len(count)))
        size = count[part]
        row = np.repeat(np.arange(len(size)), size)
        before = np.cumsum(size) - size
        at = np.arange(int(size.sum())) - before[row] + start[part].astype(np.int64)[row]
        yield _Block(part, row, X.columns[at], X.values[at].astype(np.float64), X.p)


def _weights(weight: F64 | None, block: _Block) -> F64:
    return np.ones((block.n_rows, 1)) if weight is None else weight[block.part].reshape(block.n_rows, -1)


def _weighted(w: F64, values: F64) -> F64:
    """w * values, and 0 where w is 0."""
    with np.errstate(invalid="ignore"):
        return np.where(w == 0.0, 0.0, w * values)


def _predictors(block: _Block, coef: F64, offset: F64 | None) -> F64:
    with np.errstate(invalid="ignore", over="ignore"):
        eta = block.times(coef.reshape(len(coef), -1))
        return eta if offset is None else eta + offset[block.part].reshape(len(eta), -1)


def shift(X: Cells, rows: Array | None, weight: F64 | None) -> F64:
    """A value inside each column (p,): the median of its entries in the first, the middle and the last row of weight
    not 0.  Moments are counted from it."""
    used = np.flatnonzero(weight) if weight is not None else range(X.n if rows is None else len(rows))
    if not len(used):
        return np.zeros(X.p)
    picked = np.array([used[0], used[len(used) // 2], used[-1]])
    first, middle, last = dense_rows(X, picked if rows is None else rows[picked])
    return np.asarray(np.maximum(np.minimum(first, middle), np.minimum(np.maximum(first, middle), last)))


def dense_rows(X: Cells, rows: Array) -> F64:
    """A few rows with all their cells (m, p)."""
    out = np.zeros((len(rows), X.p))
    for i, row in enumerate(rows):
        at = slice(int(X.start[row]), int(X.stop[row]))
        np.add.at(out[i], X.columns[at], X.values[at])
    return out


def columns(X: Cells, place: Array, p: int, threads: int = 1) -> Cells:
    """The cells of some columns, as a table of p columns: place (X.p,) int32, -1 for a column that is left out."""
    values, numbers, count = [], [], []
    for first in range(0, X.n, 1 << 12):
        start, stop = X.start[first : first + (1 << 12)].astype(np.int64), X.stop[first : first + (1 << 12)]
        size = stop - start
        row = np.repeat(np.arange(len(size)), size)
        at = np.arange(len(row)) + (start - (np.cumsum(size) - size))[row]
        to = place[X.columns[at]]
        kept = to >= 0
        values.append(X.values[at[kept]])
        numbers.append(to[kept])
        count.append(np.bincount(row[kept], minlength=len(size)))
    ends = np.concatenate([[0], np.cumsum(np.concatenate(count))])
    return Cells(np.concatenate(values), np.concatenate(numbers), ends[:-1], ends[1:], p)


@SILENT
def moments(X: Cells, rows: Array | None, weight: F64 | None, threads: int = 1) -> tuple[float, F64, F64, F64, F64]:
    """Sum of weights, and of each column (p,) weighted mean, variance, minimum and maximum, as `reference.moments`."""
    begin = shift(X, rows, weight)
    sums, ends = np.zeros((4, X.p)), np.full((2, X.p), np.inf)
    total, used = 0.0, 0
    for block in _blocks(X, rows):
        w = _weights(weight, block)[:, 0]
        kept = (w != 0.0)[block.row]
        column, x = block.column[kept], block.value[kept] - begin[block.column[kept]]
        each = w[block.row[kept]]
        total, used = total + float(w.sum()), used + int(np.count_nonzero(w))
        with np.errstate(invalid="ignore", over="ignore"):
            for i, terms in enumerate((each * x, each * x * x, each, np.ones(len(x)))):
                sums[i] += np.bincount(column, terms, X.p)
        np.minimum.at(ends[0], column, x)
        np.minimum.at(ends[1], column, -x)
    return from_sums(begin, total, used, sums, ends)


def from_sums(begin: F64, total: float, used: int, sums: F64, ends: F64) -> tuple[float, F64, F64, F64, F64]:
    """Moments from sums (4, p) of w x, w x^2, w and 1 over stored cells and least x and -x (2, p), x counted from
    `begin`, total weight and number of rows that have one."""
    first, second, held, count = sums
    with np.errstate(invalid="ignore", over="ignore"):
        absent = np.where(count < used, total - held, 0.0)
        first, second = first - absent * begin, second + absent * begin * begin
    low, high = (
        np.where(count < used, np.minimum(end, zero), end) for end, zero in zip(ends, (-begin, begin), strict=True)
    )
    return reference.from_sums(begin, total, first, second, low, -high)


def linear_predictor(X: Cells, rows: Array | None, coef: F64, offset: F64 | None, threads: int = 1) -> F64:
    """[X, 1] @ coef + offset, coef (p+1, M), offset (m,) or (m, M): (m, M)."""
    eta = np.empty((X.n if rows is None else len(rows), coef.shape[1]))
    for block in _blocks(X, rows):
        eta[block.part] = _predictors(block, coef, offset)
    return eta


@SILENT
def logistic(
    X: Cells,
    rows: Array | None,
    coef: F64,
    y: Array,
    weight: F64 | None,
    offset: F64 | None,
    order: int,
    threads: int = 1,
) -> tuple[F64, F64, F64 | None]:
    """Binary cross-entropy of M models, coef (p+1, M): values (M,), margins (M,), gradients (p+1, M) (order 1).

    weight and offset are (m,), or (m, M) where each model has its own; see `reference.logistic`.
    """
    models = coef.shape[1]
    value, margin, gradient = np.zeros(models), np.full(models, np.inf), np.zeros(coef.shape)
    for block in _blocks(X, rows):
        eta, w = _predictors(block, coef, offset), _weights(weight, block)
        labels = y[block.part].astype(np.float64)[:, None]
        value += _weighted(w, reference.logistic_loss(eta, labels)).sum(axis=0)
        margin = np.minimum(margin, np.where(w > 0.0, reference.logistic_margin(eta, labels), np.inf).min(axis=0))
        if order:
            gradient += block.transposed_times(_weighted(w, reference.logistic_residual(eta, labels)))
    return value, margin, gradient if order else None


@SILENT
def residuals(
    X: Cells,
    rows: Array | None,
    coef: F64,
    y: Array,
    weight: F64 | None,
    offset: F64 | None,
    curved: bool,
    threads: int = 1,
) -> tuple[F64, F64, F64, F64 | None]:
    """Of the same M models: values (M,), margins (M,), and by rows the derivatives of the losses by their linear
    predictors, times weights (m, M): first and, where they are wanted, second."""
    value, margin, _ = logistic(X, rows, coef, y, weight, offset, 0)
    residual = np.empty((X.n if rows is None else len(rows), coef.shape[1]))
    curvature = np.empty_like(residual) if curved else None
    for block in _blocks(X, rows):
        eta, w = _predictors(block, coef, offset), _weights(weight, block)
        labels = y[block.part].astype(np.float64)[:, None]
        residual[block.part] = _weighted(w, reference.logistic_residual(eta, labels))
        if curvature is not None:
            curvature[block.part] = _weighted(w, reference.logistic_curvature_weight(eta))
    return value, margin, residual, curvature


def transposed(X: Cells, rows: Array | None, residual: F64, threads: int = 1) -> F64:
    """[X, 1]' residual, residual (m, M): (p+1, M)."""
    out = np.zeros((X.p + 1, residual.shape[1]))
    for block in _blocks(X, rows):
        out += block.transposed_times(residual[block.part])
    return out


@SILENT
def multinomial(
    X: Cells,
    rows: Array | None,
    coef: F64,
    y: Array,
    weight: F64 | None,
    offset: F64 | None,
    order: int,
    threads: int = 1,
) -> tuple[float, float, F64 | None]:
    """Softmax cross-entropy, coef (p+1, K): (value, margin, gradient (p+1, K)); see `reference.multinomial`."""
    value, margin, gradient = 0.0, np.inf, np.zeros(coef.shape)
    for block in _blocks(X, rows):
        eta, w = _predictors(block, coef, offset), _weights(weight, block)
        labels = reference.soft_labels(y[block.part], coef.shape[1])
        value += float(_weighted(w[:, 0], reference.multinomial_loss(eta, labels)).sum())
        margins = reference.multinomial_margin(eta, labels)[w[:, 0] > 0.0]
        margin = float(np.minimum(margin, margins.min(initial=np.inf)))
        if order:
            gradient += block.transposed_times(_weighted(w, reference.multinomial_residual(eta, labels)))
    return value, margin, gradient if order else None


def logistic_curvature(
    X: Cells, rows: Array | None, coef: F64, direction: F64, weight: F64 | None, offset: F64 | None, threads: int = 1
) -> F64:
    """Hessian at coef times direction (p+1,), in one reading of X."""
    out = np.zeros(len(coef))
    for block in _blocks(X, rows):
        eta, along = _predictors(block, coef, offset), block.times(direction[:, None])
        bent = _weighted(_weights(weight, block), reference.logistic_curvature_weight(eta) * along)
        out += block.transposed_times(bent)[:, 0]
    return out


def multinomial_curvature(
    X: Cells, rows: Array | None, coef: F64, direction: F64, weight: F64 | None, offset: F64 | None, threads: int = 1
) -> F64:
    """The same for K classes: coef and direction (p+1, K); see `reference.multinomial_curvature`."""
    out = np.zeros(coef.shape)
    for block in _blocks(X, rows):
        eta, t = _predictors(block, coef, offset), block.times(direction)
        mu = reference.softmax(eta)
        t = t - np.take_along_axis(t, eta.argmax(axis=1)[:, None], axis=1)
        bent = mu * (t - (mu * t).sum(axis=1, keepdims=True))
        out += block.transposed_times(_weighted(_weights(weight, block), bent))
    return out


def gram(X: Cells, rows: Array | None, weight: F64 | None, threads: int = 1) -> F64:
    """sum a_i x_i x_i' for x = [X, 1]: (p+1, p+1)."""
    out = np.zeros((X.p + 1, X.p + 1))
    for block in _blocks(X, rows, of_dense=True):
        w = _weights(weight, block)[:, 0]
        dense = block.dense()[w != 0.0]
        out += dense.T @ (w[w != 0.0][:, None] * dense)
    return out


def quadratic_form(X: Cells, rows: Array | None, metric: F64, threads: int = 1) -> F64:
    """x_i' metric x_i per row (m,) for x = [X, 1], metric symmetric (p+1, p+1)."""
    out = np.empty(X.n if rows is None else len(rows))
    for block in _blocks(X, rows, of_dense=True):
        dense = block.dense()
        out[block.part] = ((dense @ metric) * dense).sum(axis=1)
    return out
