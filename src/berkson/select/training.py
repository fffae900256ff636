"""What the rows that train each fold have: weights of classes and units of columns, of all folds by one reading.

Where each row is held out once, a fold's rows are those of all other folds, whose sums and extremes add up; none is
subtracted, so that what no row has is exactly zero.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from berkson.problem import InputError, Problem
from berkson.rows.memory import InMemory
from berkson.select.folds import Folds
from berkson.select.start import unit_of

F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


def training_weights(problem: Problem, folds: Folds, of_all: F64) -> F64:
    """The total weight of each class in the rows that train each fold (M, K); InputError where one of all rows is
    gone."""
    totals = np.array([_class_weights(problem, rows) for rows in folds.parts])
    if folds.codes is not None:
        totals = _of_others(totals, np.add)[: folds.count]
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
    total, mean, variance, low, high = (np.array(moment) for moment in zip(*each, strict=True))
    if folds.codes is not None:
        total, mean, variance, low, high = _moments_of_others(total[:, None], mean, variance, low, high)
    return unit_of(variance, low, high)[: folds.count]


def _moments_of_others(total: F64, mean: F64, variance: F64, low: F64, high: F64) -> tuple[F64, F64, F64, F64, F64]:
    """Moments of all parts but one: total (G, 1), the others (G, p).  A part without weight has no mean."""
    has = total > 0.0
    center = (total * np.where(has, mean, 0.0)).sum(axis=0) / total.sum()
    away = np.where(has, mean - center, 0.0)
    second = np.where(has, total * (variance + away * away), 0.0)
    others = _of_others(total, np.add)
    off = _of_others(total * away, np.add) / others
    return (
        others,
        center + off,
        np.maximum(_of_others(second, np.add) / others - off * off, 0.0),
        _of_others(low, np.minimum),
        _of_others(high, np.maximum),
    )


def _of_others(each: F64, combine: np.ufunc) -> F64:
    """What all but one have together (G, ...), from the left and from the right of it."""
    before, after = combine.accumulate(each), combine.accumulate(each[::-1])[::-1]
    return np.array([*after[1:2], *combine(before[:-2], after[2:]), *before[-2:-1]])
