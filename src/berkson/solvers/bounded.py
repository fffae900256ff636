"""The minimum of a convex quadratic plus absolute values between bounds, to rounding: the inner problem of a proximal
Newton step under bounds and signs.

    1/2 x'Hx + b'x + sum_j threshold_j |x_j|,   lower <= x <= upper

Coordinates at a bound or at a kink stay there until the slope pulls them off; for the others the problem is a linear
system, whose solution is approached as far as the objective falls: by the path that ends at bounds and kinks as it
meets them, or straight up to the first bound.  Each step lowers the objective.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

SOLVED = 1e-13  # of the largest numbers: one more of Newton's steps leaves rounding alone
STEPS = 20  # for each coordinate: past any count seen
SHARE = 0.5  # of the largest violation: which coordinates leave a bound or kink together
EARLY = 0.1  # of the largest violation: a slope of the rest so small does not mislead who leaves
HALVES = 0.5 ** np.arange(12)
FLAT = 1e-12  # of the largest curvature, added to all: where the quadratic is flat, steps end at a bound or kink


@dataclass(frozen=True, slots=True)
class _Box:
    hessian: F64
    threshold: F64
    lower: F64
    upper: F64

    def pull(self, x: F64, gradient: F64) -> F64:
        """How the objective falls (d,), by the steeper side of each coordinate; 0 where it rises on both or is held."""
        with np.errstate(invalid="ignore"):
            up = np.where(x < self.upper, -gradient - np.where(x >= 0.0, self.threshold, -self.threshold), 0.0)
            down = np.where(x > self.lower, gradient - np.where(x <= 0.0, self.threshold, -self.threshold), 0.0)
        return np.maximum(up, 0.0) - np.maximum(down, 0.0)


def bounded_minimum(hessian: F64, linear: F64, threshold: F64, lower: F64, upper: F64, start: F64) -> F64:
    """The minimiser (d,); `threshold` (d,) >= 0 (inf: the coordinate is zero), lower <= 0 <= upper (d,), infinite where
    there is no bound; `start` close if possible.  hessian (d, d) positive semi-definite."""
    held = np.isinf(threshold)
    box = _Box(hessian, np.where(held, 0.0, threshold), np.where(held, 0.0, lower), np.where(held, 0.0, upper))
    x = np.clip(start, box.lower, box.upper)
    solved = SOLVED * float(np.abs(linear).max() + box.threshold.max(initial=0.0))
    for _ in range(STEPS * (len(x) + 2)):
        gradient = hessian @ x + linear
        pull = box.pull(x, gradient)
        inside = (x > box.lower) & (x < box.upper) & ((x != 0.0) | (box.threshold == 0.0))
        left = float(np.abs(pull[inside]).max(initial=0.0))
        asks = np.where(inside, 0.0, np.abs(pull))
        if asks.max() > max(solved, left / EARLY):
            _leave(box, x, pull, np.flatnonzero(asks >= SHARE * asks.max()))
        elif not _newton(box, x, gradient, np.flatnonzero(inside)) or left <= solved:
            break
    return x


def _leave(box: _Box, x: F64, pull: F64, places: npt.NDArray[np.intp]) -> None:
    """A step along the slope from a bound or kink, to the next one at most; so short that many may go at once."""
    curvature = np.maximum(box.hessian.diagonal()[places], FLAT * box.hessian.diagonal().max())
    here, to = x[places], x[places] + pull[places] / (len(places) * curvature)
    stops = (here * to < 0.0) & (box.threshold[places] > 0.0)
    x[places] = np.where(stops, 0.0, np.clip(to, box.lower[places], box.upper[places]))


def _newton(box: _Box, x: F64, gradient: F64, places: npt.NDArray[np.intp]) -> bool:
    """Move x, in place, along Newton's step to the best point on the way; whether that lowers the objective."""
    if len(places) == 0:
        return False
    matrix, here = box.hessian[np.ix_(places, places)], x[places]
    most, lower, upper = box.threshold[places], box.lower[places], box.upper[places]
    newton = matrix.copy()
    newton.flat[:: len(newton) + 1] += FLAT * matrix.diagonal().max()
    step = -np.linalg.solve(newton, gradient[places] + most * np.sign(here))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        crossing = np.where((most > 0.0) & (here * step < 0.0), -here / step, np.inf)
        bound = np.where(step > 0.0, upper, lower)
        hit = np.where(step != 0.0, (bound - here) / step, np.inf)
    first = min(1.0, float(hit.min()))
    lengths = np.unique(np.append(crossing[crossing <= first], first))
    straight = here + lengths[:, None] * step
    straight = np.where(crossing == lengths[:, None], 0.0, np.where(hit == lengths[:, None], bound, straight))
    bent = here + HALVES[:, None] * step
    bent = np.clip(np.where((bent * here < 0.0) & (most > 0.0), 0.0, bent), lower, upper)
    trials = np.vstack([np.clip(straight, lower, upper), bent])
    moved = trials - here
    kinks = np.where(trials * here >= 0.0, moved * np.sign(here), np.abs(trials) - np.abs(here))
    values = moved @ gradient[places] + 0.5 * np.einsum("ij,ij->i", moved @ matrix, moved) + kinks @ most
    best = int(values.argmin())
    if not values[best] < 0.0:
        return False
    x[places] = trials[best]
    return True
