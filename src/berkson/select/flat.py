"""Directions in which the loss does not change: columns that are combinations of each other and the constant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from berkson.inverse import inverse_factor
from berkson.rows.memory import InMemory
from berkson.select.regularizer import Regularizer

F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

NULL = 1e-12  # of a spectrum, for each column: where a Hessian may be singular
SAME = 1e-10  # a linear predictor along a direction of length 1, of columns of unit spread, which is rounding


def with_flat(regularizer: Regularizer, rows: InMemory, hessian: F64) -> Regularizer:
    """The lasso of two classes with the directions that a Hessian and the rows show; others as they are."""
    if type(regularizer) is not Regularizer or regularizer.l1_ratio != 1.0 or rows.loss.outputs != 1:
        return regularizer
    return replace(regularizer, flat=flat_directions(rows, hessian))


def flat_directions(rows: InMemory, hessian: F64) -> F64 | None:
    """All such directions of theta (m, size), orthonormal, None where there are none, or so many that proofs by size
    are cheaper, as where columns outnumber rows: a Hessian finds candidates, and the rows decide."""
    if len(hessian) >= rows.n_rows or inverse_factor(hessian) is not None:
        return None
    curvature = hessian.diagonal()
    used = np.flatnonzero(curvature > 0.0)
    scale = np.sqrt(curvature[used])
    values, vectors = np.linalg.eigh(hessian[np.ix_(used, used)] / (scale[:, None] * scale))
    null = vectors[:, values < NULL * len(used)] / scale[:, None]
    found = np.zeros((null.shape[1], len(curvature)))
    found[:, used] = np.linalg.qr(null)[0].T
    return found if len(found) and np.abs(_along(rows, found, None)).max() <= SAME else None


def flat_among(rows: InMemory, flat: F64, gone: npt.NDArray[np.bool_], some: Indices) -> F64 | None:
    """The directions in some of the rows, where the columns that are `gone` have one value and no coefficient: the
    constant takes it up.  None where that makes none."""
    left, place = np.where(gone, 0.0, flat), rows.coordinates
    along = _along(rows, left, some)
    if place.kept is None:
        left[:, -1] -= along[0] * place.scale[-1]
        along = along - along[0]
    turned, length, found = np.linalg.svd(left, full_matrices=False)
    kept = length > SAME  # directions that differ by what is gone alone are one
    if not kept.any() or np.abs(along @ (turned[:, kept] / length[kept])).max(initial=0.0) > SAME:
        return None
    return np.asarray(found[kept], dtype=np.float64)


def _along(rows: InMemory, directions: F64, some: Indices | None) -> F64:
    """Linear predictors (n, m) along the directions."""
    whole = rows.whole
    coef = np.column_stack([rows.coordinates.expand(each) for each in directions])
    return rows.design.linear_predictor(some, whole.center, coef, whole.threads)
