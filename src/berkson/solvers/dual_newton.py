"""Newton's method for many ridge fits of the same rows in lockstep, on one unknown a row.

Under a ridge s the coefficients of rows Z (n, p) are sums of rows, Z' a, so that with K = Z Z'

    sum_i weight_i loss(y_i, eta_i) + s / 2 a' K a,        eta = K a + constant + offset,

is all there is to minimise, and X has no part in it.  With residuals r and curvatures w, both times the weight,
q = -(r + s a), and the constant eliminated, D = diag(w) - w w' / sum w = H (I - v v') H with H = diag(w)^1/2, a step is

    (D K + s I) step = q' = q + w sum r / sum w,     step = (q' - H x) / s,
    B x = P H K q',    B = s I + P H K H P,    P = I - v v',

which holds where w is 0, too: a fold's held-out rows.  B is solved by conjugate gradients, which share each product
with K between all fits and are preconditioned by K's largest directions and the mean of its others; where they take too
long, by elimination.  (For s I + H K H: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
algorithm 3.1.)

A penalty's fit begins on the polynomial through those of the last ones: s a = -r is bounded and smooth in log s.

Unlike other solvers this one asks nothing: all that it needs of the data is K.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from berkson.kernels.reference import logistic_curvature_weight, logistic_loss, logistic_residual

F64 = npt.NDArray[np.float64]
Product = Callable[[F64], F64]

KNOWN = 64  # directions of K that precondition
POINTS = 4  # fits that the next is extrapolated from
RESIDUAL = 1e-2  # of a step's system, in the norm of the preconditioner
LEAST_PRODUCTS, SHARE = 10, 16  # products with K worth an elimination: n / 16, measured
HALVINGS = 40
ROUNDING = 1e-13  # of the objective, by which a step may seem to raise it
CONSTANT = 1e-2  # of the aim, for what the constant may still gain
TINY = 1e-300


@dataclass(frozen=True)
class Rows:
    """K (n, n) and its directions known to the preconditioner, F (n, k) with K near F F' + rest I; labels y, weights
    (n, M), offset (n, 1); scale (M,): the mean weight, in units of which all sums are held."""

    kernel: F64
    factor: F64
    rest: float
    y: F64
    weight: F64
    offset: F64
    scale: F64
    intercept: bool

    @classmethod
    def of(cls, kernel: F64, values: F64, vectors: F64, y: F64, weight: F64, offset: F64, *, intercept: bool) -> Rows:
        """values and vectors: the eigenvalues of K, ascending, and its eigenvectors."""
        known = min(KNOWN, len(values) // 2)
        others = len(values) - known
        rest = float(values[:others].mean()) if others else 0.0
        factor = vectors[:, others:] * np.sqrt(np.maximum(values[others:] - rest, 0.0))
        scale = weight.mean(axis=0)
        return cls(kernel, factor, rest, y, weight / scale, offset, scale, intercept)


@dataclass(frozen=True, slots=True)
class Duals:
    """M fits: dual (n, M) and its product with K, constant (M,), the objective and its part that is loss (M,), `gap`
    (M,) the squared gradient on the columns over 2 s and what the constant may gain, and Newton steps; strength."""

    strength: F64
    dual: F64
    product: F64
    constant: F64
    objective: F64
    loss: F64
    gap: F64
    iterations: npt.NDArray[np.intp]


@dataclass(frozen=True)
class _At:
    """Some of the fits at a point, all sums in units of `Rows.scale`."""

    dual: F64
    product: F64  # K dual
    constant: F64
    value: F64


def minimise(rows: Rows, strength: F64, aim: F64, before: Sequence[Duals], max_iterations: int) -> Duals:
    """The fits under ridges `strength` (M,), until their gap is `aim` (M,) or rounding lets it be no less; begun from
    those `before`."""
    s, target = strength / rows.scale, aim / rows.scale
    at = _begin(rows, s, strength, before)
    iterations, left = np.zeros(len(s), np.intp), np.arange(len(s))
    known, last = np.empty(len(s)), np.full(len(s), np.inf)
    while len(left):
        some, here = _take(rows, at, left)
        step = _Step.at(some, here, s[left])
        gap = known[left] = step.gap(s[left])
        done = (gap <= target[left]) | (iterations[left] >= max_iterations)
        if done.any():
            left = left[~done]
            continue
        moved, lower = _along(some, here, s[left], *step.solve(some, s[left]))
        # by rounding alone neither the objective falls nor the gradient
        useful = lower & ((moved.value < here.value * (1.0 - ROUNDING)) | (gap <= 0.5 * last[left]))
        last[left] = gap
        iterations[left[useful]] += 1
        at = _put(at, left[useful], moved, useful)
        left = left[useful]
    loss = at.value - 0.5 * s * (at.dual * at.product).sum(axis=0)
    value, loss = at.value * rows.scale, loss * rows.scale
    return Duals(strength, at.dual, at.product, at.constant, value, loss, known * rows.scale, iterations)


def _take(rows: Rows, at: _At, left: npt.NDArray[np.intp]) -> tuple[Rows, _At]:
    if len(left) == len(at.constant):
        return rows, at
    y = rows.y[:, left] if rows.y.shape[1] > 1 else rows.y
    some = replace(rows, y=y, weight=rows.weight[:, left], scale=rows.scale[left])
    return some, _At(at.dual[:, left], at.product[:, left], at.constant[left], at.value[left])


def _put(at: _At, places: npt.NDArray[np.intp], moved: _At, some: npt.NDArray[np.bool_]) -> _At:
    dual, product, constant, value = (part.copy() for part in (at.dual, at.product, at.constant, at.value))
    dual[:, places], product[:, places] = moved.dual[:, some], moved.product[:, some]
    constant[places], value[places] = moved.constant[some], moved.value[some]
    return _At(dual, product, constant, value)


def _value(rows: Rows, s: F64, dual: F64, product: F64, constant: F64) -> F64:
    loss = logistic_loss(product + constant + rows.offset, rows.y)
    value: F64 = (rows.weight * loss).sum(axis=0) + 0.5 * s * (dual * product).sum(axis=0)
    return value


def _begin(rows: Rows, s: F64, strength: F64, before: Sequence[Duals]) -> _At:
    """From the best of the last fits, their residuals under these ridges, and where the last ones point to; first from
    no coefficients.  The best is multiplied by K: products of sums of the last ones would add up their rounding."""
    if not before:
        dual, constant = np.zeros_like(rows.weight), _null_constant(rows)
        return _At(dual, dual, constant, _value(rows, s, dual, dual, constant))
    last, points = before[-1], _different(before)
    grown, ones = last.strength / strength, np.ones_like(s)
    starts = [_combined([(ones, ones, last)]), _combined([(grown, ones, last)])]
    if len(points) > 1:
        parts = _lagrange(np.log([point.strength for point in points]), np.log(strength))
        each = zip(parts, points, strict=True)
        starts.append(_combined([(part * point.strength / strength, part, point) for part, point in each]))
    values = np.array([_value(rows, s, *start) for start in starts])
    best = np.where(np.isnan(values), np.inf, values).argmin(axis=0)
    dual = np.choose(best, [start[0] for start in starts])
    constant = np.choose(best, [start[2] for start in starts])
    product = rows.kernel @ dual
    return _At(dual, product, constant, _value(rows, s, dual, product, constant))


def _different(before: Sequence[Duals]) -> list[Duals]:
    """The last fits of different ridges."""
    found: list[Duals] = []
    for one in reversed(before):
        if len(found) < POINTS and all((one.strength != other.strength).all() for other in found):
            found.append(one)
    return found


def _combined(parts: Sequence[tuple[F64, F64, Duals]]) -> tuple[F64, F64, F64]:
    """Sums of fits, their duals and products with K in the first shares (M,), their constants in the second."""
    dual, product = np.zeros_like(parts[0][2].dual), np.zeros_like(parts[0][2].dual)
    constant = np.zeros_like(parts[0][2].constant)
    for of_dual, of_constant, one in parts:
        dual += of_dual * one.dual
        product += of_dual * one.product
        constant += of_constant * one.constant
    return dual, product, constant


def _null_constant(rows: Rows) -> F64:
    if not rows.intercept:
        return np.zeros(rows.weight.shape[1])
    ones = (rows.weight * rows.y).sum(axis=0)
    total = rows.weight.sum(axis=0)
    offset = (rows.weight * rows.offset).sum(axis=0) / total
    constant: F64 = np.log(np.maximum(ones, TINY)) - np.log(np.maximum(total - ones, TINY)) - offset
    return constant


def _lagrange(known: F64, at: F64) -> F64:
    """The weight of each of k points (k, M) in the polynomial through them at other points (M,)."""
    weight = np.ones_like(known)
    for i, j in np.ndindex(len(known), len(known)):
        if i != j:
            weight[i] *= (at - known[j]) / (known[i] - known[j])
    return weight


@dataclass(frozen=True)
class _Step:
    """What a Newton step is made of: q', K q', H, the sums of residuals and of curvatures (M,)."""

    gradient: F64
    product: F64
    root: F64
    slope: F64
    total: F64
    curvature: F64

    @classmethod
    def at(cls, rows: Rows, at: _At, s: F64) -> _Step:
        eta = at.product + at.constant + rows.offset
        residual = rows.weight * logistic_residual(eta, rows.y)
        curvature = rows.weight * logistic_curvature_weight(eta)
        total = np.maximum(curvature.sum(axis=0), TINY)
        slope = residual.sum(axis=0) if rows.intercept else np.zeros(len(s))
        gradient = -(residual + s * at.dual) + curvature * (slope / total)
        return cls(gradient, rows.kernel @ gradient, np.sqrt(curvature), slope, total, curvature)

    def gap(self, s: F64) -> F64:
        """The squared gradient on the columns over twice the ridge, and what the constant may gain, counted dearly."""
        across = np.maximum(0.0, (self.gradient * self.product).sum(axis=0)) / (2.0 * s)
        gap: F64 = across + self.slope * self.slope / (2.0 * self.total) / CONSTANT
        return gap

    def solve(self, rows: Rows, s: F64) -> tuple[F64, F64, F64]:
        """The step of the duals, its product with K, and the step of the constants."""
        v = self.root / np.sqrt(self.total) if rows.intercept else np.zeros_like(self.root)

        def project(z: F64) -> F64:
            return np.asarray(z - v * (v * z).sum(axis=0))

        right = project(self.root * self.product)
        most = max(LEAST_PRODUCTS, len(right) // SHARE)
        square = (self.gradient * self.product).sum(axis=0)
        x, found = _conjugate(rows, s, self.root, project, right, square, most)
        for j in np.flatnonzero(~found).tolist():
            x[:, j] = _eliminated(rows.kernel, float(s[j]), self.root[:, j], v[:, j], right[:, j])
        step = (self.gradient - self.root * project(x)) / s
        product = rows.kernel @ step
        constant = -(self.slope + (self.curvature * product).sum(axis=0)) / self.total
        return step, product, constant if rows.intercept else np.zeros(len(s))


def _conjugate(
    rows: Rows, s: F64, root: F64, project: Product, right: F64, square: F64, most: int
) -> tuple[F64, npt.NDArray[np.bool_]]:
    """x with B x = right (n, M), and which of them are found within so many products.

    A residual is what the step misses in the norm of the Hessian times s, at most; the step itself is as long as
    (q' K q' - right x) s, with `square` q' K q'.
    """
    precondition = _preconditioner(rows, s, root, project)
    x, residual = np.zeros_like(right), right
    z = precondition(residual)
    direction, along = z, (residual * z).sum(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is not found
        for iteration in range(most + 1):
            length = s * (square - (right * x).sum(axis=0))
            found = (residual * residual).sum(axis=0) <= RESIDUAL * RESIDUAL * length
            if found.all() or iteration == most:
                break
            image = s * direction + project(root * (rows.kernel @ (root * direction)))
            step = along / np.maximum((direction * image).sum(axis=0), TINY)
            x, residual = x + step * direction, residual - step * image
            z = precondition(residual)
            now = (residual * z).sum(axis=0)
            direction, along = z + (now / np.maximum(along, TINY)) * direction, now
    return x, np.asarray(found)


def _preconditioner(rows: Rows, s: F64, root: F64, project: Product) -> Product:
    """P (d + (H F) (H F)')^-1 P with d = s + rest w, by the formula for the inverse of a sum."""
    diagonal = s + rows.rest * root * root
    each = root.T[:, :, None] * rows.factor  # (M, n, k)
    inner = np.matmul(each.transpose(0, 2, 1), each / diagonal.T[:, :, None])
    inner[:, range(inner.shape[1]), range(inner.shape[1])] += 1.0
    inverse = np.linalg.inv(inner)

    def solve(z: F64) -> F64:
        scaled = z / diagonal
        along = np.matmul(inverse, np.matmul(scaled.T[:, None, :], each).transpose(0, 2, 1))
        return project(scaled - np.matmul(each, along)[:, :, 0].T / diagonal)

    return solve


def _eliminated(kernel: F64, s: float, root: F64, v: F64, right: F64) -> F64:
    """B^-1 right of one fit."""
    matrix = root[:, None] * kernel * root
    matrix -= np.outer(v, v @ matrix)
    matrix -= np.outer(matrix @ v, v)
    matrix.flat[:: len(matrix) + 1] += s
    try:
        solved: F64 = np.asarray(np.linalg.solve(matrix, right), np.float64)
    except np.linalg.LinAlgError:  # the ridge is lost in rounding
        return np.full(len(right), np.nan)
    return solved


def _along(rows: Rows, at: _At, s: F64, step: F64, product: F64, constant: F64) -> tuple[_At, npt.NDArray[np.bool_]]:
    """As far along the step as the objective falls; which of the fits moved."""
    length = np.ones(len(s))
    for _ in range(HALVINGS):
        here = at.dual + length * step, at.product + length * product, at.constant + length * constant
        value = _value(rows, s, *here)
        worse = ~(value <= at.value + ROUNDING * np.abs(at.value))
        if not worse.any():
            break
        length[worse] *= 0.5
    return _At(*here, value), ~worse
