"""Functions of a kernel as coefficients of a table: landmarks among the rows, and what the other rows would add.

Whatever minimises  sum of losses(f(x_i) + b) + strength / 2 |f|^2  is a sum of k(x_i, .), and among sums over landmarks
L alone, with K_LL = T T' (T lower triangular),

    f = k(., L) T'^-1 gamma,   f(x_i) = (R gamma)_i,   R = K_nL T'^-1,   |f| = |gamma|,

so it is the ridge regression on R (n, m).  Pivoting finds which rows are landmarks enough: the others' kernels are
combinations of theirs to rounding, R R' = K, and the answer is that of all rows.  Fewer landmarks are Nystroem's
approximation (Williams and Seeger 2001), and with residuals r at its optimum

    optimum over landmarks - optimum over all rows  <=  (r'K r - |R'r|^2) / (2 strength),

since r is feasible in both dual problems, whose values differ by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.estimators.kernel_function import CELLS, Gram
from berkson.problem import InputError

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

INDEFINITE = 100.0  # times what rounding leaves of a kernel: what is left beyond belongs to no positive kernel
COMPARED = 30_000  # rows up to which all pairs of them are read to bound what more landmarks would gain


@dataclass(frozen=True)
class Span:
    """What landmarks span: `rows` (m,) their places in the table, `root` T (m, m), `features` R (n, m)."""

    rows: npt.NDArray[np.intp]
    root: F64
    features: F64

    def dual_coef(self, gamma: F64) -> F64:
        """On k(., L) (K, m), from coefficients gamma (K, m) of R."""
        from scipy.linalg import solve_triangular  # type: ignore[import-untyped]

        return np.asarray(solve_triangular(self.root, gamma.T, lower=True, trans="T").T)


def all_rows(gram: Gram) -> Span:
    """Landmarks that span all rows to rounding.  InputError where the kernel is not positive semi-definite."""
    order, lower = _pivoted(gram, np.arange(len(gram)))
    rank = lower.shape[1]
    features = np.empty((len(gram), rank))
    features[order] = lower
    return Span(order[:rank], lower[:rank].copy(), features)


def some_rows(gram: Gram, rows: npt.NDArray[np.intp]) -> Span:
    """The span of these landmarks, without those that are combinations of others to rounding."""
    from scipy.linalg import solve_triangular

    order, lower = _pivoted(gram, rows)
    rank = lower.shape[1]
    rows, root = order[:rank], lower[:rank].copy()
    features = np.empty((len(gram), rank))
    for place in gram.runs(rank):
        features[place] = solve_triangular(root, gram.block(place, rows).T, lower=True).T
    return Span(rows, root, features)


def _pivoted(gram: Gram, rows: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], F64]:
    """The rows in another order and the factor (m, rank) of K in it, by Cholesky with complete pivoting."""
    from scipy.linalg.lapack import dpstrf  # type: ignore[import-untyped]

    matrix = gram.block(rows, rows)
    if not gram.kernel.is_one:
        _refuse_asymmetric(matrix)
    largest = float(matrix.diagonal().max())
    if largest <= 0.0:
        if matrix.any():
            raise _indefinite()
        return rows, np.zeros((len(rows), 0))
    rounding = len(rows) * float(np.finfo(matrix.dtype).eps) * largest
    factor, order, rank, _ = dpstrf(matrix.T, tol=rounding, lower=1, overwrite_a=1)
    order, lower = rows[order - 1], np.tril(factor[:, :rank])
    if not gram.kernel.is_one:
        _refuse_indefinite(gram, order[rank:], lower[rank:], INDEFINITE * rounding)
    return order, lower


def _refuse_indefinite(gram: Gram, rows: npt.NDArray[np.intp], lower: F64, least: float) -> None:
    """InputError where the factor (m, rank) leaves more than this of the kernel of rows that it should hold."""
    step = max(1, CELLS // max(1, len(rows)))
    for start in range(0, len(rows), step):
        some = slice(start, start + step)
        if np.abs(gram.block(rows[some], rows) - lower[some] @ lower.T).max() > least:
            raise _indefinite()


def _indefinite() -> InputError:
    return InputError(
        "the kernel is not positive semi-definite on these rows, so no space of functions belongs to it: choose "
        "another kernel (rbf, linear, or poly with a whole degree and coef0 >= 0)"
    )


def _refuse_asymmetric(matrix: Array) -> None:
    """InputError for a kernel that depends on the order of two rows."""
    step, largest = max(1, CELLS // len(matrix)), float(np.abs(matrix).max())
    for start in range(0, len(matrix), step):
        some = slice(start, start + step)
        apart = np.abs(matrix[some] - matrix[:, some].T)
        if apart.max() > INDEFINITE * len(matrix) * float(np.finfo(matrix.dtype).eps) * largest:
            i, j = np.unravel_index(int(apart.argmax()), apart.shape)
            raise InputError(
                f"the kernel of rows {start + i} and {j} is {matrix[start + i, j]:g} in one order and "
                f"{matrix[j, start + i]:g} in the other: a kernel is symmetric"
            )


def draw(gram: Gram, count: int, weight: F64 | None, strength: float, random: np.random.RandomState) -> Array:
    """`count` rows drawn without replacement, in proportion to approximate ridge leverage scores.

    The score of row i is w_i k_i'(K W K + ridge K)^-1 k_i with w_i = weight / 4, the most curvature that its loss can
    have, and strength for the ridge: how much of the fit at row i is its own.  It is approximated from above by
    uniformly drawn landmarks, half as many (Alaoui and Mahoney 2015; Rudi et al. 2018).
    """
    from scipy.linalg import cholesky, solve_triangular

    w = np.full(len(gram), 0.25) if weight is None else 0.25 * weight
    able = np.flatnonzero(w)
    pilot = some_rows(gram, random.choice(able, min(len(able), max(1, count // 2)), replace=False))
    R = pilot.features
    moment = strength * np.eye(R.shape[1])
    for part in gram.runs(len(moment)):
        moment += (R[part].T * w[part]) @ R[part]
    root = cholesky(moment, lower=True)
    within = np.concatenate(
        [(solve_triangular(root, R[part].T, lower=True) ** 2).sum(0) for part in gram.runs(len(root))]
    )
    beyond = np.maximum(gram.diagonal() - np.einsum("ij,ij->i", R, R), 0.0) / strength
    score = np.minimum(w * (within + beyond), 1.0)
    # the first of exponential clocks of these rates to ring (Efraimidis and Spirakis 2006)
    rings = np.full(len(gram), np.inf)
    np.divide(random.standard_exponential(len(gram)), score, out=rings, where=score > 0.0)
    return np.sort(np.argsort(rings, kind="stable")[: min(count, len(able))])


def more_landmarks(gram: Gram, span: Span, residual: F64, strength: float) -> float:
    """Bound on how much lower the objective would be with all rows as landmarks, from weighted residuals (n, K) at the
    optimum over the span; inf, not known, beyond COMPARED rows.  Reads all pairs of rows that have a residual."""
    among = np.flatnonzero(residual.any(axis=1))
    if len(among) > COMPARED:
        return np.inf
    r, total = residual[among], 0.0
    for place in gram.runs(len(among)):
        if place.start >= len(among):
            break
        own, later = among[place], among[place.stop :]
        total += float(np.vdot(r[place], gram.block(own, own) @ r[place]))
        total += 2.0 * float(np.vdot(r[place], gram.block(own, later) @ r[place.stop :])) if len(later) else 0.0
    R = span.features.T @ residual
    return max(0.0, 0.5 * (total - float(np.vdot(R, R))) / strength)
