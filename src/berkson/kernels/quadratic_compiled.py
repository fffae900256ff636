"""The compiled search, with the reference for what it leaves: singular systems, and so many unknowns that LAPACK's
blocks are worth more than the calls they cost."""

from __future__ import annotations

import numpy as np

from berkson.kernels import _native, compiled, quadratic_reference
from berkson.kernels.reference import F64

MOST = 1024  # unknowns, of which those that are active make a matrix that fits into a second-level cache


def quadratic_minimum(hessian: F64, linear: F64, threshold: F64, start: F64) -> F64:
    """As the reference's."""
    if len(linear) <= MOST:
        x = np.where(np.isinf(threshold), 0.0, start)
        if _native.quadratic_minimum(np.ascontiguousarray(hessian), linear, threshold, x):
            return x
    return quadratic_reference.quadratic_minimum(hessian, linear, threshold, start, compiled.descend)
