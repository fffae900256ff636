"""The minimum of a convex quadratic plus absolute values, to rounding: the inner problem of a proximal Newton step.

    1/2 x'Hx + b'x + sum_j threshold_j |x_j|

By feature-sign search (Lee, Battle, Raina and Ng, NIPS 2006): where the signs of the coordinates that are not zero are
settled the problem is a linear system; a solution that keeps them is optimal among those coordinates, one that does not
is approached as far as the objective falls, and coordinates that reach zero on the way leave.  Each system lowers the
objective, so no set of signs comes back and the search ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from berkson.kernels import descent

F64 = npt.NDArray[np.float64]

SOLVED = 1e-12  # of the largest numbers: violations below it are rounding
SYSTEMS = 20  # linear systems for each coordinate: past any count seen from a bad start
SHARE, ONE = 0.5, 1.0  # of the largest violation: which coordinates enter together; only the one with the largest
MANY, EPOCHS, NEAR = 64, 100, 1e-6  # coordinates from which descent goes first, how often, and how near
SETTLED = math.inf  # length of a step that kept all signs
FLAT, LEVEL = 1e-12, 1e-9  # of the largest curvature: none; of the gradient: it does not slope along what is flat
STILL = 1e-9  # of the largest coordinate of a flat direction: none of it
LARGE = 1e9  # a solution so many times larger than curvature and gradient suggest is of a singular system


def quadratic_minimum(
    hessian: F64, linear: F64, threshold: F64, start: F64, descend: Callable[..., None] = descent.descend
) -> F64:
    """The minimiser (d,); `threshold` >= 0 (0: the coordinate is free, inf: it is zero), `start` close if possible.

    hessian (d, d) positive semi-definite.  Where it is flat, so that there are many minimisers, one of them.
    """
    x, free, share = np.where(np.isinf(threshold), 0.0, start), threshold == 0.0, SHARE
    active, sign = (x != 0.0) | free, np.sign(x)
    rounding = SOLVED * (float(np.abs(linear).max()) + float(threshold[np.isfinite(threshold)].max(initial=0.0)))
    if len(x) >= MANY:  # the signs of many coordinates are found sooner one by one
        descend(hessian, hessian @ x + linear, threshold, x, EPOCHS, NEAR * float(np.abs(linear).max()))
        active, sign = (x != 0.0) | free, np.sign(x)
    for _ in range(SYSTEMS * (len(x) + 2)):
        length = _solve_active(hessian, linear, threshold, x, active, sign)
        if length < SETTLED:
            share = SHARE if length > 0.0 else ONE  # those that entered together got into each other's way
            active, sign = (x != 0.0) | free, np.sign(x)
            continue
        gradient = hessian @ x + linear
        asks = np.where(active, 0.0, np.abs(gradient) - threshold)
        most = float(asks.max())
        if most <= rounding:
            break
        enter = asks >= share * most
        active |= enter
        sign[enter] = -np.sign(gradient[enter])
    return x


def _solve_active(hessian: F64, linear: F64, threshold: F64, x: F64, active: npt.NDArray[np.bool_], sign: F64) -> float:
    """Move the active coordinates of x, in place, to their minimum for these signs (SETTLED), or towards it to where
    the objective is least on the way: by what part."""
    places = np.flatnonzero(active)
    if len(places) == 0:
        return SETTLED
    matrix, pull, here = hessian[np.ix_(places, places)], threshold[places], x[places]
    gradient = matrix @ here + linear[places]
    step, bounded = _newton_step(matrix, gradient + pull * sign[places])
    if not bounded:
        step[np.abs(step) <= STILL * np.abs(step).max()] = 0.0  # by rounding they would cross zero somewhere far away
    wrong = (pull > 0.0) & ((here + step) * sign[places] < 0.0 if bounded else step * sign[places] < 0.0)
    if not wrong.any():
        x[places] = here + step
        return SETTLED
    crossing = np.where(wrong, -here / np.where(wrong, step, 1.0), math.inf)  # 0 for one that entered against its sign
    end = 1.0 if bounded else float(crossing[wrong].max())
    lengths = np.unique(np.append(crossing[crossing < end], end))
    values = (
        lengths * float(gradient @ step)
        + 0.5 * lengths**2 * (float(step @ matrix @ step) if bounded else 0.0)
        + np.abs(here + lengths[:, None] * step) @ pull
    )
    length = float(lengths[values.argmin()])
    x[places] = np.where(crossing == length, 0.0, here + length * step)
    return length


def _newton_step(matrix: F64, gradient: F64) -> tuple[F64, bool]:
    """-matrix^-1 gradient, and True; or, where the matrix is singular and the gradient slopes along what is flat, the
    direction down that slope, and False."""
    try:
        step: F64 = -np.linalg.solve(matrix, gradient)  # type: ignore[assignment]
        if np.abs(step).max() * matrix.diagonal().max() <= LARGE * np.abs(gradient).max():  # False for NaN
            return step, True
    except np.linalg.LinAlgError:
        pass
    scale = np.sqrt(np.maximum(matrix.diagonal(), FLAT * matrix.diagonal().max()) + 1e-300)
    values, vectors = np.linalg.eigh(matrix / (scale[:, None] * scale))
    along = vectors.T @ (gradient / scale)
    flat = values <= FLAT * max(float(values.max()), 0.0)
    if np.abs(along[flat]).max(initial=0.0) > LEVEL * np.abs(along).max():
        return -(vectors[:, flat] @ along[flat]) / scale, False
    along[flat], values[flat] = 0.0, 1.0
    return -(vectors @ (along / values)) / scale, True
