"""Inverse Hessians, exact and approximate: what steps are preconditioned by and gaps are proved with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson import kernels

F64 = npt.NDArray[np.float64]


ABSENT, TYPICAL = (
    1e-3,
    0.3,
)  # of the median curvature: below the first a sample has not seen a column, which then gets the second


@dataclass(frozen=True, slots=True)
class Dense:
    """The inverse of a Hessian that was affordable: of a sample, scaled to all rows; `exact`: nothing was lifted; 1 /
    `most` is below the eigenvalues of the matrix with a diagonal of 1."""

    inverse: F64
    exact: bool
    most: float = np.inf

    @classmethod
    def of(cls, hessian: F64, *, overwrite: bool = False) -> Dense:
        """Of a symmetric positive semi-definite matrix in standardised coordinates.

        A column that the sample hardly holds (a rare level) has next to no curvature there; it is given a typical one.
        Where the sample cannot tell columns apart, directions below 1e-8 of the scaled spectrum are lifted to it.
        Such matrices are most of a fit's memory: with `overwrite` the given one becomes work space.
        """
        curvature = hessian.diagonal()
        typical = float(np.median(curvature[curvature > 0])) if (curvature > 0).any() else 1.0
        absent = curvature < ABSENT * typical
        scale = np.sqrt(np.where(absent, TYPICAL * typical, curvature))
        unit = np.divide(hessian, scale, out=hessian if overwrite else None)
        unit /= scale[:, None]
        unit.flat[:: len(unit) + 1] = 1.0
        inverse = inverse_of(unit)
        exact = inverse is not None and not absent.any()
        if inverse is None:
            values, vectors = np.linalg.eigh(unit)
            inverse = (vectors / np.maximum(values, 1e-8)) @ vectors.T
        most = max(float(np.abs(row).sum()) for row in inverse)
        inverse /= scale
        inverse /= scale[:, None]
        return cls(inverse, exact, most)

    def solve(self, gradient: F64) -> F64:
        return self.inverse @ gradient


@dataclass(frozen=True, slots=True)
class Diagonal:
    """Of the null model where columns are standardised: total weight times the variance of y, plus the ridge."""

    diagonal: F64

    def solve(self, gradient: F64) -> F64:
        return gradient / self.diagonal


MOVED = 0.1  # of the ridge, into a singular Gram matrix


@dataclass(frozen=True, slots=True)
class Kronecker:
    """(A (x) G + I (x) D)^-1 for A = basis'(diag(pi) - pi pi') basis, a Gram matrix G and a diagonal ridge D.

    The softmax Hessian of the model that knows only class frequencies pi; diagonalised once, A = U diag(a) U' and, with
    L L' = G, L^-1 D L^-T = W diag(r) W', so that a_k G + D = L W (a_k + r) W' L' and a solve is two small products.
    """

    class_vectors: F64  # (K-1, K-1)
    column_vectors: F64  # (q, q)
    denominators: F64  # (K-1, q)

    @classmethod
    def of(cls, class_hessian: F64, gram: F64, ridge: F64) -> Kronecker | None:
        """Where the Gram matrix is singular, a matrix below, with a part of the ridge in it; None where that is too."""
        a, U = np.linalg.eigh(class_hessian)
        factor_inverse = inverse_factor(gram)
        if factor_inverse is None:  # I (x) D >= A (x) D / max(a)
            gram, ridge = gram + np.diag(MOVED * ridge / a[-1]), (1.0 - MOVED) * ridge
            factor_inverse = inverse_factor(gram)
        if factor_inverse is None:
            return None
        r, W = np.linalg.eigh((factor_inverse * ridge) @ factor_inverse.T)
        return cls(U, factor_inverse.T @ W, 1.0 / (np.maximum(a, 1e-300)[:, None] + np.maximum(r, 0.0)))

    def squared(self, gradient: F64) -> float:
        """gradient' (this inverse) gradient."""
        each = self.class_vectors.T @ gradient.reshape(len(self.class_vectors), -1) @ self.column_vectors
        return float((each * each * self.denominators).sum())

    def solve(self, gradient: F64) -> F64:
        each = self.class_vectors.T @ gradient.reshape(len(self.class_vectors), -1) @ self.column_vectors
        back = self.class_vectors @ (each * self.denominators) @ self.column_vectors.T
        return np.ravel(back)

    def weakest(self) -> F64:
        """(a_min G + D)^-1, above every block of this inverse on a unit contrast: (q, q)."""
        largest = self.denominators.max(axis=0)
        return (self.column_vectors * largest) @ self.column_vectors.T  # type: ignore[no-any-return]


def inverse_factor(matrix: F64) -> F64 | None:
    """F with F'F = matrix^-1, None where the matrix is not positive definite beyond rounding."""
    return kernels.systems.inverse_factor(matrix)


def inverse_of(matrix: F64) -> F64 | None:
    """matrix^-1, None where the matrix is not positive definite beyond rounding."""
    factor = inverse_factor(matrix)
    return None if factor is None else factor.T @ factor


def null_class_hessian(basis: F64, share: F64) -> F64:
    """basis'(diag(share) - share share') basis: the curvature between contrasts where classes have these shares."""
    return basis.T @ (np.diag(share) - np.outer(share, share)) @ basis
