"""Whether a lasso's coefficients are the only ones: columns between which they can move at no cost.

The predictions of a lasso are unique, its coefficients need not be.  All optima have the same gradient, so each holds
coefficients on the tied columns alone, those whose gradient is at the threshold.  Where those are linearly independent
the coefficients are unique (R. Tibshirani, Electronic Journal of Statistics 7, 2013); where one is a combination of
others, moving along it changes no prediction, and no penalty while every coefficient that is 0 goes its gradient's way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from berkson.penalty import ElasticNet
from berkson.prepare import full_rank_rows
from berkson.problem import Problem
from berkson.rank import Alias, full_rank
from berkson.rows.memory import InMemory
from berkson.solvers.run import Work

F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

TIED = 1e-3  # of the threshold: how far off it a proved gap may leave a gradient
FEW = 64  # evenly spaced rows, beside four for each tied column, that mostly tell them apart
LARGEST = 1e10  # multiplications of a Gram matrix: where it takes more to tell, nothing is said


def ties(
    problem: Problem, rows: InMemory, penalty: ElasticNet, theta: F64, gradient: F64, work: Work
) -> tuple[Alias, ...]:
    """The tied columns whose coefficients can move to others, each with its combination, the constant's included.

    theta, gradient (size,) of the smooth part there: an optimum, to within its proof, without a ridge.  Of K classes
    each equation is asked by itself.
    """
    place = rows.coordinates
    found: dict[int, Alias] = {}
    positions = np.arange(place.columns) if place.kept is None else place.kept
    tied = (np.abs(gradient) >= (1.0 - TIED) * penalty.threshold).reshape(place.contrasts, -1)
    for used, slope, coef in zip(tied, gradient.reshape(tied.shape), theta.reshape(tied.shape), strict=True):
        some = np.flatnonzero(used)
        if len(some) < 2 or _told_apart(problem, rows, some) or len(problem.y) * float(place.columns) ** 2 > LARGEST:
            continue
        part = replace(rows, coordinates=replace(place, kept=positions[some], scale=place.scale[some]))
        _, rank = full_rank_rows(problem, part, work)
        where = {int(position): i for i, position in enumerate(positions)}
        for alias in rank.aliased:
            towards = np.zeros(len(slope))
            for column, share in alias.combination:
                if column in where:
                    towards[where[column]] = -share
            towards[where[alias.column]] = 1.0
            zero = (coef == 0.0) & (towards != 0.0)
            ways = -np.sign(slope[zero]) * np.sign(towards[zero])
            if (ways > 0.0).all() or (ways < 0.0).all():
                found.setdefault(alias.column, alias)
    return tuple(found.values())


def _told_apart(problem: Problem, rows: InMemory, some: Indices) -> bool:
    """Whether a few rows show that these places (the constant last) are linearly independent."""
    place, weight = rows.coordinates, problem.weight
    if weight is not None and not weight.all():
        return False
    few = rows.design.evenly_spaced(FEW + 4 * len(some))
    if len(few) < len(some):
        return False
    each = np.column_stack([few - place.center, np.ones(len(few))])
    each = (each if place.kept is None else each[:, place.kept])[:, some] / place.scale[some]
    return full_rank(each.T @ each)
