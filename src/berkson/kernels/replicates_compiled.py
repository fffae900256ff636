"""The compiled twin of `replicates_reference`: this file makes room for the answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from berkson.kernels import _native
from berkson.kernels.reference import F64, Array
from berkson.kernels.replicates_reference import BLOCK, Kept, totals

__all__ = ["BLOCK", "totals"]


def draw(
    n: int, seed: int, numbers: Sequence[int], drawn: npt.NDArray[np.int32], rows: npt.NDArray[np.int64] | None = None
) -> F64:
    counts = np.empty((len(numbers), n if rows is None else len(rows)))
    _native.draw(n, seed, np.array(numbers, np.int64), drawn, rows, counts)
    return counts


def gradients_at_point(
    X: Array,
    rows: Array | None,
    center: F64,
    residual: F64,
    seed: int,
    numbers: Sequence[int],
    drawn: npt.NDArray[np.int32],
    kept: Kept | None = None,
    threads: int = 1,
) -> F64:
    out = np.empty((X.shape[1] + 1, len(numbers)))
    number = np.array(numbers, np.int64)
    _native.gradients_at_point(X, rows, center, residual, seed, number, drawn, kept, threads, out)
    return out


def changes_of_gradients(
    X: Array,
    rows: Array | None,
    center: F64,
    scale: F64,
    step: F64,
    curvature: F64,
    mean: F64,
    seed: int,
    numbers: Sequence[int],
    drawn: npt.NDArray[np.int32],
    kept: Kept | None = None,
    slots: npt.NDArray[np.int64] | None = None,
    threads: int = 1,
) -> F64:
    out = np.empty((X.shape[1] + 1, len(numbers)))
    number = np.array(numbers, np.int64)
    _native.changes_of_gradients(
        X, rows, center, scale, step, curvature, mean, seed, number, drawn, kept, slots, threads, out
    )
    return out
