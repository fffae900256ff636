"""The kernels for numbers and factors side by side, as formulas: the truth that the compiled twin is compared with, and
what runs where none is built.

The design that the formulas see is ``[numbers - center, 1, indicators]``: p numbers, the constant and, for each factor,
a column for each of its levels, 1 where the row's code is that level.  These S columns are called slots; which of them
a model has, and in which order, is the business of `design/mixed.py`.  No indicator is ever written down: a row adds to
as many sums as it has numbers and factors.  `rows`, `y`, `weight` and `offset` are as in `reference`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from berkson.kernels import reference
from berkson.kernels.reference import F64, SILENT, Array

BLOCK_CELLS = 1 << 16  # of a block of rows


class Blocks(NamedTuple):
    """numbers (n, p) of any real type and layout; codes, for each factor (n,) integers in [0, its number of levels)."""

    numbers: Array
    codes: tuple[Array, ...]
    levels: tuple[int, ...]

    @property
    def n(self) -> int:
        return len(self.numbers)

    @property
    def firsts(self) -> tuple[int, ...]:
        """The slot of each factor's first level."""
        before = self.numbers.shape[1] + 1
        return tuple(before + sum(self.levels[:f]) for f in range(len(self.levels)))

    @property
    def slots(self) -> int:
        return int(self.numbers.shape[1]) + 1 + sum(self.levels)


class Tables(NamedTuple):
    """sum a_i x_i x_i', by blocks of slots: numbers (p+1, p+1); beside, for each factor (levels, p+1) where it is
    tabulated, else the diagonal (levels,) alone; pairs {(f, g): (levels of f, levels of g)} for f < g, both
    tabulated."""

    numbers: F64
    beside: list[F64]
    pairs: dict[tuple[int, int], F64]

    def diagonal(self, f: int) -> F64:
        """The weight of each level of factor f."""
        return self.beside[f] if self.beside[f].ndim == 1 else self.beside[f][:, -1]


class _Block(NamedTuple):
    """Consecutive rows that were asked for: [numbers - center, 1] and each factor's slots."""

    part: slice
    numbers: F64
    slots: list[Array]

    def times(self, coef: F64) -> F64:
        """x coef, coef (S, M): (rows, M)."""
        eta: F64 = self.numbers @ coef[: self.numbers.shape[1]]
        for slot in self.slots:
            eta += coef[slot]
        return eta

    def add_transposed(self, residual: F64, out: F64) -> None:
        """out (S, M) += x' residual, residual (rows, M)."""
        out[: self.numbers.shape[1]] += self.numbers.T @ residual
        for slot in self.slots:
            np.add.at(out, slot, residual)


def _blocks(X: Blocks, rows: Array | None, center: F64, weight: F64 | None = None) -> Iterator[_Block]:
    """Rows of weight 0 become rows of zeros (and their codes stay): 0 * inf would be nan."""
    n, p = X.n if rows is None else len(rows), X.numbers.shape[1]
    step = max(16, BLOCK_CELLS // (p + 1 + len(X.codes)))
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        at = part if rows is None else rows[part]
        numbers = np.empty((part.stop - part.start, p + 1))
        np.subtract(X.numbers[at], center, out=numbers[:, :p], casting="unsafe")
        numbers[:, p] = 1.0
        if weight is not None and weight.ndim == 1:
            numbers[weight[part] == 0.0] = 0.0
        firsts = zip(X.codes, X.firsts, strict=True)
        yield _Block(part, numbers, [codes[at].astype(np.intp) + first for codes, first in firsts])


def _weights(weight: F64 | None, block: _Block) -> F64:
    count = len(block.numbers)
    return np.ones((count, 1)) if weight is None else weight[block.part].reshape(count, -1)


def _weighted(w: F64, values: F64) -> F64:
    """w * values, and 0 where w is 0."""
    with np.errstate(invalid="ignore"):
        return np.where(w == 0.0, 0.0, w * values)


def _predictors(block: _Block, coef: F64, offset: F64 | None) -> F64:
    with np.errstate(invalid="ignore", over="ignore"):
        eta = block.times(coef)
        return eta if offset is None else eta + offset[block.part].reshape(len(eta), -1)


@SILENT
def linear_predictor(
    X: Blocks, rows: Array | None, center: F64, coef: F64, offset: F64 | None, threads: int = 1
) -> F64:
    """x . coef + offset, coef (S, M), offset (m,) or (m, M): (m, M)."""
    eta = np.empty((X.n if rows is None else len(rows), coef.shape[1]))
    for block in _blocks(X, rows, center):
        eta[block.part] = _predictors(block, coef, offset)
    return eta


@SILENT
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
    """Binary cross-entropy of M models, coef (S, M): values (M,), margins (M,), gradients (S, M) (order 1).

    weight and offset are (m,), or (m, M) where each model has its own; see `reference.logistic`.
    """
    models = coef.shape[1]
    value, margin, gradient = np.zeros(models), np.full(models, np.inf), np.zeros(coef.shape)
    for block in _blocks(X, rows, center, weight):
        eta, w = _predictors(block, coef, offset), _weights(weight, block)
        labels = y[block.part].astype(np.float64)[:, None]
        value += _weighted(w, reference.logistic_loss(eta, labels)).sum(axis=0)
        margin = np.minimum(margin, np.where(w > 0.0, reference.logistic_margin(eta, labels), np.inf).min(axis=0))
        if order:
            block.add_transposed(_weighted(w, reference.logistic_residual(eta, labels)), gradient)
    return value, margin, gradient if order else None


@SILENT
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
    """Value, margin, gradient (S,) and Hessian of one model, coef (S,), in one reading of X; see `tables`."""
    value, margin, gradient = logistic(X, rows, center, coef[:, None], y, weight, offset, 1)
    assert gradient is not None
    eta = linear_predictor(X, rows, center, coef[:, None], offset)[:, 0]
    bend = reference.logistic_curvature_weight(eta)
    curvature = bend if weight is None else _weighted(weight, bend)
    return float(value[0]), float(margin[0]), gradient[:, 0], tables(X, rows, center, curvature, tabulated)


@SILENT
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
    """Softmax cross-entropy, coef (S, K): (value, margin, gradient (S, K)); see `reference.multinomial`."""
    value, margin, gradient = 0.0, np.inf, np.zeros(coef.shape)
    for block in _blocks(X, rows, center, weight):
        eta, w = _predictors(block, coef, offset), _weights(weight, block)
        labels = reference.soft_labels(y[block.part], coef.shape[1])
        value += float(_weighted(w[:, 0], reference.multinomial_loss(eta, labels)).sum())
        margins = reference.multinomial_margin(eta, labels)[w[:, 0] > 0.0]
        margin = float(np.minimum(margin, margins.min(initial=np.inf)))
        if order:
            block.add_transposed(_weighted(w, reference.multinomial_residual(eta, labels)), gradient)
    return value, margin, gradient if order else None


@SILENT
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
    """Hessian at coef (S,) times direction (S,), in one reading of X."""
    out = np.zeros((len(coef), 1))
    for block in _blocks(X, rows, center, weight):
        eta, along = _predictors(block, coef[:, None], offset), block.times(direction[:, None])
        bent = reference.logistic_curvature_weight(eta) * along
        block.add_transposed(_weighted(_weights(weight, block), bent), out)
    return out[:, 0]


@SILENT
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
    """The same for K classes: coef and direction (S, K); see `reference.multinomial_curvature`."""
    out = np.zeros(coef.shape)
    for block in _blocks(X, rows, center, weight):
        eta, t = _predictors(block, coef, offset), block.times(direction)
        mu = reference.softmax(eta)
        t = t - np.take_along_axis(t, eta.argmax(axis=1)[:, None], axis=1)
        bent = mu * (t - (mu * t).sum(axis=1, keepdims=True))
        block.add_transposed(_weighted(_weights(weight, block), bent), out)
    return out


@SILENT
def tables(
    X: Blocks, rows: Array | None, center: F64, weight: F64 | None, tabulated: Sequence[bool], threads: int = 1
) -> Tables:
    """sum a_i x_i x_i' by blocks of slots, in full for factors that are `tabulated`, else their diagonals alone."""
    q, F = X.numbers.shape[1] + 1, len(X.levels)
    beside = [np.zeros((size, q) if full else size) for size, full in zip(X.levels, tabulated, strict=True)]
    pairs = {(f, g): np.zeros((X.levels[f], X.levels[g])) for f in range(F) for g in range(f + 1, F)
             if tabulated[f] and tabulated[g]}  # fmt: skip
    out = Tables(np.zeros((q, q)), beside, pairs)
    for block in _blocks(X, rows, center, weight):
        w = _weights(weight, block)
        scaled = w * block.numbers
        out.numbers[...] += block.numbers.T @ scaled
        codes = [slot - first for slot, first in zip(block.slots, X.firsts, strict=True)]
        for f in range(F):
            np.add.at(beside[f], codes[f], scaled if tabulated[f] else w[:, 0])
        for (f, g), table in pairs.items():
            np.add.at(table, (codes[f], codes[g]), w[:, 0])
    return out


@SILENT
def quadratic_form(X: Blocks, rows: Array | None, center: F64, metric: F64, threads: int = 1) -> F64:
    """x_i' metric x_i per row (m,), metric symmetric (S, S)."""
    out, q = np.empty(X.n if rows is None else len(rows)), X.numbers.shape[1] + 1
    for block in _blocks(X, rows, center):
        forms = ((block.numbers @ metric[:q, :q]) * block.numbers).sum(axis=1)
        for f, slot in enumerate(block.slots):
            forms += metric[slot, slot] + 2.0 * (block.numbers * metric[slot, :q]).sum(axis=1)
            for other in block.slots[:f]:
                forms += 2.0 * metric[slot, other]
        out[block.part] = forms
    return out
