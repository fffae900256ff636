"""Where a column's values lie and how far they spread: what conditions a computation and changes no answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from berkson.design import Dense, Design, Mixed, SideBySide, Sparse
from berkson.rows.memory import threads_for

F64 = npt.NDArray[np.float64]

FEW_ROWS = 64  # evenly spaced rows that show a column's bulk
SKIP_FROM, SKIP_TO = 28, 4000  # columns for which Hessians are formed that skip cells at their column's centre
TOGETHER = 4000  # columns that are looked at together, in cache
OUTLYING = 1e4  # times the lower quartile of deviations that a range has to reach before the bulk decides


def location(
    design: Design, weight: F64 | None, *, intercept: bool, every: int = 1, few: int = FEW_ROWS
) -> tuple[F64, F64, npt.NDArray[np.bool_]]:
    """Centre and squared spread of each column (p,), and whether it has one and the same value in every row.

    The mean and the variance of every `every`-th row (without an intercept to take the centre up: 0 and the mean
    square); of a column whose range a few far values decide, the median and the typical deviation in about `few` rows.
    Counted from the mean of such a column, the other values would be one and the same number.  Where a third of those
    rows share their median (a rare level's 0), it is the centre, since what does not deviate need not be computed with;
    no median is further from the mean than the spread, so conditions hardly suffer.
    """
    if isinstance(design, SideBySide):
        return _of_blocks(design, weight, intercept=intercept, few=few)
    if isinstance(design, Mixed):
        return _beside_factors(design, weight, intercept=intercept, few=few)
    seen = None if weight is None else weight[::every]
    if every > 1 and seen is not None and not seen.any():
        every, seen = 1, weight
    _, mean, variance, low, high = _moments(design.run_of(slice(None, None, every)), seen)
    if every > 1 and not (variance > 0).all():
        _, mean, variance, low, high = _moments(design, weight)
    center, spread = (mean, variance) if intercept else (np.zeros(len(mean)), variance + mean * mean)
    if isinstance(design, Sparse):  # its bulk is 0; uncentred, its columns would add up to much of the constant
        return center, spread, ~(high > low)
    center, spread, extent = center.copy(), spread.copy(), high - low
    skips = intercept and SKIP_FROM <= len(mean) <= SKIP_TO
    for start in range(0, len(mean), TOGETHER):
        place = slice(start, start + TOGETHER)
        rows = design.evenly_spaced(few, place)
        _by_bulk(rows, extent[place], center[place], spread[place], intercept=intercept, skips=skips)
    return center, spread, ~(high > low)


def _by_bulk(rows: F64, extent: F64, center: F64, spread: F64, *, intercept: bool, skips: bool) -> None:
    """Correct centres (means, or 0) and spreads of some columns by what a few rows show, in place."""
    mean = center.copy()
    with np.errstate(invalid="ignore"):  # a column of infinities is refused later, by name
        middle = np.partition(rows, len(rows) // 2, axis=0)[len(rows) // 2] if intercept else mean
        deviations = np.abs(rows - middle)
        if skips:
            shared = 3 * np.count_nonzero(deviations, axis=0) < 2 * len(rows)
            center[:] = np.where(shared & ((middle - mean) ** 2 <= spread), middle, mean)
        if ((deviations > 0.0) & (OUTLYING * deviations < extent)).any():  # hardly ever: the rest is not for nothing
            near, typical = _quartiles(deviations)
            far = np.flatnonzero((near > 0) & (extent > OUTLYING * near) & np.isfinite(spread))
            center[far], spread[far] = middle[far], (1.5 * typical[far]) ** 2  # as of a normal column


def _of_blocks(
    design: SideBySide, weight: F64 | None, *, intercept: bool, few: int
) -> tuple[F64, F64, npt.NDArray[np.bool_]]:
    """`location` of each block's columns as of a table of its own."""
    center, spread, constant = np.empty(design.shape[1]), np.empty(design.shape[1]), np.empty(design.shape[1], bool)
    for block, place in zip(design.blocks, design.places, strict=True):
        center[place], spread[place], constant[place] = location(block, weight, intercept=intercept, few=few)
    return center, spread, constant


def _beside_factors(
    design: Mixed, weight: F64 | None, *, intercept: bool, few: int
) -> tuple[F64, F64, npt.NDArray[np.bool_]]:
    """`location` of numbers as of any others; indicators stay where they are, so that those of one factor have nothing
    in common, and their squared spread is their share."""
    threads = threads_for(len(design) * design.row_cells)
    share, _, low, high = design.level_moments(None, weight, threads)
    numbers = location(Dense(design.blocks.numbers), weight, intercept=intercept, few=few)
    of_levels, place = (np.zeros(len(share)), share, ~(high > low)), design.slots.place - ~design.numeric
    center, spread, constant = (np.concatenate(both)[place] for both in zip(numbers, of_levels, strict=True))
    return center, spread, constant


def filled(design: Design, center: F64, few: int = FEW_ROWS) -> float:
    """The share of cells (the constant's too) off their centre in about `few` rows: those that Hessians do not skip."""
    if isinstance(design, SideBySide):
        each = zip(design.blocks, design.places, strict=True)
        cells = sum(filled(block, center[place], few) * (len(place) + 1) - 1.0 for block, place in each)
        return float((cells + 1.0) / (len(center) + 1))
    if isinstance(design, Mixed):
        return design.filled
    if isinstance(design, Sparse):
        return (design.size + len(design)) / (len(design) * (len(center) + 1))
    if not SKIP_FROM <= len(center) <= SKIP_TO:
        return 1.0
    rows = design.evenly_spaced(few)
    return (np.count_nonzero(rows != center) + len(rows)) / (rows.size + len(rows))


def _quartiles(deviations: F64) -> tuple[F64, F64]:
    """The lower quartile and the median of the deviations, where they are 0 of those that are not; 0 where all are."""
    ordered = np.sort(deviations, axis=0)
    count = len(ordered)
    if ordered[count // 4].min(initial=1.0) > 0.0:
        return ordered[count // 4], ordered[count // 2]
    each = np.arange(ordered.shape[1])
    zeros = np.count_nonzero(ordered == 0.0, axis=0)
    lower, middle = (np.minimum(zeros + (count - zeros) // part, count - 1) for part in (4, 2))
    return ordered[lower, each], ordered[middle, each]


def _moments(design: Design, weight: F64 | None) -> tuple[float, F64, F64, F64, F64]:
    return design.moments(None, weight, threads_for(design.shape[0] * design.shape[1]))
