"""The compiled kernels for tables of which only some cells are stored, with the signatures and answers of
`sparse_reference`: this file makes room for the answers."""

from __future__ import annotations

import numpy as np

from berkson.kernels import _native, sparse_reference
from berkson.kernels.reference import F64, Array
from berkson.kernels.sparse_reference import Cells, dense_rows

__all__ = ["Cells", "dense_rows"]


def _count(X: Cells, rows: Array | None) -> int:
    return X.n if rows is None else len(rows)


def columns(X: Cells, place: Array, p: int, threads: int = 1) -> Cells:
    values, numbers, start, stop, _ = X
    ends = np.empty(X.n + 1, dtype=np.int64)
    _native.sparse_columns(values, numbers, start, stop, place, ends, None, None, threads)
    kept = np.empty(ends[-1], dtype=values.dtype), np.empty(ends[-1], dtype=np.int32)
    _native.sparse_columns(values, numbers, start, stop, place, ends, *kept, threads)
    return Cells(*kept, ends[:-1], ends[1:], p)


def moments(X: Cells, rows: Array | None, weight: F64 | None, threads: int = 1) -> tuple[float, F64, F64, F64, F64]:
    begin, p = sparse_reference.shift(X, rows, weight), X.p
    out = np.empty(2 + 6 * p)
    _native.sparse_moments(*X, rows, begin, weight, threads, out)
    sums, ends = out[2 : 2 + 4 * p].reshape(p, 4).T, out[2 + 4 * p :].reshape(p, 2).T
    return sparse_reference.from_sums(begin, float(out[0]), int(out[1]), sums, ends)


def linear_predictor(X: Cells, rows: Array | None, coef: F64, offset: F64 | None, threads: int = 1) -> F64:
    eta = np.empty((_count(X, rows), coef.shape[1]))
    _native.sparse_linear_predictor(*X, rows, coef, offset, threads, eta)
    return eta


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
    value, margin = np.empty(coef.shape[1]), np.empty(coef.shape[1])
    gradient = np.empty(coef.shape) if order else None
    _native.sparse_logistic(*X, rows, coef, y, weight, offset, order, threads, value, margin, gradient, None, None)
    return value, margin, gradient


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
    models = coef.shape[1]
    value, margin, residual = np.empty(models), np.empty(models), np.empty((_count(X, rows), models))
    curvature = np.empty_like(residual) if curved else None
    _native.sparse_logistic(*X, rows, coef, y, weight, offset, 0, threads, value, margin, None, residual, curvature)
    return value, margin, residual, curvature


def transposed(X: Cells, rows: Array | None, residual: F64, threads: int = 1) -> F64:
    out = np.empty((X.p + 1, residual.shape[1]))
    _native.sparse_transposed(*X, rows, residual, threads, out)
    return out


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
    gradient = np.empty(coef.shape) if order else None
    value, margin = _native.sparse_multinomial(*X, rows, coef, y, weight, offset, order, threads, gradient)
    return value, margin, gradient


def logistic_curvature(
    X: Cells, rows: Array | None, coef: F64, direction: F64, weight: F64 | None, offset: F64 | None, threads: int = 1
) -> F64:
    out = np.empty(len(coef))
    _native.sparse_logistic_curvature(*X, rows, coef, direction, weight, offset, threads, out)
    return out


def multinomial_curvature(
    X: Cells, rows: Array | None, coef: F64, direction: F64, weight: F64 | None, offset: F64 | None, threads: int = 1
) -> F64:
    out = np.empty(coef.shape)
    _native.sparse_multinomial_curvature(*X, rows, coef, direction, weight, offset, threads, out)
    return out


def gram(X: Cells, rows: Array | None, weight: F64 | None, threads: int = 1) -> F64:
    out = np.empty((X.p + 1, X.p + 1))
    _native.sparse_gram(*X, rows, weight, threads, out)
    return out


def quadratic_form(X: Cells, rows: Array | None, metric: F64, threads: int = 1) -> F64:
    out = np.empty(_count(X, rows))
    _native.sparse_quadratic_form(*X, rows, np.ascontiguousarray(metric), threads, out)
    return out
