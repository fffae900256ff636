"""An independent optimum: the textbook's Newton, written for any precision and for nothing else.

Nothing of the package is used but the fields of `Problem`.  Numbers are numpy.longdouble (19 digits), or mpmath's with
as many digits as asked.  K classes are logits B = M A with A free: M = [0; 1] for two classes, [1; -1'] for more, so
that logits sum to zero over classes, as they do at the optimum of a symmetric ridge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt

from berkson.problem import Problem

Array = npt.NDArray[Any]
_exp, _log1p, _sqrt = (np.frompyfunc(f, 1, 1) for f in (mpmath.exp, mpmath.log1p, mpmath.sqrt))


@dataclass(frozen=True)
class Optimum:
    """coef (1, p) or (K, p), intercept (1,) or (K,), and the objective there."""

    coef: Array
    intercept: Array
    value: Any


@dataclass(frozen=True)
class _Exact:
    """A problem in exact numbers, its columns centred and scaled (in those numbers)."""

    Z: Array  # (n, q) standardised columns and the constant
    center: Array
    scale: Array
    Y: Array  # (n, K)
    M: Array  # (K, m)
    weight: Array
    offset: Array  # (n, K)
    ridge: Array  # (q,)

    def logits(self, A: Array) -> Array:
        return self.Z @ A.T @ self.M.T + self.offset

    def value(self, A: Array) -> Any:
        eta = self.logits(A)
        losses = (self.Y * (_log_sum(eta) - eta)).sum(axis=1)
        B = self.M @ A
        return (self.weight * losses).sum() + (self.ridge * B * B).sum() / 2

    def gradient_and_hessian(self, A: Array) -> tuple[Array, Array]:
        eta = self.logits(A)
        p = _functions(eta)[0](eta - _log_sum(eta))
        pull = self.M.T @ self.M @ A * self.ridge
        gradient = (self.weight[:, None] * (p - self.Y) @ self.M).T @ self.Z + pull
        m, q = A.shape
        hessian = np.zeros((m, q, m, q), dtype=A.dtype)
        for a in range(m):
            for b in range(m):
                # M_a' (diag p - p p') M_b of each row
                covariance = p @ (self.M[:, a] * self.M[:, b]) - (p @ self.M[:, a]) * (p @ self.M[:, b])
                hessian[a, :, b, :] = self.Z.T @ ((self.weight * covariance)[:, None] * self.Z)
                hessian[a, range(q), b, range(q)] += (self.M[:, a] @ self.M[:, b]) * self.ridge
        return gradient, hessian


def objective(problem: Problem, coef: Array, intercept: Array, digits: int = 0) -> Any:
    """The objective at coefficients in the shapes of `Fit`: (1, p) and (1,), or (K, p) and (K,)."""
    with mpmath.workdps(max(digits, 15)):
        exact = _exact(problem, digits)
        return exact.value(_free(exact, coef, intercept))


def squared_distance(problem: Problem, coef: Array, intercept: Array, other: Optimum, *, at_optimum: bool) -> float:
    """|coefficients - optimum|^2 in the norm of the objective's Hessian there or at the optimum."""
    exact = _exact(problem, 0)
    here, there = _free(exact, coef, intercept), _free(exact, other.coef, other.intercept)
    _, hessian = exact.gradient_and_hessian(there if at_optimum else here)
    return float(np.einsum("ai,aibj,bj->", here - there, hessian, here - there))


def optimum(problem: Problem, digits: int = 0) -> Optimum:
    """The optimum to all digits of longdouble (digits = 0) or to `digits` digits."""
    with mpmath.workdps(max(digits, 15)):
        exact = _exact(problem, digits)
        A = _number(np.zeros((exact.M.shape[1], exact.Z.shape[1])), digits)
        enough, before = 10.0 ** -(2 * digits or 36), np.inf
        for _ in range(200):
            gradient, hessian = exact.gradient_and_hessian(A)
            estimated = [j for j in range(A.shape[1]) if hessian[0, j, 0, j] > 0]  # the constant may be absent
            each = hessian[:, estimated][:, :, :, estimated].reshape((len(estimated) * len(A),) * 2)
            step = np.zeros_like(A)
            step[:, estimated] = _solve(each, gradient[:, estimated].ravel()).reshape(len(A), -1)
            decrement = (step * gradient).sum()
            length, now = _number(np.array(1.0), digits)[()], exact.value(A)
            while exact.value(A - length * step) > now and length > 1e-3:
                length = length / 2
            A = A - length * step
            # to the last digit, or to where rounding of the gradient moves it about
            if decrement <= enough * now or before * 0.25 < decrement < 1e-24 * now:
                break
            before = decrement
        else:
            raise AssertionError("no optimum: is the problem separated?")
        B = exact.M[-1:] @ A if problem.n_classes == 2 else exact.M @ A
        coef = B[:, :-1] / exact.scale
        return Optimum(coef, B[:, -1] - coef @ exact.center, exact.value(A))


def _free(exact: _Exact, coef: Array, intercept: Array) -> Array:
    """The free logits A, on standardised columns, of coefficients on the caller's."""
    digits = mpmath.mp.dps if exact.Z.dtype == object else 0
    B = np.column_stack([_number(coef, digits), _number(intercept, digits)])
    B[:, -1] += B[:, :-1] @ exact.center
    B[:, :-1] *= exact.scale
    return B if len(B) == 1 else (B - B.sum(axis=0) / len(B))[:-1]


def _exact(problem: Problem, digits: int) -> _Exact:
    number = partial(_number, digits=digits)
    n, p = problem.X.shape
    K = problem.n_classes
    X = number(problem.X)
    weight = number(np.ones(n) if problem.weight is None else problem.weight)
    constant = 1.0 if problem.intercept else 0.0
    center = (weight @ X) / weight.sum() * constant
    spread = (weight @ ((X - center) ** 2)) / weight.sum()
    scale = _functions(X)[2](spread)
    Y = problem.y
    if Y.dtype.kind in "ui":
        Y = np.eye(K)[Y]
    elif Y.ndim == 1:
        Y = np.column_stack([1.0 - Y, Y])
    offset = np.zeros((n, K)) if problem.offset is None else problem.offset
    if offset.ndim == 1:
        offset = np.column_stack([np.zeros(n), offset])
    M = np.array([[0.0], [1.0]]) if K == 2 else np.vstack([np.eye(K - 1), -np.ones(K - 1)])
    ridge = np.append(number(np.full(p, problem.strength)) / scale**2, number(np.zeros(1)))
    Z = np.column_stack([(X - center) / scale, number(np.full(n, constant))])
    return _Exact(Z, center, scale, number(Y), number(M), weight, number(offset), ridge)


def _number(values: Array, digits: int) -> Array:
    values = np.asarray(values)
    if digits == 0:
        return values.astype(np.longdouble)
    exact = values if values.dtype == object else values.astype(np.float64)
    return np.frompyfunc(mpmath.mpf, 1, 1)(exact) if exact.ndim else np.array(mpmath.mpf(exact.item()), dtype=object)


def _functions(values: Array) -> tuple[Any, Any, Any]:
    return (_exp, _log1p, _sqrt) if values.dtype == object else (np.exp, np.log1p, np.sqrt)


def _log_sum(eta: Array) -> Array:
    """log sum_k exp(eta_k) of each row, (n, 1)."""
    exp, log1p, _ = _functions(eta)
    top = eta.argmax(axis=1)
    rows = range(len(eta))
    largest = eta[rows, top][:, None]
    others = exp(eta - largest)
    others[rows, top] = others[rows, top] * 0
    total: Array = largest + log1p(others.sum(axis=1))[:, None]
    return total


def _solve(matrix: Array, right: Array) -> Array:
    """matrix^-1 right by Cholesky, in the numbers of the matrix (LAPACK has doubles only)."""
    L = matrix.copy()
    d = len(L)
    for j in range(d):
        L[j:, j] -= L[j:, :j] @ L[j, :j]
        L[j:, j] = L[j:, j] / _functions(L)[2](L[j : j + 1, j])
    x = right.copy()
    for j in range(d):
        x[j] = (x[j] - L[j, :j] @ x[:j]) / L[j, j]
    for j in reversed(range(d)):
        x[j] = (x[j] - L[j + 1 :, j] @ x[j + 1 :]) / L[j, j]
    return x
