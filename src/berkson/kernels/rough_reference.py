"""Numbers that only guide or bound: Hessians that may be added up in single precision, and the longest row."""

from __future__ import annotations

import numpy as np

from berkson.kernels import reference
from berkson.kernels.reference import F64, SILENT, Array


def logistic(
    X: Array,
    rows: Array | None,
    center: F64,
    unit: F64,
    coef: F64,
    y: Array,
    weight: F64 | None,
    offset: F64 | None,
    threads: int = 1,
) -> tuple[float, float, F64, F64, float]:
    """`reference.logistic` of order 2 and `rounding`: hessian - rounding diag(hessian) lies below the Hessian.

    unit (p+1,) makes columns of comparable size, so that their products are within the range of single precision.
    """
    value, margin, gradient, hessian = reference.logistic(X, rows, center, coef, y, weight, offset, 2, threads)
    assert gradient is not None
    assert hessian is not None
    return value, margin, gradient, hessian, 0.0


@SILENT
def longest(X: Array, rows: Array | None, center: F64, unit: F64, weight: F64 | None, threads: int = 1) -> float:
    """The largest |unit x_i|^2 over rows of positive weight, x = [X - center, 1] and unit (p+1,): -inf without any."""
    most = -np.inf
    for part, block in reference._blocks(X, rows, center):
        scaled = block * unit
        squared = (scaled * scaled).sum(axis=1)
        most = np.maximum(most, (squared if weight is None else squared[weight[part] > 0.0]).max(initial=-np.inf))
    return float(most)
