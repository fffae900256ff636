"""Approximate inverse Hessians."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dense:
    """The inverse of a Hessian that was affordable: a sample's, scaled to all rows."""

    inverse: F64

    @classmethod
    def of(cls, hessian: F64) -> Dense:
        """Of a symmetric positive semi-definite matrix: directions below 1e-10 of its scaled spectrum are lifted to it."""
        scale = np.sqrt(np.maximum(hessian.diagonal(), hessian.diagonal().max() * 1e-14))
        unit = hessian / (scale[:, None] * scale)
        try:
            np.linalg.cholesky(unit - 1e-10 * np.eye(len(unit)))
            inverse = np.linalg.inv(unit)
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(unit)
            inverse = (vectors / np.maximum(values, 1e-10)) @ vectors.T
        return cls(inverse / (scale[:, None] * scale))

    def solve(self, gradient: F64) -> F64:
        return self.inverse @ gradient


@dataclass(frozen=True, slots=True)
class Diagonal:
    """Columns are standardised, so the null model's Hessian has this diagonal: total weight times variance, plus ridge."""

    diagonal: F64

    def solve(self, gradient: F64) -> F64:
        return gradient / self.diagonal


@dataclass(frozen=True, slots=True)
class Kronecker:
    """The null softmax model's Hessian, A (x) G + ridge, A = basis'(diag(pi) - pi pi') basis and G = sum a x x'.

    Diagonalised once: A = U diag(a) U', and G v = g D v with D the ridge's diagonal where there is one, so that
    (A (x) G + I (x) D)^-1 costs two small products a solve.
    """

    class_vectors: F64  # (K-1, K-1)
    column_vectors: F64  # (q, q)
    denominators: F64  # (K-1, q)

    @classmethod
    def of(cls, class_hessian: F64, gram: F64, ridge: F64) -> Kronecker:
        a, U = np.linalg.eigh(class_hessian)
        a = np.maximum(a, 1e-12 * a[-1])
        # one symmetric generalised problem G v = g (G + D / a_max) v would need scipy; whitening by G's Cholesky factor is
        # the same: with L L' = G (lifted), L^-1 D L^-T = W diag(r) W' gives a_k G + D = L W (a_k + r) W' L'
        lifted = gram + np.diag(1e-10 * gram.diagonal() + 1e-300)
        inverse_factor = np.linalg.inv(np.linalg.cholesky(lifted))
        r, W = np.linalg.eigh((inverse_factor * ridge) @ inverse_factor.T)
        return cls(U, inverse_factor.T @ W, 1.0 / (a[:, None] + np.maximum(r, 0.0)))

    def solve(self, gradient: F64) -> F64:
        each = self.class_vectors.T @ gradient.reshape(len(self.class_vectors), -1) @ self.column_vectors
        back = self.class_vectors @ (each * self.denominators) @ self.column_vectors.T
        return back.ravel()
