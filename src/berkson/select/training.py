"""What the rows that train each fold have: weights of classes and units of columns, of all folds by one reading.

Where each row is held out once, a fold's rows are those of all other folds, whose sums and extremes add up; none is
subtracted, so that what no row has is exactly zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from berkson.problem import InputError, Problem
from berkson.rows.memory import InMemory
from berkson.select.folds import Folds
from berkson.select.start import unit_of

F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Moments = tuple[float, F64, F64, F64, F64]  # total weight, and of columns: mean, variance, least, largest
Part = TypeVar("Part")


def training_weights(problem: Problem, folds: Folds, of_all: F64) -> F64:
    """The total weight of each class in the rows that train each fold (M, K); InputError where one of all rows is
    gone."""
    each = [_class_weights(problem, rows) for rows in folds.parts]
    if folds.codes is not None:
        each = _of_others(each, np.add)[: folds.count]
    totals = np.array(each)
    gone = np.argwhere((totals == 0.0) & (of_all > 0.0))
    if len(gone):
        k, c = gone[0].tolist()
        raise InputError(
            f"fold {k} holds out every row of class {problem.class_name(c)}, so that the others cannot "
            "learn it: use fewer folds, or folds that are drawn with equal shares of the classes"
        )
    return totals


def _class_weights(problem: Problem, rows: Indices) -> F64:
    weight = None if problem.weight is None else problem.weight[rows]
    return replace(problem, y=problem.y[rows], weight=weight).class_weights()


def training_units(rows: InMemory, folds: Folds) -> F64:
    """The units of columns (see `units`) where they are standardised by the rows that train each fold (M, p)."""
    weight, threads = rows.weight, rows.whole.threads
    each = [rows.design.moments(some, None if weight is None else weight[some], threads) for some in folds.parts]
    if folds.codes is not None:
        each = _of_others(each, _together)[: folds.count]
    _, _, variance, low, high = (np.array(moment) for moment in zip(*each, strict=True))
    return unit_of(variance, low, high)


def _together(one: Moments, other: Moments) -> Moments:
    """Moments of two parts: nothing is subtracted but means, so that a row far out makes no variance less exact of
    rows without it.  A part without weight has no mean."""
    if not (one[0] > 0.0 and other[0] > 0.0):
        return other if other[0] > 0.0 else one
    total = one[0] + other[0]
    of_one, of_other = one[0] / total, other[0] / total
    away = other[1] - one[1]
    return (
        total,
        one[1] + of_other * away,
        of_one * one[2] + of_other * other[2] + of_one * of_other * away * away,
        np.minimum(one[3], other[3]),
        np.maximum(one[4], other[4]),
    )


def _of_others(each: Sequence[Part], combine: Callable[[Part, Part], Part]) -> list[Part]:
    """What all but one have together, from the left and from the right of it."""
    before, after = list(accumulate(each, combine)), list(accumulate(each[::-1], combine))[::-1]
    return [*after[1:2], *map(combine, before[:-2], after[2:]), *before[-2:-1]]
