"""Small systems of equations with a symmetric matrix, positive definite but for rounding."""

from __future__ import annotations

import numpy as np

from berkson.kernels.reference import F64

DIRECT = 40  # rows of a triangle that LAPACK inverts as quickly by itself
SINGULAR = 1e-12  # of a column's curvature left over by the others: below it rounding could pass for curvature


def solve(matrix: F64, vector: F64) -> F64 | None:
    """matrix^-1 vector (d,), None where the matrix (d, d) is singular."""
    try:
        return np.asarray(np.linalg.solve(matrix, vector), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None


def inverse_factor(matrix: F64) -> F64 | None:
    """F with F'F = matrix^-1, lower triangular up to rounding; None where the matrix is hardly positive definite."""
    diagonal = matrix.diagonal()
    if not diagonal.min() > 0:
        return None
    scale, scaled = np.sqrt(diagonal), matrix
    if (diagonal != 1.0).any():
        scaled = matrix / scale
        scaled /= scale[:, None]
    try:
        factor = np.asarray(np.linalg.cholesky(scaled), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    del scaled
    if not factor.diagonal().min() ** 2 > SINGULAR:
        return None
    inverse = _inverse_of_lower(factor)
    inverse /= scale
    return inverse


def _inverse_of_lower(factor: F64) -> F64:
    """The inverse of a lower triangular matrix, by halves: products do a third of the work of a general inverse."""
    n = len(factor)
    if n <= DIRECT:
        return np.asarray(np.linalg.inv(factor), dtype=np.float64)
    half, inverse = n // 2, np.zeros((n, n))
    inverse[:half, :half] = _inverse_of_lower(factor[:half, :half])
    inverse[half:, half:] = _inverse_of_lower(factor[half:, half:])
    inverse[half:, :half] = -inverse[half:, half:] @ (factor[half:, :half] @ inverse[:half, :half])
    return inverse
