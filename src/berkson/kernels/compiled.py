"""The compiled kernels, with the signatures and answers of `reference`: this file makes room for the answers."""

from __future__ import annotations

import numpy as np

from berkson.kernels import _native, reference
from berkson.kernels.reference import F64, Array

INSTRUCTION_SET = _native.instruction_set


def _count(X: Array, rows: Array | None) -> int:
    return len(X) if rows is None else len(rows)


def moments(X: Array, rows: Array | None, weight: F64 | None, threads: int = 1) -> tuple[float, F64, F64, F64, F64]:
    p = X.shape[1]
    start = reference.shift(X, rows, weight)
    sums = np.empty(1 + 4 * p)
    _native.moments(X, rows, start, weight, threads, sums)
    return reference.from_sums(start, float(sums[0]), *sums[1:].reshape(4, p))


def linear_predictor(X: Array, rows: Array | None, center: F64, coef: F64, offset: F64 | None, threads: int = 1) -> F64:
    eta = np.empty((_count(X, rows), coef.shape[1]))
    _native.linear_predictor(X, rows, center, coef, offset, threads, eta)
    return eta


def logistic(
    X: Array,
    rows: Array | None,
    center: F64,
    coef: F64,
    y: Array,
    weight: F64 | None,
    offset: F64 | None,
    order: int,
    threads: int = 1,
) -> tuple[float, float, F64 | None, F64 | None]:
    q = len(coef)
    gradient = np.empty(q) if order >= 1 else None
    hessian = np.empty((q, q)) if order >= 2 else None
    value, margin, _ = _native.logistic(
        X, rows, center, coef, y, weight, offset, order, threads, gradient, hessian, None
    )
    return value, margin, gradient, hessian


def logistic_many(
    X: Array,
    rows: Array | None,
    center: F64,
    coef: F64,
    y: Array,
    weight: F64 | None,
    offset: F64 | None,
    threads: int = 1,
) -> tuple[F64, F64, F64]:
    value, margin, gradient = np.empty(coef.shape[1]), np.empty(coef.shape[1]), np.empty(coef.shape)
    _native.logistic_many(X, rows, center, coef, y, weight, offset, threads, value, margin, gradient)
    return value, margin, gradient


def multinomial(
    X: Array,
    rows: Array | None,
    center: F64,
    coef: F64,
    y: Array,
    weight: F64 | None,
    offset: F64 | None,
    order: int,
    threads: int = 1,
) -> tuple[float, float, F64 | None, F64 | None]:
    q, K = coef.shape
    gradient = np.empty((q, K)) if order >= 1 else None
    hessian = np.empty((K * q, K * q)) if order >= 2 else None
    value, margin = _native.multinomial(X, rows, center, coef, y, weight, offset, order, threads, gradient, hessian)
    return value, margin, gradient, None if hessian is None else hessian.reshape(K, q, K, q)


def logistic_curvature(
    X: Array,
    rows: Array | None,
    center: F64,
    coef: F64,
    direction: F64,
    weight: F64 | None,
    offset: F64 | None,
    threads: int = 1,
) -> F64:
    out = np.empty(len(coef))
    _native.logistic_curvature(X, rows, center, coef, direction, weight, offset, threads, out)
    return out


def multinomial_curvature(
    X: Array,
    rows: Array | None,
    center: F64,
    coef: F64,
    direction: F64,
    weight: F64 | None,
    offset: F64 | None,
    threads: int = 1,
) -> F64:
    out = np.empty(coef.shape)
    _native.multinomial_curvature(X, rows, center, coef, direction, weight, offset, threads, out)
    return out


def gram(X: Array, rows: Array | None, center: F64, weight: F64 | None, threads: int = 1) -> F64:
    q = X.shape[1] + 1
    out = np.empty((q, q))
    _native.gram(X, rows, center, weight, threads, out)
    return out


def quadratic_form(X: Array, rows: Array | None, center: F64, metric: F64, threads: int = 1) -> F64:
    out = np.empty(_count(X, rows))
    _native.quadratic_form(X, rows, center, metric, threads, out)
    return out


def descend(hessian: F64, gradient: F64, threshold: F64, x: F64, epochs: int, close: float) -> None:
    _native.descend(np.ascontiguousarray(hessian), gradient, threshold, x, epochs, close)
