"""The compiled kernels for numbers and factors side by side, with the signatures and answers of `coded_reference`: this
file makes room for the answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from berkson.kernels import _native
from berkson.kernels.coded_reference import Blocks, Tables
from berkson.kernels.reference import F64, Array

__all__ = ["Blocks", "Tables"]

LANES = 8  # lines of sums beside numbers are whole vectors of so many


def _count(X: Blocks, rows: Array | None) -> int:
    return X.n if rows is None else len(rows)


def linear_predictor(
    X: Blocks, rows: Array | None, center: F64, coef: F64, offset: F64 | None, threads: int = 1
) -> F64:
    eta = np.empty((_count(X, rows), coef.shape[1]))
    _native.coded_linear_predictor(*X, rows, center, coef, offset, threads, eta)
    return eta


def logistic(
    X: Blocks,
    rows: Array | None,
    center: F64,
    coef: F64,
    y: Array,
    weight: F64 | None,
    offset: F64 | None,
    order: int,
    threads: int = 1,
) -> tuple[F64, F64, F64 | None]:
    value, margin = np.empty(coef.shape[1]), np.empty(coef.shape[1])
    gradient = np.empty(coef.shape) if order else None
    _native.coded_logistic(*X, rows, center, coef, y, weight, offset, order, threads, value, margin, gradient)
    return value, margin, gradient


def logistic_tables(
    X: Blocks,
    rows: Array | None,
    center: F64,
    coef: F64,
    y: Array,
    weight: F64 | None,
    offset: F64 | None,
    tabulated: Sequence[bool],
    threads: int = 1,
) -> tuple[float, float, F64, Tables]:
    before = 1 + _width(X) + sum(X.levels)  # the value, and the sums that the gradient is made of
    gradient, sums = np.empty(len(coef)), np.empty(before + _size(X, tabulated) + 1)
    value, margin = _native.coded_logistic_tables(
        *X, rows, center, coef, y, weight, offset, tuple(tabulated), threads, gradient, sums
    )
    return value, margin, gradient, _tables(X, tabulated, sums[before:-1])


def multinomial(
    X: Blocks,
    rows: Array | None,
    center: F64,
    coef: F64,
    y: Array,
    weight: F64 | None,
    offset: F64 | None,
    order: int,
    threads: int = 1,
) -> tuple[float, float, F64 | None]:
    gradient = np.empty(coef.shape) if order else None
    value, margin = _native.coded_multinomial(*X, rows, center, coef, y, weight, offset, order, threads, gradient)
    return value, margin, gradient


def logistic_curvature(
    X: Blocks,
    rows: Array | None,
    center: F64,
    coef: F64,
    direction: F64,
    weight: F64 | None,
    offset: F64 | None,
    threads: int = 1,
) -> F64:
    out = np.empty((len(coef), 1))
    _native.coded_logistic_curvature(*X, rows, center, coef[:, None], direction[:, None], weight, offset, threads, out)
    return out[:, 0]


def multinomial_curvature(
    X: Blocks,
    rows: Array | None,
    center: F64,
    coef: F64,
    direction: F64,
    weight: F64 | None,
    offset: F64 | None,
    threads: int = 1,
) -> F64:
    out = np.empty(coef.shape)
    _native.coded_multinomial_curvature(*X, rows, center, coef, direction, weight, offset, threads, out)
    return out


def tables(
    X: Blocks, rows: Array | None, center: F64, weight: F64 | None, tabulated: Sequence[bool], threads: int = 1
) -> Tables:
    sums = np.empty(_size(X, tabulated))
    _native.coded_tables(*X, rows, center, weight, tuple(tabulated), threads, sums)
    return _tables(X, tabulated, sums)


def quadratic_form(X: Blocks, rows: Array | None, center: F64, metric: F64, threads: int = 1) -> F64:
    out = np.empty(_count(X, rows))
    _native.coded_quadratic_form(*X, rows, center, np.ascontiguousarray(metric), threads, out)
    return out


def _shapes(X: Blocks, tabulated: Sequence[bool]) -> list[tuple[int, ...]]:
    """Of the tables in the order in which they lie: numbers, beside each factor, pairs."""
    width, F = _width(X), len(X.levels)
    beside = [(size, width) if full else (size,) for size, full in zip(X.levels, tabulated, strict=True)]
    pairs = [(X.levels[f], X.levels[g]) for f in range(F) for g in range(f + 1, F) if tabulated[f] and tabulated[g]]
    return [(width, width), *beside, *pairs]


def _width(X: Blocks) -> int:
    """The numbers and the constant, in whole vectors."""
    return -(-(int(X.numbers.shape[1]) + 1) // LANES) * LANES


def _size(X: Blocks, tabulated: Sequence[bool]) -> int:
    return sum(math.prod(shape) for shape in _shapes(X, tabulated))


def _tables(X: Blocks, tabulated: Sequence[bool], sums: F64) -> Tables:
    """Views of the sums."""
    q, F, views, at = X.numbers.shape[1] + 1, len(X.levels), [], 0
    for shape in _shapes(X, tabulated):
        size = math.prod(shape)
        views.append(sums[at : at + size].reshape(shape))
        at += size
    upper = np.triu(views[0][:q, :q])
    pairs = [(f, g) for f in range(F) for g in range(f + 1, F) if tabulated[f] and tabulated[g]]
    return Tables(
        upper + np.triu(upper, 1).T,
        [view[:, :q] if view.ndim == 2 else view for view in views[1 : 1 + F]],
        dict(zip(pairs, views[1 + F :], strict=True)),
    )
