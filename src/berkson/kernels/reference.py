"""The kernels as formulas: the truth that the compiled twin is compared with, and what runs where none is built.

Every function answers one question about rows, in one reading of X, and holds no copy of it: rows are taken in
blocks of about a megabyte, made float64 and centred there.  X is any 2-D array (row- or column-major, any strides,
float64, float32, integers or booleans) and `rows` an optional array of row numbers; `y`, `weight` and `offset` then
belong to those rows, in that order.

The design that the formulas see is ``[X - center, 1]``: p centred columns and, last, the constant.  So every
coefficient vector has p + 1 entries; a model without an intercept has center = 0 and a last entry of 0, and ignores
what comes back in the last place.  A row of weight 0 contributes exactly nothing, even where it is not finite.  Sums
run over blocks in a fixed order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.kernels.descent import descend as descend

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

BLOCK_BYTES = 1 << 20  # of float64 design per block: in the second-level cache, large enough for BLAS


# --- one linear predictor -------------------------------------------------------------------------------------------


def log1p_exp(eta: F64) -> F64:
    """log(1 + e^eta): exact at +-800 and beyond, 0 at -inf and inf at +inf."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.maximum(eta, 0.0) + np.log1p(np.exp(-np.abs(eta)))


def sigmoid(eta: F64) -> F64:
    """1 / (1 + e^-eta), to full relative accuracy in the lower tail (e^eta where eta is very negative)."""
    with np.errstate(over="ignore"):
        e = np.exp(-np.abs(eta))
    return np.where(eta >= 0, 1.0, e) / (1.0 + e)


def logistic_loss(eta: F64, y: F64) -> F64:
    """y log(1 + e^-eta) + (1 - y) log(1 + e^eta), the cross-entropy; +-inf allowed (inf only where it is the truth)."""
    with np.errstate(invalid="ignore"):
        toward_one = y * log1p_exp(-eta)
        toward_zero = (1.0 - y) * log1p_exp(eta)
    return np.where(y == 0.0, 0.0, toward_one) + np.where(y == 1.0, 0.0, toward_zero)


def logistic_residual(eta: F64, y: F64) -> F64:
    """mu - y, carried as (1-y) mu - y (1-mu) so that neither tail cancels."""
    return (1.0 - y) * sigmoid(eta) - y * sigmoid(-eta)


def logistic_curvature_weight(eta: F64) -> F64:
    """mu (1 - mu) with mu and 1 - mu both carried."""
    return sigmoid(eta) * sigmoid(-eta)


def logistic_margin(eta: F64, y: F64) -> F64:
    """How far a hard label lies on its own side: eta for y = 1, -eta for y = 0; -inf for a soft label."""
    return np.where(y == 1.0, eta, np.where(y == 0.0, -eta, -np.inf))


# --- K linear predictors --------------------------------------------------------------------------------------------


def softmax_terms(eta: F64) -> tuple[F64, F64, F64]:
    """log softmax(eta), mu = softmax(eta) and 1 - mu per row, the last carried for the class on top.

    One +inf in a row, or -inf beside others, has its limit; two +inf, or all -inf, give nan.
    """
    top = eta.argmax(axis=1)[:, None]
    with np.errstate(invalid="ignore", over="ignore"):
        below = eta - np.take_along_axis(eta, top, axis=1)
        np.put_along_axis(below, top, 0.0, axis=1)
        e = np.exp(below)
        np.put_along_axis(e, top, 0.0, axis=1)
        rest = e.sum(axis=1, keepdims=True)
        np.put_along_axis(e, top, 1.0, axis=1)
        mu = e / (1.0 + rest)
        complement = 1.0 - mu
        np.put_along_axis(complement, top, rest / (1.0 + rest), axis=1)
        return below - np.log1p(rest), mu, complement


def log_softmax(eta: F64) -> F64:
    """eta - log sum_k e^eta_k per row."""
    return softmax_terms(eta)[0]


def softmax(eta: F64) -> F64:
    """e^eta_k / sum e^eta per row."""
    return softmax_terms(eta)[1]


def soft_labels(y: Array, n_classes: int) -> F64:
    """Class codes (m,) as an indicator matrix (m, K); a matrix of soft labels passes."""
    if y.ndim == 2:
        return np.asarray(y, np.float64)
    return np.asarray(y[:, None] == np.arange(n_classes), np.float64)


def multinomial_loss(eta: F64, y: F64) -> F64:
    """-sum_k y_k log softmax(eta)_k per row; nan where softmax is."""
    logp = log_softmax(eta)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where((y == 0.0) & ~np.isnan(logp), 0.0, -y * logp).sum(axis=1))


def multinomial_residual(eta: F64, y: F64) -> F64:
    """mu - y, carried as (1-y) mu - y (1-mu)."""
    _, mu, complement = softmax_terms(eta)
    return (1.0 - y) * mu - y * complement


def multinomial_margin(eta: F64, y: F64) -> F64:
    """eta of the row's class minus the largest other; -inf where the label is soft, nan where softmax is."""
    hard = (y == 1.0).any(axis=1)
    own = np.where(y == 1.0, eta, -np.inf).max(axis=1)
    other = np.where(y == 1.0, -np.inf, eta).max(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        margin = np.where(hard, own - other, -np.inf)
    return np.where(np.isnan(multinomial_loss(eta, y)), np.nan, margin)


# --- passes ---------------------------------------------------------------------------------------------------------

SILENT = np.errstate(over="ignore", invalid="ignore")  # numbers that are not finite show in the sums, as in the twin


def _blocks(X: Array, rows: Array | None, center: F64) -> Iterator[tuple[slice, F64]]:
    """(slice of the rows asked for, float64 block of [X - center, 1])."""
    n = X.shape[0] if rows is None else len(rows)
    p = X.shape[1]
    step = max(16, BLOCK_BYTES // (8 * (p + 1)))
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        block = np.empty((part.stop - part.start, p + 1))
        np.subtract(X[part] if rows is None else X[rows[part]], center, out=block[:, :p], casting="unsafe")
        block[:, p] = 1.0
        yield part, block


def _weights(weight: F64 | None, part: slice, block: F64) -> F64:
    """Weights (rows, 1 or M) of a block, whose rows of weight 0 become rows of zeros: 0 * inf would be nan."""
    if weight is None:
        return np.ones((len(block), 1))
    w = weight[part].reshape(len(block), -1)
    block[(w == 0.0).all(axis=1)] = 0.0
    return w


def _predictors(block: F64, coef: F64, offset: F64 | None, part: slice) -> F64:
    """block @ coef + offset, (rows, M); coef (q,) counts as one column, and so does an offset without columns."""
    with np.errstate(invalid="ignore", over="ignore"):
        eta = block @ coef.reshape(len(coef), -1)
        return eta if offset is None else eta + offset[part].reshape(len(block), -1)


def _weighted(w: F64, values: F64) -> F64:
    """w * values, and 0 where w is 0."""
    with np.errstate(invalid="ignore"):
        return np.where(w == 0.0, 0.0, w * values)


def shift(X: Array, rows: Array | None, weight: F64 | None) -> F64:
    """A value inside each column (p,): the median of its first, middle and last entry among rows of weight not 0.

    Moments are counted from it, so that a large mean costs no digits, and exactly 0 is left of a constant column.
    """
    used = np.flatnonzero(weight) if weight is not None else range(X.shape[0] if rows is None else len(rows))
    if not len(used):
        return np.zeros(X.shape[1])
    picked = [used[0], used[len(used) // 2], used[-1]]
    first, middle, last = X[picked if rows is None else rows[picked]].astype(np.float64)
    low, high = np.minimum(first, middle), np.maximum(first, middle)
    return np.asarray(np.maximum(low, np.minimum(high, last)))


@SILENT
def moments(X: Array, rows: Array | None, weight: F64 | None, threads: int = 1) -> tuple[float, F64, F64, F64, F64]:
    """Sum of weights, weighted mean and variance (p,) of each column, and minimum and maximum over rows of weight > 0.

    A constant column has variance exactly 0; one that overflows is inf.  Without a row of positive weight the answer is
    0, nan, nan, inf, -inf.
    """
    p = X.shape[1]
    start = shift(X, rows, weight)
    total, s1, s2 = 0.0, np.zeros(p), np.zeros(p)
    low, high = np.full(p, np.inf), np.full(p, -np.inf)
    for part, block in _blocks(X, rows, start):
        w = _weights(weight, part, block)[:, 0]
        x = block[:, :p]
        total += float(w.sum())
        with np.errstate(invalid="ignore", over="ignore"):
            s1 += w @ x
            s2 += w @ (x * x)
        kept = x[w != 0.0]
        if len(kept):
            low, high = np.minimum(low, kept.min(axis=0)), np.maximum(high, kept.max(axis=0))
    return from_sums(start, total, s1, s2, low, high)


def from_sums(start: F64, total: float, s1: F64, s2: F64, low: F64, high: F64) -> tuple[float, F64, F64, F64, F64]:
    """Moments from sums of weight, weight x and weight x^2, and minima and maxima, of x counted from `start`."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = s1 / total
        variance = np.where(np.isinf(s2), np.inf, np.maximum(s2 / total - mean * mean, 0.0))
        return total, start + mean, variance, start + low, start + high


@SILENT
def linear_predictor(X: Array, rows: Array | None, center: F64, coef: F64, offset: F64 | None, threads: int = 1) -> F64:
    """[X - center, 1] @ coef + offset, coef (p+1, M), offset (m,) or (m, M): (m, M)."""
    m = X.shape[0] if rows is None else len(rows)
    eta = np.empty((m, coef.shape[1]))
    for part, block in _blocks(X, rows, center):
        eta[part] = _predictors(block, coef, offset, part)
    return eta


@SILENT
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
    """Binary cross-entropy over rows: (value, margin, gradient (p+1,), hessian (p+1, p+1)).

    value = sum a_i loss(eta_i, y_i), gradient = sum a_i (mu_i - y_i) x_i, hessian = sum a_i mu_i (1 - mu_i) x_i x_i'.
    margin is the smallest margin among rows of positive weight.  y is uint8 codes (0/1) or float64 in [0, 1].
    What `order` (0, 1, 2) does not ask for is None.
    """
    value, margin = 0.0, np.inf
    gradient, hessian = np.zeros(len(coef)), np.zeros((len(coef), len(coef)))
    for part, block in _blocks(X, rows, center):
        eta = _predictors(block, coef, offset, part)[:, 0]
        yb = y[part].astype(np.float64)
        w = _weights(weight, part, block)[:, 0]
        value += float(_weighted(w, logistic_loss(eta, yb)).sum())
        margin = float(np.minimum(margin, logistic_margin(eta, yb)[w > 0.0].min(initial=np.inf)))
        if order >= 1:
            gradient += _weighted(w, logistic_residual(eta, yb)) @ block
        if order >= 2:
            hessian += block.T @ (_weighted(w, logistic_curvature_weight(eta))[:, None] * block)
    return value, margin, gradient if order >= 1 else None, hessian if order >= 2 else None


@SILENT
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
    """The same for M models at once, coef (p+1, M): values (M,), margins (M,), gradients (p+1, M).

    weight and offset are (m,), or (m, M) where each model has its own.
    """
    models = coef.shape[1]
    value, margin, gradient = np.zeros(models), np.full(models, np.inf), np.zeros(coef.shape)
    for part, block in _blocks(X, rows, center):
        eta = _predictors(block, coef, offset, part)
        yb = y[part].astype(np.float64)[:, None]
        w = _weights(weight, part, block)
        value += _weighted(w, logistic_loss(eta, yb)).sum(axis=0)
        margin = np.minimum(margin, np.where(w > 0.0, logistic_margin(eta, yb), np.inf).min(axis=0))
        gradient += block.T @ _weighted(w, logistic_residual(eta, yb))
    return value, margin, gradient


@SILENT
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
    """Softmax cross-entropy, coef (p+1, K): (value, margin, gradient (p+1, K), hessian (K, p+1, K, p+1)).

    y is codes (m,) uint8 or int32, or soft labels (m, K) float64; offset (m, K).
    hessian[k, :, l, :] = sum a_i mu_ik (1[k = l] - mu_il) x_i x_i'.
    """
    q, K = coef.shape
    value, margin = 0.0, np.inf
    gradient, hessian = np.zeros((q, K)), np.zeros((K, q, K, q)) if order >= 2 else None
    for part, block in _blocks(X, rows, center):
        eta = _predictors(block, coef, offset, part)
        yb = soft_labels(y[part], K)
        w = _weights(weight, part, block)
        value += float(_weighted(w[:, 0], multinomial_loss(eta, yb)).sum())
        margin = float(np.minimum(margin, multinomial_margin(eta, yb)[w[:, 0] > 0.0].min(initial=np.inf)))
        if order >= 1:
            gradient += block.T @ _weighted(w, multinomial_residual(eta, yb))
        if hessian is not None:
            _add_multinomial_hessian(hessian, block, eta, w[:, 0])
    return value, margin, gradient if order >= 1 else None, hessian


def _add_multinomial_hessian(hessian: F64, block: F64, eta: F64, w: F64) -> None:
    _, mu, complement = softmax_terms(eta)
    for k in range(mu.shape[1]):
        for l in range(k + 1):  # noqa: E741
            c = _weighted(w, mu[:, k] * (complement[:, k] if k == l else -mu[:, l]))
            part_kl = block.T @ (c[:, None] * block)
            hessian[k, :, l, :] += part_kl
            if l < k:
                hessian[l, :, k, :] += part_kl


@SILENT
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
    """Hessian at coef times direction (p+1,), in one reading of X."""
    out = np.zeros(len(coef))
    for part, block in _blocks(X, rows, center):
        eta = _predictors(block, coef, offset, part)[:, 0]
        w = _weights(weight, part, block)[:, 0]
        out += _weighted(w, logistic_curvature_weight(eta) * (block @ direction)) @ block
    return out


@SILENT
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
    """The same for K classes: coef and direction (p+1, K).

    t_k = x . direction_k is counted from that of the class on top, so that nothing cancels where its mu is near 1.
    """
    out = np.zeros(coef.shape)
    for part, block in _blocks(X, rows, center):
        eta = _predictors(block, coef, offset, part)
        w = _weights(weight, part, block)
        mu = softmax(eta)
        t = block @ direction
        t = t - np.take_along_axis(t, eta.argmax(axis=1)[:, None], axis=1)
        out += block.T @ _weighted(w, mu * (t - (mu * t).sum(axis=1, keepdims=True)))
    return out


@SILENT
def gram(X: Array, rows: Array | None, center: F64, weight: F64 | None, threads: int = 1) -> F64:
    """sum a_i x_i x_i' for x = [X - center, 1]: (p+1, p+1)."""
    q = X.shape[1] + 1
    out = np.zeros((q, q))
    for part, block in _blocks(X, rows, center):
        w = _weights(weight, part, block)
        out += block.T @ (block if weight is None else w * block)
    return out


@SILENT
def quadratic_form(X: Array, rows: Array | None, center: F64, metric: F64, threads: int = 1) -> F64:
    """x_i' metric x_i per row (m,), metric symmetric (p+1, p+1): leverages where metric is an inverse Hessian."""
    m = X.shape[0] if rows is None else len(rows)
    out = np.empty(m)
    for part, block in _blocks(X, rows, center):
        out[part] = ((block @ metric) * block).sum(axis=1)
    return out
