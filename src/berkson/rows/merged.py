"""Rows that agree in every factor, and have no numbers, are one row: the same sums over fewer rows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from berkson.design import Mixed
from berkson.loss import Logistic
from berkson.rows.draw import CHUNK
from berkson.rows.memory import InMemory

F64 = npt.NDArray[np.float64]

FEWEST, ROWS_A_CELL = 20_000, 8  # rows, and rows for each combination of levels, from which merging pays


def merged(rows: InMemory) -> InMemory | None:
    """The combinations of levels that occur as rows, each with the total weight of its rows and the shares that the
    classes have in it, in the same coordinates: every question about sums has the same answer.  None where there are
    numbers or offsets, or combinations are too many for it to pay.
    """
    design, n = rows.design, rows.n_rows
    if not isinstance(design, Mixed) or design.blocks.numbers.shape[1] or rows.offset is not None or n < FEWEST:
        return None
    levels = design.blocks.levels
    if math.prod(levels) * ROWS_A_CELL > n:
        return None
    totals = _totals(rows, design)
    weight = totals.sum(axis=1)
    used = np.flatnonzero(weight)
    shares = totals[used] / weight[used, None]
    codes = tuple(each.astype(np.int32) for each in np.unravel_index(used, levels))
    blocks = design.blocks._replace(numbers=design.blocks.numbers[: len(used)], codes=codes)
    y = shares[:, 1].copy() if isinstance(rows.loss, Logistic) else shares
    return replace(rows, design=Mixed(blocks, design.place), y=y, weight=weight[used])


def _totals(rows: InMemory, design: Mixed) -> F64:
    """The weight of each class in each combination of levels (combinations, K)."""
    levels, n = design.blocks.levels, rows.n_rows
    K = 2 if isinstance(rows.loss, Logistic) else rows.loss.outputs
    cells = math.prod(levels)
    totals = np.zeros(cells * K)
    step = max(CHUNK, cells)  # no shorter than what is added up for it
    for start in range(0, n, step):
        run = slice(start, start + step)
        cell = np.zeros(min(step, n - start), dtype=np.intp)
        for codes, size in zip(design.blocks.codes, levels, strict=True):
            cell = cell * size + codes[run]
        y, weight = rows.y[run], None if rows.weight is None else rows.weight[run]
        if y.dtype.kind in "ui":
            totals += np.bincount(cell * K + y, weight, cells * K)
            continue
        shares = y if y.ndim == 2 else np.column_stack([1.0 - y, y])
        for k in range(K):
            mass = shares[:, k] if weight is None else weight * shares[:, k]
            totals[k::K] += np.bincount(cell, mass, cells)
    return totals.reshape(cells, K)
