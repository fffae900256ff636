"""Lines along which a surface has a height, and the regions above it, from its values on a grid.

Every cell is cut into two triangles, on which the surface is taken to be flat: a line enters and leaves each by two of
its edges, so no case is ambiguous, and of a surface that is flat everywhere the lines are exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

STRAIGHT = 1e-9  # radians by which a line may turn at a point that is left out
SAME = 1e-12  # of the extent of a line: points closer than this are one


@dataclass(frozen=True)
class Contour:
    """Points x, y (m,) in order, each the part `t` (m,) of the way from node `low` to node `high` (m,) of the grid; a
    closed line ends where it begins."""

    x: F64
    y: F64
    low: Places
    high: Places
    t: F64

    def of(self, values: F64) -> F64:
        """Another surface on the same grid (m, n), at the points of the line."""
        flat = values.ravel()
        return flat[self.low] + self.t * (flat[self.high] - flat[self.low])


def contours(x: F64, y: F64, values: F64, level: float) -> list[Contour]:
    """Where a surface with finite values (m, n) over x (m,) and y (n,) crosses this height."""
    triangles = _triangles(*values.shape)
    flat = values.ravel()
    above = flat[triangles] > level
    count = above.sum(axis=1)
    crossed = (count == 1) | (count == 2)
    triangles, above, count = triangles[crossed], above[crossed], count[crossed]
    if not len(triangles):
        return []
    alone = np.where(count == 1, above.argmax(axis=1), (~above).argmax(axis=1))  # the corner on its own side
    turn = (alone[:, None] + np.arange(3)) % 3
    corner, first, second = np.take_along_axis(triangles, turn, axis=1).T
    ends = np.sort(np.stack([np.stack([corner, first]), np.stack([corner, second])]), axis=1)  # (2 ends, 2 nodes, s)
    keys, place = np.unique(ends[:, 0] * flat.size + ends[:, 1], return_inverse=True)
    low, high = np.divmod(keys, flat.size)
    t = (level - flat[low]) / (flat[high] - flat[low])
    px, py = np.repeat(x, len(y)), np.tile(y, len(x))
    at = px[low] + t * (px[high] - px[low]), py[low] + t * (py[high] - py[low])
    segments = place.reshape(2, -1).T
    return [Contour(at[0][c], at[1][c], low[c], high[c], t[c]) for c in _chains(segments, len(keys))]


def region(x: F64, y: F64, values: F64, level: float) -> tuple[F64, F64]:
    """Loops around where a surface is higher than this, NaN between them: inside is what an odd number surrounds."""
    x, y = np.r_[x[0], x, x[-1]], np.r_[y[0], y, y[-1]]
    loops = contours(x, y, np.pad(values, 1, constant_values=level - 1.0), level)  # the grid's edge closes them
    return joined([straightened(loop.x, loop.y) for loop in loops])


def joined(lines: list[tuple[F64, F64]]) -> tuple[F64, F64]:
    """Several lines as one, NaN between them."""
    if not lines:
        return np.empty(0), np.empty(0)
    x, y = (np.concatenate([np.append(line[k], np.nan) for line in lines])[:-1] for k in (0, 1))
    return x, y


def straightened(x: F64, y: F64) -> tuple[F64, F64]:
    """The line without points at which it does not turn."""
    least = SAME * max(float(np.ptp(x)), float(np.ptp(y)))
    apart = np.hypot(np.diff(x), np.diff(y)) > least
    kept = np.append(True, apart)
    x, y = x[kept], y[kept]
    dx, dy = np.diff(x), np.diff(y)
    if len(dx) < 2:
        return x, y
    length = np.hypot(dx, dy)
    turns = np.abs(dx[1:] * dy[:-1] - dx[:-1] * dy[1:]) > STRAIGHT * length[1:] * length[:-1]
    bent = np.concatenate([[True], turns, [True]])
    return x[bent], y[bent]


def where(line: Contour, h: F64) -> Iterator[tuple[F64, F64]]:
    """The parts of a line on which another surface, h (m,) at its points, is not positive; straightened."""
    inside = h <= 0.0
    x: list[float] = []
    y: list[float] = []
    for i in range(len(h)):
        if i and inside[i] != inside[i - 1]:  # it enters or leaves between two points
            t = h[i - 1] / (h[i - 1] - h[i])
            x.append(float(line.x[i - 1] + t * (line.x[i] - line.x[i - 1])))
            y.append(float(line.y[i - 1] + t * (line.y[i] - line.y[i - 1])))
        if inside[i]:
            x.append(float(line.x[i]))
            y.append(float(line.y[i]))
        elif x:
            yield straightened(np.array(x), np.array(y))
            x, y = [], []
    if x:
        yield straightened(np.array(x), np.array(y))


def _triangles(m: int, n: int) -> Places:
    """Nodes of all triangles (t, 3) of a grid with nodes i n + j."""
    node = np.arange(m * n).reshape(m, n)
    a, b, c, d = (part.ravel() for part in (node[:-1, :-1], node[1:, :-1], node[1:, 1:], node[:-1, 1:]))
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])


def _chains(segments: Places, count: int) -> Iterator[Places]:
    """Segments (s, 2) between `count` points, at most two at each, as lines: open ones first, then loops."""
    beside: list[list[int]] = [[] for _ in range(count)]
    for a, b in segments.tolist():
        beside[a].append(b)
        beside[b].append(a)
    ends = [i for i in range(count) if len(beside[i]) == 1]
    for start in [*ends, *range(count)]:
        if not beside[start]:
            continue
        chain = [start]
        while beside[chain[-1]]:
            following = beside[chain[-1]].pop()
            beside[following].remove(chain[-1])
            chain.append(following)
        yield np.array(chain)
