"""Coordinate descent on a quadratic with absolute values, as a formula: the truth that the compiled twin is compared
with, and what runs where none is built."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def descend(hessian: F64, gradient: F64, threshold: F64, x: F64, epochs: int, close: float) -> None:
    """Lower 1/2 x'Hx + b'x + sum_j threshold_j |x_j| coordinate by coordinate, in place; gradient: Hx + b, kept up.

    Epochs over all coordinates, and where one moved, over those that are not zero until none moves by more than `close`
    (in units of the gradient).  Coordinates without curvature stay where they are.
    """
    everything = np.arange(len(x))
    curvature, over_all = hessian.diagonal(), True
    for _ in range(epochs):
        most = 0.0
        for j in everything if over_all else np.flatnonzero(x):
            if not curvature[j] > 0.0:
                continue
            to = curvature[j] * x[j] - gradient[j]
            goal = np.sign(to) * max(abs(to) - threshold[j], 0.0) / curvature[j]
            step = goal - x[j]
            if step != 0.0:
                most = max(most, abs(step) * curvature[j])
                x[j] = goal
                gradient += step * hessian[j]
        if most <= close:
            if over_all:
                break
            over_all = True
        else:
            over_all = False
