"""The minimum of a convex quadratic plus lengths of blocks and absolute values, to rounding: the inner problem of a
proximal Newton step under groups.

    1/2 x'Hx + b'x + sum_j threshold_j |x_j| + sum_g radius_g |x_g|

Where no block is zero and no sign changes the problem is smooth: Newton's method on the coordinates that are not zero,
to where the objective is least among the points on the way at which a sign turns or a block is shortest.  A block for
which zero is best, all else being as it is, becomes zero at once; blocks and coordinates that should not be zero leave
it by a proximal step.  Each of these lowers the objective.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SOLVED = 1e-13  # of the largest numbers: one more of Newton's steps leaves rounding alone
STEPS = 20  # for each coordinate: past any count seen
SHARE = 0.5  # of the largest violation: which blocks leave zero together
EARLY = 0.1  # of the largest violation: a slope of the rest so small does not mislead who leaves zero
HALVES = 0.5 ** np.arange(12)
TINY = 1e-6  # of a block's length: what is left of a block that turns round
DAMPING = 1e-12, 1e-9, 1e-6, 1e-3  # of the largest curvature, added to all until a step serves
SERVES = 1e-3  # part of a step


@dataclass(frozen=True, slots=True)
class _Blocks:
    hessian: F64
    linear: F64
    threshold: F64
    radius: F64
    group: npt.NDArray[np.intp]

    def norms(self, x: F64, places: npt.NDArray[np.intp] | slice = slice(None)) -> F64:
        length: F64 = np.sqrt(np.bincount(self.group[places], x * x, len(self.radius)))
        return length

    def soft(self, x: F64, places: npt.NDArray[np.intp] | slice = slice(None)) -> F64:
        most = self.threshold[places]
        return x - np.clip(x, -most, most)

    def value(self, x: F64) -> float:
        away = x != 0.0
        kinks = float(self.threshold[away] @ np.abs(x[away]) + self.radius @ self.norms(x))
        return float(x @ (0.5 * (self.hessian @ x) + self.linear)) + kinks


def block_minimum(
    hessian: F64, linear: F64, threshold: F64, radius: F64, group: npt.NDArray[np.intp], start: F64
) -> F64:
    """The minimiser (d,); `group` (d,) codes from 0, `radius` (groups,) >= 0, `threshold` (d,) >= 0 (inf: the
    coordinate is zero); `start` close if possible.  hessian (d, d) positive semi-definite."""
    blocks = _Blocks(hessian, linear, threshold, radius, group)
    x = np.where(np.isinf(threshold), 0.0, start)
    finite = threshold[np.isfinite(threshold)]
    solved = SOLVED * float(np.abs(linear).max() + finite.max(initial=0.0) + radius.max(initial=0.0))
    for _ in range(STEPS * (len(x) + 2)):
        gradient = hessian @ x + linear
        if _vanish(blocks, x, gradient):
            gradient = hessian @ x + linear
        length = blocks.norms(x)
        on = ((length > 0.0) | (radius == 0.0))[group]
        active = on & ((x != 0.0) | (threshold == 0.0))
        bend = np.where(on, radius[group] / np.where(on & (length[group] > 0.0), length[group], 1.0), 0.0)
        slope = np.where(active, gradient + np.where(active, threshold, 0.0) * np.sign(x) + bend * x, 0.0)
        left = float(np.abs(slope).max(initial=0.0))
        if _enter(blocks, x, gradient, on & ~active, on, bend, max(solved, left / EARLY)):
            continue
        if not _newton(blocks, x, gradient, slope, np.flatnonzero(active), bend) or left <= solved:
            break
    return x


def _vanish(blocks: _Blocks, x: F64, gradient: F64) -> bool:
    """Set blocks to zero for which it is best while the others stay: all at once if that lowers the objective, else the
    surest."""
    group, radius = blocks.group, blocks.radius
    on = (blocks.norms(x) > 0.0) & (radius > 0.0)
    places = np.flatnonzero(on[group])
    if len(places) == 0:
        return False
    same = group[places][:, None] == group[places]
    own = np.where(same, blocks.hessian[np.ix_(places, places)], 0.0) @ x[places]
    ratio = blocks.norms(blocks.soft(gradient[places] - own, places), places) / np.where(on, radius, 1.0)
    gone = on & (ratio <= 1.0)
    if not gone.any():
        return False
    trial = np.where(gone[group], 0.0, x)
    if gone.sum() > 1 and blocks.value(trial) > blocks.value(x):
        trial = np.where(group == np.where(gone, ratio, np.inf).argmin(), 0.0, x)
    x[:] = trial
    return True


def _enter(blocks: _Blocks, x: F64, gradient: F64, still: Mask, on: Mask, bend: F64, least: float) -> bool:
    """Let blocks that are zero (off), and coordinates that are zero in others (`still`), leave zero by a proximal step
    where their slopes are steeper than the kink by more than `least`: those with the largest violations."""
    group, radius = blocks.group, blocks.radius
    pull = blocks.soft(gradient)
    steep = np.where(still, np.abs(pull), 0.0)
    lengths = blocks.norms(np.where(on, 0.0, pull))
    over = lengths - radius
    most = max(float(steep.max(initial=0.0)), float(over.max(initial=0.0)))
    if most <= least:
        return False
    alone = np.flatnonzero(steep >= SHARE * most)
    together = np.flatnonzero(over >= SHARE * most)
    count = len(alone) + len(together)
    for j in alone:
        x[j] = -pull[j] / (count * (blocks.hessian[j, j] + bend[j]))
    for g in together:
        members = np.flatnonzero(group == g)
        curvature = float(np.linalg.norm(blocks.hessian[np.ix_(members, members)]))
        x[members] = -pull[members] * (over[g] / lengths[g]) / (count * curvature)
    return True


def _newton(blocks: _Blocks, x: F64, gradient: F64, slope: F64, places: npt.NDArray[np.intp], bend: F64) -> bool:
    """Move x, in place, along Newton's step to the best point on the way; whether that lowers the objective.

    Where what is nearly flat (equal columns in two blocks) makes the step so long that hardly any of it serves, it is
    damped."""
    matrix, code = blocks.hessian[np.ix_(places, places)], blocks.group[places]
    here, length = x[places], blocks.norms(x[places], places)
    turn = np.where(code[:, None] == code, np.outer(bend[places] * here, here), 0.0)
    newton = matrix - turn / np.where(length > 0.0, length, 1.0)[code][:, None] ** 2
    diagonal = newton.diagonal() + bend[places]
    part, to = 0.0, here
    for damping in DAMPING if len(places) else ():
        newton.flat[:: len(newton) + 1] = diagonal + damping * matrix.diagonal().max()
        step = -np.linalg.solve(newton, slope[places])
        part, to = _search(blocks, here, step, gradient[places], float(step @ matrix @ step), places)
        if part > SERVES:
            break
    if part > 0.0:
        tiny = (blocks.radius > 0.0) & (blocks.norms(to, places) < TINY * length)  # it turns: from zero, not through it
        x[places] = np.where(tiny[code], 0.0, to)
    return part > 0.0


def _search(
    blocks: _Blocks, here: F64, step: F64, gradient: F64, curvature: float, places: npt.NDArray[np.intp]
) -> tuple[float, F64]:
    """The best part of a step, and where it leads; 0 where none lowers the objective."""
    code, most, radius = blocks.group[places], blocks.threshold[places], blocks.radius
    length = blocks.norms(here, places)
    along = np.bincount(code, here * step, len(radius))
    squared = np.bincount(code, step * step, len(radius))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        crossing = np.where((most > 0.0) & (here * step < 0.0), -here / step, np.inf)
        shortest = np.where((radius > 0.0) & (along < 0.0), -along / squared, np.inf)
    lengths = np.unique(np.concatenate([HALVES, crossing, shortest]))
    lengths = lengths[lengths <= 1.0]
    each = lengths[:, None]
    moved = 2.0 * each * along + each**2 * squared  # of a block's squared length
    both = np.sqrt(np.maximum(length**2 + moved, 0.0)) + length
    there = here + each * step
    values = (
        lengths * float(gradient @ step)
        + 0.5 * lengths**2 * curvature
        + np.where(there * here >= 0.0, each * step * np.sign(here), np.abs(there) - np.abs(here)) @ most
        + moved / np.where(both > 0.0, both, 1.0) @ radius
    )
    best = int(values.argmin())
    if not values[best] < 0.0:
        return 0.0, here
    return float(lengths[best]), np.where(crossing == lengths[best], 0.0, there[best])
