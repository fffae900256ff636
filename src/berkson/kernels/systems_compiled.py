"""The compiled twin for so few unknowns that LAPACK's answer takes longer to ask for than to compute."""

from __future__ import annotations

import numpy as np

from berkson.kernels import _native, systems_reference
from berkson.kernels.reference import F64

MOST = 32  # unknowns


def solve(matrix: F64, vector: F64) -> F64 | None:
    """As the reference's, which has the last word where the matrix is not positive definite."""
    if len(vector) <= MOST:
        out = np.empty(len(vector))
        if _native.small_solve(matrix, vector, out):
            return out
    return systems_reference.solve(matrix, vector)


def inverse_factor(matrix: F64) -> F64 | None:
    """As the reference's."""
    if len(matrix) > MOST:
        return systems_reference.inverse_factor(matrix)
    out = np.empty(matrix.shape)
    return out if _native.small_inverse_factor(matrix, systems_reference.SINGULAR, out) else None
